"""Photos: `wsis.image.read`."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from wsis import image

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
UNGUARDED = {"BMP": 160, "PPM": 16, "GIF": 40}
"""Formats whose headers have no checksum, and bytes of their headers: decoders read damaged ones in different ways."""
TOLERANCE = 3
"""Levels by which two decoders of a lossy format, or two ways to lay alpha over white, may differ."""


class Photo(Door):
    """Any bytes to (H, W, 3) uint8, or a sentence."""

    name = "photo"
    checked = (
        "a photo with harmless changes (a comment, bytes after the end, an EXIF turn, another lossless format) must "
        "give its pixels, as must TIFFs of unusual depth, planes, polarity and pages; any other that is read is "
        f"compared with OpenCV's decoder and littleCMS (within {TOLERANCE} levels) where they read it and the header "
        "is whole or has a checksum; in every case shape, type and range"
    )
    count = 6000

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return seeds.photos()

    def case(self, rng: random.Random) -> Case:
        """A photo, changed."""
        if rng.random() < 0.1:
            return _harmless(rng)
        name = rng.choice(list(self._files))
        content = mutate.mutated(self._files[name], rng, list(self._files.values()))
        return Case(content, f"{name} damaged")

    def enter(self, content: bytes) -> np.ndarray:
        """Read it from memory."""
        return image.read(content)

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Form, then pixels."""
        if not isinstance(answer, np.ndarray) or answer.ndim != 3 or answer.shape[2] != 3 or answer.dtype != np.uint8:
            return f"expected (H, W, 3) uint8, got {getattr(answer, 'shape', type(answer))}", False
        if not (answer.flags.c_contiguous and answer.flags.writeable):
            return "the array is not contiguous and writable", False
        if case.expected is not UNKNOWN:
            return ("" if np.array_equal(answer, case.expected) else "other pixels than the photo's own"), True
        others = [seen for one in _decoded(case.content) if one is not None for seen in _in_srgb(one, case.content)]
        if not others or _hides_the_photo(case.content) or not self._whole_header(case.content):
            return "", False
        near = [one.shape == answer.shape and int(cv2.absdiff(one, answer).max()) <= TOLERANCE for one in others]
        return ("" if any(near) else f"OpenCV sees {others[0].shape} other pixels than {answer.shape}"), True

    def _whole_header(self, content: bytes) -> bool:
        kind = Image.open(io.BytesIO(content)).format
        length = UNGUARDED.get(str(kind), 0)
        return any(content[:length] == seed[:length] for seed in self._files.values())


def _harmless(rng: random.Random) -> Case:
    """A photo that is stored in another way, and its pixels."""
    if rng.random() < 0.3:
        name, (content, pixels) = rng.choice(list(seeds.unusual_scenes().items()))
        return Case(content + rng.randbytes(rng.randrange(50)), f"{name} with bytes after its end", pixels)
    pixels = seeds.scene(rng.randrange(16, 50), rng.randrange(16, 50), rng.randrange(1000))
    kind = rng.choice(("PNG", "TIFF", "BMP", "WEBP", "PPM"))
    orientation = rng.randrange(1, 9) if kind in ("PNG", "WEBP") else 1
    stored = np.ascontiguousarray(TURNS[orientation](pixels))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = seeds.encoded(stored, kind, **options, **({"exif": exif.tobytes()} if orientation > 1 else {}))
    change = "as it is"
    if kind == "PNG" and rng.random() < 0.5:
        parts, change = mutate.chunks(content), "with a comment"
        parts.insert(1, (b"tEXt", b"Comment\0" + rng.randbytes(rng.randrange(50)).replace(b"\0", b"1")))
        content = mutate.png(parts)
    elif rng.random() < 0.5:
        content, change = content + rng.randbytes(rng.randrange(1, 50)), "with bytes after its end"
    return Case(content, f"{kind}, turn {orientation}, {change}", pixels)


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores an upright photo, by the number that EXIF has for it."""


def _decoded(content: bytes) -> list[np.ndarray | None]:
    """What OpenCV sees, as it lies and turned: a photo whose EXIF data are damaged is shown as it lies."""
    coded = np.frombuffer(content, np.uint8)
    as_it_lies = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return [
        _over_white(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)),
        cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB),
        as_it_lies,
    ]


def _hides_the_photo(content: bytes) -> bool:
    """Whether OpenCV does not look where the photo is, or knows nothing of what its numbers mean."""
    with Image.open(io.BytesIO(content)) as opened:
        tags = getattr(opened, "tag_v2", {})
        inks = opened.mode == "CMYK" and "icc_profile" in opened.info
        clear_grey = opened.mode == "I;16" and "transparency" in opened.info
        return inks or clear_grey or any(tag in tags for tag in (254, 255, 330))


def _in_srgb(seen: np.ndarray, content: bytes) -> list[np.ndarray]:
    """What OpenCV sees, as it is (a damaged profile counts for nothing), and by the photo's profile."""
    with Image.open(io.BytesIO(content)) as opened:
        profile = opened.info.get("icc_profile")
    if profile is None:
        return [seen]
    with suppress(Exception):
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        picture = Image.fromarray(seen[..., 0] if given.profile.xcolor_space == "GRAY" else seen)
        srgb = ImageCms.createProfile("sRGB")
        return [seen, np.asarray(ImageCms.profileToProfile(picture, given, srgb, outputMode="RGB"))]
    return [seen]


def _over_white(seen: np.ndarray | None) -> np.ndarray | None:
    """A photo with alpha, which OpenCV's colour modes drop, over white."""
    if seen is None or seen.ndim != 3 or seen.shape[2] != 4 or seen.dtype not in (np.uint8, np.uint16):
        return None
    eight = seen.astype(np.float64) / (257 if seen.dtype == np.uint16 else 1)
    alpha = eight[..., 3:] / 255
    return np.rint(eight[..., 2::-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
