"""How firm a choice is: which proposal wins where in the plane of two weights, and how far away another one is.

With two weights free, each proposal's score is a plane over them, so each wins in a convex polygon whose edges are
lines of equal scores. Everything here is computed in closed form from those lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsis import matching
from wsis.explorer import words
from wsis.explorer.scene import Scene
from wsis.explorer.words import AXES, MEANING, SYMBOLS
from wsis.instances import Instance
from wsis.matching import Weights

FRAME = -1
"""Instead of a rival's index: the edge of the plane that is shown."""
TINY = 1e-12
LEAST = 1e-9
"""A distance, in spans, that is rounding: the two are tied."""


@dataclass(frozen=True)
class Region:
    """Where one proposal wins in the plane of two weights.

    Attributes:
        proposal: its index.
        corners: (M, 2) float64, the two weights at the corners of a convex polygon, counter-clockwise.
        rivals: M indices: who wins beyond the edge from corner m to the next, or `FRAME`.
        share: part of the plane, in (0, 1].
    """

    proposal: int
    corners: np.ndarray
    rivals: tuple[int, ...]
    share: float


@dataclass(frozen=True)
class Switch:
    """The nearest weights at which another proposal takes over.

    Attributes:
        point: the two weights there.
        proposal: index of the one that takes over.
        distance: from the present weights, each axis measured in spans; 0 where the two are tied already.
    """

    point: tuple[float, float]
    proposal: int
    distance: float


def spans(reading: str, weights: Weights) -> tuple[float, float, float]:
    """The largest alpha, beta and gamma to show: what the sliders reach, or the present weight where that is more."""
    alpha, beta, gamma = words.spans(reading)
    return max(alpha, weights.alpha), max(beta, weights.beta), max(gamma, weights.gamma)


def regions(terms: np.ndarray, weights: Weights, x: int, y: int, span: tuple[float, float]) -> tuple[Region, ...]:
    """Cut the plane of two weights into the polygons where one proposal wins.

    Args:
        terms: (N, 3) float32, the terms of Eq. 5 of one peak, N >= 1.
        weights: the present weights; the third keeps its value.
        x: which weight is drawn to the right, 0..2 for alpha, beta, gamma.
        y: which weight is drawn upwards, not `x`.
        span: largest values of the two; the least is 0.

    Returns:
        The polygons, the largest first. They tile the plane; of proposals that are equal all over it, the one that
        `matching.rank` prefers stands for all.
    """
    front, lines = _lines(terms, weights, x, y, span)
    found = []
    for i, proposal in enumerate(front):
        corners, rivals = _cell(lines, i)
        if len(corners):
            names = tuple(FRAME if j == FRAME else int(front[j]) for j in rivals)
            found.append(Region(int(proposal), corners * span, names, _area(corners)))
    return tuple(sorted(found, key=lambda region: -region.share))


def nearest(
    found: tuple[Region, ...], winner: int, point: tuple[float, float], span: tuple[float, float]
) -> Switch | None:
    """The nearest point of the winner's boundary; None where nobody else can win in the plane.

    Args:
        found: from `regions`.
        winner: index of the proposal that wins at `point`.
        point: the two present weights.
        span: as for `regions`.
    """
    here = np.array(point) / span
    own = next((region for region in found if region.proposal == winner), None)
    if own is None:  # it wins by the tie rule alone, on a line or a point
        touching = min(found, key=lambda region: _gap(region.corners / span, here))
        return Switch(point, touching.proposal, 0.0)
    corners = own.corners / span
    best: Switch | None = None
    for start, end, rival in zip(corners, np.roll(corners, -1, 0), own.rivals, strict=True):
        foot = _foot(start, end, here)
        distance = float(np.hypot(*(foot - here)))
        if rival != FRAME and (best is None or distance < best.distance):
            there = float(foot[0] * span[0]), float(foot[1] * span[1])
            best = Switch(there, rival, distance if distance > LEAST else 0.0)
    return best


