"""Pseudo labels from image-level labels alone, and the proposal variant of the ICN trained on them (section 3.2).

A naive map is spread over the photo's regions (or enhanced by the ICN of the round before), the best proposals by Eq. 5
become the label, and labels that disagree with their own map are left out. No pixel label is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from train import maps as naive_maps
from train.crops import resize
from train.data import ImageLabels, InstanceMasks, all_labels, read_rgb, save_arrays
from train.icn_run import load_icn
from train.maps import NaiveMaps
from train.pairs import Example, PairedData, Pairs, kind_of
from wsis import checkpoints, icn, matching
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

    def kind(self) -> str:
        """Which of `train.pairs.KINDS` it is."""
        with np.load(self.file) as content:
            return kind_of(len(content["classes"]))

    def item(self) -> InstanceMasks:
        """The photo with its labels as masks."""
        masks = self.pairs().masks
        rles = tuple(coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks)
        return InstanceMasks(self.image, rles=rles)

    def pairs(self) -> Pairs:
        """Maps and their labels, in the same order."""
        with np.load(self.file) as content:
            back = content["responses"].astype(np.float32) if "responses" in content else None
            naive = NaiveMaps(content["maps"].astype(np.float32), content["classes"], content["peaks"], back)
            shape = tuple(content["shape"])
            masks = np.unpackbits(content["masks"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        return Pairs(self.image, naive, masks, np.zeros(shape[1:], bool), np.arange(len(masks)))


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
    for i, (mask, cut) in enumerate(zip(masks, binary, strict=True)):
        agreement = (mask & cut).sum() / max(1, (mask | cut).sum())
        key = (int(naive.classes[i]), mask.tobytes())
        if agreement > least_iou and (key not in kept or not masks[kept[key]][tuple(cells[kept[key]])]):
            kept[key] = i
    chosen = sorted(kept.values())
    stacked = np.stack([masks[i] for i in chosen]) if chosen else np.zeros((0, *size), bool)
    back = None if naive.responses is None else naive.responses[chosen]
    return NaiveMaps(naive.maps[chosen], naive.classes[chosen], naive.peaks[chosen], back), stacked


def grouped(labelled: Pairs, peaks: NaiveMaps) -> np.ndarray:
    """Which labels hold more than one peak of their class: most of them are several objects that stand together.

    Args:
        labelled: a photo's K labels.
        peaks: all of its peaks, with and without a label.

    Returns:
        (K,) bool.
    """
    size = np.array(labelled.masks.shape[1:])
    rows, columns = np.minimum((peaks.peaks * size).astype(int), size - 1).T
    same = labelled.naive.classes[:, None] == peaks.classes
    return (labelled.masks[:, rows, columns] & same).sum(1) > 1


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
        lone: bool = False,
        **shared: Any,
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
            lone: leave out photos with a label that holds several peaks of its class, see `grouped`: what learns from
                such labels takes groups for objects.
            shared: see `PairedData`; pseudo labels take the place of masks, their objects are pasted into composites.
        """
        super().__init__(classifier, **shared)
        self.voc_kit, self.splits, self.csv_folders = voc_kit, splits, csv_folders
        self.contours, self.teacher = contours, teacher
        self.photos, self.k, self.least_iou, self.lone = photos, k, least_iou, lone

    def examples(self) -> list[Example]:
        """Photos with at least one label, which are made where they are not cached yet, and composites of them."""
        labels = all_labels(self.voc_kit, self.splits, self.csv_folders)
        chosen = balanced(labels, self.photos)
        photos = [labels.paths[i] for i in chosen]
        classes = [np.flatnonzero(labels.target[i] >= 1).tolist() for i in chosen]
        class_maps = self.class_maps(photos)
        files = self._files(photos, class_maps, classes)
        labelled = [
            (PseudoPhoto(photo, file), maps)
            for photo, file, maps, followed in zip(photos, files, class_maps, classes, strict=True)
            if file is not None and not (self.lone and self._has_group(PseudoPhoto(photo, file), maps, followed))
        ]
        single = [(photo.item(), maps) for photo, maps in labelled if photo.kind() == "one"]
        pasted = self.composite_photos([item for item, _ in single], [maps for _, maps in single])
        return [*(photo for photo, _ in labelled), *pasted]

    def _has_group(self, photo: PseudoPhoto, maps: Path, followed: Sequence[int]) -> bool:
        return bool(grouped(photo.pairs(), naive_maps.load(maps, classes=followed)).any())

    def _files(
        self, photos: Sequence[Path], maps: Sequence[Path], classes: Sequence[Sequence[int]]
    ) -> list[Path | None]:
        """The label file of each photo, None where no label was good enough."""
        net = checkpoints.load(str(self.contours)).contours if self.contours else None
        teacher = load_icn(self.teacher) if self.teacher else None
        make = partial(label, net=net, teacher=teacher, k=self.k, least_iou=self.least_iou)
        sources = [
            None if s is None else hashlib.sha256(_content(s)).hexdigest() for s in (self.contours, self.teacher)
        ]
        recipe = (VERSION, *sources, self.k, self.least_iou, self.responses)
        classifier = naive_maps.load_classifier(self.classifier) if self.responses else None
        folder = CACHE / f"{maps[0].parent.name}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        files: list[Path | None] = []
        for number, (photo, file, followed) in enumerate(zip(photos, maps, classes, strict=True)):
            target = folder / f"{file.stem}-{'.'.join(map(str, followed))}.npz"
            if not target.exists():
                if number % 50 == 0:
                    print(f"pseudo labels: {number} of {len(photos)}", flush=True)
                naive = naive_maps.load(file, classes=followed)
                if classifier is not None:
                    responses = naive_maps.responses(photo, file, classifier, size=self.sizes[0], classes=followed)
                    naive = replace(naive, responses=responses)
                _save(*make(read_rgb(photo), naive), target)
            with np.load(target) as content:
                files.append(target if len(content["maps"]) else None)
        return files


def _save(naive: NaiveMaps, masks: np.ndarray, file: Path) -> None:
    more = {} if naive.responses is None else {"responses": naive.responses.astype(np.float16)}
    save_arrays(
        file,
        **more,
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
