"""Labels of a VOC devkit, of whatever classes: the lists of `ImageSets/Main`, or else the names in `Annotations`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from wsis import photo_names
from wsis.errors import WsisError
from wsis.labels.listing import Entry, Listing, listing, short, tidy

SPLITS = ("train", "trainval", "default", "val")
"""Which split is read where nobody says: `val` is left to measure on."""


def is_kit(folder: Path) -> bool:
    """Whether a folder is a devkit with labels."""
    return (folder / "JPEGImages").is_dir() and any(
        (folder / name).is_dir() for name in ("ImageSets/Main", "Annotations")
    )


def read(kit: Path, split: str | None = None) -> Listing:
    """Labels of a split: 1 present, -1 absent, 0 difficult, of which nothing is known.

    Args:
        kit: the devkit's folder.
        split: name of a list in `ImageSets/Main`; None takes the first of `SPLITS` that has lists of classes.

    Raises:
        WsisError: there are no labels, or a line is none.
    """
    main = kit / "ImageSets" / "Main"
    lists = sorted(main.glob("*.txt")) if main.is_dir() else []
    wanted = (split,) if split else (*SPLITS, *(file.stem for file in lists))
    for name in wanted:
        of_class = {file.stem.removesuffix(f"_{name}"): file for file in lists if file.stem.endswith(f"_{name}")}
        if of_class:
            return listing(f"a VOC kit, split {name}", _of_lists(of_class), of_class)
    if split:
        raise WsisError(f"{main} has no lists of classes for the split '{split}', such as cat_{split}.txt.")
    files = sorted((kit / "Annotations").glob("*.xml"))
    if not files:
        raise WsisError(f"{kit} has no labels: expected lists such as ImageSets/Main/cat_train.txt, or Annotations.")
    return listing("a VOC kit, names in Annotations", [_of_annotation(file) for file in files])


def _of_lists(files: dict[str, Path]) -> list[Entry]:
    said: dict[str, dict[str, str]] = {}
    for name, file in files.items():
        for line in filter(str.strip, photo_names.text(file.read_bytes()).splitlines()):
            photo, _, value = "\t".join(line.rsplit(maxsplit=1)).partition("\t")
            if value not in ("1", "0", "-1"):
                raise WsisError(f"{file.name}: expected a photo and 1, 0 or -1, got '{short(line)}'.")
            said.setdefault(photo.strip(), {})[name] = value
    return [
        Entry(
            (photo,),
            frozenset(name for name, value in values.items() if value == "1"),
            frozenset(name for name, value in values.items() if value == "-1"),
        )
        for photo, values in said.items()
    ]


def _of_annotation(file: Path) -> Entry:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        raise WsisError(f"{file.name} is damaged: {error}.") from error
    names = [tidy(part.findtext("name") or "") for part in root.iterfind("object")]
    return Entry((root.findtext("filename") or file.stem, file.stem), frozenset(filter(None, names)))
