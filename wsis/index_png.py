"""PNGs whose pixels are numbers: labels of proposals, classes or instances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from wsis import image, index_image
from wsis.errors import WsisError

_SPREAD = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies greys of few bits by, so that the highest is white."""


def read(file: Path, check: Callable[[tuple[int, int]], None] = lambda _: None) -> np.ndarray:
    """Numbers of an index PNG: indices of a palette, greys of 1 to 16 bits, or VOC's colours turned back.

    Args:
        file: a PNG.
        check: told (height, width) before any pixel is unpacked; it may raise.

    Returns:
        (H, W) uint8 of up to 8 bits, uint16 of 16; what is void in them is said by `wsis.index_image.void_of`.

    Raises:
        WsisError: it is missing, no PNG, damaged, too large, or in colours other than VOC's.
    """
    try:
        with Image.open(file, formats=("PNG",)) as picture:  # others draw, or run another program (EPS)
            check((picture.height, picture.width))
            if picture.width * picture.height > image.MAX_PIXELS:
                raise WsisError(f"{file.name} has too many pixels. Make photo and masks smaller.")
            mode = picture.mode
            spread = _SPREAD.get(str(picture.tile[0][3])) if picture.tile else None
            pixels = np.array(picture)
    except WsisError:
        raise
    except Exception as error:  # Pillow raises many types on damaged files
        raise WsisError(f"{file.name} in {file.parent.name} is not a readable PNG. Save it again.") from error
    if mode in ("P", "L", "1"):
        return pixels.astype(np.uint8) // (spread or 1)
    if mode in ("I", "I;16"):
        return pixels.astype(np.uint16)
    index = _voc_index(pixels) if mode in ("RGB", "RGBA") else None
    if index is None:
        raise WsisError(
            f"{file.name} is a colour image ({mode}); expected an index PNG, grey or with a palette, or VOC's colours."
        )
    return index


def _voc_index(pixels: np.ndarray) -> np.ndarray | None:
    """(H, W) uint8 of (H, W, 3 or 4) uint8 in VOC's colours; None where there are others, or nothing but black."""
    if pixels.shape[2] == 4:
        if not np.isin(pixels[..., 3], (0, 255)).all():
            return None
        pixels = pixels[..., :3] * (pixels[..., 3:] == 255)
    table = np.full(1 << 24, -1, np.int16)
    table[_codes(index_image.palette())] = np.arange(256)
    index = table[_codes(pixels)]
    return index.astype(np.uint8) if index.min() >= 0 and index.any() else None


def _codes(colours: np.ndarray) -> np.ndarray:
    return colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
