from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.helpers.bad_files import encoded, picture
from wsis.image import read

MASKS = {
    "BGRA": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "RGBA": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "ABGR": (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
}


def bmp(pixels: np.ndarray, alpha: int | np.ndarray, header: int, order: str = "BGRA") -> bytes:
    """A 32-bit BMP with a mask of alpha, as Windows' clipboard hands it out (56, V4 and V5 headers)."""
    height, width = pixels.shape[:2]
    bands = {
        "R": pixels[..., 0],
        "G": pixels[..., 1],
        "B": pixels[..., 2],
        "A": np.broadcast_to(alpha, (height, width)),
    }
    rows = np.stack([bands[band] for band in order], -1)[::-1].astype(np.uint8).tobytes()
    info = struct.pack("<IiiHHIIiiII4I", header, width, height, 1, 32, 3, len(rows), 0, 0, 0, 0, *MASKS[order])
    info = info.ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + header + len(rows), 0, 0, 14 + header) + info + rows


@pytest.mark.parametrize("header", [56, 108, 124])
@pytest.mark.parametrize("order", MASKS)
def test_an_alpha_that_nobody_filled_hides_nothing(header: int, order: str) -> None:
    assert (read(bmp(picture(), 0, header, order)) == picture()).all()
    assert (read(bmp(picture(), 255, header, order)) == picture()).all()
    some = np.zeros((48, 64), np.uint8)
    some[:, :32] = 255
    assert (read(bmp(picture(), some, header, order)) == np.where(some[..., None] > 0, picture(), 255)).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_elsewhere_what_is_transparent_everywhere_is_white(kind: str) -> None:
    clear = np.dstack([picture(), np.zeros((48, 64), np.uint8)])
    assert (read(encoded(clear, kind)) == 255).all()
