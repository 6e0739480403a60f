"""Anybody's classifier as class maps: a `timm` or `torchvision` network whose head is linear on its last features.

Averaging features over all cells and then applying a linear layer is the same as applying that layer to every cell and
averaging afterwards (Zhou et al., 2016). So the network's own last layer, as a 1x1 convolution, gives one map per class
without any training. Whether a network is of that kind is not guessed from its name but measured when it is wrapped.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import timm
import torch
import torchvision
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, ImageNetInfo
from torch import nn

from wsis.backbone import Backbone, evaluating
from wsis.classifier import VIEWS, Classifier
from wsis.errors import WsisError
from wsis.maps import ClassMaps

LIBRARIES = ("timm", "torchvision")
LEVELS = 5
PATIENCE = 10.0
"""Seconds that a hub may keep silent before it counts as out of reach."""

RGB = tuple[float, float, float]
Scoring = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class Labels:
    """What the rows of a head mean.

    Attributes:
        classes: C distinct names.
        scoring: `softmax` where every photo has exactly one class, `sigmoid` where it may have several. One class alone
            is scored by `sigmoid`: softmax would find it in every photo.
        mean, std: normalisation for RGB in [0, 1], where it differs from the network's usual one.
    """

    classes: tuple[str, ...]
    scoring: Scoring = "softmax"
    mean: RGB | None = None
    std: RGB | None = None


def imagenet_labels() -> Labels:
    """ImageNet's 1,000 classes: the first name of each, longer where two classes share it."""
    info = ImageNetInfo()
    every = [info.index_to_description(i) for i in range(info.num_classes())]
    names = [text.split(",")[0] for text in every]
    for longer in (every, [f"{text} ({info.index_to_label_name(i)})" for i, text in enumerate(every)]):
        names = [name if names.count(name) == 1 else longer[i] for i, name in enumerate(names)]
    return Labels(tuple(names))


