"""The tables of the ablations: every figure with its interval, as numbers (JSON) and as pages (Markdown).

`python -m train.ablate.page` measures nothing: it writes `docs/results.md` and the table of `README.md` again, from the
`results.json` and `metrics.json` of the embedded model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from train import evaluate
from train.ablate import bootstrap
from train.ablate import rows as ablation_rows
from train.ablate.bootstrap import Interval
from train.ablate.photos import Scored
from train.ablate.rows import INSTANCES, NAIVE, PRM, PROPOSAL, PUBLISHED, SALIENCY, SPREAD, UNSCORED, AblationRow
from wsis import files, paper, voc
from wsis.results import LEARNED_FROM, MERGED, NAMES, SEPARATION, TOLD_APART, Figure, Measured, Results, read, titles

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "checkpoints" / "voc-lite"
FILE = "results.json"
"""In a checkpoint's folder."""
START, END = "<!-- results: python -m train.ablate.page -->", "<!-- /results -->"
COMPARED = ("miou", "map50", "abo", *SEPARATION)
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
    INSTANCES,
)
"""Rows of the README, as they are and filled with offers."""


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

    def compared(self, less: Measure) -> dict[str, Any]:
        """The differences to another row on the same photos and resamples, as `results.json` holds them."""
        differences = (
            (name, self.figures[name] - less.figures[name], self.samples[name] - less.samples[name])
            for name in COMPARED
        )
        return {name: asdict(bootstrap.interval(value, samples)) for name, value, samples in differences}


def measures(photos: Sequence[dict[AblationRow, Scored]]) -> dict[AblationRow, Measure]:
    """Figures and resamples of every row; all rows share the resamples."""
    counts = bootstrap.draw(len(photos))
    measured = {}
    for row in photos[0]:
        results = [photo[row][0] for photo in photos]
        confusions = np.stack([photo[row][1] for photo in photos])
        samples = {
            "map50": bootstrap.mean_ap(results, 0.5, counts),
            "abo": bootstrap.abo(results, counts),
            "miou": bootstrap.mean_iou(confusions, counts),
            **bootstrap.separation(results, counts),
        }
        measured[row] = Measure(evaluate.instance_figures(results, confusions.sum(0), voc.CLASSES), samples)
    return measured


def numbers(photos: Sequence[dict[AblationRow, Scored]], variants: Collection[str]) -> dict[str, Any]:
    """What `results.json` holds, as `wsis.results.read` takes it; shares in [0, 1].

    Args:
        photos: what `train.ablate.photos.measured` gives.
        variants: names of the ICNs of Table 1 that are there.

    Returns:
        `photos`, `instances`, `resamples`; `rows`, each once, with name, what it learned from, how it is made, its
        figures and their `intervals`; `differences`, the figures of a row less those of another.
    """
    measured = measures(photos)
    truths = [result.truth for result, _ in (next(iter(photo.values())) for photo in photos)]
    return {
        "photos": len(photos),
        "instances": sum(len(truth) for truth in truths),
        "resamples": bootstrap.RESAMPLES,
        "rows": [entry(row, measured[row]) for row in sorted(measured, key=lambda row: row.fill)],
        "differences": [
            {"name": row.name, "less": less.name, "fill": row.fill, **measured[row].compared(measured[less])}
            for row, less in ablation_rows.differences(variants)
        ],
    }


def entry(row: AblationRow, measure: Measure) -> dict[str, Any]:
    """A row as `results.json` holds it."""
    return {
        "name": row.name,
        "learned_from": row.learned_from,
        **asdict(row),
        "changes": dict(row.changes),
        **measure.figures,
        "intervals": {figure: asdict(measure.interval(figure)) for figure in COMPARED},
    }


