"""Tuning the weights of Eq. 5 on photos with masks: analyse each photo once, then any weights in milliseconds.

What a photo's analysis says about every choice of weights is small: for each reading of Eq. 5, step and peak the Pareto
front of the proposals, with their terms and their overlaps with the map and with the masks. `measure` keeps that as a
`Record`; `figures` follows `wsis.instances.assemble` and `wsis.metrics` from there and gives the numbers that
`train.evaluate` reports for one proposal a peak.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np

from wsis import export, ground_truth, image, matching, metrics, voc
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth
from wsis.matching import PUBLISHED, READINGS, Reading, Weights
from wsis.photo_sets import Pair
from wsis.pipeline import Analysis, Pipeline, Settings

STEPS = 4
NMS = 0.3
"""As in `wsis.instances.assemble`."""
THRESHOLDS = (0.25, 0.5, 0.75)
FIGURES = ("map25", "map50", "map75", "abo", "miou")
VALUES = np.linspace(0, 1.5, 16).round(2)
"""Of a weight, in a grid."""
MOST_CACHED = 2**30
FORMAT = 4
"""Of the records on disk; a new number makes old ones be measured again."""


@dataclass(frozen=True, eq=False)
class Record:
    """What the figures of one photo follow from, whatever the weights.

    Attributes:
        categories: (K,) int64 class of each peak.
        probabilities: (K,) float32 of its class.
        truth: (G,) int64 class of each instance of the ground truth.
        members: (U, R) bool, the regions of every candidate: a proposal that can win somewhere.
        areas: (R,) float32 pixels of each region on the working grid.
        overlaps: (U, G) float32 IoU of candidates and ground truth at the photo's own size, void left out.
        kinds: (P,) int64 indices that occur in the semantic ground truth, void left out.
        pixels: (R, P) int64 pixels of each region, at the photo's own size, that have each of these indices.
        terms: (F, 3) float32 of the Pareto fronts of all readings, steps and peaks, one after the other.
        fits: (F,) float32, how well the candidate fits the map, see `Analysis.fits`.
        candidates: (F,) int32 index of the candidate.
        starts: (READINGS x steps x K + 1,) int64, where each front begins, in this nesting.
        least: () float64, the score from which an instance is painted into the semantic map.
    """

    categories: np.ndarray
    probabilities: np.ndarray
    truth: np.ndarray
    members: np.ndarray
    areas: np.ndarray
    overlaps: np.ndarray
    kinds: np.ndarray
    pixels: np.ndarray
    terms: np.ndarray
    fits: np.ndarray
    candidates: np.ndarray
    starts: np.ndarray
    least: np.ndarray

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        total, peaks = len(self.terms), len(self.categories)
        fits = (
            self.terms.shape == (total, 3)
            and self.fits.shape == self.candidates.shape == (total,)
            and self.probabilities.shape == (peaks,)
            and self.starts[-1] == total
            and (len(self.starts) - 1) % max(len(READINGS) * peaks, 1) == 0
            and self.overlaps.shape == (len(self.members), len(self.truth))
            and self.members.shape[1:] == self.areas.shape
            and self.pixels.shape == (*self.areas.shape, *self.kinds.shape)
            and (not total or 0 <= self.candidates.min() <= self.candidates.max() < len(self.members))
        )
        if not fits:
            raise ValueError("the parts of a record do not fit together")

    def fronts(self, step: int, reading: str) -> np.ndarray:
        """(K + 1,) where the fronts of each peak begin; a step beyond the last means the last."""
        peaks = len(self.categories)
        if not peaks:
            return np.zeros(1, np.int64)
        steps = (len(self.starts) - 1) // (len(READINGS) * peaks)
        first = (READINGS.index(reading) * steps + min(step, steps - 1)) * peaks
        return self.starts[first : first + peaks + 1]


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
    nms: float = NMS
    least: float | None = None


AS_USUAL = Rules()


class Records:
    """Records of a set of photos; remembers what it worked out, because sliders come back to the same choices."""

    def __init__(self, records: Iterable[Record], classes: Sequence[str]) -> None:
        """Keep records, and the names of the model's classes."""
        self.records, self.classes = tuple(records), tuple(classes)
        self._stacks: dict[tuple[int, str], _Stack] = {}
        self._photos: list[dict[tuple, PhotoFigures]] = [{} for _ in self.records]
        self._sets: dict[tuple, Figures] = {}

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
        key = (step, reading, picks.tobytes(), rules)
        known = self._sets.get(key)
        if known is None:
            stack = self._stack(step, reading)
            parts = enumerate(pairwise(stack.photos))
            photos = tuple(self._photo(i, picks[a:b], stack, step, rules) for i, (a, b) in parts)
            if len(self._sets) >= 16:
                self._sets.clear()
            known = self._sets[key] = _figures(photos, self.classes)
        return known

    def _stack(self, step: int, reading: str) -> _Stack:
        key = (step, reading)
        if key not in self._stacks:
            if len(self._stacks) > 3:  # a few readings and steps at a time are looked at
                self._stacks.clear()
            self._stacks[key] = _stacked(self.records, step, reading)
        return self._stacks[key]

    def _photo(self, index: int, picks: np.ndarray, stack: _Stack, step: int, rules: Rules) -> PhotoFigures:
        known, chosen = self._photos[index], stack.candidates[picks]
        key = (step, chosen.tobytes(), rules)
        found = known.get(key)
        if found is None:
            if len(known) >= 64:
                known.clear()
            found = known[key] = _photo_figures(self.records[index], chosen, stack.fits[picks], rules)
        return found


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
class Grid:
    """Figures over two weights.

    Attributes:
        axes: the weights that vary, e.g. ("alpha", "gamma").
        values: X values of the first and Y values of the second.
        base: where the third weight comes from.
        step: which map was matched.
        reading: of Eq. 5.
        figures: (Y, X, 5) float64, the `FIGURES`.
    """

    axes: tuple[str, str]
    values: tuple[np.ndarray, np.ndarray]
    base: Weights
    step: int
    reading: str
    figures: np.ndarray

    def weights(self, row: int, column: int) -> Weights:
        """The weights of a cell."""
        first, second = (float(values[i]) for values, i in zip(self.values, (column, row), strict=True))
        return replace(self.base, **{self.axes[0]: first, self.axes[1]: second})

    def order(self, figure: str) -> list[tuple[int, int]]:
        """(row, column) of all cells, best first; of equal ones those with the better neighbours, then the lower."""
        plane = self.figures[..., FIGURES.index(figure)]
        padded = np.pad(plane, 1, constant_values=plane.min())
        width = plane.shape[1]
        around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum((2, 3))
        order = np.lexsort((-np.round(around, 9).ravel(), -np.round(plane, 9).ravel()))
        return [(int(i) // width, int(i) % width) for i in order]


def grid(
    records: Records,
    axes: tuple[str, str] = ("alpha", "gamma"),
    base: Weights = PUBLISHED,
    step: int = 3,
    reading: str = "cover",
    values: tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray] = (VALUES, VALUES),
    progress: Callable[[float], None] | None = None,
) -> Grid:
    """All figures at every point of a grid over two of the weights.

    Weights that pick the same proposals share their figures, so most of the grid is free.

    Args:
        records: at least one.
        axes: two of `alpha`, `beta`, `gamma`.
        base: the third weight.
        step: which map is matched.
        reading: of Eq. 5.
        values: of the first and of the second axis, at least 0.
        progress: called with the share done, in (0, 1]; what it raises ends the search.
    """
    xs, ys = (np.asarray(axis, np.float64) for axis in values)
    if len(set(axes)) != 2 or not set(axes) <= {"alpha", "beta", "gamma"}:
        raise WsisError(f"A grid needs two different weights of alpha, beta and gamma, got {' and '.join(axes)}.")
    known: dict[bytes, tuple[float, ...]] = {}
    result = np.zeros((len(ys), len(xs), len(FIGURES)))
    empty = Grid(axes, (xs, ys), base, step, reading, result)
    for row in range(len(ys)):
        for column in range(len(xs)):
            picks = records.picks(empty.weights(row, column), step, reading)
            key = picks.tobytes()
            if key not in known:
                known[key] = records.at(picks, step, reading).values()
            result[row, column] = known[key]
        if progress:
            progress((row + 1) / len(ys))
    return empty


def best(found: Grid, figure: str = "map50") -> tuple[Weights, float]:
    """The weights with the highest figure, see `Grid.order`, and the figure."""
    row, column = found.order(figure)[0]
    return found.weights(row, column), float(found.figures[row, column, FIGURES.index(figure)])


def measure(pipeline: Pipeline, pair: Pair, settings: Settings | None = None) -> Record:
    """Analyse a photo and keep what any weights, step and reading need; a second or two.

    Args:
        pipeline: whose classes the masks number.
        pair: photo and masks.
        settings: how to look; `steps` is set to 4 and the reading does not matter.

    Raises:
        WsisError: photo or masks cannot be read, or have different sizes.
    """
    settings = _whole(settings)
    photo = image.read(pair.photo)
    truth = ground_truth.read(pair.classes, pair.instances, len(pipeline.classes))
    if photo.shape[:2] != truth.semantic.shape:
        (height, width), (rows, columns) = photo.shape[:2], truth.semantic.shape
        raise WsisError(
            f"{pair.photo.name} has {width} x {height} pixels, its mask {columns} x {rows}. Save both in one size."
        )
    return record(pipeline.analyse(photo, settings), truth)


def record(analysis: Analysis, truth: GroundTruth) -> Record:
    """The record of an analysis whose terms are those of the reading `cover`, see `Record`."""
    proposals = analysis.proposals
    steps, peaks = analysis.maps.shape[:2]
    peaks = peaks if len(proposals) else 0
    indices, kept, fits = [], [], []
    for reading in get_args(Reading) if peaks else ():
        for step in range(steps):
            terms = _terms(analysis, step, reading)
            for peak in range(peaks):
                front = matching.pareto(terms[peak])
                indices.append(front)
                kept.append(terms[peak, front])
                fits.append(analysis.fits[step, peak, front])
    candidates, members = np.unique(_joined(indices, (0,), np.int64), return_inverse=True)
    shown = analysis.evidence.source.resized(analysis.evidence.size)
    valid = voc.labelled(truth.semantic)
    kinds, places = np.unique(truth.semantic[valid], return_inverse=True)
    regions = len(proposals.region_areas)
    flat = shown.labels[valid].astype(np.int64) * max(len(kinds), 1) + places
    return Record(
        categories=analysis.peaks.classes[:peaks].astype(np.int64),
        probabilities=analysis.peaks.probabilities[:peaks].astype(np.float32),
        truth=truth.categories,
        members=proposals.membership[candidates],
        areas=proposals.region_areas.astype(np.float32),
        overlaps=ground_truth.overlaps(shown, truth)[candidates].astype(np.float32),
        kinds=kinds.astype(np.int64),
        pixels=np.bincount(flat, minlength=regions * len(kinds)).reshape(regions, len(kinds)),
        terms=_joined(kept, (0, 3), np.float32),
        fits=_joined(fits, (0,), np.float32),
        candidates=members.astype(np.int32),
        starts=np.cumsum([0, *(len(front) for front in indices)]),
        least=np.array(analysis.least),
    )


class Cache:
    """Records on disk by what they follow from: model, settings, photo and masks. Holds no photo and no mask."""

    def __init__(self, folder: Path | None = None, most: int = MOST_CACHED) -> None:
        """Use a folder, `$XDG_CACHE_HOME/wsis/tune` if None; at most `most` bytes, the longest unused go first."""
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        self.folder, self.most = folder or root / "wsis" / "tune", most

    def measure(self, pipeline: Pipeline, pair: Pair, settings: Settings | None = None) -> Record:
        """As `measure`, but from the disk where it was measured before."""
        file = self.folder / f"{_key(pipeline, pair, _whole(settings))}.npz"
        known = _load(file)
        if known is None:
            known = measure(pipeline, pair, settings)
            with suppress(WsisError):  # a full or read-only disk only means that the next visit takes longer
                _save(file, known)
                self._tidy(keep=file)
        return known

    def _tidy(self, keep: Path) -> None:
        with suppress(OSError):  # another process may tidy at the same time
            files = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self.folder.iterdir())
            held = sum(size for _, size, _ in files)
            for _, size, file in files:
                if held > self.most and file != keep:
                    file.unlink(missing_ok=True)
                    held -= size


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
    for one in records:
        fronts = one.fronts(step, reading)
        rows = slice(fronts[0], fronts[-1])
        terms.append(one.terms[rows])
        fits.append(one.fits[rows])
        candidates.append(one.candidates[rows])
        peaks.append(fronts[:-1] - fronts[0] + total)
        photos.append(photos[-1] + len(fronts) - 1)
        total += int(fronts[-1] - fronts[0])
    return _Stack(
        _joined(terms, (0, 3), np.float32),
        _joined(fits, (0,), np.float32),
        _joined(candidates, (0,), np.int32),
        _joined(peaks, (0,), np.int64),
        np.array(photos),
    )