def read_labels(file: Path) -> Labels:
    """Read class names, one a line in the order of the head's rows, or as JSON: a list of names, or names by row.

    Lines that start with `#` may say `# scoring: sigmoid`, `# mean: 0.5 0.5 0.5`, `# std: 0.5 0.5 0.5`.

    Raises:
        WsisError: the file is missing, no UTF-8 text, empty, has a name twice or a header that cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WsisError(
            f"The labels {file} cannot be read: expected a UTF-8 text file, one class name a line."
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    listed = _listed(text, file)
    classes = tuple(line for line in lines if line and not line.startswith("#")) if listed is None else listed
    twice = next((name for name, count in Counter(classes).items() if count > 1), None)
    if not classes or twice:
        fault = f"'{twice[:80]}' appears twice" if twice else "there is no name in it"
        raise WsisError(f"The labels {file} cannot be used: {fault}. Expected one distinct class name a line.")
    found = (line[1:].partition(":") for line in lines if line.startswith("#"))
    header = {key.strip().lower(): value.strip().lower() for key, _, value in found}
    scoring = header.get("scoring", "softmax")
    if scoring not in get_args(Scoring):
        raise WsisError(f"The labels {file} ask for scoring '{scoring[:80]}'. Choose softmax or sigmoid.")
    return Labels(classes, cast(Scoring, scoring), *(_colour(header.get(key), key, file) for key in ("mean", "std")))


def _listed(text: str, file: Path) -> tuple[str, ...] | None:
    """The names that a JSON text holds; None where it is no JSON."""
    try:
        content = json.loads(text) if text.lstrip()[:1] in ("[", "{") else None
    except (ValueError, RecursionError):
        return None
    if isinstance(content, dict):  # Hugging Face's id2label: names by row
        rows = {str(row): name for row, name in content.items()}
        content = [rows.get(str(row)) for row in range(len(rows))]
    if isinstance(content, list) and not all(isinstance(name, str) and name.strip() for name in content):
        raise WsisError(
            f"The labels {file} cannot be used: they are JSON with {len(content)} entries, not all of them names. "
            "Expected a list of names, or one distinct class name a line."
        )
    return None if content is None else tuple(" ".join(name.split()) for name in content)


def build(library: str, name: str, classes: int, *, pretrained: bool) -> tuple[nn.Module, RGB, RGB]:
    """Make a classifier.

    Args:
        library: `timm` or `torchvision`.
        name: the library's name of the network.
        classes: rows of its head.
        pretrained: take the hub's ImageNet weights (from the cache where they are in it).

    Returns:
        The network, at output stride 16 where it can, and the mean and standard deviation its input is normalised with.

    Raises:
        WsisError: no such network, or its weights cannot be had.
    """
    return (_timm if library == "timm" else _torchvision)(name, classes, pretrained)


class Trunk(Backbone):
    """The layers below a foreign head in five levels, with a `Backbone`'s attributes.

    Attributes:
        levels: five modules by stride (at most 2, 4, 8, 16, and beyond); one without layers passes its input on.
        channels, strides: of each level's output.
        mean, std: normalisation for RGB in [0, 1].
    """

    def __init__(self, layers: Sequence[nn.Module], mean: RGB, std: RGB) -> None:
        """Sort layers into levels by the stride of what they put out."""
        nn.Module.__init__(self)
        groups: list[list[nn.Module]] = [[] for _ in range(LEVELS)]
        self.mean, self.std = tuple(mean), tuple(std)
        features = torch.zeros(1, 3, 224, 224)
        at, channels, strides = 0, [3] * LEVELS, [1] * LEVELS
        with torch.no_grad():
            for layer in layers:
                features = layer(features)
                stride = max(1, round(224 / features.shape[2]))
                at = max(at, min(LEVELS - 1, stride.bit_length() - 2))
                groups[at].append(layer)
                channels[at:] = [features.shape[1]] * (LEVELS - at)
                strides[at:] = [stride] * (LEVELS - at)
        self.levels = nn.ModuleList(nn.Sequential(*group) for group in groups)
        self.channels, self.strides = tuple(channels), tuple(strides)


class HeadMaps(Classifier):
    """A classification network as a `Classifier`: same calls, own head, own way to score.

    It takes the given network over: the layers are its own, not copies, and VGG's window layers get padding. A response
    (Eq. 2) can stop at any of `backbone.levels`.
    """

    def __init__(self, net: nn.Module, labels: Labels, mean: RGB, std: RGB) -> None:
        """Take a network apart.

        Args:
            net: a classifier for (B, 3, H, W) images.
            labels: what the head's rows mean.
            mean: normalisation for RGB in [0, 1], unless `labels` has another.
            std: likewise.

        Raises:
            WsisError: the head is not linear on averaged features, or has another number of rows than there are labels.
        """
        nn.Module.__init__(self)
        name = type(net).__name__
        with evaluating(net), torch.no_grad():
            layers, linear = _take_apart(net)
            head = _as_convolution(linear) if linear else None
            if head and head.out_channels != len(labels.classes):
                raise WsisError(
                    f"There are {len(labels.classes)} labels, but the network puts out {head.out_channels} classes."
                )
            if not head or not _same(net, layers, head):
                raise WsisError(
                    f"{name} gives no class maps: that needs a convolutional network whose head is one linear layer on "
                    "averaged features, such as ResNet, EfficientNet, MobileNetV2, RegNet, DenseNet or VGG."
                )
            for layer in layers:
                _keep_the_border(layer)
            self.backbone = Trunk(layers, labels.mean or mean, labels.std or std)
        self.dropout = nn.Dropout2d(0.0)
        self.head = head
        self.classes, self.scoring = labels.classes, labels.scoring if len(labels.classes) > 1 else "sigmoid"

    @torch.inference_mode()
    def class_maps(
        self, image: np.ndarray, *, sizes: Sequence[int] | None = None, flip: bool = True, chunk: int = VIEWS
    ) -> ClassMaps:
        """Class maps and scores of one photo, see `Classifier.class_maps`.

        Scores are the network's own: its logits, the mean over all cells, through softmax or sigmoid.
        """
        found = super().class_maps(image, sizes=sizes, flip=flip, chunk=chunk)
        logits = torch.from_numpy(found.maps).mean((1, 2))
        scores = logits.softmax(0) if self.scoring == "softmax" else logits.sigmoid()
        return replace(found, scores=scores.numpy())


def _take_apart(net: nn.Module) -> tuple[list[nn.Module], nn.Linear | None]:
    """Layers below the global pooling, in order, and the last linear layer (None without one)."""
    linear = next((m for m in reversed(list(net.modules())) if isinstance(m, nn.Linear)), None)
    layers: list[nn.Module] = []
    for name, child in net.named_children():
        below = isinstance(child, nn.AdaptiveAvgPool2d) or name in ("global_pool", "classifier", "head", "fc")
        if below or any(module is linear for module in child.modules()):
            break
        layers += list(child) if isinstance(child, nn.Sequential) else [child]
    if type(net).__name__ == "DenseNet":
        layers.append(nn.ReLU(inplace=False))  # both libraries call it as a function
    classifier, pooling = getattr(net, "classifier", None), getattr(net, "avgpool", None)
    if isinstance(classifier, nn.Sequential) and isinstance(pooling, nn.AdaptiveAvgPool2d):
        layers += _fully_convolutional(classifier, pooling)
    return layers, linear


def _fully_convolutional(classifier: nn.Sequential, pooling: nn.AdaptiveAvgPool2d) -> list[nn.Module]:
    """Convolutions for the hidden linear layers that torchvision's VGG and AlexNet have on a fixed window."""
    size: Any = pooling.output_size
    window = size if isinstance(size, int) else size[0]
    if window == 1:
        return []  # hidden layers after a true average (MobileNetV3) are not linear in it
    layers: list[nn.Module] = []
    for module in list(classifier)[:-1]:
        if not isinstance(module, nn.Linear):
            layers.append(module)
            continue
        layers.append(_as_convolution(module, window))
        window = 1
    return layers


