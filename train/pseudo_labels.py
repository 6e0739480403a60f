"""Pseudo labels from image-level labels alone, and the proposal variant of the ICN trained on them (section 3.2).

A naive map is spread over the photo's regions (or enhanced by the ICN of the round before), the best proposals by Eq. 5
become the label, and labels that disagree with their own map are left out. No pixel label is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from train import maps as naive_maps
from train.data import ImageLabels, csv_labels, read_rgb, save_arrays, voc_labels
from train.icn import PairedData, Pairs, load_icn, resize
from train.maps import NaiveMaps
from wsis import checkpoints, icn, matching
from wsis.errors import WsisError
from wsis.proposals import contours, generate
from wsis.proposals.contours import ContourNet
from wsis.spread import spread

CACHE = Path(".cache/pseudo-labels")
VERSION = 1
"""Changes with the recipe, so that labels made by an older one are not read."""


@dataclass(frozen=True)
class PseudoPhoto:
    """A photo and the file of its pseudo labels."""

    image: Path
    file: Path

    def pairs(self) -> Pairs:
        """Maps and their labels, in the same order."""
        with np.load(self.file) as content:
            naive = NaiveMaps(content["maps"].astype(np.float32), content["classes"], content["peaks"])
            shape = tuple(content["shape"])
            masks = np.unpackbits(content["masks"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        return Pairs(self.image, naive, masks, np.arange(len(masks)))


def label(
    image: np.ndarray,
    naive: NaiveMaps,
    *,
    net: ContourNet | None = None,
    teacher: icn.ICN | None = None,
    k: int = 1,
    least_iou: float = 0.5,
) -> tuple[NaiveMaps, np.ndarray]:
    """Pseudo labels of one photo.

    Args:
        image: (H, W, 3) uint8 RGB.
        naive: maps of the classes that the photo's label names.
        net: contours for the proposals; None takes colour edges.
        teacher: an ICN from an earlier round, whose first step replaces the spread map.
        k: proposals whose union is the label; 3 as published, 1 where proposals are unions of regions themselves.
        least_iou: a label is kept where its IoU with the binary map exceeds this.

    Returns:
        The K maps that have a label, (K, H, W) bool labels. Peaks of a class that lead to the same label count once.
    """
    size = image.shape[:2]
    naive_at_size = np.stack([resize(m, size) for m in naive.maps])
    edges = contours.colour_edges(image) if net is None else contours.predict(net, image)
    proposals = generate.generate(image, edges)
    if teacher is None:
        grown = spread(naive_at_size, proposals.labels, edges)
    else:
        enhanced = icn.enhance(teacher, image, naive_at_size, naive.maps, naive.peaks, 1)[-1]
        grown = np.stack([resize(m, size) for m in enhanced])
    binary = matching.binarise(grown)
    kept: dict[tuple[int, bytes], int] = {}
    masks = [matching.pseudo_label(m, proposals, k=k) for m in grown]
    cells = np.minimum((naive.peaks * size).astype(int), np.array(size) - 1)
    for i, (mask, own) in enumerate(zip(masks, binary, strict=True)):
        agreement = (mask & own).sum() / max(1, (mask | own).sum())
        key = (int(naive.classes[i]), mask.tobytes())
        if agreement > least_iou and (key not in kept or not masks[kept[key]][tuple(cells[kept[key]])]):
            kept[key] = i
    chosen = sorted(kept.values())
    stacked = np.stack([masks[i] for i in chosen]) if chosen else np.zeros((0, *size), bool)
    return NaiveMaps(naive.maps[chosen], naive.classes[chosen], naive.peaks[chosen]), stacked


def balanced(labels: ImageLabels, count: int, most: int = 2) -> list[int]:
    """Photos for every class in turn.

    Args:
        labels: photos with image-level labels.
        count: how many photos.
        most: photos with more classes present than this are left out; their maps are the least certain.

    Returns:
        Up to `count` indices, each class's photos evenly drawn, those with the fewest classes first.
    """
    present = labels.target >= 1
    many = present.sum(1)
    queues = [[i for n in range(1, most + 1) for i in np.flatnonzero(row & (many == n))] for row in present.T]
    chosen: dict[int, None] = {}
    while len(chosen) < count and any(queues):
        for queue in queues:
            while queue:
                index = int(queue.pop(0))
                if index not in chosen:
                    chosen[index] = None
                    break
    return list(chosen)[:count]


class PseudoPairs(PairedData):
    """The proposal variant: photos of VOC with image-level labels only."""

    def __init__(
        self,
        classifier: Path,
        *,
        voc_kit: Path | None = None,
        splits: tuple[str, ...] = ("train", "train_extra"),
        csv_folders: tuple[Path, ...] = (),
        contours: Path | None = None,
        teacher: Path | None = None,
        photos: int = 600,
        k: int = 1,
        least_iou: float = 0.5,
        sizes: tuple[int, ...] = (320,),
        size: int = 256,
        grid: int = 64,
        maps_per_photo: int = 3,
        made: float = 0.2,
        batch_size: int = 8,
        per_epoch: int | None = None,
        held_out: int = 0,
        workers: int = 1,
        seed: int = 0,
    ) -> None:
        """Describe the data.

        Args:
            classifier: whose maps are enhanced: a checkpoint folder or a stage 1 `.ckpt`.
            voc_kit: devkit folder (`.../VOC2012`).
            splits: VOC splits whose image-level labels are used.
            csv_folders: folders with `labels.csv` and `images/`.
            contours: checkpoint folder with a contour network; None takes colour edges.
            teacher: a stage 2 `.ckpt` for a further round: its ICN's maps are labelled instead of spread ones.
            photos: how many photos, balanced over the classes.
            k: proposals a label.
            least_iou: least agreement of a label with its map.
            sizes: long sides that the classifier runs at.
            size: side of the square photo, in pixels.
            grid: side of hints and targets: size / 4 for join `decoder`, size for `input`.
            maps_per_photo: M maps of each photo.
            made: share of hints made from a label.
            batch_size: photos a step, all processes together.
            per_epoch: photos between two checkpoints; all by default.
            held_out: so many photos, evenly spaced, only validate (on pseudo labels).
            workers: processes that read photos.
            seed: fixes order and augmentation.
        """
        super().__init__()
        self.save_hyperparameters()

    def examples(self) -> list[PseudoPhoto]:
        """Photos with at least one label, which are made where they are not cached yet."""
        h = self.hparams
        parts = [voc_labels(h.voc_kit, split) for split in h.splits] if h.voc_kit else []
        parts += [csv_labels(folder) for folder in h.csv_folders]
        if not parts:
            raise WsisError("Pseudo labels need photos: give voc_kit or csv_folders.")
        labels = sum(parts[1:], parts[0])
        chosen = balanced(labels, h.photos)
        photos = [labels.paths[i] for i in chosen]
        classes = [np.flatnonzero(labels.target[i] >= 1).tolist() for i in chosen]
        return [
            PseudoPhoto(photo, file) for photo, file in zip(photos, self._files(photos, classes), strict=True) if file
        ]

    def _files(self, photos: Sequence[Path], classes: Sequence[Sequence[int]]) -> list[Path | None]:
        """The label file of each photo, None where no label was good enough."""
        h = self.hparams
        maps = self.maps(photos)
        net = checkpoints.load(str(h.contours)).contours if h.contours else None
        make = partial(label, net=net, teacher=load_icn(h.teacher) if h.teacher else None, k=h.k, least_iou=h.least_iou)
        sources = [None if s is None else hashlib.sha256(_content(s)).hexdigest() for s in (h.contours, h.teacher)]
        key = hashlib.sha256(repr((VERSION, *sources, h.k, h.least_iou)).encode()).hexdigest()[:12]
        folder = CACHE / f"{maps[0].parent.name}-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        files: list[Path | None] = []
        for number, (photo, file, own) in enumerate(zip(photos, maps, classes, strict=True)):
            target = folder / f"{file.stem}-{'.'.join(map(str, own))}.npz"
            if not target.exists():
                if number % 50 == 0:
                    print(f"pseudo labels: {number} of {len(photos)}", flush=True)
                naive = naive_maps.load(file, classes=own)
                _save(*make(read_rgb(photo), naive), target)
            with np.load(target) as content:
                files.append(target if len(content["maps"]) else None)
        return files


def _save(naive: NaiveMaps, masks: np.ndarray, file: Path) -> None:
    save_arrays(
        file,
        maps=naive.maps.astype(np.float16),
        classes=naive.classes,
        peaks=naive.peaks,
        masks=np.packbits(masks),
        shape=np.array(masks.shape),
    )


def _content(source: Path) -> bytes:
    source = Path(source)
    files = sorted(source.glob("contours*")) if source.is_dir() else [source]
    return b"".join(file.read_bytes() for file in files)
