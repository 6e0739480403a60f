"""The figures of a set of photos for any weights of Eq. 5, from their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from wsis import instances, metrics
from wsis.errors import WsisError
from wsis.matching import PUBLISHED, READINGS, Weights
from wsis.results import NAMES
from wsis.tuning.photo_record import Record, joined
from wsis.tuning.recent import Recent

FIGURES = tuple(NAMES)


@dataclass(frozen=True, eq=False)
class PhotoFigures:
    """One photo with one choice of weights.

    Attributes:
        quality: mean over the photo's instances of the best overlap by a mask of their class; of a photo without
            instances 1 if nothing was found, else 0.
        found: instances that a mask of their class overlaps by at least .5.
        missed: the others.
        wrong: masks that are nobody's, or an instance's second.
        result: its part of mAP and ABO.
        cells: (P, 1) true and (1, Q) painted indices that occur.
        confusion: (P, Q) int64 pixels of each of these cells of the confusion matrix.
    """

    quality: float
    found: int
    missed: int
    wrong: int
    result: metrics.ImageResult
    cells: tuple[np.ndarray, ...]
    confusion: np.ndarray


@dataclass(frozen=True, eq=False)
class Figures:
    """A set of photos with one choice of weights; shares in [0, 1].

    Attributes:
        map25: mAP^r at IoU .25.
        map50: at .5.
        map75: at .75.
        abo: average best overlap.
        miou: mean IoU of the semantic maps, background included.
        masks_per_photo: instances found a photo.
        ap50: average precision at IoU .5 of every class that occurs.
        counts: instances of the ground truth of every class that occurs.
        photos: one a photo, in the order of the records.
    """

    map25: float
    map50: float
    map75: float
    abo: float
    miou: float
    masks_per_photo: float
    ap50: dict[str, float]
    counts: dict[str, int]
    photos: tuple[PhotoFigures, ...]

    def values(self) -> tuple[float, ...]:
        """The five `FIGURES`."""
        return tuple(getattr(self, name) for name in FIGURES)


@dataclass(frozen=True)
class Rules:
    """What happens to the winners; the defaults are those of the pipeline.

    Attributes:
        class_threshold: least probability of the class of a peak that is followed; below what was measured with it
            changes nothing.
        nms: IoU above which the weaker of two instances of one class goes.
        least: score from which an instance is painted into the semantic map; None as the analysis had it.
    """

    class_threshold: float = 0.0
    nms: float = instances.NMS
    least: float | None = None


AS_USUAL = Rules()


class Records:
    """Records of a set of photos; remembers what it worked out, because sliders come back to the same choices."""

    def __init__(self, records: Iterable[Record], classes: Sequence[str]) -> None:
        """Keep records, and the names of the model's classes."""
        self.records, self.classes = tuple(records), tuple(classes)
        self._stacks = Recent[_Stack](4)  # a few readings and steps at a time are looked at
        self._photos = [Recent[PhotoFigures](64) for _ in self.records]
        self._sets = Recent[Figures](16)

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.records)

    def some(self, indices: Iterable[int]) -> Records:
        """The records of a few photos, with what is already known about them."""
        chosen = list(indices)
        part = Records([self.records[i] for i in chosen], self.classes)
        part._photos = [self._photos[i] for i in chosen]
        return part

    @cached_property
    def halves(self) -> tuple[Records, Records]:
        """Every other photo, and the rest: tune on one, report on the other."""
        return self.some(range(0, len(self), 2)), self.some(range(1, len(self), 2))

    def picks(self, weights: Weights, step: int, reading: str) -> np.ndarray:
        """(peaks of all photos,) the row of each peak's winner in the stacked fronts, as `wsis.matching.rank` picks."""
        if reading not in READINGS:
            raise WsisError(f"Unknown reading '{reading}' of Eq. 5. Choose one of: {', '.join(READINGS)}.")
        return self._stack(step, reading).picks(weights)

    def at(self, picks: np.ndarray, step: int, reading: str, rules: Rules = AS_USUAL) -> Figures:
        """The figures of given winners, see `picks`."""

        def measured() -> Figures:
            stack = self._stack(step, reading)
            parts = enumerate(pairwise(stack.photos))
            return _figures(tuple(self._photo(i, picks[a:b], stack, step, rules) for i, (a, b) in parts), self.classes)

        return self._sets.get((step, reading, picks.tobytes(), rules), measured)

    def _stack(self, step: int, reading: str) -> _Stack:
        return self._stacks.get((step, reading), lambda: _stacked(self.records, step, reading))

    def _photo(self, index: int, picks: np.ndarray, stack: _Stack, step: int, rules: Rules) -> PhotoFigures:
        chosen = stack.candidates[picks]
        return self._photos[index].get(
            (step, chosen.tobytes(), rules),
            lambda: _photo_figures(self.records[index], chosen, stack.fits[picks], rules),
        )


def figures(
    records: Records,
    weights: Weights = PUBLISHED,
    step: int = 3,
    reading: str = "cover",
    rules: Rules = AS_USUAL,
) -> Figures:
    """The figures of a set of photos, one proposal a peak, class-wise NMS.

    Args:
        records: at least one.
        weights: of Eq. 5.
        step: which map is matched; beyond what an enhancer has, its last.
        reading: one of `wsis.matching.READINGS`.
        rules: what happens to the winners.
    """
    return records.at(records.picks(weights, step, reading), step, reading, rules)


