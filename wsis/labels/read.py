"""From photos and whatever says what they show to arrays: finds out what the labels are, and which file is meant."""

from __future__ import annotations

import hashlib
import json
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from wsis import photo_names
from wsis.errors import WsisError
from wsis.labels import coco, cvat, folders, label_studio, tables, voc
from wsis.labels.listing import Entry, Listing

MOST_BYTES = 2**30
"""Of a file of labels; larger ones are something else."""
INSIDE = ("annotations.xml", "synsets.txt", "labels.csv", "labels.tsv", "annotations.json", "labels.json")
"""Files of labels that are found beside photos, or in a zip, the likeliest first."""


@dataclass(frozen=True, eq=False)
class ImageLabels:
    """Photos and what they show.

    Attributes:
        paths: N photo files.
        target: (N, C) float32: 1 where the class is shown, else 0.
        weight: (N, C) float32: 1 where that is known, else 0.
        classes: C distinct names.
        kind: what the labels were understood to be.
        missing: photos that have labels, but no file.
        contradicting: (photo, class) pairs that are said to be both shown and absent: they count as unknown.
        doubles: (photo, photo) of files with the same content, the first of which stands for both.
        notes: sentences of what was left out.
    """

    paths: tuple[Path, ...]
    target: np.ndarray
    weight: np.ndarray
    classes: tuple[str, ...]
    kind: str = ""
    missing: tuple[str, ...] = ()
    contradicting: tuple[tuple[str, str], ...] = ()
    doubles: tuple[tuple[Path, Path], ...] = ()
    notes: tuple[str, ...] = ()


def read(photos: Path, labels: Path | None = None) -> ImageLabels:
    """Find out what the labels are, read them, and find the photos that they are of.

    Args:
        photos: a folder of photos, sorted into a folder a class or with a file of labels in it, or a VOC kit.
        labels: a table (CSV, TSV), a COCO data set (JSON), an export of Label Studio (JSON, CSV) or CVAT (XML, JSON,
            ImageNet; as a file, folder or zip), a VOC kit or one of its lists; None looks for labels in `photos`.

    Raises:
        WsisError: there are no labels, they cannot be read, or no photo that they name is there.
    """
    if not photos.is_dir():
        fault = "is a file; give the folder that it lies in" if photos.exists() else "does not exist"
        raise WsisError(f"The folder of photos {photos} {fault}.")
    return resolved(listed(photos, labels), photos)


def listed(photos: Path, labels: Path | None = None) -> Listing:
    """What the labels say, before any photo is looked for; as `read`."""
    source = photos if labels is None else labels
    if source.is_dir():
        if voc.is_kit(source):
            return voc.read(source)
        inside = _inside(source)
        return _of_files(source, inside) if inside else folders.read(source)
    if not source.is_file():
        raise WsisError(f"There is no file of labels {source}.")
    if source.stat().st_size > MOST_BYTES:
        raise WsisError(f"{source} has more than {MOST_BYTES // 2**30} GB, which no file of labels has.")
    if zipfile.is_zipfile(source):
        return _of_zip(source)
    if source.parent.name == "Main" and source.parent.parent.name == "ImageSets":
        return voc.read(source.parents[2], source.stem)
    return _of_file(source, _content(source))


def resolved(listing: Listing, photos: Path) -> ImageLabels:
    """The files that a listing is of, in its order, and what is known of each.

    Raises:
        WsisError: none of the photos is there.
    """
    find = _finder(photos)
    said: dict[Path, list[Entry]] = {}
    missing: list[str] = []
    for entry in listing.entries:
        file = next(filter(None, map(find, entry.names)), None)
        if file is None:
            missing.append(entry.names[0])
        else:
            said.setdefault(file, []).append(entry)
    first = firsts(said)
    doubles = tuple((file, first[file]) for file in said if first[file] != file)
    for file, other in doubles:
        said[other] += said.pop(file)
    if not said:
        raise WsisError(
            f"None of the {len(missing)} photos that the labels name is in {photos}, not '{missing[0][:80]}' for one. "
            "Give the folder in which the photos lie."
        )
    target, weight = np.zeros((2, len(said), len(listing.classes)), np.float32)
    column = {name: i for i, name in enumerate(listing.classes)}
    contradicting: list[tuple[str, str]] = []
    for row, (file, entries) in enumerate(said.items()):
        present = frozenset().union(*(entry.present for entry in entries))
        absent = frozenset().union(*(entry.absent or () for entry in entries))
        weight[row] = any(entry.absent is None for entry in entries)
        for name in present | absent:
            target[row, column[name]] = name in present - absent
            weight[row, column[name]] = not (name in present and name in absent)
        contradicting += [(file.name, name) for name in sorted(present & absent)]
    return ImageLabels(
        tuple(said), target, weight, listing.classes, listing.kind,
        tuple(missing), tuple(contradicting), doubles, listing.notes,
    )  # fmt: skip


