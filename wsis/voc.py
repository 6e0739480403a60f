"""The 20 PASCAL VOC classes in their official order, and VOC's palette for exported PNGs."""

from __future__ import annotations

import numpy as np

CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Class names; VOC's `category_id` of `CLASSES[i]` is `i + 1`, 0 is background."""

VOID = 255
"""Index of pixels that VOC leaves unlabelled; they count neither for nor against a mask. Only in 8 bits."""


def index_type(highest: int) -> type[np.uint8] | type[np.uint16]:
    """The kind of an index image with numbers up to `highest`: 8 bits while 255 stays free for void, else 16 bits."""
    return np.uint8 if highest < VOID else np.uint16


def labelled(index: np.ndarray) -> np.ndarray:
    """Where an index image says something, background included: everywhere but on void; of 16 bits everywhere."""
    return (index != VOID) | (index.dtype == np.uint16)


def palette() -> np.ndarray:
    """VOC's colour map, as its devkit computes it.

    Returns:
        (256, 3) uint8 RGB; row 0 is background, rows 1..20 the classes, row 255 void.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours
