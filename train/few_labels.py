"""How good classes are that were taught from few labels: 5, 20, 100 photos a class, measured on photos with masks.

`python -m train.few_labels --voc KIT --web FOLDER` draws photos from VOC's `train` and `train_extra` and from a folder
of partial labels, teaches a head on the frozen backbone as `python -m wsis teach` does, and measures it on `val`: no
mask is looked at before that. A photo that was measured is kept, so an interrupted run goes on.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from train import data, evaluate, masked_sets, scripts, workers
from train.evaluate import PhotoScores, Row
from wsis import cli, files, image, voc
from wsis.analysis import Settings
from wsis.checkpoints import Checkpoint, load
from wsis.labels import tables
from wsis.maps import ClassMaps
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.teaching import export, run
from wsis.teaching.features import DEFAULT, Base, load_base
from wsis.teaching.head import Head, fit

STEPS = 3
ROWS = [Row("icn-instances", STEPS, "paper", fill) for fill in (0, cli.FILL)]
"""The peaks' own masks, and lists filled up as `wsis segment` does: the successor of three proposals a peak."""


@dataclass(frozen=True, order=True)
class Draw:
    """So many photos of each class, drawn by a seed."""

    count: int
    seed: int

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.count}-{self.seed}"


def drawn(labels: data.ImageLabels, draw: Draw) -> np.ndarray:
    """Rows of a draw, sorted: photos that show a class for certain, as many of each as there are up to the count.

    The draws of a seed contain each other.
    """
    rng = np.random.default_rng(draw.seed)
    certain = (labels.target == 1) & (labels.weight == 1)
    rows = [rng.permutation(np.flatnonzero(certain[:, column]))[: draw.count] for column in range(certain.shape[1])]
    return np.unique(np.concatenate(rows))


class Taught:
    """Pipelines that differ in their head only, so that a photo's features and proposals are computed once for all."""

    def __init__(self, base: Base, heads: Mapping[Draw, Head], parts: Checkpoint) -> None:
        """Put every head on the base's backbone."""
        self.pipelines = {draw: self._pipeline(base, head, parts) for draw, head in heads.items()}
        names = tuple(f"{draw.name} {name}" for draw, head in heads.items() for name in head.classes)
        weight = np.concatenate([head.weight for head in heads.values()])
        every = Head(weight, np.concatenate([head.bias for head in heads.values()]), names)
        self.all = self._pipeline(base, every, parts)

    @staticmethod
    def _pipeline(base: Base, head: Head, parts: Checkpoint) -> Pipeline:
        return Pipeline(replace(parts, classifier=export.build(base, head)), "cpu")

    def figures(self, pair: Pair) -> dict[Draw, PhotoScores]:
        """What a photo with masks contributes to the figures of every head."""
        evidence, first, found = self.all.observe(image.read(pair.photo)), 0, {}
        for draw, pipeline in self.pipelines.items():
            own = slice(first, first := first + len(pipeline.classes))
            maps = ClassMaps(evidence.class_maps.maps[own], evidence.class_maps.scores[own], pipeline.classes)
            seen = replace(evidence, glance=replace(evidence.glance, class_maps=maps))
            found[draw] = evaluate.photo_figures(pipeline, pair, ROWS, Settings(), evidence=seen)
        return found


def _load(base: str, heads: Mapping[Draw, Head]) -> Taught:
    return Taught(load_base(base), heads, load(base))


def _measured(taught: Taught, pair: Pair, *, kept: Path) -> dict[Draw, PhotoScores]:
    file = kept / f"{pair.name}.pkl"  # our own, in the run's folder
    if not file.is_file():
        files.write(file, pickle.dumps(taught.figures(pair)))
    found: dict[Draw, PhotoScores] = pickle.loads(file.read_bytes())
    return found


def table(figures: Mapping[Draw, Mapping[str, Any]], photos: Mapping[Draw, int]) -> str:
    """Mean and spread over the draws, a Markdown row for each count and filling."""
    lines = [
        "| photos a class | photos | filled to | classification mAP | mAP50 | ABO | masks a photo |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in sorted({draw.count for draw in figures}):
        draws = [draw for draw in figures if draw.count == count]
        for place, row in enumerate(ROWS):
            rows = [figures[draw]["rows"][place] for draw in draws]
            cells = [
                f"{np.mean([photos[draw] for draw in draws]):.0f}",
                str(row.fill),
                _spread([figures[draw]["classification_map"] for draw in draws], 3).replace("0.", "."),
                *(_spread([100 * one[key] for one in rows], 1) for key in ("map50", "abo")),
                _spread([one["masks_per_photo"] for one in rows], 1),
            ]
            lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean, and least and largest where there are several."""
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


@scripts.told
def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    web: Annotated[list[Path] | None, typer.Option(help="folder with labels.csv and images/; repeatable")] = None,
    out: Annotated[Path, typer.Option(help="where heads and measured photos are kept")] = Path("runs/few-labels"),
    base: Annotated[str, typer.Option(help="whose frozen backbone")] = DEFAULT,
    counts: Annotated[str, typer.Option(help="photos a class, comma-separated")] = "5,20,100",
    draws: Annotated[int, typer.Option(min=1, help="how many draws of each")] = 3,
    split: Annotated[str, typer.Option(help="split with masks to measure on")] = "val",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first N photos of it")] = None,
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures here")] = None,
    labels_file: Annotated[
        Path | None,
        typer.Option("--labels", help="only write the labels of all photos here, for `wsis teach --labels`"),
    ] = None,
) -> None:
    """Teach from few labels, measure, and print the table."""
    labels = data.all_labels(voc_kit, ("train", "train_extra"), tuple(web or ()))
    if labels_file:
        paths = [str(path) for path in labels.paths]
        files.write(labels_file, tables.write(paths, labels.target, labels.weight, labels.classes))
        return
    every = [Draw(int(count), seed) for count in counts.split(",") for seed in range(draws)]
    used = np.unique(np.concatenate([drawn(labels, draw) for draw in every]))
    frozen = load_base(base)
    cells, gone = run.look(frozen, [labels.paths[row] for row in used], None, run.to_stdout)
    used = np.delete(used, sorted(gone))
    heads, photos = {}, {}
    for draw in every:
        rows = np.intersect1d(drawn(labels, draw), used)
        own = cells[np.searchsorted(used, rows)]
        heads[draw] = fit(own, labels.target[rows], labels.weight[rows], voc.CLASSES).head
        photos[draw] = len(rows)
    pairs = masked_sets.find(voc_kit, None, None, split, "all", limit).pairs
    kept = out / f"{split}-{counts.replace(',', '-')}-{draws}"
    measured = list(workers.over(pairs, partial(_measured, kept=kept), partial(_load, base, heads), processes))
    figures = {draw: evaluate.summary([photo[draw] for photo in measured], voc.CLASSES) for draw in every}
    print(table(figures, photos))
    if json_file:
        content = {draw.name: {"photos": photos[draw], **figures[draw]} for draw in every}
        files.write(json_file, json.dumps({"base": base, **content}, indent=1))


if __name__ == "__main__":
    scripts.run(main)
