"""Matching maps with proposals (Eq. 5), in six readings, and the pseudo labels made from it.

Every term is a linear functional of a proposal, at most divided by the proposal's area, so counting over the regions of
the partition and one matrix product give it for all proposals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from wsis.choices import Reading
from wsis.errors import WsisError
from wsis.proposals.proposal_set import ProposalSet

READINGS: tuple[Reading, ...] = get_args(Reading)
OTSU_RANGE = (0.15, 0.6)
BAND_SHARE = 0.02
CONTOUR_WIDTH = 5
BACKGROUND_SHARE = 0.95
LEAST_RATE = 0.6
"""What Eq. 5 counts of a proposal that is surely not one whole object; of one that surely is, all."""
MOST_WEIGHT = 1e12
"""Far beyond any use, and so small that no sum of terms overflows: infinities of both signs have no best."""
DIRECTIONS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]])


@dataclass(frozen=True)
class Weights:
    """The three weights of Eq. 5, each from 0 to `MOST_WEIGHT`."""

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        """Check the range: signs belong to the terms."""
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if not 0 <= value <= MOST_WEIGHT:
                raise WsisError(f"The weight {name} must be a finite number from 0 to {MOST_WEIGHT:g}, got {value}.")


PUBLISHED = Weights(0.95, 0.1, 0.8)


@dataclass(frozen=True)
class Preset:
    """A reading of Eq. 5 with weights, to be shown and chosen.

    Attributes:
        reading: how the three terms are measured.
        weights: their weights.
        title: short name.
        formula: what is summed, in plain text.
        note: what to know about it, one sentence or two.
    """

    reading: Reading
    weights: Weights
    title: str
    formula: str
    note: str


PRESETS: dict[str, Preset] = {
    "paper": Preset(
        "cover",
        PUBLISHED,
        "This paper",
        "α·⟨V,P⟩/|P| + β·⟨E(V),P⟩/|E(V)| + γ·⟨V,P⟩/|V|",
        "Precision, contour coverage and recall, each in [0, 1]. This is our reading of Eq. 5, which leaves the scale "
        "of its terms open.",
    ),
    "no-rebalance": Preset(
        "no-rebalance",
        PUBLISHED,
        "No rebalance",
        "α·⟨V,P⟩/|V| + β·⟨E(V),P⟩/|E(V)| + γ·⟨V,P⟩/|V|",
        "For study: without the factor 1/|P| nothing speaks against a proposal that is too large. The row without "
        "rebalance in the paper's Table 1 is PRM 2018's matching instead.",
    ),
    "penalty": Preset(
        "penalty",
        PUBLISHED,
        "Background penalty",
        "α·⟨V,P⟩/|P| + β·⟨E(V),P⟩/|E(V)| − γ·⟨1−V,P⟩/|V|",
        "The background as a penalty: it and precision outweigh the only recall term, so small pure proposals win.",
    ),
    "literal": Preset(
        "literal",
        PUBLISHED,
        "Literal Eq. 5",
        "α·⟨V,P⟩/|P| + β·⟨E(V),P⟩ − γ·⟨1−V,P⟩",
        "Products as pixel counts: the first term, at most 1, vanishes beside the others. For study.",
    ),
    "prm-2018": Preset(
        "prm-2018",
        Weights(0.8, 1.0, 1e-5),
        "PRM 2018",
        "0.8·⟨R,P⟩ + ⟨R,∂P⟩ − 1e-5·⟨Bg,P⟩",
        "Zhou et al., 2018: R is the soft map with sum 1, ∂P a band of 5 px along the proposal's own contour, Bg where "
        "the class map is below 0.95 of its mean. The paper's Table 1 has it as the matching without rebalance.",
    ),
    "iou": Preset(
        "iou",
        Weights(1.0, 0.0, 0.0),
        "IoU",
        "|V∩P| / |V∪P|",
        "Intersection over union with the binary map, as a reference; the second and third weight do nothing.",
    ),
}


def binarise(maps: np.ndarray) -> np.ndarray:
    """V of Eq. 5: (K, H, W) float32 maps above their thresholds, (K, H, W) bool; see `thresholded`."""
    return thresholded(maps)[0]


def thresholded(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V of Eq. 5, and where it is cut: Otsu's threshold over 256 levels, clipped to `OTSU_RANGE`.

    Args:
        maps: (K, H, W) float32 of any range.

    Returns:
        (K, H, W) bool, each map, min-max normalised, above its threshold, and (K,) float32 thresholds; a constant map
        gives an empty V.
    """
    if maps.ndim != 3 or maps.dtype != np.float32:
        raise ValueError(f"maps: expected (K, H, W) float32, got {maps.shape} {maps.dtype}")
    binary, thresholds = np.zeros(maps.shape, bool), np.full(len(maps), OTSU_RANGE[0], np.float32)
    for k, map_ in enumerate(maps):
        low, high = map_.min(), map_.max()
        if not high > low:
            continue
        unit = (map_ - low) / (high - low)
        # 0.5 rounds; Otsu's level t separates t from t + 1.
        level = cv2.threshold((unit * 255 + 0.5).astype(np.uint8), 0, 1, cv2.THRESH_OTSU)[0]
        thresholds[k] = np.clip((level + 0.5) / 255, *OTSU_RANGE)
        np.greater(unit, thresholds[k], out=binary[k])
    return binary, thresholds


