"""Readers of training data: VOC devkits, partial labels in a CSV, instance masks as folders or COCO JSON.

Image-level labels are a pair of (N, C) arrays: `target` in [0, 1] and `weight` in [0, 1], 0 where nobody looked, so
that a class that was not annotated never counts as absent. What the C classes are, the labels say themselves.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from wsis import coco_masks, files, index_image, index_png, photo_names, voc
from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.labels import tables
from wsis.photo_sets import Pair

Half = Literal["all", "even", "odd"]

HINT_TARGET, HINT_WEIGHT = 0.8, 0.5
"""Classes read from captions are likely, not certain."""
CSV_COLUMNS = ("image", "present", "hinted", "annotated")


@dataclass(frozen=True)
class ImageLabels:
    """Photos with (partial) image-level labels.

    Attributes:
        paths: N photo files.
        target: (N, C) float32 in [0, 1].
        weight: (N, C) float32 in [0, 1]; 0 where presence is unknown.
        classes: C distinct names.
    """

    paths: tuple[Path, ...]
    target: np.ndarray
    weight: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check shapes."""
        shape = (len(self.paths), len(self.classes))
        if self.target.shape != shape or self.weight.shape != shape:
            raise ValueError(f"expected target and weight {shape}, got {self.target.shape}, {self.weight.shape}")

    def __add__(self, other: ImageLabels) -> ImageLabels:
        """Both sets, one after the other; of a class that only one of them has the other's photos know nothing."""
        classes = tuple(dict.fromkeys(self.classes + other.classes))
        first, second = self.of(classes), other.of(classes)
        return ImageLabels(
            first.paths + second.paths,
            np.concatenate([first.target, second.target]),
            np.concatenate([first.weight, second.weight]),
            classes,
        )

    def of(self, classes: tuple[str, ...]) -> ImageLabels:
        """The labels of these classes in this order; unknown where they have none."""
        if classes == self.classes:
            return self
        target, weight = np.zeros((2, len(self.paths), len(classes)), np.float32)
        for column, name in enumerate(classes):
            if name in self.classes:
                own = self.classes.index(name)
                target[:, column], weight[:, column] = self.target[:, own], self.weight[:, own]
        return ImageLabels(self.paths, target, weight, classes)


@dataclass(frozen=True)
class InstanceMasks:
    """One photo's file and where its instance masks come from."""

    image: Path
    index: Path | None = None
    rles: tuple[dict, ...] = ()

    def masks(self) -> np.ndarray:
        """(N, H, W) bool masks of N instances, at the mask file's own size."""
        if self.index is not None:
            if not self.index.is_file():
                raise WsisError(f"{self.index} is missing: it should number the instances of {self.image.name}.")
            index = index_png.read(self.index)
            numbers = np.unique(index)
            numbers = numbers[(numbers != 0) & index_image.labelled(numbers)]
            return np.stack([index == i for i in numbers]) if len(numbers) else np.zeros((1, *index.shape), bool)
        return np.stack([coco_mask.decode(rle).astype(bool) for rle in self.rles])

    def void(self) -> np.ndarray:
        """(H, W) bool pixels of which nobody knows what they show, see `wsis.index_image.void_of`."""
        if self.index is None:
            return np.zeros(self.rles[0]["size"], bool)
        return ~index_image.labelled(index_png.read(self.index))


def voc_ids(kit: Path, split: str, half: Half = "all") -> tuple[str, ...]:
    """Ids of a split of a devkit folder (`.../VOC2012`), in file order; see `wsis.photo_names.listed`.

    Args:
        kit: devkit folder.
        split: name of the split.
        half: every other photo of the sorted ids: constants are tuned on `even`, figures hold on `odd`.
    """
    for folder in ("Main", "Segmentation"):
        file = Path(kit) / "ImageSets" / folder / f"{split}.txt"
        if file.exists():
            ids = tuple(photo_names.listed(file.read_bytes(), _stems(Path(kit))))
            kept = set({"all": sorted(ids), "even": sorted(ids)[::2], "odd": sorted(ids)[1::2]}[half])
            return tuple(identity for identity in ids if identity in kept)
    raise WsisError(f"{kit} has no split '{split}': expected ImageSets/Main/{split}.txt, as in a VOC devkit.")


