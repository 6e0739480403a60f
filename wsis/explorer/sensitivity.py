"""Who wins over two weights of a scene: the plane, its words and its small picture, for the page and for the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from wsis import matching
from wsis.explorer import firmness, markup, words
from wsis.explorer.firmness import Region, Switch
from wsis.explorer.pictures import FADED, QUIET, TINTS, colour, tints
from wsis.explorer.scene import Scene
from wsis.explorer.words import AXES, MEANING, SYMBOLS, UNUSED, weight
from wsis.instances import Instance
from wsis.matching import Weights

LABELLED = 0.12
"""Least width and height, as a share of the plane's, that a region needs to carry its number."""
NO_PEAK = "There is no peak yet. Switch a class on at the left, or choose another photo."
SAME_AXES = "Choose two different weights to see who wins between them."


@dataclass(frozen=True)
class Plane:
    """Who wins over two weights, for a map of a scene.

    Attributes:
        x: the weight drawn to the right, 0..2 for alpha, beta, gamma.
        y: the weight drawn upwards.
        span: largest values of the two.
        point: their present values.
        regions: who wins where, the largest first.
        winner: index of the proposal that wins now.
        switch: where the nearest other one takes over; None where nobody else can win.
        places: (N,) int64, the present rank of every proposal, from 1.
        tints: which of `pictures.TINTS` each proposal that can win wears where it does not.
    """

    x: int
    y: int
    span: tuple[float, float]
    point: tuple[float, float]
    regions: tuple[Region, ...]
    winner: int
    switch: Switch | None
    places: np.ndarray
    tints: dict[int, int]

    @property
    def share(self) -> float:
        """Part of the plane that the winner holds, in [0, 1]."""
        return sum(region.share for region in self.regions if region.proposal == self.winner)


def plane(scene: Scene, x: str = "alpha", y: str = "gamma", instance: Instance | None = None) -> Plane:
    """Who wins over two weights, for the region of the picked peak of a scene that has one, or for an instance.

    Args:
        scene: not empty.
        x: `alpha`, `beta` or `gamma`.
        y: another of these.
        instance: whose choice; None takes the region of the picked peak.
    """
    first, second = AXES.index(x), AXES.index(y)
    peak, terms = (scene.peak if instance is None else instance.peak), _ranked(scene, instance)
    largest = firmness.spans(scene.analysis.settings.reading, scene.weights)
    span, point = (largest[first], largest[second]), (getattr(scene.weights, x), getattr(scene.weights, y))
    regions = firmness.regions(terms, scene.weights, first, second, span)
    ranks = places(terms, scene)
    winner = int(ranks.argmin())
    switch = firmness.nearest(regions, winner, point, span)
    return Plane(first, second, span, point, regions, winner, switch, ranks, _tints(terms, peak))


def _ranked(scene: Scene, instance: Instance | None) -> np.ndarray:
    """(N, 3) terms by which Eq. 5 chose."""
    if instance is None:
        return scene.analysis.ranked_terms[scene.step, scene.peak]
    return scene.analysis.ranked_terms_of(instance, scene.step)


def worn(terms: np.ndarray, which: np.ndarray, winner: int, peak: int) -> list[str]:
    """The one colour of each proposal: the peak's for the winner, grey for what can win nowhere.

    Args:
        terms: (N, 3) terms of a peak.
        which: indices of the proposals that are drawn.
        winner: index of the one that wins.
        peak: its index.
    """
    wears = _tints(terms, peak)
    return [colour(peak) if i == winner else TINTS[wears[i]] if i in wears else QUIET for i in which.tolist()]


def _tints(terms: np.ndarray, peak: int) -> dict[int, int]:
    """Which of `pictures.TINTS` each proposal that can win wears."""
    front = matching.pareto(terms)
    return dict(zip(front.tolist(), tints(terms[front], peak).tolist(), strict=True))


def missing(scene: Scene, x: str, y: str) -> str:
    """What to do where there is no plane to see, as a sentence; empty where there is one."""
    return NO_PEAK if scene.empty else SAME_AXES if x == y else ""


def summary(scene: Scene, x: str, y: str, instance: Instance | None = None) -> str:
    """Two plain sentences, as text: what changes the choice of `plane`, and how far away the nearest change is."""
    if text := missing(scene, x, y):
        return text
    seen = plane(scene, x, y, instance)
    if seen.switch is None:
        return (
            f"Proposal #1 wins everywhere in this plane. No {SYMBOLS[seen.x]} up to {weight(seen.span[0], 1)} and no "
            f"{SYMBOLS[seen.y]} up to {weight(seen.span[1], 1)} changes the choice."
        )
    if seen.switch.distance == 0:
        return f"{switch_words(seen, seen.switch)}."
    return f"{_alone(_ranked(scene, instance), scene.weights, seen)} {switch_words(seen, seen.switch)}."


