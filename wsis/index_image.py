"""Index images: pixels that are numbers of classes or instances, in 8 bits or in 16, and which of them say nothing."""

from __future__ import annotations

import numpy as np

VOID = 255
"""Index of unlabelled pixels in 8 bits, as in VOC; they count neither for nor against a mask."""
VOID_16 = 65535
"""The same in 16 bits, as trainings on data sets of many classes read it; 255 is a number like any other there."""


def index_type(highest: int) -> type[np.uint8] | type[np.uint16]:
    """The kind of an index image with numbers up to `highest`: 8 bits while 255 stays free for void, else 16 bits.

    Raises:
        ValueError: they do not fit into 16 bits.
    """
    if highest >= VOID_16:
        raise ValueError(f"an index image holds numbers up to {VOID_16 - 1}, not {highest}")
    return np.uint8 if highest < VOID else np.uint16


def void_of(index: np.ndarray) -> int:
    """The number that is void in an index image: 65535 of uint16, else 255."""
    return VOID_16 if index.dtype == np.uint16 else VOID


def labelled(index: np.ndarray) -> np.ndarray:
    """Where an index image says something, background included: everywhere but on void."""
    return index != void_of(index)


def palette() -> np.ndarray:
    """VOC's colour map, as its devkit computes it; it is defined for any 8 bits.

    Returns:
        (256, 3) uint8 RGB; row 0 is background, row 255 void.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours
