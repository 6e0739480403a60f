"""All figures over two of the weights of Eq. 5, and the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wsis.errors import WsisError
from wsis.matching import PUBLISHED, Weights
from wsis.tuning.set_figures import FIGURES, Records

VALUES = np.linspace(0, 1.5, 16).round(2)
"""Of a weight, in a grid."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Figures over two weights.

    Attributes:
        axes: the weights that vary, e.g. ("alpha", "gamma").
        values: X values of the first and Y values of the second.
        base: where the third weight comes from.
        step: which map was matched.
        reading: of Eq. 5.
        figures: (Y, X, 5) float64, the `FIGURES`.
    """

    axes: tuple[str, str]
    values: tuple[np.ndarray, np.ndarray]
    base: Weights
    step: int
    reading: str
    figures: np.ndarray

    def weights(self, row: int, column: int) -> Weights:
        """The weights of a cell."""
        first, second = (float(values[i]) for values, i in zip(self.values, (column, row), strict=True))
        return replace(self.base, **{self.axes[0]: first, self.axes[1]: second})

    def order(self, figure: str) -> list[tuple[int, int]]:
        """(row, column) of all cells, best first; of equal ones those with the better neighbours, then the lower."""
        plane = self.figures[..., FIGURES.index(figure)]
        padded = np.pad(plane, 1, constant_values=plane.min())
        width = plane.shape[1]
        around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum((2, 3))
        order = np.lexsort((-np.round(around, 9).ravel(), -np.round(plane, 9).ravel()))
        return [(int(i) // width, int(i) % width) for i in order]


def grid(
    records: Records,
    axes: tuple[str, str] = ("alpha", "gamma"),
    base: Weights = PUBLISHED,
    step: int = 3,
    reading: str = "cover",
    values: tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray] = (VALUES, VALUES),
    progress: Callable[[float], None] | None = None,
) -> Grid:
    """All figures at every point of a grid over two of the weights.

    Weights that pick the same proposals share their figures, so most of the grid is free.

    Args:
        records: at least one.
        axes: two of `alpha`, `beta`, `gamma`.
        base: the third weight.
        step: which map is matched.
        reading: of Eq. 5.
        values: of the first and of the second axis, at least 0.
        progress: called with the share done, in (0, 1]; what it raises ends the search.
    """
    xs, ys = (np.asarray(axis, np.float64) for axis in values)
    if len(set(axes)) != 2 or not set(axes) <= {"alpha", "beta", "gamma"}:
        raise WsisError(f"A grid needs two different weights of alpha, beta and gamma, got {' and '.join(axes)}.")
    known: dict[bytes, tuple[float, ...]] = {}
    result = np.zeros((len(ys), len(xs), len(FIGURES)))
    empty = Grid(axes, (xs, ys), base, step, reading, result)
    for row in range(len(ys)):
        for column in range(len(xs)):
            picks = records.picks(empty.weights(row, column), step, reading)
            key = picks.tobytes()
            if key not in known:
                known[key] = records.at(picks, step, reading).values()
            result[row, column] = known[key]
        if progress:
            progress((row + 1) / len(ys))
    return empty


def best(found: Grid, figure: str = "map50") -> tuple[Weights, float]:
    """The weights with the highest figure, see `Grid.order`, and the figure."""
    row, column = found.order(figure)[0]
    return found.weights(row, column), float(found.figures[row, column, FIGURES.index(figure)])