def contour_bands(binary: np.ndarray) -> np.ndarray:
    """E(V): the pixels of V that are at most 2% of sqrt(H W) (at least 1 px) away from a pixel outside V.

    Beyond the image's edge is unknown, not outside: an object that the frame cuts off has no contour there.

    Args:
        binary: (K, H, W) bool.

    Returns:
        (K, H, W) bool.
    """
    height, width = binary.shape[1:]
    band = max(1.0, BAND_SHARE * (height * width) ** 0.5)
    result = np.zeros_like(binary)
    for out, mask in zip(result, binary, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):  # the box around V, one pixel wider, holds the nearest outside pixel of every pixel in it
            box = slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)
            inside = mask[box]
            if not inside.all():
                out[box] = inside & (cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 5) <= band)
    return result


def terms(
    maps: np.ndarray,
    proposals: ProposalSet,
    reading: Reading = "cover",
    *,
    class_maps: np.ndarray | None = None,
    binary: np.ndarray | None = None,
) -> np.ndarray:
    """The three terms of Eq. 5 for every map and proposal, in one of six readings (`PRESETS` spells them out).

    With V the binary map, E its contour band, P a proposal and |.| a number of pixels:

    * cover: <V,P>/|P|, <E,P>/|E|, <V,P>/|V|
    * no-rebalance: <V,P>/|V|, <E,P>/|E|, <V,P>/|V|
    * penalty: <V,P>/|P|, <E,P>/|E|, -<1-V,P>/|V|
    * literal: <V,P>/|P|, <E,P>, -<1-V,P>
    * prm-2018: <R,P>, <R,dP>, -<Bg,P>; R the map divided by its sum, dP as in `ProposalSet.contour_sums` (5 px),
      Bg the pixels whose class map is below 0.95 of its mean
    * iou: |V and P| / |V or P|, 0, 0

    A quotient whose divisor is empty is 0.

    Args:
        maps: (K, H, W) float32, at least 0, on the grid of the proposals.
        proposals: N proposals.
        reading: one of `READINGS`.
        class_maps: (K, H, W) float32, the class map of each map's class, not normalised; only for prm-2018.
        binary: (K, H, W) bool, V where it is at hand; None makes it with `binarise`.

    Returns:
        (K, N, 3) float32; `total` makes scores of them.

    Raises:
        WsisError: unknown reading.
        ValueError: a wrong shape, or prm-2018 without class maps.
    """
    _check(maps, proposals)
    if reading == "prm-2018":
        return _prm_terms(maps, proposals, class_maps)
    if reading not in READINGS:
        raise WsisError(f"Unknown reading '{reading}' of Eq. 5. Choose one of: {', '.join(READINGS)}.")
    binary = binarise(maps) if binary is None else binary
    if reading == "iou":
        overlaps = iou(binary, proposals)
        return np.stack([overlaps, np.zeros_like(overlaps), np.zeros_like(overlaps)], -1)
    bands = contour_bands(binary)
    inside, contour = (_over_proposals(values, proposals) for values in _counts(binary, bands, proposals))
    mass = _count_pixels(binary)
    areas = proposals.areas.astype(np.float32)
    precision = inside / np.maximum(areas, 1)
    recall = inside / np.maximum(mass, 1)
    outside = areas - inside
    coverage = contour / np.maximum(_count_pixels(bands), 1)
    triple = {
        "cover": (precision, coverage, recall),
        "no-rebalance": (recall, coverage, recall),
        "penalty": (precision, coverage, -outside / np.maximum(mass, 1) * (mass > 0)),
        "literal": (precision, contour, -outside),
    }[reading]
    return np.stack(triple, -1)


