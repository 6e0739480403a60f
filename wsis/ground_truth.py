"""Masks that people drew. They evaluate and never train."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from wsis import index_image, index_png, photo_names, voc
from wsis.coco_masks import Annotated
from wsis.errors import WsisError
from wsis.index_image import VOID, VOID_16
from wsis.photo_sets import Pair
from wsis.proposals import ProposalSet
from wsis.shared_classes import SharedClasses

MOST_BYTES = 2**30
"""Of all instance masks of one photo."""
MOST_CROWD = 0.5
"""Share of a mask in crowds up to which it counts."""
NEAR = 6
"""Pixels within which two instances touch; drawn outlines leave a band of void between them."""


@dataclass(frozen=True)
class GroundTruth:
    """Masks of one photo.

    Attributes:
        masks: (G, H, W) bool instances.
        categories: (G,) int64 class of each, 0-based.
        semantic: (H, W) uint8, 0 background, c + 1 for class c, 255 void; uint16 for more than 254 classes, 65535 void.
        crowds: (H, W) bool, void areas that hold several instances untold apart: a mask that mostly lies there is
            neither right nor wrong. None where there are none.
    """

    masks: np.ndarray
    categories: np.ndarray
    semantic: np.ndarray
    crowds: np.ndarray | None = None

    def judged(self, masks: np.ndarray) -> np.ndarray:
        """(N,) bool: which of (N, H, W) bool masks count, see `Overlaps.judged`."""
        if self.crowds is None:
            return np.ones(len(masks), bool)
        return (masks & self.crowds).sum((1, 2)) <= MOST_CROWD * masks.sum((1, 2))

    @cached_property
    def touching(self) -> np.ndarray:
        """(G,) bool: instances that come within `NEAR` pixels of another one of their class."""
        found = np.zeros(len(self.masks), bool)
        for i, mask in enumerate(self.masks):
            mates = (self.categories == self.categories[i]) & (np.arange(len(self.masks)) != i)
            if mates.any() and mask.any():
                away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
                found[i] = (away[self.masks[mates].any(0)] <= NEAR).any()
        return found


def read(classes: Path, instances: Path | None, count: int) -> GroundTruth:
    """Masks of a photo from its index PNGs; an instance's class is the one that most of its pixels have.

    Args:
        classes: PNG with 0 for background, c + 1 for class c and 255 for void; where `count` is above 254 it may have
            16 bits, and 65535 for void. See `wsis.index_png`.
        instances: PNG of the same size with a number of its own for each instance, 0 for background, and 255 for void,
            or 65535 of 16 bits; None makes every connected area of a class an instance.
        count: how many classes there are.

    Raises:
        WsisError: a file is missing, unreadable, in colours other than VOC's, of another size, names a class beyond
            `count`, or says where something is but not what.
    """
    semantic = _index(classes)
    wide = semantic.dtype == np.uint16 and count >= VOID
    void = VOID_16 if wide else VOID
    if semantic.dtype == np.uint16 and not wide:
        semantic = np.where(semantic == VOID_16, VOID, semantic)
    highest = int(semantic[semantic != void].max(initial=0))
    if highest > min(count, void - 1):
        raise WsisError(
            f"{classes.name} in {classes.parent.name} names class {highest}; expected 0..{count}, or {void}."
        )
    semantic = semantic.astype(np.uint16 if wide else np.uint8)
    if not highest and not index_image.labelled(semantic).all():
        raise WsisError(
            f"{classes.name} in {classes.parent.name} holds 0 and {void} only: foreground, but no class. Give the "
            "pixels of class c, counted from 0, the number c + 1."
        )
    objects = _areas(semantic) if instances is None else _index(instances)
    if objects.shape != semantic.shape:
        raise WsisError(f"The instances and the classes of {classes.name} have different sizes. Save both in one size.")
    numbers = np.unique(objects[objects != 0])
    if instances is not None:
        numbers = numbers[index_image.labelled(numbers)]
    if len(numbers) * semantic.size > MOST_BYTES:
        raise WsisError(f"{classes.name}: {len(numbers)} instances of this size are too many. Make the masks smaller.")
    if instances is not None and highest and not len(numbers):
        raise WsisError(
            f"{instances.name} in {instances.parent.name} holds no number of an instance, though its classes name "
            f"{highest}. Number the instances from 1; {index_image.void_of(objects)} is void."
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


def of_pair(pair: Pair, shared: SharedClasses) -> GroundTruth:
    """Masks of a photo of a data set, in the classes that it shares with a model.

    Raises:
        WsisError: they cannot be read, see `read`.
    """
    if pair.annotated is not None:
        truth = _of_coco(pair.annotated)
    elif pair.classes is not None:
        truth = read(pair.classes, pair.instances, len(shared.of_set))
    else:
        raise WsisError(f"There are no masks of {pair.photo.name}: only photos with masks can be evaluated.")
    return _in_classes(truth, shared)


def _of_coco(annotated: Annotated) -> GroundTruth:
    """A COCO photo's masks; where they overlap, the smaller lies on top in `semantic`."""
    if annotated.size is None:
        raise WsisError(f"The annotations do not say how large {annotated.photo.name} is: add 'height' and 'width'.")
    categories = np.array(annotated.categories, np.int64)
    if len(categories) * annotated.size[0] * annotated.size[1] > MOST_BYTES:
        raise WsisError(f"{annotated.photo.name}: {len(categories)} instances of this size are too many.")
    masks = np.zeros((len(categories), *annotated.size), bool)
    for mask, rle in zip(masks, annotated.rles, strict=True):
        mask[:] = coco_mask.decode(rle)
    kind = index_image.index_type(int(categories.max(initial=-1)) + 1)
    semantic, crowds = np.zeros(annotated.size, kind), None
    if annotated.crowds:
        crowds = coco_mask.decode(coco_mask.merge(list(annotated.crowds))).astype(bool) & ~masks.any(0)
        semantic[crowds] = index_image.void_of(semantic)
    for i in np.argsort(-masks.sum((1, 2)), kind="stable"):
        semantic[masks[i]] = categories[i] + 1
    return GroundTruth(masks, categories, semantic, crowds)


