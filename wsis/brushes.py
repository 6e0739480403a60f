"""Masks at the photo's own pixels: strokes of a round brush, and edges drawn to those of the photo."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from wsis.edits import Snap, Stroke

ROUNDS = 4
"""Of GrabCut."""
MOST_PIXELS = 700_000
"""On which edges are drawn: a larger cut-out is made smaller for that."""
MARGIN = 0.25
"""Around a mask's box, as a share of its longer side: what an edge may move into."""
BAND = 0.04
"""Half the width of the band in which an edge may move, as a share of the root of the mask's area."""


def stroked(size: tuple[int, int], stroke: Stroke) -> tuple[tuple[slice, slice], np.ndarray]:
    """What a stroke covers.

    A pixel's centre is at half pixels.

    Args:
        size: (H, W) of the photo.
        stroke: a line of points; a single one is a dot.

    Returns:
        The box that it lies in, (rows, columns), and (h, w) bool within it.
    """
    height, width = size
    points, radius = np.array(stroke.points, np.float64), stroke.radius
    left, top = np.clip(np.floor(points.min(0) - radius), 0, (width, height)).astype(int)
    right, low = np.clip(np.ceil(points.max(0) + radius), 0, (width, height)).astype(int)
    box = slice(top, max(low, top)), slice(left, max(right, left))
    y, x = (np.arange(side.start, side.stop) + 0.5 for side in box)
    covered: np.ndarray = np.zeros((len(y), len(x)), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = ((x[None] - x0) * dx + (y[:, None] - y0) * dy) / length if length else np.zeros(covered.shape)
        along = np.minimum(np.maximum(along, 0), 1)
        off_x, off_y = x[None] - (x0 + along * dx), y[:, None] - (y0 + along * dy)
        covered |= off_x * off_x + off_y * off_y <= radius * radius
    return box, covered


def applied(mask: np.ndarray, changes: Sequence[Stroke | Snap], image: np.ndarray) -> np.ndarray:
    """A mask after strokes and snaps, in their order.

    Args:
        mask: (H, W) bool; stays as it is.
        changes: what is done to it.
        image: (H, W, 3) uint8 RGB, the photo.

    Returns:
        (H, W) bool.
    """
    mask = mask.copy()
    for change in changes:
        if isinstance(change, Stroke):
            box, covered = stroked((mask.shape[0], mask.shape[1]), change)
            mask[box] = mask[box] & ~covered if change.erase else mask[box] | covered
        else:
            mask = snapped(mask, image, change.method)
    return mask


def snapped(mask: np.ndarray, image: np.ndarray, method: str) -> np.ndarray:
    """A mask whose edge follows edges of the photo; inside and outside of a band along it nothing changes.

    Args:
        mask: (H, W) bool.
        image: (H, W, 3) uint8 RGB.
        method: `grabcut` (Rother et al., 2004) or `guided filter` (He et al., 2010).

    Returns:
        (H, W) bool; the mask as it is where it is empty or full, or would lose all.
    """
    if not mask.any() or mask.all():
        return mask
    box = _around(mask)
    cut, photo = mask[box], image[box]
    scale = min(1.0, (MOST_PIXELS / cut.size) ** 0.5)
    width, height = (max(8, round(side * scale)) for side in cut.shape[::-1])
    small = cv2.resize(cut.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    seen = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    band = max(2, round(BAND * float(small.sum()) ** 0.5))
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    core, reach = cv2.erode(small, ellipse), cv2.dilate(small, ellipse)
    drawn = _grabcut(seen, small, core, reach) if method == "grabcut" else _guided(seen, small, band)
    drawn = np.where(core > 0, 1, np.where(reach > 0, drawn, 0)).astype(np.uint8)
    if not drawn.any():
        return mask
    result = np.zeros_like(mask)
    result[box] = cv2.resize(drawn, cut.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return result


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """The mask's box and a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    more = int(np.ceil(MARGIN * max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1))) + 2
    return (
        slice(max(rows[0] - more, 0), min(rows[-1] + more + 1, mask.shape[0])),
        slice(max(columns[0] - more, 0), min(columns[-1] + more + 1, mask.shape[1])),
    )


def _grabcut(image: np.ndarray, mask: np.ndarray, core: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(h, w) uint8 0 or 1."""
    labels = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[core > 0], labels[reach == 0] = cv2.GC_FGD, cv2.GC_BGD
    sure = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not sure.any() or sure.all():
        return mask
    cv2.setRNGSeed(0)  # its mixtures of colours start at random
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def _guided(image: np.ndarray, mask: np.ndarray, radius: int, ridge: float = 1e-3) -> np.ndarray:
    """(h, w) uint8 0 or 1: the mask filtered with the photo's lightness as its guide, cut at a half."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    values, side = mask.astype(np.float32), (2 * radius + 1,) * 2
    mean_guide, mean = cv2.blur(guide, side), cv2.blur(values, side)
    covariance = cv2.blur(guide * values, side) - mean_guide * mean
    slope = covariance / (cv2.blur(guide * guide, side) - mean_guide * mean_guide + ridge)
    offset = mean - slope * mean_guide
    return (cv2.blur(slope, side) * guide + cv2.blur(offset, side) > 0.5).astype(np.uint8)
