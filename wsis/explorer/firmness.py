"""How firm a choice is: which proposal wins where in the plane of two weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsis import matching
from wsis.matching import Weights

CELLS = 48


@dataclass(frozen=True)
class Firmness:
    """The plane of alpha (to the right) and gamma (upwards) at the chosen beta.

    Attributes:
        winners: (CELLS, CELLS) int64, index of the proposal that wins at each weight; row 0 is gamma = 0.
        span: (alpha, gamma) at the far corner.
        share: part of the plane that the present winner holds, in [0, 1].
        handovers: for alpha and for gamma the nearest value at which another proposal takes over:
            (symbol, "below" | "above", value, proposal).
        candidates: how many proposals are on the Pareto front; no other can win, whatever the weights.
    """

    winners: np.ndarray
    span: tuple[float, float]
    share: float
    handovers: tuple[tuple[str, str, float, int], ...]
    candidates: int


def measure(terms: np.ndarray, weights: Weights, span: tuple[float, float]) -> Firmness:
    """Find who wins over the plane, and how far a weight may move before another proposal takes over.

    Args:
        terms: (N, 3) float32, the terms of Eq. 5 of one peak, N >= 1.
        weights: the present weights.
        span: largest alpha and gamma shown.

    Returns:
        The plane and the nearest handovers, at most one a weight.
    """
    front = np.asarray(matching.pareto(terms))
    own = terms[front]
    alpha, gamma = np.linspace(0, span[0], CELLS), np.linspace(0, span[1], CELLS)
    grid = np.stack(np.meshgrid(alpha, gamma), -1)
    scores = grid[..., :1] * own[:, 0] + grid[..., 1:] * own[:, 2] + weights.beta * own[:, 1]
    winners = front[scores.argmax(-1)]
    present = int(front[_scores(own, weights).argmax()])
    nearest = [_handover(front, own, weights, axis, limit) for axis, limit in (("alpha", span[0]), ("gamma", span[1]))]
    return Firmness(
        winners,
        span,
        float((winners == present).mean()),
        tuple(found for found in nearest if found is not None),
        len(front),
    )


def decided_by(first: np.ndarray, second: np.ndarray, weights: Weights) -> tuple[int, float]:
    """Which term puts the winner before the runner-up.

    Args:
        first: (3,) terms of the winner.
        second: (3,) terms of the runner-up.
        weights: the present weights.

    Returns:
        Index of the term with the largest weighted lead, and the lead of the whole score.
    """
    lead = (first - second) * (weights.alpha, weights.beta, weights.gamma)
    return int(lead.argmax()), float(lead.sum())


def _scores(terms: np.ndarray, weights: Weights) -> np.ndarray:
    return terms @ np.array([weights.alpha, weights.beta, weights.gamma], np.float32)


def _handover(
    front: np.ndarray, terms: np.ndarray, weights: Weights, name: str, limit: float
) -> tuple[str, str, float, int] | None:
    """The smallest move of one weight within [0, limit] that lets another proposal win, in closed form."""
    axis = 0 if name == "alpha" else 2
    scores = _scores(terms, weights)
    best = int(scores.argmax())
    slope = terms[:, axis] - terms[best, axis]
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = (scores[best] - scores) / slope
    value = getattr(weights, name) + moves
    valid = np.isfinite(moves) & (slope != 0) & (value >= 0) & (value <= limit)
    if not valid.any():
        return None
    other = np.flatnonzero(valid)[np.abs(moves[valid]).argmin()]
    return ("α" if axis == 0 else "γ", "below" if moves[other] < 0 else "above", float(value[other]), int(front[other]))
