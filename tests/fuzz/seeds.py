"""Small valid files of every kind that is read, made by code."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import scipy.io
from PIL import Image
from pycocotools import mask as coco_mask

from tests.fuzz import mutate
from tests.helpers import profiles
from tests.helpers.bad_files import camera_raw, encoded, unusual
from tests.helpers.tiff_files import DEFLATE, WHITE_IS_ZERO, Page, deep, tiff

SIZE = (18, 23)
"""Of the photo that the proposals belong to."""


def scene(height: int = 40, width: int = 48, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: four patches of colour with some noise."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 225, (2, 2, 3)).repeat(-(-height // 2), 0).repeat(-(-width // 2), 1)[:height, :width]
    return (patches + rng.integers(0, 30, (height, width, 3))).astype(np.uint8)


def photos() -> dict[str, bytes]:
    """Photos by name, in every format that is read."""
    whole = Image.fromarray(scene())
    plain = {
        kind: encoded(whole, kind) for kind in ("PNG", "BMP", "TIFF", "PPM", "JPEG", "JPEG2000", "GIF", "WEBP", "AVIF")
    }
    return {
        **unusual(),
        **plain,
        "lzw.tif": encoded(whole, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(whole, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encoded(whole, "TIFF", compression="jpeg"),
        "progressive.jpg": encoded(whole, "JPEG", progressive=True),
        "bits.png": encoded(whole.convert("1"), "PNG"),
        "grey-alpha.png": encoded(whole.convert("LA"), "PNG"),
        "palette.bmp": encoded(whole.convert("P"), "BMP"),
        "transparent-index.png": encoded(whole.quantize(8), "PNG", transparency=3),
        **{name: content for name, (content, _) in unusual_scenes().items()},
        "raw.dng": camera_raw(scene()),
        "profile.png": encoded(whole, "PNG", icc_profile=profiles.rgb("Display P3")),
        "profile.jpg": encoded(whole, "JPEG", icc_profile=profiles.rgb(gamma=1.0)),
        "grey-profile.tif": encoded(whole.convert("L"), "TIFF", icc_profile=profiles.grey(2.2)),
        "inks.tif": encoded(whole.convert("CMYK"), "TIFF", icc_profile=profiles.cmyk()),
        "grey-16-clear.png": keyed_png(scene()[..., 0].astype(np.uint16) * 257),
        "general.avif": plain["AVIF"][:8] + b"mif1" + plain["AVIF"][12:],
    }


def unusual_scenes() -> dict[str, tuple[bytes, np.ndarray]]:
    """TIFFs that Pillow or OpenCV read wrongly, and their (40, 48, 3) pixels."""
    pixels, grey = scene(), np.repeat(scene()[..., :1], 3, 2)
    bands = np.dstack([pixels, np.full(pixels.shape[:2], 90, np.uint8)])
    inner = Page(pixels[::2, ::2], tags={254: 1}, inner=(Page(pixels),))
    return {
        "twelve-bits.tif": (tiff(Page(deep(pixels, 12), bits=12, strips=2)), pixels),
        "ten-bits-grey.tif": (tiff(Page(deep(grey[..., 0], 10), bits=10, compression=DEFLATE), order=">"), grey),
        "planes.tif": (tiff(Page(deep(pixels, 16), bits=16, planar=True, strips=2), order=">"), pixels),
        "packed-planes.tif": (tiff(Page(pixels, planar=True, compression=DEFLATE)), pixels),
        "white-is-zero.tif": (tiff(Page(deep(255 - grey[..., 0], 16), WHITE_IS_ZERO, 16)), grey),
        "four-bands.tif": (tiff(Page(bands)), pixels),
        "small-copy.tif": (tiff(Page(pixels, strips=2), Page(pixels[::2, ::2], tags={254: 1})), pixels),
        "inner-photo.tif": (tiff(inner), pixels),
    }


def keyed_png(samples: np.ndarray) -> bytes:
    """A PNG of (H, W) uint16 grey, in which the first pixel's grey is transparent."""
    parts = mutate.chunks(encoded(Image.fromarray(samples), "PNG"))
    return mutate.png([parts[0], (b"tRNS", int(samples[0, 0]).to_bytes(2, "big")), *parts[1:]])