def handover(terms: np.ndarray, weights: Weights, axis: int, limit: float) -> tuple[str, str, float, int] | None:
    """The smallest move of one weight within [0, limit] that lets another proposal win.

    Args:
        terms: (N, 3) float32, the terms of Eq. 5 of one peak, N >= 1.
        weights: the present weights; the other two keep their values.
        axis: which one moves, 0..2 for alpha, beta, gamma.
        limit: its largest value.

    Returns:
        (symbol, "below" | "above", value, proposal), or None where no value changes the winner.
    """
    front = matching.pareto(terms)
    own = terms[front].astype(np.float64)
    scores, sums = matching.total(own, weights), matching.total(own, Weights(1, 1, 1))
    best = int(matching.rank(own, weights, 1)[0])
    slope = own[:, axis] - own[best, axis]
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = (scores[best] - scores) / slope
    value = getattr(weights, AXES[axis]) + moves
    # It takes over beyond the value: there must be room, and no weight is below 0.
    room = np.where(slope < 0, (value > 0) & (value <= limit), (value >= 0) & (value < limit))
    valid = np.flatnonzero((slope != 0) & room)
    if not len(valid):
        return None
    # Of those met at the same value the steepest wins beyond, and of equally steep ones as in `matching.rank`.
    other = int(valid[np.lexsort((-sums[valid], -np.abs(slope[valid]), np.abs(moves[valid])))[0]])
    return SYMBOLS[axis], "above" if slope[other] > 0 else "below", float(value[other]), int(front[other])


def decided_by(terms: np.ndarray, weights: Weights) -> tuple[int, float] | None:
    """Which term puts the winner before the runner-up, the best of the others that can win at some weights.

    Args:
        terms: (N, 3) float32, the terms of Eq. 5 of one peak, N >= 1.
        weights: the present weights.

    Returns:
        Index of the term with the largest weighted lead, and the lead of the whole score; None where no other can win.
    """
    front = matching.pareto(terms)
    if len(front) < 2:
        return None
    own = terms[front].astype(np.float64)
    first, second = matching.rank(own, weights, 2)
    scores = matching.total(own, weights)
    leads = (own[first] - own[second]) * (weights.alpha, weights.beta, weights.gamma)
    return int(leads.argmax()), float(scores[first] - scores[second])


def reason(scene: Scene, instance: Instance) -> str:
    """Which term decided for an instance, in words: "recall, .029 ahead of the runner-up"."""
    made, reading = scene.analysis, scene.analysis.settings.reading
    term, lead = decided_by(made.ranked_terms_of(instance, scene.step), scene.weights) or (0, None)
    return words.decided_by(MEANING[reading][term].name, lead)


def _lines(
    terms: np.ndarray, weights: Weights, x: int, y: int, span: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Who can win, (n,) indices, and each one's score over the unit square, (n, 3): slope in x, in y, and constant."""
    front = matching.pareto(terms)
    own = terms[front].astype(np.float64)
    front = front[np.lexsort((front, -own.sum(1)))]  # the tie rule of `matching.rank`: the first of equals wins
    own = terms[front].astype(np.float64)
    third = 3 - x - y
    lines = np.stack([own[:, x] * span[0], own[:, y] * span[1], own[:, third] * getattr(weights, AXES[third])], 1)
    kept = np.sort(np.unique(lines, axis=0, return_index=True)[1])
    return front[kept], lines[kept]


def _cell(lines: np.ndarray, i: int) -> tuple[np.ndarray, list[int]]:
    """The polygon of the unit square where line `i` is highest, empty where nowhere, and who bounds each edge."""
    corners, rivals = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64), [FRAME] * 4
    lead = lines[i] - lines
    tolerance = TINY * max(float(np.abs(lines).max()), TINY)
    while True:
        values = corners @ lead[:, :2].T + lead[:, 2]
        j = int(values.min(0).argmin())
        if values[:, j].min() >= -tolerance:
            break
        corners, rivals = _cut(corners, rivals, values[:, j], j)
        if len(corners) < 3:
            break
    return (corners, rivals) if _area(corners) > TINY else (corners[:0], [])


def _cut(corners: np.ndarray, rivals: list[int], values: np.ndarray, by: int) -> tuple[np.ndarray, list[int]]:
    """What is left of a convex polygon where a linear function, given at its corners, is at least 0."""
    kept, edges = [], []
    for m, (corner, value) in enumerate(zip(corners, values, strict=True)):
        after = (m + 1) % len(corners)
        if value >= 0:
            kept.append(corner)
            edges.append(rivals[m])
        if (value >= 0) != (values[after] >= 0):
            kept.append(corner + (corners[after] - corner) * (value / (value - values[after])))
            edges.append(by if value >= 0 else rivals[m])
    return np.array(kept).reshape(-1, 2), edges


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def _foot(start: np.ndarray, end: np.ndarray, here: np.ndarray) -> np.ndarray:
    """The point of a segment nearest to `here`."""
    along = end - start
    length = float(along @ along)
    return start + along * (np.clip((here - start) @ along / length, 0, 1) if length else 0.0)


def _gap(corners: np.ndarray, here: np.ndarray) -> float:
    """Distance from a point to a polygon's edge."""
    return min(
        float(np.hypot(*(_foot(start, end, here) - here)))
        for start, end in zip(corners, np.roll(corners, -1, 0), strict=True)
    )
