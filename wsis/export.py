"""Results out: COCO JSON, index PNGs in VOC's palette, raw maps, and all of it in one zip.

Every file is written under a temporary name in its folder and renamed, so whoever looks finds the old file or the new
one, never half of either. The same results give the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import platform
import time
import tomllib
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from wsis import names, render, voc
from wsis.checkpoints import Checkpoint
from wsis.errors import WsisError
from wsis.instances import Instance
from wsis.matching import Weights
from wsis.pipeline import Analysis
from wsis.proposals.proposal_set import Size, resized_labels

FORMAT = 1
LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "numpy",
    "scipy": "scipy",
    "opencv-python-headless": "cv2",
    "scikit-image": "skimage",
    "higra": "higra",
    "pycocotools": "pycocotools",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
}
"""What shapes results, as packages and the modules they are imported by: caches are believed while none has changed."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there becomes `path` on leaving, or vanishes on any error.

    Raises:
        WsisError: the folder cannot be made or written to.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise WsisError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@lru_cache(maxsize=64)  # once a folder is enough
def _sweep(folder: Path, seconds: float = 600) -> None:
    """Delete what a killed process left half written in a folder; younger files may be another process's."""
    for part in folder.glob(f".{32 * '[0-9a-f]'}.part"):  # other programs have such files too
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > seconds:
                part.unlink()


def write(path: Path, content: bytes | str) -> Path:
    """Write a file whole or not at all; its folder is made where it is missing."""
    with writing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def try_folder(folder: Path) -> None:
    """Make a folder of results where it is missing and write a little into it, so that a useless one is told at once.

    Raises:
        WsisError: the folder cannot be made or written to.
    """
    name = f".{uuid.uuid4().hex}.part"  # swept away later should this be killed
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"wsis")
        (folder / name).unlink()
    except OSError as error:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        raise WsisError(f"Nothing can be written to {folder}: {error.strerror or error}.") from error


def coco_results(
    analysis: Analysis,
    found: Sequence[Instance],
    *,
    stem: str = "photo",
    file_name: str | None = None,
    numbered: bool = False,
) -> list[dict[str, Any]]:
    """Instances as COCO results.

    Args:
        analysis: where they come from.
        found: from `analysis.instances`.
        stem: the `image_id`.
        file_name: of the photo; left out if None.
        numbered: whether `instance` is added, the number in `instance_png`; 0 for what is not painted there, the
            further proposals of a peak.

    Returns:
        One entry an instance, in the given order: `image_id`, `file_name`, `category_id` (from 1, in the order of the
        model's classes, VOC's for `voc-lite`), `category_name`, `segmentation` (compressed RLE at the photo's own size,
        `counts` as text), `bbox` [x, y, width, height] and `area` in pixels, `score` in [0, 1].
    """
    results, number = [], 0
    for instance in found:
        number += not instance.rank
        rle = resized_rle(analysis.evidence.source.mask(instance.proposal), analysis.evidence.size)
        results.append(
            {
                "image_id": names.text(stem),
                **({} if file_name is None else {"file_name": names.text(file_name)}),
                "category_id": instance.category + 1,
                "category_name": instance.name,
                "segmentation": {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")},
                "bbox": [float(number) for number in coco_mask.toBbox(rle)],
                "area": int(coco_mask.area(rle)),
                "score": round(float(instance.score), 6),
                **({"instance": 0 if instance.rank else number} if numbered else {}),
            }
        )
    return results


def resized_rle(mask: np.ndarray, size: Size) -> dict[str, Any]:
    """COCO's compressed RLE of a mask resized (nearest) to `size`, without painting it.

    Columns of a small mask repeat in the large one, and so do their runs: 1 ms a mask whatever the photo's size.

    Args:
        mask: (h, w) bool.
        size: (H, W) of the result.

    Returns:
        `size` [H, W] and `counts` as bytes, as `pycocotools.mask.encode` returns them.
    """
    height, width = size
    rows = resized_labels(np.arange(mask.shape[0], dtype=np.int32)[:, None], (height, 1))[:, 0]
    columns = resized_labels(np.arange(mask.shape[1], dtype=np.int32)[None], (1, width))[0]
    kept, top = np.unique(rows, return_index=True)
    tall = np.ascontiguousarray(mask.T)[:, kept]
    column, row = np.nonzero(tall[:, 1:] != tall[:, :-1])
    first = np.searchsorted(column, np.arange(len(tall) + 1))
    number = np.diff(first)[columns]
    place = np.arange(number.sum()) + np.repeat(first[columns] - (np.cumsum(number) - number), number)
    within = np.repeat(np.arange(width) * height, number) + top[row + 1][place]
    between = (np.flatnonzero(tall[columns[1:], 0] != tall[columns[:-1], -1]) + 1) * height
    start = [0] if tall[columns[0], 0] else []  # the first run is of background
    ends = np.concatenate([start, np.sort(np.concatenate([within, between]), kind="stable"), [height * width]])
    counts = np.diff(ends.astype(np.int64), prepend=0).tolist()
    return coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)


