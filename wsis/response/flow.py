"""Where gradients of many peaks live, and the gradients themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Cells:
    """Which cells of a grid K gradients cover, each on its own photo and from its own peak.

    A gradient is nothing but its peak at first; every layer spreads it by its kernel, and dilated ones leave cells out.
    So there is a window around the peak, of every `step`-th row and column, until that is as large as the grid; then
    every `step`-th cell of the whole grid; then all.

    Attributes:
        photos: (K,) index of the photo.
        rows, columns: (K,) the peak.
        size: (H, W) of the grid.
        step: every how many rows and columns.
        whole: the grid instead of a window.
    """

    photos: Tensor
    rows: Tensor
    columns: Tensor
    size: tuple[int, int]
    step: int
    whole: bool = False

    @property
    def all(self) -> bool:
        """Whether these are all cells of the grid."""
        return self.whole and self.step == 1

    @property
    def most(self) -> tuple[int, int]:
        """How many rows and columns cover the whole grid."""
        return -(-self.size[0] // self.step), -(-self.size[1] // self.step)

    def fills(self, values: Tensor) -> bool:
        """Whether a window is as large as the grid: then it saves nothing."""
        return values.shape[2] >= self.most[0] or values.shape[3] >= self.most[1]

    def of(self, x: Tensor, window: torch.Size) -> Tensor:
        """What (B, C, H, W) holds there, 0 outside the grid; (K, C, *window), or (1, C, H, W) for all peaks alike."""
        if x.shape[2:] == (1, 1) or self.all:
            return x if len(x) == 1 else x[self.photos]
        rows, columns = self._covered(window)
        here = rows.clamp(0, self.size[0] - 1)[:, :, None], columns.clamp(0, self.size[1] - 1)[:, None]
        photos = self.photos if len(x) > 1 else torch.zeros_like(self.photos)
        found = x.permute(0, 2, 3, 1)[photos[:, None, None], *here].permute(0, 3, 1, 2)
        if self.whole and self.size[0] % self.step == self.size[1] % self.step == 0:
            return found
        return found.mul_(((rows < self.size[0]) & (rows >= 0))[:, None, :, None]).mul_(
            ((columns < self.size[1]) & (columns >= 0))[:, None, None]
        )

    def moved(self, values: Tensor, target: Cells) -> Tensor:
        """(K, C, h, w) from here to the cells of a target that covers the whole grid, 0 where there was nothing."""
        places = []
        sides = zip(self._covered(values.shape[2:]), (self.rows, self.columns), self.size, target.most, strict=True)
        for at, peak, side, most in sides:
            own = (at - peak[:, None] % target.step) // target.step
            places.append(torch.where((at >= 0) & (at < side), own, most))  # what lies outside goes to a cell more
        height, width = target.most
        grid = values.new_zeros(len(values), height + 1, width + 1, values.shape[1])
        each = torch.arange(len(values), device=values.device)[:, None, None]
        grid[each, places[0][:, :, None], places[1][:, None]] = values.permute(0, 2, 3, 1)
        return grid[:, :height, :width].permute(0, 3, 1, 2)

    def _covered(self, window: torch.Size) -> tuple[Tensor, Tensor]:
        """(K, h) rows and (K, w) columns, some of them outside the grid."""
        rows, columns = (
            (peak % self.step if self.whole else peak - self.step * (n // 2))[:, None]
            + self.step * torch.arange(n, device=peak.device)
            for peak, n in zip((self.rows, self.columns), window, strict=True)
        )
        return rows, columns


@dataclass(frozen=True)
class Flow:
    """K gradients of one tensor: `values`, times `factor` of their photo.

    The factor is kept apart, for it is the same for all peaks: factors of neighbouring layers are multiplied once, not
    K times.

    Attributes:
        values: (K, C, h, w).
        factor: (B, C or 1, H or 1, W or 1); None for 1.
        alone: whether nobody else holds `values`, so that they may be overwritten.
    """

    values: Tensor
    factor: Tensor | None = None
    alone: bool = False

    def times(self, factor: Tensor) -> Flow:
        """All gradients multiplied by a factor of their photo, (B, C or 1, H or 1, W or 1)."""
        return replace(self, factor=factor if self.factor is None else self.factor * factor)

    def product(self, cells: Cells) -> Tensor:
        """(K, C, h, w) values times factor. A flow is used up by this."""
        if self.factor is None:
            return self.values
        factor = cells.of(self.factor, self.values.shape[2:])
        return self.values.mul_(factor) if self.alone else self.values * factor

    def plus(self, other: Flow, cells: Cells) -> Flow:
        """The sum of two flows, which may be windows of different sizes around the same peaks. Both are used up."""
        small, large = sorted((self, other), key=lambda flow: (flow.values.shape[2], flow.alone))
        addend = small.product(cells)
        if small.values.shape != large.values.shape:
            height, width = ((large.values.shape[i] - addend.shape[i]) // 2 for i in (2, 3))
            addend = F.pad(addend, (width, width, height, height))
        total = large.product(cells)
        return Flow(total.add_(addend), alone=True) if large.alone else Flow(total + addend)