@dataclass(frozen=True, eq=False)
class _Stack:
    """The fronts of all photos at one step and reading.

    Attributes:
        terms: (F, 3) float32.
        fits: (F,) float32.
        candidates: (F,) int32, within their photo.
        peaks: (peaks,) where each peak's front begins.
        photos: (photos + 1,) number of the first peak of each photo.
    """

    terms: np.ndarray
    fits: np.ndarray
    candidates: np.ndarray
    peaks: np.ndarray
    photos: np.ndarray

    @cached_property
    def owners(self) -> np.ndarray:
        """(F,) the peak that each row belongs to."""
        return np.repeat(np.arange(len(self.peaks)), np.diff(self.peaks, append=len(self.terms)))

    @cached_property
    def columns(self) -> np.ndarray:
        """(3, F) float64 terms."""
        return np.ascontiguousarray(self.terms.T, np.float64)

    def picks(self, weights: Weights) -> np.ndarray:
        """(peaks,) the row of each peak's winner: highest score, then greatest sum of terms, then lowest index."""
        if not len(self.peaks):
            return np.zeros(0, np.int64)
        first, second, third = self.columns
        scores = first * weights.alpha + second * weights.beta + third * weights.gamma  # as `wsis.matching.total`
        top = np.flatnonzero(scores == np.maximum.reduceat(scores, self.peaks)[self.owners])
        if len(top) > len(self.peaks):
            sums = first[top] + second[top] + third[top]
            top = top[np.lexsort((-sums, self.owners[top]))]
            top = top[np.unique(self.owners[top], return_index=True)[1]]
        return top


def _stacked(records: Sequence[Record], step: int, reading: str) -> _Stack:
    terms, fits, candidates, peaks, photos, total = [], [], [], [], [0], 0
    for record in records:
        fronts = record.fronts(step, reading)
        rows = slice(fronts[0], fronts[-1])
        terms.append(record.terms[rows])
        fits.append(record.fits[rows])
        candidates.append(record.candidates[rows])
        peaks.append(fronts[:-1] - fronts[0] + total)
        photos.append(photos[-1] + len(fronts) - 1)
        total += int(fronts[-1] - fronts[0])
    return _Stack(
        joined(terms, (0, 3), np.float32),
        joined(fits, (0,), np.float32),
        joined(candidates, (0,), np.int32),
        joined(peaks, (0,), np.int64),
        np.array(photos),
    )


def _photo_figures(record: Record, chosen: np.ndarray, fits: np.ndarray, rules: Rules) -> PhotoFigures:
    """What `wsis.instances.assemble` and `semantic` make of the winners, measured.

    Args:
        record: the photo's.
        chosen: (K,) the candidate that won for each peak.
        fits: (K,) how well each winner fits its peak's map, see `Analysis.fits`.
        rules: which stay, and which are painted.
    """
    scores = record.probabilities.astype(np.float64) * fits
    order = np.argsort(-scores, kind="stable")
    order = order[record.probabilities[order] >= rules.class_threshold]
    members, categories = record.members[chosen[order]], record.categories[order]
    kept = _kept(members, record.areas, categories, rules.nms)
    order, members, categories = order[kept], members[kept], categories[kept]
    sure = np.count_nonzero(scores[order] >= (record.least if rules.least is None else rules.least))
    colours, place = np.unique(instances.paint(members[:sure], categories[:sure]), return_inverse=True)
    confusion = np.zeros((len(colours), len(record.kinds)), np.int64)
    np.add.at(confusion, place, record.pixels)
    judged = record.judged[chosen[order]]
    order, categories = order[judged], categories[judged]
    result = metrics.image_result(record.overlaps[chosen[order]], categories, scores[order], record.truth)
    target, overlap = result.best
    found = len(np.unique(target[overlap >= 0.5]))
    quality = float(result.same_class.max(0, initial=0).mean()) if len(record.truth) else float(not len(order))
    missed, wrong, cells = len(record.truth) - found, len(order) - found, np.ix_(record.kinds, colours)
    return PhotoFigures(quality, found, missed, wrong, result, cells, confusion.T)


def _kept(members: np.ndarray, areas: np.ndarray, categories: np.ndarray, most: float) -> np.ndarray:
    """(D,) bool: `wsis.instances.kept` of candidates by falling score, where any two are of one class."""
    if len(set(categories.tolist())) == len(categories):
        return np.ones(len(categories), bool)
    return instances.kept(_iou(members, areas), categories, most)


def _iou(members: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(D, D) float32 IoU between candidates, as `ProposalSet.iou`: (D, R) bool, regions of (R,) float32 pixels."""
    weighted = members * areas
    common, pixels = weighted @ members.T.astype(np.float32), weighted.sum(1)
    iou = common / np.maximum(pixels[:, None] + pixels[None] - common, 1)
    if not pixels.all():  # too small for the grid: with itself a proposal has an IoU of 1
        empty = pixels == 0
        iou[(empty[:, None] & empty[None]) & (members[:, None] == members[None]).all(2)] = 1
    return iou


def _figures(photos: tuple[PhotoFigures, ...], classes: Sequence[str]) -> Figures:
    results = [photo.result for photo in photos]
    confusion = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for photo in photos:
        confusion[photo.cells] += photo.confusion
    precision = {threshold: metrics.average_precision(results, threshold) for threshold in metrics.THRESHOLDS}
    means = [float(np.mean(list(values.values()))) if values else 0.0 for values in precision.values()]
    truth = joined([result.truth for result in results], (0,), np.int64)
    return Figures(
        map25=means[0],
        map50=means[1],
        map75=means[2],
        abo=metrics.abo(results),
        miou=metrics.mean_iou(confusion),
        masks_per_photo=float(np.mean([len(result.scores) for result in results])) if results else 0.0,
        ap50={classes[category]: value for category, value in precision[0.5].items()},
        counts={classes[category]: int((truth == category).sum()) for category in precision[0.5]},
        photos=photos,
    )