def _photo_figures(one: Record, chosen: np.ndarray, fits: np.ndarray, rules: Rules) -> PhotoFigures:
    """What `wsis.instances.assemble` and `semantic` make of the winners, measured.

    Args:
        one: the photo's record.
        chosen: (K,) the candidate that won for each peak.
        fits: (K,) how well each winner fits its peak's map, see `Analysis.fits`.
        rules: which stay, and which are painted.
    """
    scores = one.probabilities.astype(np.float64) * fits
    order = np.argsort(-scores, kind="stable")
    order = order[one.probabilities[order] >= rules.class_threshold]
    members, categories = one.members[chosen[order]], one.categories[order]
    kept = _kept(members, one.areas, categories, rules.nms)
    order, members, categories = order[kept], members[kept], categories[kept]
    painted = np.zeros(len(one.areas), np.int64)
    sure = np.count_nonzero(scores[order] >= (one.least if rules.least is None else rules.least))
    for regions, category in zip(members[:sure][::-1], categories[:sure][::-1], strict=True):  # the best on top
        painted[regions] = category + 1
    colours, place = np.unique(painted, return_inverse=True)
    confusion = np.zeros((len(colours), len(one.kinds)), np.int64)
    np.add.at(confusion, place, one.pixels)
    result = metrics.image_result(one.overlaps[chosen[order]], categories, scores[order], one.truth)
    target, overlap = result.best
    found = len(np.unique(target[overlap >= 0.5]))
    quality = float(result.same_class.max(0, initial=0).mean()) if len(one.truth) else float(not len(order))
    missed, wrong, cells = len(one.truth) - found, len(order) - found, np.ix_(one.kinds, colours)
    return PhotoFigures(quality, found, missed, wrong, result, cells, confusion.T)


