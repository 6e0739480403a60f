from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from tests.fuzz.mutate import chunks, png
from tests.helpers.bad_files import encoded, picture
from wsis.errors import WsisError
from wsis.image import read
from wsis.image.png import MAX_PACKED

GREY, COLOURS, PALETTE = 0, 2, 3


def keyed(samples: np.ndarray, depth: int, kind: int, key: bytes) -> bytes:
    """A PNG of (H, W) or (H, W, 3) numbers with a transparent colour."""
    height, width = samples.shape[:2]
    bits = (samples.reshape(height, -1, 1).astype(np.uint32) >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if kind == PALETTE:
        parts.append((b"PLTE", bytes(value for i in range(1 << depth) for value in (i, 0, 0))))
    parts += [(b"tRNS", key), (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    return png(parts)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_white_at_every_depth(depth: int) -> None:
    most = (1 << depth) - 1
    for clear, left in ((0, most), (most, 0), (most // 2, most // 4)):
        samples = np.full((16, 20), left)
        samples[:, :10] = clear
        if clear == left:
            continue
        seen = read(keyed(samples, depth, GREY, struct.pack(">H", clear)))
        assert (seen[:, :10] == 255).all()
        assert np.abs(seen[:, 10:].astype(int) - round(left / most * 255)).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_exactly_that_colour(depth: int) -> None:
    step = 1 if depth == 16 else 3
    samples = np.full((16, 20, 3), (0x12, 0x34, 0x56)) * (256 if depth == 16 else 1) + 7
    key = struct.pack(">3H", *(int(value) for value in samples[0, 0]))
    samples[:, 10:] += step
    seen = read(keyed(samples, depth, COLOURS, key))
    assert (seen[:, :10] == 255).all()
    assert (seen[:, 10:] == (samples[:, 10:] >> (depth - 8))).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_entry_of_a_palette_is_white(depth: int) -> None:
    samples = np.zeros((16, 20), int)
    samples[:, 10:] = 1
    seen = read(keyed(samples, depth, PALETTE, b"\0\xff"))
    assert (seen[:, :10] == 255).all()
    assert (seen[:, 10:] == (1, 0, 0)).all()


@pytest.mark.parametrize("clear", [True, False])
def test_pixels_that_point_into_no_palette_are_damage(clear: bool) -> None:
    """Pillow opens such a file, and only asserts when its colours are asked for."""
    whole = chunks(keyed(np.zeros((16, 20), int), 8, PALETTE, b"\0\xff"))
    left_out = [b"PLTE"] if clear else [b"PLTE", b"tRNS"]
    with pytest.raises(WsisError, match="lacks the palette"):
        read(png([part for part in whole if part[0] not in left_out]))


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 3_000_000)),
        (b"tEXt", b"Comment\0" + b"a" * 3_000_000),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(MAX_PACKED - 1))),
    ],
)
@pytest.mark.parametrize("place", [1, -1])
def test_a_long_comment_is_no_damage(chunk: tuple[bytes, bytes], place: int) -> None:
    parts = chunks(encoded(picture(), "PNG"))
    parts.insert(place, chunk)
    assert (read(png(parts)) == picture()).all()
