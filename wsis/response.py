"""Peak response maps (Eq. 2): what in the photo a peak of a class map stems from, for all peaks in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wsis.backbone import evaluating
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.peaks import Peaks

Mode = Literal["excitation", "gradient"]
MODES: tuple[str, ...] = get_args(Mode)


def respond(
    classifier: Classifier, image: Tensor, peaks: Peaks, *, mode: Mode = "excitation", stop: int = 2, chunk: int = 16
) -> np.ndarray:
    """Back-propagate from each peak's cell of its class map, sum over channels, clamp at 0.

    `gradient` is the chain rule. `excitation` (Zhang et al., 2016; Zhou et al., 2018) passes a probability of 1 down:
    each unit hands its share to the units it reads from in proportion to activation x positive weight. Activations
    count from their layer's minimum where that is negative, batch norm is folded into the convolution before it, sums
    split by what each side adds, rectifiers pass everything on, and the strongest of a max pooling takes all.

    Neither leaves anything behind: gradients are returned and not stored, training mode is put back, error or not.

    Args:
        classifier: the network.
        image: (1, 3, H, W) normalised, see `Classifier.prepare`, at the size that the peaks' class maps were made at.
        peaks: K peaks.
        mode: `excitation` or `gradient`.
        stop: after how many levels, seen from the image, to stop: 0 is the image, 2 the output of the second level
            (stride 4 in most networks).
        chunk: how many peaks to carry at once; bounds memory, changes nothing else.

    Returns:
        (K, h, w) float32, at least 0, h and w those of the level's output.

    Raises:
        WsisError: unknown mode, or `excitation` on a network whose activations can be negative (SiLU, GELU, ...).
        ValueError: a peak outside the class maps, a wrong shape or a level that is not there.
    """
    if mode not in MODES:
        raise WsisError(f"Unknown mode '{mode}' of back-propagation. Choose one of: {', '.join(MODES)}.")
    levels = list(classifier.backbone.levels)
    if image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ValueError(f"image: expected (1, 3, H, W), got {tuple(image.shape)}")
    if not 0 <= stop < len(levels) or chunk < 1:
        raise ValueError(f"expected a stop in 0..{len(levels) - 1} and a chunk from 1 on, got {stop} and {chunk}")
    with torch.inference_mode(False), evaluating(classifier):
        with torch.no_grad():
            features = image.clone()
            for level in levels[:stop]:
                features = level(features)
        features = features.detach().requires_grad_()
        with torch.enable_grad():
            cells = _class_cells(classifier, levels[stop:], features, peaks, mode)
            result = np.zeros((len(peaks), *features.shape[2:]), np.float32)
            seeds = torch.eye(len(peaks), device=features.device, dtype=cells.dtype)
            for start in range(0, len(peaks), chunk):
                part = seeds[start : start + chunk]
                (grads,) = torch.autograd.grad(cells, features, part, retain_graph=True, is_grads_batched=True)
                result[start : start + chunk] = grads[:, 0].sum(1).clamp(min=0).float().cpu().numpy()
    return result


def _class_cells(
    classifier: Classifier, levels: Iterable[torch.nn.Module], features: Tensor, peaks: Peaks, mode: Mode
) -> Tensor:
    """(K,) logits of the peaks' cells, with the graph that the mode wants."""

    def run() -> Tensor:
        x = features.clone()  # the first layer may work in place
        for level in levels:
            x = level(x)
        return classifier.head(classifier.dropout(x))

    if mode == "excitation":
        with _Excitation():
            maps = run()
    else:
        maps = run()
    height, width = maps.shape[2:]
    if len(peaks) and (peaks.rows.max() >= height or peaks.columns.max() >= width):
        raise ValueError(f"peaks: expected cells within ({height}, {width}); were the class maps made at another size?")
    where = (torch.from_numpy(index).to(maps.device) for index in (peaks.classes, peaks.rows, peaks.columns))
    return maps[0][tuple(where)]


