"""Stage 2: train the ICN on pairs of a naive map and a mask.

`python -m train.icn fit --config train/configs/icn-saliency-lite.yaml --data.init_args.classifier CKPT
--data.init_args.folders '[FOLDER]'`, then `python -m train.icn export RUN.ckpt FOLDER icn-saliency`. The classifier's
maps are computed first and kept in `.cache/`; `python -m train.icn maps CKPT PHOTOS...` does only that.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torchmetrics import MeanMetric

from train import command, parallel
from train import maps as naive_maps
from train.endless import data_of
from train.freezing import freeze
from train.hints import ORDER
from train.icn_run import load_icn
from train.pairs import Batch
from train.pretrained import start_from
from train.schedules import Schedule, in_steps, one_cycle
from wsis.backbone import LITE, Backbone
from wsis.checkpoints import save_module
from wsis.classifier import standardise
from wsis.errors import WsisError
from wsis.icn import HINTS, ICN, Hint, Join, normalised


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
        hints: tuple[Hint, ...] = HINTS,
        width: int = 32,
        size: int = 256,
        frozen_levels: int = 0,
        lr: float = 1e-3,
        encoder_lr: float = 1e-3,
        schedule: Schedule = "step",
        halve_every: int = 20,
        dice: float = 0.0,
        feed_back: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
    ) -> None:
        """Describe the training; the defaults are the published ones (Adam 1e-3, x0.5 every 20 epochs, cross entropy).

        Args:
            backbone: timm name.
            weights: where ImageNet weights come from, see `train.pretrained.start_from`; `none` for random ones.
            join: see `wsis.icn.ICN`, as `fusion`, `use_map`, `hints`, `width` and `size`.
            fusion: False leaves out CFM and DFM.
            use_map: False leaves out the hints.
            hints: what the network is told of an instance; with `response`, data need `responses: true`.
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
        self.frozen_levels, self.dice, self.feed_back, self.seed = frozen_levels, dice, feed_back, seed
        self.lr, self.encoder_lr, self.schedule, self.halve_every = lr, encoder_lr, schedule, halve_every
        # Not `sync_dist`: it forgets that processes may hold different numbers of photos.
        self.iou = nn.ModuleList(MeanMetric() for _ in range(4))
        self.icn = ICN(backbone, join=join, fusion=fusion, use_map=use_map, hints=hints, width=width, size=size)
        if weights != "none":
            start = Backbone(backbone)
            start_from(start, weights)
            self.icn.load_encoder(start)
        freeze(self.icn.encoder.levels, frozen_levels)

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's name of what is about to run
        """Check that data know what the network wants to be told."""
        if "response" in self.icn.hints and not getattr(data_of(self.trainer), "responses", False):
            raise WsisError("This network is told the peaks' responses: pass --data.init_args.responses true.")

    def on_train_start(self) -> None:
        """The encoder's batch norm keeps ImageNet's statistics: batches are small and photos few."""
        for module in self.icn.encoder.modules():
            if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
                module.eval()

    def features(self, image: Tensor) -> list[Tensor] | None:
        """What all maps of a photo share; frozen levels keep no activations."""
        if self.icn.join == "input":
            return None
        features: list[Tensor] = []
        x = standardise(image, self.icn.encoder).contiguous(memory_format=torch.channels_last)
        for number, level in enumerate(self.icn.encoder.levels):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= self.frozen_levels):
                x = level(x)
            features.append(x)
        return features

    def training_step(self, batch: Batch) -> Tensor:
        """Loss of one step, in some batches on the network's own output."""
        image, told, target, weight = self._told(batch)
        features = self.features(image)
        # Drawn from the step's number, so that a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng((self.seed, 3, self.global_step))
        batches, maps = self.feed_back
        if rng.random() < batches:
            with torch.no_grad():
                shared = None if features is None else [f.detach() for f in features]
                again = self._next(self.icn(image, told, shared), told)
            # Drawn for the whole batch; this process takes its share.
            drawn = rng.random((parallel.processes() * len(told), told.shape[1])) < maps
            chosen = torch.from_numpy(drawn[parallel.rank() * len(told) :][: len(told)]).to(told.device)
            told = torch.where(chosen[..., None, None, None], again, told)
        loss = mask_loss(self.icn(image, told, features).float(), target, self.dice, weight)
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch) -> None:
        """IoU at .5 of the steps 0 (the naive map) to 3, where it is known what cells show."""
        image, told, target, weight = self._told(batch)
        features = self.features(image)
        there, known = target > 0.5, weight > 0
        for step in range(4):
            grown = told[:, :, 0] > 0.5
            common = (grown & there & known).sum((-2, -1))
            iou = common / ((grown | there) & known).sum((-2, -1)).clamp(min=1)
            mean = cast(MeanMetric, self.iou[step])  # a list of modules does not say which
            mean.update(iou)
            self.log(f"iou_{step}", mean, prog_bar=True)
            told = self._next(self.icn(image, told, features), told)

    def _told(self, batch: Batch) -> Batch:
        """The batch with those hints only that the network knows."""
        image, every, target, weight = batch
        return image, every[:, :, [ORDER.index(hint) for hint in self.icn.hints]], target, weight

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with the chosen schedule."""
        of_encoder = {id(p) for p in self.icn.encoder.parameters()}
        encoder = [p for p in self.icn.encoder.parameters() if p.requires_grad]
        rest = [p for p in self.icn.parameters() if id(p) not in of_encoder]
        optimizer = torch.optim.Adam([{"params": encoder, "lr": self.encoder_lr}, {"params": rest, "lr": self.lr}])
        if self.schedule == "step":
            return in_steps(optimizer, self.halve_every, 0.5)
        return one_cycle(optimizer, self.trainer, [self.encoder_lr, self.lr], rising=0.1)

    @staticmethod
    def _next(logits: Tensor, hints: Tensor) -> Tensor:
        """The hints of the following step: the map replaced by the network's output."""
        enhanced = normalised(torch.sigmoid(logits.float()))
        if enhanced.shape[-2:] != hints.shape[-2:]:
            enhanced = F.interpolate(enhanced, hints.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([enhanced[:, :, None], hints[:, :, 1:]], 2)


def mask_loss(logits: Tensor, target: Tensor, dice: float, weight: Tensor | None = None) -> Tensor:
    """Binary cross entropy over all cells plus `dice` times the mean soft Dice loss of the maps.

    Args:
        logits: (B, M, h, w).
        target: (B, M, h', w') in [0, 1].
        dice: weight of the overlap term.
        weight: (B, M, h', w') of each cell in the cross entropy, at least 0; cells of weight 0 count for neither term.
    """
    weight = torch.ones_like(target) if weight is None else weight
    if logits.shape[-2:] != target.shape[-2:]:
        target, weight = (F.interpolate(x, logits.shape[-2:], mode="bilinear") for x in (target, weight))
    loss = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / weight.sum().clamp(min=1)
    if not dice:
        return loss
    known = (weight > 0).float()
    grown, target = torch.sigmoid(logits) * known, target * known
    common = (grown * target).sum((-2, -1))
    overlap = (2 * common + 1) / (grown.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return loss + dice * (1 - overlap).mean()


def export(run: Path, folder: Path, name: str) -> None:
    """Write a run's ICN into a checkpoint folder, under one of `wsis.checkpoints.ICNS`."""
    icn = load_icn(run)
    save_module(icn, folder, name, icn.options)


def maps(classifier: Path, *folders: Path) -> None:
    """Compute the class maps of all photos in some folders, so that a training finds them on disk."""
    photos = [file for folder in folders for file in sorted(Path(folder).iterdir())]
    naive_maps.ensure(photos, Path(classifier))


if __name__ == "__main__":
    # The base class of Lightning: run as a script, this module's own classes are not those that configs name.
    command.main(Stage2, L.LightningDataModule, export, maps, subclass_mode_data=True)
