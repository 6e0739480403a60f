"""From matched proposals to instances: score, pick, suppress doubles, paint the semantic map (Algorithm 1, 9 to 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from wsis import index_image
from wsis.hands import Hands, overlaps
from wsis.matching import PUBLISHED, Weights, rank, total
from wsis.peaks import Peaks
from wsis.proposals.proposal_set import ProposalSet, Size, resized_labels

FOUND = 0.1
"""The one threshold: from this score on a region is found; what is not found is *unsure*, see `is_found`."""
NMS = 0.3
"""IoU above which the weaker of two picks of one class is its double, and goes."""
OBJECT = 0.25
"""Factor on the score of what a peak's own-object map picks beside its region: it is right less often."""
LEAST_OBJECT = 0.05
"""Score, after that factor, from which such a pick is found where no region of its peak is."""
AGAIN = 0.6
"""IoU above which such a pick is a region of its class once more, and goes."""
OFFER = 0.03
"""Factor on the score of what a class offers besides: below every pick that is worth anything."""
LEAST_OFFER = 0.45
"""Before that factor; below, an offer adds masks but hardly ever an object."""
OFFERS_APART = 0.5
"""IoU with what its class has already above which an offer goes."""

Hypothesis = Literal["region", "object", "offer"]
"""What an instance says of its peak: this is all that the peak stands for; this is the one object that it lies on; or,
of a class only: this is an object of it by itself, whatever its peaks lie on."""


@dataclass(frozen=True)
class Instance:
    """One found object; its mask is `proposals.mask(instance.proposal)`.

    Attributes:
        category: class index, from 0.
        name: class name.
        score: in [0, 1]: probability of the class x how well the proposal fits the map, see `Analysis.fits`.
        peak: index of the peak it grew from; of an offer, the strongest peak of the class inside it, or of all.
        proposal: index of the proposal.
        hypothesis: what it says of the peak.
        painted: whether it is found, see `is_found`, so in pictures, counts and files; else it is unsure.
        by_hand: whether somebody placed its peak or corrected it: it is not the method's, and never counted as such.
    """

    category: int
    name: str
    score: float
    peak: int
    proposal: int
    hypothesis: Hypothesis = "region"
    painted: bool = True
    by_hand: bool = False


@dataclass(frozen=True)
class Fit:
    """How well every proposal fits the map of every peak.

    Attributes:
        terms: (K, N, 3) float32, see `wsis.matching.terms`.
        fits: (K, N) float32 in [0, 1], see `Analysis.fits`.
    """

    terms: np.ndarray
    fits: np.ndarray

    def check(self, peaks: int, proposals: int) -> None:
        """Raise a ValueError where the shapes are others."""
        expected = (peaks, proposals)
        if self.terms.shape != (*expected, 3) or self.fits.shape != expected:
            raise ValueError(
                f"expected terms {(*expected, 3)} and fits {expected}, got {self.terms.shape}, {self.fits.shape}"
            )


def assemble(
    peaks: Peaks,
    regions: Fit,
    proposals: ProposalSet,
    classes: Sequence[str],
    weights: Weights = PUBLISHED,
    *,
    objects: Fit | None = None,
    offers: Sequence[Instance] = (),
    fill: int = 0,
    nms: float = NMS,
    least: float = 0.0,
    hands: Hands | None = None,
) -> tuple[Instance, ...]:
    """Pick each peak's best proposal and keep, class by class, those that are not another's double.

    Where several objects of a class stand together, their peaks share a class map, often end at the same proposal, and
    all but one of them go. Two things of ours, not the paper's, bring them back. The picks of maps that mean the one
    object under each peak (`objects`) join at a quarter of their score, unless they are a region again. And whatever is
    an object of a class by itself (`offers`) fills the masks up to `fill`, best first, where nothing of it lies yet.

    Args:
        peaks: K peaks.
        regions: of the peaks' maps and N proposals.
        proposals: N proposals.
        classes: names of all classes.
        weights: alpha, beta, gamma of Eq. 5.
        objects: of the maps of the object under each peak; None where there are none.
        offers: by falling score, see `Analysis.offers`.
        fill: up to how many masks offers are added; 0 adds none.
        nms: see `kept`.
        least: score from which a region is found, see `is_found`.
        hands: what was done by hand; of a touched peak there is one instance, which gives way to none, and whatever of
            the method's doubles it goes.

    Returns:
        Instances by falling score.
    """
    for fit in (regions, objects):
        if fit is not None:
            fit.check(len(peaks), len(proposals))
    if not len(peaks) or not len(proposals):
        return ()
    by_hand = _by_hand(peaks, regions, objects, classes, weights, hands)
    free = np.ones(len(peaks), bool) if hands is None else ~hands.touched
    picked = [
        replace(pick, painted=is_found("region", pick.score, least))
        for pick in _picked(peaks, regions, proposals, classes, weights, nms, free)
        if not _overlaps(pick, by_hand, proposals, nms, hands)
    ]
    if objects is not None:
        painted_peaks = {pick.peak for pick in picked if pick.painted}
        singles = [
            replace(
                pick,
                score=score,
                hypothesis="object",
                painted=is_found("object", score, least, beside=pick.peak in painted_peaks),
            )
            for pick in _picked(peaks, objects, proposals, classes, weights, nms, free)
            for score in (pick.score * OBJECT,)
            if not _overlaps(pick, by_hand, proposals, nms, hands)
        ]
        picked += [single for single in singles if not _overlaps(single, picked, proposals, AGAIN)]
    picked += by_hand
    return tuple(_by_score(_filled(picked, offers, proposals, fill, hands)))


