from __future__ import annotations

import numpy as np
import pytest

from wsis import matching, tuning
from wsis.errors import WsisError
from wsis.matching import Weights


def test_grid_holds_the_figures_of_its_weights(records):
    seen = []
    values = (np.linspace(0, 1.5, 4), np.linspace(0, 1, 3))
    grid = tuning.grid(records, ("alpha", "beta"), Weights(9, 9, 0.3), 2, "penalty", values, seen.append)
    assert grid.figures.shape == (3, 4, 5)
    assert seen[-1] == 1
    for row, column in ((0, 0), (2, 1), (1, 3)):
        weights = Weights(values[0][column], values[1][row], 0.3)
        assert grid.weights(row, column) == weights
        assert tuple(grid.figures[row, column]) == tuning.figures(records, weights, 2, "penalty").values()
    for i, name in enumerate(tuning.FIGURES):
        weights, value = tuning.best(grid, name)
        assert value == grid.figures[..., i].max() == getattr(tuning.figures(records, weights, 2, "penalty"), name)
    with pytest.raises(WsisError, match="two different"):
        tuning.grid(records, ("alpha", "alpha"))


def test_equal_cells_go_to_the_middle_of_their_plateau(records):
    plane = np.zeros((7, 7, 5))
    plane[1:6, 2:7] = 1
    grid = tuning.Grid(("alpha", "gamma"), (np.arange(7), np.arange(7)), matching.PUBLISHED, 3, "cover", plane)
    assert grid.order("abo")[0] == (2, 3)  # the first whose neighbours are all as good
    assert len(set(grid.order("abo"))) == 49
