"""The tables of the ablations: every figure with its interval, as numbers (JSON) and as pages (Markdown).

`python -m train.ablate.page` measures nothing: it writes `docs/results.md` and the table of `README.md` again, from the
`results.json` and `metrics.json` of the embedded model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from train import evaluate
from train.ablate import bootstrap
from train.ablate import rows as ablation_rows
from train.ablate.bootstrap import Interval
from train.ablate.photos import Scored
from train.ablate.rows import NAIVE, PRM, PROPOSAL, PUBLISHED, SALIENCY, SPREAD, UNSCORED, Row
from wsis import export, paper, results
from wsis.results import NAMES, Measured, Results

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "checkpoints" / "voc-lite"
FILE = "results.json"
"""In a checkpoint's folder."""
START, END = "<!-- results: python -m train.ablate.page -->", "<!-- /results -->"
COMPARED = ("miou", "map50", "abo")
"""The figures that have intervals."""
SHOWN = (
    PRM,
    NAIVE,
    replace(PROPOSAL, changes=PUBLISHED),
    replace(SALIENCY, changes=PUBLISHED),
    replace(SPREAD, changes=UNSCORED),
    replace(PROPOSAL, changes=UNSCORED),
    SPREAD,
    PROPOSAL,
    SALIENCY,
)
"""Rows of the README, each with as many proposals a peak as were measured."""


@dataclass(frozen=True, eq=False)
class Measure:
    """One row over all photos.

    Attributes:
        figures: as `train.evaluate.instance_figures` gives them.
        samples: (B,) resamples of each of the figures `COMPARED`.
    """

    figures: dict[str, Any]
    samples: dict[str, np.ndarray]

    def interval(self, figure: str) -> Interval:
        """One of `COMPARED` with its interval."""
        return bootstrap.interval(self.figures[figure], self.samples[figure])

    def less(self, other: Measure, figure: str) -> Interval:
        """The difference to another row on the same photos and resamples."""
        return bootstrap.interval(
            self.figures[figure] - other.figures[figure], self.samples[figure] - other.samples[figure]
        )


def measures(photos: Sequence[dict[Row, Scored]]) -> dict[Row, Measure]:
    """Figures and resamples of every row; all rows share the resamples."""
    counts = bootstrap.draw(len(photos))
    found = {}
    for row in photos[0]:
        results = [photo[row][0] for photo in photos]
        confusions = np.stack([photo[row][1] for photo in photos])
        samples = {
            "map50": bootstrap.mean_ap(results, 0.5, counts),
            "abo": bootstrap.abo(results, counts),
            "miou": bootstrap.mean_iou(confusions, counts),
        }
        found[row] = Measure(evaluate.instance_figures(results, confusions.sum(0)), samples)
    return found


def numbers(photos: Sequence[dict[Row, Scored]], variants: Collection[str]) -> dict[str, Any]:
    """What `results.json` holds, as `wsis.results.read` takes it; shares in [0, 1].

    Args:
        photos: what `train.ablate.photos.collect` gives.
        variants: names of the ICNs of Table 1 that are there.

    Returns:
        `photos`, `instances`, `resamples`; `rows`, each once, with name, what it learned from, how it is made, its
        figures and their `intervals`; `differences`, the figures of a row less those of another.
    """
    found = measures(photos)
    truths = [result.truth for result, _ in (next(iter(photo.values())) for photo in photos)]
    return {
        "photos": len(photos),
        "instances": sum(len(truth) for truth in truths),
        "resamples": bootstrap.RESAMPLES,
        "rows": [entry(row, found[row]) for row in sorted(found, key=lambda row: row.per_peak)],
        "differences": [
            {
                "name": row.name,
                "less": less.name,
                "per_peak": row.per_peak,
                **{figure: asdict(found[row].less(found[less], figure)) for figure in COMPARED},
            }
            for row, less in ablation_rows.differences(variants)
        ],
    }


