"""Peaks put into an analysis and taken out of it, with everything that hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from wsis.analysis import Analysis, ObjectMaps
from wsis.hands import Hands
from wsis.peaks import Peaks

BY_PEAK = ("maps", "binary", "thresholds", "terms", "overlaps")
"""Arrays of an analysis whose second axis, and of `ObjectMaps` whose first, are its peaks."""


def joined(first: Peaks, second: Peaks) -> Peaks:
    """Peaks of two, those of the first before those of the second; both are of one grid."""
    names = [part.name for part in fields(Peaks) if part.name != "grid"]
    both: dict[str, Any] = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    return replace(first, **both)


def put(analysis: Analysis, fresh: Analysis, row: int, hands: Hands, at: int = 0) -> Analysis:
    """With peak `at` of another analysis in a row, or after the last one."""
    peaks = joined(joined(analysis.peaks[:row], fresh.peaks[at : at + 1]), analysis.peaks[row + 1 :])
    arrays: dict[str, Any] = {name: _set(getattr(analysis, name), getattr(fresh, name), row, at, 1) for name in BY_PEAK}
    objects = analysis.objects
    if objects is not None and fresh.objects is not None:
        objects = ObjectMaps(
            **{name: _set(getattr(objects, name), getattr(fresh.objects, name), row, at, 0) for name in BY_PEAK}
        )
    responses = analysis.responses
    if responses is not None and fresh.responses is not None:
        responses = _set(responses, fresh.responses, row, at, 0)
    return replace(analysis, peaks=peaks, objects=objects, responses=responses, hands=hands, **arrays)


def _set(old: np.ndarray, new: np.ndarray, row: int, at: int, axis: int) -> np.ndarray:
    before, after = range(row), range(row + 1, old.shape[axis])
    return np.concatenate([np.take(old, before, axis), np.take(new, [at], axis), np.take(old, after, axis)], axis)


def without(analysis: Analysis, rows: Sequence[int]) -> Analysis:
    """Without some peaks."""
    stays = np.delete(np.arange(len(analysis.peaks)), rows)
    arrays: dict[str, Any] = {name: np.take(getattr(analysis, name), stays, 1) for name in BY_PEAK}
    objects = analysis.objects
    if objects is not None:
        objects = ObjectMaps(**{name: np.take(getattr(objects, name), stays, 0) for name in BY_PEAK})
    hands = analysis.hands
    assert hands is not None
    left = replace(hands, rows=tuple(hands.rows[row] for row in stays))
    responses = None if analysis.responses is None else analysis.responses[stays]
    return replace(analysis, peaks=analysis.peaks[stays], objects=objects, responses=responses, hands=left, **arrays)
