"""Proposals of other tools: MCG and COB (.mat), PRM, COCO results and RLE (.json, also SAM's), label images (.png).

A file that does not hold what its ending promises is refused with what was expected and what was found.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from wsis import voc
from wsis.errors import WsisError
from wsis.proposals import matlab
from wsis.proposals.proposal_set import ProposalSet, Size, from_masks, rank_scores, ranking

MOST_BYTES = 2 << 30
"""Memory that the decoded masks of one file may take, a byte a pixel and mask."""
MOST_CELLS = 100_000_000
"""Proposals x regions of one file; several tables of that size are needed, of up to 4 bytes a cell."""


def read(path: str | Path, size: Size, image_id: str | int | None = None) -> ProposalSet:
    """Proposals from a file.

    Args:
        path: `.mat` (MCG, COB: `superpixels` and `labels`, or `masks`), `.json` (PRM, COCO results, COCO instances, a
            list of RLEs) or `.png` (one proposal per index; 0 is background, 255 void).
        size: (height, width) of the photo that the proposals must belong to.
        image_id: which image of a COCO file with several; without it, the image named like the file.

    Returns:
        Proposals at `size`, best first where the file has scores, in the file's order where it has none.

    Raises:
        WsisError: the file is missing, is none of these, is damaged, or belongs to a photo of another size.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path, Size, str | int | None], ProposalSet]] = {
        ".mat": _mat,
        ".json": _json,
        ".png": _png,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WsisError(
            f"{path.name} is not a proposal file: expected .mat (MCG, COB), .json (PRM, COCO) or .png (labels)."
        )
    if not path.is_file():
        raise WsisError(f"There is no proposal file {path}.")
    return reader(path, size, image_id)


def _mat(path: Path, size: Size, _: str | int | None) -> ProposalSet:
    try:
        fields = _fields(matlab.variables(path.read_bytes(), MOST_BYTES))
    except NotImplementedError as error:
        raise WsisError(f"{path.name} is a MATLAB 7.3 (HDF5) file; save it with -v7 to read it here.") from error
    except matlab.TooLargeError as error:
        raise WsisError(f"{path.name} unpacks to more than {MOST_BYTES >> 30} GB. Save fewer proposals.") from error
    except ValueError as error:
        raise WsisError(f"{path.name} is not a readable MATLAB file: {error}.") from error
    if "superpixels" in fields and "labels" in fields:
        return _mcg(path, size, fields)
    if "masks" in fields:
        masks = fields["masks"]
        masks = masks[..., None] if masks.ndim == 2 else masks
        if masks.ndim != 3 or masks.dtype.kind not in "biuf":
            raise WsisError(f"{path.name}: expected 'masks' as an H x W x N array, got {masks.shape} {masks.dtype}.")
        _check_size(path, masks.shape[:2], size)
        return from_masks(np.moveaxis(masks, 2, 0) > 0, _scores(path, fields, masks.shape[2]), f"{path.name} (masks)")
    found = _short(", ".join(sorted(fields)) or "nothing")
    raise WsisError(
        f"{path.name} holds no proposals: expected the variables 'superpixels' (H x W) and 'labels' (one list of "
        f"superpixel numbers per proposal), as MCG and COB write them, or 'masks' (H x W x N); found {found}."
    )


def _fields(content: dict[str, Any]) -> dict[str, np.ndarray]:
    """Variables of a .mat file, and the fields of any struct among them (MCG's `candidates`)."""
    fields = dict(content)
    for value in content.values():
        if isinstance(value, dict):
            fields |= value
    return {name: matlab.OTHER if isinstance(value, dict) else value for name, value in fields.items()}


def _mcg(path: Path, size: Size, fields: dict[str, np.ndarray]) -> ProposalSet:
    superpixels, cells = fields["superpixels"], fields["labels"]
    if superpixels.ndim != 2 or superpixels.dtype.kind not in "iuf":
        raise WsisError(f"{path.name}: expected 'superpixels' as an H x W array of numbers, got {superpixels.shape}.")
    _check_size(path, superpixels.shape, size)
    if cells.dtype != object or not cells.size:
        raise WsisError(
            f"{path.name}: expected 'labels' as a cell array with one list per proposal, got {cells.dtype}."
        )
    lists = [np.asarray(cell).ravel() for cell in cells.ravel()]
    names, labels = np.unique(superpixels, return_inverse=True)
    members = np.concatenate(lists)
    if members.dtype.kind not in "iuf":
        raise WsisError(f"{path.name}: expected superpixel numbers in 'labels', got {members.dtype}.")
    columns = np.searchsorted(names, members).clip(max=len(names) - 1)
    unknown = names[columns] != members
    if unknown.any():
        raise WsisError(
            f"{path.name}: a proposal names superpixel {members[unknown][0]}, which 'superpixels' does not hold."
        )
    lengths = np.array([len(numbers) for numbers in lists])
    if not lengths.all():
        raise WsisError(f"{path.name}: proposal {int(np.argmin(lengths))} (from 0) lists no superpixel.")
    _check_table(path, len(lists), len(names))
    membership = np.zeros((len(lists), len(names)), bool)
    membership[np.repeat(np.arange(len(lists)), lengths), columns] = True
    ranked, order = ranking(_scores(path, fields, len(lists)), len(lists))
    labels = labels.reshape(superpixels.shape).astype(np.int32)
    return ProposalSet(labels, membership[order], ranked, f"{path.name} (MCG)")


def _scores(path: Path, fields: dict[str, np.ndarray], count: int) -> np.ndarray | None:
    if "scores" not in fields:
        return None
    scores = fields["scores"].ravel()
    if scores.shape != (count,) or scores.dtype.kind not in "iuf" or not np.isfinite(scores).all():
        raise WsisError(
            f"{path.name}: expected {count} finite 'scores', one per proposal, got {fields['scores'].shape}."
        )
    return scores.astype(np.float64)


def _json(path: Path, size: Size, image_id: str | int | None) -> ProposalSet:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WsisError(f"{path.name} is not valid JSON: {error}.") from error
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        found = (
            f"an object with {_short(', '.join(map(str, content)) or 'nothing')}"
            if isinstance(content, dict)
            else "no objects"
        )
        raise WsisError(
            f"{path.name} holds no proposals: expected a list of PRM runs ('data', 'shape'), COCO results "
            f"('segmentation') or RLEs ('size', 'counts'); found {found}."
        )
    if all("data" in entry and "shape" in entry for entry in entries):
        _check_memory(path, len(entries), size)
        return from_masks(
            np.stack([_runs(path, i, e, size) for i, e in enumerate(entries)]), None, f"{path.name} (PRM)"
        )
    entries = _of_image(path, content, entries, image_id)
    shapes = [entry.get("segmentation", entry) for entry in entries]
    _check_memory(path, len(shapes), size)
    masks = np.stack([_coco(path, i, shape, size) for i, shape in enumerate(shapes)])
    scores = [entry.get("score", entry.get("predicted_iou")) for entry in entries]
    if any(score is not None for score in scores):
        if not all(isinstance(score, (int, float)) for score in scores):
            raise WsisError(f"{path.name}: some entries have a numeric score and others do not; give all or none one.")
        try:
            numbers = np.array(scores, np.float64)
        except OverflowError as error:  # JSON has integers of any length
            raise WsisError(f"A score in {path.name} is not a finite number.") from error
        return from_masks(masks, numbers, f"{path.name} (COCO)")
    return from_masks(masks, None, f"{path.name} (COCO)")


def _runs(path: Path, number: int, entry: dict, size: Size) -> np.ndarray:
    """One PRM proposal: base64 of int32 (start, length) runs over the rows of the mask; the first pixel is number 1."""
    place = f"{path.name}, proposal {number}"
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(side, int) for side in shape):
        raise WsisError(f"{place}: expected 'shape' as [height, width], got {_short(shape)}.")
    _check_size(path, tuple(shape), size)
    try:
        raw = base64.b64decode(entry["data"], validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise WsisError(f"{place}: 'data' is not base64.") from error
    if len(raw) % 8:
        raise WsisError(f"{place}: expected pairs of 32-bit numbers (start, length), got {len(raw)} bytes.")
    start, length = np.frombuffer(raw, "<i4").reshape(-1, 2).astype(np.int64).T
    pixels = size[0] * size[1]
    start = start - 1
    if len(start) and (start.min() < 0 or length.min() < 0 or (start + length).max() > pixels):
        raise WsisError(f"{place}: a run leaves the mask of {pixels} pixels.")
    steps = np.zeros(pixels + 1, np.int32)
    np.add.at(steps, start, 1)
    np.add.at(steps, start + length, -1)
    return (np.cumsum(steps[:-1]) > 0).reshape(size)


def _of_image(path: Path, content: dict | list, entries: list[dict], image_id: str | int | None) -> list[dict]:
    """The entries of one image; images are named by their id, or by the stem of their file name."""
    present = {str(entry["image_id"]) for entry in entries if "image_id" in entry}
    if not present or (len(present) == 1 and image_id is None):
        return entries
    wanted = str(path.stem if image_id is None else image_id)
    names = {wanted}
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        for image in content["images"]:
            if isinstance(image, dict) and Path(str(image.get("file_name", ""))).stem == wanted:
                names.add(str(image.get("id")))
    chosen = [entry for entry in entries if str(entry.get("image_id")) in names]
    if not chosen:
        some = _short(", ".join(sorted(present)[:5]))
        raise WsisError(
            f"{path.name} has no proposals for image '{wanted}'; it covers {len(present)} images ({some} ...)."
        )
    return chosen


def _coco(path: Path, number: int, shape: Any, size: Size) -> np.ndarray:
    """A compressed or uncompressed RLE, or polygons, as (H, W) bool."""
    place = f"{path.name}, proposal {number}"
    try:
        if isinstance(shape, list):
            return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(_polygons(shape, size), *size))).astype(bool)
        _check_size(path, tuple(shape["size"]), size)
        counts = shape["counts"]
        counts = np.array(counts, np.int64) if isinstance(counts, list) else _decompressed(counts.encode("ascii"))
        if counts.min(initial=0) < 0 or counts.sum() != size[0] * size[1]:
            raise ValueError(f"the runs add up to {counts.sum()} pixels, not {size[0] * size[1]}")
        return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size, order="F")
    except WsisError:
        raise
    except Exception as error:  # pycocotools raises whatever Cython makes of a wrong type
        raise WsisError(
            f"{place}: expected a COCO RLE {{'size': [height, width], 'counts': ...}} or polygons; {_short(error)}."
        ) from error


