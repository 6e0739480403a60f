"""Objectness: what the network is told about a proposal, against plain loops, and what it does with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from wsis.proposals import ProposalSet
from wsis.proposals.objectness import (
    SHAPE_FIGURES,
    ObjectnessNet,
    _bilinear,
    inputs,
    predict,
    region_means,
    shape_figures,
)


@pytest.fixture
def proposals(rng: np.random.Generator) -> ProposalSet:
    """30 unions of 8 regions, each region in one piece."""
    seeds = rng.integers(0, 40, (8, 2))
    y, x = np.mgrid[:36, :44]
    labels = ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    membership = rng.random((30, labels.max() + 1)) < 0.4
    membership[:, 0] |= ~membership.any(1)
    return ProposalSet(labels, membership, np.linspace(1, 0, 30, dtype=np.float32), "generated")


def test_region_means_are_means_of_the_enlarged_map(proposals, rng):
    features = rng.random((3, 5, 6), np.float32)
    large = np.stack([cv2.resize(f, (44, 36), interpolation=cv2.INTER_LINEAR) for f in features])
    found = region_means(features, proposals.labels, 10)
    for region in range(proposals.labels.max() + 1):
        own = large[:, proposals.labels == region].mean(1)
        np.testing.assert_allclose(found[region], own, atol=2e-3)  # OpenCV's weights are rounded
    assert not found[proposals.labels.max() + 1 :].any()


def test_shape_figures_against_a_walk_over_pixels(proposals, rng):
    contours = rng.random((36, 44), np.float32)
    found = shape_figures(proposals, contours)
    assert found.shape == (30, SHAPE_FIGURES)
    assert found.dtype == np.float32
    for mask, own, row in zip(proposals.masks(range(30)), found, proposals.membership, strict=True):
        area = mask.sum()
        outer, inner = [], []
        for (a, b), (c, d) in (
            ((mask[1:], mask[:-1]), (contours[1:], contours[:-1])),
            ((mask[:, 1:], mask[:, :-1]), (contours[:, 1:], contours[:, :-1])),
        ):
            outer += ((c + d) / 2)[a != b].tolist()
        labels = proposals.labels
        for a, b, c, d in (
            (labels[1:], labels[:-1], contours[1:], contours[:-1]),
            (labels[:, 1:], labels[:, :-1], contours[:, 1:], contours[:, :-1]),
        ):
            inner += ((c + d) / 2)[(a != b) & row[a] & row[b]].tolist()
        edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).sum()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        tall, wide = (rows[-1] + 1 - rows[0]) / 36, (columns[-1] + 1 - columns[0]) / 44
        expected = [
            np.log(area / mask.size + 1e-6) / 3,
            np.sqrt(area / mask.size),
            len(outer) / np.sqrt(area + 1) / 8,
            np.sum(outer) / max(len(outer), 1),
            edge / max(len(outer) + edge, 1),
            np.sum(inner) / max(len(inner), 1),
            contours[mask].mean(),
            tall,
            wide,
            np.log((tall + 1e-3) / (wide + 1e-3)),
            area / (tall * 36 * wide * 44),
            (rows[0] + rows[-1] + 1) / 72,
            (columns[0] + columns[-1] + 1) / 88,
        ]
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_the_network_sees_inside_around_and_the_whole(proposals, rng):
    torch.manual_seed(0)
    net = ObjectnessNet(channels=(2,), widths=(2,), hidden=8).eval()
    contours, features = rng.random((36, 44), np.float32), [rng.random((2, 4, 5), np.float32)]
    before = predict(net, features, proposals, contours)
    assert before.shape == (30,)
    assert before.dtype == np.float32
    assert before.min() >= 0
    assert before.max() <= 1
    means, areas, members, touching, shape = inputs(features, proposals, contours)
    assert (touching == touching.T).all()
    assert not touching.diagonal().any()
    own = means[0] @ net.project[0].weight.numpy(force=True).T + net.project[0].bias.numpy(force=True)
    k = 3
    ring = (members[k] @ touching > 0) & ~proposals.membership[k]
    parts = [np.average(own, 0, weights=areas * one) for one in (members[k], ring, np.ones(len(areas)))]
    expected = net.score(
        torch.tensor(np.concatenate([parts[0], parts[1] - parts[0], parts[2], shape[k]])[None], dtype=torch.float32)
    )
    assert before[k] == pytest.approx(float(torch.sigmoid(expected)[0, 0].detach()), abs=1e-4)


def test_a_proposal_of_everything_and_one_region_of_no_pixels(rng):
    labels = np.zeros((8, 8), np.int32)
    proposals = ProposalSet(labels, np.ones((1, 2), bool), np.ones(1, np.float32), "all")
    net = ObjectnessNet(channels=(1,), widths=(1,), hidden=4).eval()
    found = predict(net, [rng.random((1, 2, 2), np.float32)], proposals, np.zeros((8, 8), np.float32))
    assert np.isfinite(found).all()


def test_pixels_beyond_the_last_cell_read_it() -> None:
    for pixels, cells in ((10, 3), (3, 10), (7, 7), (1, 1)):
        (before, left), (after, right) = _bilinear(pixels, cells)
        assert (before.min() >= 0 and max(before.max(), after.max()) == cells - 1) or pixels < cells
        np.testing.assert_allclose(left + right, 1, rtol=1e-6)
        assert left.min() >= 0
        assert right.min() >= 0
        ramp = np.arange(cells, dtype=np.float64)
        expected = np.clip((np.arange(pixels) + 0.5) / pixels * cells - 0.5, 0, cells - 1)
        np.testing.assert_allclose(ramp[before] * left + ramp[after] * right, expected, atol=1e-6)


def test_the_network_has_two_hidden_layers_with_rectifiers() -> None:
    kinds = [type(layer).__name__ for layer in ObjectnessNet().score]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
