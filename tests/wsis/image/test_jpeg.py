from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.helpers import profiles
from tests.helpers.bad_files import encoded, picture
from wsis.errors import WsisError
from wsis.image import read

NOISE = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
KINDS = {
    "plain": {}, "progressive": {"progressive": True}, "restart": {"restart_marker_rows": 1}, "fine": {"quality": 95},
    "whole": {"subsampling": 0}, "grey": {"grey": True}, "inks": {"inks": True},
}  # fmt: skip


def jpeg(pixels: np.ndarray = NOISE, grey: bool = False, inks: bool = False, **options: object) -> bytes:
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    return encoded(image.convert("CMYK") if inks else image, "JPEG", **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rest", [b"", b"\xff"])
def test_only_the_end_mark_is_missing(kind: str, rest: bytes) -> None:
    for pixels in (NOISE, picture()):
        whole = jpeg(pixels, **KINDS[kind])
        assert (read(whole[:-2] + rest) == read(whole)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_missing_too(kind: str) -> None:
    whole = jpeg(**KINDS[kind])
    start = whole.rindex(b"\xff\xda") + 20
    marks = [
        place for place in range(start, len(whole) - 2) if whole[place] == 0xFF and 0xD0 <= whole[place + 1] <= 0xD7
    ]
    for length in (
        *marks,
        *(place + 2 for place in marks),
        start,
        len(whole) // 2,
        len(whole) * 9 // 10,
        len(whole) - 6,
    ):
        with pytest.raises(WsisError, match="truncated"):
            read(whole[:length])


def test_a_turn_and_a_profile_are_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = jpeg(
        np.ascontiguousarray(np.rot90(picture())), exif=exif, icc_profile=profiles.rgb("Display P3"), quality=95
    )
    assert (read(content[:-2]) == read(content)).all()
    assert read(content[:-2]).shape == (48, 64, 3)
