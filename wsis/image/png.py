"""What Pillow leaves to others in a PNG: long texts, and a transparent colour of fewer or more than 8 bits."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from wsis.image.opencv import decoded

MAX_PACKED = 64 * 2**20
"""Bytes that a text or profile may unpack to; by itself Pillow calls sound PNGs with more than a megabyte damaged."""
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PACKED

_LEVELS = {"L;2": 85, "L;4": 17}


def raw_mode(image: Image.Image) -> str:
    """How an opened PNG stores its pixels, as Pillow names it; empty once they are decoded."""
    tiles = getattr(image, "tile", None)
    return str(tiles[0][3]) if image.format == "PNG" and tiles else ""


def mend_transparency(image: Image.Image, stored: str, stream: BinaryIO | None) -> Image.Image:
    """A PNG whose one transparent colour is meant at the depth of the file.

    Args:
        image: decoded, before it is turned.
        stored: its `raw_mode` before it was decoded.
        stream: the file, where there is one.

    Returns:
        The same image, or one of mode RGBA.
    """
    key = image.info.get("transparency")
    if stored in _LEVELS and isinstance(key, int):
        image.info["transparency"] = key * _LEVELS[stored]
    elif stored == "RGB;16B" and isinstance(key, tuple) and stream is not None:
        stream.seek(0)
        deep = decoded(stream.read())
        if deep is not None and deep.shape == (image.height, image.width, 4):
            del image.info["transparency"]
            image.putalpha(Image.fromarray(np.where(deep[..., 3] > 0, np.uint8(255), np.uint8(0))))
    return image
