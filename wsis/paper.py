"""The paper's Tables 1 to 4, and which of our rows answers each of theirs; read from `paper.json`.

A row of the paper has up to two kinds of answer: *as published*, which adds nothing to the paper's method, and *ours*
with what we added. Both are named as in a checkpoint's `results.json` (`wsis.results`), one proposal a peak.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wsis import voc
from wsis.results import NAMES, Figure, Measured, Results

PUBLISHED = "as published"
FULL = "Full model (Ours-proposal)"
"""The row of Table 1 that the others lack a part of."""
REMADE, BEST = "PRM [42]", "Ours-saliency"
"""The rows of Tables 2 and 3 that a sentence is about."""
LATER = "icn-instances, T = 3, with agreement and objectness"
"""Our row that answers none of the paper's: what the explorer and the commands begin with."""


def of_classes(classes: Sequence[str]) -> bool:
    """Whether figures of a model of these classes may stand beside the tables, which are of VOC's."""
    return tuple(classes) == voc.CLASSES


@dataclass(frozen=True)
class Printed:
    """A row of the paper.

    Attributes:
        name: as printed.
        values: in percent, by the keys of `wsis.results.NAMES`.
        answers: names of our rows, (as published, ours), either None where there is none.
    """

    name: str
    values: Mapping[str, float]
    answers: tuple[tuple[str | None, str | None], ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        number: `1` to `4`.
        title: what it shows.
        figures: its columns, keys of `wsis.results.NAMES`.
        ours: what our second column adds to the paper's method.
        rows: as printed.
    """

    number: str
    title: str
    figures: tuple[str, ...]
    ours: str
    rows: tuple[Printed, ...]

    def row(self, name: str) -> Printed:
        """A row by its name."""
        return next(row for row in self.rows if row.name == name)


@dataclass(frozen=True)
class Answer:
    """What stands opposite a row of the paper.

    Attributes:
        label: how our row is made, without what the column says.
        published: our row as published.
        ours: our row with what we added.
    """

    label: str
    published: Measured | None
    ours: Measured | None

    @property
    def learned_from(self) -> str:
        """What both learned from, or each if it differs."""
        first, *other = dict.fromkeys(row.learned_from for row in (self.published, self.ours) if row)
        return f"{first} (ours: {other[0]})" if other else first


@dataclass(frozen=True)
class Worth:
    """What mIoU loses without a part, in points: in the paper and, where measured, here.

    Attributes:
        part: the row of Table 1.
        label: how our row without it is made.
        paper, published, ours: the full model less that row.
    """

    part: str
    label: str
    paper: float
    published: Figure | None
    ours: Figure | None


@cache
def _content() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("paper.json").read_text(encoding="utf-8"))


def source() -> str:
    """Where the tables are printed."""
    return str(_content()["source"])


@cache
def tables() -> dict[str, Table]:
    """The tables by number, as printed."""
    return {
        number: Table(
            number,
            table["title"],
            tuple(table["figures"]),
            table["ours"],
            tuple(
                Printed(
                    row["name"],
                    dict(zip(table["figures"], row["values"], strict=True)),
                    tuple((answer.get("published"), answer.get("ours")) for answer in row.get("answers", ())),
                )
                for row in table["rows"]
            ),
        )
        for number, table in _content()["tables"].items()
    }


def answers(table: Table, row: Printed, results: Results | None) -> list[Answer]:
    """What was measured to answer a row of a table; empty where nothing was."""
    if results is None:
        return []
    found = (
        Answer(_label(table, published, ours), results.row(published), results.row(ours))
        for published, ours in row.answers
    )
    return [answer for answer in found if answer.published or answer.ours]


def worth(results: Results) -> list[Worth]:
    """What each part of Table 1 is worth."""
    table = tables()["1"]
    full = table.row(FULL)
    ((published_full, ours_full),) = full.answers
    found = []
    for row in (row for row in table.rows if row is not full):
        paper = round(full.values["miou"] - row.values["miou"], 1)
        for published, ours in row.answers:
            pairs = (published_full, published), (ours_full, ours)
            here, added = (figures.get("miou") for figures in (results.difference(*pair) or {} for pair in pairs))
            if here or added:
                found.append(Worth(row.name, _label(table, published, ours), paper, here, added))
    return found


def sentence(results: Results) -> str:
    """What to say of the results in one breath; empty where the rows for it were not measured."""
    table, figure = tables()["3"], "map50"
    best, remade = table.row(BEST), table.row(REMADE)
    ((published, ours),) = best.answers
    ((base, _),) = remade.answers
    told = [row.figures[figure].text() for row in map(results.row, (published, ours, base)) if row]
    if len(told) < 3:
        return ""
    return (
        f"Instances reach an {NAMES[figure]} of {told[0]} {PUBLISHED} and {told[1]} {table.ours}, where the paper's "
        f"{BEST} has {best.values[figure]:.1f}; PRM, which both start from, has {told[2]} here and "
        f"{remade.values[figure]:.1f} there.{_later(results, figure)}"
    )


def _later(results: Results, figure: str) -> str:
    told = [row.figures[figure].text() for row in results.rows if row.name == LATER]
    if not told:
        return ""
    filled = f", and {told[-1]} where a photo's list of masks is filled up" if len(told) > 1 else ""
    return f" {LATER.partition(',')[0]}, which came after the paper, reaches {told[0]}{filled}."


def steps(results: Results) -> str:
    """What three time steps gain over one: in the paper, and here with intervals; empty where not measured."""
    table = tables()["4"]
    (first, *_), (third, *_) = (table.row(f"T = {step}").answers for step in (1, 3))
    told = []
    for kind, name, less in zip((PUBLISHED, table.ours), third, first, strict=True):
        if found := results.difference(name, less):
            noise = "" if found["map50"].compare(0) else "; within noise"
            told.append(f"{found['map50'].text('+')} ({kind}{noise})")
    gain = table.row("T = 3").values["map50"] - table.row("T = 1").values["map50"]
    return f"{NAMES['map50']} at T = 3 less T = 1: {gain:+.1f} in the paper; here {', '.join(told)}." if told else ""


def _label(table: Table, published: str | None, ours: str | None) -> str:
    return (published or ours or "").removesuffix(f", {PUBLISHED}").removesuffix(f", {table.ours}")
