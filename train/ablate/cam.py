"""Baselines of Table 3 that need no peak: objects cut straight out of the class maps (CAM, Zhou et al., 2016).

The class map of every followed class is cut at 20% of its maximum, and the box of each connected area is an object. Its
mask is the filled box, the largest ellipse in it, or the proposal that overlaps it most, as in PRM's comparison.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from wsis import instances, matching, metrics
from wsis.analysis import Evidence, Settings
from wsis.ground_truth import GroundTruth
from wsis.maps import upsample
from wsis.proposals import ProposalSet
from wsis.proposals.proposal_set import Size

Shape = Literal["rectangle", "ellipse", "proposal"]
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

SHARE = 0.2
"""Of a class map's maximum, from which on it is the object."""


def score(
    evidence: Evidence, shape: Shape, truth: GroundTruth, settings: Settings
) -> tuple[metrics.ImageResult, np.ndarray]:
    """Matches and (21, 21) confusion of the objects that the class maps give.

    Args:
        evidence: of the photo.
        shape: what a box is filled with.
        truth: masks of the photo.
        settings: `class_threshold` says which classes are followed, `semantic_threshold` what is painted.
    """
    masks, categories, scores = objects(evidence, shape, settings.class_threshold)
    void = truth.semantic == metrics.VOID
    result = metrics.match_image(masks, categories, scores, truth.masks, truth.categories, void, truth.touching)
    sure = scores >= settings.semantic_threshold
    painted = instances.paint(masks[sure], categories[sure])
    return result, metrics.confusion(painted, truth.semantic, len(evidence.class_maps.classes) + 1)


def objects(evidence: Evidence, shape: Shape, class_threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objects of a photo after class-wise NMS.

    Returns:
        (D, H, W) bool masks at the photo's own size by falling score, of one class the larger areas first; (D,) int64
        classes; (D,) float32 scores, the probabilities of the classes.
    """
    class_maps = evidence.class_maps
    followed = np.flatnonzero(class_maps.scores >= class_threshold)
    followed = followed[np.argsort(-class_maps.scores[followed], kind="stable")]
    maps = upsample(class_maps.maps[followed], evidence.size)
    areas = [(category, box) for category, map_ in zip(followed, maps, strict=True) for box in boxes(map_)]
    categories = np.array([category for category, _ in areas], np.int64)
    filled = np.array([rectangle(box, evidence.size) for _, box in areas], bool).reshape(-1, *evidence.size)
    if shape == "rectangle":
        masks = filled
    elif shape == "ellipse":
        masks = np.array([ellipse(box, evidence.size) for _, box in areas], bool).reshape(filled.shape)
    else:
        masks = nearest(filled, evidence.source.resized(evidence.size))
    kept = instances.kept(metrics.mask_iou(masks, masks), categories)
    return masks[kept], categories[kept], class_maps.scores[categories[kept]].astype(np.float32)


def boxes(map_: np.ndarray) -> list[Box]:
    """Boxes around the connected areas where a class map exceeds 20% of its maximum, the largest area first.

    As for peaks the activation counts, logits from 0 up: a map that is nowhere positive has no box.

    Args:
        map_: (H, W) float32 logits.
    """
    activation = np.maximum(map_, 0)
    inside = activation > SHARE * activation.max()
    _, _, stats, _ = cv2.connectedComponentsWithStats(inside.view(np.uint8))
    areas = stats[1:]  # the first is the background
    order = np.argsort(-areas[:, cv2.CC_STAT_AREA], kind="stable")
    return [(int(left), int(top), int(width), int(height)) for left, top, width, height, _ in areas[order]]


def rectangle(box: Box, size: Size) -> np.ndarray:
    """(H, W) bool: the filled box."""
    left, top, width, height = box
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def ellipse(box: Box, size: Size) -> np.ndarray:
    """(H, W) bool: the pixels whose centres lie in the largest ellipse of the box."""
    left, top, width, height = box
    y = (np.arange(size[0]) + 0.5 - top - height / 2) / (height / 2)
    x = (np.arange(size[1]) + 0.5 - left - width / 2) / (width / 2)
    return y[:, None] ** 2 + x[None] ** 2 <= 1


def nearest(masks: np.ndarray, proposals: ProposalSet) -> np.ndarray:
    """For each (D, H, W) bool mask the proposal of highest IoU, (D, H, W) bool."""
    return proposals.masks(matching.iou(masks, proposals).argmax(1))
