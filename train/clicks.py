"""What a few clicks are worth: objects that were missed are clicked at, and what is found then is measured.

`python -m train.clicks --voc KIT` takes photos in which a class has two instances or more, clicks at the middle of the
largest instance that no mask of its class covers by half, up to three times, and measures recall at IoU .5 and average
best overlap (ABO) after each click. The class is the instance's own; how often the page would have guessed it is told.
Masks that people drew are clicked at and compared with, and change nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from train import data, scripts, workers
from wsis import files, image
from wsis.analysis import Analysis, Settings
from wsis.edits import AddPeak
from wsis.ground_truth import GroundTruth, voc_ground_truth
from wsis.pipeline import Pipeline
from wsis.replay import likely_classes, replay

CLICKS = 3
FOUND = 0.5
"""IoU from which a mask shows an instance."""


@dataclass(frozen=True)
class Clicked:
    """One photo.

    Attributes:
        best: for 0 to `CLICKS` clicks the best IoU of each instance with a mask of its class that pictures show.
        masks: how many masks pictures show after so many clicks.
        guessed: of each click, whether the likeliest class at its place was the instance's.
    """

    best: list[list[float]]
    masks: list[int]
    guessed: list[bool]


def middle(mask: np.ndarray) -> tuple[float, float]:
    """Where a person would click at an object: (x, y) as shares, the pixel that is the farthest from its edge.

    Args:
        mask: (H, W) bool, not empty.
    """
    away = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(away.argmax()), mask.shape)
    return (float(x) + 0.5) / mask.shape[1], (float(y) + 0.5) / mask.shape[0]


def best(analysis: Analysis, truth: GroundTruth) -> tuple[np.ndarray, int]:
    """(G,) best IoU of each instance with a shown mask of its class, and how many masks are shown."""
    listed = [instance for instance in analysis.instances() if instance.painted]
    found = np.zeros(len(truth.masks))
    for instance, mask in zip(listed, analysis.masks(listed), strict=True):
        for place in np.flatnonzero(truth.categories == instance.category):
            own = truth.masks[place]
            found[place] = max(found[place], (mask & own).sum() / max((mask | own).sum(), 1))
    return found, len(listed)


def clicked(pipeline: Pipeline, photo: np.ndarray, truth: GroundTruth, clicks: int = CLICKS) -> Clicked:
    """Click at what is missed, the largest first; a missed object is clicked at once."""
    analysis = pipeline.analyse(photo, Settings(enhancer=pipeline.default_enhancer))
    covered, count = best(analysis, truth)
    result, shown, guessed, tried = [covered.tolist()], [count], list[bool](), set[int]()
    areas = truth.masks.sum((1, 2))
    for _ in range(clicks):
        missed = [place for place in np.argsort(-areas, kind="stable").tolist() if covered[place] < FOUND]
        target = next((place for place in missed if place not in tried), None)
        if target is not None:
            tried.add(target)
            x, y = middle(truth.masks[target])
            category = int(truth.categories[target])
            guessed.append(likely_classes(analysis.evidence.class_maps, x, y, 1)[0][0] == category)
            analysis = replay(pipeline, analysis, [AddPeak(name=analysis.classes[category], x=x, y=y)])
            covered, count = best(analysis, truth)
        result.append(covered.tolist())
        shown.append(count)
    return Clicked(result, shown, guessed)


def several(truth: GroundTruth) -> bool:
    """Whether a class has two instances or more."""
    return len(truth.categories) > len(np.unique(truth.categories))


def table(photos: Sequence[Clicked]) -> str:
    """A Markdown row for each number of clicks."""
    guesses = [guess for photo in photos for guess in photo.guessed]
    count = sum(len(photo.best[0]) for photo in photos)
    lines = [
        f"{len(photos)} photos, {count} instances, {len(guesses)} clicks; the likeliest class was right at "
        f"{np.mean(guesses) if guesses else 0:.0%} of them.",
        "",
        "| clicks a photo, at most | recall at IoU .5 | ABO | masks a photo |",
        "|---|---|---|---|",
    ]
    for clicks in range(len(photos[0].best) if photos else 0):
        every = np.concatenate([photo.best[clicks] for photo in photos])
        masks = np.mean([photo.masks[clicks] for photo in photos])
        lines.append(f"| {clicks} | {100 * (every >= FOUND).mean():.1f} | {100 * every.mean():.1f} | {masks:.1f} |")
    return "\n".join(lines)


def _load(model: str) -> Pipeline:
    return Pipeline.load(model, device="cpu")


def _measured(pipeline: Pipeline, identity: str, *, kit: Path, kept: Path) -> Clicked:
    file = kept / f"{identity}.json"
    if not file.is_file():
        found = clicked(pipeline, image.read(data.voc_photo(kit, identity)), voc_ground_truth(kit, identity))
        files.write(file, json.dumps(asdict(found)).encode())
    return Clicked(**json.loads(file.read_bytes()))


@scripts.told
def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    photos: Annotated[int, typer.Option(min=1, help="how many, spread evenly over the split")] = 40,
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    out: Annotated[Path, typer.Option(help="where measured photos are kept")] = Path("runs/clicks"),
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
) -> None:
    """Click, measure, and print the table."""
    ids = [one for one in sorted(data.voc_ids(voc_kit, split, "all")) if several(voc_ground_truth(voc_kit, one))]
    drawn = [ids[place] for place in np.unique(np.linspace(0, len(ids) - 1, photos).round().astype(int))] if ids else []
    work = partial(_measured, kit=voc_kit, kept=out / f"{Path(model).name}-{split}")
    print(table(list(workers.over(drawn, work, partial(_load, model), processes))))


if __name__ == "__main__":
    scripts.run(main)