def _stems(kit: Path) -> set[str]:
    """Names of the photos and masks of a devkit."""
    folders = [kit / name for name in ("JPEGImages", "SegmentationClass") if (kit / name).is_dir()]
    return {file.stem for folder in folders for file in folder.iterdir() if _is_photo(file)}


def _is_photo(file: Path) -> bool:
    """Whether a file is a photo by its name; systems put others beside photos (`Thumbs.db`, `.DS_Store`, `._a.jpg`)."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def voc_photo(kit: Path, identity: str) -> Path:
    """The photo of an id, its ending in any case."""
    folder = Path(kit) / "JPEGImages"
    return photo_names.find(folder, identity, (".jpg", ".jpeg", ".png")) or folder / f"{identity}.jpg"


def voc_pair(kit: Path, identity: str) -> Pair:
    """A photo of a devkit and its masks of VOC's classes; whether they are there shows when they are read."""
    classes, instances = (
        photo_names.find(Path(kit) / folder, identity, (".png",)) or Path(kit) / folder / f"{identity}.png"
        for folder in ("SegmentationClass", "SegmentationObject")
    )
    return Pair(identity, voc_photo(kit, identity), classes, instances, names=voc.CLASSES)


def voc_labels(kit: Path, split: str) -> ImageLabels:
    """Image-level labels of a VOC split, of VOC's classes: 1 present, -1 absent, 0 difficult (weight 0)."""
    kit = Path(kit)
    ids = voc_ids(kit, split)
    row = {name: i for i, name in enumerate(ids)}
    values = np.zeros((len(ids), len(voc.CLASSES)), np.float32)
    for column, name in enumerate(voc.CLASSES):
        file = kit / "ImageSets" / "Main" / f"{name}_{split}.txt"
        if not file.exists():
            raise WsisError(f"{file} is missing: it should hold '{name}' labels, one 'ID 1' or 'ID -1' a line.")
        for line in photo_names.text(file.read_bytes()).splitlines():
            if line.strip():
                identity, _, value = "\t".join(line.rsplit(maxsplit=1)).partition("\t")
                if photo_names.bare(identity) not in row or value not in ("1", "0", "-1"):
                    raise WsisError(
                        f"{file.name}: expected an id of the split and 1, 0 or -1, got '{line.strip()[:80]}'."
                    )
                values[row[photo_names.bare(identity)], column] = int(value)
    paths = tuple(voc_photo(kit, name) for name in ids)
    return ImageLabels(paths, (values > 0).astype(np.float32), (values != 0).astype(np.float32), voc.CLASSES)


def csv_labels(folder: Path, classes: Sequence[str] | None = None) -> ImageLabels:
    """Partial labels: `labels.csv` with columns image, present, hinted, annotated; photos in `images/`.

    Args:
        folder: where both lie.
        classes: the only ones that it may name, in the order of the result; None takes those that it names, sorted.

    Raises:
        WsisError: the file is missing, lacks a column, a photo's name or all rows, or names an unknown class.
    """
    file = Path(folder) / "labels.csv"
    if not file.is_file():
        raise WsisError(f"{file} is missing: it should hold the columns {', '.join(CSV_COLUMNS)}.")
    reader = csv.DictReader(io.StringIO(photo_names.text(file.read_bytes()), newline=""), skipinitialspace=True)
    found = [name.strip().lower() for name in reader.fieldnames or ()]
    if lacking := [name for name in CSV_COLUMNS if name not in found]:
        raise WsisError(f"{file.name} lacks the column '{lacking[0]}': expected {', '.join(CSV_COLUMNS)}, with commas.")
    reader.fieldnames = found
    try:
        rows = [row for row in reader if any(row[name] for name in CSV_COLUMNS)]
    except csv.Error as error:
        raise WsisError(f"{file.name} is no table: {error}.") from error
    if not rows:
        raise WsisError(f"{file.name} names no photo.")
    known = {"annotated": (0, 1), "hinted": (HINT_TARGET, HINT_WEIGHT), "present": (1, 1)}
    if classes is None:
        classes = sorted({name for entry in rows for kind in known for name in (entry[kind] or "").split()})
    target = np.zeros((len(rows), len(classes)), np.float32)
    weight = np.zeros_like(target)
    column = {name: i for i, name in enumerate(classes)}
    for i, entry in enumerate(rows):
        if not (entry["image"] or "").strip():
            raise WsisError(f"{file.name}, photo {i + 1}: its name is missing.")
        for kind, value in known.items():
            for name in (entry[kind] or "").split():
                if name not in column:
                    raise WsisError(
                        f"{file.name}, photo {i + 1}: there is no class '{name[:80]}'; expected {_some(classes)}."
                    )
                target[i, column[name]], weight[i, column[name]] = value
    paths = tuple(photo_names.below(Path(folder) / "images", entry["image"].strip()) for entry in rows)
    return ImageLabels(paths, target, weight, tuple(classes))


