"""What every proposal file must keep to, and what is said of masks that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsis.coco_listing import short
from wsis.errors import WsisError
from wsis.proposals.proposal_set import ProposalSet, Size, from_masks

MOST_BYTES = 2 << 30
"""Memory that the decoded masks of one file may take, a byte a pixel and mask."""
MOST_CELLS = 100_000_000
"""Proposals x regions of one file; several tables of that size are needed, of up to 4 bytes a cell."""


def check_size(path: Path, found: tuple[Any, ...], size: Size) -> None:
    """The file's size (height, width) must be the photo's."""
    if tuple(found) != tuple(size):
        raise WsisError(
            f"{path.name} holds proposals for a photo of {short(found[1])} x {short(found[0])} pixels, but the photo "
            f"has {size[1]} x {size[0]}."
            if len(found) == 2
            else f"{path.name}: expected a size of two numbers, got {short(list(found))}."
        )


def check_memory(path: Path, count: int, size: Size) -> None:
    """So many masks must fit in memory."""
    most = MOST_BYTES // (size[0] * size[1])
    if count > most:
        raise WsisError(
            f"{path.name} holds {count} masks; at {size[1]} x {size[0]} pixels at most {most} fit in memory."
        )


def check_table(path: Path, count: int, regions: int) -> None:
    """Proposals x regions must fit in memory."""
    if count * regions > MOST_CELLS:
        raise WsisError(
            f"{path.name} holds {count} proposals over {regions} regions, which is more than can be handled. "
            "Leave the worst ones out."
        )


def check_scores(scores: np.ndarray, path: Path) -> None:
    """Scores must be finite."""
    if not np.isfinite(scores).all():
        raise WsisError(f"A score in {path.name} is not a finite number.")


def left_out(path: Path, numbers: Sequence[int], count: int) -> tuple[str, ...]:
    """A note that says which proposals (from 0) of how many were left out; none where none was."""
    if not len(numbers):
        return ()
    some = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return (f"{len(numbers)} of {count} proposals in {path.name} cover no pixel and are left out: {some} (from 0).",)


def with_pixels(
    path: Path, kind: str, masks: Sequence[np.ndarray], scores: np.ndarray | None, numbers: Sequence[int], count: int
) -> ProposalSet:
    """The masks that cover a pixel.

    Args:
        path: where they come from.
        kind: what the file is, for people.
        masks: (H, W) bool each.
        scores: (len(masks),), see `from_masks`.
        numbers: of the masks in their file.
        count: how many the file has.

    Raises:
        WsisError: none is left, or a score is not finite.
    """
    kept = [i for i, mask in enumerate(masks) if mask.any()]
    if not kept:
        raise WsisError(f"Proposal {numbers[0]} of {path.name} ({kind}) covers no pixel, and no other does.")
    gone = sorted(set(range(count)) - {numbers[i] for i in kept})
    if scores is not None:
        check_scores(scores, path)
        scores = scores[kept]
    chosen = np.stack([masks[i] for i in kept])
    return from_masks(chosen, scores, f"{path.name} ({kind})", left_out(path, gone, count))
