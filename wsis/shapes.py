"""Masks as foreign files give them: COCO's RLE and polygons, rows of pixels, probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Size = tuple[int, int]
"""(height, width) in pixels."""
HALF = 0.5
"""Probability from which a pixel belongs to a mask."""
UNIT = 1.001
"""Greatest coordinate of a polygon in shares of the photo; some tools round a little beyond 1."""


class NoMaskError(ValueError):
    """There is nothing that could cover a pixel."""


class OtherSizeError(ValueError):
    """The mask belongs to a photo of another size, `found`."""

    def __init__(self, found: tuple[Any, ...]) -> None:
        """Keep the size (height, width) as the file gives it."""
        super().__init__("another size")
        self.found = found


def mask(shape: Any, size: Size, shares: bool = False) -> np.ndarray:
    """A shape painted.

    Args:
        shape: COCO's compressed or uncompressed RLE `{'size': [height, width], 'counts': ...}`; polygons, each
            [x, y, x, y, ...] or [[x, y], ...], or one such alone; or one row of numbers a line of pixels, see `binary`.
        size: of the photo.
        shares: coordinates of polygons are shares of the photo's width and height, see `in_shares`.

    Returns:
        (H, W) bool; what is too thin to cover the centre of a pixel is empty.

    Raises:
        NoMaskError: there is no shape, or none with an area.
        OtherSizeError: it has another size.
        ValueError: anything else is wrong with it.
    """
    if not shape and not isinstance(shape, (int, float)):
        raise NoMaskError("it has no mask")
    if isinstance(shape, dict):
        counts = runs(shape, size)
        return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size, order="F")
    if not isinstance(shape, list):
        raise ValueError("a text or a number is no mask")
    pixels = rows(shape, size)
    if pixels is not None:
        return pixels
    rings = polygons(shape, size, shares)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *size))).astype(bool)


def binary(values: np.ndarray) -> np.ndarray:
    """Pixels of one mask: true; above 0 where there is one other number; from one half on for probabilities.

    Args:
        values: of any shape, bool or numbers.

    Raises:
        ValueError: there are several numbers besides 0 and they are no probabilities in [0, 1].
    """
    if values.dtype == bool or not values.size:
        return values.astype(bool)
    low, high = values.min(), values.max()
    if not (low >= 0 and np.isfinite(high)):  # NaN is neither
        raise ValueError("it holds negative numbers or such as are not finite; expected 0 and 1, or probabilities")
    if values.dtype.kind == "f" and high <= 1:
        return values >= HALF
    above = values > 0
    if (values[above] != high).any():
        raise ValueError("it holds several numbers besides 0; expected 0 and 1, or probabilities up to 1")
    return above


def in_shares(shapes: Iterable[Any]) -> bool:
    """Whether polygons are given in shares of the photo: no coordinate is above 1, and some are no whole numbers."""
    fractions = False
    for shape in shapes:
        for ring in _rings_or_none(shape) if isinstance(shape, list) else ():
            if not ((ring >= 1 - UNIT) & (ring <= UNIT)).all():
                return False
            fractions |= bool((ring % 1).any())
    return fractions


def polygons(shape: list, size: Size, shares: bool = False) -> list[list[float]]:
    """Polygons as [x, y, x, y, ...] in pixels; those of fewer than three points have no area and are left out.

    Args:
        shape: see `mask`.
        size: of the photo.
        shares: see `mask`.

    Raises:
        NoMaskError: none is left.
        ValueError: they are no polygons, or lie far outside the photo.
    """
    found = []
    for ring in _rings(shape):
        if len(ring) % 2:
            raise ValueError("a polygon has an x without a y")
        if not (np.abs(ring) <= 2 * max(size)).all():  # pycocotools would take memory for long edges
            raise ValueError("a polygon lies far outside the photo")
        if len(ring) > 8 and np.isin(ring, (0, 1)).all():
            raise ValueError("a polygon holds only 0 and 1; pixels are given as one list for each row of the photo")
        if len(ring) >= 6:
            found.append((ring * (np.tile(size[::-1], len(ring) // 2) if shares else 1)).tolist())
    if not found:
        raise NoMaskError("a polygon is a list of x, y, x, y, ... of at least three points")
    return found


def runs(shape: dict, size: Size) -> np.ndarray:
    """Lengths of an RLE's runs down the columns, (R,) int64; pixels outside the mask come first.

    Raises:
        NoMaskError: it has neither `size` nor `counts`.
        OtherSizeError: it has another size.
        ValueError: it is damaged.
    """
    if "counts" not in shape and "size" not in shape:
        raise NoMaskError(f"it has only {', '.join(map(str, shape))}")
    found, counts = shape.get("size"), shape.get("counts")
    if not isinstance(found, (list, tuple)) or not isinstance(counts, (list, str)):
        raise ValueError("its 'size' or its 'counts' is missing")
    if tuple(found) != tuple(size):
        raise OtherSizeError(tuple(found))
    lengths = decompressed(counts.encode("utf-8", "surrogatepass")) if isinstance(counts, str) else _whole(counts)
    if lengths.min(initial=0) < 0 or lengths.sum() != size[0] * size[1]:
        raise ValueError(f"the runs add up to {lengths.sum()} pixels, not {size[0] * size[1]}")
    return lengths


def _whole(counts: list) -> np.ndarray:
    numbers = np.array([], np.int64) if not counts else _numbers(counts)
    if (numbers % 1).any() or not (np.abs(numbers) < 2**53).all():
        raise ValueError("'counts' holds what is no whole number")
    return numbers.astype(np.int64)


def rows(shape: list, size: Size) -> np.ndarray | None:
    """Rows of pixels as (H, W) bool; None where the lists are something else, polygons as a rule.

    Raises:
        OtherSizeError: they are of another size.
    """
    if not all(isinstance(row, list) and len(row) == len(shape[0]) for row in shape):
        return None
    if not all(type(value) in (bool, int, float) for row in shape for value in row):
        return None
    values = np.array(shape, np.float64) if shape[0] else np.zeros((0, 0))
    bits = min(values.shape) > 2 and np.isin(values, (0, 1)).all()
    if values.shape != tuple(size):
        if bits:
            raise OtherSizeError(values.shape)
        return None
    try:
        return binary(values)
    except ValueError:
        return None


def _rings_or_none(shape: list) -> list[np.ndarray]:
    try:
        return _rings(shape)
    except ValueError:
        return []


def _rings(shape: list) -> list[np.ndarray]:
    """Coordinates of each polygon, (2 P,) float64."""
    if not isinstance(shape[0] if shape else None, list):
        return [_numbers(shape)]
    if all(isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[0], list) for pair in shape):
        return [_numbers([value for pair in shape for value in pair])]
    rings = []
    for ring in shape:
        if not isinstance(ring, list):
            raise ValueError("a polygon is a list of x, y, x, y, ... of at least three points")
        pairs = bool(ring) and all(isinstance(pair, list) and len(pair) == 2 for pair in ring)
        rings.append(_numbers([value for pair in ring for value in pair] if pairs else ring))
    return rings


def _numbers(values: list) -> np.ndarray:
    if not all(type(value) in (int, float) for value in values):
        raise ValueError("a list holds what is no number")
    try:
        return np.array(values, np.float64)
    except OverflowError as error:  # JSON has integers of any length
        raise ValueError("a number is too large") from error


def decompressed(text: bytes) -> np.ndarray:
    """Run lengths of COCO's compressed RLE; pycocotools would decode a damaged string to pixels without a word.

    A number is little-endian, five bits a character, bit 6 set on all but its last character, bit 5 of the last one its
    sign; from the fourth number on they are differences to the last but one.
    """
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        raise ValueError("'counts' is no compressed RLE")
    last = np.flatnonzero(digits & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    place = 5 * (np.arange(len(digits)) - np.repeat(first, last - first + 1))
    if place.max() > 35:
        raise ValueError("'counts' holds a number of more than 35 bits")
    counts = np.add.reduceat((digits & 31) << place, first)
    counts -= np.where(digits[last] & 16, np.int64(32) << place[last], 0)
    for start in (1, 2):
        counts[start::2] = np.cumsum(counts[start::2])
    return counts
