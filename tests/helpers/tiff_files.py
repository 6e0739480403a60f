"""TIFFs of kinds that neither Pillow nor OpenCV writes, made tag by tag."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

NONE, DEFLATE = 1, 8
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, MOSAIC = 0, 1, 2, 5, 32803
LONGS = (273, 279, 324, 325, 330)


@dataclass
class Page:
    """One directory.

    Attributes:
        samples: (H, W) or (H, W, C) numbers of the depth that `bits` says.
        photometric: what they mean; by their number where it is not given.
        bits: of each.
        planar: a plane a colour.
        compression: NONE or DEFLATE.
        strips: how many, of each plane.
        tags: more of them, or others; None leaves one out.
        inner: pages that lie in this one (SubIFDs).
    """

    samples: np.ndarray
    photometric: int | None = None
    bits: int = 8
    planar: bool = False
    compression: int = NONE
    strips: int = 1
    tags: dict[int, int | tuple[int, ...] | bytes | None] = field(default_factory=dict)
    inner: tuple[Page, ...] = ()


def deep(pixels: np.ndarray, bits: int) -> np.ndarray:
    """8-bit numbers at another depth."""
    return np.rint(pixels / 255 * ((1 << bits) - 1)).astype(np.uint32)


def tiff(*pages: Page, order: str = "<") -> bytes:
    """The file; `order` is `<` or `>`."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for page in pages:
        at, following = _add(out, page, order)
        struct.pack_into(order + "I", out, link, at)
        link = following
    return bytes(out)


def _add(out: bytearray, page: Page, order: str) -> tuple[int, int]:
    """Append a page; where its directory lies, and where the address of the next belongs."""
    height, width, *rest = page.samples.shape
    count = rest[0] if rest else 1
    rows = -(-height // page.strips)
    flat = page.samples.reshape(height, width, count)
    planes = [flat[..., i] for i in range(count)] if page.planar else [flat.reshape(height, width * count)]
    offsets, lengths = [], []
    for plane in planes:
        for top in range(0, height, rows):
            packed = _packed(plane[top : top + rows], page.bits, order)
            packed = zlib.compress(packed) if page.compression == DEFLATE else packed
            offsets.append(len(out))
            lengths.append(len(packed))
            out += packed
    tags = {
        256: width, 257: height, 258: (page.bits,) * count, 259: page.compression,
        262: page.photometric if page.photometric is not None else RGB if count >= 3 else BLACK_IS_ZERO,
        273: tuple(offsets), 277: count, 278: rows, 279: tuple(lengths), 284: 2 if page.planar else 1,
    }  # fmt: skip
    if page.inner:
        tags[330] = tuple(_add(out, inner, order)[0] for inner in page.inner)
    entries = b""
    tags = {tag: value for tag, value in (tags | page.tags).items() if value is not None}
    for tag, value in sorted(tags.items()):
        values = (value,) if isinstance(value, int) else value
        kind = "B" if isinstance(value, bytes) else "I" if tag in LONGS else "H"
        content = value if isinstance(value, bytes) else struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(content) > 4:
            out += bytes(len(out) % 2)
            content, place = struct.pack(order + "I", len(out)), content
            out += place
        entries += struct.pack(order + "HHI", tag, {"B": 7, "H": 3, "I": 4}[kind], len(values)) + content.ljust(
            4, b"\0"
        )
    out += bytes(len(out) % 2)
    at = len(out)
    out += struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return at, len(out) - 4


def _packed(rows: np.ndarray, bits: int, order: str) -> bytes:
    if bits in (8, 16, 32):
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    singles = (rows[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(singles.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()
