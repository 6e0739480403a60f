"""How much of the sliders' travel changes masks: `python -m benchmarks.travel FOLDER`, on any photos, no masks needed.

Each slider of each peak goes in a hundred equal moves of its thumb, the other two at the published weights: once with
its values spread evenly, once as the page spreads them (`wsis.explorer.travel`).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from wsis import image
from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.explorer import travel, words
from wsis.explorer.travel import Stretch
from wsis.matching import PUBLISHED
from wsis.pipeline import Pipeline
from wsis.proposals import ProposalSet

MOVES = 100
CHANGED = 0.9
"""Of one object: two masks that overlap by less have changed for the eye."""


@dataclass(frozen=True)
class Spent:
    """What a slider's travel does, in shares of it.

    Attributes:
        changing: moves after which a mask wins that overlaps the one before by less than `CHANGED`.
        photo: places where the winner is most of the photo.
        still: the longest part in which one proposal wins.
        masks: how many proposals win at any place.
    """

    changing: float
    photo: float
    still: float
    masks: float


def spent(found: tuple[Stretch, ...], values: np.ndarray, proposals: ProposalSet) -> Spent:
    """Of values of a weight, one for each place of the thumb."""
    ends = np.array([stretch.high for stretch in found[:-1]])
    winners = [found[i].proposal for i in np.searchsorted(ends, values)]
    large = proposals.areas[winners] > travel.MOST * proposals.labels.size
    _, counts = np.unique(winners, return_counts=True)
    changed = [_overlap(proposals, a, b) < CHANGED for a, b in pairwise(winners)]
    return Spent(float(np.mean(changed)), float(large.mean()), float(counts.max() / len(values)), float(len(counts)))


def sliders(analysis: Analysis) -> list[tuple[Spent, Spent]]:
    """Before and after for every slider of every peak, at the last step."""
    made = []
    limits = words.spans(analysis.settings.reading)
    for terms in analysis.ranked_terms[analysis.steps]:
        for axis, limit in enumerate(limits):
            found = travel.stretches(terms, PUBLISHED, axis, limit)
            places = np.linspace(0, 1, MOVES + 1)
            values, knots = travel.knots(found, analysis.proposals)
            after = np.interp(places, knots, values)
            even = spent(found, places * limit, analysis.proposals)
            made.append((even, spent(found, after, analysis.proposals)))
    return made


def main(
    folder: Annotated[Path, typer.Argument(help="photos")],
    limit: Annotated[int, typer.Option(help="at most so many, evenly spaced by name")] = 40,
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    names: Annotated[Path | None, typer.Option(help="a file that names the photos to choose from, one a line")] = None,
) -> None:
    """Print both rows."""
    torch.set_num_threads(1)
    listed = names.read_text().split() if names else None
    paths = [path for path in sorted(folder.iterdir()) if listed is None or path.stem in set(listed)]
    if not paths:
        raise typer.BadParameter(f"There is no photo in {folder}.")
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, limit).round().astype(int))]
    pipeline = Pipeline.load(model)
    made: list[tuple[Spent, Spent]] = []
    photos = 0
    for path in chosen:
        try:
            analysis = pipeline.analyse(image.read(path), Settings())
        except WsisError as error:
            print(f"{path.name}: {error}")
            continue
        photos += 1
        made += sliders(analysis)
    if not made:
        raise typer.BadParameter("None of these photos has a peak.")
    print(f"{photos} photos, {len(made) // 3} peaks, {len(made)} sliders, {MOVES} moves each")
    print(f"{'':10s} {'changes':>8s} {'photo':>8s} {'still':>8s} {'masks':>8s}")
    for name, rows in zip(("even", "spent"), zip(*made, strict=True), strict=True):
        changing, photo, still, masks = np.mean([astuple(row) for row in rows], axis=0)
        print(f"{name:10s} {changing:8.1%} {photo:8.1%} {still:8.1%} {masks:8.1f}")


def _overlap(proposals: ProposalSet, a: int, b: int) -> float:
    if a == b:
        return 1.0
    one, other, areas = proposals.membership[a], proposals.membership[b], proposals.region_areas
    return float(areas[one & other].sum() / max(areas[one | other].sum(), 1))


if __name__ == "__main__":
    typer.run(main)
