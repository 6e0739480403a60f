"""Several processes that together take the steps of one: shares of a batch, sums over all of them, batch norm over all.

Under `torchrun` every process runs the same training on its share of each batch. `batch_size` is that of all of them
together, so the loss curve does not depend on how many there are. Without `torchrun` everything here does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.layer_sync import LayerSync
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn

Item = TypeVar("Item")


def processes() -> int:
    """How many processes train together, over all machines."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, 0 to `processes() - 1`."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's part of what validates; all of it where there are fewer items than processes, so none has none."""
    return items[rank() :: processes()] if len(items) >= processes() else items


def total(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, of the same shape; gradients pass."""
    return _Total.apply(value) if processes() > 1 else value


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, value: Tensor) -> Tensor:
        summed = value.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _Total.forward(ctx, grad)  # every process's loss depends on every process's value


def draw_seed(*numbers: int) -> int:
    """A seed for torch that depends on these numbers alone, such as a seed, a step and a place in the batch."""
    return int(np.random.default_rng(numbers).integers(2**32))


class GlobalBatchNorm(LayerSync):
    """Batch norm in training mode takes its statistics from the whole batch, not from a process's share of it.

    On a GPU it is torch's `SyncBatchNorm`, by timm's conversion: torch's own forgets the activation that timm's layers
    hold. `SyncBatchNorm` refuses tensors on a CPU, so there layers compute the same from two sums over all processes.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Convert all layers, in place; the parameters stay the same objects."""
        if processes() == 1:
            return model
        if isinstance(model, L.LightningModule) and model.trainer.strategy.root_device.type == "cuda":
            return convert_sync_batchnorm(model)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.__class__ = _WholeBatchNormAct if isinstance(module, BatchNormAct2d) else _WholeBatchNorm
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Nothing to do: outside training a converted layer computes what it always did."""
        return model


class _WholeBatchNorm(nn.BatchNorm2d):
    """Batch norm over the shares of all processes, which are of equal size."""

    # As `GlobalBatchNorm` meets them: with running statistics and a fixed momentum, unlike torch's type.
    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = total(values.mean((0, 2, 3))) / processes()
        centred = values - mean[:, None, None]
        variance = total(centred.square().mean((0, 2, 3))) / processes()
        count = processes() * values.numel() / len(mean)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance * (count / max(1, count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _WholeBatchNormAct(_WholeBatchNorm, BatchNormAct2d):
    """The same for timm's layers, which hold an activation."""

    act: nn.Module
    drop: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return BatchNormAct2d.forward(self, x)
        return self.act(self.drop(super().forward(x)))
