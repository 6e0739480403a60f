"""Stage 2: train the ICN on pairs of a naive map and a mask.

`python -m train.icn fit --config train/configs/icn-saliency-lite.yaml --data.init_args.classifier CKPT
--data.init_args.folders '[FOLDER]'`, then `python -m train.icn export RUN.ckpt FOLDER icn-saliency`. The classifier's
maps are computed first and kept in `.cache/`; `python -m train.icn maps CKPT PHOTOS...` does only that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MeanMetric

from train import command, parallel
from train import maps as naive_maps
from train.checkpoint import read_run, weights_of
from train.classifier import FrozenDepthwise
from train.data import EndlessData, InstanceMasks, coco_instances, mask_folder, read_rgb
from train.maps import NaiveMaps
from train.pretrained import start_from
from wsis import devices, matching
from wsis.backbone import LITE, Backbone
from wsis.checkpoints import save_module
from wsis.classifier import normalise
from wsis.icn import ICN, Join, normalised, peak_maps

LEAST_IOU = 0.3
"""A map whose peak lies in no mask is paired with a mask only where they overlap by this much."""
LEAST_IOU_AT_PEAK = 0.1
"""Where the peak does lie in a mask, so much is enough: the map may still be a background's."""
LEAST_SHARE = 0.008
"""Masks below this share of the photo are too small for the working maps."""
Box = tuple[float, float, float, float]
"""Relative top, left, height, width."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class Example(Protocol):
    """A photo that can say what it teaches."""

    def pairs(self) -> Pairs:
        """Read maps and masks."""


@dataclass(frozen=True)
class Pairs:
    """What one photo teaches.

    Attributes:
        image: the photo's file.
        naive: K naive maps.
        masks: (N, H, W) bool targets.
        target: (K,) int64 mask of each map, -1 for none.
    """

    image: Path
    naive: NaiveMaps
    masks: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo with instance masks and the file of its class maps."""

    item: InstanceMasks
    maps: Path

    def pairs(self) -> Pairs:
        """Maps and masks, paired by overlap."""
        naive, masks = naive_maps.load(self.maps), self.item.masks()
        return Pairs(self.item.image, naive, masks, pair(naive, masks))