def total(terms: np.ndarray, weights: Weights) -> np.ndarray:
    """Eq. 5: (..., N, 3) float32 terms to (..., N) float64 scores.

    Three products and two sums in double precision, left to right: whoever follows this order, in any language, gets
    the same bits, and so the same ranking. The explorer's `match.js` does.

    Examples:
        >>> terms = np.array([[1, 0.5, 0], [0.5, 0.5, 1]], np.float32)
        >>> total(terms, Weights(1.0, 0.5, 0.25)).tolist()
        [1.25, 1.0]
    """
    first, second, third = _columns(terms)
    return first * weights.alpha + second * weights.beta + third * weights.gamma


def rates(objectness: np.ndarray) -> np.ndarray:
    """By how much the terms of each proposal count; ours, not the paper's.

    Eq. 5 asks how well a proposal fits the map, and a map of half an object, or of two, fits half an object, or two.
    Where terms are near equal, what is one whole object by itself should win.

    Args:
        objectness: (N,) float32 in [0, 1], see `wsis.proposals.objectness`.

    Returns:
        (N,) float32 from `LEAST_RATE` to 1.

    Examples:
        >>> rates(np.array([0, 0.5, 1], np.float32)).round(2).tolist() == [np.float32(0.6), np.float32(0.8), 1.0]
        True
    """
    return np.float32(LEAST_RATE) + np.float32(1 - LEAST_RATE) * objectness


def rank(terms: np.ndarray, weights: Weights, count: int | None = None) -> np.ndarray:
    """The best proposals of one map by Eq. 5, best first.

    Equal scores go to the greater sum of terms, then to the lower index, so that the winner is on the Pareto front even
    where a weight is 0.

    Args:
        terms: (N, 3) float32.
        weights: alpha, beta, gamma.
        count: how many; None ranks all.

    Returns:
        (min(count, N),) int64 indices.

    Examples:
        >>> terms = np.array([[0, 0.5, 1], [1, 0.5, 0], [0.25, 0, 0]], np.float32)
        >>> rank(terms, Weights(1.0, 0.0, 0.5)).tolist()
        [1, 0, 2]
    """
    scores = total(terms, weights)
    count = len(scores) if count is None else min(count, len(scores))
    candidates = np.arange(len(scores))
    if 0 < count < len(scores):
        candidates = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    first, second, third = _columns(terms[candidates])
    order = np.lexsort((-(first + second + third), -scores[candidates]))  # stable: lower index first
    return candidates[order[:count]]


def iou(binary: np.ndarray, proposals: ProposalSet) -> np.ndarray:
    """Intersection over union of each binary map with each proposal.

    Args:
        binary: (K, H, W) bool.
        proposals: N proposals on the same grid.

    Returns:
        (K, N) float32 in [0, 1]; 0 where both are empty.
    """
    _check(binary, proposals)
    common = _over_proposals(_counts(binary, None, proposals)[0], proposals)
    union = _count_pixels(binary) + proposals.areas.astype(np.float32) - common
    return common / np.maximum(union, 1)


def pareto(terms: np.ndarray) -> np.ndarray:
    """The proposals that can win for some weights of at least 0: those that no other beats or equals in every term.

    Args:
        terms: (N, 3) float32.

    Returns:
        Indices, ascending; of equal triples the lowest only.
    """
    return skyband(terms, 1)


def skyband(terms: np.ndarray, depth: int) -> np.ndarray:
    """The proposals that can be among the best `depth` for some weights of at least 0.

    Those that fewer than `depth` others dominate: are at least as good in every term, and of equal triples come first.

    Args:
        terms: (N, 3) float32.
        depth: at least 1; 1 is the Pareto front.

    Returns:
        Indices, ascending.
    """
    # A few strong ones rule out nearly all. Whatever has `depth` dominators has as many within the band itself (its
    # own dominators' dominators are its too), so the survivors are enough to count among.
    strong = _strong(terms, 3 * depth)
    left = np.flatnonzero(_dominators(terms, strong, np.arange(len(terms))) < depth)
    return left[_dominators(terms, left, left) < depth]


