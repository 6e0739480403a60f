"""Readers of training data: VOC devkits, partial labels in a CSV, instance masks as folders or COCO JSON.

Image-level labels are a pair of (N, C) arrays: `target` in [0, 1] and `weight` in [0, 1], 0 where nobody looked, so
that a class that was not annotated never counts as absent.
"""

from __future__ import annotations

import csv
import io
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import lightning as L
import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch.utils.data import DataLoader, Dataset, Sampler

from train import coco_masks, parallel
from wsis import index_png, photo_names, voc
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth, voc_ground_truth  # noqa: F401 - evaluation reads them from here too
from wsis.image import SUFFIXES

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
    """

    paths: tuple[Path, ...]
    target: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        """Check shapes."""
        shape = (len(self.paths), self.target.shape[-1])
        if self.target.shape != shape or self.weight.shape != shape:
            raise ValueError(f"expected target and weight {shape}, got {self.target.shape}, {self.weight.shape}")

    def __add__(self, other: ImageLabels) -> ImageLabels:
        """Both sets, one after the other."""
        return ImageLabels(
            self.paths + other.paths,
            np.concatenate([self.target, other.target]),
            np.concatenate([self.weight, other.weight]),
        )


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
            void = voc.VOID if index.dtype == np.uint8 else 0
            return np.stack([index == i for i in np.unique(index) if i not in (0, void)] or [index < 0])
        return np.stack([coco_mask.decode(rle).astype(bool) for rle in self.rles])


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


def voc_labels(kit: Path, split: str) -> ImageLabels:
    """Image-level labels of a VOC split: 1 present, -1 absent, 0 difficult (weight 0)."""
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
    return ImageLabels(paths, (values > 0).astype(np.float32), (values != 0).astype(np.float32))


def csv_labels(folder: Path) -> ImageLabels:
    """Partial labels: `labels.csv` with columns image, present, hinted, annotated; photos in `images/`.

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
    target = np.zeros((len(rows), len(voc.CLASSES)), np.float32)
    weight = np.zeros_like(target)
    column = {name: i for i, name in enumerate(voc.CLASSES)}
    known = {"annotated": (0, 1), "hinted": (HINT_TARGET, HINT_WEIGHT), "present": (1, 1)}
    for i, entry in enumerate(rows):
        if not (entry["image"] or "").strip():
            raise WsisError(f"{file.name}, photo {i + 1}: its name is missing.")
        for kind, value in known.items():
            for name in (entry[kind] or "").split():
                if name not in column:
                    raise WsisError(
                        f"{file.name}, photo {i + 1}: there is no class '{name[:80]}'; expected VOC's names."
                    )
                target[i, column[name]], weight[i, column[name]] = value
    paths = tuple(photo_names.below(Path(folder) / "images", entry["image"].strip()) for entry in rows)
    return ImageLabels(paths, target, weight)


def mask_folder(folder: Path) -> list[InstanceMasks]:
    """Photos in `images/` with index PNGs of the same stem in `masks/` (1..N per instance, 255 ignored in 8 bits)."""
    images, masks = Path(folder) / "images", Path(folder) / "masks"
    if not images.is_dir():
        raise WsisError(f"There is no folder {images}.")
    photos = sorted(file for file in images.iterdir() if _is_photo(file))
    return [
        InstanceMasks(file, photo_names.find(masks, file.stem, (".png",)) or masks / f"{file.stem}.png")
        for file in photos
    ]


def coco_instances(annotations: Path, images: Path) -> list[InstanceMasks]:
    """Photos and masks of a COCO instances JSON, see `train.coco_masks.by_photo`."""
    found = coco_masks.by_photo(Path(annotations), Path(images))
    return [InstanceMasks(photo, rles=rles) for photo, rles in found]


def read_rgb(path: Path) -> np.ndarray:
    """A training photo as (H, W, 3) uint8 RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise WsisError(f"{path} is not a readable photo.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class LabelledPhotos(Dataset):
    """Augmented photos with labels; items are addressed by (index, draw) so that augmentation is reproducible."""

    def __init__(self, labels: ImageLabels, *, size: int, scale: tuple[float, float], seed: int) -> None:
        """Keep what augmentation needs.

        Args:
            labels: photos and labels.
            size: side of the square network input, in pixels.
            scale: least and largest share of the photo's area that a random crop keeps.
            seed: together with a draw's number it fixes the augmentation.
        """
        self.labels, self.size, self.scale, self.seed = labels, size, scale, seed

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.labels.paths)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(3, size, size) float32 RGB in [0, 1], (C,) target, (C,) weight."""
        index, draw = key
        rng = np.random.default_rng((self.seed, draw))
        crop = random_crop(read_rgb(self.labels.paths[index]), self.scale, rng)
        pixels = cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        pixels = np.clip(pixels * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1), 0, 1)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))
        return image, torch.from_numpy(self.labels.target[index]), torch.from_numpy(self.labels.weight[index])


