"""How well the built-in proposals cover VOC's instances: average best overlap (ABO) and recall by number of proposals.

`python -m train.evaluate_proposals --voc KIT --split val [--limit N] [--contours CHECKPOINT|none]`
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from train import data
from train.evaluate import overlaps
from wsis import checkpoints, image, streams
from wsis.errors import WsisError
from wsis.proposals.contours import ContourNet, predict
from wsis.proposals.generate import generate

LIMITS = (200, 500, 1000, 2000, 3000)
WORK_SIZE = 448


def evaluate(kit: Path, ids: tuple[str, ...], net: ContourNet | None) -> dict:
    """Figures over photos.

    Args:
        kit: devkit folder.
        ids: photos with masks.
        net: contour network; None for colour edges.

    Returns:
        `abo` (mean over classes of the mean best IoU) and `recall_50`, `recall_70` (share of instances) per limit;
        `photos`, `instances`, `proposals` and `seconds` a photo (wall clock, contours and proposals apart).
    """
    best, categories, counts, seconds = [], [], [], []
    for identity in ids:
        truth = data.voc_ground_truth(kit, identity)
        work = image.resized(image.read(Path(kit) / "JPEGImages" / f"{identity}.jpg"), WORK_SIZE)
        start = time.perf_counter()
        contours = None if net is None else predict(net, work)
        middle = time.perf_counter()
        proposals = generate(work, contours, limit=max(LIMITS))
        seconds.append((middle - start, time.perf_counter() - middle))
        counts.append(len(proposals))
        if len(truth.categories):
            iou = overlaps(proposals.resized(truth.semantic.shape), truth)
            best.append(np.stack([iou[:limit].max(axis=0) for limit in LIMITS]))
            categories.append(truth.categories)
    if not best:
        raise WsisError("None of these photos has an instance.")
    overlap, category = np.concatenate(best, axis=1), np.concatenate(categories)
    by_class = np.stack([overlap[:, category == c].mean(axis=1) for c in np.unique(category)])
    return {
        "abo": dict(zip(LIMITS, by_class.mean(axis=0).tolist(), strict=True)),
        "recall_50": dict(zip(LIMITS, (overlap > 0.5).mean(axis=1).tolist(), strict=True)),
        "recall_70": dict(zip(LIMITS, (overlap > 0.7).mean(axis=1).tolist(), strict=True)),
        "photos": len(ids),
        "instances": len(category),
        "proposals": float(np.mean(counts)),
        "seconds": dict(zip(("contours", "proposals"), np.mean(seconds, axis=0).tolist(), strict=True)),
    }


def markdown(figures: dict) -> str:
    """The figures as a table, percentages."""
    lines = ["| proposals | ABO | recall at IoU .5 | recall at IoU .7 |", "|---|---|---|---|"]
    for limit in LIMITS:
        values = (100 * figures[key][limit] for key in ("abo", "recall_50", "recall_70"))
        lines.append(f"| {limit} | " + " | ".join(f"{value:.1f}" for value in values) + " |")
    seconds = figures["seconds"]
    lines += [
        "",
        f"{figures['photos']} photos, {figures['instances']} instances, {figures['proposals']:.0f} proposals a photo; "
        f"{seconds['contours']:.2f} s contours and {seconds['proposals']:.2f} s proposals a photo.",
    ]
    return "\n".join(lines)


def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N photos")] = None,
    every: Annotated[int, typer.Option(help="only every n-th photo")] = 1,
    contours: Annotated[
        str, typer.Option(help="checkpoint with the contour network; none for colour edges")
    ] = "voc-lite",
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures here")] = None,
) -> None:
    """Print the table of a split."""
    torch.set_num_threads(1)  # times are stated for one thread
    try:
        net = None if contours == "none" else checkpoints.load(contours).contours
        if contours != "none" and net is None:
            raise WsisError(f"The checkpoint {contours} has no contour network; pass --contours none for colour edges.")
        figures = evaluate(voc_kit, data.voc_ids(voc_kit, split, half)[::every][:limit], net)
    except WsisError as error:
        raise typer.BadParameter(str(error)) from error
    print(markdown(figures))
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    streams.forgive()
    typer.run(main)
