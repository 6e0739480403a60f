"""`wsis/folding.py`: a folded network says what it said before, without its batch normalisations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsis.backbone import TESTED, Backbone
from wsis.folding import fold, folded
from wsis.icn import ICN
from wsis.proposals.contours import ContourNet


def settled(network: nn.Module) -> nn.Module:
    """In evaluation mode, with statistics, factors and addends unlike those of a new network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", TESTED)
def test_a_folded_backbone_has_the_same_features(name):
    torch.manual_seed(0)
    before = settled(Backbone(name))
    after = folded(before)
    photo = torch.randn(2, 3, 96, 64)
    for expected, found in zip(before(photo), after(photo), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert norms(after) == 0
    assert norms(before) > 0 or name == "vgg16"  # the copy alone is folded


def test_folded_networks_of_ours_say_the_same():
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 64, 96)
    contours = settled(ContourNet(TESTED[0]))
    torch.testing.assert_close(folded(contours)(photo), contours(photo), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"fusion": False}, {"use_map": False}, {"join": "input"}])
def test_a_folded_icn_grows_the_same_maps(options):
    torch.manual_seed(0)
    icn, photo, hints = (
        settled(ICN(TESTED[0], width=8, **options)),
        torch.rand(1, 3, 64, 96),
        torch.rand(1, 3, 3, 16, 24),
    )
    after = folded(icn)
    torch.testing.assert_close(after(photo, hints), icn(photo, hints), rtol=1e-3, atol=1e-3)
    assert norms(after) == 0


def test_a_normalisation_that_follows_no_convolution_stays():
    net = settled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)))
    photo = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(folded(net)(photo), net(photo))
    assert norms(folded(net)) == 2


def test_a_network_in_training_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        fold(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