def markdown(results: Results) -> str:
    """The whole of docs/results.md."""
    shown = titles(row.figures for row in results.rows)
    parts = [
        "# Results",
        f"Written by `{results.command}`; every number is in the checkpoint's `{FILE}`. Do not edit.",
        paper.sentence(results),
        f"{results.photos} photos, {results.instances} instances, model `{results.model}`, one training seed. "
        "Instance masks are rebuilt from semantic masks and boxes; void pixels count for nobody. Constants were tuned "
        "on the photos of even place (`--half odd` measures on the others).",
        f"In brackets: the interval that holds 95% of {results.resamples:,} bootstrap resamples of the photos. It "
        "says what other photos would change, not what another seed would. An interval of mAP sits high, for the "
        "envelope of precision is a maximum. All rows share the resamples, so differences are paired.",
        "*As published*: an ICN's maps as they are, no objectness; *with agreement* (ours): held back where "
        "superpixels or another class disagree. *Objectness* (ours): an instance's score counts how likely its "
        "proposal is one whole object, and so do Eq. 5 in our reading and offers, objects of a class that no peak was "
        "found on, which fill the masks of a photo up to so many; without it, by the contours' own ranking.",
        LEARNED_FROM,
        "## Beside the paper",
        "The paper's figures are of other photos and masks (all 1,449 of `val`, official masks), another backbone and "
        "MCG's proposals: a guide, not a contest. Its rows without a counterpart are left out.",
        *(part for number in paper.tables() for part in _beside(paper.tables()[number], results)),
        "Maps of ICN-saliency as published, in our example photos:",
        "![Naive maps, maps of T = 1 to 4, masks](figures/steps.png)",
        "![Average precision of each class](figures/per-class.png)",
        "![Instances in our example photos](figures/instances.png)",
        "## All rows",
        f"{TOLD_APART} {MERGED}" if "merged" in shown else "",
        rows_table(results.rows, shown),
        *_by_class(results),
        "## Differences",
        "Bold: the interval leaves out 0.",
        differences_table(results),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def summary(results: Results, metrics: dict[str, Any]) -> str:
    """What README says: a sentence, the rows that matter and the paper's.

    Args:
        results: of the embedded model.
        metrics: its `metrics.json`, by `train.evaluate`.
    """
    table = paper.tables()["3"]
    measured = titles(row.figures for row in results.rows)
    shown = {key: name for key, name in measured.items() if key != "merged"}  # the page has it; this table is wide
    lines = [
        [*_figures(row, shown), f"{row.masks_per_photo:.1f}", row.learned_from]
        for shown_row in SHOWN
        for row in results.rows
        if row.name == shown_row.name
    ]
    for name in (paper.REMADE, "Ours-proposal", paper.BEST):
        values = {**table.row(name).values, **paper.tables()["2"].row(name).values}
        printed = (f"{values[key]:.1f}" if key in values else "" for key in shown)
        lines.append([f"*paper, {name}*", "", *printed, "", ""])
    best = _best(results)
    interval = f" The last of our rows has an {NAMES['map50']} of {best.figures['map50'].text()}." if best else ""
    return "\n\n".join(
        part
        for part in [
            paper.sentence(results),
            _grid(["", "filled to", *shown.values(), "masks a photo", "learned from"], lines),
            LEARNED_FROM,
            TOLD_APART if "alone" in shown else "",
            f"{results.photos} photos of VOC 2012's `val` whose labels and masks trained nothing, {results.instances} "
            "instances, masks *rebuilt* from semantic masks and boxes, void ignored; in brackets what 95% of bootstrap "
            f"resamples of the photos give.{interval} Classification mAP {_share(metrics['classification_map'])}, "
            f"pointing accuracy of the class maps {_share(metrics['pointing'])}, best of at most 3,000 built-in "
            f"proposals per instance (ABO) {_share(metrics['proposals_abo'])}.",
        ]
        if part
    )


def between(readme: str, text: str) -> str:
    """README with new text between the two marks."""
    head, rest = readme.split(START)
    _, tail = rest.split(END)
    return f"{head}{START}\n{text}\n{END}{tail}"


def _beside(table: paper.Table, results: Results) -> list[str]:
    """A table of the paper with what answers it, and what follows from it."""
    parts = [f"### Table {table.number}: {table.title}"]
    lines: list[list[str]] = []
    for row in table.rows:
        if len(table.figures) == 1:
            lines += _in_columns(table, row, results)
        else:
            lines += _in_lines(table, row, results)
    if len(table.figures) == 1:
        name = NAMES[table.figures[0]]
        head = [name, "paper", paper.PUBLISHED, table.ours, "our row", "learned from"]
    else:
        head = ["", *(NAMES[figure] for figure in table.figures), "learned from"]
    parts.append(_grid(head, lines))
    if table.number == "1":
        lines = [
            [
                part.part,
                part.label,
                f"{part.paper:+.1f}",
                *(_signed(f) if f else "" for f in (part.published, part.ours)),
            ]
            for part in paper.worth(results)
        ]
        head = [f"{NAMES['miou']} of the full model less ...", "our row", "paper", paper.PUBLISHED, table.ours]
        parts += [_grid(head, lines), "Bold: the interval leaves out 0; the others are within noise."]
    return parts + [paper.steps(results)] * (table.number == "4")


def _in_columns(table: paper.Table, row: paper.Printed, results: Results) -> list[list[str]]:
    """The paper, as published and ours side by side, a line an answer; nothing without one."""
    (figure,) = table.figures
    lines = []
    for place, answer in enumerate(paper.answers(table, row, results)):
        ours = (measured.figures[figure].text() if measured else "" for measured in (answer.published, answer.ours))
        printed = ["", ""] if place else [row.name, f"{row.values[figure]:.1f}"]
        lines.append([*printed, *ours, answer.label, answer.learned_from])
    return lines


def _in_lines(table: paper.Table, row: paper.Printed, results: Results) -> list[list[str]]:
    """The paper, as published and ours below each other; nothing without an answer."""
    lines = [[f"**{row.name}**", *(f"{row.values[figure]:.1f}" for figure in table.figures), ""]]
    for answer in paper.answers(table, row, results):
        lines += [
            [measured.name, *(measured.figures[figure].text() for figure in table.figures), measured.learned_from]
            for measured in (answer.published, answer.ours)
            if measured
        ]
    return lines if len(lines) > 1 else []


def rows_table(rows: Iterable[Measured], shown: Mapping[str, str]) -> str:
    """Rows with their figures, `shown` as `wsis.results.titles` gives them."""
    lines = ([*_figures(row, shown), f"{row.masks_per_photo:.1f}", row.learned_from] for row in rows)
    return _grid(["", "filled to", *shown.values(), "masks a photo", "learned from"], lines)


def differences_table(results: Results) -> str:
    """Differences with their intervals, of the figures that all of them have."""
    compared = [figure for figure in COMPARED if all(figure in pair.figures for pair in results.differences)]
    lines = (
        [pair.name, pair.less, pair.fill, *(_signed(pair.figures[figure]) for figure in compared)]
        for pair in results.differences
    )
    return _grid(["row", "less", "filled to", *((NAMES | SEPARATION)[figure] for figure in compared)], lines)


def _by_class(results: Results) -> list[str]:
    """How many of each class are told apart, in the row that README ends with; nothing where it was not measured."""
    best = _best(results)
    if best is None or not best.separation_by_class:
        return []
    lines = (
        [name, *(f"{100 * shares[key]:.1f}" for key in SEPARATION), f"{100 * best.ap50_by_class[name]:.1f}"]
        for name, shares in best.separation_by_class.items()
    )
    said = f"{best.name}, filled to {best.fill}, class by class; 0 also where a class has no such instance:"
    return ["## Told apart, class by class", said, _grid(["", *SEPARATION.values(), "AP50"], lines)]


def _best(results: Results) -> Measured | None:
    """The row that README ends with."""
    wanted = ((row.name, count) for row in (INSTANCES, SALIENCY) for count in evaluate.FILLS[::-1])
    return next((measured for name, count in wanted if (measured := results.row(name, count))), None)


def _figures(row: Measured, shown: Iterable[str]) -> list[str]:
    return [row.name, str(row.fill), *(row.figures[key].text() for key in shown)]


def _signed(figure: Figure) -> str:
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
    results = read(json.loads((FOLDER / FILE).read_text(encoding="utf-8")))
    if results is None:
        raise SystemExit(f"{FOLDER / FILE} holds no results.")
    files.write(ROOT / "docs" / "results.md", markdown(results))
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    files.write(readme, between(readme.read_text(encoding="utf-8"), summary(results, metrics)))


if __name__ == "__main__":
    main()