def _polygons(shape: list, size: Size) -> list[list[float]]:
    """The polygons of a shape; pycocotools takes boxes and RLEs of any size for some, and memory for long edges."""
    for polygon in shape:
        points = np.array(polygon, np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise ValueError("a polygon is a list of x, y, x, y, ... of at least three points")
        if not (np.abs(points) <= 2 * max(size)).all():
            raise ValueError("a polygon lies far outside the photo")
    return shape


def _decompressed(text: bytes) -> np.ndarray:
    """Run lengths of COCO's compressed RLE; pycocotools would decode a damaged string to pixels without a word.

    A number is little-endian, five bits a character, bit 6 set on all but its last character, bit 5 of the last one its
    sign; from the fourth number on they are differences to the last but one.
    """
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        raise ValueError("'counts' is no compressed RLE")
    last = np.flatnonzero(digits & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    place = 5 * (np.arange(len(digits)) - np.repeat(first, last - first + 1))
    if place.max() > 35:
        raise ValueError("'counts' holds a number of more than 35 bits")
    counts = np.add.reduceat((digits & 31) << place, first)
    counts -= np.where(digits[last] & 16, np.int64(32) << place[last], 0)
    for start in (1, 2):
        counts[start::2] = np.cumsum(counts[start::2])
    return counts


def _png(path: Path, size: Size, _: str | int | None) -> ProposalSet:
    try:
        with Image.open(path, formats=("PNG",)) as image:  # others draw, or run another program (EPS)
            if image.mode not in ("P", "L", "1", "I", "I;16"):
                raise WsisError(
                    f"{path.name} is a colour image ({image.mode}); expected an index PNG with one number per proposal."
                )
            _check_size(path, image.size[::-1], size)
            void, index = image.mode in ("P", "L"), np.array(image).astype(np.int64)
    except WsisError:
        raise
    except Exception as error:  # Pillow raises many types on damaged files
        raise WsisError(f"{path.name} is not a readable PNG.") from error
    values, labels = np.unique(index, return_inverse=True)
    numbered = np.flatnonzero((values != 0) & ~(void & (values == voc.VOID)))
    if not len(numbered):
        raise WsisError(f"{path.name} holds no index besides 0 (background) and 255 (void).")
    _check_table(path, len(numbered), len(values))
    membership = np.eye(len(values), dtype=bool)[numbered]
    labels = labels.reshape(size).astype(np.int32)
    return ProposalSet(labels, membership, rank_scores(len(numbered)), f"{path.name} (labels)")


def _short(value: Any) -> str:
    """What a file says, fit for a sentence: one line of at most 80 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_size(path: Path, found: tuple[int, ...], size: Size) -> None:
    if tuple(found) != tuple(size):
        raise WsisError(
            f"{path.name} holds proposals for a photo of {_short(found[1])} x {_short(found[0])} pixels, but the photo "
            f"has {size[1]} x {size[0]}."
            if len(found) == 2
            else f"{path.name}: expected a size of two numbers, got {_short(list(found))}."
        )


def _check_memory(path: Path, count: int, size: Size) -> None:
    most = MOST_BYTES // (size[0] * size[1])
    if count > most:
        raise WsisError(
            f"{path.name} holds {count} masks; at {size[1]} x {size[0]} pixels at most {most} fit in memory."
        )


def _check_table(path: Path, count: int, regions: int) -> None:
    if count * regions > MOST_CELLS:
        raise WsisError(
            f"{path.name} holds {count} proposals over {regions} regions, which is more than can be handled. "
            "Leave the worst ones out."
        )
