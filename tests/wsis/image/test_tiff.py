from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.helpers import profiles
from tests.helpers.bad_files import camera_raw, encoded, picture
from tests.helpers.tiff_files import BLACK_IS_ZERO, CMYK, DEFLATE, MOSAIC, NONE, WHITE_IS_ZERO, Page, deep, tiff
from wsis.errors import WsisError
from wsis.image import read

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (33, 35, 3)).astype(np.uint8)
"""Of odd sides, so that rows of 12 bits end within a byte."""


def turned(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(image))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
class TestEveryDepth:
    def test_grey_of_either_polarity(self, bits: int, compression: int, order: str) -> None:
        wanted = np.repeat(NOISE[..., :1], 3, 2)
        black = Page(deep(NOISE[..., 0], bits), BLACK_IS_ZERO, bits, compression=compression, strips=3)
        white = Page(deep(255 - NOISE[..., 0], bits), WHITE_IS_ZERO, bits, compression=compression, strips=3)
        assert (read(tiff(black, order=order)) == wanted).all()
        assert (read(tiff(white, order=order)) == wanted).all()

    @pytest.mark.parametrize("planar", [False, True])
    def test_colours_whole_or_in_planes(self, bits: int, compression: int, order: str, planar: bool) -> None:
        def seen(samples: np.ndarray, **tags: int) -> np.ndarray:
            extra = {int(tag[1:]): value for tag, value in tags.items()}
            page = Page(deep(samples, bits), None, bits, planar, compression, 3, extra)
            return read(tiff(page, order=order))

        opaque, half = (np.dstack([NOISE, np.full(NOISE.shape[:2], value)]) for value in (255, 127))
        assert (seen(NOISE) == NOISE).all()
        assert (seen(opaque, t338=2) == NOISE).all()
        assert (seen(half, t338=0) == NOISE).all()
        assert np.abs(seen(half, t338=2) - (NOISE * (127 / 255) + 255 * (128 / 255))).max() <= 1
        assert (seen(half) == NOISE).all()  # nothing says that the fourth band is alpha, nor does it look like it
        clear = opaque.copy()
        clear[:10, :, 3] = 0
        assert (seen(clear) == np.where(clear[..., 3:] > 0, NOISE, 255)).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
def test_inks_in_planes(bits: int, compression: int) -> None:
    inks = np.dstack([255 - NOISE, np.zeros(NOISE.shape[:2], np.uint8)])
    for order in "<>":
        page = Page(deep(inks, bits), CMYK, bits, True, compression, 3)
        assert (read(tiff(page, order=order)) == NOISE).all()


def test_lowest_bit_first() -> None:
    mirrored = np.packbits(np.unpackbits(NOISE[..., None], -1)[..., ::-1], -1)[..., 0]
    for planar in (False, True):
        assert (read(tiff(Page(mirrored, planar=planar, tags={266: 2}))) == NOISE).all()


def test_tiles_in_planes() -> None:
    deep_noise = NOISE.astype(np.uint16) * 257
    import tifffile

    for options in ({}, {"compression": "zlib", "predictor": True}, {"bigtiff": True}):
        stream = io.BytesIO()
        planes = np.moveaxis(deep_noise, 2, 0)
        tifffile.imwrite(stream, planes, photometric="rgb", planarconfig="separate", tile=(16, 16), **options)
        assert (read(stream.getvalue()) == NOISE).all()


