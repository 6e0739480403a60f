"""One training step of each stage, with the batch, the frozen levels and the precision of the lite configurations."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.timing import settle
from train.classifier import Stage1
from train.hints import ORDER
from train.icn import Stage2
from wsis.backbone import LITE

PHOTOS, CELLS, MAPS = 8, 64, 3
"""Photos a step of the ICN, cells a side of its hints, maps a photo."""
CLASSES = tuple(f"class {number}" for number in range(20))
Stage = tuple[L.LightningModule, tuple[Tensor, ...]]


def icn(backbone: str = LITE) -> Stage:
    """The ICN and a batch of random photos, hints, targets and weights, see `train.pairs.Batch`."""
    module = Stage2(backbone, weights="none", frozen_levels=3, dice=0.5, feed_back=(0.5, 0.6))
    hints, target = torch.rand(PHOTOS, MAPS, len(ORDER), CELLS, CELLS), torch.rand(PHOTOS, MAPS, CELLS, CELLS)
    return module, (torch.rand(PHOTOS, 3, 4 * CELLS, 4 * CELLS), hints, target, torch.ones_like(target))


def classifier(backbone: str = LITE) -> Stage:
    """The classifier and a batch of random photos (B, 3, H, W), labels (B, C) and their weights (B, C)."""
    labels = torch.randint(2, (16, len(CLASSES))).float()
    module = Stage1(backbone, weights="none", frozen_levels=4, classes=CLASSES)
    return module, (torch.rand(16, 3, 320, 320), labels, labels * 0 + 1)


STEPS: dict[str, Callable[[], Stage]] = {"icn": icn, "classifier": classifier}


def step_seconds(name: str, runs: int, accelerator: str = "cpu") -> list[float]:
    """Seconds of each of `runs` training steps of a stage, after one that does not count.

    Args:
        name: one of `STEPS`.
        runs: counted steps.
        accelerator: `cpu` or `gpu`, as Lightning names them.
    """
    torch.manual_seed(0)
    module, batch = STEPS[name]()
    clock = _Clock()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice about loaders
        trainer = L.Trainer(
            max_epochs=1,
            accelerator=accelerator,
            devices=1,
            precision="bf16-mixed",
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(_Repeated(batch, runs + 1), batch_size=None))
    return clock.seconds[1:]


class _Repeated(Dataset[tuple[Tensor, ...]]):
    def __init__(self, batch: tuple[Tensor, ...], count: int) -> None:
        self.batch, self.count = batch, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, _index: int) -> tuple[Tensor, ...]:
        return self.batch


class _Clock(L.Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: object) -> None:
        settle()
        self.start = time.perf_counter()

    def on_train_batch_end(self, *_: object) -> None:
        settle()
        self.seconds.append(time.perf_counter() - self.start)