def semantic_png(analysis: Analysis, found: Sequence[Instance]) -> bytes:
    """The semantic map as a PNG whose indices are 0 for background and `category_id` for the rest.

    Of 16 bits where the model has more than 254 classes, see `index_png`.
    """
    return index_png(analysis.semantic(found))


def instance_png(analysis: Analysis, found: Sequence[Instance]) -> bytes:
    """Instances as a PNG: 0 background, i for the i-th best; of each peak the best proposal, the best score on top.

    Of 16 bits where there are more than 254, see `index_png`.
    """
    best = [one for one in found if not one.rank]
    index = np.zeros(analysis.evidence.size, voc.index_type(len(best)))
    for number, mask in zip(range(len(best), 0, -1), render.masks(analysis, best[::-1]), strict=True):
        index[mask] = number
    return index_png(index)


def mask_png(analysis: Analysis, instance: Instance) -> bytes:
    """One instance as a grey PNG at the photo's own size: 255 inside, 0 outside."""
    return _encoded(Image.fromarray(analysis.mask(instance).view(np.uint8) * 255), "PNG")


def index_png(index: np.ndarray) -> bytes:
    """An index PNG in VOC's palette.

    Args:
        index: (H, W) uint8; (H, W) uint16 becomes a 16-bit grey PNG, for there are no larger palettes: there 255 is a
            number like any other and not void.
    """
    if index.ndim != 2 or index.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"index: expected (H, W) uint8 or uint16, got {index.shape} {index.dtype}")
    image = Image.fromarray(index)
    if index.dtype == np.uint8:
        image.putpalette(voc.palette().tobytes())
    return _encoded(image, "PNG", optimize=False)


