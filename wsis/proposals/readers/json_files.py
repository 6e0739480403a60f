"""JSON files: PRM's runs, COCO's results and instances, lists of RLEs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsis import coco_listing, shapes
from wsis.coco_listing import short
from wsis.errors import WsisError
from wsis.proposals.proposal_set import ProposalSet, Size
from wsis.proposals.readers import checks


def read(path: Path, size: Size, image_id: str | int | None = None) -> ProposalSet:
    """Proposals of one photo's file, or of one image of several, see `wsis.proposals.readers.read`."""
    content = coco_listing.load(path)
    listing = listed(path, content)
    if _is_prm(listing.entries):
        checks.check_memory(path, len(listing.entries), size)
        masks = [_runs(path, number, entry, size) for number, entry in enumerate(listing.entries)]
        return checks.with_pixels(path, "PRM", masks, None, range(len(masks)), len(masks))
    return of_entries(listing, listing.of_photo(image_id), size)


def listed(path: Path, content: Any) -> coco_listing.Listing:
    """The entries of a JSON value.

    Raises:
        WsisError: it holds no entries.
    """
    listing = coco_listing.Listing.of(path, content)
    if listing is None:
        found = (
            f"an object with {short(', '.join(map(str, content)) or 'nothing')}"
            if isinstance(content, dict)
            else "no objects"
        )
        raise WsisError(
            f"{path.name} holds no proposals: expected a list of PRM runs ('data', 'shape'), COCO results "
            f"('segmentation') or RLEs ('size', 'counts'); found {found}."
        )
    return listing


def of_entries(listing: coco_listing.Listing, numbers: Sequence[int], size: Size) -> ProposalSet:
    """Proposals of some of a listing's entries; a note says which of them have no mask.

    Raises:
        WsisError: none has a mask, one is damaged or of another size, or only some have a score.
    """
    path, entries = listing.file, [listing.entries[number] for number in numbers]
    found = [entry.get("segmentation", entry) for entry in entries]
    checks.check_memory(path, len(found), size)
    shares = shapes.in_shares(found)
    masks, kept, missing = list[np.ndarray](), list[int](), ""
    for place, shape in enumerate(found):
        try:
            masks.append(shapes.mask(shape, size, shares))
            kept.append(place)
        except shapes.NoMaskError as error:
            missing = missing or f"{_expected(path, place)}; {short(error)}."
        except shapes.OtherSizeError as error:
            checks.check_size(path, error.found, size)
        except ValueError as error:
            raise WsisError(f"{_expected(path, place)}; {short(error)}.") from error
    scores = [entry.get("score", entry.get("predicted_iou")) for entry in entries]
    if any(score is not None for score in scores) and not all(isinstance(score, (int, float)) for score in scores):
        raise WsisError(f"{path.name}: some entries have a numeric score and others do not; give all or none one.")
    if not masks:
        raise WsisError(missing)
    ranks = None if scores[0] is None else _numbers(path, scores)[kept]
    return checks.with_pixels(path, "COCO", masks, ranks, kept, len(entries))


def _expected(path: Path, place: int) -> str:
    return (
        f"{path.name}, proposal {place}: expected a COCO RLE {{'size': [height, width], 'counts': ...}}, polygons or "
        "rows of pixels"
    )


def _numbers(path: Path, scores: list) -> np.ndarray:
    try:
        return np.array(scores, np.float64)
    except OverflowError as error:  # JSON has integers of any length
        raise WsisError(f"A score in {path.name} is not a finite number.") from error


def _is_prm(entries: Sequence[dict]) -> bool:
    return all("data" in entry and "shape" in entry for entry in entries)


def _runs(path: Path, number: int, entry: dict, size: Size) -> np.ndarray:
    """One PRM proposal: base64 of int32 (start, length) runs over the rows of the mask; the first pixel is number 1."""
    place = f"{path.name}, proposal {number}"
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(side, int) for side in shape):
        raise WsisError(f"{place}: expected 'shape' as [height, width], got {short(shape)}.")
    checks.check_size(path, tuple(shape), size)
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
