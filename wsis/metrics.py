"""Figures for instances and semantics: mAP^r, ABO, mIoU, classification mAP.

Each photo becomes a small record (`ImageResult`, a confusion matrix); records are kept or summed, reduced at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wsis.index_image import VOID, labelled

__all__ = [
    "VOID", "ImageResult", "abo", "average_precision", "classification_map", "confusion", "fates", "image_result",
    "mask_iou", "match_image", "mean_ap", "mean_iou", "separation", "separation_by_class",
]  # fmt: skip

THRESHOLDS = (0.25, 0.5, 0.75)
"""IoU at which mAP^r is given."""
FOUND = 0.5
"""IoU from which a mask shows an instance, for `separation`."""
MERGED = 0.5
"""Share of a neighbour from which a mask covers it too, for `separation`."""


_NOBODY = np.zeros(0, bool)


@dataclass(frozen=True, eq=False)
class ImageResult:
    """What one photo's detections have in common with its ground truth.

    Attributes:
        overlaps: (D, G) float32 IoU of each detection with each instance of the ground truth, in [0, 1].
        categories: (D,) int64 class of each detection.
        scores: (D,) float32, any scale.
        truth: (G,) int64 class of each instance.
        touching: (G,) bool, instances that touch another one of their class; none by default.
        merged: (G,) bool, instances whose best mask covers another one of their class too; none by default.
    """

    overlaps: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    truth: np.ndarray
    touching: np.ndarray = field(default_factory=lambda: _NOBODY)
    merged: np.ndarray = field(default_factory=lambda: _NOBODY)

    def __post_init__(self) -> None:
        """Check shapes."""
        for name in ("touching", "merged"):
            if getattr(self, name) is _NOBODY:
                object.__setattr__(self, name, np.zeros(len(self.truth), bool))
        found, there = len(self.categories), len(self.truth)
        if self.overlaps.shape != (found, there) or self.scores.shape != (found,):
            raise ValueError(
                f"expected overlaps ({found}, {there}) and scores ({found},), "
                f"got {self.overlaps.shape}, {self.scores.shape}"
            )
        if self.touching.shape != (there,) or self.merged.shape != (there,):
            raise ValueError(f"expected touching and merged ({there},), got {self.touching.shape}, {self.merged.shape}")

    @cached_property
    def same_class(self) -> np.ndarray:
        """(D, G) overlaps, 0 between different classes."""
        return np.where(self.categories[:, None] == self.truth[None], self.overlaps, 0)

    @cached_property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """For each detection the instance of its class that it overlaps most, and the IoU: (D,) int64, (D,) float32."""
        if not len(self.truth):
            return np.zeros(len(self.scores), np.int64), np.zeros(len(self.scores), np.float32)
        index = self.same_class.argmax(1)
        return index, np.take_along_axis(self.same_class, index[:, None], 1)[:, 0]


def image_result(
    overlaps: np.ndarray,
    categories: np.ndarray,
    scores: np.ndarray,
    truth_categories: np.ndarray,
    *,
    covered: np.ndarray | None = None,
    touching: np.ndarray | None = None,
) -> ImageResult:
    """An `ImageResult` from anything array-like of the right shapes.

    Args:
        overlaps: (D, G) IoU.
        categories: (D,) class of each detection.
        scores: (D,).
        truth_categories: (G,) class of each instance.
        covered: (D, G) share of each instance inside each detection; without it nothing counts as merged.
        touching: (G,) bool, see `wsis.ground_truth.GroundTruth.touching`; without it nothing touches.
    """
    overlaps, categories = np.asarray(overlaps, np.float32), np.asarray(categories, np.int64)
    truth = np.asarray(truth_categories, np.int64)
    return ImageResult(
        overlaps,
        categories,
        np.asarray(scores, np.float32),
        truth,
        _NOBODY if touching is None else np.asarray(touching, bool),
        _NOBODY if covered is None else _merged(overlaps, np.asarray(covered, np.float32), categories, truth),
    )


def _merged(overlaps: np.ndarray, covered: np.ndarray, categories: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(G,) bool: the detection of an instance's class that overlaps it most covers another instance of the class."""
    merged = np.zeros(len(truth), bool)
    for i, category in enumerate(truth):
        mine = np.flatnonzero((categories == category) & (overlaps[:, i] > 0))
        if len(mine):
            best = mine[overlaps[mine, i].argmax()]
            mates = (truth == category) & (np.arange(len(truth)) != i)
            merged[i] = (covered[best, mates] >= MERGED).any()
    return merged


