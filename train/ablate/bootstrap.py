"""Bootstrap intervals over photos: how much a figure would move with other photos of the same kind.

A resample draws as many photos as there are, with replacement, so that a photo counts 0, 1, 2, ... times. Detections
are matched once; a resample only changes how much each photo weighs, so a thousand take seconds. Rows that share their
resamples are compared photo by photo: what makes a set of photos hard for both cancels in their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsis.metrics import ImageResult, fates

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and how it moves over resamples.

    Attributes:
        value: measured on all photos.
        mean: over the resamples.
        low, high: between them lie 95% of the resamples.
    """

    value: float
    mean: float
    low: float
    high: float


def interval(value: float, samples: np.ndarray) -> Interval:
    """A measured figure with the percentile interval of its (B,) resamples."""
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(samples.mean()), float(low), float(high))


def draw(photos: int, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each photo counts in each resample: (resamples, photos) float64 of whole numbers."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(photos, np.full(photos, 1 / photos), size=resamples).astype(np.float64)


def mean_ap(results: Sequence[ImageResult], threshold: float, counts: np.ndarray) -> np.ndarray:
    """`wsis.metrics.mean_ap` of every resample.

    A photo that counts n times is n photos with the same detections; the copies of a detection stand next to each other
    in the ranking. Without ties that is what `wsis.metrics.mean_ap` gives for the repeated photos.

    Args:
        results: one a photo, I of them.
        threshold: least IoU, in (0, 1].
        counts: (B, I) from `draw`.

    Returns:
        (B,) in [0, 1]; classes that a resample has no instance of are left out of its mean.
    """
    categories = np.concatenate([result.categories for result in results])
    scores = np.concatenate([result.scores for result in results])
    photos = np.repeat(np.arange(len(results)), [len(result.scores) for result in results])
    right = np.concatenate([_right(result, threshold) for result in results])
    occurring, instances = _instances(results)
    values = np.zeros((len(counts), len(occurring)))
    there = counts @ instances
    for column, category in enumerate(occurring):
        mine = np.flatnonzero(categories == category)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        weight = counts[:, photos[mine]]
        hits = weight * right[mine]
        precision = np.cumsum(hits, 1) / np.maximum(np.cumsum(weight, 1), 1)
        falling = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        values[:, column] = (falling * hits).sum(1) / np.maximum(there[:, column], 1)
    return _mean(values, there > 0)


def abo(results: Sequence[ImageResult], counts: np.ndarray) -> np.ndarray:
    """`wsis.metrics.abo` of every resample: (B,) from I photos and (B, I) counts."""
    occurring, instances = _instances(results)
    sums = np.zeros(instances.shape)
    for row, result in zip(sums, results, strict=True):
        np.add.at(row, np.searchsorted(occurring, result.truth), result.same_class.max(0, initial=0))
    there = counts @ instances
    return _mean(counts @ sums / np.maximum(there, 1), there > 0)


def separation(results: Sequence[ImageResult], counts: np.ndarray) -> dict[str, np.ndarray]:
    """`wsis.metrics.separation` of every resample: (B,) each, from I photos and (B, I) counts."""
    photos = [fates(result) for result in results]
    shares = {}
    for name in photos[0]:
        there = np.array([photo[name][0].sum() for photo in photos], np.float64)
        have = np.array([(photo[name][0] & photo[name][1]).sum() for photo in photos], np.float64)
        shares[name] = counts @ have / np.maximum(counts @ there, 1)
    return shares


def mean_iou(confusions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`wsis.metrics.mean_iou` of every resample.

    Args:
        confusions: (I, C, C) int64 of each photo.
        counts: (B, I) from `draw`.

    Returns:
        (B,) in [0, 1].
    """
    matrices = np.asarray(confusions, np.float64)
    hits = counts @ np.diagonal(matrices, axis1=1, axis2=2)
    union = counts @ matrices.sum(1) + counts @ matrices.sum(2) - hits
    return _mean(hits / np.maximum(union, 1), union > 0)


def _right(result: ImageResult, threshold: float) -> np.ndarray:
    """(D,) float64: 1 where a detection is the first, by falling score, to claim an instance that it overlaps enough.

    An instance belongs to one photo, so who claims it does not depend on the other photos.
    """
    target, overlap = result.best
    order = np.argsort(-result.scores, kind="stable")
    claims = order[overlap[order] >= threshold]
    right = np.zeros(len(order))
    right[claims[np.unique(target[claims], return_index=True)[1]]] = 1
    return right


def _instances(results: Sequence[ImageResult]) -> tuple[np.ndarray, np.ndarray]:
    """The S classes that have an instance, ascending, and how many each photo has of them, (I, S) float64."""
    occurring = np.unique(np.concatenate([result.truth for result in results]))
    each = [np.count_nonzero(result.truth[:, None] == occurring, axis=0) for result in results]
    return occurring, np.array(each, np.float64)


def _mean(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(B,) mean of (B, S) values over what is there; 0 where nothing is."""
    return np.where(there, values, 0).sum(1) / np.maximum(there.sum(1), 1)
