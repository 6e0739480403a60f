"""Peaks of a class that share out proposals, or share one: "these are two objects", "this is one object"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsis.analysis import Analysis
from wsis.hands import overlaps
from wsis.instances import NMS
from wsis.matching import Weights, rank, total

CANDIDATES = 60
"""Best proposals of a peak that may become its part."""


@dataclass(frozen=True)
class Part:
    """A peak's mask: a proposal with regions more and less."""

    proposal: int
    inside: frozenset[int] = frozenset()
    outside: frozenset[int] = frozenset()

    def members(self, membership: np.ndarray) -> np.ndarray:
        """(R,) bool."""
        regions = np.arange(membership.shape[1])
        more, less = (np.isin(regions, sorted(own)) for own in (self.inside, self.outside))
        return (membership[self.proposal] | more) & ~less


def shared_out(analysis: Analysis, rows: Sequence[int], here: Sequence[int], weights: Weights) -> list[Part]:
    """Each peak's best proposal (Eq. 5) that holds it and none of the others, all apart from each other.

    One after the other, whoever has the best score first; a candidate that overlaps a part that is taken by more than
    `NMS` gives way to the next. A peak without such a proposal gets its share of the mask that the peaks have in
    common: the regions where its map is the highest of theirs.

    Args:
        analysis: where the peaks are.
        rows: of at least two peaks.
        here: the region that each lies in, all different.
        weights: of Eq. 5.
    """
    proposals, areas = analysis.proposals, analysis.proposals.region_areas
    maps, terms = _measures(analysis)
    means = proposals.sums(maps[list(rows)]) / np.maximum(areas, 1)
    candidates: dict[int, list[tuple[float, int]]] = {}
    for place, row in enumerate(rows):
        others = [region for region in here if region != here[place]]
        fits = proposals.membership[:, here[place]] & ~proposals.membership[:, others].any(1)
        indices = np.flatnonzero(fits)
        order = indices[rank(terms[row][indices], weights, CANDIDATES)] if len(indices) else indices
        scores = total(terms[row][order], weights)
        candidates[place] = list(zip(scores.tolist(), order.tolist(), strict=True))
    common = _common(analysis, rows, here, weights)
    parts: dict[int, Part] = {}
    # The surest first: its choice is the least in doubt.
    for place in sorted(candidates, key=lambda one: -max([score for score, _ in candidates[one]], default=-np.inf)):
        taken = [part.members(proposals.membership) for part in parts.values()]
        for _, proposal in candidates[place]:
            own = proposals.membership[[proposal]]
            if not taken or (overlaps(own, np.array(taken), areas) <= NMS).all():
                parts[place] = Part(proposal)
                break
        else:
            parts[place] = _share(analysis, common, means, place, here)
    return [_apart(parts, place, proposals.membership, here) for place in range(len(rows))]


def merged(analysis: Analysis, rows: Sequence[int], here: Sequence[int], weights: Weights) -> Part:
    """The best proposal (Eq. 5, summed over the peaks' maps) that holds all peaks; else all their masks together.

    Args:
        analysis: where the peaks are.
        rows: of at least two peaks.
        here: the region that each lies in.
        weights: of Eq. 5.
    """
    proposals, terms = analysis.proposals, analysis.ranked_terms[-1]
    indices = np.flatnonzero(proposals.membership[:, list(here)].all(1))
    if len(indices):
        together = terms[list(rows)][:, indices].mean(0)
        return Part(int(indices[rank(together, weights, 1)[0]]))
    best = [int(rank(terms[row], weights, 1)[0]) for row in rows]
    union = proposals.membership[best].any(0) | np.isin(np.arange(proposals.membership.shape[1]), here)
    return Part(best[0], frozenset(np.flatnonzero(union & ~proposals.membership[best[0]]).tolist()))


def _measures(analysis: Analysis) -> tuple[np.ndarray, np.ndarray]:
    """(K, h, w) maps of the objects under the peaks, and their terms; where there are none, the last step's."""
    objects, terms = analysis.objects, analysis.ranked_object_terms
    return (analysis.maps[-1], analysis.ranked_terms[-1]) if objects is None or terms is None else (objects.maps, terms)


def _common(analysis: Analysis, rows: Sequence[int], here: Sequence[int], weights: Weights) -> np.ndarray:
    """(R,) bool: the best masks of all peaks together."""
    best = [int(rank(analysis.ranked_terms[-1][row], weights, 1)[0]) for row in rows]
    return np.asarray(analysis.proposals.membership[best].any(0)) | np.isin(
        np.arange(len(analysis.proposals.region_areas)), here
    )


def _share(analysis: Analysis, common: np.ndarray, means: np.ndarray, place: int, here: Sequence[int]) -> Part:
    """The regions of a common mask where a peak's map, by its mean in each, is the highest; its own region always."""
    own = common & (means.argmax(0) == place)
    own[list(here)] = False
    own[here[place]] = True
    # The proposal most like it carries the part; the regions say the rest.
    like = overlaps(analysis.proposals.membership, own[None], analysis.proposals.region_areas)[:, 0]
    nearest = int(like.argmax())
    members = analysis.proposals.membership[nearest]
    return Part(
        nearest, frozenset(np.flatnonzero(own & ~members).tolist()), frozenset(np.flatnonzero(members & ~own).tolist())
    )


def _apart(parts: dict[int, Part], place: int, membership: np.ndarray, here: Sequence[int]) -> Part:
    """A part without the regions that the others' peaks lie in."""
    part, others = parts[place], {region for region in here if region != here[place]}
    held = {region for region in others if part.members(membership)[region]}
    return Part(part.proposal, part.inside - held, part.outside | frozenset(held))