def _alone(terms: np.ndarray, weights: Weights, seen: Plane) -> str:
    """The smallest move of one of the two weights that changes the choice."""
    moves = [
        (abs(handover[2] - at) / limit, handover, limit)
        for axis, at, limit in ((seen.x, seen.point[0], seen.span[0]), (seen.y, seen.point[1], seen.span[1]))
        if (handover := firmness.handover(terms, weights, axis, limit)) is not None
    ]
    if not moves:
        return f"Moving {SYMBOLS[seen.x]} or {SYMBOLS[seen.y]} alone never changes the choice."
    _, (symbol, side, value, rival), limit = min(moves)
    return (
        f"Proposal #1 keeps winning until {symbol} {'falls' if side == 'below' else 'rises'} to "
        f"{weight(value, limit)}, then #{seen.places[rival]} takes over."
    )


def switch_words(seen: Plane, switch: Switch) -> str:
    """How far the nearest change is, without a full stop."""
    rival = seen.places[switch.proposal]
    if switch.distance == 0:
        return f"Proposal #1 is tied with #{rival} now, so any move of a weight may decide"
    # One length for both axes only makes sense where they have one scale.
    even = seen.span[0] == seen.span[1]
    length = weight(switch.distance * seen.span[0], seen.span[0]) if even else None
    far = f"{length} away" if even else f"{words.about(switch.distance)} of the shown range away"
    return f"The nearest change is {far}, at {point_words(seen, switch.point)}, to #{rival}"


def point_words(seen: Plane, point: tuple[float, float]) -> str:
    """Two weights with their symbols."""
    return f"{SYMBOLS[seen.x]} {weight(point[0], seen.span[0])} and {SYMBOLS[seen.y]} {weight(point[1], seen.span[1])}"


def axis_title(scene: Scene, axis: int) -> str:
    """A weight as its slider calls it: "α precision"."""
    name = MEANING[scene.analysis.settings.reading][axis].name
    return SYMBOLS[axis] if name == UNUSED else f"{SYMBOLS[axis]} {name}"


def svg(seen: Plane, peak: int, pixels: int = 200) -> Markup:
    """A plane as an inline picture without text: for a small place, and for print. It needs no script.

    Args:
        seen: from `plane`.
        peak: whose colour the winner wears.
        pixels: side of the square.
    """
    scale = np.array([pixels / seen.span[0], -pixels / seen.span[1]])

    def place(points: np.ndarray) -> np.ndarray:
        return np.round(points * scale + (0, pixels), 1)

    regions = [
        {
            "points": " ".join(f"{a:g},{b:g}" for a, b in place(region.corners)),
            "fill": fill,
            "opacity": 1 if region.proposal == seen.winner else FADED,
            "rank": seen.places[region.proposal],
            "middle": [f"{at:g}" for at in place(np.array(centre(region.corners)))] if roomy(region, seen) else None,
        }
        for region, fill in zip(seen.regions, fills(seen, peak), strict=True)
    ]
    here = [f"{at:g}" for at in place(np.array(seen.point))]
    there = None if seen.switch is None else [f"{at:g}" for at in place(np.array(seen.switch.point))]
    return markup.render(
        "plane.svg",
        regions=regions,
        here=here,
        there=there,
        radius=f"{pixels / 32:g}",
        pixels=pixels,
        share=words.about(seen.share),
    )


def fills(seen: Plane, peak: int) -> list[str]:
    """A colour for each region: the winner in its peak's, the others in theirs, see `pictures.tints`."""
    return [
        colour(peak) if region.proposal == seen.winner else TINTS[seen.tints[region.proposal]]
        for region in seen.regions
    ]


def centre(corners: np.ndarray) -> tuple[float, float]:
    """Centre of gravity of a convex polygon with (M, 2) corners: always inside it."""
    after = np.roll(corners, -1, 0)
    cross = corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]
    middle = ((corners + after) * cross[:, None]).sum(0) / (3 * cross.sum())
    return float(middle[0]), float(middle[1])


def roomy(region: Region, seen: Plane) -> bool:
    """Whether a region's number fits, beside the ring that marks the present weights too."""
    apart = np.abs(np.array(centre(region.corners)) - seen.point) / seen.span
    return bool((np.ptp(region.corners, axis=0) / seen.span).min() >= LABELLED and apart.max() > LABELLED / 2)


def places(terms: np.ndarray, scene: Scene) -> np.ndarray:
    """(N,) int64 rank of every proposal, from 1, by its (N, 3) terms and a scene's weights."""
    ranks = np.empty(len(terms), np.int64)
    ranks[matching.rank(terms, scene.weights)] = np.arange(1, len(terms) + 1)
    return ranks
