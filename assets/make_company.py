"""Draw what the default enhancer changes where objects of a class touch: `python -m assets.make_company --voc VOC2012`.

Ten photos of `val`, drawn at random among those in which two persons, animals or vehicles of a class touch. Only masks
are drawn, no photo: VOC's photos are not ours to pass on.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from train import data
from wsis import ground_truth, image, render
from wsis.analysis import Analysis, Settings
from wsis.choices import Enhancer
from wsis.ground_truth import GroundTruth
from wsis.instances import Instance, shown
from wsis.pipeline import Pipeline

FILE = Path(__file__).parents[1] / "docs" / "figures" / "company.png"
ENHANCERS: tuple[Enhancer, ...] = ("icn-saliency", "icn-instances")
KINDS = {
    "aeroplane", "bicycle", "bird", "boat", "bus", "car", "cat", "cow", "dog", "horse", "motorbike", "person", "sheep",
    "train",
}  # fmt: skip
"""Persons, animals and vehicles among VOC's classes."""
PHOTOS, HEIGHT, COLUMNS, MARGIN, LINE = 10, 170, 2, 10, 24
FOUND = 0.5
"""IoU from which an object is found."""


def company(truth: GroundTruth, classes: tuple[str, ...]) -> bool:
    """Whether two persons, animals or vehicles of a class touch."""
    kinds = [classes[category] in KINDS for category in truth.categories]
    return bool((truth.touching & kinds).any())


def objects_found(analysis: Analysis, instances: Sequence[Instance], truth: GroundTruth) -> int:
    """How many of the objects one of the instances shows, IoU from .5 on, of the right class."""
    iou = ground_truth.overlaps(analysis.evidence.source.resized(truth.semantic.shape), truth).iou
    categories = np.array([instance.category for instance in instances], int)
    right = categories[:, None] == truth.categories[None]
    return int(((iou[[instance.proposal for instance in instances]] >= FOUND) & right).any(0).sum())


def drawn(analysis: Analysis, instances: Sequence[Instance], words: str) -> np.ndarray:
    """(HEIGHT + LINE, W, 3) uint8: the instances' masks on grey, below a line of words."""
    height, width = analysis.evidence.size
    grey = np.full((height, width, 3), 236, np.uint8)
    masks = np.array([*analysis.masks(instances)], np.bool_).reshape(-1, height, width)
    colours = [render.colour(instance.peak) for instance in instances]
    painted = render.over_instances(grey, masks, [""] * len(instances), colours, 0.75)
    scaled = cv2.resize(painted, (round(width * HEIGHT / height), HEIGHT), interpolation=cv2.INTER_AREA)
    line = np.full((LINE, scaled.shape[1], 3), 255, np.uint8)
    cv2.putText(line, words, (2, LINE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([line, scaled])


def pair(pipeline: Pipeline, kit: Path, identity: str, truth: GroundTruth) -> np.ndarray:
    """Both enhancers' masks of a photo beside each other."""
    evidence = pipeline.observe(image.read(data.voc_photo(kit, identity)))
    parts: list[np.ndarray] = []
    for enhancer in ENHANCERS:
        analysis = pipeline.analyse(evidence, Settings(enhancer=enhancer))
        instances, heading = shown(analysis.instances()), "" if parts else f"{identity}: "
        words = f"{heading}{objects_found(analysis, instances, truth)} of {len(truth.categories)}"
        parts.append(drawn(analysis, instances, words))
        parts.append(np.full((HEIGHT + LINE, MARGIN, 3), 255, np.uint8))
    return np.hstack(parts)


def main() -> None:
    """Write the picture, and say which photos are on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc", type=Path, required=True, help="a VOCdevkit/VOC2012 folder with masks")
    kit = parser.parse_args().voc
    pipeline = Pipeline.load()
    identities = list(data.voc_ids(kit, "val"))
    random.Random(0).shuffle(identities)
    pictures, chosen = [], []
    for identity in identities:
        truth = ground_truth.voc_ground_truth(kit, identity)
        if company(truth, pipeline.classes):
            chosen.append(identity)
            pictures.append(pair(pipeline, kit, identity, truth))
        if len(chosen) == PHOTOS:
            break
    widths = [max(p.shape[1] for p in pictures[column::COLUMNS]) for column in range(COLUMNS)]
    padded = [
        np.pad(picture, ((0, MARGIN), (0, widths[i % COLUMNS] - picture.shape[1]), (0, 0)), constant_values=255)
        for i, picture in enumerate(pictures)
    ]
    rows = [np.hstack(padded[i : i + COLUMNS]) for i in range(0, len(padded), COLUMNS)]
    Image.fromarray(np.vstack(rows)).save(FILE, optimize=True)
    print(f"{FILE}: {' '.join(chosen)}")


if __name__ == "__main__":
    main()
