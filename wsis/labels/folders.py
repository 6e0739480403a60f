"""A folder a class: the photos in `teapot/` show a teapot, those in `teapot+cup/` show both."""

from __future__ import annotations

import os
from pathlib import Path

from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.labels.listing import NONE, Entry, Listing, listing, tidy


def photos_below(folder: Path) -> list[Path]:
    """Photos in a folder and all folders below it, by their endings, sorted; hidden ones left out.

    Raises:
        WsisError: there is no such folder, or it cannot be listed.
    """
    if not folder.is_dir():
        raise WsisError(f"There is no folder {folder}.")
    found = []

    def refuse(error: OSError) -> None:
        raise WsisError(f"{error.filename} cannot be listed: {error.strerror or error}.") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [
            Path(place, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return found


def read(folder: Path) -> Listing:
    """Labels from the names of the folders that photos lie in.

    A photo may lie in several of them, also under several names: it shows all their classes. Folders above, such as
    `train` and `val`, mean nothing. Photos of `background`, `none` or `nothing` show none of the classes.

    Raises:
        WsisError: no photo lies in a folder of its own class.
    """
    entries, loose, classes = [], 0, dict[str, None]()
    photos = photos_below(folder)
    for photo in photos:
        if photo.parent == folder:
            loose += 1
            continue
        names = [tidy(name) for name in photo.parent.name.split("+") if tidy(name)]
        shown = [name for name in names if name.casefold() not in NONE]
        classes.update(dict.fromkeys(shown))
        entries.append(Entry((photo.relative_to(folder).as_posix(),), frozenset(shown)))
    if not entries:
        what = f"{len(photos)} photos but no labels" if photos else "no photo"
        raise WsisError(
            f"{folder} holds {what}. Put the photos of each class into a folder of its name, or give their labels as a "
            "file: --labels FILE."
        )
    full = {photo.relative_to(folder).parts[0] for photo in photos}
    places = (place for place in sorted(folder.iterdir()) if place.is_dir() and not place.name.startswith("."))
    notes = [f"The folder '{place.name}' holds no photo." for place in places if place.name not in full]
    if loose:
        notes.append(f"{loose} photo{'s' * (loose > 1)} beside the folders of classes have no label and are left out.")
    return listing("a folder a class", entries, classes, notes)
