"""How faithful class map, response (Eq. 2) and enhanced map are to the classifier, over many photos.

`python -m train.faithfulness --voc KIT --photos 100` follows every peak that becomes a mask: deletion and insertion
curves of its three maps and of a random order, see `wsis.why.faithfulness`. No mask that people drew is looked at. A
photo that was measured is kept, so an interrupted run goes on; photos come in an order drawn once, so that a run that
is not finished has a fair sample too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from train import data, scripts, workers
from train.ablate.bootstrap import Interval, draw, interval
from wsis import files, image
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.instances import shown
from wsis.pipeline import Pipeline
from wsis.why import faithfulness
from wsis.why.faithfulness import CLASS_MAP, MAPS, RANDOM

SEED = 0
"""Of the order of the photos."""
FIGURES = ("deletion", "insertion")


@dataclass(frozen=True)
class Followed:
    """The areas of one peak.

    Attributes:
        name: its class.
        score: of its class in the whole photo, at the size that the curves are measured at, in [0, 1].
        deletion: area by map, in [0, 1].
        insertion: likewise.
    """

    name: str
    score: float
    deletion: dict[str, float]
    insertion: dict[str, float]


def photo(pipeline: Pipeline, path: Path, maps: Sequence[str] = MAPS) -> list[Followed]:
    """Follow every peak of a photo whose mask pictures show, best mask first."""
    analysis = pipeline.analyse(image.read(path), Settings(enhancer=pipeline.default_enhancer))
    classifier, found = pipeline.checkpoint.classifier, []
    for peak, name in {one.peak: one.name for one in shown(analysis.instances())}.items():
        curves = {each: faithfulness.follow(each, analysis, classifier, peak) for each in maps}
        whole = float(next(iter(curves.values())).deletion[0])
        areas = [{each: getattr(one, f"{figure}_area") for each, one in curves.items()} for figure in FIGURES]
        found.append(Followed(name, whole, *areas))
    return found


def means(photos: Sequence[Sequence[Followed]], figure: str, name: str) -> Interval:
    """Mean area over all peaks, with the interval of other photos.

    Args:
        photos: the peaks of each photo; one at least.
        figure: `deletion` or `insertion`.
        name: of the map.
    """
    return _mean(photos, lambda peak: getattr(peak, figure)[name])


def apart(photos: Sequence[Sequence[Followed]], figure: str, name: str, other: str = CLASS_MAP) -> Interval:
    """How far a map's mean area is above another map's, peak by peak, with the interval of other photos."""
    return _mean(photos, lambda peak: getattr(peak, figure)[name] - getattr(peak, figure)[other])


def best(photos: Sequence[Sequence[Followed]], figure: str, name: str) -> float:
    """Share of the peaks of which this map is the best of those that look at the photo, the control left out."""
    sign, every = (1 if figure == "insertion" else -1), [peak for peaks in photos for peak in peaks]
    rivals = [other for other in _maps(photos) if other != RANDOM]
    wins = [max(rivals, key=lambda one: sign * getattr(peak, figure)[one]) == name for peak in every]
    return float(np.mean(wins)) if every else 0.0


def table(photos: Sequence[Sequence[Followed]]) -> str:
    """A Markdown row for each map: both areas with their 95% intervals, and how often it is the best of the three."""
    peaks, none = sum(map(len, photos)), sum(not found for found in photos)
    without = f", of which {none} {'has' if none == 1 else 'have'} none" if none else ""
    lines = [
        f"{peaks} peaks of {len(photos)} photos{without}.",
        "",
        "| order | deletion, low is faithful | best | insertion, high is faithful | best |",
        "|---|---|---|---|---|",
    ]
    for name in _maps(photos):
        cells = []
        for figure in FIGURES:
            wins = "" if name == RANDOM else f"{best(photos, figure, name):.0%}"
            cells += [_told(means(photos, figure, name)), wins]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"| less {CLASS_MAP}, peak by peak | deletion | insertion |", "|---|---|---|"]
    for name in _maps(photos)[1:]:
        less = [_told(apart(photos, figure, name), sign="+") for figure in FIGURES]
        lines.append(f"| {name} | {' | '.join(less)} |")
    return "\n".join(lines)


def _mean(photos: Sequence[Sequence[Followed]], value: Callable[[Followed], float]) -> Interval:
    sums = np.array([sum(map(value, peaks)) for peaks in photos])
    numbers = np.array([len(peaks) for peaks in photos], np.float64)
    counts = draw(len(photos))
    return interval(sums.sum() / max(numbers.sum(), 1), counts @ sums / np.maximum(counts @ numbers, 1))


def _maps(photos: Sequence[Sequence[Followed]]) -> list[str]:
    return next((list(peak.deletion) for peaks in photos for peak in peaks), [])


def _told(found: Interval, sign: str = "") -> str:
    value, low, high = (f"{one:{sign}.3f}" for one in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]".replace("0.", ".")


def _load(model: str) -> Pipeline:
    return Pipeline.load(model, device="cpu")


def _measured(pipeline: Pipeline, identity: str, *, kit: Path, kept: Path) -> list[Followed]:
    file = kept / f"{identity}.json"
    if not file.is_file():
        found = photo(pipeline, data.voc_photo(kit, identity))
        files.write(file, json.dumps([asdict(one) for one in found]).encode())
    return [Followed(**one) for one in json.loads(file.read_bytes())]


@scripts.told
def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    photos: Annotated[int, typer.Option(min=1, help="how many")] = 100,
    split: Annotated[str, typer.Option(help="split that they are drawn from")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo of it by name, or all")] = "all",
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    out: Annotated[Path, typer.Option(help="where measured photos are kept")] = Path("runs/faithfulness"),
    kept_only: Annotated[bool, typer.Option("--kept", help="only tell what was measured so far")] = False,
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all areas here")] = None,
) -> None:
    """Follow the peaks of photos and print the table."""
    ids = sorted(data.voc_ids(voc_kit, split, half))
    drawn = [ids[place] for place in np.random.default_rng(SEED).permutation(len(ids))[:photos]]
    kept = out / f"{Path(model).name}-{split}"
    if kept_only:
        drawn = [identity for identity in drawn if (kept / f"{identity}.json").is_file()]
    if not drawn:
        raise WsisError(f"No photo of {split} was measured yet; run it without --kept.")
    work = partial(_measured, kit=voc_kit, kept=kept)
    load = (lambda: None) if kept_only else partial(_load, model)
    found = list(workers.over(drawn, work, load, 1 if kept_only else processes))
    print(table(found))
    if json_file:
        peaks = {identity: [asdict(one) for one in peaks] for identity, peaks in zip(drawn, found, strict=True)}
        files.write(json_file, json.dumps({"model": model, "split": split, "photos": peaks}, indent=1).encode())


if __name__ == "__main__":
    scripts.run(main)
