"""Stage 1: train the classifier on (partial) image-level labels.

`python -m train.classifier fit --config train/configs/classifier.yaml`, then
`python -m train.classifier export RUN.ckpt FOLDER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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

from train import command, data, parallel
from train.checkpoint import classifier_options, read_run, weights_of
from train.crops import random_crop, relit
from train.endless import DrawnItems, EndlessData
from train.freezing import freeze
from train.pretrained import start_from, start_from_checkpoint
from train.schedules import Schedule, in_steps, one_cycle
from wsis.backbone import LITE
from wsis.checkpoints import save_module
from wsis.classifier import SIZES, Classifier, pool, standardise
from wsis.coco_listing import short
from wsis.errors import WsisError


class LabelledPhotos(DrawnItems[tuple[Tensor, Tensor, Tensor]]):
    """Augmented photos with labels; items are addressed by (index, draw) so that augmentation is reproducible."""

    def __init__(self, labels: data.ImageLabels, *, size: int, scale: tuple[float, float], seed: int) -> None:
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

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """(3, size, size) float32 RGB in [0, 1], (C,) target, (C,) weight."""
        index, draw = key
        rng = np.random.default_rng((self.seed, draw))
        crop = random_crop(data.read_rgb(self.labels.paths[index]), self.scale, rng)
        pixels = cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        image = torch.from_numpy(np.ascontiguousarray(relit(pixels, rng).transpose(2, 0, 1), np.float32))
        return image, torch.from_numpy(self.labels.target[index]), torch.from_numpy(self.labels.weight[index])


class PartialLabels(EndlessData):
    """Augmented photos of VOC splits and CSV folders; what is learned is measured by `train.evaluate`."""

    def __init__(
        self,
        voc_kit: Path | None = None,
        splits: tuple[str, ...] = ("train", "train_extra"),
        csv_folders: tuple[Path, ...] = (),
        tables: tuple[Path, ...] = (),
        class_names: tuple[str, ...] = (),
        size: int = 320,
        crop_area: tuple[float, float] = (0.5, 1.0),
        batch_size: int = 16,
        **walk: Any,
    ) -> None:
        """Describe the data.

        Args:
            voc_kit: devkit folder (`.../VOC2012`).
            splits: VOC splits whose image-level labels train.
            csv_folders: folders with `labels.csv` and `images/`.
            tables: files with a row a photo and a column a class, see `train.data.table_labels`.
            class_names: the classes, in the order of the class maps; by default VOC's where there is a kit, else those
                that the labels name.
            size: side of the square input in pixels.
            crop_area: least and largest share of the photo that a crop keeps.
            batch_size: photos a step, all processes together.
            walk: see `EndlessData`.
        """
        super().__init__(batch_size=batch_size, **walk)
        self.voc_kit, self.splits, self.csv_folders = voc_kit, splits, csv_folders
        self.tables, self.class_names, self.size, self.crop_area = tables, class_names, size, crop_area

    @cached_property
    def labels(self) -> data.ImageLabels:
        """Photos and labels."""
        return data.all_labels(self.voc_kit, self.splits, self.csv_folders, self.class_names, self.tables)

    @property
    def classes(self) -> tuple[str, ...]:
        """What is learned, in the order of the class maps."""
        return self.labels.classes

    def train_dataloader(self) -> DataLoader[Any]:
        """Endless shuffled photos, cut into epochs."""
        return self.endless(LabelledPhotos(self.labels, size=self.size, scale=self.crop_area, seed=self.seed))


class Stage1(L.LightningModule):
    """Classifier with a masked binary cross entropy.

    Frozen levels keep their weights; batch norm adapts its statistics to the photos at every level.
    """

    def __init__(
        self,
        backbone: str = LITE,
        weights: str = "hub",
        frozen_levels: int = 0,
        lr: float = 1e-4,
        head_lr: float = 1e-4,
        schedule: Schedule = "step",
        weight_decay: float = 0.0,
        dropout: float = 0.0,
        seed: int = 0,
        whole: bool = False,
        sizes: tuple[int, ...] = SIZES,
        *,
        classes: Sequence[str],
    ) -> None:
        """Describe the training; the defaults are the published ones (Adam 1e-4, x0.1 after half of the epochs).

        Args:
            backbone: timm name.
            weights: where ImageNet weights come from, see `train.pretrained.start_from`; `none` for random ones;
                `checkpoint:FOLDER` for the classifier of a checkpoint with the same classes, its head included.
            frozen_levels: the first levels that keep their ImageNet weights, 0..5.
            lr: learning rate of the backbone.
            head_lr: learning rate of the head.
            schedule: `step` (x0.1 after half) or `one-cycle`.
            weight_decay: of AdamW.
            dropout: share of feature channels dropped.
            seed: fixes which ones; several processes draw others than one would.
            whole: whether the head reads from the end of the backbone, see `wsis.classifier.Classifier`.
            sizes: long sides in pixels that the exported classifier looks at photos with.
            classes: names of the classes; on the command line those of the data.
        """
        super().__init__()
        self.save_hyperparameters()
        self.frozen_levels, self.dropout, self.seed = frozen_levels, dropout, seed
        self.lr, self.head_lr, self.schedule, self.weight_decay = lr, head_lr, schedule, weight_decay
        self.classifier = Classifier(backbone, classes, dropout=dropout, whole=whole, sizes=sizes)
        if weights.startswith("checkpoint:"):
            start_from_checkpoint(self.classifier, weights.removeprefix("checkpoint:"))
        elif weights != "none":
            start_from(self.classifier.backbone, weights)
        freeze(self.classifier.backbone.levels, frozen_levels)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, C, h, w) class maps; frozen levels keep no activations."""
        net, frozen = self.classifier, self.frozen_levels
        features = standardise(image, net.backbone).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            for level in net.backbone.levels[:frozen]:
                features = level(features)
        for level in net.backbone.levels[frozen:]:
            features = level(features)
        return net.head(net.dropout(features))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cross entropy over the classes that were annotated."""
        image, target, weight = batch
        if self.dropout:
            # From the step's number, so that a resumed run drops what an uninterrupted one would have dropped.
            torch.manual_seed(parallel.draw_seed(self.seed, 5, self.global_step, parallel.rank()))
        loss = masked_cross_entropy(pool(self(image)).float(), target, weight)
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with other classes: the head would take them for the old ones."""
        before = tuple(classifier_options(checkpoint)["classes"])
        if before != self.classifier.classes:
            raise WsisError(
                f"The run that goes on learned {len(before)} classes ({short(', '.join(before))}), the labels are of "
                f"{len(self.classifier.classes)} ({short(', '.join(self.classifier.classes))}). Name the run's own "
                "with --data.class_names."
            )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW (Adam where there is no decay) with the chosen schedule."""
        body = [p for p in self.classifier.backbone.parameters() if p.requires_grad]
        groups = [{"params": body, "lr": self.lr}, {"params": self.classifier.head.parameters(), "lr": self.head_lr}]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.weight_decay)
        if self.schedule == "step":
            return in_steps(optimizer, max(1, (self.trainer.max_epochs or 0) // 2), 0.1)
        return one_cycle(optimizer, self.trainer, [self.lr, self.head_lr], rising=0.15)


def masked_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Binary cross entropy averaged over the annotated (photo, class) pairs; (B, C) each, a scalar back.

    Where several processes share a batch, the mean of their results is that of the whole batch: each divides by the
    weights of all.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
    return parallel.processes() * loss / parallel.total(weight.sum()).clamp(min=1)


def export(run: Path, folder: Path) -> None:
    """Write the classifier of a run's `.ckpt` into a checkpoint folder."""
    content = read_run(run)
    options = classifier_options(content)
    classifier = Classifier(**options)
    classifier.load_state_dict(weights_of(content, "classifier."))
    save_module(classifier, folder, "classifier", options)


if __name__ == "__main__":
    command.main(Stage1, PartialLabels, export)
