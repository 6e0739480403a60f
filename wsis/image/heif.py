"""AVIF, HEIC and their kin: one container, told apart by the brands that its first box names."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image

from wsis.errors import WsisError
from wsis.image.limits import HINT, raw_photo

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}


def is_container(head: bytes) -> bool:
    """Whether a file that begins so is one of them."""
    return head[4:8] == b"ftyp"


def opened(stream: BinaryIO, head: bytes, name: str) -> Image.Image:
    """Open an AVIF, or a HEIC where pillow-heif is installed; nothing is decoded yet.

    Args:
        stream: the file, at its beginning.
        head: its first bytes.
        name: for the sentence.

    Raises:
        WsisError: a HEIC without pillow-heif, or a raw photo of this container (CR3).
        UnidentifiedImageError: neither, or damaged.
    """
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
    if b"crx " in brands:
        raise raw_photo(name)
    if brands & _AVIF:
        if head[8:12] not in _AVIF:  # a general brand comes first, which Pillow may not know
            stream = io.BytesIO(head[:8] + b"avif" + stream.read()[12:])
        return Image.open(stream, formats=("AVIF",))
    if brands & _HEIC:
        try:
            from pillow_heif import HeifImageFile  # noqa: PLC0415 - optional
        except ImportError as error:
            raise WsisError(
                f"{name} is a HEIC photo, which cannot be read here. {HINT}, or install pillow-heif."
            ) from error
        return HeifImageFile(stream)
    return Image.open(stream, formats=())
