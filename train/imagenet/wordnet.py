"""WordNet's synsets above ImageNet's 1,000 classes: the small data file `wordnet.tsv`, and how it is made.

`python -m train.imagenet wordnet --dict /usr/share/wordnet` makes it again from WordNet 3.0's `data.noun` and
`cntlist.rev` (Debian's package wordnet-base).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from timm.data import ImageNetInfo

from wsis.errors import WsisError

FILE = Path(__file__).with_name("wordnet.tsv")
HEADER = """\
# The nouns of WordNet 3.0 that are ImageNet's 1,000 classes or above them: number (ImageNet's, and WordNet's
# offset), how often texts that were tagged by hand mean it (SemCor, cntlist.rev), the numbers directly above it,
# its words.
# Made by: python -m train.imagenet wordnet --dict DICT
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Permission to use, copy, modify and
# distribute this software and database and its documentation for any purpose and without fee or royalty is hereby
# granted, provided that you agree to comply with the copyright notice and statements, including the disclaimer, and
# that the same appear on ALL copies of the software, database and documentation, including modifications that you
# make for internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY
# MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON
# UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT
# THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS,
# TRADEMARKS OR OTHER RIGHTS.
"""


@dataclass(frozen=True)
class Synset:
    """What WordNet knows of one meaning.

    Attributes:
        words: its names, the usual one first.
        parents: numbers of the synsets directly above it.
        count: how often it occurs in texts tagged by hand.
    """

    words: tuple[str, ...]
    parents: tuple[str, ...]
    count: int


def leaves() -> tuple[str, ...]:
    """WordNet's numbers of ImageNet's 1,000 classes, in the order of every head."""
    info = ImageNetInfo()
    return tuple(info.index_to_label_name(i) for i in range(info.num_classes()))


def read(file: Path = FILE) -> dict[str, Synset]:
    """The synsets of the data file, by number."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {
        number: Synset(tuple(words.split("; ")), tuple(parents.split()), int(count))
        for number, count, parents, words in rows
    }


def write(file: Path, synsets: Mapping[str, Synset]) -> None:
    """Write the data file, sorted by number."""
    rows = (
        "\t".join((number, str(one.count), " ".join(one.parents), "; ".join(one.words)))
        for number, one in sorted(synsets.items())
    )
    file.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")


def extract(folder: Path, numbers: Iterable[str]) -> dict[str, Synset]:
    """Some synsets of WordNet's own files and all above them.

    Args:
        folder: with `data.noun` and `cntlist.rev` of WordNet 3.0.
        numbers: such as `n02106662`.

    Raises:
        WsisError: a file is missing, or it is another version, which has other numbers.
    """
    try:
        lines = (folder / "data.noun").read_text(encoding="utf-8").splitlines()
        counted = (folder / "cntlist.rev").read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise WsisError(f"{folder} holds no WordNet: expected data.noun and cntlist.rev of version 3.0.") from error
    counts: Counter[str] = Counter()
    for key, _, count in (line.split() for line in counted if line):
        counts[key] += int(count)
    every = dict(_synset(line, counts) for line in lines if not line.startswith("  "))
    found: dict[str, Synset] = {}
    todo = list(numbers)
    while todo:
        number = todo.pop()
        if number not in every:
            raise WsisError(f"{folder} has no noun {number}: expected WordNet 3.0, whose numbers ImageNet uses.")
        if number not in found:
            found[number] = every[number]
            todo += every[number].parents
    return found


def _synset(line: str, counts: Mapping[str, int]) -> tuple[str, Synset]:
    """A line of `data.noun`: offset, file, kind, how many words (hexadecimal), words with ids, pointers, meaning."""
    parts = line.partition(" | ")[0].split()
    many = int(parts[3], 16)
    pairs = [(parts[4 + 2 * i], int(parts[5 + 2 * i], 16)) for i in range(many)]
    pointers = [parts[start : start + 4] for start in range(5 + 2 * many, len(parts), 4)]
    above = tuple(f"n{target}" for sign, target, kind, _ in pointers if sign in ("@", "@i") and kind == "n")
    count = sum(counts.get(f"{word.lower()}%1:{parts[1]}:{number:02d}::", 0) for word, number in pairs)
    return f"n{parts[0]}", Synset(tuple(word.replace("_", " ") for word, _ in pairs), above, count)