def pseudo_label_indices(
    map_: np.ndarray, proposals: ProposalSet, weights: Weights = PUBLISHED, k: int = 3, reading: Reading = "cover"
) -> np.ndarray:
    """The proposals of a pseudo label (section 3.2): down the ranking, each that no selected one contains, until k.

    Args:
        map_: (H, W) float32 naive map on the grid of the proposals.
        proposals: N proposals.
        weights: of Eq. 5.
        k: how many to select.
        reading: of Eq. 5; all but prm-2018, which needs a class map.

    Returns:
        At most k indices, best first.
    """
    scored = terms(map_[None], proposals, reading)[0]
    regions = proposals.membership[:, proposals.region_areas > 0]
    chosen: list[int] = []
    for i in rank(scored, weights):
        if len(chosen) == k:
            break
        if not (regions[chosen] >= regions[i]).all(1).any():
            chosen.append(int(i))
    return np.array(chosen, np.int64)


def pseudo_label(
    map_: np.ndarray, proposals: ProposalSet, weights: Weights = PUBLISHED, k: int = 3, reading: Reading = "cover"
) -> np.ndarray:
    """The union of the proposals that `pseudo_label_indices` selects, (H, W) bool."""
    chosen = pseudo_label_indices(map_, proposals, weights, k, reading)
    return proposals.membership[chosen].any(0)[proposals.labels]


def _columns(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three terms apart, float64."""
    return terms[..., 0].astype(np.float64), terms[..., 1].astype(np.float64), terms[..., 2].astype(np.float64)


def _strong(terms: np.ndarray, count: int) -> np.ndarray:
    """The best `count` proposals in each of seven directions of weight space."""
    span = np.ptp(terms, axis=0) if len(terms) else np.ones(3)
    scores = terms @ (DIRECTIONS / np.where(span > 0, span, 1)).T.astype(np.float32)
    count = min(count, len(terms))
    return np.unique(np.argpartition(-scores, count - 1, axis=0)[:count]) if count else np.zeros(0, np.int64)


def _dominators(terms: np.ndarray, judges: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """(len(judged),) how many of `judges` dominate each of `judged`; both are indices."""
    count = np.zeros(len(judged), np.int64)
    for start in range(0, len(judges), 256):
        part = judges[start : start + 256]
        no_worse = np.ones((len(part), len(judged)), bool)
        better = part[:, None] < judged[None]
        for column in terms.T:
            mine, theirs = column[part][:, None], column[judged][None]
            no_worse &= mine >= theirs
            better |= mine > theirs
        count += np.count_nonzero(no_worse & better, axis=0)
    return count


def _check(values: np.ndarray, proposals: ProposalSet) -> None:
    if values.ndim != 3 or values.shape[1:] != proposals.size:
        raise ValueError(f"expected (K, {proposals.size[0]}, {proposals.size[1]}), got {values.shape}")


def _count_pixels(binary: np.ndarray) -> np.ndarray:
    """(K, 1) float32 pixels of each mask; exact up to 16 million."""
    return np.count_nonzero(binary, axis=(1, 2))[:, None].astype(np.float32)


def _counts(binary: np.ndarray, bands: np.ndarray | None, proposals: ProposalSet) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of V and of E(V) in each region: two (K, R) float32. E lies in V, so one count of three kinds does."""
    regions = proposals.membership.shape[1]
    base = proposals.labels.ravel().astype(np.intp) * 3
    kinds = np.zeros((len(binary), regions, 3), np.float32)
    for k, mask in enumerate(binary):
        kind = mask.ravel().view(np.uint8)
        if bands is not None:
            kind = kind + bands[k].ravel().view(np.uint8)
        kinds[k] = np.bincount(base + kind, minlength=3 * regions).reshape(regions, 3)
    return kinds[..., 1] + kinds[..., 2], kinds[..., 2]


def _over_proposals(regions: np.ndarray, proposals: ProposalSet) -> np.ndarray:
    """(K, R) sums over regions to (K, N) sums over proposals, float32."""
    return regions @ proposals.membership_f32.T


def _prm_terms(maps: np.ndarray, proposals: ProposalSet, class_maps: np.ndarray | None) -> np.ndarray:
    if class_maps is None or class_maps.shape != maps.shape:
        found = None if class_maps is None else class_maps.shape
        raise ValueError(f"class_maps: the reading prm-2018 expects {maps.shape}, got {found}")
    sums = maps.sum((1, 2), keepdims=True)
    response = maps / np.where(sums > 0, sums, 1)
    background = class_maps < BACKGROUND_SHARE * class_maps.mean((1, 2), keepdims=True)
    inside, behind = (_over_proposals(proposals.sums(values), proposals) for values in (response, background))
    return np.stack([inside, proposals.contour_sums(response, CONTOUR_WIDTH), -behind], -1)
