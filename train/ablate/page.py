"""The tables of the ablations: every figure with its interval, as numbers (JSON) and as a page (Markdown)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from train import evaluate
from train.ablate import bootstrap
from train.ablate import rows as ablation_rows
from train.ablate.bootstrap import Interval
from train.ablate.photos import Scored
from train.ablate.rows import PUBLISHED, STEP, UNSCORED, Row

NAMES = {"map25": "mAP25", "map50": "mAP50", "map75": "mAP75", "abo": "ABO", "miou": "mIoU"}
COMPARED = ("miou", "map50", "abo")
"""The figures that have intervals."""
KINDS = {"as published": PUBLISHED, "with agreement": UNSCORED}
PAPER_PARTS = {
    "full model (ICN-proposal)": 54.1,
    "w/o ICN: the naive map is matched": 53.5,
    "w/o CFM and DFM": 53.8,
    "w/o input map": 36.7,
    "w/o multi-scale rebalance: matching of PRM 2018": 53.9,
}
"""mIoU in the paper's Table 1."""
PAPER_ROWS = {
    "CAM, rectangle": (18.7, 2.5, 0.1, 18.9, None),
    "CAM, ellipse": (22.8, 3.9, 0.1, 20.8, None),
    "CAM, MCG": (20.4, 7.8, 2.5, 23.0, None),
    "PRM": (44.3, 26.8, 9.0, 37.6, 53.4),
    "Ours-proposal": (47.1, 29.2, 12.5, 42.8, 54.1),
    "Ours-saliency": (47.7, 29.4, 13.1, 43.7, 54.9),
}
"""mAP25, mAP50, mAP75 and ABO in the paper's Table 3, mIoU in its Table 2."""
PAPER_STEPS = (27.3, 28.2, 29.4, 29.1)
"""mAP50 of Ours-saliency at T = 1..4 in the paper's Table 4."""


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
    """The three tables; shares in [0, 1].

    Args:
        photos: what `train.ablate.photos.collect` gives.
        variants: names of the ICNs of Table 1 that are there.

    Returns:
        `photos`, `instances`, `resamples`; `tables`, under `1`, `3` and `4` lists of rows with `kind`, `title`, how the
        row is made, its figures and its `intervals`; `differences`, under the same numbers, the same for pairs of rows.
    """
    found = measures(photos)
    tables: dict[str, list[dict]] = {"1": [], "3": [], "4": []}
    differences: dict[str, list[dict]] = {"1": [], "3": [], "4": []}
    for kind, changes in KINDS.items():
        rows = ablation_rows.ablations(variants, changes)
        tables["1"] += [_entry(title, row, found[row], kind) for title, row in rows.items()]
        full, *others = rows.values()
        differences["1"] += [
            _difference(found[full], found[row], kind, f"full model less {title}")
            for title, row in zip(list(rows)[1:], others, strict=True)
        ]
    for title, row, source in ablation_rows.comparison():
        tables["3"].append({**_entry(title, row, found[row]), "trained_on": source})
    by_title = {(title, row.per_peak): found[row] for title, row, _ in ablation_rows.comparison()}
    for title, less, count in ablation_rows.pairs():
        name = f"{title} less {less}"
        differences["3"].append(_difference(by_title[title, count], by_title[less, count], f"{count} a peak", name))
    for kind, rows in ablation_rows.iterations().items():
        tables["4"] += [_entry(title, row, found[row], kind) for title, row in rows.items()]
        last, first = found[rows[f"T = {STEP}"]], found[rows["T = 1"]]
        differences["4"].append(_difference(last, first, kind, f"T = {STEP} less T = 1"))
    truths = [result.truth for result, _ in (next(iter(photo.values())) for photo in photos)]
    return {
        "photos": len(photos),
        "instances": sum(len(truth) for truth in truths),
        "resamples": bootstrap.RESAMPLES,
        "tables": tables,
        "differences": differences,
    }


