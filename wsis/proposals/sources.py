"""Where the foreign proposals of many photos lie: a folder with a file for each, or one COCO file for all."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock

from wsis import coco_listing, photo_names
from wsis.errors import WsisError
from wsis.proposals import readers
from wsis.proposals.proposal_set import ProposalSet, Size
from wsis.proposals.readers import json_files

SUFFIXES = (".mat", ".json", ".png")

_PARSING = Lock()


def check(source: Path) -> None:
    """Before hours of work: a file must be COCO's, and its entries must say which image they belong to.

    Raises:
        WsisError: it is none of that, or there is no such folder or file.
    """
    if not source.is_dir():
        listing = _listing(source)
        if not listing.by_image:
            raise WsisError(f"{source.name} does not say whose proposals they are: no entry has an 'image_id'.")


def read(source: Path, name: str, photo: Path, size: Size) -> ProposalSet:
    """A photo's proposals.

    Args:
        source: a folder with NAME.mat, .json or .png, the endings in any case; or a COCO file (.json), which is parsed
            once and kept for the next photo.
        name: of the photo without ending; it may name folders.
        photo: its file.
        size: (height, width).

    Raises:
        WsisError: there are none for this photo, or see `wsis.proposals.readers.read`.
    """
    whole = photo.absolute().with_suffix("").as_posix()
    path = str(photo.absolute()) if whole.endswith(f"/{name}") else f"{name}{photo.suffix}"  # a copy lies elsewhere
    if not source.is_dir():
        listing = _listing(source)
        return json_files.of_entries(listing, listing.of_photo(path, own=False), size)
    names = name, Path(name).with_name(photo.stem).as_posix()  # results of a long name are called otherwise
    file = next(filter(None, (photo_names.find(source, one, SUFFIXES) for one in names)), None)
    if file is None:
        raise WsisError(f"There are no proposals for {photo.name}: {source} has no {name}.mat, .json or .png.")
    return readers.read(file, size, path)


def _listing(source: Path) -> coco_listing.Listing:
    try:
        stamp = source.stat().st_mtime_ns
    except OSError as error:
        raise WsisError(f"There is no folder or file {source}.") from error
    if source.suffix.lower() != ".json":
        raise WsisError(f"{source.name} is neither a folder of proposals nor a COCO file (.json).")
    with _PARSING:  # photos are worked on side by side
        return _parsed(source, stamp)


@lru_cache(maxsize=1)
def _parsed(source: Path, _stamp: int) -> coco_listing.Listing:
    return json_files.listed(source, coco_listing.load(source))
