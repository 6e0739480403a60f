"""The references give what `wsis` gives: a ratio between them compares equals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from benchmarks import reference
from tests.helpers.small_analysis import small_analysis
from wsis import icn, matching, voc
from wsis.classifier import Classifier
from wsis.peaks import Peaks
from wsis.proposals import from_masks
from wsis.response import respond

SMALL = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Untrained, but with the batch norm of a trained network: scales of both signs, means away from 0."""
    torch.manual_seed(0)
    net = Classifier(SMALL, voc.CLASSES).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.3)
            torch.nn.init.normal_(module.bias, 0.5, 0.5)
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return net


def test_a_folded_network_is_the_same_network(classifier):
    image = torch.randn(1, 3, 96, 64)
    plain = reference.folded(classifier)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in plain.modules())
    with torch.no_grad():
        expected = classifier(image)
        torch.testing.assert_close(plain(image), expected, atol=1e-3 * expected.abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("stop", [0, 2])
def test_one_backward_a_peak_gives_the_same_responses(classifier, stop):
    image = torch.randn(1, 3, 96, 64)
    cells = np.array([(0, 0, 0), (7, 5, 3), (7, 2, 2)]).T
    peaks = Peaks(*cells, np.ones(3, np.float32), np.ones(3, np.float32), (1, 1))
    found = reference.peak_responses(reference.folded(classifier), image, peaks, stop)
    expected = respond(classifier, image, peaks, stop=stop)
    top = expected.max((1, 2), keepdims=True)
    assert (top > 0).all()
    np.testing.assert_allclose(found / top, expected / top, atol=1e-3)


@pytest.mark.parametrize("grid", [(48, 64), (6, 8)])
def test_one_map_at_a_time_gives_the_same_steps(rng, grid):
    net = icn.ICN(SMALL, width=8, size=64).eval()
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    maps, own = rng.random((3, *grid), np.float32), rng.random((3, 3, 4), np.float32)
    arguments = net, image, maps, own, rng.random((3, 2), np.float32), 3
    np.testing.assert_allclose(reference.enhance(*arguments), icn.enhance(*arguments), atol=1e-4)


def test_the_pair_loop_gives_the_same_terms():
    masks = np.zeros((3, 60, 80), bool)
    masks[0, 12:40, 16:60] = masks[1, 20:48, 10:38] = True
    masks[2, :, 36:] = True  # its contour is one straight line
    # Linear in both directions: over a straight contour a band of any width has the same mean.
    y, x = np.mgrid[:30, :40].astype(np.float32)
    maps = np.stack([1 + y / 30, 1 + x / 40])
    class_maps = maps[::-1] ** 2
    pairs = list(itertools.product(range(2), range(3)))
    found = reference.pair_terms(maps, class_maps, masks.astype(np.uint8), pairs)
    ours = matching.terms(maps, from_masks(masks).resized((30, 40)), "prm-2018", class_maps=class_maps)
    expected = np.stack([ours[k, n] for k, n in pairs])
    np.testing.assert_allclose(found[:, [0, 2]], expected[:, [0, 2]], rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], 4 / 5 * expected[:, 1], rtol=0.03)


def test_the_pair_loop_sees_an_analysis_as_it_is():
    analysis = small_analysis()
    maps, masks = analysis.maps[-1], analysis.proposals.masks(range(3)).astype(np.uint8)
    found = reference.pair_terms(maps, analysis.peak_class_maps, masks, [(1, 2), (0, 0)])
    ours = matching.terms(maps, analysis.proposals, "prm-2018", class_maps=analysis.peak_class_maps)
    np.testing.assert_allclose(found[:, [0, 2]], ours[[1, 0], [2, 0]][:, [0, 2]], rtol=1e-5, atol=1e-6)