def _kept(members: np.ndarray, areas: np.ndarray, categories: np.ndarray, most: float) -> list[int]:
    """Class-wise NMS of masks by falling score, as in `wsis.instances`: which stay."""
    if len(set(categories.tolist())) == len(categories):
        return list(range(len(categories)))
    weighted = members * areas
    common = weighted @ members.T.astype(np.float32)
    own = weighted.sum(1)
    clash = common / np.maximum(own[:, None] + own[None] - common, 1) > np.float32(most)
    if not own.all():  # too small for the grid: with itself a proposal has an IoU of 1, see `ProposalSet.iou`
        empty = own == 0
        clash |= (empty[:, None] & empty[None]) & (members[:, None] == members[None]).all(2)
    clash &= categories[:, None] == categories[None]
    kept: list[int] = []
    for i in range(len(categories)):
        if not clash[i, kept].any():
            kept.append(i)
    return kept


def _figures(photos: tuple[PhotoFigures, ...], classes: Sequence[str]) -> Figures:
    results = [photo.result for photo in photos]
    confusion = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for photo in photos:
        confusion[photo.cells] += photo.confusion
    precision = {threshold: metrics.average_precision(results, threshold) for threshold in THRESHOLDS}
    means = [float(np.mean(list(values.values()))) if values else 0.0 for values in precision.values()]
    truth = _joined([one.truth for one in results], (0,), np.int64)
    return Figures(
        map25=means[0],
        map50=means[1],
        map75=means[2],
        abo=metrics.abo(results),
        miou=metrics.mean_iou(confusion),
        masks_per_photo=float(np.mean([len(one.scores) for one in results])) if results else 0.0,
        ap50={classes[category]: value for category, value in precision[0.5].items()},
        counts={classes[category]: int((truth == category).sum()) for category in precision[0.5]},
        photos=photos,
    )