def firsts(photos: Iterable[Path]) -> dict[Path, Path]:
    """For each file the first one of the same content; only files of one size are read."""
    of_size = defaultdict[int, list[Path]](list)
    for file in photos:
        of_size[file.stat().st_size].append(file)
    firsts: dict[Path, Path] = {}
    for files in of_size.values():
        known: dict[bytes, Path] = {}
        for file in files:
            digest = hashlib.sha256(_content(file)).digest() if len(files) > 1 else b""
            firsts[file] = known.setdefault(digest, file)
    return firsts


def _finder(folder: Path) -> Callable[[str], Path | None]:
    """A function from a photo's name, with or without folders and ending, to its file.

    Where several files have the name, the one whose folders fit best is meant; if two fit as well, none is.
    """
    by_name = defaultdict[str, list[Path]](list)
    for file in folders.photos_below(folder):
        name = unicodedata.normalize("NFC", file.name)
        by_name[name].append(file)
        for other in {name.casefold(), photo_names.bare(name), photo_names.bare(name).casefold()} - {name}:
            by_name[other].append(file)

    def find(written: str) -> Path | None:
        path = photo_names.parts(written)
        if not path:
            return None
        for name in dict.fromkeys((path[-1], path[-1].casefold())):
            found = by_name.get(name, [])
            if len(found) > 1:
                found = _fitting(found, path)
            if len(found) == 1:
                return found[0]
        return None

    return find


def _fitting(files: Sequence[Path], path: Sequence[str]) -> list[Path]:
    """Those files that have most of a path's folders above them."""

    def shared(file: Path) -> int:
        pairs = zip(reversed(file.parent.parts), reversed(path[:-1]), strict=False)
        return next((i for i, (own, said) in enumerate(pairs) if own != said), min(len(file.parts), len(path)) - 1)

    most = max(map(shared, files))
    return [file for file in files if shared(file) == most]


def _inside(folder: Path) -> list[Path]:
    """The files of labels that lie in a folder beside its photos."""
    named = [folder / name for name in INSIDE if (folder / name).is_file()]
    if not named and (folder / "annotations").is_dir():
        named = sorted((folder / "annotations").glob("*.json"))
    if named and named[0].name == "synsets.txt":
        return [named[0], *sorted(file for file in folder.glob("*.txt") if file.name != "synsets.txt")]
    return named[:1]


def _of_files(folder: Path, files: Sequence[Path]) -> Listing:
    if files[0].name == "synsets.txt":
        return _of_lists({file.name: _content(file) for file in files}, folder.name)
    return _of_file(files[0], _content(files[0]))


def _of_zip(file: Path) -> Listing:
    """Labels of the zip that a tool exports."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {PurePosixPath(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
            wanted = [path for name in INSIDE for path in entries if path.name == name]
            wanted += [path for path in sorted(entries) if path.suffix in (".json", ".xml") and path not in wanted]
            if wanted and wanted[0].name == "synsets.txt":
                wanted = [path for path in sorted(entries) if path.suffix == ".txt"]
            else:
                wanted = wanted[:1]
            if sum(entries[path].file_size for path in wanted) > MOST_BYTES:
                raise WsisError(f"{file} holds more than {MOST_BYTES // 2**30} GB of labels; unpack it first.")
            content = {path.name: archive.read(entries[path]) for path in wanted}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise WsisError(f"{file} is damaged or encrypted; unpack it and give the folder.") from error
    if not content:
        raise WsisError(f"{file} holds no labels: expected annotations.xml, annotations/*.json or synsets.txt in it.")
    name, first = next(iter(content.items()))
    return _of_lists(content, file.name) if "synsets.txt" in content else _of_file(Path(name), first)


def _of_lists(content: Mapping[str, bytes], where: str) -> Listing:
    others = {name: text for name, text in content.items() if name != "synsets.txt"}
    if not others:
        raise WsisError(f"{where} holds synsets.txt, but no list of photos such as default.txt beside it.")
    return cvat.read_imagenet(content["synsets.txt"], others)


def _of_file(file: Path, content: bytes) -> Listing:
    ending = file.suffix.lower()
    if not content.strip():
        raise WsisError(f"{file.name} is empty.")
    if ending == ".xml":
        return cvat.read_xml(content)
    if ending == ".json":
        return _of_json(file, content)
    if ending in (".csv", ".tsv", ".txt"):
        return tables.read(file, content)
    raise WsisError(
        f"{file.name} cannot be read as labels. Give a table (.csv, .tsv), a COCO data set or a Label Studio export "
        "(.json), CVAT's export (.xml, .json or .zip), or a VOC kit."
    )


def _of_json(file: Path, content: bytes) -> Listing:
    try:
        found = json.loads(photo_names.text(content).lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise WsisError(f"{file.name} is no JSON, or cut short. Export it again.") from error
    if isinstance(found, list):
        return label_studio.read(found)
    if isinstance(found, dict) and "items" in found and "categories" in found:
        return cvat.read_datumaro(found)
    if isinstance(found, dict) and {"images", "annotations", "categories"} <= found.keys():
        return coco.read(found)
    raise WsisError(
        f"{file.name} is JSON of another kind: expected a COCO data set (images, annotations, categories), Label "
        "Studio's list of tasks, or Datumaro's items."
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error
