"""Class names as people write them: `Cat`, `potted plant` and `cat,dog` are understood, anything else is asked back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from wsis.errors import WsisError

Synonyms = Mapping[str, Sequence[str]]
"""Other words for a class, by its name."""
NONE: Synonyms = MappingProxyType({})
SHOWN = 20
"""Classes that are listed where no name is like the wanted one."""


def known(wanted: Iterable[str], classes: Sequence[str], model: str, synonyms: Synonyms = NONE) -> tuple[str, ...]:
    """A model's own names of the wanted classes.

    Args:
        wanted: names without regard to case, spaces, underscores and hyphens; several may share one string, with
            commas between them.
        classes: all that the model knows.
        model: what it is called in the error.
        synonyms: other words that stand for a class.

    Returns:
        Some of `classes`, each once, in the order they were asked for.

    Raises:
        WsisError: a name is none of them, or fits several that differ in case or spaces only.
    """
    return tuple(dict.fromkeys(own for name in wanted for own in _several(name, classes, model, synonyms)))


def _several(name: str, classes: Sequence[str], model: str, synonyms: Synonyms) -> list[str]:
    parts = [part.strip() for part in name.split(",") if part.strip()]
    whole = not parts or _alike(name, classes, synonyms)  # ImageNet has names with a comma
    return [_one(part, classes, model, synonyms) for part in ([name] if whole else parts)]


def _one(name: str, classes: Sequence[str], model: str, synonyms: Synonyms) -> str:
    alike = _alike(name, classes, synonyms)
    if len(alike) == 1:
        return alike[0]
    unknown = f"The model '{model}' does not know the class '{' '.join(name.split())[:80]}'."
    if alike or (alike := _near(name, classes, synonyms)):
        raise WsisError(f"{unknown} Did you mean {' or '.join(repr(own) for own in alike)}?")
    more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    raise WsisError(f"{unknown} It knows: {', '.join(classes[:SHOWN])}{more}.")


def _alike(name: str, classes: Sequence[str], synonyms: Synonyms) -> list[str]:
    """The classes of this name: the very same, else those that differ in case, spaces, underscores and hyphens only.

    Where there is none, those that it is a synonym of.
    """
    if name in classes:
        return [name]
    plain = _plain(name)
    alike = [own for own in classes if _plain(own) == plain]
    return alike or [own for own in classes if plain in map(_plain, synonyms.get(own, ()))]


def _near(name: str, classes: Sequence[str], synonyms: Synonyms) -> list[str]:
    """At most three names, of classes or synonyms, that may be meant."""
    by_plain = {_plain(word): word for own in classes for word in synonyms.get(own, ())}
    by_plain |= {_plain(own): own for own in classes}
    near = difflib.get_close_matches(_plain(name), by_plain, 3)
    part = [plain for plain in by_plain if len(_plain(name)) > 1 and _plain(name) in plain]
    return [by_plain[plain] for plain in dict.fromkeys((*near, *part))][:3]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())
