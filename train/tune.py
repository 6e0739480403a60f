"""Choose weights, NMS and thresholds on one half of a split, and see what they are worth on the other.

`python -m train.tune --voc KIT --split val --enhancer icn-saliency`, or `--coco ANNOTATIONS.json --photos FOLDER` in
place of the kit: every photo is measured once and kept on disk, so a second search, for another figure or preset, takes
seconds. What was chosen is never reported on the photos that chose it alone: both halves are printed, the published
choice beside the best.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from train import data, masked_sets, scripts
from wsis import matching, tuning
from wsis.analysis import REGIONS, Settings
from wsis.choices import Enhancer, Reading
from wsis.errors import WsisError
from wsis.matching import Weights
from wsis.pipeline import Pipeline
from wsis.results import NAMES
from wsis.shared_classes import SharedClasses
from wsis.tuning import Records, Rules

BETAS = (0.0, 0.05, 0.1, 0.2, 0.4)
NMS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
THRESHOLDS = (0.0, 0.15, 0.2, 0.3, 0.4, 0.5)
LEAST = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
Figure = Literal["map25", "map50", "map75", "abo", "miou"]


@dataclass(frozen=True)
class Choice:
    """Everything that is chosen.

    Attributes:
        weights: of Eq. 5.
        rules: NMS and thresholds.
    """

    weights: Weights
    rules: Rules

    def figures(self, records: Records, step: int, reading: Reading) -> dict[str, float]:
        """The five figures and the masks a photo."""
        figures = tuning.figures(records, self.weights, step, reading, self.rules)
        return {**dict(zip(tuning.FIGURES, figures.values(), strict=True)), "masks_per_photo": figures.masks_per_photo}


def search(records: Records, figure: Figure, step: int, start: Choice, reading: Reading) -> Choice:
    """The best choice on some records, one after the other: weights, NMS, class threshold, then what is painted.

    Weights come from a grid over alpha and gamma at several betas, where a point counts by its neighbours too (see
    `wsis.tuning.Grid.order`), so that a lucky cell does not win. The last is chosen by mIoU, the only figure that it
    changes.

    Args:
        records: of the half that chooses.
        figure: what is maximised.
        step: which map is matched.
        start: where the search begins; it is kept where nothing is better.
        reading: of Eq. 5.
    """
    grids = [tuning.grid(records, base=replace(start.weights, beta=b), step=step, reading=reading) for b in BETAS]
    weights = [start.weights, *(tuning.best(grid, figure)[0] for grid in grids)]
    chosen = _best(records, (replace(start, weights=candidate) for candidate in weights), figure, step, reading)
    for name, values, judge in (
        ("nms", NMS, figure),
        ("class_threshold", THRESHOLDS, figure),
        ("least", LEAST, "miou"),
    ):
        others = (replace(chosen, rules=replace(chosen.rules, **{name: value})) for value in values)
        chosen = _best(records, [chosen, *others], judge, step, reading)
    return chosen


def _best(records: Records, choices: Iterable[Choice], figure: str, step: int, reading: Reading) -> Choice:
    """The choice with the highest figure, the first of equals."""
    return max(choices, key=lambda choice: round(choice.figures(records, step, reading)[figure], 9))


def report(chosen: Choice, start: Choice, halves: dict[str, Records], step: int, reading: Reading) -> list[dict]:
    """A row for each half and choice."""
    return [
        {"half": half, "choice": name, **choice.figures(records, step, reading)}
        for half, records in halves.items()
        for name, choice in (("published", start), ("best", chosen))
    ]


def markdown(rows: list[dict], chosen: Choice) -> str:
    """The rows as a table, percentages with one decimal, and what was chosen."""
    lines = [
        f"| half | choice | {' | '.join(NAMES.values())} | masks a photo |",
        "|---" * (len(NAMES) + 3) + "|",
    ]
    for row in rows:
        shares = " | ".join(f"{100 * row[name]:.1f}" for name in NAMES)
        lines.append(f"| {row['half']} | {row['choice']} | {shares} | {row['masks_per_photo']:.1f} |")
    values = {**asdict(chosen.weights), **asdict(chosen.rules)}
    return "\n".join([*lines, "", "Best: " + ", ".join(f"{name} {value}" for name, value in values.items())])


def _both(first: data.Half) -> tuple[data.Half, data.Half]:
    """The half that chooses, then the other."""
    return ("even", "odd") if first == "even" else ("odd", "even")


@scripts.told
def main(
    voc_kit: Annotated[Path | None, typer.Option("--voc", help="devkit folder (.../VOC2012)")] = None,
    coco: Annotated[Path | None, typer.Option(help="JSON of a COCO data set with masks, instead of a devkit")] = None,
    folder: Annotated[Path | None, typer.Option("--photos", help="folder of its photos; the JSON's by default")] = None,
    split: Annotated[str, typer.Option(help="split with masks, of a devkit")] = "val",
    half: Annotated[Literal["even", "odd"], typer.Option(help="the half that chooses; the other reports")] = "even",
    enhancer: Annotated[Enhancer, typer.Option(help="what grows the maps")] = REGIONS[Settings.enhancer],
    step: Annotated[int, typer.Option(help="which map is matched, 0..4")] = Settings.steps,
    preset: Annotated[str, typer.Option(help="reading of Eq. 5 and weights to start from")] = "paper",
    figure: Annotated[Figure, typer.Option(help="what is maximised")] = "map50",
    limit: Annotated[int | None, typer.Option(help="only the first N photos of each half")] = None,
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    device: Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...; auto: the GPU where there is one")] = "cpu",
    cache: Annotated[
        Path | None, typer.Option(help="where measured photos are kept; the user's cache by default")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write rows and choice here")] = None,
) -> None:
    """Print both halves with the published and the best choice."""
    if preset not in matching.PRESETS:
        raise WsisError(f"There is no preset '{preset}'. Choose one of: {', '.join(matching.PRESETS)}.")
    pipeline, store, settings = Pipeline.load(model, device=device), tuning.Cache(cache), Settings(enhancer=enhancer)
    halves: dict[str, Records] = {}
    common: SharedClasses | None = None
    for name in _both(half):
        photos = masked_sets.find(voc_kit, coco, folder, split, name, limit)
        if not photos.pairs:
            raise WsisError("There is one photo with masks alone: one half would choose, none report. Add more.")
        common = photos.shared(pipeline) if common is None else common
        records = []
        for number, pair in enumerate(photos.pairs, 1):
            records.append(store.measure(pipeline, pair, settings))
            if number % 25 == 0:
                print(f"{name}: {number} of {len(photos.pairs)} photos", file=sys.stderr, flush=True)
        halves[name] = Records(records, common.names)
    reading, start = matching.PRESETS[preset].reading, Choice(matching.PRESETS[preset].weights, Rules())
    chosen = search(halves[half], figure, step, start, reading)
    rows = report(chosen, start, halves, step, reading)
    print(markdown(rows, chosen))
    if json_file:
        json_file.write_text(json.dumps({"rows": rows, "best": asdict(chosen)}, indent=1))


if __name__ == "__main__":
    scripts.run(main)