class _Excitation(TorchFunctionMode):
    """Inside this context every layer keeps its value, but its gradient is that of excitation back-propagation.

    That needs no hand-written backward pass. The probability that a positive linear layer f passes on is the gradient
    of `f(a t) / f(a)` by t at fixed activations a, so a layer returns its value plus that expression minus its value.
    """

    _SIGNED = frozenset(
        ["silu", "gelu", "hardswish", "mish", "leaky_relu", "elu", "selu", "celu", "prelu", "rrelu", "tanh", "softsign"]
    )

    def __init__(self) -> None:
        super().__init__()
        self._convolved: tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor], Tensor] | None = None
        self._rules: dict[str, Callable[..., Tensor | None]] = {
            "conv2d": self._conv2d,
            "batch_norm": self._batch_norm,
            "avg_pool2d": self._avg_pool2d,
            "relu": self._relu,
            "relu6": self._relu6,
            "hardtanh": self._hardtanh,
            "add": self._add,
            "sigmoid": self._gate,
            "hardsigmoid": self._gate,
        }

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        name = "add" if name in ("iadd", "radd") else name
        if name in self._SIGNED:
            raise _refusal(name)
        rule = self._rules.get(name)
        result = None if rule is None else rule(func, *args, **kwargs)
        return func(*args, **kwargs) if result is None else result

    def __exit__(self, *error: object) -> None:
        self._convolved = None
        super().__exit__(*error)

    def _conv2d(
        self, func: Callable, input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        def convolve(x: Tensor, w: Tensor) -> Tensor:
            return F.conv2d(x, w, None, *args, **kwargs)

        value = F.conv2d(input.detach(), weight.detach(), bias if bias is None else bias.detach(), *args, **kwargs)
        positive = weight.detach().clamp(min=0)
        result = _excited(input, value, lambda x: convolve(x, positive))
        self._convolved = (result, input, convolve, weight.detach())
        return result

    def _batch_norm(
        self,
        func: Callable,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor | None:
        names = ("weight", "bias", "training", "momentum", "eps")
        options = {"weight": None, "eps": 1e-5, **dict(zip(names, args, strict=False)), **kwargs}
        if running_var is None:
            return None
        value = func(input.detach(), running_mean, running_var, *args, **kwargs).detach()
        scale = (running_var + options["eps"]).rsqrt()
        scale = (scale if options["weight"] is None else scale * options["weight"]).detach()
        if self._convolved is not None and self._convolved[0] is input:
            _, before, convolve, weight = self._convolved
            positive = (weight * scale.view(-1, 1, 1, 1)).clamp(min=0)
            return _excited(before, value, lambda x: convolve(x, positive))
        return _excited(input, value, lambda x: x * scale.clamp(min=0).view(-1, 1, 1))

    def _avg_pool2d(self, func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _excited(input, func(input.detach(), *args, **kwargs), lambda x: func(x, *args, **kwargs))

    def _relu(self, func: Callable, input: Tensor, inplace: bool = False) -> Tensor:
        return _with_gradient(F.relu(input.detach()), input)

    def _relu6(self, func: Callable, input: Tensor, inplace: bool = False) -> Tensor:
        return _with_gradient(F.relu6(input.detach()), input)

    def _hardtanh(
        self, func: Callable, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
    ) -> Tensor:
        if min_val < 0:
            raise _refusal("hardtanh")
        return _with_gradient(input.detach().clamp(min_val, max_val), input)

    def _add(self, func: Callable, input: Any, other: Any, **kwargs: Any) -> Tensor | None:
        both = isinstance(input, Tensor) and isinstance(other, Tensor)
        if not both or kwargs or input.shape != other.shape or not (input.requires_grad and other.requires_grad):
            return None
        first, second = _activation(input), _activation(other)
        share = _inverse(first + second)
        return _with_gradient(input.detach() + other.detach(), first * share * input + second * share * other)

    def _gate(self, func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """A factor on other features (squeeze and excite) weighs them, but the response goes through the features."""
        return func(input.detach(), *args, **kwargs)


def _refusal(layer: str) -> WsisError:
    return WsisError(
        f"Excitation back-propagation needs activations of at least 0; this model uses {layer}, which can be negative. "
        "Choose the mode 'gradient'."
    )


def _excited(input: Tensor, value: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """`value`, with the gradient of `layer(a t) / layer(a)` by t = input, a being its activations."""
    active = _activation(input)
    return _with_gradient(value, layer(active * input) * _inverse(layer(active)))


def _activation(x: Tensor) -> Tensor:
    """Values counted from their minimum where it is negative."""
    x = x.detach()
    return x - x.min().clamp(max=0)


def _inverse(mass: Tensor) -> Tensor:
    """1 / mass, 0 where nothing is active."""
    return torch.where(mass > 1e-12, 1 / mass.clamp(min=1e-12), 0)


def _with_gradient(value: Tensor, path: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of `path`."""
    return value + (path - path.detach())
