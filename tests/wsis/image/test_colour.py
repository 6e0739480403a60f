from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.fuzz.mutate import chunks, png
from tests.helpers import profiles
from tests.helpers.bad_files import encoded
from wsis.image import read

COLOURS = ((200, 60, 40), (60, 190, 70), (50, 70, 210), (180, 140, 110))
FORMATS = {
    "PNG": {}, "TIFF": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}  # fmt: skip
SPELLINGS = {
    "littleCMS": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "a table of 1024": profiles.rgb(name="sRGB IEC61966-2.1"),
    "without a name": profiles.rgb(name=""),
}


def flat(colours: tuple = COLOURS) -> np.ndarray:
    """(48, 64, 3) uint8 quarters."""
    return np.array(colours, np.uint8).reshape(2, 2, 3).repeat(24, 0).repeat(32, 1)


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)


def near(seen: np.ndarray, wanted: np.ndarray, most: int = 1) -> bool:
    """Away from the borders, which some formats blur."""
    places = [12, 36], [16, 48]
    return bool(np.abs(seen[np.ix_(*places)].astype(int) - wanted[np.ix_(*places)]).max() <= most)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("primaries", "gamma", "swapped"),
    [("Display P3", None, False), ("Adobe RGB", None, False), ("sRGB", 1.0, False), ("sRGB", None, True)],
)
def test_a_profile_of_colours_is_applied_in_every_format(
    kind: str, primaries: str, gamma: float | None, swapped: bool
) -> None:
    content = encoded(flat(), kind, icc_profile=profiles.rgb(primaries, gamma, swapped), **FORMATS[kind])
    stored = read(encoded(flat(), kind, **FORMATS[kind]))
    assert near(stored, flat(), 2)
    stored = stored[..., [1, 0, 2]] if swapped else stored
    wanted = profiles.in_srgb(stored, primaries, profiles.GAMMA[primaries] if gamma is None else gamma)
    assert near(read(content), wanted)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "AVIF"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_a_profile_of_grey_is_applied(kind: str, gamma: float) -> None:
    content = encoded(flat()[..., 0], kind, icc_profile=profiles.grey(gamma))
    wanted = profiles.in_srgb(np.repeat(flat()[..., :1], 3, 2), gamma=gamma)
    assert near(read(content), wanted, 2)
    assert (
        read(encoded(np.full((48, 64), 60, np.uint8), "PNG", icc_profile=profiles.grey(1)))[0, 0].tolist() == [133] * 3
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_converted_before_it_is_cut_to_eight(kind: str) -> None:
    dark = np.full((48, 64), 100, np.uint16)  # of 65535, in linear light: 12.92 * 255 * 100 / 65535 = 5 of 255
    assert read(encoded(Image.fromarray(dark), kind, icc_profile=profiles.grey(1)))[0, 0].tolist() == [5, 5, 5]


def test_palette_alpha_one_bit_and_a_turn_go_with_a_profile() -> None:
    p3, wanted = profiles.rgb("Display P3"), profiles.in_srgb(flat(), "Display P3")
    palette = Image.fromarray(flat()).quantize(4)
    assert near(read(encoded(palette, "PNG", icc_profile=p3)), wanted)
    clear = palette.getpixel((0, 0))
    seen = read(encoded(palette, "PNG", icc_profile=p3, transparency=clear))
    assert (seen[0, 0] == 255).all()
    assert near(seen[:, ::-1], np.where(np.arange(64)[:, None] < 32, wanted[:, ::-1], seen[:, ::-1]))
    for kind in ("PNG", "TIFF", "WEBP"):
        half = np.dstack([flat(), np.full((48, 64), 128, np.uint8)])
        mixed = wanted * (128 / 255) + 255 * (127 / 255)
        assert near(read(encoded(half, kind, icc_profile=p3, **FORMATS[kind])), mixed)
    grey = np.dstack([flat()[..., 0], np.full((48, 64), 255, np.uint8)])
    assert near(
        read(encoded(Image.fromarray(grey, "LA"), "PNG", icc_profile=profiles.grey(1))),
        profiles.in_srgb(np.repeat(flat()[..., :1], 3, 2), gamma=1),
    )
    bits = Image.fromarray(flat()[..., 0] > 100)
    assert (read(encoded(bits, "PNG", icc_profile=profiles.grey(1))) == (flat()[..., :1] > 100) * 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(flat()))
    assert near(read(encoded(stored, "PNG", icc_profile=p3, exif=exif.tobytes())), wanted)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_go_by_their_profile(kind: str) -> None:
    inks = np.zeros((48, 64, 4), np.uint8)
    inks[..., 0], inks[:, 32:, 3] = 255, 255
    options = {"quality": 95} if kind == "JPEG" else {}
    seen = read(encoded(Image.fromarray(inks, "CMYK"), kind, icc_profile=profiles.cmyk(), **options))
    assert (seen[24, 8] > 250).all()  # this printer's cyan is as white as its paper
    assert (seen[24, 56] < 5).all()


@pytest.mark.parametrize("name", SPELLINGS)
def test_srgb_in_any_spelling_changes_no_bit(name: str) -> None:
    pixels, profile = noise(), SPELLINGS[name]
    for kind in ("PNG", "TIFF", "WEBP"):
        assert (read(encoded(pixels, kind, icc_profile=profile, **FORMATS[kind])) == pixels).all()
    jpeg = encoded(pixels, "JPEG", icc_profile=profile)
    assert (read(jpeg) == read(encoded(pixels, "JPEG"))).all()


@pytest.mark.parametrize(
    "profile",
    [b"no profile", b"\0" * 200, profiles.rgb("Display P3")[:300], profiles.grey(1), profiles.cmyk(), profiles.lab()],
    ids=["words", "zeros", "cut", "grey", "inks", "Lab"],
)
def test_what_is_no_profile_of_this_photo_is_ignored(profile: bytes) -> None:
    assert (read(encoded(noise(), "PNG", icc_profile=profile)) == noise()).all()
    for kind in ("JPEG", "AVIF"):
        assert (read(encoded(noise(), kind, icc_profile=profile)) == read(encoded(noise(), kind))).all()
    inks = Image.fromarray(noise()).convert("CMYK")
    plain = read(encoded(inks, "TIFF"))
    if profile != profiles.cmyk():
        assert (read(encoded(inks, "TIFF", icc_profile=profile)) == plain).all()
    if profile != profiles.grey(1):
        assert (read(encoded(noise()[..., 0], "PNG", icc_profile=profile)) == noise()[..., :1]).all()


def test_a_profile_of_colours_says_nothing_of_grey() -> None:
    content = encoded(noise()[..., 0], "PNG", icc_profile=profiles.rgb(gamma=1.0))
    assert (read(content) == noise()[..., :1]).all()


def test_the_callers_image_is_not_changed() -> None:
    image = Image.fromarray(flat())
    image.info["icc_profile"] = profiles.rgb("Display P3")
    assert near(read(image), profiles.in_srgb(flat(), "Display P3"))
    assert (np.asarray(image) == flat()).all()


def _png_with(*extra: tuple[bytes, bytes]) -> bytes:
    parts = chunks(encoded(flat(), "PNG"))
    return png([parts[0], *extra, *parts[1:]])


def test_a_png_is_shown_at_the_gamma_that_it_names() -> None:
    linear = (b"gAMA", struct.pack(">I", 100_000))
    assert near(read(_png_with(linear)), np.rint(255 * (flat() / 255) ** (1 / 2.2)))
    for usual in ((b"gAMA", struct.pack(">I", 45_455)), (b"gAMA", struct.pack(">I", 0))):
        assert (read(_png_with(usual)) == flat()).all()
    assert (read(_png_with(linear, (b"sRGB", b"\0"))) == flat()).all()
    with_profile = chunks(encoded(flat(), "PNG", icc_profile=profiles.rgb("Display P3")))
    content = png([with_profile[0], linear, *with_profile[1:]])
    assert near(read(content), profiles.in_srgb(flat(), "Display P3"))


def test_a_megabyte_of_profile_is_no_damage() -> None:
    profile = profiles.rgb("Display P3")
    long = struct.pack(">I", 3_000_000) + profile[4:] + bytes(3_000_000 - len(profile))
    assert near(read(encoded(flat(), "PNG", icc_profile=long)), profiles.in_srgb(flat(), "Display P3"))
    assert Image.open(io.BytesIO(encoded(flat(), "PNG", icc_profile=long))).info["icc_profile"] == long
