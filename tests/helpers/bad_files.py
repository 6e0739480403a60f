"""Files that people drop on a photo program: some must be refused with a sentence, the others read all the same."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.helpers.tiff_files import MOSAIC, Page, deep, tiff


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """(height, width, 3) uint8: four flat quarters in red, green, blue and grey, so that every turn can be told."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[: height // 2, : width // 2] = (220, 30, 40)
    image[: height // 2, width // 2 :] = (30, 200, 60)
    image[height // 2 :, : width // 2] = (40, 50, 210)
    return image


def encoded(image: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 1-bit grey with the given header, extra chunks and no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", b""), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def camera_raw(image: np.ndarray, tags: dict | None = None, order: str = "<") -> bytes:
    """A raw photo as cameras lay it out: a small picture to look at, and inside of it what the sensor saw."""
    mosaic = Page(image[..., 0], MOSAIC, tags={254: 0, 33421: (2, 2), 33422: b"\0\1\1\2"})
    return tiff(Page(image[::10, ::10], tags={254: 1, **(tags or {})}, inner=(mosaic,)), order=order)


@cache
def bad() -> dict[str, tuple[bytes, str]]:
    """File name to content and a pattern of the sentence that refuses it."""
    photo = picture(300, 400)
    noisy = photo + np.random.default_rng(0).integers(0, 20, photo.shape, np.uint8)
    jpeg, whole_png = encoded(noisy, "JPEG"), encoded(noisy, "PNG")
    frames = [Image.fromarray(picture()), Image.fromarray(picture()[::-1].copy())]
    moving = {"save_all": True, "append_images": frames[1:]}
    rows = zlib.compressobj(9)
    flat = rows.compress(bytes(1 + 15_000 // 8) * 15_000) + rows.flush()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="9" height="9"/></svg>'
    return {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated or damaged"),
        "truncated.png": (whole_png[: len(whole_png) // 2], "truncated or damaged"),
        "cut-in-header.png": (whole_png[:20], "damaged"),
        "empty.jpg": (b"", "is empty"),
        "text.jpg": (b"this is no photo\n" * 100, "not an image"),
        "zeros.png": (bytes(5000), "not an image"),
        "drawing.svg": (svg, "vector image"),
        "drawing.jpg": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made by hand -->\n' + svg, "vector image"),
        "phone.heic": (b"\x00\x00\x00\x18ftypheic" + bytes(200), "damaged" if find_spec("pillow_heif") else "HEIC"),
        "moving.gif": (encoded(frames[0], "GIF", **moving), "animated"),
        "moving.png": (encoded(frames[0], "PNG", **moving), "animated"),
        "moving.webp": (encoded(frames[0], "WEBP", **moving), "animated"),
        "pages.tif": (encoded(frames[0], "TIFF", **moving), "several pages"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\nshowpage\n", "not an image"),
        "dot.png": (encoded(picture()[:1, :1], "PNG"), "1 x 1 pixels; at least 16"),
        "line.png": (encoded(np.zeros((16, 400, 3), np.uint8), "PNG"), "20 times as long"),
        "huge.png": (png(20_000, 20_000), "100 megapixels"),
        "large.png": (png(10_001, 10_000), "10001 x 10000 pixels; at most 100 megapixels"),
        "bomb.png": (png(15_000, 15_000, (b"IDAT", flat)), "100 megapixels"),
        "text-bomb.png": (
            png(90, 90, (b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))),
            "texts or a profile of more than 64 MB",
        ),
        "floats.tif": (encoded(Image.fromarray(np.zeros((48, 64), np.float32)), "TIFF"), "32-bit numbers"),
        "float-colours.tif": (tiff(Page(photo[:96, :96], bits=32, tags={339: (3, 3, 3)})), "32-bit numbers"),
        "half-floats.tif": (tiff(Page(photo, bits=16, tags={339: (3, 3, 3)})), "16-bit fractions"),
        "camera.dng": (camera_raw(photo, {50706: b"\1\4\0\0"}), "camera's raw file"),
        "camera.nef": (camera_raw(photo), "camera's raw file"),
        "renamed-raw.tif": (camera_raw(photo, order=">"), "camera's raw file"),
        "camera.cr2": (camera_raw(photo)[:8] + b"CR\2\0" + camera_raw(photo)[12:], "camera's raw file"),
        "camera.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(200), "camera's raw file"),
        "camera.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(200), "camera's raw file"),
        "seven-bits.tif": (tiff(Page(deep(photo[..., 0], 7), bits=7)), "7 bits a colour"),
        "twelve-bits-cut.tif": (tiff(Page(deep(photo, 12), bits=12, tags={279: 10**6})), "truncated or damaged"),
    }


@cache
def unusual() -> dict[str, bytes]:
    """File name to content of photos that `picture()` must come out of, give or take what JPEG loses."""
    image = Image.fromarray(picture())
    clear = np.dstack([picture(), np.full((48, 64), 255, np.uint8)])
    sixteen = picture().astype(np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held so that the sensor's left is up
    return {
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG", quality=95),
        "cmyk.tif": encoded(image.convert("CMYK"), "TIFF"),
        "palette.png": encoded(image.quantize(8), "PNG"),
        "palette.gif": encoded(image.quantize(8), "GIF"),
        "alpha.png": encoded(clear, "PNG"),
        "sixteen.png": cv2.imencode(".png", sixteen[..., ::-1])[1].tobytes(),
        "sixteen.tif": cv2.imencode(".tif", sixteen[..., ::-1])[1].tobytes(),
        "turned.jpg": encoded(np.ascontiguousarray(np.rot90(picture())), "JPEG", exif=turned.tobytes(), quality=95),
        "plain.webp": encoded(image, "WEBP", lossless=True),
        "plain.bmp": encoded(image, "BMP"),
        "two-pictures.mpo": encoded(image, "MPO", save_all=True, append_images=[image.resize((16, 16))], quality=95),
        "wrong-ending.png": encoded(image, "JPEG", quality=95),
    }


def write_all(folder: Path) -> dict[str, str]:
    """Write the bad files into a folder; returns their names with the patterns of their sentences."""
    files = bad()
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: pattern for name, (_, pattern) in files.items()}


NAMES = [
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../../b", "..\\..\\windows\\win.ini", "C:\\boot.ini",
    "\\\\host\\share", "a\0.png", "\0", "a\nb", "CON", "nul.txt", "com1.png", "x" * 100_000, "%2e%2e%2fetc", "~",
    "~root", "$HOME", "`id`", "; rm -rf *", "-rf", "a\u202egnp.exe", "file:///etc/passwd",
    "http://127.0.0.1/", "é" * 300,
]  # fmt: skip
"""Names that a file may come with."""
