"""Index PNGs of every depth give their numbers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.seeds import grey_png
from wsis import index_image, index_png
from wsis.errors import WsisError

SIZE = (6, 11)


def numbers(highest: int) -> np.ndarray:
    return np.linspace(0, highest, SIZE[0] * SIZE[1]).round().astype(np.int64).reshape(SIZE)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_greys(tmp_path, bits):
    (tmp_path / "a.png").write_bytes(grey_png(numbers(2**bits - 1), bits))
    found = index_png.read(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, numbers(2**bits - 1))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(tmp_path, bits):
    picture = Image.fromarray(numbers(2**bits - 1).astype(np.uint8))
    picture.putpalette([i % 256 for i in range(3 * 2**bits)])
    picture.save(tmp_path / "a.png", bits=bits)
    assert np.array_equal(index_png.read(tmp_path / "a.png"), numbers(2**bits - 1))


def test_16_bits(tmp_path):
    Image.fromarray(numbers(65535).astype(np.uint16)).save(tmp_path / "a.png")
    found = index_png.read(tmp_path / "a.png")
    assert found.dtype == np.uint16
    assert np.array_equal(found, numbers(65535))


@pytest.mark.parametrize("alpha", [False, True])
def test_vocs_colours_are_turned_back(tmp_path, alpha):
    pixels = index_image.palette()[numbers(255)]
    if alpha:
        clear = numbers(255)[..., None] > 0
        pixels = np.concatenate([np.where(clear, pixels, 77), clear * 255], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = index_png.read(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, numbers(255))


@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (255, 255, 255), (128, 0, 1), (128, 0, 0, 100)])
def test_other_colours_are_refused(tmp_path, colour):
    Image.new("RGBA" if len(colour) == 4 else "RGB", (4, 3), colour).save(tmp_path / "a.png")
    with pytest.raises(WsisError, match=r"colour image .*expected an index PNG"):
        index_png.read(tmp_path / "a.png")


def test_a_size_can_be_refused_before_pixels_are_unpacked(tmp_path):
    (tmp_path / "a.png").write_bytes(grey_png(numbers(3), 2)[:48])  # cut

    def refuse(size: tuple[int, int]) -> None:
        raise WsisError(f"not {size}")

    with pytest.raises(WsisError, match=r"not \(6, 11\)"):
        index_png.read(tmp_path / "a.png", refuse)
    with pytest.raises(WsisError, match="not a readable PNG"):
        index_png.read(tmp_path / "a.png")
