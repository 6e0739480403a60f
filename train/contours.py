"""Train the contour network behind the built-in proposals, class-agnostic and outside VOC.

`python -m train.contours fit --config train/configs/contours.yaml --data.masks FOLDER`, then
`python -m train.contours export RUN.ckpt checkpoints/NAME`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric
from torchmetrics.classification import BinaryAveragePrecision

from train import command, data, parallel
from train.checkpoint import read_run, weights_of
from train.crops import relit
from train.endless import DrawnItems, EndlessData
from train.pretrained import start_from
from train.schedules import one_cycle
from wsis.backbone import LITE
from wsis.checkpoints import save_module
from wsis.classifier import standardise
from wsis.errors import WsisError
from wsis.index_image import VOID
from wsis.proposals.contours import ContourNet

HELD_OUT = 12
"""Every twelfth photo only validates."""


def index_map(item: data.InstanceMasks) -> np.ndarray:
    """A photo's instances as one (H, W) uint8 map: 0 background, 1.. instances, 255 ignored."""
    if item.index is not None:
        index = cv2.imread(str(item.index), cv2.IMREAD_UNCHANGED)
        if index is None or index.ndim != 2:
            raise WsisError(f"{item.index}: expected a single-channel PNG with one index per instance.")
        if index.dtype == np.uint8:
            return index
    masks = item.masks()
    index = np.where(item.void(), VOID, 0).astype(np.uint8)
    for i in np.argsort(-masks.sum(axis=(1, 2)), kind="stable")[:254]:  # small ones lie on top of large ones
        index[masks[i]] = i + 1
    return index