def masks(seed: int = 0, count: int = 5, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(count, *size) bool: rectangles, none empty, overlapping as they fall; one touches both ends of the flat mask."""
    rng = np.random.default_rng(seed)
    result = np.zeros((count, *size), bool)
    for mask in result:
        y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
        mask[y : y + rng.integers(1, size[0] + 1), x : x + rng.integers(1, size[1] + 1)] = True
    result[0, 0, 0] = result[0, -1, -1] = True
    return result


def mcg(masks: np.ndarray) -> dict[str, np.ndarray]:
    """Variables as im2mcg writes them: superpixels counted from 1, one list of them per proposal."""
    keys, labels = np.unique(masks.reshape(len(masks), -1).T, axis=0, return_inverse=True)
    lists = [np.flatnonzero(keys[:, i])[None].astype(np.uint16) + 1 for i in range(len(masks))]
    return {"superpixels": (labels.reshape(masks.shape[1:]) + 1).astype(np.uint16), "labels": cells(lists)}


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    """A cell array."""
    result = np.empty((len(arrays), 1), object)
    for i, one in enumerate(arrays):
        result[i, 0] = one
    return result


def mat(variables: dict[str, Any], packed: bool = False) -> bytes:
    """A MATLAB 5 file."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=packed)
    return buffer.getvalue()


def prm(masks: np.ndarray) -> list[dict]:
    """Entries as PRM writes them."""
    entries = []
    for mask in masks:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.ravel(), [0]])))
        runs = np.stack([edges[::2] + 1, edges[1::2] - edges[::2]], axis=1).astype("<i4")
        entries.append({"data": base64.b64encode(runs.tobytes()).decode(), "shape": list(mask.shape)})
    return entries


def rle(mask: np.ndarray) -> dict:
    """COCO's compressed RLE."""
    found = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode()}


def runs(mask: np.ndarray) -> dict:
    """COCO's uncompressed RLE."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def proposal_json(seed: int = 0) -> dict[str, Any]:
    """Proposal files as JSON values, of every layout that is read."""
    some = masks(seed)
    scored = [{"image_id": 1, "segmentation": rle(one), "score": 0.9 - i / 10} for i, one in enumerate(some)]
    polygon = {"image_id": 1, "segmentation": [[2, 2, 12, 2, 12, 11, 2, 11]]}
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    two = [{"image_id": 1 + i % 2, "segmentation": runs(one)} for i, one in enumerate(some)]
    return {
        "PRM": prm(some),
        "RLE": [rle(one) for one in some],
        "runs": [runs(one) for one in some],
        "results": scored,
        "polygons": {"annotations": [polygon]},
        "instances": {"images": images, "annotations": two},
        "SAM": [{"segmentation": runs(one), "predicted_iou": 0.5, "area": int(one.sum())} for one in some],
    }


def index_map(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) uint8 of 0, a few numbers and 255."""
    result = np.zeros(size, np.uint8)
    for mask, number in zip(masks(seed, 5, size), (1, 2, 7, 20, 255), strict=True):
        result[mask] = number
    return result


def index_png(index: np.ndarray, palette: bool = True) -> bytes:
    """An index PNG, with a palette or grey."""
    picture = Image.fromarray(index)
    if palette and index.dtype == np.uint8:
        picture.putpalette([number for i in range(256) for number in (i, 255 - i, i ^ 85)])
    return encoded(picture, "PNG")


def grey_png(index: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2, 4, 8 or 16 bits, which Pillow does not write."""
    height, width = index.shape
    places = (index.astype(np.uint16)[..., None] >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(places.reshape(height, -1).astype(np.uint8), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)), (b"IDAT", zlib.compress(lines))]
    framed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*parts, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def devkit() -> dict[str, bytes]:
    """Files of a small set of photos with masks, by name."""
    files = {}
    for number in range(2):
        classes = np.zeros((20, 24), np.uint8)
        classes[2:10, 3:12], classes[11:18, 5:20], classes[0] = 8, 12, 255
        objects = np.where(classes == 8, 1, np.where(classes == 12, 2, classes)).astype(np.uint8)
        files[f"VOC/JPEGImages/p{number}.jpg"] = encoded(scene(20, 24, number), "JPEG")
        files[f"VOC/SegmentationClass/p{number}.png"] = index_png(classes)
        files[f"VOC/SegmentationObject/p{number}.png"] = index_png(objects)
    return {**files, "VOC/ImageSets/Segmentation/val.txt": b"p0\np1\n"}


def packed(files: dict[str, bytes], stored: bool = False) -> bytes:
    """A zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def page_message() -> dict[str, Any]:
    """What the explorer's page says of itself with every event."""
    return {
        "token": "abc", "other": None, "peak": 0, "step": 1, "preset": "paper", "reading": "cover",
        "weights": [0.95, 0.1, 0.8], "enhancer": "spread", "compare": "naive", "tab": "instances", "axes": [0, 2],
        "dark": False,
    }  # fmt: skip


def text(value: Any) -> bytes:
    """A JSON file."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
