"""A hand-made analysis: three boxes in a photo twice the working size, two peaks, one enhancing step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.helpers.bad_files import picture
from wsis import matching, voc
from wsis.classifier import ClassMaps
from wsis.explorer.scene import Scene
from wsis.peaks import Peaks
from wsis.pipeline import Analysis, Evidence, Settings
from wsis.proposals import from_masks

CAT, DOG = voc.CLASSES.index("cat"), voc.CLASSES.index("dog")
SIZE, WORK = (96, 128), (48, 64)


def boxes() -> np.ndarray:
    """(3, 48, 64) bool: left, right, and a small one that overlaps the left."""
    masks = np.zeros((3, *WORK), bool)
    masks[0, 8:40, 4:28] = masks[1, 8:40, 36:60] = masks[2, 30:46, 20:34] = True
    return masks


def small_analysis() -> Analysis:
    """Peak 0, a cat, lies on the left box; peak 1, a dog, on the right one."""
    masks = boxes()
    proposals = from_masks(masks, source="boxes")
    maps = np.zeros((20, 6, 8), np.float32)
    maps[CAT, 3, 2] = maps[DOG, 3, 6] = 1
    scores = np.zeros(20, np.float32)
    scores[[CAT, DOG]] = 0.9, 0.6
    image, work = picture(*SIZE), picture(*WORK)
    edges = np.zeros(WORK, np.float32)
    evidence = Evidence(image, work, ClassMaps(maps, scores, voc.CLASSES), edges, proposals, proposals, {})
    place = np.array([3, 3]), np.array([2, 6])
    peaks = Peaks(np.array([CAT, DOG]), *place, np.ones(2, np.float32), scores[[CAT, DOG]])
    naive = masks[:2] * np.float32(0.5)
    grown = masks[:2].astype(np.float32)
    steps = np.stack([naive, grown])
    binary = steps > 0.2
    terms = np.stack([matching.terms(step, proposals) for step in steps])
    overlaps = np.stack([matching.overlap(step, proposals) for step in binary])
    thresholds = np.full((2, 2), 0.2, np.float32)
    settings = Settings(enhancer="spread")
    return Analysis(evidence, settings, peaks, steps, binary, thresholds, terms, overlaps)


def random_scene(rng: np.random.Generator, count: int = 3) -> Scene:
    """The small analysis with other terms; the third proposal is small, so all three can be told apart by area."""
    analysis = small_analysis()
    terms = rng.dirichlet((1, 1, 1), (2, 2, count)).astype(np.float32)  # equal sums: each can win
    return Scene(replace(analysis, terms=terms))


def empty_scene() -> Scene:
    analysis = small_analysis()
    nothing, no_number = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Scene(
        replace(
            analysis,
            peaks=Peaks(nothing, nothing, nothing, no_number, no_number),
            maps=analysis.maps[:, :0],
            binary=analysis.binary[:, :0],
            thresholds=analysis.thresholds[:, :0],
            terms=analysis.terms[:, :0],
            overlaps=analysis.overlaps[:, :0],
        )
    )


def crowd(count: int) -> Analysis:
    """The small analysis with so many instances, at most 20, each of a class of its own, on one of the boxes."""
    small, which = small_analysis(), np.arange(count) % 2
    scores = np.linspace(0.9, 0.2, 20, dtype=np.float32)
    maps = replace(small.evidence.class_maps, scores=scores)
    ones = np.ones(count, np.float32)
    peaks = Peaks(np.arange(count), np.full(count, 3), small.peaks.columns[which], ones, scores[:count])
    cells = ("maps", "binary", "thresholds", "terms", "overlaps")
    return replace(
        small,
        evidence=replace(small.evidence, class_maps=maps),
        peaks=peaks,
        **{name: getattr(small, name)[:, which] for name in cells},
    )
