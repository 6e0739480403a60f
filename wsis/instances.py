"""From matched proposals to instances: score, pick, suppress doubles, paint the semantic map (Algorithm 1, 9 to 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsis import voc
from wsis.matching import PUBLISHED, Weights, rank, total
from wsis.peaks import Peaks
from wsis.proposals.proposal_set import ProposalSet, Size, resized_labels

OFFER = 0.1
"""Factor on the score of what a peak offers besides its best proposal: it is right less often."""
LEAST_OFFER = 0.15
"""Before that factor; below, an offer adds masks but hardly ever an object."""


@dataclass(frozen=True)
class Instance:
    """One found object; its mask is `proposals.mask(instance.proposal)`.

    Attributes:
        category: class index, from 0.
        name: class name.
        score: in [0, 1]: probability of the class x how well the proposal fits the map, see `Analysis.fits`.
        peak: index of the peak it grew from.
        proposal: index of the proposal.
        rank: 0 for the peak's best proposal by Eq. 5, 1.. for the objects it offers besides.
    """

    category: int
    name: str
    score: float
    peak: int
    proposal: int
    rank: int


def assemble(
    peaks: Peaks,
    terms: np.ndarray,
    fits: np.ndarray,
    proposals: ProposalSet,
    classes: Sequence[str],
    weights: Weights = PUBLISHED,
    *,
    own: np.ndarray | None = None,
    per_peak: int = 1,
    nms: float = 0.3,
) -> tuple[Instance, ...]:
    """Pick each peak's best proposal and keep, class by class, those that are not another's double.

    Where several objects of a class stand together, their peaks share a class map, often end at the same proposal, and
    all but one of them go. With `per_peak` > 1 every peak therefore also offers what is an object by itself (`own`) and
    overlaps none of the instances found before, nor a better offer; at a tenth of its score, and a tenth of that for
    the next. Offers that score too little are left out. Ours, not the paper's.

    Args:
        peaks: K peaks.
        terms: (K, N, 3) float32, see `wsis.matching.terms`.
        fits: (K, N) float32 in [0, 1], how well each proposal fits each binary map.
        proposals: N proposals.
        classes: names of all classes.
        weights: alpha, beta, gamma of Eq. 5.
        own: (K, N) float32 in [0, 1], how much each proposal is an object at this peak; needed where `per_peak` > 1.
        per_peak: how many proposals a peak may offer.
        nms: IoU above which the weaker of two proposals of one class goes.

    Returns:
        Instances by falling score.
    """
    expected = (len(peaks), len(proposals))
    if terms.shape != (*expected, 3) or fits.shape != expected:
        raise ValueError(f"expected terms {(*expected, 3)} and fits {expected}, got {terms.shape}, {fits.shape}")
    if per_peak > 1 and (own is None or own.shape != expected):
        raise ValueError(f"per_peak = {per_peak} needs own {expected}, got {None if own is None else own.shape}")
    if not all(expected):
        return ()
    scores = total(terms, weights)
    best = [_best(terms[k], scores[k], weights) for k in range(len(peaks))]
    first = [_instance(peaks, classes, k, i, float(fits[k, i]), 0) for k, i in enumerate(best)]
    found = _suppressed(_by_score(first), [], proposals, nms)
    if own is not None and per_peak > 1:
        certain = peaks.probabilities[:, None] * own >= LEAST_OFFER
        offers = [
            _instance(peaks, classes, k, i, float(own[k, i]) * OFFER**place, place)
            for k in range(len(peaks))
            for place, i in enumerate(_offers(k, own[k] * certain[k], peaks, found, proposals, per_peak - 1, nms), 1)
        ]
        found += _suppressed(_by_score(offers), found, proposals, nms)
    return tuple(_by_score(found))


def semantic(
    instances: Sequence[Instance],
    proposals: ProposalSet,
    size: Size | None = None,
    least: float = 0.0,
    count: int | None = None,
) -> np.ndarray:
    """Paint the best proposal of each peak, the best score on top.

    Args:
        instances: from `assemble`; those of rank 1 and beyond are left out.
        proposals: the proposals they point to.
        size: (H, W) of the result (nearest); None keeps the proposals' own.
        least: score from which an instance is painted.
        count: of the model's classes, so that all its photos get the same kind; None looks at these instances alone.

    Returns:
        (H, W) uint8: 0 background, c + 1 for class c; uint16 of more than 254 classes, as 255 is VOC's void.
    """
    painted = [found for found in instances if not found.rank and found.score >= least]
    chosen = sorted(reversed(painted), key=lambda found: found.score)  # of equal scores the first lies on top
    kind = voc.index_type(max((found.category + 1 for found in chosen), default=0) if count is None else count)
    colours: np.ndarray = np.zeros(proposals.membership.shape[1], kind)
    for found in chosen:
        colours[proposals.membership[found.proposal]] = found.category + 1
    return colours[proposals.labels if size is None else resized_labels(proposals.labels, size)]


def paint(masks: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """The semantic map of any masks.

    Args:
        masks: (D, H, W) bool by falling score.
        categories: (D,) class indices from 0.

    Returns:
        (H, W) uint8 (or uint16) as `semantic` returns it.
    """
    result: np.ndarray = np.zeros(masks.shape[1:], voc.index_type(int(max(categories, default=-1)) + 1))
    for mask, category in zip(masks[::-1], categories[::-1], strict=True):
        result[mask] = category + 1
    return result


def _best(terms: np.ndarray, scores: np.ndarray, weights: Weights) -> int:
    """The proposal (of N) with the highest score; `rank` decides between equal ones."""
    highest = np.flatnonzero(scores == scores.max())
    return int(highest[0] if len(highest) == 1 else rank(terms, weights, 1)[0])


def _offers(
    peak: int, own: np.ndarray, peaks: Peaks, found: list[Instance], proposals: ProposalSet, count: int, most: float
) -> list[int]:
    """Up to `count` proposals by falling `own` (N,) that overlap neither each other nor an instance of the class."""
    everyone = np.arange(len(proposals))
    left = own
    taken = [one.proposal for one in found if one.category == peaks.classes[peak]]
    chosen: list[int] = []
    while len(chosen) < count:
        left = np.where(proposals.iou(taken, everyone).max(0, initial=0) <= most, left, 0)
        if not left.any():
            break
        taken = [int(left.argmax())]
        chosen += taken
    return chosen


def _instance(peaks: Peaks, classes: Sequence[str], peak: int, proposal: int, fit: float, place: int) -> Instance:
    category = int(peaks.classes[peak])
    return Instance(category, classes[category], float(peaks.probabilities[peak]) * fit, peak, proposal, place)


def _by_score(found: Sequence[Instance]) -> list[Instance]:
    return sorted(found, key=lambda one: -one.score)


def _suppressed(found: list[Instance], kept: list[Instance], proposals: ProposalSet, most: float) -> list[Instance]:
    """Those of `found` that overlap no better one of their class, nor one of `kept`, by more than `most`."""
    if not found:
        return []
    everyone = kept + found
    indices = [one.proposal for one in everyone]
    categories = np.array([one.category for one in everyone])
    clash = (proposals.iou(indices, indices) > most) & (categories[:, None] == categories[None])
    alive = np.arange(len(everyone)) < len(kept)
    for i in range(len(kept), len(everyone)):
        alive[i] = not (clash[i] & alive).any()
    return [one for one, stays in zip(found, alive[len(kept) :], strict=True) if stays]
