"""Sets of photos with masks: in folders of a few layouts, or in a zip of them."""

from __future__ import annotations

import mmap
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wsis import coco_listing, coco_masks, photo_names
from wsis.coco_masks import Annotated, CocoMasks
from wsis.errors import WsisError

LAYOUTS = (("JPEGImages", "SegmentationClass", "SegmentationObject"), ("images", "classes", "masks"))
"""Folders of photos, of class indices and of instance indices that `collect` knows."""
EXPECTED = (
    "a VOC devkit (JPEGImages, SegmentationClass, SegmentationObject), the folders images, classes and masks, each "
    "photo STEM.jpg beside its class mask STEM.png, or a COCO data set (a .json and its photos)"
)
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MASK_SUFFIXES = (".png",)
MOST_PHOTOS = 2000
MOST_FOLDERS = 200
MOST_FILES = 10_000
MOST_FOLDED = 10
"""Folders above a file in a zip; `collect` looks at six."""
MOST_UNPACKED = 2 * 2**30
MOST_RATIO = 100
"""Unpacked to packed; photos and PNGs are packed already, so they come nowhere near, while zlib packs zeros 1000:1."""
SMALL = 64 * 2**20
"""Bytes that any zip may unpack to, whatever its ratio: drawn masks in TIFF or BMP pack well."""
MOST_LIST = 2**20
"""Bytes of a list of photos."""
MOST_JSON = 2**28
"""Bytes of a COCO data set's JSON."""
HELD_OUT = ("val", "test")
"""What the JSON of photos that trained nothing is called, of several."""

_RECORD = re.compile(rb"PK\x01\x02")
"""How each entry of a zip's directory begins."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever their ending."""


@dataclass(frozen=True)
class Pair:
    """A photo and its masks.

    Attributes:
        name: the photo's stem, unique in its set.
        photo: file of the photo.
        classes: index PNG of classes; None where `annotated` has the masks.
        instances: index PNG of instances; None makes every connected area of a class an instance.
        annotated: masks of a COCO data set.
        names: of the classes that the masks number, c + 1 in a PNG; None where these are the model's own.
    """

    name: str
    photo: Path
    classes: Path | None
    instances: Path | None = None
    annotated: Annotated | None = None
    names: tuple[str, ...] | None = None