def match_image(
    det_masks: np.ndarray,
    det_categories: np.ndarray,
    det_scores: np.ndarray,
    gt_masks: np.ndarray,
    gt_categories: np.ndarray,
    void: np.ndarray | None = None,
    touching: np.ndarray | None = None,
) -> ImageResult:
    """Compare masks.

    Args:
        det_masks: (D, H, W) bool.
        det_categories: (D,) class indices.
        det_scores: (D,).
        gt_masks: (G, H, W) bool.
        gt_categories: (G,) class indices.
        void: (H, W) bool pixels that count for nobody.
        touching: (G,) bool, see `image_result`.
    """
    shared, first, second = _common(det_masks, gt_masks, void)
    iou = shared / np.maximum(first[:, None] + second[None] - shared, 1)
    covered = shared / np.maximum(second[None], 1)
    return image_result(iou, det_categories, det_scores, gt_categories, covered=covered, touching=touching)


def mask_iou(first: np.ndarray, second: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    """IoU of (A, H, W) with (B, H, W) bool masks outside `void`: (A, B) float32, 0 where both are empty."""
    shared, a, b = _common(first, second, void)
    return shared / np.maximum(a[:, None] + b[None] - shared, 1)


def _common(
    first: np.ndarray, second: np.ndarray, void: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels that (A, H, W) and (B, H, W) masks share outside `void`, (A, B), and have each, (A,) and (B,); float32."""
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f"masks: expected one size, got {first.shape[1:]} and {second.shape[1:]}")
    valid = slice(None) if void is None else ~void.ravel()
    a, b = (
        masks.reshape(len(masks), int(np.prod(masks.shape[1:])))[:, valid].astype(np.float32)
        for masks in (first, second)
    )
    return a @ b.T, a.sum(1), b.sum(1)


def mean_ap(results: Sequence[ImageResult], threshold: float) -> float:
    """mAP^r: mean over the classes with ground truth of the `average_precision`."""
    values = average_precision(results, threshold)
    return float(np.mean(list(values.values()))) if values else 0.0


def average_precision(results: Sequence[ImageResult], threshold: float) -> dict[int, float]:
    """Average precision of every class with ground truth, as the PASCAL VOC devkit computes it (area, since 2010).

    A detection is right if the instance of its class that it overlaps most is overlapped by at least `threshold` and no
    higher score has claimed it; any other is wrong. Precision is made falling with recall, then integrated.

    Args:
        results: one a photo.
        threshold: least IoU, in (0, 1].

    Returns:
        Class index to a value in [0, 1].
    """
    truth = _joined([result.truth for result in results], np.int64)
    categories = _joined([result.categories for result in results], np.int64)
    scores = _joined([result.scores for result in results], np.float32)
    first = np.cumsum([0, *(len(result.truth) for result in results)])[:-1]
    target = _joined([start + result.best[0] for start, result in zip(first, results, strict=True)], np.int64)
    overlap = _joined([result.best[1] for result in results], np.float32)
    values = {}
    for category in np.unique(truth).tolist():
        mine = np.flatnonzero(categories == category)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        claims = np.flatnonzero(overlap[mine] >= threshold)
        right = np.zeros(len(mine))
        right[claims[np.unique(target[mine][claims], return_index=True)[1]]] = 1
        hits = np.cumsum(right)
        precision = hits / np.arange(1, len(mine) + 1)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        values[category] = float((falling * right).sum() / np.count_nonzero(truth == category))
    return values


def abo(results: Sequence[ImageResult]) -> float:
    """Average best overlap: the best IoU that a detection of its class has with each instance, averaged by class."""
    best = _joined([result.same_class.max(0, initial=0) for result in results], np.float32)
    truth = _joined([result.truth for result in results], np.int64)
    return float(np.mean([best[truth == c].mean() for c in np.unique(truth)])) if len(truth) else 0.0


def fates(result: ImageResult) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What became of a photo's instances, for each figure of `separation`: which of them count, and which have it.

    Returns:
        Name of the figure to two (G,) bool.
    """
    found = result.same_class.max(0, initial=0) >= FOUND
    alone = (result.truth[:, None] == result.truth[None]).sum(1) == 1
    return {
        "alone": (alone, found),
        "together": (~alone, found),
        "touching": (result.touching, found),
        "merged": (result.touching, result.merged),
    }


def separation(results: Sequence[ImageResult]) -> dict[str, float]:
    """Whether instances are told apart from others of their class.

    Returns:
        Shares in [0, 1]; 0 where there is no such instance. Of the instances that some mask of their class shows
        (IoU of at least `FOUND`): `alone`, of those that are the only one of their class in the photo; `together`, of
        the others; `touching`, of those that touch another one. And `merged`, of those that touch another one: whose
        best mask covers at least half (`MERGED`) of another instance of the class.
    """
    return _shares([fates(result) for result in results])


def separation_by_class(results: Sequence[ImageResult]) -> dict[int, dict[str, float]]:
    """`separation` of each class with ground truth."""
    every = [(result.truth, fates(result)) for result in results]
    return {
        category: _shares(
            [
                {name: (counts[truth == category], have[truth == category]) for name, (counts, have) in own.items()}
                for truth, own in every
            ]
        )
        for category in np.unique(_joined([truth for truth, _ in every], np.int64)).tolist()
    }


def _shares(photos: Sequence[dict[str, tuple[np.ndarray, np.ndarray]]]) -> dict[str, float]:
    """The share of those that count that have it, over all photos; 0 where none counts."""
    names = photos[0] if photos else ("alone", "together", "touching", "merged")
    return {
        name: sum(int((counts & have).sum()) for counts, have in parts) / max(1, sum(int(c.sum()) for c, _ in parts))
        for name in names
        for parts in [[photo[name] for photo in photos]]
    }


def confusion(predicted: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by (true class, predicted class), background included, void left out.

    Args:
        predicted: (H, W) integers in 0..classes-1.
        truth: (H, W) integers in 0..classes-1, or void, see `wsis.index_image.void_of`.
        classes: how many, with the background.

    Returns:
        (classes, classes) int64.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted: expected {truth.shape}, got {predicted.shape}")
    valid = labelled(truth)
    rows, columns = truth[valid].astype(np.int64), predicted[valid].astype(np.int64)
    for name, values in (("truth", rows), ("predicted", columns)):
        if len(values) and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{name}: expected 0..{classes - 1}, got {values.min()}..{values.max()}")
    return np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU of a sum of confusion matrices, over the classes that are there or were predicted, with background."""
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return float(np.mean(hits[union > 0] / union[union > 0])) if (union > 0).any() else 0.0


def classification_map(scores: np.ndarray, present: np.ndarray) -> float:
    """Classification mAP: mean over the classes that occur of the average precision over photos.

    The step-wise sum of precision x gain in recall, without interpolation; equal scores are one step.

    Args:
        scores: (I, C) class scores of each photo, any scale.
        present: (I, C) bool.
    """
    if scores.shape != present.shape:
        raise ValueError(f"scores: expected {present.shape}, got {scores.shape}")
    values = []
    for score, there in zip(scores.T, present.T, strict=True):
        if there.any():
            order = np.argsort(-score, kind="stable")
            last = np.append(np.diff(score[order]) != 0, True)  # of a group of equal scores
            hits = np.cumsum(there[order])[last]
            values.append(float((np.diff(hits, prepend=0) * hits / (np.flatnonzero(last) + 1)).sum() / hits[-1]))
    return float(np.mean(values)) if values else 0.0


def _joined(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)
