"""What every reader of labels gives: entries that say which classes a photo shows, before any photo is looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wsis.errors import WsisError

SHORTEST = 100
"""Characters of somebody's text that a sentence repeats."""


@dataclass(frozen=True)
class Entry:
    """What is said of one photo.

    Attributes:
        names: how its file may be called, the likeliest first; with or without folders and ending.
        present: classes that it shows.
        absent: classes that it is said not to show; None means all but `present`, as where every class was looked for.
    """

    names: tuple[str, ...]
    present: frozenset[str]
    absent: frozenset[str] | None = None


@dataclass(frozen=True)
class Listing:
    """Entries of one source.

    Attributes:
        kind: what the source was understood to be, for people.
        entries: one a photo; several of one photo are put together later.
        classes: in the order that the source names them, also those that no photo shows.
        notes: sentences of what was left out.
    """

    kind: str
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def listing(kind: str, entries: Iterable[Entry], classes: Iterable[str] = (), notes: Iterable[str] = ()) -> Listing:
    """A listing whose classes are those named, then those that only entries have, sorted.

    Raises:
        WsisError: there is no entry.
    """
    entries = tuple(entries)
    if not entries:
        raise WsisError(f"The labels ({kind}) say nothing of any photo.")
    named = tuple(dict.fromkeys(classes))
    seen = {name for entry in entries for name in entry.present | (entry.absent or frozenset())}
    return Listing(kind, entries, (*named, *sorted(seen - set(named))), tuple(notes))


def tidy(name: str) -> str:
    """A class's name without spaces around it or doubled in it."""
    return " ".join(name.split())


def short(text: str) -> str:
    """Somebody's text for a sentence."""
    text = tidy(text)
    return text if len(text) <= SHORTEST else f"{text[:SHORTEST]}..."
