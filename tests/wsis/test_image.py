from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.bad_files import bad, encoded, picture, unusual
from wsis.errors import WsisError
from wsis.image import MAX_PIXELS, SUFFIXES, read, resized

BAD, UNUSUAL = bad(), unusual()


@pytest.mark.parametrize("name", BAD)
def test_refuses_with_one_sentence_that_names_the_file(name: str, tmp_path: Path) -> None:
    content, pattern = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WsisError, match=pattern) as error:
        read(tmp_path / name)
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)
    with pytest.raises(WsisError, match=pattern):
        read(content)


def test_the_large_ones_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    for name in ("huge.png", "large.png", "bomb.png", "dot.png"):
        with pytest.raises(WsisError, match="pixels"):
            read(BAD[name][0])


def test_no_warning_between_pillows_limit_and_ours(recwarn: pytest.WarningsRecorder) -> None:
    side = int(MAX_PIXELS**0.5)
    with pytest.raises(WsisError, match="truncated"):  # the size is accepted, the pixels are missing
        read(_header_only(side))
    assert not recwarn


def _header_only(side: int) -> bytes:
    from tests.helpers.bad_files import png

    return png(side, side)


@pytest.mark.parametrize("name", UNUSUAL)
def test_reads_what_cameras_and_editors_write(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(UNUSUAL[name])
    image = read(tmp_path / name)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert image.flags.c_contiguous
    inner = np.ones((48, 64), bool)
    inner[20:28] = inner[:, 28:36] = False  # JPEG blurs the borders of the quarters
    assert np.abs(image.astype(int) - picture())[inner].max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_turn(orientation: int) -> None:
    upright = picture()
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright), 7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (read(encoded(np.ascontiguousarray(stored), "PNG", exif=exif.tobytes())) == upright).all()


def test_broken_exif_is_no_reason_to_refuse() -> None:
    content = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12garbage", quality=95)
    assert read(content).shape == (48, 64, 3)


def test_transparent_shows_white() -> None:
    image = np.dstack([picture(), np.zeros((48, 64), np.uint8)])
    image[:, 32:, 3] = 128
    seen = read(encoded(image, "PNG"))
    assert (seen[:, :32] == 255).all()
    assert np.abs(seen[:, 32:].astype(int) - (picture()[:, 32:] * (128 / 255) + 255 * (127 / 255))).max() <= 1
    palette = Image.fromarray(picture()).quantize(8)
    assert (read(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))))[0, 0] == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_keeps_its_brightness(kind: str) -> None:
    values = np.repeat(np.array([0, 128, 32768, 65535], np.uint16), 12)[:, None].repeat(40, 1)
    seen = read(encoded(Image.fromarray(values), kind))
    assert (seen[::12, 0] == np.array([0, 0, 128, 255])[:, None]).all()


def test_one_photo_from_every_kind_of_source(tmp_path: Path) -> None:
    content = encoded(picture(), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    for source in (
        path,
        str(path),
        content,
        io.BytesIO(content),
        Image.open(path),
        picture(),
        picture().astype(np.uint16) * 257,
    ):
        assert (read(source) == picture()).all()
    with path.open("rb") as stream:
        assert (read(stream) == picture()).all()
    grey = picture()[..., 0]
    assert (read(grey) == grey[..., None]).all()


def test_an_array_is_copied() -> None:
    source = picture()
    read(source)[:] = 0
    assert (source == picture()).all()


@pytest.mark.parametrize(
    "array", [np.zeros((48, 64, 3), np.float32), np.zeros((48, 64, 2), np.uint8), np.zeros(48, np.uint8)]
)
def test_arrays_that_are_no_images(array: np.ndarray) -> None:
    with pytest.raises(WsisError, match=r"expected \(H, W, 3\) uint8 RGB, got"):
        read(array)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="There is no file"):
        read(tmp_path / "none.jpg")
    with pytest.raises(WsisError, match="is a folder"):
        read(tmp_path)


def test_resized_keeps_the_ratio_and_never_enlarges() -> None:
    image = picture(480, 640)
    small = resized(image, 448)
    assert small.shape == (336, 448, 3)
    assert (small[100, 100] == image[100, 100]).all()
    assert resized(image, 640) is image
    assert resized(image.swapaxes(0, 1), 64).shape == (64, 48, 3)
    assert resized(np.zeros((16, 3000), np.float32), 100).shape == (1, 100)


def test_folders_are_searched_for_everything_that_can_be_read() -> None:
    assert {Path(name).suffix for name in UNUSUAL} <= SUFFIXES
    assert {".mpo", ".jpe", ".pbm", ".pnm", ".heic", ".hif"} <= SUFFIXES
