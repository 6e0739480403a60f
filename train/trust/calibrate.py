"""From counted masks to curves, and what curves are worth: expected calibration error, with bootstrap over photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from train.ablate import bootstrap
from train.ablate.bootstrap import Interval
from train.trust.records import HYPOTHESES, Masks
from wsis.instances import Hypothesis
from wsis.trust import RIGHT, Curve

LEAST = (15, 25, 40, 60, 90, 130)
"""How few masks a range may hold: what cross-validation chooses from."""
FOLDS = 10
DEALS = 10
"""How often photos are dealt into folds: one deal of a few hundred masks says much of which photos it put where."""
BINS = 10
"""Of the expected calibration error: predicted shares from 0 to 1 in ranges of one width."""
Curves = Mapping[Hypothesis, Curve]


def fit(scores: np.ndarray, right: np.ndarray, least: int) -> Curve:
    """The share of masks that are right as a step function of their score that never falls.

    Neighbours by score are pooled until the share of each range is at least that of the one before (isotonic regression
    by pooling adjacent violators), and until each holds so many masks.

    Args:
        scores: (M,) in [0, 1], M >= 1; equal ones fall in one range.
        right: (M,) bool.
        least: how few masks a range may hold; fewer only where there are no more.
    """
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    hits = np.bincount(inverse, weights=right).round().astype(int)
    starts: list[float] = []
    pooled: list[list[int]] = []  # right, count
    for value, hit, count in zip(values.tolist(), hits.tolist(), counts.tolist(), strict=True):
        if pooled and pooled[-1][1] < least:
            pooled[-1] = [pooled[-1][0] + hit, pooled[-1][1] + count]
        else:
            starts.append(value)
            pooled.append([hit, count])
        _pool(starts, pooled)
    if len(pooled) > 1 and pooled[-1][1] < least:
        _merge_last(starts, pooled)
        _pool(starts, pooled)
    starts[0] = 0.0
    return Curve(tuple(starts), tuple(one[0] for one in pooled), tuple(one[1] for one in pooled))


def _pool(starts: list[float], pooled: list[list[int]]) -> None:
    """Merge the last ranges while the last but one has the larger share, or the same."""
    while len(pooled) > 1 and pooled[-2][0] * pooled[-1][1] >= pooled[-1][0] * pooled[-2][1]:
        _merge_last(starts, pooled)


def _merge_last(starts: list[float], pooled: list[list[int]]) -> None:
    starts.pop()
    hit, count = pooled.pop()
    pooled[-1] = [pooled[-1][0] + hit, pooled[-1][1] + count]


def fit_each(masks: Masks, least: Mapping[Hypothesis, int]) -> dict[Hypothesis, Curve]:
    """A curve for each kind of instance, of masks that were made with one triple of weights."""
    right = masks.ious >= RIGHT
    own = {name: masks.kinds == kind for kind, name in enumerate(HYPOTHESES)}
    return {name: fit(masks.scores[of], right[of], least[name]) for name, of in own.items() if of.any()}


def predicted(curves: Curves, masks: Masks) -> np.ndarray:
    """(M,) float64 in [0, 1], the share of masks like each that the curves say is right; 0 of a kind without one."""
    shares = np.zeros(len(masks))
    for name, curve in curves.items():
        own = masks.kinds == HYPOTHESES.index(name)
        at = np.searchsorted(curve.starts, masks.scores[own], side="right") - 1
        shares[own] = (np.array(curve.right) / np.array(curve.counts))[np.maximum(at, 0)]
    return shares


def chosen_least(masks: Masks) -> dict[Hypothesis, int]:
    """Of `LEAST` for each kind what predicts photos best that had no part in the curve, by squared error."""
    right = masks.ious >= RIGHT
    errors = {least: ((crossed(masks, dict.fromkeys(HYPOTHESES, least)) - right) ** 2).mean(0) for least in LEAST}
    return {
        name: min(LEAST, key=lambda least: round(float(errors[least][masks.kinds == kind].sum()), 9))
        for kind, name in enumerate(HYPOTHESES)
    }


def crossed(masks: Masks, least: Mapping[Hypothesis, int], trained: np.ndarray | None = None) -> np.ndarray:
    """(DEALS, M) predicted shares of every mask, each by curves that its photo had no part in.

    The photos are dealt into `FOLDS` folds, by chance but always the same, and that `DEALS` times.

    Args:
        masks: of any weights.
        least: see `fit_each`.
        trained: (M,) bool, masks that curves may be fitted on; None takes all.
    """
    shares = np.zeros((DEALS, len(masks)))
    allowed = np.ones(len(masks), bool) if trained is None else trained
    for deal, dealt in zip(shares, deals(int(masks.photos.max(initial=0)) + 1), strict=True):
        for one in range(FOLDS):
            out = dealt[masks.photos] == one
            deal[out] = predicted(fit_each(masks[allowed & ~out], least), masks[out])
    return shares


def deals(photos: int) -> np.ndarray:
    """(DEALS, photos) int64, the fold of each photo in each deal; folds are as large as can be."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(photos) % FOLDS for _ in range(DEALS)])


@dataclass(frozen=True)
class Bin:
    """Masks whose predicted share lies in one range.

    Attributes:
        predicted: mean of their predicted shares.
        right: share that is right.
        count: how many.
    """

    predicted: float
    right: float
    count: int


def bins(shares: np.ndarray, right: np.ndarray) -> tuple[Bin, ...]:
    """The `BINS` ranges that hold masks, from (M,) predicted shares and (M,) bool."""
    at = _places(shares)
    each = [(shares[at == one], right[at == one]) for one in range(BINS)]
    return tuple(Bin(float(own.mean()), float(hits.mean()), len(own)) for own, hits in each if len(own))


def error(shares: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: mean distance of predicted and true share over `bins`, each by its count.

    Args:
        shares: (M,) in [0, 1], predicted.
        right: (M,) bool.

    Returns:
        In [0, 1]; 0 without masks. It is above 0 by chance alone, the more so the fewer masks there are.
    """
    return sum(abs(one.predicted - one.right) * one.count for one in bins(shares, right)) / max(len(shares), 1)


def error_interval(shares: np.ndarray, right: np.ndarray, photos: np.ndarray, count: int) -> Interval:
    """`error` with its interval over resamples of the photos.

    Args:
        shares: (M,) in [0, 1], predicted.
        right: (M,) bool.
        photos: (M,) place of each mask's photo, below `count`.
        count: of photos.
    """
    gaps = np.zeros((count, BINS))
    np.add.at(gaps, (photos, _places(shares)), shares - right)
    masks = np.bincount(photos, minlength=count)
    drawn = bootstrap.draw(count)
    samples = np.abs(drawn @ gaps).sum(1) / np.maximum(drawn @ masks, 1)
    return bootstrap.interval(error(shares, right), samples)


def by_chance(shares: np.ndarray, times: int = 200, seed: int = 0) -> float:
    """`error` that shares would show on as many masks if they were true: its mean over drawn outcomes."""
    rng = np.random.default_rng(seed)
    return float(np.mean([error(shares, rng.random(len(shares)) < shares) for _ in range(times)]))


def _places(shares: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.minimum((np.asarray(shares) * BINS).astype(np.int64), BINS - 1)
