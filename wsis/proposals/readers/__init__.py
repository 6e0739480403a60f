"""Proposals of other tools: MCG and COB (.mat), PRM, COCO results and RLE (.json, also SAM's), label images (.png).

A file that does not hold what its ending promises is refused with what was expected and what was found. Single masks
that cover no pixel are left out, and a note says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wsis.errors import WsisError
from wsis.proposals.proposal_set import ProposalSet, Size
from wsis.proposals.readers import json_files, mat_files, png_files


def read(path: str | Path, size: Size, image_id: str | int | None = None) -> ProposalSet:
    """Proposals from a file.

    Args:
        path: `.mat` (MCG, COB: `superpixels` and `labels`, or `masks`), `.json` (PRM, COCO results, COCO instances, a
            list of RLEs) or `.png` (one proposal per index; 0 is background and, in 8 bits, 255 void).
        size: (height, width) of the photo that the proposals must belong to.
        image_id: which image of a COCO file with several: the photo's file name, with or without folders and ending, or
            the image's id (`wsis.coco_listing.Listing`); without it, the image named like the file, else the only one.

    Returns:
        Proposals at `size`, best first where the file has scores, in the file's order where it has none.

    Raises:
        WsisError: the file is missing, is none of these, is damaged, or belongs to a photo of another size.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path, Size, str | int | None], ProposalSet]] = {
        ".mat": mat_files.read,
        ".json": json_files.read,
        ".png": png_files.read,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WsisError(
            f"{path.name} is not a proposal file: expected .mat (MCG, COB), .json (PRM, COCO) or .png (labels)."
        )
    if not path.is_file():
        raise WsisError(f"There is no proposal file {path}.")
    return reader(path, size, image_id)
