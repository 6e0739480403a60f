"""JPEGs that lack nothing but their end mark, as interrupted copies and some cameras leave them."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from PIL import Image

_END = b"\xff\xd9"
_FILLER = b"".join(bytes(range(0x35, 0x75)) + b"\xff" + bytes([0xD0 + i % 8]) for i in range(16))
"""Any bits, also behind each restart mark: pixels that are still missing would be made of them."""


def without_end(stream: BinaryIO) -> Image.Image | None:
    """The decoded image of a JPEG whose pixels are all there though its last bytes are not; None for any other.

    A decoder makes up what is missing and does not say so. It is all there if what follows makes no difference.
    """
    stream.seek(0)
    content = stream.read()
    if content.endswith(_END):
        return None
    digests = set()
    for rest in (_FILLER, b""):
        image = Image.open(io.BytesIO(content.removesuffix(b"\xff") + rest + _END), formats=("JPEG",))
        image.load()
        digests.add(hashlib.sha256(image.tobytes()).digest())
    return image if len(digests) == 1 else None
