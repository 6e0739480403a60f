"""Photos in: whatever people have becomes (H, W, 3) uint8 RGB, or is refused with one sentence."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from wsis.errors import WsisError
from wsis.image import colour, heif, jpeg, png, tiff
from wsis.image.limits import HINT, MAX_PIXELS, MAX_RATIO, MIN_SIDE, check_size, raw_photo

__all__ = ["FORMATS", "MAX_PIXELS", "MAX_RATIO", "MIN_SIDE", "SUFFIXES", "Source", "read", "resized"]

Source = str | Path | bytes | BinaryIO | Image.Image | np.ndarray

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may try: pixel formats only, none that runs another program (EPS) or draws (WMF)."""

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm",
     ".pgm", ".png", ".pnm", ".ppm", ".svg", ".tif", ".tiff", ".webp")
)  # fmt: skip
"""Endings that make a file in a folder a photo; some are refused by `read`, which says why."""

_SVG = re.compile(rb"\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL | re.IGNORECASE)
_RAW = (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
"""How raw photos of cameras begin that are no TIFFs."""
_STRIP = 256
"""Rows that are copied at a time."""


def read(source: Source, most: int = MAX_PIXELS) -> np.ndarray:
    """Read a photo as people see it: in sRGB, turned as its EXIF data say, alpha over white.

    An ICC profile inside is applied, as is the gamma of a PNG; broken profiles, and those of another kind than the
    photo, are ignored. 16 bits are cut to 8; CMYK, palette and grey become RGB. Of several pictures in a file the photo
    is taken, not its small copies. What is too large is refused from the header, before anything is decoded.

    Args:
        source: a path, the bytes of a file, an open binary file, a Pillow image, or an (H, W), (H, W, 3) or (H, W, 4)
            uint8 or uint16 array of grey, RGB or RGBA.
        most: pixels of the photo.

    Returns:
        (H, W, 3) uint8 RGB, writable and contiguous.

    Raises:
        WsisError: missing, empty, truncated, no image, a vector image, a camera's raw file, animated or of several
            pages, less than 16 pixels a side, more than `most` pixels, or more than 20 times as long as wide.

    Examples:
        >>> photo = read("assets/examples/2-cat.jpg")
        >>> photo.shape, str(photo.dtype)
        ((420, 631, 3), 'uint8')
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, most)
    if isinstance(source, Image.Image):
        return _from_pillow(source, None, "The image", most)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise WsisError(f"{path} is a folder, not a photo." if path.is_dir() else f"There is no file {path}.")
        try:
            with path.open("rb") as stream:
                return _from_stream(stream, path.name, most)
        except OSError as error:
            raise WsisError(f"{path} cannot be opened: {error.strerror or error}.") from error
    data = source if isinstance(source, bytes) else source.read()
    return _from_stream(io.BytesIO(data), "The image", most)


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


def _from_stream(stream: Any, name: str, most: int) -> np.ndarray:
    head = stream.read(4096)
    stream.seek(0)
    if not head:
        raise WsisError(f"{name} is empty.")
    if _SVG.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise WsisError(f"{name} is a vector image (SVG), which has no pixels. {HINT}.")
    if head.startswith(_RAW):
        raise raw_photo(name)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what matters is refused here; Pillow also warns of large sizes and odd EXIF data
        try:
            image = _opened(stream, head, name, most)
        except (MemoryError, WsisError):
            raise
        except Image.DecompressionBombError as error:
            raise WsisError(f"{name} has more than {most / 10**6:g} megapixels. Make it smaller.") from error
        except UnidentifiedImageError as error:
            raise WsisError(f"{name} is not an image that can be read, or its beginning is damaged. {HINT}.") from error
        except Exception as error:  # Pillow's readers raise many types on damaged headers
            raise _damaged(error, f"{name} is damaged and cannot be read", name) from error
        with image:
            return _from_pillow(image, stream, name, most)


def _opened(stream: Any, head: bytes, name: str, most: int) -> Image.Image:
    if heif.is_container(head):
        return heif.opened(stream, head, name)
    if tiff.is_tiff(head):
        return tiff.opened(stream, name, most)
    return Image.open(stream, formats=FORMATS)


def _damaged(error: Exception, sentence: str, name: str) -> WsisError:
    if "MAX_TEXT" in str(error):
        most = f"{png.MAX_PACKED // 2**20} MB"
        return WsisError(
            f"{name} holds texts or a profile of more than {most}, beside its pixels. {HINT} without them."
        )
    return WsisError(f"{sentence} ({error}).")


def _from_pillow(image: Image.Image, stream: Any, name: str, most: int) -> np.ndarray:
    """Decode an image that was opened from a stream, or copy one of the caller's, for which there is none."""
    check_size(image.size, name, most)
    try:
        # JPEG (MPO) and HEIC with several pictures are a photo with its depth map or small copies: it is the first, or
        # marked. Of a TIFF the right page was opened.
        several = image.format not in ("MPO", "HEIF") and (stream is None or image.format != "TIFF")
        animated = several and getattr(image, "is_animated", False)
    except Exception:  # counting frames reads on into what may be damaged; decoding will say so
        animated = False
    if animated:
        raise WsisError(f"{name} is animated or has several pages; save the one to look at as JPEG or PNG.")
    image = _loaded(image, stream, name)
    try:
        if stream is None:
            image = ImageOps.exif_transpose(image)
        else:
            ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # a photo with broken EXIF data is shown as it lies
        image = image.copy() if stream is None else image
    check_size(image.size, name, most)  # of some formats it is known only now
    return _pixels(image, name)


def _loaded(image: Image.Image, stream: Any, name: str) -> Image.Image:
    stored = png.raw_mode(image)
    try:
        image.load()
        return png.mend_transparency(image, stored, stream)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on damaged data
        try:
            whole = jpeg.without_end(stream) if stream is not None and image.format in ("JPEG", "MPO") else None
        except MemoryError:
            raise
        except Exception:
            whole = None
        if whole is not None:
            return whole
        raise _damaged(error, f"{name} is truncated or damaged and cannot be decoded", name) from error


def _pixels(image: Image.Image, name: str) -> np.ndarray:
    """The pixels of a decoded, upright image, which is used up."""
    info, is_bmp = image.info, image.format == "BMP"
    profile, alpha = info.get("icc_profile"), None
    if image.mode.startswith("I;16") or image.mode == "I":
        values = _sixteen_bits(np.asarray(image), name)
        if isinstance(key := info.get("transparency"), int):
            alpha = Image.fromarray(np.where(values == key, np.uint8(0), np.uint8(255)))
        converted = colour.in_srgb(Image.fromarray(values), profile)
        image = converted or Image.fromarray(_eight_bits(values))
    else:
        image, alpha = _colours_and_alpha(image, name)
        converted = colour.in_srgb(image, profile)
        image = converted or image
    image = image if image.mode == "RGB" else image.convert("RGB")
    if converted is None and "srgb" not in info and isinstance(gamma := info.get("gamma"), float):
        image = colour.with_gamma(image, gamma)
    if alpha is not None and (
        (is_bmp and alpha.getextrema() == (0, 0))  # a field that nobody filled, as Windows and browsers take it
        or (tiff.UNSPECIFIED in info and not tiff.is_alpha(alpha))
    ):
        alpha = None
    if alpha is not None:
        image.paste((255, 255, 255), mask=ImageChops.invert(alpha))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):  # Pillow's own way to an array holds the photo twice more
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _colours_and_alpha(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """L, RGB or CMYK, and L where something is transparent."""
    if image.mode == "F":
        raise WsisError(f"{name} holds 32-bit numbers instead of colours. Save it with 8 or 16 bits.")
    if image.mode == "P" and image.palette is None:
        raise WsisError(f"{name} is damaged: it lacks the palette that its pixels point into. Save it again.")
    is_grey = image.mode in ("1", "L", "LA", "La")
    try:
        if image.has_transparency_data:
            image = image if image.mode == "RGBA" else image.convert("RGBA")
            return image.getchannel("R") if is_grey else image.convert("RGB"), image.getchannel("A")
        if image.mode not in ("L", "RGB", "CMYK"):
            image = image.convert("L" if is_grey else "RGB")
    except ValueError as error:  # e.g. LAB
        raise WsisError(f"{name} has colours of the kind {image.mode}, which cannot be read. {HINT} in RGB.") from error
    return image, None


def _from_array(array: np.ndarray, most: int) -> np.ndarray:
    name = "The image"
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise WsisError(f"{name}: expected (H, W, 3) uint8 RGB, got {array.shape} {array.dtype}.")
    check_size((array.shape[1], array.shape[0]), name, most)
    if array.dtype == np.uint16:
        array = _eight_bits(array)
    array = array[..., 0] if channels == 1 and array.ndim == 3 else array
    return _pixels(Image.fromarray(np.ascontiguousarray(array)), name)


def _sixteen_bits(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype != np.uint16 and (values.min() < 0 or values.max() > 65535):
        raise WsisError(f"{name} holds 32-bit numbers instead of colours. Save it with 8 or 16 bits.")
    return values.astype(np.uint16)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Numbers of 0..65535 as 0..255 uint8."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