def collect(folder: Path) -> tuple[Pair, ...]:
    """Photos with masks in a folder, sorted by name.

    The first layout that is found counts, in the folder itself or up to three folders deeper:

    * a VOC devkit: `JPEGImages/STEM.jpg`, `SegmentationClass/STEM.png`, `SegmentationObject/STEM.png`; where there is
      an `ImageSets/Segmentation/val.txt`, only those that it names (`wsis.photo_names.listed`), because others may have
      trained the model;
    * `images/STEM.jpg`, `classes/STEM.png`, `masks/STEM.png`: class indices and instance indices;
    * `STEM.jpg` beside `STEM.png`, its class indices; every connected area of a class is an instance;
    * a COCO data set: a `.json`, and the photos that it names in the folder or below it. Of several the one with "val"
      in its name counts, or "test".

    Endings may be in any case. Photos without masks are left out. Class c of the model has index c + 1; COCO's classes
    have names.

    Raises:
        WsisError: no such folder, no photo with masks in it or none that its list names, or too many.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WsisError(f"There is no folder {folder}. Give one with {EXPECTED}.")
    try:
        found = next((pairs for place in _folders(folder) if (pairs := _pairs(place))), {}) or _coco(folder)
    except OSError as error:
        raise WsisError(f"{folder} cannot be read: {error.strerror or error}.") from error
    if not found:
        raise WsisError(f"There is no photo with masks. Expected: {EXPECTED}.")
    if len(found) > MOST_PHOTOS:
        raise WsisError(f"These are {len(found)} photos with masks; at most {MOST_PHOTOS} are taken. Leave some out.")
    return tuple(found[name] for name in sorted(found))


def of_coco(found: CocoMasks) -> tuple[Pair, ...]:
    """The photos of a COCO data set that are there, with their masks, sorted by name."""
    there = [one for one in found.photos if one.photo.is_file()]
    known = Counter(one.photo.stem for one in there)
    names = [one.photo.stem if known[one.photo.stem] == 1 else one.name for one in there]  # several in other folders
    pairs = (Pair(name, one.photo, None, None, one, found.classes) for name, one in zip(names, there, strict=True))
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def spaced(pairs: Sequence[Pair], count: int) -> tuple[Pair, ...]:
    """At most `count` of the pairs, evenly spaced."""
    if len(pairs) <= count:
        return tuple(pairs)
    return tuple(pairs[i] for i in np.linspace(0, len(pairs) - 1, count).round().astype(int))


def unpack(file: Path, folder: Path) -> None:
    """Unpack the photos, PNGs and lists of a zip into an empty folder.

    What is no photo, mask or list is left out, and so are hidden files. What a zip says of its sizes is not believed.

    Raises:
        WsisError: no zip, damaged, encrypted, packed otherwise than by deflate, too large, too many files, folders too
            deep, a name twice, or a name that leads out of the folder.
    """
    try:
        _count(file)
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES:
                raise WsisError(f"The zip holds {len(entries)} files; at most {MOST_FILES} are unpacked. Split it.")
            places = {entry: place for entry in entries if (place := _safe(entry)) is not None}
            _check_twice(list(places.values()))
            left = min(MOST_UNPACKED, max(SMALL, MOST_RATIO * file.stat().st_size))
            for entry, place in places.items():
                left = _extract(archive, entry, folder / place, left)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, ValueError, IndexError) as error:
        raise WsisError("The file is no zip, or it is damaged. Pack the folder again.") from error
    except (zlib.error, struct.error, OverflowError) as error:  # what zipfile lets through of damaged ones
        raise WsisError("The zip is damaged. Pack the folder again.") from error
    except RuntimeError as error:  # what zipfile says of a password
        raise WsisError("The zip is encrypted. Pack the folder without a password.") from error
    except OSError as error:
        raise WsisError(f"The zip cannot be unpacked: {error.strerror or error}.") from error


def _folders(root: Path) -> Iterator[Path]:
    """A folder and those in it, up to three deep, nearest first; hidden ones and macOS's extras left out."""
    level, seen = [root], 0
    for _ in range(4):
        for place in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return
            yield place
        level = [
            sub
            for place in level
            for sub in sorted(place.iterdir())
            if sub.is_dir() and not sub.name.startswith((".", "__"))
        ][:MOST_FOLDERS]


def _pairs(place: Path) -> dict[str, Pair]:
    """Pairs of one folder by name, in whichever layout it has; empty if in none."""
    for photos, classes, instances in LAYOUTS:
        if all((place / folder).is_dir() for folder in (photos, classes, instances)):
            found = {
                file.stem: Pair(file.stem, file, mask, objects)
                for file in _photos(place / photos)
                if (mask := photo_names.find(place / classes, file.stem, MASK_SUFFIXES))
                and (objects := photo_names.find(place / instances, file.stem, MASK_SUFFIXES))
            }
            return _listed(place, found)
    return {
        file.stem: Pair(file.stem, file, mask)
        for file in _photos(place)
        if file.suffix.lower() != ".png" and (mask := photo_names.find(place, file.stem, MASK_SUFFIXES))
    }


def _coco(root: Path) -> dict[str, Pair]:
    """Pairs of a COCO data set by name; empty where there is none."""
    files = [file for place in _folders(root) for file in sorted(place.glob("*.json")) if not file.name.startswith(".")]
    sets = [file for file in files if file.stat().st_size <= MOST_JSON and coco_masks.is_one(_json(file))]
    held_out = [file for word in HELD_OUT for file in sets if word in file.stem.lower()]
    if len(sets) > 1 and not held_out:
        listed = coco_listing.short(", ".join(str(file.relative_to(root)) for file in sets))
        raise WsisError(f"There are {len(sets)} COCO data sets: {listed}. Leave the one that is meant.")
    for file in (held_out or sets)[:1]:
        found = coco_masks.read(file, root, evaluating=True)
        place = _place_of([one.name for one in found.photos], root)
        photos = tuple(replace(one, photo=photo_names.below(place, one.name)) for one in found.photos)
        if not (pairs := of_coco(replace(found, photos=photos))):
            raise WsisError(f"None of the photos that {file.name} names lies in this folder or below it. Add them.")
        return {pair.name: pair for pair in pairs}
    return {}


