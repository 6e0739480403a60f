"""MATLAB files: MCG's and COB's superpixels, or stacks of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wsis import shapes
from wsis.coco_listing import short
from wsis.errors import WsisError
from wsis.proposals import matlab
from wsis.proposals.proposal_set import ProposalSet, Size, ranking
from wsis.proposals.readers import checks


def read(path: Path, size: Size, _: str | int | None = None) -> ProposalSet:
    """Proposals of a MATLAB file, see `wsis.proposals.readers.read`."""
    try:
        fields = _fields(matlab.variables(path.read_bytes(), checks.MOST_BYTES))
    except NotImplementedError as error:
        raise WsisError(f"{path.name} is a MATLAB 7.3 (HDF5) file; save it with -v7 to read it here.") from error
    except matlab.TooLargeError as error:
        most = checks.MOST_BYTES >> 30
        raise WsisError(f"{path.name} unpacks to more than {most} GB. Save fewer proposals.") from error
    except ValueError as error:
        raise WsisError(f"{path.name} is not a readable MATLAB file: {error}.") from error
    if "superpixels" in fields and "labels" in fields:
        return _mcg(path, size, fields)
    if "masks" in fields:
        return _masks(path, size, fields)
    found = short(", ".join(sorted(fields)) or "nothing")
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


def _masks(path: Path, size: Size, fields: dict[str, np.ndarray]) -> ProposalSet:
    found = fields["masks"]
    stack = list(found.ravel()) if found.dtype == object and found.ndim else _layers(found, size)
    for one in stack:
        if not isinstance(one, np.ndarray) or one.ndim != 2 or one.dtype.kind not in "biuf":
            raise WsisError(
                f"{path.name}: expected 'masks' as an H x W x N array, or a cell array of H x W, got {found.shape} "
                f"{found.dtype}."
            )
        checks.check_size(path, one.shape, size)
    if not stack:
        raise WsisError(f"There is no proposal in {path.name} (masks); at least one mask is needed.")
    checks.check_memory(path, len(stack), size)
    masks = []
    for number, one in enumerate(stack):
        try:
            masks.append(shapes.binary(one))
        except ValueError as error:
            raise WsisError(f"{path.name}, mask {number} (from 0) of 'masks': {error}.") from error
    numbers = range(len(masks))
    return checks.with_pixels(path, "masks", masks, _scores(path, fields, len(masks)), numbers, len(masks))


def _layers(found: np.ndarray, size: Size) -> list[np.ndarray]:
    """The layers of an H x W x N array, or of N x H x W where only that fits the photo; H x W is one."""
    if found.ndim != 3:
        return [found]
    last = found.shape[:2] == tuple(size) or found.shape[1:] != tuple(size)
    return list(np.moveaxis(found, 2, 0) if last else found)


def _mcg(path: Path, size: Size, fields: dict[str, np.ndarray]) -> ProposalSet:
    superpixels, cells = fields["superpixels"], fields["labels"]
    if superpixels.ndim != 2 or superpixels.dtype.kind not in "iuf":
        raise WsisError(f"{path.name}: expected 'superpixels' as an H x W array of numbers, got {superpixels.shape}.")
    checks.check_size(path, superpixels.shape, size)
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
    if not lengths.any():
        raise WsisError(f"{path.name}: proposal 0 (from 0) lists no superpixel, and no other does.")
    checks.check_table(path, len(lists), len(names))
    membership = np.zeros((len(lists), len(names)), bool)
    membership[np.repeat(np.arange(len(lists)), lengths), columns] = True
    scores, kept = _scores(path, fields, len(lists)), lengths > 0
    ranked, order = ranking(scores if scores is None else scores[kept], int(kept.sum()))
    notes = checks.left_out(path, np.flatnonzero(~kept).tolist(), len(lists))
    labels = labels.reshape(superpixels.shape).astype(np.int32)
    return ProposalSet(labels, membership[kept][order], ranked, f"{path.name} (MCG)", notes)


def _scores(path: Path, fields: dict[str, np.ndarray], count: int) -> np.ndarray | None:
    if "scores" not in fields:
        return None
    scores = fields["scores"].ravel()
    if scores.shape != (count,) or scores.dtype.kind not in "iuf" or not np.isfinite(scores).all():
        raise WsisError(
            f"{path.name}: expected {count} finite 'scores', one per proposal, got {fields['scores'].shape}."
        )
    return scores.astype(np.float64)