def _whole(settings: Settings | None) -> Settings:
    return replace(settings or Settings(), steps=STEPS, reading="cover")


def _terms(analysis: Analysis, step: int, reading: Reading) -> np.ndarray:
    """(K, N, 3) float32."""
    if reading == analysis.settings.reading:
        return analysis.terms[step]
    own = analysis.own_class_maps if reading == "prm-2018" else None
    return matching.terms(
        analysis.maps[step], analysis.proposals, reading, class_maps=own, binary=analysis.binary[step]
    )


def _joined(arrays: Sequence[np.ndarray], empty: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.concatenate(arrays) if len(arrays) else np.zeros(empty, dtype)


def _key(pipeline: Pipeline, pair: Pair, settings: Settings) -> str:
    """What a record follows from, as a file name.

    Raises:
        WsisError: a file cannot be read.
    """
    model = {"networks": export.header(pipeline.checkpoint), "classes": pipeline.classes}
    digest = hashlib.sha256(json.dumps([FORMAT, model, asdict(settings)], sort_keys=True).encode())
    for file in (pair.photo, pair.classes, pair.instances):
        try:
            digest.update(hashlib.sha256(file.read_bytes() if file else b"").digest())
        except OSError as error:
            raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _save(file: Path, one: Record) -> None:
    arrays = {field.name: getattr(one, field.name) for field in fields(Record)}
    arrays["members"] = np.packbits(one.members, axis=1)
    arrays["key"] = np.array(file.stem)  # a record that was copied to another's name is not believed
    with export.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _load(file: Path) -> Record | None:
    """A record from the disk; None where there is none or it is damaged."""
    if not file.is_file():  # what is no file might never end
        return None
    try:
        with np.load(file, allow_pickle=False) as content:
            if content["key"] != file.stem:
                return None
            arrays = {field.name: content[field.name] for field in fields(Record)}
        arrays["members"] = np.unpackbits(arrays["members"], axis=1, count=len(arrays["areas"])).astype(bool)
        os.utime(file)
        return Record(**arrays)
    except Exception:  # a damaged zip or header raises any of a dozen types; the photo is measured again
        return None
