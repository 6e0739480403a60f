"""What changed from one binary map to the next, and from which step on nothing does; the page counts the same."""

from __future__ import annotations

import numpy as np

SETTLED = 0.001
"""Share of the photo below which a change is none: a map whose later steps change less has settled."""


def shares(binary: np.ndarray) -> np.ndarray:
    """How much each step gained and lost.

    Args:
        binary: (T+1, h, w) bool, a peak's maps above their thresholds, step by step.

    Returns:
        (T, 2) float64 in [0, 1]: for step t = 1..T the shares of all pixels that it gained and lost to step t - 1.
    """
    before, after = binary[:-1], binary[1:]
    counted = np.stack([(after & ~before).sum((1, 2)), (before & ~after).sum((1, 2))], axis=1)
    return counted / max(binary[0].size, 1)


def settled(changed: np.ndarray) -> int | None:
    """The first step after which no step changes as much as `SETTLED`; None where only the last one is that.

    Args:
        changed: (T, 2), see `shares`.
    """
    moved = np.flatnonzero(changed.sum(1) >= SETTLED)
    last = int(moved[-1]) + 1 if len(moved) else 0
    return last if last < len(changed) else None
