"""TIFFs: which page is the photo, and pixels of kinds that Pillow reads wrongly or not at all."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from wsis.errors import WsisError
from wsis.image.limits import check_size, raw_photo
from wsis.image.opencv import decoded

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SENSOR = (32803, 34892)
"""Photometric interpretations of raw photos: a mosaic, or the camera's own linear colours."""
_COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}
"""Samples by photometric interpretation: white is zero, black is zero, RGB, CMYK."""
_MOST_PAGES = 100
UNSPECIFIED = "wsis: unspecified fourth band"
"""In an image's info: nothing says whether its alpha is one, see `is_alpha`."""


@dataclass(frozen=True)
class Page:
    """One directory of a TIFF.

    Attributes:
        order: `<` or `>`, as struct has it.
        offset: of the directory in the file.
        tags: as Pillow reads them: a number, a tuple of numbers, or bytes.
    """

    order: str
    offset: int
    tags: ImageFileDirectory_v2

    def numbers(self, tag: int, default: Sequence[int] = ()) -> tuple[int, ...]:
        """The whole numbers of a tag."""
        value = self.tags.get(tag, default)
        values = value if isinstance(value, (tuple, list)) else (value,)
        return tuple(values) if all(isinstance(one, int) for one in values) else tuple(default)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        return (self.numbers(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as it lies."""
        return self.number(256, 0), self.number(257, 0)

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller copy of another page, or its mask."""
        return bool(self.number(254, 0) & 0b101) or self.number(255, 0) == 2

    @property
    def photometric(self) -> int:
        """What its numbers mean."""
        return self.number(262, 0)

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each sample of a pixel."""
        bits, samples = self.numbers(258, (1,)), max(1, min(self.number(277, 1), 64))
        return (bits * samples if len(bits) == 1 else bits)[:samples]

    @property
    def is_planar(self) -> bool:
        """Whether each colour lies in a plane of its own."""
        return self.number(284, 1) == 2 and len(self.bits) > 1

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Offset and length of each strip or tile."""
        offsets, lengths = (324, 325) if 324 in self.tags else (273, 279)
        return tuple(zip(self.numbers(offsets), self.numbers(lengths), strict=False))

    @property
    def block_count(self) -> int:
        """How many strips or tiles its pixels fill."""
        width, height = self.size
        if 324 in self.tags:
            across, down = max(1, self.number(322, width)), max(1, self.number(323, height))
        else:
            across, down = width, max(1, self.number(278, height))
        return -(-width // across) * -(-height // down) * (len(self.bits) if self.is_planar else 1)


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins so is a TIFF or a BigTIFF."""
    return head.startswith(_MAGIC)


def is_alpha(band: Image.Image) -> bool:
    """Whether a fourth band that nothing describes is alpha: most of a photo is opaque or clear, no other band is."""
    counts = band.histogram()
    return (counts[0] + counts[255]) * 2 >= sum(counts)


def opened(stream: BinaryIO, name: str, most: int) -> Image.Image:
    """Open the page that is the photo.

    Args:
        stream: the file, at its beginning.
        name: for the sentences.
        most: pixels, see `limits.check_size`; what is decoded here is checked before.

    Raises:
        WsisError: a raw photo, several pages, numbers instead of colours, or more bits than can be read.
        Exception: whatever Pillow raises on damaged files.
    """
    pages, inner = _pages(stream)
    if not pages:
        stream.seek(0)
        return Image.open(stream, formats=("TIFF",))
    page = _photo(stream, pages, inner, name)
    _check_samples(page, name)
    if _is_for_pillow(page):
        stream.seek(0)
        content = stream if page is pages[0] else _starting_at(page, stream)
        image: Image.Image = Image.open(content, formats=("TIFF",))
    else:
        check_size(page.size, name, most)
        image = _decoded(page, stream, name)
        image.getexif()[0x0112] = page.number(274, 1)
        profile = page.tags.get(34675)
        image.info["icc_profile"] = profile if isinstance(profile, bytes) else None
    if image.mode == "RGBA" and not page.numbers(338):
        image.info[UNSPECIFIED] = True
    return image


def _pages(stream: BinaryIO) -> tuple[list[Page], list[Page]]:
    """The pages in their order, and those that lie inside of one (SubIFDs); without those that are damaged."""
    head = stream.read(16)
    order = "<" if head[:1] == b"I" else ">"
    head = head[: 16 if _is_big(head) else 8]

    def page(offset: int) -> Page:
        tags = ImageFileDirectory_v2(head)
        stream.seek(offset)
        tags.load(stream)
        return Page(order, offset, tags)

    chain: dict[int, Page] = {}
    inner: dict[int, Page] = {}
    try:
        offset = ImageFileDirectory_v2(head).next
        while offset and offset not in chain and len(chain) < _MOST_PAGES:
            chain[offset] = page(offset)
            offset = chain[offset].tags.next
        for one in list(chain.values()):
            for offset in one.numbers(330)[: _MOST_PAGES - len(inner)]:
                if offset not in chain:
                    inner[offset] = page(offset)
    except MemoryError:
        raise
    except Exception:  # Pillow raises many types; the page that is whole is still a photo
        pass
    return [[one for one in found.values() if min(one.size) > 0] for found in (chain, inner)]  # type: ignore[return-value]


def _photo(stream: BinaryIO, pages: list[Page], inner: list[Page], name: str) -> Page:
    stream.seek(8)
    if stream.read(2) == b"CR" or any(page.photometric in _SENSOR for page in (*pages, *inner)):
        raise raw_photo(name)
    full = [page for page in pages if not page.is_reduced]
    full = full or [page for page in inner if not page.is_reduced] or pages
    if len(full) > 1:
        raise WsisError(f"{name} is animated or has several pages; save the one to look at as JPEG or PNG.")
    return full[0]


def _check_samples(page: Page, name: str) -> None:
    bits = max(page.bits)
    is_float = 3 in page.numbers(339, (1,))
    if (bits > 16 and (len(page.bits) > 1 or bits != 32)) or (is_float and bits < 32):
        numbers = f"{bits}-bit {'fractions' if bits < 32 else 'numbers'}"
        raise WsisError(f"{name} holds {numbers} instead of colours. Save it with 8 or 16 bits.")
    known = (1, 2, 4, 8, 10, 12, 14, 16, 32) if len(page.bits) == 1 else (8, 10, 12, 14, 16)
    if bits not in known or min(page.bits) != bits:
        raise WsisError(f"{name} has {bits} bits a colour, which cannot be read. Save it with 8 or 16.")


def _is_for_pillow(page: Page) -> bool:
    """Whether Pillow reads it rightly, or refuses it."""
    bits, photometric = page.bits[0], page.photometric
    if photometric not in _COLOURS or set(page.numbers(339, (1,))) != {1}:
        return True
    undescribed = len(page.bits) > _COLOURS[photometric] and not any(page.numbers(338))
    wrong = (
        bits in (10, 12, 14)
        or (bits == 16 and photometric == 0)
        or (bits >= 8 and page.number(266, 1) == 2)  # the lowest bit of each byte comes first
        or (page.is_planar and bits == 16 and page.number(259, 1) == 1)
        or (page.is_planar and undescribed)
    )
    return not wrong


def _decoded(page: Page, stream: BinaryIO, name: str) -> Image.Image:
    """Decode with OpenCV, a plane at a time where each colour has its own."""
    size = stream.seek(0, io.SEEK_END)
    ends = [offset + length for offset, length in page.blocks]
    if len(ends) != page.block_count or max(ends) > size or sum(length for _, length in page.blocks) > size:
        raise WsisError(f"{name} is truncated or damaged and cannot be decoded (a part of its pixels is missing).")
    colours = _COLOURS[page.photometric]
    wanted = colours + (colours == 3 and len(page.bits) > 3)
    if page.is_planar:
        seen = [decoded(_alone(page, stream, i)) for i in range(wanted)]
    else:
        whole = decoded(_alone(page, stream))
        bands = [] if whole is None else [whole] if whole.ndim == 2 else list(np.moveaxis(whole, 2, 0))
        seen = [bands[i] for i in (2, 1, 0, 3)[: len(bands)]] if len(bands) in (3, 4) else bands  # blue comes first
    planes = [_levels(band, page) for band in seen if band is not None and band.shape == page.size[::-1]]
    if len(planes) != wanted:
        raise WsisError(f"{name} is damaged, or a TIFF of a kind that cannot be read. Save it as JPEG or PNG.")
    images = [Image.fromarray(plane) for plane in planes]
    if colours == 1:
        return images[0]
    alpha = {(): "RGBA", (1,): "RGBa", (2,): "RGBA"}.get(page.numbers(338)[:1])
    if wanted == 4 and colours == 3 and alpha:
        merged = Image.merge(alpha, images)
        return merged.convert("RGBA") if alpha == "RGBa" else merged
    return Image.merge("RGB" if colours == 3 else "CMYK", images[:colours])


def _levels(values: np.ndarray, page: Page) -> np.ndarray:
    """Colours in 8 bits, grey in 16 where the file has more than 8, so that a profile can be applied to all of them."""
    is_grey = _COLOURS[page.photometric] == 1
    values = ~values if is_grey and not page.photometric else values
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    bits = page.bits[0]
    most = (1 << bits) - 1
    numbers = np.arange(1 << 16, dtype=np.uint32) >> (16 - bits)  # OpenCV puts fewer bits at the upper end
    if is_grey:
        return ((numbers * 65535 + most // 2) // most).astype(np.uint16)[values]
    # As Pillow cuts 16 bits of colours, so that a photo does not depend on how its colours are laid out.
    return (numbers >> 8 if bits == 16 else (numbers * 255 + most // 2) // most).astype(np.uint8)[values]


def _is_big(head: bytes) -> bool:
    return head[2:4] in (b"+\0", b"\0+")


def _starting_at(page: Page, stream: BinaryIO) -> io.BytesIO:
    """The file with this page as its first."""
    content = io.BytesIO(stream.read())
    view = content.getbuffer()
    if _is_big(bytes(view[:4])):
        struct.pack_into(page.order + "Q", view, 8, page.offset)
    else:
        struct.pack_into(page.order + "I", view, 4, page.offset)
    return content


def _alone(page: Page, stream: BinaryIO, plane: int | None = None) -> bytes:
    """A TIFF of one page, or of one of its planes as grey: nothing in it but what says how to unpack the pixels."""
    count = page.block_count if plane is None else page.block_count // len(page.bits)
    blocks = page.blocks[(plane or 0) * count :][:count]
    samples = len(page.bits) if plane is None else 1
    kept = {tag: (page.number(tag, 0),) for tag in (256, 257, 259, 266, 278, 317, 322, 323) if tag in page.tags}
    tags = kept | {258: page.bits[:samples], 262: (2 if samples > 2 else 1,), 277: (samples,)}
    tile = 324 in page.tags
    tags[325 if tile else 279] = tuple(length for _, length in blocks)
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    data = start + 4 * (2 * count + samples)
    tags[324 if tile else 273] = tuple(accumulate((length for _, length in blocks[:-1]), initial=data))
    entries, lists = b"", b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{page.order}{len(values)}I", *values)
        if len(values) > 1:
            packed, lists = struct.pack(page.order + "I", start + len(lists)), lists + packed
        entries += struct.pack(page.order + "HHI", tag, 4, len(values)) + packed
    magic = b"II*\0" if page.order == "<" else b"MM\0*"
    head = magic + struct.pack(page.order + "IH", 8, len(tags)) + entries + bytes(4) + lists
    parts = [head.ljust(data, b"\0")]
    for offset, length in blocks:
        stream.seek(offset)
        parts.append(stream.read(length))
    return b"".join(parts)
