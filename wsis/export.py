"""Results out, as bytes: COCO JSON, index PNGs, raw maps. The same results give the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from wsis import index_image, names
from wsis.analysis import Analysis
from wsis.instances import Instance, in_painting_order, shown
from wsis.proposals.proposal_set import Size, resized_labels


def coco_results(
    analysis: Analysis,
    instances: Sequence[Instance],
    *,
    stem: str = "photo",
    file_name: str | None = None,
    trust: Sequence[float | None] = (),
) -> list[dict[str, Any]]:
    """Instances as COCO results.

    Args:
        analysis: where they come from.
        instances: from `analysis.instances`.
        stem: the `image_id`.
        file_name: of the photo; left out if None.
        trust: of each instance, see `wsis.trust.shares`; empty where none is rated.

    Returns:
        One entry an instance, in the given order: `image_id`, `file_name`, `category_id` (from 1, in the order of the
        model's classes), `category_name`, `segmentation` (compressed RLE at the photo's own size,
        `counts` as text), `bbox` [x, y, width, height] and `area` in pixels, `score` in [0, 1], and `instance`, its
        number in `instance_png`, 0 for what is not painted there; `by_hand`, true, where it is not the method's own;
        `trust`, the share of masks like it that are right, where it is rated.
    """
    results, number = [], 0
    for instance, share in zip(instances, trust or [None] * len(instances), strict=True):
        number += instance.painted
        rle = _rle(analysis, instance)
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
                "instance": number if instance.painted else 0,
                **({"by_hand": True} if instance.by_hand else {}),
                **({} if share is None else {"trust": round(share, 3)}),
            }
        )
    return results


def _rle(analysis: Analysis, instance: Instance) -> dict[str, Any]:
    """COCO's compressed RLE at the photo's own size."""
    if instance.by_hand:
        rle: dict[str, Any] = coco_mask.encode(np.asfortranarray(analysis.mask(instance).view(np.uint8)))
        return rle
    return resized_rle(analysis.evidence.source.mask(instance.proposal), analysis.evidence.size)


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


def semantic_png(analysis: Analysis, instances: Sequence[Instance]) -> bytes:
    """The semantic map as a PNG whose indices are 0 for background and `category_id` for the rest.

    Of 16 bits where the model has more than 254 classes, see `index_png`.
    """
    return index_png(analysis.semantic(instances))


def instance_png(analysis: Analysis, instances: Sequence[Instance]) -> bytes:
    """Instances as a PNG: 0 background, i for the i-th best of those that are `painted`.

    Of 16 bits where there are more than 254, see `index_png`.
    """
    best, order = shown(instances), in_painting_order(instances)
    index = np.zeros(analysis.evidence.size, index_image.index_type(len(best)))
    for instance, mask in zip(order, analysis.masks(order), strict=True):
        index[mask] = best.index(instance) + 1
    return index_png(index)


def mask_png(analysis: Analysis, instance: Instance) -> bytes:
    """One instance as a grey PNG at the photo's own size: 255 inside, 0 outside."""
    return _encoded(Image.fromarray(analysis.mask(instance).view(np.uint8) * 255), "PNG")


def index_png(index: np.ndarray) -> bytes:
    """An index PNG: of 8 bits in VOC's palette, which many tools show classes of any kind in; of 16 bits in grey.

    Args:
        index: (H, W) uint8 or uint16, see `wsis.index_image`; palettes end at 256 colours.
    """
    if index.ndim != 2 or index.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"index: expected (H, W) uint8 or uint16, got {index.shape} {index.dtype}")
    image = Image.fromarray(index)
    if index.dtype == np.uint8:
        image.putpalette(index_image.palette().tobytes())
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
        kind: of `maps`, `object_maps` and `contours`, whose values lie in [0, 1]: float16 as they are, to within
            1/4096; uint8 in steps of 1/255, so to within 1/510, in a tenth of the room. All else is exact.

    `classes` (C,) and `scores` (C,); `class_maps` (C, h', w'); `peak_classes`, `peak_rows`, `peak_columns` and
    `peak_values` (K,); `responses` (K, h'', w'') of the peaks (Eq. 2) where they were computed; `maps` and `binary`
    (T+1, K, h, w), step 0 the naive map; `thresholds` (T+1, K); `contours` (h, w); the proposals' `labels` (h, w) and
    `membership` (N, R); `terms` (T+1, K, N, 3), `overlaps` (T+1, K, N); `objectness` (N,) where the checkpoint has a
    network for it (the reading `cover` ranks by `terms` times `wsis.matching.rates` of it); and of the enhancer
    `icn-instances` `object_maps`, `object_binary` (K, h, w), `object_thresholds` (K,), `object_terms` (K, N, 3) and
    `object_overlaps` (K, N).
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
    if analysis.responses is not None:
        arrays["responses"] = analysis.responses
    if analysis.objects is not None:
        objects = {field.name: getattr(analysis.objects, field.name) for field in fields(analysis.objects)}
        arrays |= {f"object_{name}": array for name, array in objects.items()}
        arrays["object_maps"] = _reduced(analysis.objects.maps, kind)
    level = 6 if kind is np.uint8 else 1  # for float16, 1 has all of 6's gain in a fraction of the time
    return zipped({f"{name}.npy": _npy(array) for name, array in arrays.items()}, level=level)


def _reduced(values: np.ndarray, kind: type[np.float16 | np.uint8]) -> np.ndarray:
    """Values in [0, 1] in fewer bytes."""
    return np.rint(values * np.float32(255)).astype(np.uint8) if kind is np.uint8 else values.astype(kind)


def zipped(contents: Mapping[str, bytes], level: int | None = None) -> bytes:
    """A zip of files, content by name; equal files make equal zips.

    PNGs and NPZs are stored as they are, all else is deflated.

    Args:
        contents: content by name, in the order of the zip.
        level: of deflation, 0..9; None takes zlib's own.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
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
