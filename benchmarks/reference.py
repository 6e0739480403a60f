"""The same results in the way that they were published: one peak, one map, one pair of peak and proposal at a time.

Written from the descriptions; the tests show that they give what `wsis` gives, so that a ratio compares equals.
"""

from __future__ import annotations

import copy
import io
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.grad import conv2d_input
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from wsis.classifier import Classifier
from wsis.icn import ICN, gaussians, normalised, prepare
from wsis.matching import BACKGROUND_SHARE, CONTOUR_WIDTH
from wsis.peaks import Peaks


def peak_responses(classifier: Classifier, image: Tensor, peaks: Peaks, stop: int = 2) -> np.ndarray:
    """Peak response maps as in Zhou et al. (2018): one forward pass, then one backward pass for every peak.

    Every convolution keeps the normaliser of excitation back-propagation from the forward pass. The published code goes
    down to the image; here both stop at the same level.

    Args:
        classifier: from `folded`.
        image: (1, 3, H, W) normalised.
        peaks: K peaks.
        stop: after how many levels, seen from the image, to stop.

    Returns:
        (K, h, w) float32, as `wsis.response.respond` in mode `excitation`.
    """
    levels = list(classifier.backbone.levels)
    with torch.no_grad():
        features = image
        for level in levels[:stop]:
            features = level(features)
    features = features.clone().requires_grad_()
    with _Excitation():
        maps = features
        for level in levels[stop:]:
            maps = level(maps)
        maps = classifier.head(maps)
    responses, seed = [], torch.zeros_like(maps)
    for cell in zip(peaks.classes, peaks.rows, peaks.columns, strict=True):
        seed.zero_()
        seed[0][cell] = 1
        (grad,) = torch.autograd.grad(maps, features, seed, retain_graph=True)
        responses.append(grad[0].sum(0).clamp(min=0).numpy())
    return np.stack(responses)


def folded(classifier: Classifier) -> Classifier:
    """A copy with every batch norm folded into the convolution before it; EfficientNet, MobileNet and their kin."""
    net = copy.deepcopy(classifier).eval().requires_grad_(False)
    convolutions: list[tuple[str, nn.Conv2d]] = []
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d):
            convolutions.append((name, module))
        elif isinstance(module, nn.BatchNorm2d):
            place, convolution = convolutions[-1]
            net.set_submodule(place, fuse_conv_bn_eval(convolution, module).requires_grad_(False))
            net.set_submodule(name, getattr(module, "act", nn.Identity()))
    return net


