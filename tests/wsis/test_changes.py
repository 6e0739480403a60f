"""What steps gain and lose, counted by hand, and when a map has settled."""

from __future__ import annotations

import numpy as np
import pytest

from wsis import changes


def test_gained_and_lost_are_shares_of_the_photo():
    binary = np.zeros((3, 4, 5), bool)
    binary[0, 0, :3] = True
    binary[1, 0, 1:] = True  # one lost, two gained
    binary[2] = binary[1]
    np.testing.assert_allclose(changes.shares(binary), [[2 / 20, 1 / 20], [0, 0]])
    assert changes.shares(binary[:1]).shape == (0, 2)


@pytest.mark.parametrize(
    ("moved", "settled"),
    [([0.4, 0.01, 0.0], 2), ([0.4, 0.0, 0.0], 1), ([0.0, 0.0], 0), ([0.4, 0.0, 0.2], None), ([0.4], None), ([], None)],
)
def test_a_map_has_settled_where_no_later_step_moves_a_thousandth(moved, settled):
    changed = np.stack([moved, np.full(len(moved), 0.0005)], axis=1)
    assert changes.settled(changed) == settled
