"""Naive maps paired with masks, and the photos that stage 2 learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from train import composites, hints, parallel
from train import maps as naive_maps
from train.crops import LEAST_INSIDE, WHOLE, Box, crop_box, cut, relit, resize, share_inside, within
from train.data import InstanceMasks, all_masks, read_rgb
from train.endless import DrawnItems, EndlessData
from train.hints import Start
from train.maps import NaiveMaps
from wsis import devices, matching
from wsis.errors import WsisError

LEAST_IOU = 0.3
"""A map whose peak lies in no mask is paired with a mask only where they overlap by this much."""
LEAST_IOU_AT_PEAK = 0.1
"""Where the peak does lie in a mask, so much is enough: the map may still be a background's."""
LEAST_COVER_AT_PEAK = 0.35
"""Or so much of the mask inside the map: one person of a crowd, whose map holds them all."""
LEAST_SHARE = 0.005
"""Masks below this share of the photo are too small for the working maps."""
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Photos (B, 3, H, W), hints (B, M, 5, h, w), targets (B, M, h, w) and weights of their cells (B, M, h, w)."""


KINDS = ("several", "composite", "one")
"""Photos with several instances, made ones, and photos with one instance."""


class Example(Protocol):
    """A photo that can say what it teaches."""

    def pairs(self) -> Pairs:
        """Read maps and masks."""
        ...

    def kind(self) -> str:
        """Which of `KINDS` it is."""
        ...


@dataclass(frozen=True, eq=False)
class Pairs:
    """What one photo teaches.

    Attributes:
        image: the photo's file.
        naive: K naive maps.
        masks: (N, H, W) bool targets.
        void: (H, W) bool, pixels of which nobody knows what they show.
        target: (K,) int64 mask of each map, -1 for none.
    """

    image: Path
    naive: NaiveMaps
    masks: np.ndarray
    void: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo with instance masks and the files of its class maps and, if asked for, responses."""

    item: InstanceMasks
    maps: Path
    responses: Path | None = None

    def pairs(self) -> Pairs:
        """Maps and masks, paired by overlap."""
        naive, masks, void = naive_maps.load(self.maps, responses=self.responses), self.item.masks(), self.item.void()
        return Pairs(self.item.image, naive, masks, void, pair(naive, masks, void))

    def kind(self) -> str:
        """Which of `KINDS` it is."""
        return "composite" if composites.is_composite(self.item.image) else kind_of(len(self.item.masks()))


def kind_of(instances: int) -> str:
    """Which of `KINDS` a photo is that nobody made."""
    return "several" if instances > 1 else "one"


