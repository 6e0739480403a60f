"""Random parts of a training photo, and its maps and masks cut to them."""

from __future__ import annotations

import cv2
import numpy as np

Box = tuple[float, float, float, float]
"""Relative top, left, height, width."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
LEAST_INSIDE = 0.4
"""Share of an instance that a crop must hold to teach it."""


def crop_box(mask: np.ndarray, rng: np.random.Generator, *, neighbours: bool) -> Box:
    """The whole photo, a random part of it, or the surroundings of a mask; the mask is not cut too short.

    Args:
        mask: (H, W) bool.
        rng: what draws.
        neighbours: widen half of the boxes, so that what stands beside the mask is seen.
    """
    kind = rng.integers(3)
    if kind == 0:
        return WHOLE
    box = _part(rng) if kind == 1 or not mask.any() else _surroundings(mask, rng)
    if neighbours and rng.random() < 0.5:
        box = _widened(box, 0.35)
    return box if share_inside(mask, box) >= LEAST_INSIDE else WHOLE


def random_crop(image: np.ndarray, scale: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A random rectangle of the photo: a share of its area drawn from `scale`, its aspect bent a little."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(*scale), np.exp(rng.uniform(-0.2, 0.2))
    crop_h = min(height, max(1, round(height * np.sqrt(area) * aspect)))
    crop_w = min(width, max(1, round(width * np.sqrt(area) / aspect)))
    y, x = rng.integers(0, height - crop_h + 1), rng.integers(0, width - crop_w + 1)
    return image[y : y + crop_h, x : x + crop_w]


def relit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels in [0, 1] with another contrast and brightness, in [0, 1] again."""
    return np.clip(pixels * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1), 0, 1)


def cut(array: np.ndarray, box: Box) -> np.ndarray:
    """The part of an (H, W, ...) array inside a relative box, at least one pixel."""
    height, width = array.shape[:2]
    top, left = min(int(box[0] * height), height - 1), min(int(box[1] * width), width - 1)
    bottom, right = max(top + 1, round((box[0] + box[2]) * height)), max(left + 1, round((box[1] + box[3]) * width))
    return array[top:bottom, left:right]


def resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, ...) to (*size, ...): averaged where it shrinks, linear where it grows."""
    shrinks = size[0] * size[1] < array.shape[0] * array.shape[1]
    return cv2.resize(array, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def window(coarse: np.ndarray, box: Box, side: int) -> np.ndarray:
    """A relative box of a coarse (h, w) map, sampled linearly to (side, side): a crop may be few of its cells."""
    height, width = coarse.shape
    scale_y, scale_x = box[2] * height / side, box[3] * width / side
    matrix = np.array(
        [
            [scale_x, 0, box[1] * width + 0.5 * scale_x - 0.5],
            [0, scale_y, box[0] * height + 0.5 * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(coarse, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def within(places: np.ndarray, box: Box) -> np.ndarray:
    """Relative (..., 2) places (y, x) of a photo as places of its crop; outside of [0, 1) they are not in it."""
    return ((places - np.array(box[:2])) / np.array(box[2:])).astype(np.float32)


def share_inside(mask: np.ndarray, box: Box) -> float:
    """How much of a mask lies in a box, in [0, 1]."""
    return float(cut(mask, box).sum() / max(1, mask.sum()))


def _part(rng: np.random.Generator) -> Box:
    height, width = rng.uniform(0.5, 1, 2)
    return float(rng.uniform(0, 1 - height)), float(rng.uniform(0, 1 - width)), float(height), float(width)


def _surroundings(mask: np.ndarray, rng: np.random.Generator) -> Box:
    sides = []
    for axis in (1, 0):
        filled = np.flatnonzero(mask.any(axis)) / mask.shape[1 - axis]
        low, high = filled[0], filled[-1] + 1 / mask.shape[1 - axis]
        before, after = (high - low) * rng.uniform(0.1, 1.0, 2) + 0.02
        sides.append((max(0.0, low - before), min(1.0, high + after)))
    (top, bottom), (left, right) = sides
    return float(top), float(left), float(bottom - top), float(right - left)


def _widened(box: Box, share: float) -> Box:
    """Larger by a share of its sides on every side, within the photo."""
    top, left, height, width = box
    above, before = max(0.0, top - share * height), max(0.0, left - share * width)
    below, after = min(1.0, top + (1 + share) * height), min(1.0, left + (1 + share) * width)
    return above, before, below - above, after - before
