"""Convolutional backbones cut into five levels, shared by the classifier and the ICN's encoder.

A backbone is a plain sequence of levels at strides 1 or 2, (2 or) 4, 8, 16 and 16: the last level is dilated instead of
strided, so that class maps keep a cell for every 16 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
import torch
from torch import Tensor, nn

from wsis.errors import WsisError

LITE = "tf_efficientnet_lite2"
TESTED = ("tf_efficientnet_lite0", LITE, "mobilenetv2_100", "resnet50", "vgg16")
"""The timm names that the tests cover; any other convolutional timm model with feature levels is accepted too."""


class Backbone(nn.Module):
    """Image to five feature maps, shallow to deep.

    Attributes:
        levels: five modules, each taking the output of the one before.
        channels: channels of each level's output.
        strides: stride of each level's output, in input pixels.
        mean, std: normalisation that the weights expect, for RGB in [0, 1].
    """

    def __init__(self, name: str, *, pretrained: bool = False, whole: bool = False) -> None:
        """Build a timm network at output stride 16 and cut it into levels.

        Args:
            name: a timm model name, for example `tf_efficientnet_lite2`, `mobilenetv2_100`, `resnet50`, `vgg16`.
            pretrained: download ImageNet weights from timm's hub.
            whole: keep an EfficientNet's last block and what follows it, which its own ImageNet head reads from. Left
                out otherwise: after the dilated depthwise convolution the response of a class is a ring around the
                object instead of the object.

        Raises:
            WsisError: timm does not know the name, the network is not convolutional or the hub cannot be reached.
        """
        super().__init__()
        self.name = name
        net = _create(name, pretrained)
        cut = _vgg if name.startswith("vgg") else _resnet if hasattr(net, "layer4") else _efficientnet
        if cut is _efficientnet and not (hasattr(net, "blocks") and hasattr(net, "conv_stem")):
            raise WsisError(
                f"The backbone '{name}' cannot be cut into levels. Use a timm EfficientNet, MobileNet, ResNet or VGG; "
                f"tested: {', '.join(TESTED)}."
            )
        levels = _efficientnet(net, whole=True) if whole and cut is _efficientnet else cut(net)
        self.levels = nn.ModuleList(levels)
        self.mean = tuple(net.pretrained_cfg["mean"])
        self.std = tuple(net.pretrained_cfg["std"])
        with torch.no_grad(), evaluating(self):
            features = self(torch.zeros(1, 3, 64, 64))
        self.channels = tuple(f.shape[1] for f in features)
        self.strides = tuple(64 // f.shape[2] for f in features)

    def forward(self, image: Tensor, *, stop: int = 5) -> list[Tensor]:
        """Features of the first `stop` levels.

        Args:
            image: (B, 3, H, W) normalised with `mean` and `std`.
            stop: how many levels to run, 1..5.

        Returns:
            `stop` tensors (B, channels[i], H / strides[i], W / strides[i]).
        """
        features = []
        for level in self.levels[:stop]:
            image = level(image)
            features.append(image)
        return features


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """The module in evaluation mode inside the block; every submodule's own mode is restored after it, error or not."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield module
    finally:
        for submodule, mode in modes:
            submodule.training = mode


def _create(name: str, pretrained: bool) -> Any:
    # TensorFlow's weights were trained with bottom/right padding: timm's tf_ models have it, mobilenetv2 needs it.
    options: dict[str, Any] = {"pad_type": "same"} if name.startswith("mobilenetv2") else {}
    if not name.startswith("vgg"):
        options["output_stride"] = 16
    if name not in timm.list_models():
        raise WsisError(f"timm has no model '{name}'. Tested backbones: {', '.join(TESTED)}.")
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except TypeError as error:
        raise WsisError(f"The backbone '{name}' cannot run at output stride 16, which class maps need.") from error
    except Exception as error:
        if not pretrained:
            raise
        raise WsisError(
            f"The ImageNet weights of '{name}' could not be downloaded. Check the network, or start from a file: "
            "weights=FILE.safetensors."
        ) from error


def _efficientnet(net: Any, *, whole: bool = False) -> list[nn.Module]:
    """EfficientNet and MobileNet families, the last block cut after its expansion unless they are wanted whole."""
    blocks, last = list(net.blocks[:-1]), net.blocks[-1][0]
    expansion = [last.conv_pw, last.bn1] if hasattr(last, "conv_pw") else [last.conv, last.bn1]
    expansion = [net.blocks[-1], net.conv_head, net.bn2] if whole else expansion
    return [
        nn.Sequential(net.conv_stem, net.bn1, blocks[0]),
        blocks[1],
        blocks[2],
        nn.Sequential(*blocks[3:-1]),
        nn.Sequential(blocks[-1], *expansion),
    ]


def _resnet(net: Any) -> list[nn.Module]:
    return [
        nn.Sequential(net.conv1, net.bn1, net.act1),
        nn.Sequential(net.maxpool, net.layer1),
        net.layer2,
        net.layer3,
        net.layer4,
    ]


def _vgg(net: Any) -> list[nn.Module]:
    """VGG's five convolution groups, without the pooling after the last; each pooling opens the next level."""
    levels: list[list[nn.Module]] = [[]]
    for module in net.features[:-1]:
        if isinstance(module, nn.MaxPool2d):
            levels.append([])
        levels[-1].append(module)
    return [nn.Sequential(*level) for level in levels]
