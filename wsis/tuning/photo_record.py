"""One photo measured: what its figures follow from, whatever the weights of Eq. 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wsis import ground_truth, image, index_image, matching
from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth
from wsis.matching import READINGS
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.shared_classes import SharedClasses, shared

STEPS = 4


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
        judged: (U,) bool, candidates that count, see `wsis.ground_truth.Overlaps`.
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
    judged: np.ndarray
    kinds: np.ndarray
    pixels: np.ndarray
    terms: np.ndarray
    fits: np.ndarray
    candidates: np.ndarray
    starts: np.ndarray
    least: np.ndarray

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        total, peaks, members = len(self.terms), len(self.categories), len(self.members)
        shapes = {
            "terms": (total, 3),
            "fits": (total,),
            "candidates": (total,),
            "probabilities": (peaks,),
            "members": (members, *self.areas.shape),
            "overlaps": (members, len(self.truth)),
            "judged": (members,),
            "pixels": (*self.areas.shape, *self.kinds.shape),
        }
        for name, expected in shapes.items():
            if (shape := getattr(self, name).shape) != expected:
                raise ValueError(f"{name}: expected {expected}, got {shape}")
        fronts, each = len(self.starts) - 1, max(len(READINGS) * peaks, 1)
        if fronts % each or self.starts[-1] != total:
            raise ValueError(
                f"starts: expected a multiple of {each} fronts that end at {total}, got {fronts} that end at "
                f"{self.starts[-1]}"
            )
        if total and not 0 <= self.candidates.min() <= self.candidates.max() < members:
            raise ValueError(
                f"candidates: expected indices below {members}, got {self.candidates.min()} to {self.candidates.max()}"
            )

    def fronts(self, step: int, reading: str) -> np.ndarray:
        """(K + 1,) where the fronts of each peak begin; a step beyond the last means the last."""
        peaks = len(self.categories)
        if not peaks:
            return np.zeros(1, np.int64)
        steps = (len(self.starts) - 1) // (len(READINGS) * peaks)
        first = (READINGS.index(reading) * steps + min(step, steps - 1)) * peaks
        return self.starts[first : first + peaks + 1]


def measure(pipeline: Pipeline, pair: Pair, settings: Settings | None = None) -> Record:
    """Analyse a photo and keep what any weights, step and reading need; a second or two.

    Args:
        pipeline: the model.
        pair: photo and masks; classes that only one of both knows are left out, see `wsis.shared_classes`.
        settings: how to look; `steps` is set to 4 and the reading does not matter.

    Raises:
        WsisError: photo or masks cannot be read, or have different sizes; or they share no class with the model.
    """
    settings = whole(settings)
    photo = image.read(pair.photo)
    common = shared(pair.names, pipeline.classes, pipeline.name)
    truth = ground_truth.of_pair(pair, common)
    if photo.shape[:2] != truth.semantic.shape:
        (height, width), (rows, columns) = photo.shape[:2], truth.semantic.shape
        raise WsisError(
            f"{pair.photo.name} has {width} x {height} pixels, its mask {columns} x {rows}. Save both in one size."
        )
    return record(pipeline.analyse(photo, settings), truth, common)


def record(analysis: Analysis, truth: GroundTruth, common: SharedClasses | None = None) -> Record:
    """The record of an analysis whose terms are those of the reading `cover`, see `Record`.

    Args:
        analysis: of the photo.
        truth: its masks, in the classes of `common`.
        common: the classes that count; None where `truth` is in the model's own.
    """
    proposals = analysis.proposals
    common = common or shared(None, analysis.classes)
    categories = common.of_model[analysis.peaks.classes]
    peaks = np.flatnonzero(categories >= 0) if len(proposals) else np.zeros(0, np.int64)
    steps = len(analysis.maps)
    indices, kept, fits = [], [], []
    for reading in READINGS if len(peaks) else ():
        class_maps = analysis.peak_class_maps if reading == "prm-2018" else None
        for step in range(steps):
            terms = analysis.rated(analysis.terms_at(step, reading, class_maps), reading)
            for peak in peaks:
                front = matching.pareto(terms[peak])
                indices.append(front)
                kept.append(terms[peak, front])
                fits.append(analysis.fits[step, peak, front])
    candidates, members = np.unique(joined(indices, (0,), np.int64), return_inverse=True)
    shown = analysis.evidence.source.resized(analysis.evidence.size)
    valid = index_image.labelled(truth.semantic)
    kinds, places = np.unique(truth.semantic[valid], return_inverse=True)
    regions = len(proposals.region_areas)
    flat = shown.labels[valid].astype(np.int64) * max(len(kinds), 1) + places
    overlaps = ground_truth.overlaps(shown, truth)[candidates]
    return Record(
        categories=categories[peaks].astype(np.int64),
        probabilities=analysis.peaks.probabilities[peaks].astype(np.float32),
        truth=truth.categories,
        members=proposals.membership[candidates],
        areas=proposals.region_areas.astype(np.float32),
        overlaps=overlaps.iou.astype(np.float32),
        judged=overlaps.judged,
        kinds=kinds.astype(np.int64),
        pixels=np.bincount(flat, minlength=regions * len(kinds)).reshape(regions, len(kinds)),
        terms=joined(kept, (0, 3), np.float32),
        fits=joined(fits, (0,), np.float32),
        candidates=members.astype(np.int32),
        starts=np.cumsum([0, *(len(front) for front in indices)]),
        least=np.array(analysis.least),
    )


def whole(settings: Settings | None) -> Settings:
    """Settings whose analysis holds all that a record needs."""
    return replace(settings or Settings(), steps=STEPS, reading="cover")


def joined(arrays: Sequence[np.ndarray], empty: tuple[int, ...], dtype: type) -> np.ndarray:
    """Arrays one after the other; of none, an array of the shape `empty`."""
    return np.concatenate(arrays) if len(arrays) else np.zeros(empty, dtype)
