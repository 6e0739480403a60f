"""What every reader of labels gives: entries that say which classes a photo shows, before any photo is looked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wsis.errors import WsisError

SHORTEST = 100
"""Characters of somebody's text that a sentence repeats."""
NONE = ("background", "no_label", "none", "nothing")
"""Names, in any case, of what shows none of the classes; the second is how CVAT calls a folder of such photos."""

_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")


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

    def __post_init__(self) -> None:
        """Refuse what is no text, whatever the source: JSON may hold anything anywhere.

        Raises:
            WsisError: a name is none.
        """
        for name in (*self.names, *self.present, *(self.absent or ())):
            if not isinstance(name, str):
                raise WsisError(f"The labels are damaged: expected the name of a photo or class, got {name!r:.100}.")


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

    Classes that differ in case only are one, and what is called `background` or the like is none.

    Raises:
        WsisError: there is no entry.
    """
    entries, told = tuple(entries), list(notes)
    if not entries:
        raise WsisError(f"The labels ({kind}) say nothing of any photo.")
    named = tuple(dict.fromkeys(classes))
    seen = {name for entry in entries for name in entry.present | (entry.absent or frozenset())}
    every = (*named, *sorted(seen - set(named)))
    first: dict[str, str] = {}
    for name in every:
        first.setdefault(name.casefold(), name)
    if none := [name for name in every if name.casefold() in NONE]:
        told.append(f"No class, photos that show none of them: {', '.join(map(short, none))}.")
    if again := [f"{short(name)} is {short(one)}" for name in every if name != (one := first[name.casefold()])]:
        told.append(f"Written in several ways, taken for one class: {', '.join(again[:5])}.")
    if none or again:
        kept = {name: first[name.casefold()] for name in every if name not in none}
        entries = tuple(_renamed(entry, kept) for entry in entries)
        every = tuple(dict.fromkeys(kept.values()))
    return Listing(kind, entries, every, tuple(told))


def _renamed(entry: Entry, kept: Mapping[str, str]) -> Entry:
    """What the classes that stay are called from now on; two spellings of one class may contradict each other."""
    present, absent = (
        None if names is None else frozenset(kept[name] for name in names if name in kept)
        for names in (entry.present, entry.absent)
    )
    return Entry(entry.names, present or frozenset(), absent)


def tidy(name: str) -> str:
    """A class's name without control characters, and without spaces around it or doubled in it."""
    return " ".join((name if name.isprintable() else name.translate(_CONTROLS)).split())


def short(text: str, most: int = SHORTEST) -> str:
    """Somebody's text for a sentence."""
    text = tidy(text)
    return text if len(text) <= most else f"{text[:most]}..."
