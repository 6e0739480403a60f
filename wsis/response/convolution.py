"""A convolution whose transpose, for a batch of gradients, is as fast as itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wsis.response.flow import Cells


@dataclass(frozen=True)
class Convolution:
    """A convolution without its bias, and its transpose.

    Attributes:
        weight: (O, I / groups, h, w).
        stride, padding, dilation: of rows and columns.
        groups: how many.
    """

    weight: Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    @classmethod
    def of(
        cls, weight: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Convolution | None:
        """From the arguments of `torch.nn.functional.conv2d`; None for a padding that is not alike on both sides."""
        stride, dilation = _pair(stride), _pair(dilation)
        if isinstance(padding, str):
            reach = [d * (n - 1) if padding == "same" else 0 for d, n in zip(dilation, weight.shape[2:], strict=True)]
            if any(r % 2 for r in reach):
                return None
            padding = [r // 2 for r in reach]
        return cls(weight.detach(), stride, _pair(padding), dilation, groups)

    def positive(self, scale: Tensor | None = None) -> Convolution:
        """With those weights only that add to its results, which are multiplied by (O,) after it.

        Weights keep their size: shares of a result, which is all that they are for here, do not change with its scale.
        """
        weight = self.weight
        if scale is not None and (scale <= 0).any():
            weight = weight * scale.sign().view(-1, 1, 1, 1)
        return replace(self, weight=weight.clamp(min=0))

    @property
    def spread(self) -> int | None:
        """The n of which gradients on every n-th cell stay there, as they do for each divisor of n.

        0 for a kernel of one cell, which leaves them where they are, whatever n; None where the kernel is not centred
        or the grid changes.
        """
        kernel = self.weight.shape[2:]
        sides = zip(self.padding, self.dilation, kernel, strict=True)
        if self.stride != (1, 1) or any(n % 2 == 0 or 2 * p != d * (n - 1) for p, d, n in sides):
            return None
        return math.gcd(*(d for d, n in zip(self.dilation, kernel, strict=True) if n > 1))

    def __call__(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, h, w)."""
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)

    @cached_property
    def _turned(self) -> Tensor:
        """(I, O / groups, h, w), the kernel turned round.

        Without a stride, convolving with it is the transpose, and several times faster than the library's own.
        """
        turned = self.weight.unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 1)
        turned = turned if turned.shape[2:] == (1, 1) else turned.flip(2, 3)
        return turned.contiguous(memory_format=torch.channels_last)

    @property
    def by_remainder(self) -> bool:
        """Whether the transpose is made of a convolution for every remainder of rows and columns by the stride."""
        fits = self.dilation == (1, 1) and min(self.weight.shape[2:]) >= max(self.stride)
        return self.stride != (1, 1) and self.groups > 1 and fits

    def transposed(self, grads: Tensor, size: torch.Size, cells: Cells, corner: tuple[int, int] = (0, 0)) -> Tensor:
        """Gradients of the result, (K, O, h, w), to those of an input of `size`.

        Args:
            grads: at `cells`.
            size: of the input; the same as the result's where `cells` are not all.
            cells: all cells, or some that the dilation keeps.
            corner: cells above and left that the input was filled up with before, for a transpose `by_remainder`.

        Returns:
            (K, I, *size), (K, I, h, w) at cells of the whole grid, or a window that is larger by the kernel's reach.
        """
        kernel = self.weight.shape[2:]
        # A kernel of one cell may have a dilation below the step.
        dilation = tuple(max(1, d // cells.step) for d in self.dilation)
        padding = tuple(p // cells.step + more for p, more in zip(self.padding, corner, strict=True))
        reach = [d * (n - 1) for d, n in zip(dilation, kernel, strict=True)]
        sides = list(zip(size, grads.shape[2:], self.stride, padding, reach, strict=True))
        around = [r - p if cells.whole else r for *_, p, r in sides]
        if not self.by_remainder and (self.stride != (1, 1) or min(around) < 0):
            missing = [side - ((n - 1) * s - 2 * p + r + 1) for side, n, s, p, r in sides]
            return F.conv_transpose2d(grads, self.weight, None, self.stride, padding, missing, self.groups, dilation)
        turned = self._turned
        if not self.by_remainder:
            return F.conv2d(grads, turned, None, 1, around, dilation, self.groups)
        result = grads.new_empty(len(grads), *size, turned.shape[1] * self.groups).permute(0, 3, 1, 2)
        for vertical, horizontal in itertools.product(*(_remainders(*side) for side in sides)):
            (rows, own_rows, top), (columns, own_columns, left) = vertical, horizontal
            part = F.conv2d(grads, turned[..., own_rows, own_columns], None, 1, (top[0], left[0]), 1, self.groups)
            result[..., rows, columns] = part[..., top[1], left[1]]
        return result


def _remainders(
    size: int, count: int, stride: int, padding: int, reach: int
) -> Iterable[tuple[slice, slice, tuple[int, slice]]]:
    """How every stride-th cell of a convolution's input, from each remainder on, reads the results.

    Args:
        size: of the input.
        count: of results.
        stride: of the convolution.
        padding: of the convolution.
        reach: size of its kernel, less 1.

    Returns:
        The cells, which weights of the kernel (turned round) they have, and the padding at which a convolution of the
        results with these gives them, with the part of it that they are.
    """
    for remainder in range(min(stride, size)):
        first = (reach - padding - remainder) % stride
        cells, weights = slice(remainder, size, stride), slice(first, reach + 1, stride)
        wanted, taps = len(range(size)[cells]), len(range(reach + 1)[weights])
        if taps:
            before = (reach - padding - remainder - first) // stride
            around = max(0, before, wanted + taps - 1 - count - before)
            yield cells, weights, (around, slice(around - before, around - before + wanted))


def _pair(sides: int | Sequence[int]) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else (sides[0], sides[-1])
