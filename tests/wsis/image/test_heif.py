from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import profiles
from tests.helpers.bad_files import encoded, picture
from wsis.errors import WsisError
from wsis.image import read

AVIF = encoded(picture(), "AVIF", quality=90)


def branded(major: bytes, *compatible: bytes, content: bytes = AVIF) -> bytes:
    """The same file under other brands; the length of its first box stays, as offsets count on it."""
    length = int.from_bytes(content[:4], "big")
    names = b"".join(compatible) + b"free" * 9
    return content[:8] + major + content[12:16] + names[: length - 16] + content[length:]


@pytest.mark.parametrize("major", [b"avif", b"mif1", b"msf1", b"miaf", b"MA1B", b"heic"])
def test_avif_is_read_whatever_its_major_brand(major: bytes) -> None:
    assert (read(branded(major, b"mif1", b"avif")) == read(AVIF)).all()


@pytest.mark.parametrize("major", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_heic_is_refused_with_what_would_help(major: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(WsisError, match=r"HEIC photo, which cannot be read here\. .*install pillow-heif"):
        read(branded(major, b"heic"))


def test_other_containers_are_not_called_heic() -> None:
    with pytest.raises(WsisError, match="not an image"):
        read(branded(b"isom", b"mp42"))


class TestWithPillowHeif:
    """What is made and read with the optional package."""

    @pytest.fixture(autouse=True)
    def _package(self) -> None:
        self.heif = pytest.importorskip("pillow_heif")

    def made(self, pixels: np.ndarray, **options: object) -> bytes:
        stream = io.BytesIO()
        self.heif.from_pillow(Image.fromarray(pixels)).save(stream, quality=100, chroma=444, **options)
        return stream.getvalue()

    def test_heic_is_read_and_turned(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        seen = read(self.made(np.ascontiguousarray(np.rot90(picture())), exif=exif.tobytes()))
        assert seen.shape == (48, 64, 3)
        assert np.abs(seen.astype(int) - picture())[4:20, 4:28].max() <= 4

    def test_its_profile_is_applied(self) -> None:
        plain, p3 = read(self.made(picture())), profiles.rgb("Display P3")
        seen = read(self.made(picture(), icc_profile=p3))
        assert np.abs(seen.astype(int) - profiles.in_srgb(plain, "Display P3")).max() <= 1

    def test_the_primary_picture_is_the_photo_and_never_a_small_copy(self) -> None:
        file = self.heif.HeifFile()
        file.add_from_pillow(Image.fromarray(picture()[::2, ::2].copy()))
        file.add_from_pillow(Image.fromarray(picture()))
        stream = io.BytesIO()
        file.save(stream, primary_index=1, quality=100)
        assert read(stream.getvalue()).shape == (48, 64, 3)
        assert read(self.made(picture(), thumbnails=[32])).shape == (48, 64, 3)

    def test_what_is_cut_or_too_large_is_refused(self) -> None:
        content = self.made(picture(96, 128))
        for length in (40, len(content) // 2, len(content) - 10):
            with pytest.raises(WsisError, match="damaged"):
                read(content[:length])
        with pytest.raises(WsisError, match="128 x 96 pixels"):
            read(content, 10_000)