def table_labels(file: Path) -> ImageLabels:
    """Labels of a table with a column a class, as `wsis.labels.tables.write` writes it, and photos by whole paths."""
    found = tables.read(file, file.read_bytes())
    target, weight = np.zeros((2, len(found.entries), len(found.classes)), np.float32)
    for row, entry in enumerate(found.entries):
        for column, name in enumerate(found.classes):
            target[row, column] = name in entry.present
            weight[row, column] = entry.absent is None or name in entry.present | entry.absent
    return ImageLabels(tuple(Path(entry.names[0]) for entry in found.entries), target, weight, found.classes)


def all_labels(
    kit: Path | None,
    splits: Iterable[str],
    csv_folders: Iterable[Path],
    classes: Sequence[str] = (),
    files: Iterable[Path] = (),
) -> ImageLabels:
    """Labels of VOC splits, of CSV folders and of tables, in this order.

    Args:
        kit: VOC devkit folder.
        splits: of the kit.
        csv_folders: see `csv_labels`.
        classes: their names, in the order of the result; of none, VOC's where there is a kit, else all that the CSV
            folders and tables name.
        files: see `table_labels`.

    Raises:
        WsisError: there are neither; see also `voc_labels` and `csv_labels`.
    """
    splits = tuple(splits)
    only = tuple(classes) or (voc.CLASSES if kit and splits else None)
    parts = [voc_labels(kit, split) for split in splits] if kit else []
    parts += [csv_labels(folder, only) for folder in csv_folders]
    parts += [table_labels(file) for file in files]
    if not parts:
        raise WsisError("There are no labels to learn from: give voc_kit, csv_folders or tables.")
    labels = sum(parts[1:], parts[0])
    return labels if only is None else labels.of(only)


def _some(classes: Sequence[str], most: int = 20) -> str:
    """Names of classes for a sentence."""
    return ", ".join(classes[:most]) + f" or one of {len(classes) - most} more" * (len(classes) > most)


def mask_folder(folder: Path) -> list[InstanceMasks]:
    """Photos in `images/` with index PNGs of the same stem in `masks/` (1..N per instance; void is ignored)."""
    images, masks = Path(folder) / "images", Path(folder) / "masks"
    if not images.is_dir():
        raise WsisError(f"There is no folder {images}.")
    photos = sorted(file for file in images.iterdir() if _is_photo(file))
    return [
        InstanceMasks(file, photo_names.find(masks, file.stem, (".png",)) or masks / f"{file.stem}.png")
        for file in photos
    ]


def coco_instances(annotations: Path, images: Path) -> list[InstanceMasks]:
    """Photos and masks of a COCO instances JSON, see `wsis.coco_masks.read`.

    Crowds are left out, and so are annotations without a mask, of which stderr says how many.

    Raises:
        WsisError: no mask is left.
    """
    found = coco_masks.read(Path(annotations), Path(images))
    if found.maskless:
        print(found.left_out(), file=sys.stderr)
    items = [InstanceMasks(one.photo, rles=one.rles) for one in found.photos if one.rles]
    if not items:
        raise WsisError(f"{Path(annotations).name} holds no mask to learn from.")
    return items


def all_masks(folders: Iterable[Path], coco: Iterable[tuple[Path, Path]]) -> list[InstanceMasks]:
    """Photos of mask folders and of COCO JSONs, each with its folder of photos, in this order."""
    items = [item for folder in folders for item in mask_folder(folder)]
    return items + [item for annotations, images in coco for item in coco_instances(annotations, images)]


def read_rgb(path: Path) -> np.ndarray:
    """A training photo as (H, W, 3) uint8 RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise WsisError(f"{path} is not a readable photo.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def save_arrays(file: Path, **arrays: np.ndarray) -> None:
    """Write an `.npz` that appears whole or not at all, also where several machines write it at once."""
    content: dict[str, Any] = dict(arrays)
    with files.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **content)
