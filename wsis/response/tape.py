"""Many gradients through a network in one pass: the forward pass is written down once, layer by layer.

Autograd's own batching (`is_grads_batched`) splits the backward pass of a grouped convolution into its groups, and a
plain backward pass carries one gradient at a time. Here a convolution's backward pass is again a convolution, of a
batch with one item per gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from wsis.response.convolution import Convolution
from wsis.response.flow import Cells, Flow

Back = Callable[[Flow, Cells], Iterable[Flow | None]]


@dataclass(frozen=True)
class Layer:
    """What a tape knows of one operation.

    Attributes:
        value: its result.
        inputs: the tensors it reads that gradients go to.
        back: the gradients of the result to those of each input; None for none.
        dilation: of its kernel, which is centred on the cell: gradients on every n-th cell stay there if n divides it.
            0 where cells are not mixed, None where the kernel is not centred or the grid changes.
    """

    value: Tensor
    inputs: tuple[Tensor, ...]
    back: Back
    dilation: int | None = None


WINDOWS = 12
"""How many chunks of gradients are carried at once where they cover windows around their peaks alone."""
Rule = Callable[..., Layer | Tensor | None]
Flows = dict[int, Flow]
"""Gradients of tensors, by their id."""


class Tape(TorchFunctionMode):
    """Inside this context, operations on `source` and on what follows from it are written down, with their gradients.

    Operations in place are made out of place; their return value must be used.

    A method `on_NAME` is the rule for the operation of that name (without underscores around it). It gets the operation
    and its arguments and returns a `Layer`, a tensor that gradients do not pass, or None for the ordinary gradient.
    """

    def __init__(self, source: Tensor) -> None:
        """Begin at a tensor (B, C, H, W); gradients end there."""
        super().__init__()
        self._source = source
        self._layers: list[Layer] = []
        self._known = {id(source)}
        self._filled: dict[int, tuple[Tensor, tuple[int, int]]] = {}

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given, shape = tree_flatten((args, kwargs))
        if func.__name__ == "__get__" or not any(map(self.follows, given)):
            return func(*args, **kwargs)
        rule: Rule | None = getattr(self, "on_" + func.__name__.strip("_"), None)
        layer = None if rule is None else rule(func, *args, **kwargs)
        if layer is not None:
            return self._write(layer) if isinstance(layer, Layer) else layer

        inputs = list({id(x): x for x in given if self.follows(x)}.values())
        structure: list[Any] = []

        def call(*values: Tensor) -> list:
            # Copies, for the operation may be one in place.
            new = {id(x): value.clone() for x, value in zip(inputs, values, strict=True)}
            new_args, new_kwargs = tree_unflatten([new.get(id(x), x) for x in given], shape)
            results, form = tree_flatten(func(*new_args, **new_kwargs))
            structure.append(form)
            return results

        results = [self._write(x) if isinstance(x, Layer) else x for x in self.differentiated(call, inputs)]
        return tree_unflatten(results, structure[0])

    def on_pad(
        self, func: Callable, input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
    ) -> Layer | None:
        """Filling up with a constant: what was filled up is cut off."""
        if mode != "constant" or len(pad) != 4 or min(pad) < 0:
            return None
        left, right, top, bottom = pad
        filled = func(input, pad, mode, value)
        self._filled[id(filled)] = input, (top, left)

        def back(flow: Flow, cells: Cells) -> Iterable[Flow]:
            whole = flow.factor is not None and flow.factor.shape[2:] == flow.values.shape[2:]
            flow = flow if whole else Flow(flow.product(cells))
            rows, columns = slice(top, flow.values.shape[2] - bottom), slice(left, flow.values.shape[3] - right)
            factor = None if flow.factor is None else flow.factor[..., rows, columns]
            yield Flow(flow.values[..., rows, columns], factor)

        return Layer(filled, (input,), back)

    def on_conv2d(
        self, func: Callable, input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Layer | None:
        """The chain rule for a convolution."""
        convolution = Convolution.of(weight, *args, **kwargs)
        if convolution is None:
            return None

        value, (source, corner) = func(input, weight, bias, *args, **kwargs), self.unfilled(input, convolution)

        def back(flow: Flow, cells: Cells) -> Iterable[Flow]:
            # Where windows reach beyond the grid, nothing goes on.
            inside = None if cells.all else value.new_ones(1, 1, *source.shape[2:])
            yield Flow(convolution.transposed(flow.product(cells), source.shape[2:], cells, corner), inside, alone=True)

        return Layer(value, (source,), back, convolution.spread)

    def on_batch_norm(
        self,
        func: Callable,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Layer | None:
        """A factor for every channel, see `scaled`."""
        if running_var is None or training:
            return None
        scale = (running_var + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        return self.scaled(input, func(input, running_mean, running_var, weight, bias, training, momentum, eps), scale)

    def scaled(self, input: Tensor, value: Tensor, scale: Tensor) -> Layer:
        """Batch norm from `input` to `value`, which multiplies channels by `scale`, (C,)."""
        return Layer(value, (input,), lambda flow, _: (flow.times(scale.view(1, -1, 1, 1)),), dilation=0)

    def on_relu(self, func: Callable, input: Tensor, inplace: bool = False) -> Layer:
        """A factor of 0 or 1."""
        return Layer(func(input), (input,), lambda flow, _: (flow.times((input > 0).to(input.dtype)),), dilation=0)

    def on_relu6(self, func: Callable, input: Tensor, inplace: bool = False) -> Layer:
        """A factor of 0 or 1."""
        passes = ((input > 0) & (input < 6)).to(input.dtype)
        return Layer(func(input), (input,), lambda flow, _: (flow.times(passes),), dilation=0)

    def on_add(self, func: Callable, input: Any, other: Any, **kwargs: Any) -> Layer | None:
        """The same to both sides."""
        if kwargs or not (self.follows(input) and self.follows(other)) or input.shape != other.shape:
            return None

        def back(flow: Flow, _: Cells) -> Iterable[Flow]:
            shared = replace(flow, alone=False)
            return shared, shared

        return Layer(input + other, (input, other), back, dilation=0)

    on_iadd = on_radd = on_add

    def unfilled(self, input: Tensor, convolution: Convolution) -> tuple[Tensor, tuple[int, int]]:
        """A convolution's input before it was filled up, and where in the filled one it begins: both in one pass."""
        return self._filled.get(id(input), (input, (0, 0))) if convolution.by_remainder else (input, (0, 0))

    def follows(self, x: object) -> bool:
        """Whether gradients reach this tensor."""
        return isinstance(x, Tensor) and id(x) in self._known

    def differentiated(self, call: Callable[..., list], inputs: Sequence[Tensor]) -> list:
        """The results of a call, those that depend on the inputs as layers with autograd's gradient."""
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in inputs]
            results = call(*leaves)

        def layer(result: Tensor) -> Layer:
            def back(flow: Flow, cells: Cells) -> Iterable[Flow | None]:
                product = flow.product(cells)
                place = torch.arange(len(product), device=product.device), cells.photos
                grad_outputs = product.new_zeros(len(product), *result.shape)
                grad_outputs[place] = product
                grads = torch.autograd.grad(
                    result, leaves, grad_outputs, retain_graph=True, is_grads_batched=True, allow_unused=True
                )
                return [None if grad is None else Flow(grad[place]) for grad in grads]

            return Layer(result.detach(), tuple(inputs), back)

        return [layer(x) if isinstance(x, Tensor) and x.requires_grad else x for x in results]

    def _write(self, layer: Layer) -> Tensor:
        """Layers hold their tensors, so that no other can have the same id."""
        self._layers.append(layer)
        self._known.add(id(layer.value))
        return layer.value

    def back(
        self,
        output: Tensor,
        photos: Tensor,
        places: tuple[Tensor, Tensor, Tensor],
        chunk: int,
        reduce: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Gradients of single values of `output`, or of several of one cell, by the source.

        Args:
            output: (B, C, H, W) made inside the context.
            photos: (K,) index of the photo.
            places: (K,) channel, row and column of each value; or (K, C) weights of all channels of a cell.
            chunk: how many gradients to carry at once where they cover all cells; `WINDOWS` times as many before.
            reduce: what to make of each chunk's (k, C, H, W), of the source's shape.

        Returns:
            (K, ...), what `reduce` made.
        """
        channels, rows, columns = places
        near, far, step = self._path(output)
        seeds = channels
        if channels.ndim == 1:
            seeds = torch.eye(output.shape[1], device=output.device, dtype=output.dtype)[channels]
        found = []
        for many in _slices(len(photos), WINDOWS * chunk):
            cells = Cells(photos[many], rows[many], columns[many], (output.shape[2], output.shape[3]), step)
            flows, cells = _through(near, {id(output): Flow(seeds[many, :, None, None])}, cells)
            products = {key: flow.product(cells) for key, flow in flows.items()}
            for some in _slices(len(cells.photos), chunk):
                own = replace(cells, photos=cells.photos[some], rows=cells.rows[some], columns=cells.columns[some])
                parts = {key: Flow(values[some]) for key, values in products.items()}
                parts, own = _moved(parts, own, replace(own, step=1, whole=True))
                parts, own = _through(far, parts, own)
                source = parts.get(id(self._source))
                empty = self._source.new_zeros(len(own.photos), *self._source.shape[1:])
                found.append(reduce(empty if source is None else source.product(own)))
        return torch.cat(found)

    def _path(self, output: Tensor) -> tuple[list[Layer], list[Layer], int]:
        """Layers between output and source, those first that stay on every n-th cell; then the others; and n."""
        reached, path = {id(output)}, []
        for layer in reversed(self._layers):
            if id(layer.value) in reached:
                path.append(layer)
                reached.update(map(id, layer.inputs))
        step = 0
        for i, layer in enumerate(path):
            common = math.gcd(step, layer.dilation or 0)
            if layer.dilation is None or (step and common == 1):
                return path[:i], path[i:], max(step, 1)
            step = common
        return path, [], max(step, 1)


def _slices(count: int, size: int) -> Iterable[slice]:
    """Slices of 0..count-1, so many in each."""
    return (slice(start, start + size) for start in range(0, count, size))


def _through(path: list[Layer], flows: Flows, cells: Cells) -> tuple[Flows, Cells]:
    """Gradients at the end of some layers to those at their beginning."""
    for layer in path:
        flow = flows.pop(id(layer.value), None)
        parts = () if flow is None else zip(layer.inputs, layer.back(flow, cells), strict=True)
        for x, part in parts:
            if part is not None:
                before = flows.get(id(x))
                flows[id(x)] = part if before is None else before.plus(part, cells)
        if not cells.whole and any(cells.fills(flow.values) for flow in flows.values()):
            flows, cells = _moved(flows, cells, replace(cells, whole=True))
    return flows, cells


def _moved(flows: Flows, cells: Cells, target: Cells) -> tuple[Flows, Cells]:
    """Gradients to the cells of a target that covers the whole grid."""
    return {key: Flow(cells.moved(flow.product(cells), target)) for key, flow in flows.items()}, target