def random_crop(image: np.ndarray, scale: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A random rectangle of the photo: a share of its area drawn from `scale`, its aspect bent a little."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(*scale), np.exp(rng.uniform(-0.2, 0.2))
    crop_h = min(height, max(1, round(height * np.sqrt(area) * aspect)))
    crop_w = min(width, max(1, round(width * np.sqrt(area) / aspect)))
    y, x = rng.integers(0, height - crop_h + 1), rng.integers(0, width - crop_w + 1)
    return image[y : y + crop_h, x : x + crop_w]


class ShuffledPasses(Sampler[list[tuple[int, int]]]):
    """Batches of an endless shuffled walk over a data set.

    Step k of a training takes the same items with the same augmentation however often the run was interrupted, however
    its epochs are cut, and however many processes share a batch.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        steps: int,
        seed: int,
        *,
        done: Callable[[], int] = lambda: 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Describe the walk.

        Args:
            size: items of the data set.
            batch_size: items a step, all processes together.
            steps: steps an epoch.
            seed: fixes the order.
            done: steps taken since the start of training; asked whenever an epoch begins.
            rank: which share of each batch is this process's.
            processes: how many share a batch, equally.
        """
        self.size, self.batch_size, self.steps, self.seed, self.done = size, batch_size, steps, seed, done
        self.rank, self.share = rank, batch_size // processes

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batches of (item, number of the draw since the start of training)."""
        order: dict[int, Sequence[int]] = {}
        first = self.done()
        for step in range(first, first + self.steps):
            batch = []
            start = step * self.batch_size + self.rank * self.share
            for draw in range(start, start + self.share):
                walk, place = divmod(draw, self.size)
                if walk not in order:
                    order = {walk: np.random.default_rng((self.seed, 7, walk)).permutation(self.size).tolist()}
                batch.append((order[walk][place], draw))
            yield batch


class EndlessData(L.LightningDataModule):
    """Photos in the order of `ShuffledPasses`; a checkpoint keeps the place, also in the middle of an epoch.

    A subclass has the hyperparameters `batch_size` (all processes together), `per_epoch` (cut to whole batches; None
    for one pass), `seed` and `workers`.
    """

    _restored = 0

    def steps_done(self) -> int:
        """Steps since the start of training; Lightning's own count comes too late after an interruption."""
        return max(self._restored, self.trainer.fit_loop.total_batch_idx + 1 if self.trainer else 0)

    def state_dict(self) -> dict[str, Any]:
        """The place, for a checkpoint."""
        return {"steps": self.steps_done()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._restored = state_dict["steps"]

    def endless(self, photos: Dataset, collate: Callable[[list], Any] | None = None) -> DataLoader:
        """This process's shares of all batches.

        Args:
            photos: data set whose items are addressed by (item, draw).
            collate: makes a batch of a list of items; tensors are stacked by default.

        Raises:
            WsisError: an epoch has no whole batch, or a batch cannot be shared equally.
        """
        h, size, count = self.hparams, len(photos), parallel.processes()
        per_epoch = h.per_epoch or size
        if not size or per_epoch < h.batch_size:
            raise WsisError(
                f"A batch of {h.batch_size} cannot be filled: there are {size} photos and {per_epoch} an epoch. "
                "Choose a smaller batch_size, a larger per_epoch, or more photos."
            )
        if h.batch_size % count:
            raise WsisError(
                f"A batch of {h.batch_size} cannot be shared equally by {count} processes: choose a batch_size that is "
                f"a multiple of {count}."
            )
        batches = ShuffledPasses(
            size,
            h.batch_size,
            per_epoch // h.batch_size,
            h.seed,
            done=self.steps_done,
            rank=parallel.rank(),
            processes=count,
        )
        return _PlacedLoader(
            photos,
            batch_sampler=batches,
            num_workers=h.workers,
            collate_fn=collate,
            persistent_workers=h.workers > 0,
        )


class _PlacedLoader(DataLoader):
    """Lightning takes a loader without these two for one that cannot go on; `EndlessData` keeps the place."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing more to keep."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing more to restore."""


def save_arrays(file: Path, **arrays: np.ndarray) -> None:
    """Write an `.npz` that appears whole or not at all, also where several machines write it at once."""
    temporary = file.with_suffix(f".{socket.gethostname()}-{os.getpid()}.npz")
    np.savez(temporary, **arrays)
    temporary.replace(file)