def test_a_turn_and_a_profile_go_with_what_opencv_decodes() -> None:
    p3 = profiles.rgb("Display P3")
    page = Page(deep(turned(picture()), 12), None, 12, tags={274: 6, 34675: p3})
    assert np.abs(read(tiff(page)).astype(int) - profiles.in_srgb(picture(), "Display P3")).max() <= 1
    page = Page(deep(turned(picture())[..., 0], 16), WHITE_IS_ZERO, 16, tags={274: 6, 34675: profiles.grey(1)})
    wanted = profiles.in_srgb(255 - np.repeat(picture()[..., :1], 3, 2), gamma=1)
    assert np.abs(read(tiff(page)).astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_smaller_copies_and_masks_are_no_pages(order: str, place: int) -> None:
    pages = [Page(picture()[::2, ::2].copy(), tags={254: 1}), Page(picture()[..., 0], tags={254: 4})]
    pages.insert(place, Page(picture()))
    assert (read(tiff(*pages, order=order)) == picture()).all()
    old = Page(picture()[::2, ::2].copy(), tags={255: 2})
    assert (read(tiff(old, Page(picture()), order=order)) == picture()).all()


def test_a_photo_inside_of_its_small_copy() -> None:
    small = Page(picture()[::2, ::2].copy(), tags={254: 1}, inner=(Page(picture(), tags={254: 0}),))
    assert (read(tiff(small)) == picture()).all()
    pyramid = Page(picture(), inner=(Page(picture()[::2, ::2].copy(), tags={254: 1}),))
    assert (read(tiff(pyramid)) == picture()).all()
    only = Page(picture(), tags={254: 1})
    assert (read(tiff(only)) == picture()).all()


def test_several_pages_are_refused_all_the_same() -> None:
    with pytest.raises(WsisError, match="several pages"):
        read(tiff(Page(picture(), tags={254: 2}), Page(picture(), tags={254: 2})))
    with pytest.raises(WsisError, match="several pages"):
        read(tiff(Page(picture()), Page(picture()), Page(picture()[::2, ::2].copy(), tags={254: 1})))
    loop = bytearray(tiff(Page(picture()), Page(picture())))
    loop[-4:] = loop[4:8]  # the last page is followed by the first
    with pytest.raises(WsisError, match="several pages"):
        read(bytes(loop))


def test_the_size_of_the_photo_counts_not_of_its_copy() -> None:
    small = Page(picture()[::2, ::2].copy(), tags={254: 1})
    for photo in (Page(picture()), Page(deep(picture(), 12), bits=12)):
        with pytest.raises(WsisError, match=r"64 x 48 pixels; at most 0\.003 megapixels"):
            read(tiff(small, photo), 3000)
    with pytest.raises(WsisError, match="50000 x 50000 pixels"):
        read(tiff(Page(deep(picture(), 12), bits=12, tags={256: 50_000, 257: 50_000})))


@pytest.mark.parametrize("tags", [{}, {50706: b"\1\4\0\0"}, {271: b"Maker\0"}])
def test_the_preview_of_a_raw_photo_is_never_the_photo(tags: dict) -> None:
    for order in "<>":
        with pytest.raises(WsisError, match="camera's raw file"):
            read(camera_raw(picture(480, 640), tags, order))
    flat = Page(picture()[..., 0], MOSAIC)
    for pages in ((flat,), (Page(picture()), flat), (Page(picture(), tags={254: 1}), Page(picture(), 34892))):
        with pytest.raises(WsisError, match="camera's raw file"):
            read(tiff(*pages))


def test_a_dng_that_holds_a_developed_photo_is_read() -> None:
    small = Page(picture()[::2, ::2].copy(), tags={254: 1, 50706: b"\1\4\0\0"}, inner=(Page(picture(), tags={254: 0}),))
    assert (read(tiff(small)) == picture()).all()


def test_what_is_cut_or_lies_about_its_strips_is_refused() -> None:
    whole = tiff(Page(deep(NOISE, 12), bits=12, strips=3))
    for tags in ({273: (10**6,) * 3}, {279: (10**9,) * 3}, {279: (5,) * 3}, {273: (8,)}, {279: None}):
        with pytest.raises(WsisError, match="damaged"):
            read(tiff(Page(deep(NOISE, 12), bits=12, strips=3, tags=tags)))
        with pytest.raises(WsisError, match="damaged"):
            read(tiff(Page(deep(NOISE, 16), bits=16, planar=True, strips=3, tags=tags)))
    packed = bytearray(tiff(Page(deep(NOISE, 12), bits=12, compression=DEFLATE)))
    packed[40:60] = bytes(20)
    with pytest.raises(WsisError, match="damaged"):
        read(bytes(packed))
    with pytest.raises(WsisError):
        read(whole[: len(whole) // 2])


def test_what_pillow_reads_rightly_stays_as_it_was() -> None:
    deep_noise = RNG.integers(0, 65536, (20, 24, 3)).astype(np.uint32)
    for planar in (False, True):
        assert (read(tiff(Page(deep_noise, bits=16, planar=planar))) == deep_noise >> 8).all()
    assert (read(encoded(Image.fromarray(NOISE), "TIFF", compression="tiff_lzw")) == NOISE).all()
