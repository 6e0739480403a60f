"""Masks that people drew, in VOC's way: index PNGs of instances and classes. They evaluate and never train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from wsis import index_png, photo_names, voc
from wsis.errors import WsisError
from wsis.metrics import VOID
from wsis.proposals import ProposalSet

MOST_BYTES = 2**30
"""Of all instance masks of one photo."""


@dataclass(frozen=True)
class GroundTruth:
    """Masks of one photo.

    Attributes:
        masks: (G, H, W) bool instances.
        categories: (G,) int64 class of each, 0-based.
        semantic: (H, W) uint8, 0 background, c + 1 for class c, 255 void; uint16 without void for more than 254
            classes.
    """

    masks: np.ndarray
    categories: np.ndarray
    semantic: np.ndarray


def read(classes: Path, instances: Path | None, count: int = len(voc.CLASSES)) -> GroundTruth:
    """Masks of a photo from its index PNGs; an instance's class is the one that most of its pixels have.

    Args:
        classes: PNG with 0 for background, c + 1 for class c and 255 for void, see `wsis.index_png`; 16 bits without
            void where `count` is above 254.
        instances: PNG of the same size with a number of its own for each instance, 0 for background and, in 8 bits,
            255 for void; None makes every connected area of a class an instance.
        count: how many classes there are.

    Raises:
        WsisError: a file is missing, unreadable, in colours other than VOC's, of another size, names a class beyond
            `count`, or says where something is but not what.
    """
    semantic = _index(classes)
    if count >= VOID and semantic.dtype != np.uint8 and semantic.max(initial=0) <= count < 2**16:
        semantic = semantic.astype(np.uint16)
    highest = int(semantic[voc.labelled(semantic)].max(initial=0))
    if highest > (count if semantic.dtype == np.uint16 else min(count, VOID - 1)):
        raise WsisError(f"{classes.name} in {classes.parent.name} names class {highest}; expected 0..{count}, or 255.")
    if semantic.dtype != np.uint16:
        semantic = semantic.astype(np.uint8)
    if not highest and not voc.labelled(semantic).all():
        raise WsisError(
            f"{classes.name} in {classes.parent.name} holds 0 and 255 only: foreground, but no class. Give the pixels "
            "of class c, counted from 0, the number c + 1."
        )
    objects = _areas(semantic) if instances is None else _index(instances)
    if objects.shape != semantic.shape:
        raise WsisError(f"The instances and the classes of {classes.name} have different sizes. Save both in one size.")
    numbers = [i for i in np.unique(objects) if i and not (objects.dtype == np.uint8 and i == VOID)]
    if len(numbers) * semantic.size > MOST_BYTES:
        raise WsisError(f"{classes.name}: {len(numbers)} instances of this size are too many. Make the masks smaller.")
    if instances is not None and highest and not numbers:
        raise WsisError(
            f"{instances.name} in {instances.parent.name} holds no number of an instance, though its classes name "
            f"{highest}. Number the instances from 1; 255 is void."
        )
    masks, categories = [], []
    for i in numbers:
        mask = objects == i
        votes = np.bincount(semantic[mask], minlength=count + 1)[1 : count + 1]
        if votes.any():
            masks.append(mask)
            categories.append(int(votes.argmax()))
    stacked = np.stack(masks) if masks else np.zeros((0, *semantic.shape), bool)
    return GroundTruth(stacked, np.array(categories, np.int64), semantic)


def voc_ground_truth(kit: Path, identity: str) -> GroundTruth:
    """Masks of a photo of a devkit with `SegmentationObject` and `SegmentationClass`, see `read`."""
    found = []
    for folder in ("SegmentationClass", "SegmentationObject"):
        file = photo_names.find(Path(kit) / folder, identity, (".png",))
        found.append(file or Path(kit) / folder / f"{identity}.png")
    return read(found[0], found[1])


def overlaps(proposals: ProposalSet, truth: GroundTruth) -> np.ndarray:
    """(N, G) IoU of every proposal, at the photo's size, with every instance; void pixels count for nobody."""
    valid = voc.labelled(truth.semantic)
    shared = proposals.sums(truth.masks & valid) @ proposals.membership_f32.T
    area = proposals.sums(valid[None]) @ proposals.membership_f32.T
    union = area + (truth.masks & valid).sum((1, 2))[:, None] - shared
    return (shared / np.maximum(union, 1)).T


def _index(file: Path) -> np.ndarray:
    if not file.is_file():
        raise WsisError(f"{file} is missing: only photos with masks can be evaluated.")
    return index_png.read(file)


def _areas(semantic: np.ndarray) -> np.ndarray:
    """(H, W) int64: a number of its own for each connected area of one class, 0 elsewhere."""
    result = np.zeros(semantic.shape, np.int64)
    for category in np.unique(semantic[(semantic != 0) & voc.labelled(semantic)]):
        areas = cv2.connectedComponents((semantic == category).astype(np.uint8))[1]
        result[areas > 0] = areas[areas > 0] + result.max()
    return result
