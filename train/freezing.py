"""Weights that do not train: the first levels of a backbone, and the depthwise convolutions of the others."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def freeze(levels: nn.ModuleList, count: int) -> None:
    """Keep the first levels as they are, in place; where any is kept, depthwise convolutions of the others are too.

    What the network says of a photo stays the same; only the way back through it is quicker.

    Args:
        levels: of a backbone, from the image up.
        count: how many keep their weights; 0 leaves everything to train.
    """
    for level in levels[:count]:
        level.requires_grad_(False)
    if not count:
        return
    for module in levels[count:].modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.requires_grad_(False)
            if type(module) is nn.Conv2d:  # TensorFlow's strided ones pad by themselves, and must go on so
                module.__class__ = FrozenDepthwise


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
    def forward(ctx: Any, x: Tensor, conv: FrozenDepthwise) -> Tensor:
        ctx.conv = conv
        return F.conv2d(x, conv.weight, conv.bias, 1, conv.padding, conv.dilation, conv.groups)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        conv = ctx.conv
        back = [d * (k - 1) - p for d, k, p in zip(conv.dilation, conv.kernel_size, conv.padding, strict=True)]
        weight = conv.weight.flip(-1, -2).to(grad.dtype)
        return F.conv2d(grad, weight, None, 1, back, conv.dilation, conv.groups), None
