"""Kinds: what people call the things that ImageNet's 1,000 classes are, `dog` for 118 of them.

The rule: of a class and all that WordNet has above it, up to the words of `stops.txt` which are wider than what one
calls a thing by (`animal`, `vehicle`), its kind is the word used most (SemCor's counts), the highest of several used
alike. Where no other class shares it, a class keeps its own name unless the word is an everyday one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.imagenet.wordnet import Synset

STOPS = Path(__file__).with_name("stops.txt")
EVERYDAY = 10
"""How often a word is used at least that names a kind of one class alone: `horse` for `sorrel`."""


@dataclass(frozen=True)
class Kind:
    """What several classes have in common.

    Attributes:
        name: unique among kinds.
        members: rows of the head.
        synonyms: other words for it, its members and what lies between.
    """

    name: str
    members: tuple[int, ...]
    synonyms: tuple[str, ...]


def stops(file: Path = STOPS) -> frozenset[str]:
    """First words of the synsets that are wider than any kind."""
    return frozenset(word.strip() for word in file.read_text(encoding="utf-8").replace("\n", " ").split(";"))


def kinds(synsets: Mapping[str, Synset], leaves: Sequence[str], wide: frozenset[str]) -> tuple[Kind, ...]:
    """Every class in one kind, in the order of their first members.

    Args:
        synsets: all that lie above the leaves, by number.
        leaves: numbers of the classes, row by row.
        wide: see `stops`.
    """
    above = [_above(leaf, synsets, wide) for leaf in leaves]
    shared: dict[str, int] = {}
    for number in (number for heights in above for number in heights):
        shared[number] = shared.get(number, 0) + 1
    members: dict[str, list[int]] = {}
    for row, (leaf, heights) in enumerate(zip(leaves, above, strict=True)):
        often = sorted((n for n in heights if shared[n] > 1), key=lambda n: (-synsets[n].count, -heights[n]))
        alone = sorted(heights, key=lambda n: -synsets[n].count)[0]
        own = alone if synsets[alone].count >= EVERYDAY else leaf
        members.setdefault(often[0] if often else own, []).append(row)
    taken: dict[str, str] = {}
    for number in sorted(members, key=lambda n: (-synsets[n].count, n)):
        taken[number] = _free(synsets[number].words, set(taken.values()))
    names = {_plain(name) for name in taken.values()}
    claimed = set(names)
    found = {}
    for number, rows in sorted(members.items(), key=lambda item: len(item[1])):
        between = (n for row in rows for n in above[row] if n == number or _below(n, number, synsets))
        words = _new((word for n in (number, *between) for word in synsets[n].words), claimed)
        words += _new((word for row in rows for n in above[row] for word in synsets[n].words), claimed)
        found[number] = Kind(taken[number], tuple(rows), tuple(words))
    return tuple(found[number] for number in members)


def _above(leaf: str, synsets: Mapping[str, Synset], wide: frozenset[str]) -> dict[str, int]:
    """A class and what lies above it below the stops, each with the most steps up to it."""
    heights, todo = {leaf: 0}, [leaf]
    while todo:
        number = todo.pop()
        for parent in synsets[number].parents:
            if synsets[parent].words[0] not in wide and heights.get(parent, -1) <= heights[number]:
                heights[parent] = heights[number] + 1
                todo.append(parent)
    return heights


def _below(number: str, top: str, synsets: Mapping[str, Synset]) -> bool:
    return number == top or any(_below(parent, top, synsets) for parent in synsets[number].parents)


def _free(words: Sequence[str], taken: set[str]) -> str:
    """The first word that no other kind has, with a number where all are taken."""
    plain = {_plain(name) for name in taken}
    free = [word for word in words if _plain(word) not in plain]
    return free[0] if free else next(n for i in range(2, 99) if (n := f"{words[0]} {i}") not in taken)


def _new(words: Iterable[str], claimed: set[str]) -> list[str]:
    """Words that nobody has yet, each once; they are taken now."""
    found = []
    for word in words:
        if _plain(word) not in claimed:
            claimed.add(_plain(word))
            found.append(word)
    return found


def _plain(word: str) -> str:
    return "".join(c for c in word.casefold() if c not in " _-")