def markdown(found: dict[str, Any], command: str, model: str) -> str:
    """The page.

    Args:
        found: from `numbers`.
        command: that wrote it.
        model: whose figures they are.
    """
    parts = [
        "# Results",
        f"Written by `{command}`; every number is in `results.json` beside this page. Do not edit.",
        f"{found['photos']} photos, {found['instances']} instances, model `{model}`, one training seed. Instance masks "
        "are rebuilt from semantic masks and boxes; void pixels count for nobody. Constants were tuned on the photos "
        "of even place (`--half odd` measures on the others).",
        f"In brackets: the interval that holds 95% of {found['resamples']:,} bootstrap resamples of the photos. It "
        "says what other photos would change, not what another seed would. An interval of mAP sits high, for the "
        "envelope of precision is a maximum. All rows share the resamples, so differences are paired.",
        "*As published*: an ICN's maps as they are; *with agreement* (ours): held back where superpixels or another "
        "class disagree. *Objectness* (ours): an instance's score counts how likely its proposal is one whole object, "
        "and with three proposals a peak the second and third are sought among such objects; without it, by the "
        "contours' own ranking.",
        "## Table 1: what each part is worth",
        f"ICN-proposal, T = {STEP}, one proposal a peak.",
        *_table_1(found),
        "## Table 3: instance segmentation",
        f"T = {STEP}; where *as published* is not said, ICNs are with agreement.",
        _table_3(found["tables"]["3"]),
        _differences(found["differences"]["3"]),
        "As printed in the paper (official masks of all 1,449 photos, ResNet-50 or VGG-16, MCG's proposals):",
        _grid(
            ["", *NAMES.values()],
            ([name, *("" if v is None else f"{v:.1f}" for v in row)] for name, row in PAPER_ROWS.items()),
        ),
        "![Average precision of each class](figures/per-class.png)",
        "![Instances in our example photos](figures/instances.png)",
        "## Table 4: iterations",
        "One proposal a peak. The paper's mAP50 is that of Ours-saliency.",
        *_table_4(found),
        "Maps of ICN-saliency as published, in our example photos:",
        "![Naive maps, maps of T = 1 to 4, masks](figures/steps.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _entry(title: str, row: Row, own: Measure, kind: str = "") -> dict:
    return {
        "kind": kind,
        "title": title,
        **asdict(row),
        "changes": dict(row.changes),
        **own.figures,
        "intervals": {figure: asdict(own.interval(figure)) for figure in COMPARED},
    }


def _difference(first: Measure, second: Measure, kind: str, title: str) -> dict:
    return {"kind": kind, "title": title, **{figure: asdict(first.less(second, figure)) for figure in COMPARED}}


def _table_1(found: dict[str, Any]) -> list[str]:
    """For each kind its rows; then all differences."""
    parts = []
    for kind in KINDS:
        lines = [
            [
                row["title"],
                *(_with_interval(row["intervals"][figure]) for figure in COMPARED),
                f"{row['masks_per_photo']:.1f}",
                PAPER_PARTS.get(row["title"], ""),
            ]
            for row in found["tables"]["1"]
            if row["kind"] == kind
        ]
        head = [kind, *(NAMES[figure] for figure in COMPARED), "masks a photo", "mIoU in the paper"]
        parts.append(_grid(head, lines))
    return [*parts, _differences(found["differences"]["1"])]


def _table_3(rows: Iterable[dict]) -> str:
    lines = []
    for row in rows:
        cells = {name: f"{100 * row[name]:.1f}" for name in NAMES}
        cells["map50"] = _with_interval(row["intervals"]["map50"])
        more = f"{row['masks_per_photo']:.1f}", row["trained_on"]
        lines.append([row["title"], "" if row["shape"] else row["per_peak"], *cells.values(), *more])
    return _grid(["", "proposals a peak", *NAMES.values(), "masks a photo", "trained on"], lines)


def _table_4(found: dict[str, Any]) -> list[str]:
    lines = []
    for row in found["tables"]["4"]:
        cells = {name: f"{100 * row[name]:.1f}" for name in NAMES}
        cells["map50"] = _with_interval(row["intervals"]["map50"])
        compared = row["enhancer"] == "icn-saliency" and row["changes"] == dict(PUBLISHED)
        paper = PAPER_STEPS[row["steps"] - 1] if compared else ""
        lines.append([row["kind"], row["steps"], *cells.values(), f"{row['masks_per_photo']:.1f}", paper])
    head = ["", "T", *NAMES.values(), "masks a photo", "mAP50 in the paper"]
    return [_grid(head, lines), _differences(found["differences"]["4"])]


def _differences(rows: Iterable[dict]) -> str:
    """In points; bold where the interval lies on one side of 0."""
    lines = [[row["kind"], row["title"], *(_signed(row[figure]) for figure in COMPARED)] for row in rows]
    head = ["", "difference (bold: the interval leaves out 0)", *(NAMES[figure] for figure in COMPARED)]
    return _grid(head, lines)


def _with_interval(one: dict[str, float]) -> str:
    return f"{100 * one['value']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


def _signed(one: dict[str, float]) -> str:
    value, low, high = (f"{100 * one[name]:+z.1f}" for name in ("value", "low", "high"))
    text = f"{value} [{low}, {high}]"
    return f"**{text}**" if one["low"] > 0 or one["high"] < 0 else text


def _grid(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    first, *rows = (f"| {' | '.join(str(cell) for cell in row)} |" for row in (head, *lines))
    return "\n".join([first, "|" + "---|" * len(head), *rows])
