"""Results as files: COCO JSON, VOC PNGs, raw maps, a bundle. Each is written under another name first, then renamed."""

from __future__ import annotations

import io
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from wsis import voc

if TYPE_CHECKING:
    from wsis.instances import Instance
    from wsis.matching import Weights
    from wsis.pipeline import Analysis, Pipeline

PACKAGES = ("wsis", "torch", "timm", "numpy", "opencv-python-headless", "higra")


def coco_results(analysis: Analysis, found: Sequence[Instance], file_name: str) -> list[dict]:
    """Instances in the format of COCO results.

    Args:
        analysis: where the masks come from.
        found: its instances.
        file_name: of the photo; its stem becomes `image_id`.

    Returns:
        One dict an instance: `image_id`, `file_name`, `category_id` (from 1, in the model's order of classes, VOC's for
        the embedded model), `category_name`, `segmentation` (compressed RLE at the photo's own size), `bbox`
        [x, y, width, height] and `area` in pixels, `score` in [0, 1].
    """
    entries = []
    for instance in found:
        rle = coco_mask.encode(np.asfortranarray(analysis.mask(instance), np.uint8))
        entries.append(
            {
                "image_id": Path(file_name).stem,
                "file_name": file_name,
                "category_id": instance.category + 1,
                "category_name": instance.name,
                "segmentation": {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")},
                "bbox": [float(value) for value in coco_mask.toBbox(rle)],
                "area": int(coco_mask.area(rle)),
                "score": round(float(instance.score), 6),
            }
        )
    return entries


def instance_map(analysis: Analysis, found: Sequence[Instance]) -> np.ndarray:
    """(H, W) uint8: 0 background, 1..N the instances by falling score, the best on top; at most 254, best proposals only."""
    painted = np.zeros(analysis.evidence.size, np.uint8)
    first = [instance for instance in found if instance.rank == 0][:254]
    for index in range(len(first) - 1, -1, -1):
        painted[analysis.mask(first[index])] = index + 1
    return painted


def indexed_png(indices: np.ndarray) -> bytes:
    """An (H, W) uint8 index map as PNG with VOC's palette."""
    image = Image.fromarray(indices)
    image.putpalette(voc.palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def png(image: np.ndarray) -> bytes:
    """An (H, W, 3) uint8 RGB image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def raw_maps(analysis: Analysis) -> bytes:
    """Class maps, peaks and maps of every step as a compressed npz."""
    buffer = io.BytesIO()
    peaks = analysis.peaks
    np.savez_compressed(
        buffer,
        class_maps=analysis.evidence.class_maps.maps,
        class_scores=analysis.evidence.class_maps.scores,
        classes=np.array(analysis.classes),
        peak_classes=peaks.classes,
        peak_rows=peaks.rows,
        peak_columns=peaks.columns,
        peak_values=peaks.values,
        maps=analysis.maps.astype(np.float16),
        thresholds=analysis.thresholds,
        contours=analysis.evidence.contours.astype(np.float16),
        regions=analysis.proposals.labels,
    )
    return buffer.getvalue()


def manifest(pipeline: Pipeline, settings: object, weights: Weights, **more: object) -> dict:
    """What made a result: model with the hashes of its files, settings, weights, versions."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    modules = {key: entry.get("sha256") for key, entry in pipeline.checkpoint.card.get("modules", {}).items()}
    return {
        "format": 1,
        "model": pipeline.name,
        "model_sha256": modules,
        "device": pipeline.device,
        "settings": asdict(settings),  # type: ignore[call-overload]
        "weights": asdict(weights),
        "versions": versions,
        **more,
    }


def bundle(analysis: Analysis, found: Sequence[Instance], file_name: str, about: dict, overlay: np.ndarray) -> bytes:
    """Everything of one photo as a zip: COCO JSON, PNGs, an overlay, raw maps, the manifest."""
    buffer = io.BytesIO()
    stem = Path(file_name).stem
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(about, indent=1))
        archive.writestr("instances.json", json.dumps(coco_results(analysis, found, file_name)))
        archive.writestr(f"semantic/{stem}.png", indexed_png(analysis.semantic(found)))
        archive.writestr(f"instance/{stem}.png", indexed_png(instance_map(analysis, found)))
        archive.writestr(f"overlay/{stem}.png", png(overlay))
        archive.writestr(f"maps/{stem}.npz", raw_maps(analysis))
    return buffer.getvalue()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and leaves nothing behind when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp makes private files
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write(path: Path, content: bytes | str) -> Path:
    """Write a whole file, or nothing."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path
