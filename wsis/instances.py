"""From matched proposals to instances: score, pick, suppress doubles, paint the semantic map (Algorithm 1, 9 to 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsis.matching import PUBLISHED, Weights, rank, total
from wsis.peaks import Peaks
from wsis.proposals.proposal_set import ProposalSet, Size, resized_labels


@dataclass(frozen=True)
class Instance:
    """One found object; its mask is `proposals.mask(instance.proposal)`.

    Attributes:
        category: class index, from 0.
        name: class name.
        score: in [0, 1]: probability of the class x IoU of binary map and proposal x decay of the rank.
        peak: index of the peak it grew from.
        proposal: index of the proposal.
        rank: 0 for the peak's best proposal, 1 for the next that differs from it, ...
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
    overlaps: np.ndarray,
    proposals: ProposalSet,
    classes: Sequence[str],
    weights: Weights = PUBLISHED,
    *,
    per_peak: int = 1,
    nms: float = 0.3,
    rank_decay: float = 0.3,
    rank_nms: float = 0.7,
) -> tuple[Instance, ...]:
    """Pick each peak's best proposals and keep, class by class, those that are not another's double.

    Best proposals (rank 0) suppress each other from an IoU above `nms`. With `per_peak` > 1, each peak also offers the
    next proposals down its ranking that overlap none of its own by more than `rank_nms`, at scores x `rank_decay` a
    rank; of these, the ones that overlap no better-placed one of their class by more than `rank_nms` stay.

    Args:
        peaks: K peaks.
        terms: (K, N, 3) float32, see `wsis.matching.terms`.
        overlaps: (K, N) float32 IoU of each binary map with each proposal.
        proposals: N proposals.
        classes: names of all classes.
        weights: alpha, beta, gamma of Eq. 5.
        per_peak: how many proposals a peak may keep.
        nms: IoU above which the weaker of two best proposals of one class goes.
        rank_decay: factor on the score for each rank.
        rank_nms: IoU above which a further proposal counts as the same.

    Returns:
        Instances by falling score.
    """
    expected = (len(peaks), len(proposals))
    if terms.shape != (*expected, 3) or overlaps.shape != expected:
        raise ValueError(
            f"expected terms {(*expected, 3)} and overlaps {expected}, got {terms.shape}, {overlaps.shape}"
        )
    if not all(expected):
        return ()
    scores = total(terms, weights)
    candidates = []
    for peak in range(len(peaks)):
        category, probability = int(peaks.classes[peak]), float(peaks.probabilities[peak])
        for place, i in enumerate(_distinct(terms[peak], scores[peak], weights, proposals, per_peak, rank_nms)):
            score = probability * float(overlaps[peak, i]) * rank_decay**place
            candidates.append(Instance(category, classes[category], score, peak, i, place))
    candidates.sort(key=lambda found: -found.score)
    first = _suppressed([found for found in candidates if not found.rank], [], proposals, nms)
    rest = _suppressed([found for found in candidates if found.rank], first, proposals, rank_nms)
    return tuple(sorted(first + rest, key=lambda found: -found.score))


def semantic(
    instances: Sequence[Instance], proposals: ProposalSet, size: Size | None = None, least: float = 0.0
) -> np.ndarray:
    """Paint the best proposal of each peak, the best score on top.

    Args:
        instances: from `assemble`; those of rank 1 and beyond are left out.
        proposals: the proposals they point to.
        size: (H, W) of the result (nearest); None keeps the proposals' own.
        least: score from which an instance is painted.

    Returns:
        (H, W) uint8: 0 background, c + 1 for class c; uint16 where a class index does not fit.
    """
    painted = (found for found in instances if not found.rank and found.score >= least)
    chosen = sorted(painted, key=lambda found: found.score)
    kind = _index_type([found.category for found in chosen])
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
    result: np.ndarray = np.zeros(masks.shape[1:], _index_type(categories))
    for mask, category in zip(masks[::-1], categories[::-1], strict=True):
        result[mask] = category + 1
    return result


def _index_type(categories: Sequence[int] | np.ndarray) -> type:
    return np.uint8 if max(categories, default=0) < 255 else np.uint16


def _distinct(
    terms: np.ndarray, scores: np.ndarray, weights: Weights, proposals: ProposalSet, count: int, most: float
) -> list[int]:
    """A peak's best proposals, best first, none overlapping another by more than `most`."""
    if count == 1 and np.count_nonzero(scores == (best := scores.max())) == 1:
        return [int(np.flatnonzero(scores == best)[0])]
    length = min(len(scores), 1 if count == 1 else 64)
    while True:  # distinct ones are usually near the top; only then is all of the ranking looked at
        order = rank(terms, weights, length)
        chosen: list[int] = []
        left = order
        while len(left) and len(chosen) < count:
            chosen.append(int(left[0]))
            left = left[1:]
            if len(chosen) < count and len(left):
                left = left[proposals.iou(chosen[-1:], left)[0] <= most]
        if len(chosen) == count or length == len(scores):
            return chosen
        length = min(len(scores), 8 * length)


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