def is_found(hypothesis: Hypothesis, score: float, least: float = FOUND, *, beside: bool = False) -> bool:
    """Whether an instance of the method's own is found, or unsure; what is by hand is always found.

    Args:
        hypothesis: what it says of its peak. An object is found from half of `least`, but no less than `LEAST_OBJECT`;
            an offer, which stands for no peak, never.
        score: in [0, 1].
        least: score from which a region is found; 0 where its class was named.
        beside: whether a region of its peak is found already, to which an object is a second guess.

    Examples:
        >>> is_found("region", 0.1), is_found("region", 0.09), is_found("object", 0.06)
        (True, False, True)
    """
    if hypothesis == "region":
        return score >= least
    return hypothesis == "object" and not beside and score >= max(LEAST_OBJECT, least / 2)


def kept(iou: np.ndarray, categories: np.ndarray, most: float = NMS) -> np.ndarray:
    """Class-wise non-maximum suppression: which masks overlap no better one of their class that stays.

    Args:
        iou: (D, D) float32 IoU of masks by falling score.
        categories: (D,) class of each.
        most: IoU above which the weaker of two goes.

    Returns:
        (D,) bool.
    """
    clash = (iou > most) & (categories[:, None] == categories[None])
    stays: np.ndarray = np.zeros(len(categories), bool)
    for i in range(len(stays)):
        stays[i] = not (clash[i] & stays).any()
    return stays


def offers(
    category: int,
    name: str,
    certainty: float,
    objectness: np.ndarray,
    peaks: np.ndarray,
    values: np.ndarray,
    holds: np.ndarray,
) -> list[Instance]:
    """What a class may add to its peaks' picks, by falling score.

    Args:
        category: class index, from 0.
        name: class name.
        certainty: probability of the class in the photo.
        objectness: (N,) float32 in [0, 1], how much each proposal is an object of the class.
        peaks: indices of the class's peaks.
        values: (K,) float32 of all peaks.
        holds: (K, N) bool, which proposals each peak lies in.
    """
    scores = objectness.astype(np.float64) * certainty
    order = np.argsort(-scores, kind="stable")
    offered = []
    for i in order[scores[order] >= LEAST_OFFER].tolist():
        inside = peaks[holds[peaks, i]]
        among = inside if len(inside) else peaks
        peak = int(among[values[among].argmax()])
        offered.append(Instance(category, name, float(scores[i]) * OFFER, peak, i, "offer", painted=False))
    return offered


