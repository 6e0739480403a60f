"""A hand-made analysis with many proposals and peaks, and true masks to measure it by."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from tests.helpers.small_analysis import CAT, DOG, SIZE, WORK, small_analysis, with_class_maps
from wsis import matching, metrics
from wsis.analysis import Analysis, Settings
from wsis.ground_truth import GroundTruth
from wsis.maps import upsample
from wsis.peaks import Peaks
from wsis.proposals import from_masks


def random_analysis(seed, reading):
    """Boxes as proposals, some of them twice, and six peaks of two classes with blurred boxes as maps."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, [30, 40], (40, 2)), rng.integers(6, 18, (40, 2))
    masks = np.zeros((40, *WORK), bool)
    for mask, (y, x), (height, width) in zip(masks, *corners, strict=True):
        mask[y : y + height, x : x + width] = True
    masks[30:] = masks[:10]
    proposals = from_masks(masks)
    base = small_analysis()
    maps = masks[rng.integers(0, 40, (2, 6))].astype(np.float32)
    maps = np.stack([[cv2.GaussianBlur(one, (0, 0), 3) for one in step] for step in maps])
    binary = np.stack([matching.binarise(step) for step in maps])
    class_maps = rng.random((20, 6, 8), np.float32)
    evidence = with_class_maps(replace(base.evidence, proposals=proposals, source=proposals), maps=class_maps)
    classes = rng.choice([CAT, DOG], 6)
    places = rng.integers(0, 6, (2, 6))
    peaks = Peaks(classes, *places, np.ones(6, np.float32), rng.random(6).astype(np.float32), (6, 8))
    own = upsample(class_maps[classes], WORK)
    terms = np.stack([matching.terms(step, proposals, reading, class_maps=own) for step in maps])
    overlaps = np.stack([matching.iou(step, proposals) for step in binary])
    settings = Settings(enhancer="spread", reading=reading)
    thresholds = np.zeros((2, 6), np.float32)
    return Analysis(evidence, settings, peaks, maps, binary, thresholds, terms, overlaps)


def random_truth(seed):
    """Boxes of the same two classes at the photo's size, some pixels void."""
    rng = np.random.default_rng((seed, 1))
    objects = np.zeros(SIZE, np.int64)
    for i in range(1, 6):
        y, x = rng.integers(0, [60, 80])
        objects[y : y + 36, x : x + 40] = i
    semantic = np.where(objects > 0, rng.choice([CAT, DOG], 6)[objects] + 1, 0).astype(np.uint8)
    semantic[rng.random(SIZE) < 0.05] = metrics.VOID
    masks = np.stack([objects == i for i in np.unique(objects) if i])
    categories = [np.bincount(semantic[mask & (semantic != metrics.VOID)]).argmax() - 1 for mask in masks]
    return GroundTruth(masks, np.array(categories, np.int64), semantic)