def _place_of(names: Sequence[str], root: Path) -> Path:
    """The folder from which most names lead to a photo."""
    files = {place: {file.name for file in _photos(place)} for place in _folders(root)}
    paths = [PurePosixPath(*photo_names.parts(name)) for name in names]

    def count(place: Path) -> int:
        there = (path.name in files.get(place / path.parent, ()) or path.name in files[place] for path in paths)
        return sum(there)

    return max(files, key=count)


def _json(file: Path) -> Any:
    try:
        return coco_listing.load(file)
    except WsisError:
        return None


def _photos(place: Path) -> list[Path]:
    files = (file for file in place.iterdir() if file.suffix.lower() in PHOTO_SUFFIXES)
    return sorted(file for file in files if file.is_file() and not file.name.startswith("."))


def _listed(place: Path, found: dict[str, Pair]) -> dict[str, Pair]:
    """Only what the devkit's `val` list names, where there is one."""
    listing = place / "ImageSets" / "Segmentation" / "val.txt"
    if not listing.is_file():
        return found
    if listing.stat().st_size > MOST_LIST:
        raise WsisError(f"{listing.name} is longer than {MOST_LIST // 2**20} MB. Leave out what names no photo.")
    wanted = photo_names.listed(listing.read_bytes(), found)
    kept = {name: found[name] for name in wanted if name in found}
    if found and not kept:
        said = f"'{wanted[0][:80]}' and the like" if wanted else "nothing"
        raise WsisError(
            f"{listing.name} in ImageSets/Segmentation names none of the {len(found)} photos with masks, but {said}. "
            "Put one name a line, or delete the list to take them all."
        )
    return kept


def _count(file: Path) -> None:
    """Refuse a zip with too many entries before `ZipFile` makes an object of each: folders count as well there."""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for number, _ in enumerate(_RECORD.finditer(content)):
            if number > 2 * MOST_FILES:
                raise WsisError(f"The zip holds more than {2 * MOST_FILES} files and folders. Split it.")


def _safe(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """Where an entry of a zip may go; None for what is not needed."""
    place = PurePosixPath(entry.filename.replace("\\", "/"))
    regular = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
    if not regular or place.is_absolute() or ".." in place.parts or ":" in entry.filename or len(entry.filename) > 500:
        raise WsisError("The zip names files outside its folder. Pack the folder again.")
    needed = place.suffix.lower() in (*PHOTO_SUFFIXES, ".txt", ".json")
    if not needed or any(part.startswith((".", "__MACOSX")) for part in place.parts):
        return None
    if len(place.parts) > MOST_FOLDED:
        raise WsisError(
            f"The zip nests folders more than {MOST_FOLDED - 1} deep. Pack the folder of the photos itself."
        )
    if any(_DEVICE.match(part) for part in place.parts) or _CONTROL.search(entry.filename):
        raise WsisError(
            "The zip has file names that not every system can write. Rename them and pack the folder again."
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB of memory
        raise WsisError("The zip is packed by a rare method. Pack the folder again as an ordinary zip.")
    return place


def _check_twice(places: Sequence[PurePosixPath]) -> None:
    """No file may take another's place, on a disk that knows no capital letters either."""
    names = [unicodedata.normalize("NFC", str(place)).casefold() for place in places]
    if len(set(names)) < len(names):
        name = next(place for place, own in zip(places, names, strict=True) if names.count(own) > 1)
        raise WsisError(f"The zip holds {name} twice, or in capital letters too. Rename one and pack the folder again.")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one file of at most `left` bytes, whatever the zip says of its size; returns what is left then."""
    target.parent.mkdir(parents=True, exist_ok=True)
    before = left
    with archive.open(entry) as source, target.open("wb") as sink:
        while block := source.read(min(left, 2**20) + 1):
            left -= len(block)
            if left < 0:
                raise WsisError(
                    f"The zip unpacks to more than {MOST_UNPACKED // 2**30} GB, or to more than {MOST_RATIO} times its "
                    "own size. Take fewer photos."
                )
            sink.write(block)
    if before - left != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename} is not as long as the zip says")
    return left
