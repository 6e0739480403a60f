"""Batch normalisation folded into convolutions: the same network, but for rounding, and quicker.

What a trained batch normalisation does, a factor and an addend for each channel, the convolution before it can do
itself. On processors a small network spends as long on reading and writing its maps as on multiplying.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Protocol, TypeVar, runtime_checkable

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


@runtime_checkable
class Folding(Protocol):
    """A module that folds what stands in an order of its own."""

    def fold(self) -> None:
        """Fold its normalisations into its convolutions, in evaluation mode."""


def folded(network: Module) -> Module:
    """A copy in evaluation mode that is quicker and can no longer be trained; see `fold`."""
    return fold(copy.deepcopy(network))


def fold(network: Module) -> Module:
    """Fold each batch normalisation into the convolution that stands right before it, in the network itself.

    Args:
        network: in evaluation mode. Where a normalisation is registered right after a convolution in one module, that
            convolution's output must go there and nowhere else, as in timm's EfficientNets, MobileNets and ResNets and
            in a plain sequence. What a normalisation does besides (timm's know a rectifier) stays. A `Folding`
            module folds its own parts.

    Returns:
        The same network; its parameters no longer fit a file of before.

    Raises:
        ValueError: the network is in training mode, in which batches have statistics of their own.
    """
    if network.training:
        raise ValueError("fold: expected a network in evaluation mode")
    children = list(network.named_children())
    for (place, before), (name, child) in pairwise(children):
        if isinstance(before, nn.Conv2d) and isinstance(child, nn.BatchNorm2d) and child.running_mean is not None:
            setattr(network, place, fuse_conv_bn_eval(before, child).requires_grad_(False))
            setattr(network, name, getattr(child, "act", nn.Identity().eval()))
    for _, child in children:
        fold(child)
    if isinstance(network, Folding):
        network.fold()
    return network