def pair(naive: NaiveMaps, masks: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    """The mask that each map means (section 3.2): of those that contain its peak the one of highest IoU.

    Maps of one class share a class map, so IoU alone would pair all its peaks with the same mask. Where no mask
    contains the peak, the highest IoU decides, from `LEAST_IOU` on, unless nobody knows what the peak lies on.

    Args:
        naive: K maps.
        masks: (N, H, W) bool.
        void: (H, W) bool pixels of which nobody knows what they show.

    Returns:
        (K,) int64 indices of masks, -1 for none.
    """
    if not len(masks) or not len(naive.maps):
        return np.full(len(naive.maps), -1)
    grid = tuple(4 * side for side in naive.maps.shape[1:])
    binary = matching.binarise(np.stack([resize(m, grid) for m in naive.maps])).reshape(len(naive.maps), -1)
    small = np.stack([resize(m.astype(np.float32), grid) for m in masks]).reshape(len(masks), -1)
    common = binary.astype(np.float32) @ small.T
    iou = common / np.maximum(binary.sum(1)[:, None] + small.sum(1)[None] - common, 1e-6)
    cover = common / np.maximum(small.sum(1)[None], 1e-6)
    cells = np.minimum((naive.peaks * grid).astype(int), np.array(grid) - 1)
    inside = small.reshape(-1, *grid)[:, cells[:, 0], cells[:, 1]].T >= 0.5
    large = (masks.mean((1, 2)) >= LEAST_SHARE)[None]
    known = ~np.any(inside, axis=1)
    if void is not None:
        known &= resize(void.astype(np.float32), grid)[cells[:, 0], cells[:, 1]] < 0.5
    here = inside & large & ((iou >= LEAST_IOU_AT_PEAK) | (cover >= LEAST_COVER_AT_PEAK))
    elsewhere = large & known[:, None] & (iou >= LEAST_IOU)
    value = np.where(here, 1 + iou, np.where(elsewhere, iou, 0))
    return np.where(value.max(1) > 0, value.argmax(1), -1)


class PairedPhotos(DrawnItems[tuple[Tensor, ...]]):
    """Augmented crops with M hints and their targets; items are addressed by (index, draw), see `ShuffledPasses`."""

    def __init__(
        self,
        photos: Sequence[Example],
        *,
        size: int,
        grid: int,
        count: int,
        made: float,
        seed: int,
        start: Start = "class map",
        neighbours: float = 0.0,
    ) -> None:
        """Keep what augmentation needs.

        Args:
            photos: photos with maps and masks.
            size: side of the square photo that the network sees, in pixels.
            grid: side of hints and targets, in cells.
            count: M, maps a photo.
            made: share of hints made from a mask instead of the classifier's map.
            seed: together with a draw's number it fixes the augmentation.
            start: the map at t = 0.
            neighbours: how much more the cells of other instances weigh than the background's; above 0, crops are
                wider too.
        """
        self.photos, self.size, self.grid, self.count, self.made, self.seed = photos, size, grid, count, made, seed
        self.start, self.neighbours = start, neighbours

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        """(3, size, size) RGB, (M, 5, grid, grid) hints, (M, grid, grid) targets and weights; float32, RGB in [0, 1].

        A photo whose masks are all too small or missing weighs nothing.
        """
        index, draw = key
        rng = np.random.default_rng((self.seed, draw))
        pairs = self.photos[index].pairs()
        usable = np.flatnonzero(pairs.masks.mean((1, 2)) >= LEAST_SHARE).tolist()
        real = rng.permutation(np.flatnonzero(pairs.target >= 0)).tolist()
        if not usable:
            return self._nothing(pairs)
        first = int(pairs.target[real[0]]) if real else int(rng.choice(usable))
        box = crop_box(pairs.masks[first], rng, neighbours=self.neighbours > 0)
        chosen = self._chosen(pairs, real, usable, first, box, rng)
        void = self._cells(pairs.void, box)
        cells = {m: self._cells(pairs.masks[m], box) for m in {m for m, _ in chosen}}
        anything = self._cells(np.any(pairs.masks, axis=0), box)
        targets = np.stack([cells[m] for m, _ in chosen])
        weights = (1 - void) * (1 + self.neighbours * np.clip(anything - targets, 0, 1))
        pixels = resize(cut(read_rgb(pairs.image), box), (self.size, self.size)).astype(np.float32) / 255
        pixels = relit(pixels, rng)
        arrays = [pixels.transpose(2, 0, 1), np.clip(np.stack([h for _, h in chosen]), 0, 1), targets, weights]
        if rng.random() < 0.5:
            arrays = [a[..., ::-1] for a in arrays]
        return tuple(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays)

    def _chosen(
        self, pairs: Pairs, real: list[int], usable: list[int], first: int, box: Box, rng: np.random.Generator
    ) -> list[tuple[int, np.ndarray]]:
        """M masks, each with hints that mean it: of the classifier's peaks, one of each mask first, or made."""
        inside = [k for k in real if ((place := within(pairs.naive.peaks[k], box)) >= 0).all() and (place < 1).all()]
        first_of_mask = {int(pairs.target[k]): k for k in reversed(inside)}
        ahead = [k for k in inside if first_of_mask[int(pairs.target[k])] == k]
        queue = ahead + [k for k in inside if k not in ahead]
        held = [m for m in usable if share_inside(pairs.masks[m], box) >= LEAST_INSIDE] or [first]
        chosen = []
        for _ in range(self.count):
            if queue and rng.random() >= self.made:
                k = queue.pop(0)
                m, told = int(pairs.target[k]), hints.of_peak(pairs.naive, k, box, self.grid, self.start, rng)
            else:
                m = first if rng.random() < 0.3 else int(rng.choice(held))
                told = hints.of_mask(pairs.masks, m, held, box, self.grid, self.start, rng)
            chosen.append((m, told))
        return chosen

    def _cells(self, mask: np.ndarray, box: Box) -> np.ndarray:
        return np.clip(resize(cut(mask.astype(np.float32), box), (self.grid, self.grid)), 0, 1)

    def _nothing(self, pairs: Pairs) -> tuple[Tensor, ...]:
        pixels = resize(cut(read_rgb(pairs.image), WHOLE), (self.size, self.size)).transpose(2, 0, 1) / 255
        empty = torch.zeros(self.count, self.grid, self.grid)
        return (
            torch.from_numpy(pixels.astype(np.float32)),
            empty[:, None].repeat(1, len(hints.ORDER), 1, 1),
            empty,
            empty,
        )


class PairedData(EndlessData):
    """Loaders over the examples that a subclass finds."""

    train_set: PairedPhotos
    val_set: PairedPhotos

    def __init__(
        self,
        classifier: Path,
        *,
        composites: int = 0,
        shares: tuple[float, float, float] | None = None,
        responses: bool = False,
        start: Start = "class map",
        neighbours: float = 0.0,
        sizes: tuple[int, ...] = (320,),
        size: int = 256,
        grid: int = 64,
        maps_per_photo: int = 3,
        made: float = 0.2,
        batch_size: int = 8,
        held_out: int = 0,
        **walk: Any,
    ) -> None:
        """Describe the data.

        Args:
            classifier: whose maps are enhanced: a checkpoint folder or a stage 1 `.ckpt`.
            composites: photos made by pasting one object beside another of its kind, see `train.composites`.
            shares: of photos with several instances, of composites, and of photos with one; None for each photo once.
            responses: compute the peaks' responses (Eq. 2), for a network with that hint.
            start: the map at t = 0, `class map` or `response`.
            neighbours: how much more cells of other instances weigh in the loss than the background's.
            sizes: long sides that the classifier runs at.
            size: side of the square photo, in pixels.
            grid: side of hints and targets: size / 4 for join `decoder`, size for `input`.
            maps_per_photo: M; the encoder's work is shared by them where they join in the decoder.
            made: share of hints made from a mask.
            batch_size: photos a step, all processes together.
            held_out: so many photos, evenly spaced, only validate.
            walk: see `EndlessData`.
        """
        super().__init__(batch_size=batch_size, **walk)
        self.classifier, self.sizes, self.responses = classifier, sizes, responses
        self.composites, self.shares, self.held_out = composites, shares, held_out
        self.as_drawn = partial(
            PairedPhotos, size=size, grid=grid, count=maps_per_photo, made=made, seed=self.seed, start=start,
            neighbours=neighbours,
        )  # fmt: skip

    def examples(self) -> Sequence[Example]:
        """All photos that teach something, in a fixed order."""
        raise NotImplementedError

    def mixed(self, examples: Sequence[Example]) -> list[Example]:
        """Photos as often as they are to be seen in one pass; what a kind lacks, the others take."""
        if self.shares is None:
            return list(examples)
        kinds: dict[str, list[Example]] = {kind: [] for kind in KINDS}
        for example in examples:
            kinds[example.kind()].append(example)
        shares = dict(zip(KINDS, self.shares, strict=True))
        total = sum(shares[kind] for kind in KINDS if kinds[kind])
        rng, chosen = np.random.default_rng((self.seed, 11)), list[Example]()
        for kind, those in kinds.items():
            order = rng.permutation(len(those))
            wanted = round(len(examples) * shares[kind] / total) if those else 0
            chosen += [those[order[i % len(those)]] for i in range(wanted)]
        return chosen

    def composite_photos(self, items: Sequence[InstanceMasks], class_maps: Sequence[Path]) -> list[MaskedPhoto]:
        """Composites of photos with one object each, whose class maps these are."""
        if not self.composites:
            return []
        pasted = composites.ensure(items, class_maps, self.composites)  # a data set: the same for every seed of a run
        return self.masked_photos(pasted, self.class_maps([item.image for item in pasted]))

    def masked_photos(self, items: Sequence[InstanceMasks], class_maps: Sequence[Path]) -> list[MaskedPhoto]:
        """Photos with masks and class maps, and with the responses of their peaks where they were asked for."""
        responses: Sequence[Path | None] = [None] * len(items)
        if self.responses:
            photos = [item.image for item in items]
            responses = naive_maps.ensure_responses(
                photos, class_maps, self.classifier, sizes=self.sizes, device=devices.find()
            )
        return [MaskedPhoto(*parts) for parts in zip(items, class_maps, responses, strict=True)]

    def class_maps(self, photos: Sequence[Path]) -> list[Path]:
        """Files with the classifier's maps of each photo."""
        return naive_maps.ensure(photos, self.classifier, sizes=self.sizes, device=devices.find())

    def prepare_data(self) -> None:
        """Compute what is not cached yet."""
        self.examples()

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's name of what is about to run
        """Split off the photos that validate."""
        train, validate = split(self.examples(), self.held_out)
        self.train_set, self.val_set = self.as_drawn(self.mixed(train)), self.as_drawn(validate)

    def train_dataloader(self) -> DataLoader[Any]:
        """Endless shuffled photos, cut into epochs."""
        return self.endless(self.train_set)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """The photos held out, each with one fixed crop."""
        items = parallel.share([(i, 2**40 + i) for i in range(len(self.val_set))])
        return DataLoader(self.val_set, self.batch_size, sampler=items) if items else []


def split(examples: Sequence[Example], held_out: int) -> tuple[list[Example], list[Example]]:
    """Photos that train, and so many, evenly spaced, that only validate.

    Raises:
        WsisError: more are held out than there are.
    """
    if held_out > len(examples):
        raise WsisError(f"held_out is {held_out}, but there are only {len(examples)} photos.")
    step = len(examples) // held_out if held_out else 0
    validate = range(step // 2, len(examples), step) if held_out else range(0)
    return [example for i, example in enumerate(examples) if i not in validate], [examples[i] for i in validate]


class SaliencyPairs(PairedData):
    """The saliency variant: class-agnostic instance masks of photos outside VOC."""

    def __init__(
        self,
        classifier: Path,
        *,
        folders: tuple[Path, ...] = (),
        coco: tuple[tuple[Path, Path], ...] = (),
        **shared: Any,
    ) -> None:
        """Describe the data.

        Args:
            classifier: whose maps are enhanced: a checkpoint folder or a stage 1 `.ckpt`.
            folders: folders with `images/` and index masks in `masks/`.
            coco: pairs of an instances JSON and its folder of photos.
            shared: see `PairedData`.
        """
        super().__init__(classifier, **shared)
        self.folders, self.coco = folders, coco

    def examples(self) -> list[MaskedPhoto]:
        """Photos that have a mask large enough to teach something."""
        items = all_masks(self.folders, self.coco)
        class_maps = self.class_maps([item.image for item in items])
        photos = self.masked_photos(items, class_maps) + self.composite_photos(items, class_maps)
        return [photo for photo in photos if (photo.item.masks().mean((1, 2)) >= LEAST_SHARE).any()]