def entry(row: Row, own: Measure) -> dict[str, Any]:
    """A row as `results.json` holds it."""
    return {
        "name": row.name,
        "learned_from": row.learned_from,
        **asdict(row),
        "changes": dict(row.changes),
        **own.figures,
        "intervals": {figure: asdict(own.interval(figure)) for figure in COMPARED},
    }


def markdown(found: Results) -> str:
    """The whole of docs/results.md."""
    parts = [
        "# Results",
        f"Written by `{found.command}`; every number is in the checkpoint's `{FILE}`. Do not edit.",
        paper.sentence(found),
        f"{found.photos} photos, {found.instances} instances, model `{found.model}`, one training seed. Instance masks "
        "are rebuilt from semantic masks and boxes; void pixels count for nobody. Constants were tuned on the photos "
        "of even place (`--half odd` measures on the others).",
        f"In brackets: the interval that holds 95% of {found.resamples:,} bootstrap resamples of the photos. It "
        "says what other photos would change, not what another seed would. An interval of mAP sits high, for the "
        "envelope of precision is a maximum. All rows share the resamples, so differences are paired.",
        "*As published*: an ICN's maps as they are, no objectness; *with agreement* (ours): held back where "
        "superpixels or another class disagree. *Objectness* (ours): an instance's score counts how likely its "
        "proposal is one whole object, and with three proposals a peak the second and third are sought among such "
        "objects; without it, by the contours' own ranking.",
        results.LEARNED_FROM,
        "## Beside the paper",
        "The paper's figures are of other photos and masks (all 1,449 of `val`, official masks), another backbone and "
        "MCG's proposals: a guide, not a contest. Its rows without a counterpart are left out.",
        *(part for number in paper.tables() for part in _beside(paper.tables()[number], found)),
        "Maps of ICN-saliency as published, in our example photos:",
        "![Naive maps, maps of T = 1 to 4, masks](figures/steps.png)",
        "![Average precision of each class](figures/per-class.png)",
        "![Instances in our example photos](figures/instances.png)",
        "## All rows",
        _rows(found.rows),
        "## Differences",
        "Bold: the interval leaves out 0.",
        _grid(
            ["row", "less", "proposals a peak", *(NAMES[figure] for figure in COMPARED)],
            (
                [one.name, one.less, one.per_peak, *(_signed(one.figures[figure]) for figure in COMPARED)]
                for one in found.differences
            ),
        ),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def summary(found: Results, metrics: dict[str, Any]) -> str:
    """What README says: a sentence, the rows that matter and the paper's.

    Args:
        found: of the embedded model.
        metrics: its `metrics.json`, by `train.evaluate`.
    """
    table = paper.tables()["3"]
    lines = [
        [*_figures(row), f"{row.masks_per_photo:.1f}", row.learned_from]
        for shown in SHOWN
        for row in found.rows
        if row.name == shown.name
    ]
    for name in (paper.REMADE, "Ours-proposal", paper.BEST):
        values = table.row(name).values | paper.tables()["2"].row(name).values
        lines.append([f"*paper, {name}*", "", *(f"{values[key]:.1f}" for key in NAMES), "", ""])
    best = found.row(SALIENCY.name, 3)
    interval = f" The last of our rows has an mAP50 of {best.figures['map50'].text()}." if best else ""
    return "\n\n".join(
        [
            paper.sentence(found),
            _grid(["", "proposals a peak", *NAMES.values(), "masks a photo", "learned from"], lines),
            results.LEARNED_FROM,
            f"{found.photos} photos of VOC 2012's `val` whose labels and masks trained nothing, {found.instances} "
            "instances, masks *rebuilt* from semantic masks and boxes, void ignored; in brackets what 95% of bootstrap "
            f"resamples of the photos give.{interval} Classification mAP {_share(metrics['classification_map'])}, "
            f"pointing accuracy of the class maps {_share(metrics['pointing'])}, best of at most 3,000 built-in "
            f"proposals per instance (ABO) {_share(metrics['proposals_abo'])}.",
        ]
    )


def between(readme: str, text: str) -> str:
    """README with new text between the two marks."""
    head, rest = readme.split(START)
    _, tail = rest.split(END)
    return f"{head}{START}\n{text}\n{END}{tail}"


def _beside(table: paper.Table, found: Results) -> list[str]:
    """A table of the paper with what answers it, and what follows from it."""
    parts = [f"### Table {table.number}: {table.title}"]
    lines: list[list[str]] = []
    for row in table.rows:
        if len(table.figures) == 1:
            lines += _in_columns(table, row, found)
        else:
            lines += _in_lines(table, row, found)
    if len(table.figures) == 1:
        name = NAMES[table.figures[0]]
        head = [name, "paper", paper.PUBLISHED, table.ours, "our row", "learned from"]
    else:
        head = ["", *(NAMES[figure] for figure in table.figures), "learned from"]
    parts.append(_grid(head, lines))
    if table.number == "1":
        lines = [
            [one.part, one.label, f"{one.paper:+.1f}", *(_signed(f) if f else "" for f in (one.published, one.ours))]
            for one in paper.worth(found)
        ]
        head = ["mIoU of the full model less ...", "our row", "paper", paper.PUBLISHED, table.ours]
        parts += [_grid(head, lines), "Bold: the interval leaves out 0; the others are within noise."]
    return parts + [paper.steps(found)] * (table.number == "4")


def _in_columns(table: paper.Table, row: paper.Printed, found: Results) -> list[list[str]]:
    """The paper, as published and ours side by side, a line an answer; nothing without one."""
    (figure,) = table.figures
    lines = []
    for place, answer in enumerate(paper.answers(table, row, found)):
        own = (one.figures[figure].text() if one else "" for one in (answer.published, answer.ours))
        printed = ["", ""] if place else [row.name, f"{row.values[figure]:.1f}"]
        lines.append([*printed, *own, answer.label, answer.learned_from])
    return lines


def _in_lines(table: paper.Table, row: paper.Printed, found: Results) -> list[list[str]]:
    """The paper, as published and ours below each other; nothing without an answer."""
    lines = [[f"**{row.name}**", *(f"{row.values[figure]:.1f}" for figure in table.figures), ""]]
    for answer in paper.answers(table, row, found):
        for one in filter(None, (answer.published, answer.ours)):
            lines.append([one.name, *(one.figures[figure].text() for figure in table.figures), one.learned_from])
    return lines if len(lines) > 1 else []


def _rows(rows: Iterable[Measured]) -> str:
    lines = ([*_figures(row), f"{row.masks_per_photo:.1f}", row.learned_from] for row in rows)
    return _grid(["", "proposals a peak", *NAMES.values(), "masks a photo", "learned from"], lines)


def _figures(row: Measured) -> list[str]:
    return [row.name, str(row.per_peak), *(row.figures[key].text() for key in NAMES)]


def _signed(figure: results.Figure) -> str:
    """In points; bold where the interval lies on one side of 0."""
    return f"**{figure.text('+')}**" if figure.compare(0) else figure.text("+")


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _grid(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    first, *rows = (f"| {' | '.join(str(cell) for cell in row)} |" for row in (head, *lines))
    return "\n".join([first, "|" + "---|" * len(head), *rows])


def main() -> None:
    """Write the pages again."""
    found = results.read(json.loads((FOLDER / FILE).read_text(encoding="utf-8")))
    if found is None:
        raise SystemExit(f"{FOLDER / FILE} holds no results.")
    export.write(ROOT / "docs" / "results.md", markdown(found))
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    export.write(readme, between(readme.read_text(encoding="utf-8"), summary(found, metrics)))


if __name__ == "__main__":
    main()