def boundaries(index: np.ndarray, stride: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Where two instances, or an instance and the background, meet.

    Args:
        index: (H, W) integers: 0 background, 1.. instances, 255 ignored; sides multiples of `stride`.
        stride: side in pixels of a cell of the result.

    Returns:
        target (H / stride, W / stride) float32, 1 in cells that hold a boundary pixel, and weight of the same shape,
        0 in cells that touch an ignored pixel and hold no boundary.
    """
    edge = np.zeros(index.shape, bool)
    void = index == VOID
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart = (index[first] != index[second]) & ~void[first] & ~void[second]
        edge[first] |= apart
        edge[second] |= apart
    near_void = cv2.dilate(void.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    shape = (index.shape[0] // stride, stride, index.shape[1] // stride, stride)
    target = np.any(edge.reshape(shape), axis=(1, 3))
    weight = target | ~np.any(near_void.reshape(shape), axis=(1, 3))
    return target.astype(np.float32), weight.astype(np.float32)


class InstanceBoundaries(DrawnItems[tuple[Tensor, Tensor, Tensor]]):
    """Square windows of photos with their instance boundaries; items are addressed by (index, draw)."""

    def __init__(self, items: Sequence[data.InstanceMasks], *, size: int, zoom: tuple[float, float], seed: int) -> None:
        """Keep what augmentation needs.

        Args:
            items: photos and masks.
            size: side of the window in pixels.
            zoom: least and largest long side of the photo, in windows; (1, 1) shows the whole photo.
            seed: together with a draw's number it fixes the augmentation.
        """
        self.items, self.size, self.zoom, self.seed = items, size, zoom, seed

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.items)

    def __getitem__(self, key: tuple[int, int] | int) -> tuple[Tensor, Tensor, Tensor]:
        """(3, size, size) float32 RGB in [0, 1]; (1, size / 2, size / 2) target and weight."""
        number, draw = key if isinstance(key, tuple) else (key, None)
        item, side = self.items[number], self.size
        image, index = data.read_rgb(item.image), index_map(item)
        if image.shape[:2] != index.shape:
            image = cv2.resize(image, index.shape[::-1], interpolation=cv2.INTER_AREA)
        extent = np.array(index.shape[::-1], np.float64)
        zoom, slack, flip = 1.0, np.array([0.5, 0.5]), False
        rng = None if draw is None else np.random.default_rng((self.seed, draw))
        if rng is not None:
            least, most = np.log(self.zoom)
            zoom, slack, flip = np.exp(rng.uniform(least, most)), rng.random(2), rng.random() < 0.5
        scale = zoom * side / extent.max()
        offset = np.where(scale * extent > side, slack, 0.5) * (side - scale * extent)
        turn = np.array([[-1.0 if flip else 1.0, 0, side - 1 if flip else 0], [0, 1, 0], [0, 0, 1]])
        place = (turn @ np.array([[scale, 0, offset[0]], [0, scale, offset[1]], [0, 0, 1]]))[:2]
        image = cv2.warpAffine(image, place, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        index = cv2.warpAffine(
            index, place, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID
        )
        pixels = image.astype(np.float32) / 255
        if rng is not None:
            pixels = relit(pixels, rng)
        target, weight = boundaries(index)
        return (
            torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
            torch.from_numpy(target)[None],
            torch.from_numpy(weight)[None],
        )


class Boundaries(EndlessData):
    """Instance boundaries of one or more mask folders (`images/`, `masks/`) or of COCO instances."""

    def __init__(
        self,
        masks: tuple[Path, ...] = (),
        coco: tuple[Path, Path] | None = None,
        size: int = 288,
        zoom: tuple[float, float] = (1.0, 1.7),
        batch_size: int = 8,
        **walk: Any,
    ) -> None:
        """Describe the data.

        Args:
            masks: folders that `train.data.mask_folder` reads; never VOC's own masks.
            coco: a COCO instances JSON and its photo folder.
            size: side of the square input in pixels.
            zoom: least and largest long side of a photo, in inputs.
            batch_size: photos a step, all processes together.
            walk: see `EndlessData`.
        """
        super().__init__(batch_size=batch_size, **walk)
        self.masks, self.coco, self.size, self.zoom = masks, coco, size, zoom
        self.items: list[data.InstanceMasks] = []

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's name of what is about to run
        """Read the lists of photos."""
        self.items = data.all_masks(self.masks, [self.coco] if self.coco else [])
        if len(self.items) < HELD_OUT:
            raise WsisError(
                "Too few photos to train contours: pass --data.masks '[FOLDER]' or --data.coco '[JSON, IMAGES]'."
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Endless shuffled photos, cut into epochs."""
        items = [item for i, item in enumerate(self.items) if i % HELD_OUT]
        return self.endless(InstanceBoundaries(items, size=self.size, zoom=self.zoom, seed=self.seed))

    def val_dataloader(self) -> DataLoader[Any]:
        """Held-out photos, whole."""
        held_out = parallel.share(self.items[::HELD_OUT])
        photos = InstanceBoundaries(held_out, size=self.size, zoom=(1.0, 1.0), seed=0)
        return DataLoader(photos, self.batch_size)


class Contours(L.LightningModule):
    """ContourNet with a weighted binary cross entropy."""

    def __init__(
        self, backbone: str = LITE, weights: str = "hub", lr: float = 3e-3, positive: float = 4.0, decay: float = 1e-3
    ) -> None:
        """Describe the training.

        Args:
            backbone: timm name.
            weights: where ImageNet weights come from, see `train.pretrained.start_from`; `none` for random ones.
            lr: peak learning rate of the one-cycle schedule.
            positive: weight of a boundary cell against a cell without one.
            decay: AdamW's weight decay.
        """
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.positive, self.decay = lr, positive, decay
        self.net = ContourNet(backbone)
        if weights != "none":
            start_from(self.net.backbone, weights)
        self.val_loss = MeanMetric()
        self.ap = BinaryAveragePrecision(thresholds=100)

    def on_train_start(self) -> None:
        """Lightning leaves modes as it finds them: the decoder goes into training mode, the backbone out of it."""
        self.net.train()

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 1, H / 2, W / 2) logits."""
        return self.net(standardise(image, self.net.backbone).contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cross entropy over the cells that were annotated."""
        image, target, weight = batch
        loss, weights = self.loss(self(image).float(), target, weight)
        loss = parallel.processes() * loss / parallel.total(weights).clamp(min=1)
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        """The same loss, and the average precision of single cells (no tolerance: lower than usual scores)."""
        image, target, weight = batch
        logits = self(image).float()
        self.ap.update(torch.sigmoid(logits[weight > 0]), target[weight > 0].int())
        loss, weights = self.loss(logits, target, weight)
        self.val_loss.update(loss / weights.clamp(min=1), weights)
        self.log("val_loss", self.val_loss, prog_bar=True)
        self.log("val_ap", self.ap, prog_bar=True)

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The sums of the weighted binary cross entropy and of the weights, all (B, 1, h, w); two scalars back."""
        weight = weight * (1 + (self.positive - 1) * target)
        return F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum"), weight.sum()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW on the decoder, one-cycle."""
        trained = [p for p in self.net.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.lr, weight_decay=self.decay)
        return one_cycle(optimizer, self.trainer, self.lr, rising=0.15)


def export(run: Path, folder: Path) -> None:
    """Write the contour network of a run's `.ckpt` into a checkpoint folder."""
    content = read_run(run)
    net = ContourNet(content["hyper_parameters"]["backbone"])
    net.load_state_dict(weights_of(content, "net."))
    save_module(net, folder, "contours", net.options)


if __name__ == "__main__":
    command.main(Contours, Boundaries, export)