class _Excitation(TorchFunctionMode):
    """Convolutions and sums hand down in proportion to activation x positive weight, rectifiers everything."""

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        match func.__name__.strip("_"):
            case "conv2d":
                return _Convolution.apply(*args, **kwargs)
            case "add":
                return _Sum.apply(*args)
            case "relu6" | "hardtanh":
                return _Rectifier.apply(args[0])
        return func(*args, **kwargs)


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
        active, positive = _active(x), weight.clamp(min=0)
        ctx.save_for_backward(active, positive, _inverse(F.conv2d(active, positive, None, *options)))
        ctx.options = options
        return F.conv2d(x, weight, bias, *options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        active, positive, inverse = ctx.saved_tensors
        down = conv2d_input(active.shape, positive, grad * inverse, *ctx.options)
        return active * down, None, None, *(None for _ in ctx.options)


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        active = _active(first), _active(second)
        inverse = _inverse(active[0] + active[1])
        ctx.save_for_backward(active[0] * inverse, active[1] * inverse)
        return first + second

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        of_first, of_second = ctx.saved_tensors
        return grad * of_first, grad * of_second


class _Rectifier(Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return F.relu6(x)

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> Tensor:
        return grad


def _active(x: Tensor) -> Tensor:
    """Values counted from their minimum where it is negative."""
    return x - x.min().clamp(max=0)


def _inverse(mass: Tensor) -> Tensor:
    """1 / mass, 0 where nothing is active."""
    return torch.where(mass > 1e-12, 1 / mass.clamp(min=1e-12), 0)


@torch.inference_mode()
def enhance(
    icn: ICN, image: np.ndarray, maps: np.ndarray, class_maps: np.ndarray, peaks: np.ndarray, steps: int = 3
) -> np.ndarray:
    """The ICN one map at a time, the photo encoded for every map and step; arguments and result of `wsis.icn.enhance`.

    Returns:
        (T + 1, K, *grid) float32 in [0, 1].
    """
    pixels = prepare(image, icn.size)
    grid = icn.grid(*pixels.shape[-2:])
    results = []
    for map_, own, place in zip(maps, class_maps, peaks, strict=True):
        first, context = (normalised(_on_grid(values, grid)) for values in (map_, own))
        peak = gaussians(torch.as_tensor(place), grid)
        grown = [first]
        for _ in range(steps):
            hints = torch.stack([grown[-1], context, peak])[None, None]
            grown.append(normalised(torch.sigmoid(icn(pixels, hints)[0, 0])))
        results.append(torch.stack(grown))
    return torch.stack(results, 1).numpy()


def _on_grid(values: np.ndarray, grid: tuple[int, int]) -> Tensor:
    """(h, w) to (*grid): averaged where it shrinks, bilinear where it grows."""
    tensor = torch.from_numpy(values)[None, None]
    if tensor.shape[-2] > grid[0] and tensor.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(tensor, grid)[0, 0]
    return F.interpolate(tensor, size=grid, mode="bilinear")[0, 0]


def pair_terms(
    maps: np.ndarray,
    class_maps: np.ndarray,
    masks: Mapping[int, np.ndarray] | Sequence[np.ndarray] | np.ndarray,
    pairs: Sequence[tuple[int, int]],
) -> np.ndarray:
    """Three terms for each pair of a peak and a proposal, as Zhou et al. (2018) match them; reading `prm-2018`.

    For every pair the proposal is resized to the map, its contour band is a morphological gradient, and three sums are
    taken. The first and third term are those of `wsis.matching.terms`. The gradient's band is 4 pixels wide with the
    published kernel of 5 where `ProposalSet.contour_sums` takes 5, so along a straight contour the second is 4/5 of it.

    Args:
        maps: (K, H, W) float32.
        class_maps: (K, H, W) float32, the class map of each peak's class.
        masks: of proposals by number, (h, w) uint8 of 0 and 1, at any one size.
        pairs: (k, n) of each pair.

    Returns:
        (len(pairs), 3) float32.
    """
    size, kernel = maps.shape[:0:-1], np.ones((CONTOUR_WIDTH, CONTOUR_WIDTH), np.uint8)
    sums = maps.sum((1, 2), keepdims=True)
    responses = maps / np.where(sums > 0, sums, 1)
    backgrounds = class_maps < BACKGROUND_SHARE * class_maps.mean((1, 2), keepdims=True)
    result = np.empty((len(pairs), 3), np.float32)
    for out, (k, n) in zip(result, pairs, strict=True):
        mask = cv2.resize(masks[n], size, interpolation=cv2.INTER_NEAREST_EXACT)
        contour = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, kernel).astype(bool)
        inside = mask.astype(bool)
        out[:] = responses[k][inside].sum(), responses[k][contour].sum(), -float(backgrounds[k][inside].sum())
    return result


SELECTIVE_SEARCH = """
import io, statistics, sys, time
import cv2, numpy as np
image, took = np.load(io.BytesIO(sys.stdin.buffer.read())), []
for _ in range(4):
    start = time.perf_counter()
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(image)
    search.switchToSelectiveSearchFast()
    search.process()
    took.append(time.perf_counter() - start)
print(statistics.median(took[1:]))
"""


def selective_search(image: np.ndarray) -> float | None:
    """Seconds of OpenCV's selective search, fast mode, boxes only, for an (H, W, 3) uint8 RGB photo.

    It is in OpenCV's contrib build, which cannot be installed beside ours: the variable WSIS_CONTRIB_PYTHON names the
    interpreter of another environment (`pip install opencv-contrib-python-headless`). None without it.
    """
    python = os.environ.get("WSIS_CONTRIB_PYTHON")
    if not python:
        return None
    given = io.BytesIO()
    np.save(given, np.ascontiguousarray(image[..., ::-1]))
    done = subprocess.run([python, "-c", SELECTIVE_SEARCH], input=given.getvalue(), capture_output=True, check=True)
    return float(done.stdout)