def _as_convolution(linear: nn.Linear, window: int = 1) -> nn.Conv2d:
    """A linear layer on window x window cells (channels first), to be slid over a map."""
    channels = linear.in_features // window**2
    convolution = nn.Conv2d(channels, linear.out_features, window, bias=linear.bias is not None)
    convolution.weight.copy_(linear.weight.view(-1, channels, window, window))
    if convolution.bias is not None:
        convolution.bias.copy_(linear.bias)
    return convolution


def _same(net: nn.Module, layers: Sequence[nn.Module], head: nn.Module) -> bool:
    """Whether the mean of the class maps is what the network itself puts out."""
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        features = image
        for layer in layers:
            features = layer(features)
        maps = head(features)
        own = net(image)
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError):
        return False
    if not bool(torch.isfinite(own).all()):
        raise WsisError(
            f"{type(net).__name__} puts out NaN or infinity: its weights are damaged or of a training that diverged. "
            "Take an earlier checkpoint."
        )
    # Random weights may make all logits tiny, so the tolerance follows their size.
    return maps.ndim == 4 and torch.allclose(
        maps.mean((2, 3)), own, rtol=1e-3, atol=1e-4 * float(own.abs().max()) + 1e-7
    )


def _keep_the_border(layer: nn.Module) -> None:
    """Pad VGG's window convolutions, so that class maps cover the whole photo and not its middle."""
    for module in layer.modules():
        if type(module) is not nn.Conv2d or module.kernel_size[0] <= 5 or module.stride != (1, 1):
            continue
        if module.padding == (0, 0):
            module.padding = (module.kernel_size[0] // 2, module.kernel_size[1] // 2)


def _timm(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, RGB, RGB]:
    if name.partition(".")[0] not in timm.list_models():
        raise WsisError(f"timm has no model '{name}'. See timm.list_models() for all names.")
    options: dict = {"num_classes": classes}
    for stride in ({"output_stride": 16}, {}):  # finer maps where the network can
        try:
            net = timm.create_model(name, **options, **stride)
            break
        except (TypeError, NotImplementedError, AssertionError, RuntimeError, ValueError):
            continue
    else:
        raise WsisError(f"timm cannot build '{name}' with {classes} classes.")
    config = net.pretrained_cfg
    if pretrained and classes != config.get("num_classes", classes):
        raise WsisError(
            f"There are {classes} labels, but the weights of timm:{name} are of {config['num_classes']} classes. "
            "Give weights of your own with the labels."
        )
    if pretrained:
        file = _from_hub(name, config.get("hf_hub_id") or "")
        timm.models.load_checkpoint(net, file)
    return net, config["mean"], config["std"]


def _from_hub(name: str, repository: str) -> str:
    """Path of a network's safetensors file: from the cache, else downloaded; never the pickle beside it."""
    if not repository:
        raise WsisError(f"timm:{name} has no weights on the hub. Give them: weights=FILE.safetensors labels=FILE.")
    cached = try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(cached, str):
        return cached
    with _reaching(f"timm:{name}"):
        # The hub's client retries for a minute; a machine without a network should be told at once.
        socket.create_connection(
            (constants.ENDPOINT.split("//")[-1].split("/")[0].split(":")[0], 443), PATIENCE
        ).close()
        return hf_hub_download(repository, "model.safetensors")


def _torchvision(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, RGB, RGB]:
    if name not in torchvision.models.list_models(torchvision.models):
        raise WsisError(f"torchvision has no classifier '{name}'. See torchvision.models.list_models() for all names.")
    mean, std = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    options: dict = {"num_classes": classes}
    if pretrained:
        weights = torchvision.models.get_model_weights(name).DEFAULT
        preset = weights.transforms()
        mean, std, options = tuple(preset.mean), tuple(preset.std), {"weights": weights}
    with _reaching(f"torchvision:{name}"):
        for stride in ({"replace_stride_with_dilation": [False, False, True]}, {}):
            try:
                return torchvision.models.get_model(name, **options, **stride), mean, std
            except (TypeError, NotImplementedError, ValueError):
                continue
    raise WsisError(f"torchvision cannot build '{name}' with {classes} classes.")


@contextmanager
def _reaching(name: str) -> Iterator[None]:
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    except Exception as error:
        raise WsisError(
            f"The ImageNet weights of {name} could not be downloaded. Check the network, or give a file: "
            "weights=FILE.safetensors labels=FILE."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _colour(text: str | None, key: str, file: Path) -> RGB | None:
    if text is None:
        return None
    try:
        first, second, third = (float(part) for part in text.replace(",", " ").split())
        if not np.isfinite([first, second, third]).all() or (key == "std" and min(first, second, third) <= 0):
            raise ValueError
    except ValueError as error:
        raise WsisError(
            f"The labels {file} have '# {key}: {text[:80]}'; expected three numbers (finite, std above 0), red, green, "
            "blue."
        ) from error
    return first, second, third