def rgb_png(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a PNG."""
    return _encoded(Image.fromarray(image), "PNG", compress_level=3)  # half the time of 6 for a tenth more bytes


def rgb_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """(H, W, 3) uint8 as a JPEG."""
    return _encoded(Image.fromarray(image), "JPEG", quality=quality)


def maps_npz(analysis: Analysis, kind: type[np.float16 | np.uint8] = np.float16) -> bytes:
    """Everything that the instances follow from, as a file for `numpy.load`.

    Args:
        analysis: what was found out.
        kind: of `maps` and `contours`, whose values lie in [0, 1]: float16 as they are, to within 1/4096; uint8 in
            steps of 1/255, so to within 1/510, in a tenth of the room. All else is exact.

    `classes` (C,) and `scores` (C,); `class_maps` (C, h', w'); `peak_classes`, `peak_rows`, `peak_columns` and
    `peak_values` (K,); `maps` and `binary` (T+1, K, h, w), step 0 the naive map; `thresholds` (T+1, K); `contours`
    (h, w); the proposals' `labels` (h, w) and `membership` (N, R); `terms` (T+1, K, N, 3), `overlaps` (T+1, K, N);
    and `objectness` (N,) where the checkpoint has a network for it.
    """
    peaks, evidence, proposals = analysis.peaks, analysis.evidence, analysis.proposals
    arrays = {
        "classes": np.array(analysis.classes),
        "scores": evidence.class_maps.scores,
        "class_maps": evidence.class_maps.maps,
        "peak_classes": peaks.classes,
        "peak_rows": peaks.rows,
        "peak_columns": peaks.columns,
        "peak_values": peaks.values,
        "maps": _reduced(analysis.maps, kind),
        "binary": analysis.binary,
        "thresholds": analysis.thresholds,
        "contours": _reduced(evidence.contours, kind),
        "labels": proposals.labels,
        "membership": proposals.membership,
        "terms": analysis.terms,
        "overlaps": analysis.overlaps,
        **({} if evidence.objectness is None else {"objectness": evidence.objectness}),
    }
    level = 6 if kind is np.uint8 else 1  # for float16, 1 has all of 6's gain in a fraction of the time
    return _zipped({f"{name}.npy": _npy(array) for name, array in arrays.items()}, level=level)


def _reduced(values: np.ndarray, kind: type[np.float16 | np.uint8]) -> np.ndarray:
    """Values in [0, 1] in fewer bytes."""
    return np.rint(values * np.float32(255)).astype(np.uint8) if kind is np.uint8 else values.astype(kind)


def manifest(analysis: Analysis, *, model: str | Checkpoint, weights: Weights | None = None) -> dict[str, Any]:
    """How a result was made: model, settings, weights of Eq. 5 and versions.

    Args:
        analysis: the result.
        model: its name, or the checkpoint itself, which adds the SHA-256 of every network.
        weights: of Eq. 5; None where the list of instances was not made with one triple.
    """
    return {
        **header(model),
        "settings": asdict(analysis.settings),
        "weights": None if weights is None else asdict(weights),
        "proposals": analysis.proposals.source,
    }


def header(model: str | Checkpoint) -> dict[str, Any]:
    """The part of a manifest that is the same for every photo: format, model, versions."""
    own: dict[str, Any] = {"name": model if isinstance(model, str) else model.name}
    if isinstance(model, Checkpoint):
        modules = model.card.get("modules", {})
        own["files"] = {key: {name: entry.get(name) for name in ("file", "sha256")} for key, entry in modules.items()}
    return {"format": FORMAT, "model": own, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that shape results."""
    found = {"wsis": version(), "python": platform.python_version()}
    for name, module in LIBRARIES.items():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional one, or another build, as OpenCV has several
            there = importlib.util.find_spec(module) is not None
            found[name] = str(getattr(importlib.import_module(module), "__version__", "unknown")) if there else "none"
    return found


def version() -> str:
    """This package's version: of the clone it lies in, else of the installed package."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    try:
        if project.is_file():
            return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
        return metadata.version("wsis")
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return "unknown"


def coco_json(path: Path, analysis: Analysis, found: Sequence[Instance], *, stem: str, model: str = "") -> Path:
    """Write the instances as COCO results."""
    return write(path, as_json(coco_results(analysis, found, stem=stem)))


def voc_zip(path: Path, analysis: Analysis, found: Sequence[Instance], *, stem: str, model: str = "") -> Path:
    """Write `semantic/STEM.png` and `instance/STEM.png` into a zip."""
    return _zip(
        path,
        {f"semantic/{stem}.png": semantic_png(analysis, found), f"instance/{stem}.png": instance_png(analysis, found)},
    )


def overlay_png(path: Path, analysis: Analysis, found: Sequence[Instance], *, stem: str, model: str = "") -> Path:
    """Write the photo with its instances."""
    return write(path, rgb_png(render.instances(analysis, found)))


def strip_png(
    path: Path, analysis: Analysis, found: Sequence[Instance], *, stem: str, model: str = "", step: int = -1
) -> Path:
    """Write how each instance came about, as in the paper's Fig. 7; see `render.sheet`."""
    return write(path, rgb_png(render.sheet(analysis, found, step=step)))


def maps_file(path: Path, analysis: Analysis, found: Sequence[Instance], *, stem: str, model: str = "") -> Path:
    """Write the raw maps in float16; see `maps_npz`."""
    return write(path, maps_npz(analysis))


def bundle(
    path: Path,
    analysis: Analysis,
    found: Sequence[Instance],
    *,
    stem: str,
    model: str | Checkpoint,
    weights: Weights | None = None,
    step: int = -1,
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Write everything into one zip: instances, PNGs, overlay, strips (Fig. 7), raw maps and the manifest.

    The maps are in 8 bits, 255 for 1, as the manifest says of each under `arrays`; see `maps_npz`.

    Args:
        path: of the zip.
        analysis: what was found out.
        found: the instances, from `analysis.instances(weights, step)`.
        stem: name of the photo's files.
        model: for the manifest.
        weights: for the manifest.
        step: which map was matched, 0..T; -1 is the last.
        more: further files, content by name.
    """
    files = {
        "instances.json": as_json(coco_results(analysis, found, stem=stem)).encode(),
        f"semantic/{stem}.png": semantic_png(analysis, found),
        f"instance/{stem}.png": instance_png(analysis, found),
        f"overlay/{stem}.png": rgb_png(render.instances(analysis, found)),
        f"figure/{stem}.png": rgb_png(render.sheet(analysis, found, step=step)),
        f"maps/{stem}.npz": maps_npz(analysis, np.uint8),
        **(more or {}),
    }
    about = {
        **manifest(analysis, model=model, weights=weights),
        "step": analysis.steps if step < 0 else step,
        "arrays": {name: {"dtype": "uint8", "range": [0, 1], "scale": 1 / 255} for name in ("maps", "contours")},
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
    }
    return _zip(path, {"manifest.json": as_json(about).encode(), **files})


def as_json(content: Any) -> str:
    """JSON text; a list has an entry a line, so that large ones can be looked through and compared.

    It is valid whatever names are in it, see `wsis.names.text`.
    """
    if isinstance(content, list):
        return names.text("[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in content) + "\n]\n")
    return names.text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    return write(path, _zipped(files))


def _zipped(files: dict[str, bytes], level: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            packed = name.endswith((".png", ".npz"))
            # ZipInfo's own date, 1980, keeps equal results equal byte by byte
            kind = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), content, kind, level)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
