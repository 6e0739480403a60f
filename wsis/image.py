"""Photos in: whatever people have becomes (H, W, 3) uint8 RGB, or is refused with one sentence."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wsis.errors import WsisError

Source = str | Path | bytes | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 100_000_000
MIN_SIDE = 16
MAX_RATIO = 20
"""Longer strips would be a few pixels high at working size."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may try: pixel formats only, none that runs another program (EPS) or draws (WMF)."""

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".svg",
     ".tif", ".tiff", ".webp")
)  # fmt: skip
"""Endings that make a file in a folder a photo; some are refused by `read`, which says why."""

_HINT = "Save it as JPEG or PNG"
_SVG = re.compile(rb"\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL | re.IGNORECASE)


def read(source: Source) -> np.ndarray:
    """Read a photo as people see it: turned as its EXIF data say, alpha over white.

    16 bits are cut to 8; CMYK, palette and grey become RGB. What is too large is refused from the header, before
    anything is decoded.

    Args:
        source: a path, the bytes of a file, an open binary file, a Pillow image, or an (H, W), (H, W, 3) or (H, W, 4)
            uint8 or uint16 array of grey, RGB or RGBA.

    Returns:
        (H, W, 3) uint8 RGB, writable and contiguous.

    Raises:
        WsisError: missing, empty, truncated, no image, a vector image, animated, less than 16 pixels a side, more than
            100 megapixels, or more than 20 times as long as wide.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pillow(source, "The image")
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise WsisError(f"{path} is a folder, not a photo." if path.is_dir() else f"There is no file {path}.")
        try:
            with path.open("rb") as stream:
                return _from_stream(stream, path.name)
        except OSError as error:
            raise WsisError(f"{path} cannot be opened: {error.strerror or error}.") from error
    data = source if isinstance(source, bytes) else source.read()
    return _from_stream(io.BytesIO(data), "The image")


def resized(image: np.ndarray, long_side: int) -> np.ndarray:
    """Make an image's longer side at most `long_side`, averaging over areas; a smaller one is returned as it is.

    Args:
        image: (H, W, 3) or (H, W), any type that OpenCV resizes.
        long_side: in pixels, at least 1.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= long_side:
        return image
    size = max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _from_stream(stream: Any, name: str) -> np.ndarray:
    head = stream.read(4096)
    stream.seek(0)
    if not head:
        raise WsisError(f"{name} is empty.")
    if _SVG.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise WsisError(f"{name} is a vector image (SVG), which has no pixels. {_HINT}.")
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        raise WsisError(f"{name} is a HEIC photo, which cannot be read here. {_HINT}.")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what matters is refused here; Pillow also warns of large sizes and odd EXIF data
        try:
            image = Image.open(stream, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise WsisError(f"{name} has more than {MAX_PIXELS // 10**6} megapixels. Make it smaller.") from error
        except UnidentifiedImageError as error:
            raise WsisError(
                f"{name} is not an image that can be read, or its beginning is damaged. {_HINT}."
            ) from error
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise many types on damaged headers
            raise WsisError(f"{name} is damaged and cannot be read ({error}).") from error
        with image:
            return _from_pillow(image, name)


def _from_pillow(image: Image.Image, name: str) -> np.ndarray:
    _check_size(image.width, image.height, name)
    try:
        # A JPEG with several pictures (MPO) is a photo with its depth map or small copy: the first is the photo.
        animated = image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:  # counting frames reads on into what may be damaged; decoding will say so
        animated = False
    if animated:
        raise WsisError(f"{name} is animated or has several pages; save the one to look at as JPEG or PNG.")
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on damaged data
        raise WsisError(f"{name} is truncated or damaged and cannot be decoded ({error}).") from error
    try:
        image = ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # a photo with broken EXIF data is shown as it lies
        pass
    return np.array(_rgb(image, name), order="C")


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray(_eight_bits(np.asarray(image), name)).convert("RGB")
    if image.mode == "F":
        raise WsisError(f"{name} holds 32-bit numbers instead of colours. Save it with 8 or 16 bits.")
    try:
        if not image.has_transparency_data:
            return image.convert("RGB")
        image = image.convert("RGBA")
    except ValueError as error:  # e.g. LAB
        raise WsisError(
            f"{name} has colours of the kind {image.mode}, which cannot be read. {_HINT} in RGB."
        ) from error
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _from_array(array: np.ndarray) -> np.ndarray:
    name = "The image"
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise WsisError(f"{name}: expected (H, W, 3) uint8 RGB, got {array.shape} {array.dtype}.")
    _check_size(array.shape[1], array.shape[0], name)
    if array.dtype == np.uint16:
        array = _eight_bits(array, name)
    array = array[..., 0] if channels == 1 and array.ndim == 3 else array
    return np.array(_rgb(Image.fromarray(np.ascontiguousarray(array)), name), order="C")


def _eight_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers of 0..65535 as 0..255 uint8."""
    if values.dtype != np.uint16 and (values.min() < 0 or values.max() > 65535):
        raise WsisError(f"{name} holds 32-bit numbers instead of colours. Save it with 8 or 16 bits.")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise WsisError(
            f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} megapixels are read. Make it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise WsisError(f"{name} has {width} x {height} pixels; at least {MIN_SIDE} a side are needed.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise WsisError(
            f"{name} has {width} x {height} pixels; a photo may be {MAX_RATIO} times as long as wide. Cut it."
        )