def pair(naive: NaiveMaps, masks: np.ndarray) -> np.ndarray:
    """The mask that each map means (section 3.2): of those that contain its peak the one of highest IoU.

    Maps of one class share a class map, so IoU alone would pair all its peaks with the same mask. Where no mask
    contains the peak, the highest IoU decides, from `LEAST_IOU` on.

    Args:
        naive: K maps.
        masks: (N, H, W) bool.

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
    iou[:, masks.mean((1, 2)) < LEAST_SHARE] = 0
    cells = np.minimum((naive.peaks * grid).astype(int), np.array(grid) - 1)
    inside = small.reshape(-1, *grid)[:, cells[:, 0], cells[:, 1]].T >= 0.5
    iou[iou < np.where(inside, LEAST_IOU_AT_PEAK, LEAST_IOU)] = 0
    best = (iou + (inside & (iou > 0))).argmax(1)
    return np.where(iou.max(1) > 0, best, -1)


class PairedPhotos(Dataset):
    """Augmented crops with M hints and their targets; items are addressed by (index, draw), see `ShuffledPasses`."""

    def __init__(self, photos: Sequence[Example], *, size: int, grid: int, count: int, made: float, seed: int) -> None:
        """Keep what augmentation needs.

        Args:
            photos: photos with maps and masks.
            size: side of the square photo that the network sees, in pixels.
            grid: side of hints and targets, in cells.
            count: M, maps a photo.
            made: share of hints made from a mask instead of the classifier's map.
            seed: together with a draw's number it fixes the augmentation.
        """
        self.photos = photos
        self.size, self.grid, self.count, self.made, self.seed = size, grid, count, made, seed

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """(3, size, size) RGB, (M, 3, grid, grid) hints, (M, grid, grid) targets; float32 in [0, 1] all."""
        index, draw = key
        rng = np.random.default_rng((self.seed, draw))
        pairs = self.photos[index].pairs()
        real = rng.permutation(np.flatnonzero(pairs.target >= 0)).tolist()
        usable = np.flatnonzero(pairs.masks.mean((1, 2)) >= LEAST_SHARE).tolist()
        first = int(pairs.target[real[0]]) if real else int(rng.choice(usable)) if usable else -1
        box = _crop_box(pairs.masks[first] if first >= 0 else None, rng)
        if first >= 0 and _share_inside(pairs.masks[first], box) < 0.4:
            box = WHOLE
        seen = [k for k in real if _inside(pairs.naive.peaks[k], box)]
        usable = [m for m in usable if _share_inside(pairs.masks[m], box) >= 0.4]
        hints, targets = [], []
        for _ in range(self.count):
            if seen and rng.random() >= self.made:
                k = seen.pop(0)
                m = int(pairs.target[k])
                hints.append(self._real(pairs.naive, k, box, rng))
            else:
                m = first if not usable or rng.random() < 0.5 else int(rng.choice(usable))
                hints.append(self._made(pairs.masks, m, box, rng))
            whole = pairs.masks[m].astype(np.float32) if m >= 0 else np.zeros((8, 8), np.float32)
            targets.append(resize(_cut(whole, box), (self.grid, self.grid)))
        pixels = resize(_cut(read_rgb(pairs.image), box), (self.size, self.size)).astype(np.float32) / 255
        pixels = np.clip(pixels * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1), 0, 1)
        arrays = [pixels.transpose(2, 0, 1), np.stack(hints), np.stack(targets)]
        if rng.random() < 0.5:
            arrays = [a[..., ::-1] for a in arrays]
        image, hint, target = (torch.from_numpy(np.ascontiguousarray(np.clip(a, 0, 1), np.float32)) for a in arrays)
        return image, hint, target

    def _real(self, naive: NaiveMaps, k: int, box: Box, rng: np.random.Generator) -> np.ndarray:
        """(3, grid, grid) hints of the classifier's map."""
        own = normalised(torch.from_numpy(_window(naive.maps[k], box, self.grid))).numpy()
        bent = own ** np.exp(rng.uniform(-0.4, 0.4))
        return np.stack([bent, own, self._peak(naive.peaks[k], box)])

    def _made(self, masks: np.ndarray, m: int, box: Box, rng: np.random.Generator) -> np.ndarray:
        """(3, grid, grid) hints as a classifier might give for a mask: coarse, partial, with some of its neighbours."""
        cells = int(rng.integers(10, 29))
        if m < 0:
            mask, others = np.zeros((cells, cells), np.float32), np.zeros((cells, cells), np.float32)
        else:
            mask = _coarse(_cut(masks[m].astype(np.float32), box), cells)
            others = np.zeros_like(mask)
            if rng.random() < 0.5:
                others = _coarse(_cut(masks.any(0).astype(np.float32), box), cells) * rng.uniform(0.2, 0.8)
        weight = mask.ravel().astype(np.float64) + 1e-6
        y, x = np.divmod(rng.choice(mask.size, p=weight / weight.sum()), cells)
        rows, columns = np.mgrid[:cells, :cells]
        spread = max(1.0, mask.sum() ** 0.5 * rng.uniform(0.4, 1.5))
        part = mask * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * spread**2)).astype(np.float32)
        noise = cv2.GaussianBlur(rng.standard_normal(mask.shape).astype(np.float32), (0, 0), 2)
        rough = cv2.GaussianBlur(np.maximum(part, others * (1 - mask)), (0, 0), rng.uniform(0.5, 1.5))
        rough = rough + noise * rng.uniform(0, 0.4)
        own = normalised(torch.from_numpy(_window(rough, WHOLE, self.grid))).numpy()
        place = np.array([(y + 0.5) / cells, (x + 0.5) / cells], np.float32)
        return np.stack([own, own, self._peak(place, WHOLE)])

    def _peak(self, place: np.ndarray, box: Box) -> np.ndarray:
        inside = (place - np.array(box[:2])) / np.array(box[2:])
        return peak_maps(torch.from_numpy(inside.astype(np.float32)), (self.grid, self.grid)).numpy()


