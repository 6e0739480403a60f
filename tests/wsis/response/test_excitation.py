"""How excitation splits what it hands down, rule by rule; whole networks are in test_response.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wsis.response.convolution import Convolution
from wsis.response.excitation import Excitation


def handed_down(network, source: Tensor) -> tuple[Tensor, Tensor]:
    """The network's output, and what a probability of 1 at its middle cell comes to at the source."""
    with torch.no_grad(), Excitation(source) as tape:
        output = network(source)
    row, column = output.shape[2] // 2, output.shape[3] // 2
    places = tuple(torch.tensor([i]) for i in (0, row, column))
    with torch.no_grad():
        return output, tape.back(output, torch.tensor([0]), places, 1, torch.clone)[0]


def test_a_sum_with_a_factor_is_computed_with_it():
    source, weight = torch.rand(1, 2, 5, 5), torch.rand(2, 2, 3, 3)

    def network(x: Tensor) -> Tensor:
        return torch.add(F.relu(F.conv2d(x, weight, padding=1)), F.relu(x), alpha=3)

    output, _ = handed_down(network, source)
    torch.testing.assert_close(output, network(source))


def test_what_is_added_from_elsewhere_takes_no_share():
    source, weight = torch.rand(1, 2, 5, 5), torch.rand(2, 2, 3, 3)
    _, alone = handed_down(lambda x: F.relu(F.conv2d(x, weight, padding=1)), source)
    _, beside = handed_down(lambda x: F.relu(F.conv2d(x, weight, padding=1)) + torch.full((1, 2, 5, 5), 7.0), source)
    torch.testing.assert_close(alone.sum(), torch.tensor(1.0))
    torch.testing.assert_close(beside, alone)


def test_two_sides_share_by_what_they_add():
    source = torch.rand(1, 1, 5, 5)
    _, found = handed_down(lambda x: F.relu(x) + F.max_pool2d(x, 1), source)
    assert found[0, 2, 2] == found.sum() == 1


def test_a_channel_that_is_scaled_to_nothing_adds_nothing():
    layer = Convolution.of(torch.tensor([1.0, -2.0, 3.0]).view(3, 1, 1, 1))
    assert layer.positive().weight.flatten().tolist() == [1, 0, 3]
    assert layer.positive(torch.tensor([1.0, -1.0, 0.0])).weight.flatten().tolist() == [1, 2, 0]
    assert layer.positive(torch.tensor([1.0, 1.0, 0.0])).weight.flatten().tolist() == [1, 0, 0]
