"""How the sliders of the weights spend their travel: where the mask changes; `stage/travel.js` does it on the page.

With one weight free each score is a line, so each proposal that ever wins does so on one stretch. A stretch gets travel
for how much the mask changes at its ends, and less where it is most of the photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from wsis import matching
from wsis.explorer.words import AXES
from wsis.matching import Weights
from wsis.proposals import ProposalSet

FLAT = 0.3
"""The part of the travel that is spent evenly over the values, whatever they change."""
MOST = 0.8
"""A mask of more than this part of the photo is most of it."""
DULL = 0.25
"""How much such a mask counts beside others."""


@dataclass(frozen=True)
class Stretch:
    """Where one proposal wins as one weight moves.

    Attributes:
        low: the least value of the weight.
        high: the largest.
        proposal: index of the one that wins.
    """

    low: float
    high: float
    proposal: int


def stretches(terms: np.ndarray, weights: Weights, axis: int, limit: float) -> tuple[Stretch, ...]:
    """Who wins as one weight goes from 0 to a limit, the others stay.

    Args:
        terms: (N, 3) float32, the terms of Eq. 5 of one peak, N >= 1.
        weights: the present weights.
        axis: which one moves, 0..2 for alpha, beta, gamma.
        limit: its largest value, above 0.

    Returns:
        Stretches that tile [0, limit], in order; those without length are left out.
    """
    front = matching.pareto(terms)
    own = terms[front].astype(np.float64)
    rest = matching.total(own, replace(weights, **{AXES[axis]: 0.0}))
    sums = matching.total(own, Weights(1, 1, 1))
    slopes = own[:, axis]
    now = int(np.lexsort((-sums, -rest))[0])
    found: list[Stretch] = []
    at = 0.0
    while True:
        steeper = np.flatnonzero(slopes > slopes[now])
        meets = (rest[now] - rest[steeper]) / (slopes[steeper] - slopes[now])
        order = np.lexsort((-sums[steeper], -slopes[steeper], meets))
        then = int(steeper[order[0]]) if len(order) else -1
        end = float(meets[order[0]]) if len(order) else limit
        if then < 0 or end >= limit:
            return (*found, Stretch(at, limit, int(front[now])))
        if end > at:
            found.append(Stretch(at, end, int(front[now])))
            at = end
        now = then


def knots(found: tuple[Stretch, ...], proposals: ProposalSet) -> tuple[np.ndarray, np.ndarray]:
    """Values of a weight and where a slider's thumb stands at them; between these both go evenly.

    Args:
        found: from `stretches`.
        proposals: all proposals.

    Returns:
        (M + 1,) float64 values from 0 to the limit, and positions from 0 to 1, both rising.
    """
    limit = found[-1].high
    lengths = np.array([stretch.high - stretch.low for stretch in found]) / limit
    changes = [0.0, *(_change(proposals, a, b) for a, b in pairwise(found)), 0.0]
    photo = proposals.labels.size
    worth = [
        (before + after) * (DULL if proposals.areas[stretch.proposal] > MOST * photo else 1)
        for before, after, stretch in zip(changes[:-1], changes[1:], found, strict=True)
    ]
    total = sum(worth)
    own = np.array(worth) / total if total > 0 else lengths
    travel = np.cumsum(FLAT * lengths + (1 - FLAT) * own)
    values = [stretch.low for stretch in found] + [limit]
    return np.array(values), np.concatenate([[0.0], travel[:-1], [1.0]])


def _change(proposals: ProposalSet, a: Stretch, b: Stretch) -> float:
    """How much of two masks is not in both, in [0, 1]."""
    one, other = proposals.membership[a.proposal], proposals.membership[b.proposal]
    areas = proposals.region_areas
    return 1 - int(areas[one & other].sum()) / max(int(areas[one | other].sum()), 1)
