"""How much each step of an ICN changes: `python -m train.ablate.steps --voc KIT --limit 100`.

Of every peak's map the share of pixels that a step changes by more than .1, the mean over peaks and then photos.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from train import data, scripts, workers
from wsis import image
from wsis.analysis import Settings
from wsis.choices import Enhancer
from wsis.errors import WsisError
from wsis.pipeline import Pipeline

MUCH = 0.1
"""Of a map in [0, 1]: less is not seen."""


def changed(maps: np.ndarray) -> np.ndarray:
    """(T,) share of pixels that each step changes by more than `MUCH`, the mean over maps.

    Args:
        maps: (T+1, K, h, w) in [0, 1], of at least one peak.
    """
    steps: np.ndarray = (np.abs(np.diff(maps, axis=0)) > MUCH).mean((1, 2, 3))
    return steps


def of_photo(pipeline: Pipeline, file: Path, variants: dict[str, Settings]) -> dict[str, np.ndarray]:
    """What `changed` gives for a photo by each variant; nothing without a peak."""
    evidence = pipeline.observe(image.read(file))
    maps = {name: pipeline.analyse(evidence, settings).maps for name, settings in variants.items()}
    return {name: changed(grown) for name, grown in maps.items() if grown.shape[1]}


@scripts.told
def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="its photos")] = "val",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first N photos")] = None,
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    steps: Annotated[int, typer.Option(min=1, max=8, help="T")] = 4,
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
) -> None:
    """Print a table: a row for each ICN that grows regions, as published and held back by the agreement."""
    enhancers: tuple[Enhancer, ...] = ("icn-proposal", "icn-saliency")
    variants = {
        f"{enhancer}, {how}": Settings(enhancer=enhancer, steps=steps, agreement=agreement)
        for enhancer in enhancers
        for how, agreement in (("as published", False), ("with agreement", True))
    }
    files = [data.voc_photo(voc_kit, identity) for identity in data.voc_ids(voc_kit, split, "all")[:limit]]
    load = partial(Pipeline.load, model, device="cpu")
    photos = [one for one in workers.over(files, partial(of_photo, variants=variants), load, processes) if one]
    if not photos:
        raise WsisError(f"No peak was found in {len(files)} photos.")
    print(f"{len(photos)} photos with peaks; % of pixels changed by more than {MUCH}, by step:\n")
    print("| maps | " + " | ".join(f"t = {t}" for t in range(1, steps + 1)) + " |")
    print("|---|" + "---|" * steps)
    for name in variants:
        shares = np.mean([photo[name] for photo in photos], axis=0)
        print(f"| {name} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |")


if __name__ == "__main__":
    scripts.run(main)