def _in_classes(truth: GroundTruth, shared: SharedClasses) -> GroundTruth:
    """The masks of shared classes, by their place among these; those of others become background."""
    if np.array_equal(shared.of_set, np.arange(len(shared.names))):
        return truth
    categories = shared.of_set[truth.categories]
    kind = index_image.index_type(len(shared.names))
    table = np.zeros(np.iinfo(truth.semantic.dtype).max + 1, kind)
    table[1 : len(shared.of_set) + 1] = shared.of_set + 1
    table[index_image.void_of(truth.semantic)] = index_image.void_of(table)
    kept = categories >= 0
    return GroundTruth(truth.masks[kept], categories[kept], table[truth.semantic], truth.crowds)


def voc_ground_truth(kit: Path, identity: str) -> GroundTruth:
    """Masks of a photo of a devkit with `SegmentationObject` and `SegmentationClass`, of VOC's classes; see `read`."""
    found = []
    for folder in ("SegmentationClass", "SegmentationObject"):
        file = photo_names.find(Path(kit) / folder, identity, (".png",))
        found.append(file or Path(kit) / folder / f"{identity}.png")
    return read(found[0], found[1], len(voc.CLASSES))


@dataclass(frozen=True, eq=False)
class Overlaps:
    """What N masks have in common with the G instances of a photo; void pixels count for nobody.

    Attributes:
        iou: (N, G) float32 in [0, 1], intersection over union.
        covered: (N, G) float32 in [0, 1], the share of each instance that lies inside the mask.
        judged: (N,) bool, masks that count: those of which at most half lies among `GroundTruth.crowds`.
    """

    iou: np.ndarray
    covered: np.ndarray
    judged: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Overlaps:
        """Those of the chosen masks, (D,) int64."""
        return Overlaps(self.iou[chosen], self.covered[chosen], self.judged[chosen])


def overlaps(proposals: ProposalSet, truth: GroundTruth) -> Overlaps:
    """Of every proposal, at the photo's size, with every instance."""
    valid = index_image.labelled(truth.semantic)
    instances = truth.masks & valid
    sizes = instances.sum((1, 2))
    shared = (proposals.sums(instances) @ proposals.membership_f32.T).T
    area = (proposals.sums(valid[None]) @ proposals.membership_f32.T).T
    judged = np.ones(len(proposals), bool)
    if truth.crowds is not None:
        areas = proposals.sums(np.stack([truth.crowds, np.ones_like(truth.crowds)]))
        inside, whole = areas @ proposals.membership_f32.T
        judged = inside <= MOST_CROWD * whole
    return Overlaps(shared / np.maximum(area + sizes - shared, 1), shared / np.maximum(sizes, 1), judged)


def _index(file: Path) -> np.ndarray:
    if not file.is_file():
        raise WsisError(f"{file} is missing: only photos with masks can be evaluated.")
    return index_png.read(file)


def _areas(semantic: np.ndarray) -> np.ndarray:
    """(H, W) int64: a number of its own for each connected area of one class, 0 elsewhere."""
    result = np.zeros(semantic.shape, np.int64)
    for category in np.unique(semantic[(semantic != 0) & index_image.labelled(semantic)]):
        areas = cv2.connectedComponents((semantic == category).astype(np.uint8))[1]
        result[areas > 0] = areas[areas > 0] + result.max()
    return result
