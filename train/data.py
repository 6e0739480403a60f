"""Readers of training data: VOC devkits, partial labels in a CSV, instance masks as folders or COCO JSON.

Image-level labels are a pair of (N, C) arrays: `target` in [0, 1] and `weight` in [0, 1], 0 where nobody looked, so
that a class that was not annotated never counts as absent.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch.utils.data import DataLoader, Dataset, Sampler

from wsis import voc
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth, voc_ground_truth  # noqa: F401 - evaluation reads them from here too

Half = Literal["all", "even", "odd"]

HINT_TARGET, HINT_WEIGHT = 0.8, 0.5
"""Classes read from captions are likely, not certain."""


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
            index = cv2.imread(str(self.index), cv2.IMREAD_UNCHANGED)
            if index is None or index.ndim != 2:
                raise WsisError(f"{self.index}: expected a single-channel PNG with one index per instance.")
            return np.stack([index == i for i in np.unique(index) if i not in (0, voc.VOID)] or [index < 0])
        return np.stack([coco_mask.decode(rle).astype(bool) for rle in self.rles])


def voc_ids(kit: Path, split: str, half: Half = "all") -> tuple[str, ...]:
    """Ids of a split of a devkit folder (`.../VOC2012`), in file order.

    Args:
        kit: devkit folder.
        split: name of the split.
        half: every other photo of the sorted ids: constants are tuned on `even`, figures hold on `odd`.
    """
    for folder in ("Main", "Segmentation"):
        file = Path(kit) / "ImageSets" / folder / f"{split}.txt"
        if file.exists():
            ids = tuple(line.split()[0] for line in file.read_text().splitlines() if line.strip())
            kept = set({"all": sorted(ids), "even": sorted(ids)[::2], "odd": sorted(ids)[1::2]}[half])
            return tuple(identity for identity in ids if identity in kept)
    raise WsisError(f"{kit} has no split '{split}': expected ImageSets/Main/{split}.txt, as in a VOC devkit.")


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
        for line in file.read_text().splitlines():
            if line.strip():
                identity, value = line.split()
                values[row[identity], column] = int(value)
    paths = tuple(kit / "JPEGImages" / f"{name}.jpg" for name in ids)
    return ImageLabels(paths, (values > 0).astype(np.float32), (values != 0).astype(np.float32))


def csv_labels(folder: Path) -> ImageLabels:
    """Partial labels: `labels.csv` with columns image, present, hinted, annotated; photos in `images/`."""
    with (Path(folder) / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    target = np.zeros((len(rows), len(voc.CLASSES)), np.float32)
    weight = np.zeros_like(target)
    column = {name: i for i, name in enumerate(voc.CLASSES)}
    for i, entry in enumerate(rows):
        for name in entry["annotated"].split():
            weight[i, column[name]] = 1
        for name in entry["hinted"].split():
            target[i, column[name]], weight[i, column[name]] = HINT_TARGET, HINT_WEIGHT
        for name in entry["present"].split():
            target[i, column[name]], weight[i, column[name]] = 1, 1
    paths = tuple(Path(folder) / "images" / entry["image"] for entry in rows)
    return ImageLabels(paths, target, weight)


def mask_folder(folder: Path) -> list[InstanceMasks]:
    """Photos in `images/` with index PNGs of the same stem in `masks/` (1..N per instance, 255 ignored)."""
    images = sorted((Path(folder) / "images").iterdir())
    return [InstanceMasks(path, Path(folder) / "masks" / f"{path.stem}.png") for path in images]


def coco_instances(annotations: Path, images: Path) -> list[InstanceMasks]:
    """Photos and masks of a COCO instances JSON; crowds are left out."""
    content = json.loads(Path(annotations).read_text())
    by_image: dict[int, list[dict]] = {}
    sizes = {entry["id"]: (entry["height"], entry["width"], entry["file_name"]) for entry in content["images"]}
    for entry in content["annotations"]:
        if not entry.get("iscrowd"):
            height, width, _ = sizes[entry["image_id"]]
            shape = entry["segmentation"]
            if isinstance(shape, list):
                shape = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
            elif isinstance(shape["counts"], list):
                shape = coco_mask.frPyObjects(shape, height, width)
            by_image.setdefault(entry["image_id"], []).append(shape)
    return [InstanceMasks(Path(images) / sizes[i][2], rles=tuple(rles)) for i, rles in sorted(by_image.items())]


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


class ShuffledPasses(Sampler[tuple[int, int]]):
    """An endless shuffled walk over a data set, cut into epochs of any length.

    A Lightning "epoch" may then be a fraction of a pass, checkpoints fall at its end, and a resumed run draws exactly
    the photos and augmentations that an uninterrupted one would have drawn.
    """

    def __init__(self, size: int, per_epoch: int, seed: int) -> None:
        """Walk over `size` items, `per_epoch` of them an epoch."""
        self.size, self.per_epoch, self.seed, self.epoch = size, per_epoch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Draws per epoch."""
        return self.per_epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Pairs of (item, number of the draw since the start of training)."""
        order: dict[int, Sequence[int]] = {}
        for draw in range(self.epoch * self.per_epoch, (self.epoch + 1) * self.per_epoch):
            walk, place = divmod(draw, self.size)
            if walk not in order:
                order = {walk: np.random.default_rng((self.seed, 7, walk)).permutation(self.size).tolist()}
            yield order[walk][place], draw


def endless_loader(
    photos: Dataset,
    batch_size: int,
    per_epoch: int | None,
    *,
    seed: int,
    workers: int,
    collate: Callable[[list], Any] | None = None,
) -> DataLoader:
    """Batches of a data set in the order of `ShuffledPasses`.

    Args:
        photos: data set whose items are addressed by (item, draw).
        batch_size: items a step.
        per_epoch: items between two checkpoints; None for one pass.
        seed: fixes the order.
        workers: processes that read items.
        collate: makes a batch of a list of items; tensors are stacked by default.
    """
    size = len(photos)
    sampler = ShuffledPasses(size, per_epoch or size, seed)
    return DataLoader(
        photos,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        persistent_workers=workers > 0,
    )