class PairedData(EndlessData):
    """Loaders over the examples that a subclass finds; its hyperparameters are described in `SaliencyPairs`."""

    def examples(self) -> Sequence[Example]:
        """All photos that teach something, in a fixed order."""
        raise NotImplementedError

    def prepare_data(self) -> None:
        """Compute what is not cached yet."""
        self.examples()

    def setup(self, stage: str) -> None:
        """Split off the photos that validate."""
        h, photos = self.hparams, self.examples()
        step = len(photos) // h.held_out if h.held_out else len(photos) + 1
        rest = [photo for i, photo in enumerate(photos) if i % step == step // 2 and h.held_out]
        kept = [photo for i, photo in enumerate(photos) if i % step != step // 2 or not h.held_out]
        self.train_set, self.val_set = (
            PairedPhotos(part, size=h.size, grid=h.grid, count=h.maps_per_photo, made=h.made, seed=h.seed)
            for part in (kept, rest)
        )

    def train_dataloader(self) -> DataLoader:
        """Endless shuffled photos, cut into epochs."""
        return self.endless(self.train_set)

    def val_dataloader(self) -> DataLoader | list:
        """The photos held out, each with one fixed crop."""
        items = parallel.share([(i, 2**40 + i) for i in range(len(self.val_set))])
        return DataLoader(self.val_set, self.hparams.batch_size, sampler=items) if items else []

    def maps(self, photos: Sequence[Path]) -> list[Path]:
        """Files with the classifier's maps of each photo."""
        return naive_maps.ensure(photos, self.hparams.classifier, sizes=self.hparams.sizes, device=devices.find())


class SaliencyPairs(PairedData):
    """The saliency variant: class-agnostic instance masks of photos outside VOC."""

    def __init__(
        self,
        classifier: Path,
        *,
        folders: tuple[Path, ...] = (),
        coco: tuple[tuple[Path, Path], ...] = (),
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
            folders: folders with `images/` and index masks in `masks/`.
            coco: pairs of an instances JSON and its folder of photos.
            sizes: long sides that the classifier runs at.
            size: side of the square photo, in pixels.
            grid: side of hints and targets: size / 4 for join `decoder`, size for `input`.
            maps_per_photo: M; the encoder's work is shared by them where they join in the decoder.
            made: share of hints made from a mask.
            batch_size: photos a step, all processes together.
            per_epoch: photos between two checkpoints; all by default.
            held_out: so many photos, evenly spaced, only validate.
            workers: processes that read photos.
            seed: fixes order and augmentation.
        """
        super().__init__()
        self.save_hyperparameters()

    def examples(self) -> list[MaskedPhoto]:
        """Photos that have a mask large enough to teach something."""
        found = [item for folder in self.hparams.folders for item in mask_folder(folder)]
        found += [item for annotations, images in self.hparams.coco for item in coco_instances(annotations, images)]
        files = self.maps([item.image for item in found])
        rich = [bool((item.masks().mean((1, 2)) >= LEAST_SHARE).any()) for item in found]
        return [MaskedPhoto(item, file) for item, file, use in zip(found, files, rich, strict=True) if use]


class Stage2(L.LightningModule):
    """ICN with pixel-wise binary cross entropy (Eq. 4 with its background term) plus an overlap term."""

    def __init__(
        self,
        backbone: str = LITE,
        *,
        weights: str = "hub",
        join: Join = "decoder",
        fusion: bool = True,
        use_map: bool = True,
        width: int = 32,
        size: int = 256,
        frozen_levels: int = 0,
        lr: float = 1e-3,
        encoder_lr: float = 1e-3,
        schedule: str = "step",
        halve_every: int = 20,
        dice: float = 0.0,
        feed_back: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
    ) -> None:
        """Describe the training; the defaults are the published ones (Adam 1e-3, x0.5 every 20 epochs, cross entropy).

        Args:
            backbone: timm name.
            weights: where ImageNet weights come from, see `train.pretrained.start_from`; `none` for random ones.
            join: see `wsis.icn.ICN`, as `fusion`, `use_map`, `width` and `size`.
            fusion: False leaves out CFM and DFM.
            use_map: False leaves out the hints.
            width: channels of each fusion.
            size: long side of photos in pixels.
            frozen_levels: the first encoder levels that keep their ImageNet weights, 0..5.
            lr: learning rate of everything but the encoder.
            encoder_lr: learning rate of the encoder.
            schedule: `step` or `one-cycle`.
            halve_every: epochs between two halvings (`step`).
            dice: weight of the soft Dice loss.
            feed_back: share of batches in which the network's own output is fed back, and the share of their maps that
                it replaces; without it the maps of T = 2, 3 are unlike anything seen in training.
            seed: fixes which maps are fed back.
        """
        super().__init__()
        self.save_hyperparameters()
        # Not `sync_dist`: it forgets that processes may hold different numbers of photos.
        self.iou = nn.ModuleList(MeanMetric() for _ in range(4))
        self.icn = ICN(backbone, join=join, fusion=fusion, use_map=use_map, width=width, size=size)
        if weights != "none":
            start = Backbone(backbone)
            start_from(start, weights)
            self.icn.load_encoder(start)
        levels = self.icn.encoder.levels
        for level in levels[:frozen_levels]:
            level.requires_grad_(False)
        if frozen_levels:
            for module in levels[frozen_levels:].modules():
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
                    module.requires_grad_(False)
                    module.__class__ = FrozenDepthwise

    def on_train_start(self) -> None:
        """The encoder's batch norm keeps ImageNet's statistics: batches are small and photos few."""
        for module in self.icn.encoder.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # `SyncBatchNorm` is no `BatchNorm2d`
                module.eval()

    def features(self, image: Tensor) -> list[Tensor] | None:
        """What all maps of a photo share; frozen levels keep no activations."""
        if self.icn.join == "input":
            return None
        frozen, found = self.hparams.frozen_levels, []
        x = normalise(image, self.icn.encoder).contiguous(memory_format=torch.channels_last)
        for number, level in enumerate(self.icn.encoder.levels):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= frozen):
                x = level(x)
            found.append(x)
        return found

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Loss of one step, in some batches on the network's own output."""
        image, hints, target = batch
        features = self.features(image)
        # Drawn from the step's number, so that a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng((self.hparams.seed, 3, self.global_step))
        batches, maps = self.hparams.feed_back
        if rng.random() < batches:
            with torch.no_grad():
                shared = None if features is None else [f.detach() for f in features]
                again = self._next(self.icn(image, hints, shared), hints)
            # Drawn for the whole batch; this process takes its share.
            drawn = rng.random((parallel.processes() * len(hints), hints.shape[1])) < maps
            chosen = torch.from_numpy(drawn[parallel.rank() * len(hints) :][: len(hints)]).to(hints.device)
            hints = torch.where(chosen[..., None, None, None], again, hints)
        loss = mask_loss(self.icn(image, hints, features).float(), target, self.hparams.dice)
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        """IoU at .5 of the steps 0 (the naive map) to 3."""
        image, hints, target = batch
        features = self.features(image)
        for step in range(4):
            own = hints[:, :, 0] > 0.5
            common = (own & (target > 0.5)).sum((-2, -1))
            iou = common / (own | (target > 0.5)).sum((-2, -1)).clamp(min=1)
            self.iou[step].update(iou)
            self.log(f"iou_{step}", self.iou[step], prog_bar=True)
            hints = self._next(self.icn(image, hints, features), hints)

    def configure_optimizers(self) -> dict:
        """Adam with the chosen schedule."""
        h = self.hparams
        encoder = [p for p in self.icn.encoder.parameters() if p.requires_grad]
        own = {id(p) for p in self.icn.encoder.parameters()}
        rest = [p for p in self.icn.parameters() if id(p) not in own]
        optimizer = torch.optim.Adam([{"params": encoder, "lr": h.encoder_lr}, {"params": rest, "lr": h.lr}])
        if h.schedule == "step":
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, h.halve_every, 0.5)
            return {"optimizer": optimizer, "lr_scheduler": scheduler}
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [h.encoder_lr, h.lr], steps, pct_start=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    @staticmethod
    def _next(logits: Tensor, hints: Tensor) -> Tensor:
        """The hints of the following step: the map replaced by the network's output."""
        enhanced = normalised(torch.sigmoid(logits.float()))
        if enhanced.shape[-2:] != hints.shape[-2:]:
            enhanced = F.interpolate(enhanced, hints.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([enhanced[:, :, None], hints[:, :, 1:]], 2)


def mask_loss(logits: Tensor, target: Tensor, dice: float) -> Tensor:
    """Binary cross entropy over all cells plus `dice` times the mean soft Dice loss of the maps; (B, M, h, w) each."""
    if logits.shape[-2:] != target.shape[-2:]:
        target = F.interpolate(target, logits.shape[-2:], mode="bilinear", align_corners=False)
    loss = F.binary_cross_entropy_with_logits(logits, target)
    if not dice:
        return loss
    found = torch.sigmoid(logits)
    common = (found * target).sum((-2, -1))
    overlap = (2 * common + 1) / (found.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return loss + dice * (1 - overlap).mean()


def load_icn(run: Path) -> ICN:
    """The ICN of a stage 2 run's `.ckpt`, in evaluation mode."""
    content = read_run(run)
    keep = ("backbone", "join", "fusion", "use_map", "width", "size")
    icn = ICN(**{key: content["hyper_parameters"][key] for key in keep})
    icn.load_state_dict(weights_of(content, "icn."))
    return icn.eval()


def export(run: Path, folder: Path, name: str) -> None:
    """Write a run's ICN into a checkpoint folder, under `icn-proposal` or `icn-saliency`."""
    icn = load_icn(run)
    save_module(icn, folder, name, icn.options)


def _cut(array: np.ndarray, box: Box) -> np.ndarray:
    """The part of an (H, W, ...) array inside a relative box, at least one pixel."""
    height, width = array.shape[:2]
    top, left = min(int(box[0] * height), height - 1), min(int(box[1] * width), width - 1)
    bottom, right = max(top + 1, round((box[0] + box[2]) * height)), max(left + 1, round((box[1] + box[3]) * width))
    return array[top:bottom, left:right]


def resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, ...) to (*size, ...): averaged where it shrinks, linear where it grows."""
    shrinks = size[0] * size[1] < array.shape[0] * array.shape[1]
    return cv2.resize(array, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _window(coarse: np.ndarray, box: Box, side: int) -> np.ndarray:
    """A relative box of a coarse (h, w) map, sampled linearly to (side, side): a crop may be few of its cells."""
    height, width = coarse.shape
    scale_y, scale_x = box[2] * height / side, box[3] * width / side
    matrix = np.array(
        [
            [scale_x, 0, box[1] * width + 0.5 * scale_x - 0.5],
            [0, scale_y, box[0] * height + 0.5 * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(coarse, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _coarse(mask: np.ndarray, cells: int) -> np.ndarray:
    return resize(mask, (cells, cells))


def _share_inside(mask: np.ndarray, box: Box) -> float:
    return float(_cut(mask, box).sum() / max(1, mask.sum()))


def _inside(place: np.ndarray, box: Box) -> bool:
    y, x = (place - np.array(box[:2])) / np.array(box[2:])
    return bool(0 <= y < 1 and 0 <= x < 1)


def _crop_box(mask: np.ndarray | None, rng: np.random.Generator) -> Box:
    """The whole photo, a random part of it, or the surroundings of a mask."""
    kind = rng.integers(3)
    if kind == 0:
        return WHOLE
    if kind == 1 or mask is None or not mask.any():
        height, width = rng.uniform(0.5, 1, 2)
        return float(rng.uniform(0, 1 - height)), float(rng.uniform(0, 1 - width)), float(height), float(width)
    sides = []
    for axis in (1, 0):
        filled = np.flatnonzero(mask.any(axis)) / mask.shape[1 - axis]
        low, high = filled[0], filled[-1] + 1 / mask.shape[1 - axis]
        before, after = (high - low) * rng.uniform(0.1, 1.0, 2) + 0.02
        sides.append((max(0.0, low - before), min(1.0, high + after)))
    (top, bottom), (left, right) = sides
    return float(top), float(left), float(bottom - top), float(right - left)


if __name__ == "__main__":
    if sys.argv[1:2] == ["maps"] and len(sys.argv) >= 4:
        naive_maps.ensure([file for folder in sys.argv[3:] for file in sorted(Path(folder).iterdir())], sys.argv[2])
    else:
        # The base class of Lightning: run as a script, this module's own classes are not those that configs name.
        command.main(Stage2, L.LightningDataModule, export, subclass_mode_data=True)