def shown(instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """Those that are found, which pictures show, in the given order."""
    return tuple(instance for instance in instances if instance.painted)


def listed(instances: Sequence[Instance], unsure: bool = False) -> tuple[Instance, ...]:
    """What lists of masks hold, in the given order: those that are found, and on request the unsure ones too."""
    return tuple(instances) if unsure else shown(instances)


def in_painting_order(instances: Sequence[Instance]) -> list[Instance]:
    """Those that pictures show, the last on top: regions by rising score, objects in them, what is by hand."""
    # Of equal scores the first lies on top.
    return sorted(
        shown(instances),
        key=lambda instance: (instance.by_hand, instance.hypothesis == "object", instance.score),
        reverse=True,
    )[::-1]


def semantic(
    instances: Sequence[Instance],
    proposals: ProposalSet,
    size: Size | None = None,
    count: int | None = None,
) -> np.ndarray:
    """Paint what pictures show: regions, the best score on top, and on them the objects of peaks that show none.

    Args:
        instances: from `assemble`; only those that are `painted` are.
        proposals: the proposals they point to.
        size: (H, W) of the result (nearest); None keeps the proposals' own.
        count: of the model's classes, so that all its photos get the same kind; None looks at these instances alone.

    Returns:
        (H, W) uint8: 0 background, c + 1 for class c; uint16 of more than 254 classes, as 255 is void in 8 bits.
    """
    chosen = in_painting_order(instances)[::-1]
    members = proposals.membership[[instance.proposal for instance in chosen]]
    colours = paint(members, np.array([instance.category for instance in chosen], np.int64), count)
    return colours[proposals.labels if size is None else resized_labels(proposals.labels, size)]


def paint(masks: np.ndarray, categories: np.ndarray, count: int | None = None) -> np.ndarray:
    """The class of every pixel, or region, that masks lie on.

    Args:
        masks: (D, ...) bool over pixels or regions, the topmost first.
        categories: (D,) class indices from 0.
        count: of the model's classes; None looks at these categories alone.

    Returns:
        (...) uint8 (or uint16) as `semantic` returns it.
    """
    highest = int(max(categories, default=-1)) + 1 if count is None else count
    painted: np.ndarray = np.zeros(masks.shape[1:], index_image.index_type(highest))
    for mask, category in zip(masks[::-1], categories[::-1], strict=True):
        painted[mask] = category + 1
    return painted


def _best(terms: np.ndarray, scores: np.ndarray, weights: Weights) -> int:
    """The proposal (of N) with the highest score; `rank` decides between equal ones."""
    highest = np.flatnonzero(scores == scores.max())
    return int(highest[0] if len(highest) == 1 else rank(terms, weights, 1)[0])


def _picked(
    peaks: Peaks,
    fit: Fit,
    proposals: ProposalSet,
    classes: Sequence[str],
    weights: Weights,
    nms: float,
    free: np.ndarray,
) -> list[Instance]:
    """The best proposal of each free peak, (K,) bool, doubles of a class left out, by falling score."""
    scores = total(fit.terms, weights)
    picks = []
    for k in np.flatnonzero(free).tolist():
        i = _best(fit.terms[k], scores[k], weights)
        category, probability = int(peaks.classes[k]), float(peaks.probabilities[k])
        picks.append(Instance(category, classes[category], probability * float(fit.fits[k, i]), k, i))
    picks = _by_score(picks)
    indices = [pick.proposal for pick in picks]
    stays = kept(proposals.iou(indices, indices), np.array([pick.category for pick in picks]), nms)
    return [pick for pick, stay in zip(picks, stays, strict=True) if stay]


def _by_hand(
    peaks: Peaks,
    regions: Fit,
    objects: Fit | None,
    classes: Sequence[str],
    weights: Weights,
    hands: Hands | None,
) -> list[Instance]:
    """One instance of every touched peak: its chosen proposal, or its best."""
    made = []
    for k in [] if hands is None else np.flatnonzero(hands.touched).tolist():
        hand = hands.rows[k]  # type: ignore[union-attr]
        of_object = hand.of == "object" and objects is not None
        fit = objects if of_object and objects is not None else regions
        terms, category = fit.terms[k], int(peaks.classes[k])
        i = _best(terms, total(terms, weights), weights) if hand.proposal is None else hand.proposal
        score = float(peaks.probabilities[k]) * float(fit.fits[k, i])
        made.append(
            Instance(category, classes[category], score, k, i, "object" if of_object else "region", by_hand=True)
        )
    return made


def _overlaps(
    instance: Instance,
    others: Sequence[Instance],
    proposals: ProposalSet,
    most: float,
    hands: Hands | None = None,
) -> bool:
    """Whether it is, by more than `most`, one of the others of its class."""
    same = [other for other in others if other.category == instance.category]
    return bool((_iou([instance], same, proposals, hands) > most).any())


def _iou(
    first: Sequence[Instance], second: Sequence[Instance], proposals: ProposalSet, hands: Hands | None
) -> np.ndarray:
    """(A, B) float32 IoU of instances, what is by hand with its forced regions."""
    indices = [[instance.proposal for instance in side] for side in (first, second)]
    if hands is None or not any(one.by_hand and hands.rows[one.peak].forced for one in (*first, *second)):
        return proposals.iou(*indices)
    if not first or not second:
        return np.zeros((len(first), len(second)), np.float32)

    def members(side: Sequence[Instance]) -> np.ndarray:
        rows = proposals.membership[[one.proposal for one in side]]
        return np.array(
            [hands.rows[one.peak].members(row) if one.by_hand else row for one, row in zip(side, rows, strict=True)]
        )

    return overlaps(members(first), members(second), proposals.region_areas)


def _filled(
    picked: list[Instance], offers: Sequence[Instance], proposals: ProposalSet, fill: int, hands: Hands | None
) -> list[Instance]:
    """With offers, down their scores, that are apart from what their class has already, up to `fill` masks."""
    categories = np.array([offer.category for offer in offers])
    left: np.ndarray = np.ones(len(offers), bool)

    def leave_out_near(taken: Instance) -> None:
        near = _iou([taken], offers, proposals, hands)[0] > OFFERS_APART
        left[(categories == taken.category) & near] = False

    for pick in picked if offers else ():
        leave_out_near(pick)
    filled = list(picked)
    while len(filled) < fill and left.any():
        filled.append(offers[int(left.argmax())])
        leave_out_near(filled[-1])
    return filled


def _by_score(instances: Sequence[Instance]) -> list[Instance]:
    return sorted(instances, key=lambda instance: -instance.score)
