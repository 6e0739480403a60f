"""How learning rates change over a run, as Lightning takes it from `configure_optimizers`."""

from __future__ import annotations

from typing import Literal

import lightning as L
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, StepLR

Schedule = Literal["step", "one-cycle"]
"""What a configuration names: the published steps, or one rise and fall over the whole run."""


def in_steps(optimizer: Optimizer, epochs: int, factor: float) -> OptimizerLRSchedulerConfig:
    """Learning rates times `factor` after every so many epochs."""
    return {"optimizer": optimizer, "lr_scheduler": StepLR(optimizer, epochs, factor)}


def one_cycle(
    optimizer: Optimizer, trainer: L.Trainer, peaks: float | list[float], rising: float
) -> OptimizerLRSchedulerConfig:
    """One rise and fall over all steps of a run.

    Args:
        optimizer: what learns.
        trainer: knows how many steps there are.
        peaks: the highest learning rate, of all groups of parameters or of each.
        rising: share of the steps in which it rises.
    """
    scheduler = OneCycleLR(optimizer, peaks, int(trainer.estimated_stepping_batches), pct_start=rising)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
