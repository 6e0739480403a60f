"""A hand-made analysis: three boxes in a photo twice the working size, two peaks, one enhancing step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.helpers.bad_files import picture
from wsis import matching, voc
from wsis.analysis import Analysis, Evidence, Glance, ObjectMaps, Settings
from wsis.explorer.scene import Scene
from wsis.maps import ClassMaps
from wsis.peaks import Peaks
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
    glance = Glance(image, work, ClassMaps(maps, scores, voc.CLASSES), {})
    evidence = Evidence(glance, edges, proposals, proposals, {})
    place = np.array([3, 3]), np.array([2, 6])
    peaks = Peaks(np.array([CAT, DOG]), *place, np.ones(2, np.float32), scores[[CAT, DOG]], (6, 8))
    naive = masks[:2] * np.float32(0.5)
    grown = masks[:2].astype(np.float32)
    steps = np.stack([naive, grown])
    binary = steps > 0.2
    terms = np.stack([matching.terms(step, proposals) for step in steps])
    overlaps = np.stack([matching.iou(step, proposals) for step in binary])
    thresholds = np.full((2, 2), 0.2, np.float32)
    settings = Settings(enhancer="spread")
    return Analysis(evidence, settings, peaks, steps, binary, thresholds, terms, overlaps)


def with_class_maps(evidence: Evidence, **changes: Any) -> Evidence:
    """The same photo, other class maps: fields of `ClassMaps` by name."""
    glance = evidence.glance
    return replace(evidence, glance=replace(glance, class_maps=replace(glance.class_maps, **changes)))


def with_objects() -> Analysis:
    """The small analysis with maps of objects: that of each peak is the other one's region."""
    plain = small_analysis()
    maps, binary = plain.maps[1, ::-1].copy(), plain.binary[1, ::-1].copy()
    terms, overlaps = matching.terms(maps, plain.proposals), matching.iou(binary, plain.proposals)
    objects = ObjectMaps(maps, binary, np.full(2, 0.4, np.float32), terms, overlaps)
    return replace(plain, objects=objects)


def random_scene(rng: np.random.Generator, count: int = 3) -> Scene:
    """The small analysis with other terms; the third proposal is small, so all three can be told apart by area."""
    analysis = small_analysis()
    terms = rng.dirichlet((1, 1, 1), (2, 2, count)).astype(np.float32)  # equal sums: each can win
    return Scene(replace(analysis, terms=terms))


def empty_scene() -> Scene:
    analysis = small_analysis()
    return Scene(
        replace(
            analysis,
            peaks=analysis.peaks[:0],
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
    ones = np.ones(count, np.float32)
    peaks = Peaks(np.arange(count), np.full(count, 3), small.peaks.columns[which], ones, scores[:count], (6, 8))
    cells = ("maps", "binary", "thresholds", "terms", "overlaps")
    return replace(
        small,
        evidence=with_class_maps(small.evidence, scores=scores),
        peaks=peaks,
        **{name: getattr(small, name)[:, which] for name in cells},
    )
