"""Stage 1: train the classifier on (partial) image-level labels.

`python -m train.classifier fit --config train/configs/classifier.yaml`, then
`python -m train.classifier export RUN.ckpt FOLDER`.
"""

from __future__ import annotations

from pathlib import Path

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from train import command, data, parallel
from train.checkpoint import read_run, weights_of
from train.pretrained import start_from
from wsis import voc
from wsis.backbone import LITE
from wsis.checkpoints import save_module
from wsis.classifier import Classifier, normalise, pool


class PartialLabels(data.EndlessData):
    """Augmented photos of VOC splits and CSV folders; what is learned is measured by `train.evaluate`."""

    def __init__(
        self,
        voc_kit: Path | None = None,
        splits: tuple[str, ...] = ("train", "train_extra"),
        csv_folders: tuple[Path, ...] = (),
        size: int = 320,
        crop_area: tuple[float, float] = (0.5, 1.0),
        batch_size: int = 16,
        per_epoch: int | None = None,
        workers: int = 1,
        seed: int = 0,
    ) -> None:
        """Describe the data.

        Args:
            voc_kit: devkit folder (`.../VOC2012`).
            splits: VOC splits whose image-level labels train.
            csv_folders: folders with `labels.csv` and `images/`.
            size: side of the square input in pixels.
            crop_area: least and largest share of the photo that a crop keeps.
            batch_size: photos a step, all processes together.
            per_epoch: photos between two checkpoints; all by default.
            workers: processes that read photos.
            seed: fixes order and augmentation.
        """
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self) -> DataLoader:
        """Endless shuffled photos, cut into epochs."""
        h = self.hparams
        parts = [data.voc_labels(h.voc_kit, split) for split in h.splits] if h.voc_kit else []
        parts += [data.csv_labels(folder) for folder in h.csv_folders]
        labels = sum(parts[1:], parts[0])
        photos = data.LabelledPhotos(labels, size=h.size, scale=tuple(h.crop_area), seed=h.seed)
        return self.endless(photos)


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
        schedule: str = "step",
        weight_decay: float = 0.0,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Describe the training; the defaults are the published ones (Adam 1e-4, x0.1 after half of the epochs).

        Args:
            backbone: timm name.
            weights: where ImageNet weights come from, see `train.pretrained.start_from`; `none` for random ones.
            frozen_levels: the first levels that keep their ImageNet weights, 0..5.
            lr: learning rate of the backbone.
            head_lr: learning rate of the head.
            schedule: `step` (x0.1 after half) or `one-cycle`.
            weight_decay: of AdamW.
            dropout: share of feature channels dropped.
            seed: fixes which ones; several processes draw others than one would.
        """
        super().__init__()
        self.save_hyperparameters()
        self.classifier = Classifier(backbone, dropout=dropout)
        if weights != "none":
            start_from(self.classifier.backbone, weights)
        for level in self.classifier.backbone.levels[:frozen_levels]:
            level.requires_grad_(False)
        if frozen_levels:
            for module in self.classifier.backbone.levels[frozen_levels:].modules():
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
                    module.requires_grad_(False)
                    module.__class__ = FrozenDepthwise

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, C, h, w) class maps; frozen levels keep no activations."""
        net, frozen = self.classifier, self.hparams.frozen_levels
        features = normalise(image, net.backbone).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            for level in net.backbone.levels[:frozen]:
                features = level(features)
        for level in net.backbone.levels[frozen:]:
            features = level(features)
        return net.head(net.dropout(features))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cross entropy over the classes that were annotated."""
        image, target, weight = batch
        if self.hparams.dropout:
            # From the step's number, so that a resumed run drops what an uninterrupted one would have dropped.
            torch.manual_seed(parallel.draw_seed(self.hparams.seed, 5, self.global_step, parallel.rank()))
        loss = masked_cross_entropy(pool(self(image)).float(), target, weight)
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def configure_optimizers(self) -> dict:
        """AdamW (Adam where there is no decay) with the chosen schedule."""
        h = self.hparams
        body = [p for p in self.classifier.backbone.parameters() if p.requires_grad]
        groups = [{"params": body, "lr": h.lr}, {"params": self.classifier.head.parameters(), "lr": h.head_lr}]
        optimizer = torch.optim.AdamW(groups, weight_decay=h.weight_decay)
        if h.schedule == "step":
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, max(1, self.trainer.max_epochs // 2), 0.1)
            return {"optimizer": optimizer, "lr_scheduler": scheduler}
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [h.lr, h.head_lr], steps, pct_start=0.15)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class FrozenDepthwise(nn.Conv2d):
    """A depthwise convolution whose weights do not train.

    Its gradient for the input is again a depthwise convolution, with flipped weights; on a CPU that is 10 to 15 times
    faster than the transposed convolution that autograd would run.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The convolution; only stride 1 takes the quick way back."""
        return (
            _Depthwise.apply(x, self) if self.stride == (1, 1) and type(self.padding) is tuple else super().forward(x)
        )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, conv: nn.Conv2d) -> Tensor:
        ctx.conv = conv
        return F.conv2d(x, conv.weight, conv.bias, 1, conv.padding, conv.dilation, conv.groups)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        conv = ctx.conv
        back = [d * (k - 1) - p for d, k, p in zip(conv.dilation, conv.kernel_size, conv.padding, strict=True)]
        weight = conv.weight.flip(-1, -2).to(grad.dtype)
        return F.conv2d(grad, weight, None, 1, back, conv.dilation, conv.groups), None


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
    options = {"backbone": content["hyper_parameters"]["backbone"], "classes": list(voc.CLASSES)}
    classifier = Classifier(**options)
    classifier.load_state_dict(weights_of(content, "classifier."))
    save_module(classifier, folder, "classifier", options)


if __name__ == "__main__":
    command.main(Stage1, PartialLabels, export)
