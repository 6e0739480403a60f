"""Excitation back-propagation (Zhang et al., 2016), as rules for a tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from torch import Tensor

from wsis.errors import WsisError
from wsis.response.convolution import Convolution
from wsis.response.flow import Cells, Flow
from wsis.response.tape import Layer, Tape


class Excitation(Tape):
    """Every layer hands down what excitation back-propagation does.

    The probability that a layer f with positive weights hands on is the gradient of `f(a t) / f(a)` by t at fixed
    activations a: the incoming gradient over `f(a)`, back through f, times a.
    """

    def __init__(self, source: Tensor) -> None:
        """Begin at a tensor (B, C, H, W); probabilities end there."""
        super().__init__(source)
        # The convolution made last: its result, its input and itself.
        self._convolved: tuple[Tensor, Tensor, Convolution] | None = None
        # Tensors, by id, that are nowhere negative.
        self._rectified: set[int] = set()

    def __exit__(self, *error: object) -> None:
        self._convolved = None
        super().__exit__(*error)

    def on_conv2d(
        self, func: Callable, input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Layer:
        """Positive weights only."""
        value = func(input, weight, bias, *args, **kwargs)
        convolution = Convolution.of(weight, *args, **kwargs)
        if convolution is None:
            raise WsisError(
                "Excitation back-propagation takes the same padding on both sides of a convolution. Choose the mode "
                "'gradient'."
            )
        self._convolved = value, input, convolution
        return self._excited(input, value, convolution)

    def scaled(self, input: Tensor, value: Tensor, scale: Tensor) -> Layer:
        """Part of the convolution before it."""
        if self._convolved is not None and self._convolved[0] is input:
            _, before, convolution = self._convolved
            return self._excited(before, value, convolution, scale)
        mass = _activation(input) * scale.clamp(min=0).view(-1, 1, 1)
        return Layer(value, (input,), lambda flow, _: (flow.times((mass > 0).to(mass.dtype)),), dilation=0)

    def on_avg_pool2d(self, func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Layer:
        """All weights are positive."""
        active = _activation(input)
        inverse = _inverse(func(active, *args, **kwargs))
        (layer,) = self.differentiated(lambda x: [func(active * x, *args, **kwargs) * inverse], [input])
        return replace(layer, value=func(input, *args, **kwargs))

    def on_relu(self, func: Callable, input: Tensor, inplace: bool = False) -> Layer:
        """Hands everything on."""
        return self._handed_on(func(input), input)

    def on_hardtanh(
        self, func: Callable, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
    ) -> Layer:
        """Hands everything on, if it is a rectifier."""
        if min_val < 0:
            self.on_silu(func)
        return self._handed_on(input.clamp(min_val, max_val), input)

    def on_add(self, func: Callable, input: Any, other: Any, **kwargs: Any) -> Layer | None:
        """Splits by what each side adds."""
        if kwargs or not (self.follows(input) and self.follows(other)) or input.shape != other.shape:
            return None

        @cache
        def shares() -> tuple[Tensor, Tensor]:
            first, second = _activation(input), _activation(other)
            inverse = _inverse(first + second)
            return first.mul_(inverse), second.mul_(inverse)

        def back(flow: Flow, _: Cells) -> Iterable[Flow]:
            return [replace(flow, alone=False).times(share) for share in shares()]

        return Layer(input + other, (input, other), back, dilation=0)

    def on_sigmoid(self, func: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """A factor on other features (squeeze and excite) weighs them, but the response goes through the features."""
        return func(input, *args, **kwargs)

    def on_silu(self, func: Callable, *args: Any, **kwargs: Any) -> Layer:
        """Refuses what can be negative."""
        raise WsisError(
            "Excitation back-propagation needs activations of at least 0; this model uses "
            f"{func.__name__.strip('_')}, which can be negative. Choose the mode 'gradient'."
        )

    def _handed_on(self, value: Tensor, input: Tensor) -> Layer:
        self._rectified.add(id(value))
        return Layer(value, (input,), lambda flow, _: (flow,), dilation=0)

    def _excited(self, input: Tensor, value: Tensor, layer: Convolution, scale: Tensor | None = None) -> Layer:
        """A convolution, its results scaled by (O,). What it needs is made when the first peak comes by."""
        source, corner = self.unfilled(input, layer)
        inside = [slice(first, first + side) for first, side in zip(corner, source.shape[2:], strict=True)]
        negative = id(input) not in self._rectified

        @cache
        def excited() -> tuple[Convolution, Tensor, Tensor]:
            active = _activation(input) if negative else input
            positive = layer.positive(scale)
            return positive, active[..., inside[0], inside[1]], _inverse(positive(active))

        def back(flow: Flow, cells: Cells) -> Iterable[Flow]:
            positive, active, normaliser = excited()
            share = flow.times(normaliser).product(cells)
            yield Flow(positive.transposed(share, source.shape[2:], cells, corner), active, alone=True)

        return Layer(value, (source,), back, layer.spread)

    on_relu6 = on_relu
    on_iadd = on_radd = on_add
    on_hardsigmoid = on_sigmoid
    on_gelu = on_hardswish = on_mish = on_leaky_relu = on_elu = on_selu = on_celu = on_silu
    on_prelu = on_rrelu = on_tanh = on_softsign = on_silu


def _activation(x: Tensor) -> Tensor:
    """Values counted from their photo's minimum where it is negative."""
    return x - x.amin((1, 2, 3), keepdim=True).clamp(max=0)


def _inverse(mass: Tensor) -> Tensor:
    """1 / mass, in the place of `mass`. Where that is 0 any number will do: it meets activations or weights of 0."""
    return mass.clamp_(min=1e-12).reciprocal_()
