"""Spreading against a dense solve written with loops, and what it should do to simple scenes."""

from __future__ import annotations

import numpy as np
import pytest

from wsis.errors import WsisError
from wsis.spread import spread


def grid_labels(cells: int, side: int) -> np.ndarray:
    y, x = np.mgrid[: cells * side, : cells * side] // side
    return (y * cells + x).astype(np.int32)


def dense(map_: np.ndarray, labels: np.ndarray, contours: np.ndarray, strength: float, edge: float) -> np.ndarray:
    """(R,) solution before normalisation."""
    count = labels.max() + 1
    lengths, walls = np.zeros((count, count)), np.zeros((count, count))
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < height and u < width and labels[y, x] != labels[v, u]:
                    i, j = labels[y, x], labels[v, u]
                    for a, b in ((i, j), (j, i)):
                        lengths[a, b] += 1
                        walls[a, b] += (contours[y, x] + contours[v, u]) / 2
    areas = np.bincount(labels.ravel(), minlength=count)
    link = np.exp(-edge * walls / np.maximum(lengths, 1)) * lengths / np.sqrt(areas.mean())
    laplacian = np.diag(link.sum(1)) - link
    own = np.diag(strength * areas / areas.mean())
    values = np.array([map_[labels == i].mean() for i in range(count)])
    return np.linalg.solve(laplacian + own, own @ values)


def test_equals_a_dense_solve():
    rng = np.random.default_rng(0)
    labels = np.kron(np.arange(20).reshape(4, 5), np.ones((6, 7))).astype(np.int32)
    labels[3:9, 3:15] = 20  # an odd region across others
    contours = rng.uniform(0, 0.2, labels.shape).astype(np.float32)
    maps = rng.uniform(size=(3, *labels.shape)).astype(np.float32)
    found = spread(maps, labels, contours, strength=0.05, edge=30)
    for one, map_ in zip(found, maps, strict=True):
        x = dense(map_, labels, contours, 0.05, 30)
        np.testing.assert_allclose(one, ((x - x.min()) / np.ptp(x))[labels], atol=1e-5)
    assert found.dtype == np.float32


def test_heat_fills_the_object_and_stops_at_its_contour():
    labels = grid_labels(6, 10)
    contours = np.zeros((60, 60), np.float32)
    contours[:, 29:31] = 1  # a wall between the left and the right half
    map_ = np.zeros((1, 60, 60), np.float32)
    map_[0, :10, :10] = 1
    found = spread(map_, labels, contours)[0]
    assert found[:, :30].min() > 0.2
    assert found[:, 30:].max() < 1e-4
    assert (spread(map_, labels, contours, edge=0)[0][:, 30:] > 0.01).any()


def test_strength_holds_the_map_back():
    labels = grid_labels(6, 10)
    map_ = np.zeros((1, 60, 60), np.float32)
    map_[0, :10, :10] = 1
    contours = np.zeros((60, 60), np.float32)
    loose, tight = (spread(map_, labels, contours, strength=s)[0, 15, 15] for s in (0.02, 5.0))
    assert tight < loose
    np.testing.assert_allclose(spread(map_, labels, contours, strength=1e9), map_, atol=1e-4)


def test_resolution_does_not_matter():
    labels, rng = grid_labels(4, 8), np.random.default_rng(1)
    values = rng.uniform(size=16).astype(np.float32)
    walls = np.full((32, 32), 0.05, np.float32)
    small = spread(values[labels][None], labels, walls)[0]
    double = np.kron(labels, np.ones((2, 2), np.int32)).astype(np.int32)
    large = spread(values[double][None], double, np.full((64, 64), 0.05, np.float32))[0]
    np.testing.assert_allclose(large[::2, ::2], small, atol=1e-5)


def test_odd_cases():
    labels, contours = grid_labels(3, 4), np.zeros((12, 12), np.float32)
    assert spread(np.zeros((0, 12, 12), np.float32), labels, contours).shape == (0, 12, 12)
    assert (spread(np.full((1, 12, 12), 0.7, np.float32), labels, contours) == 0).all()
    gap = np.where(labels == 4, 5, labels).astype(np.int32)  # region 4 has vanished
    map_ = np.random.default_rng(0).uniform(size=(1, 12, 12)).astype(np.float32)
    found = spread(map_, gap, contours)
    assert np.isfinite(found).all()
    assert (found.min(), found.max()) == (0, 1)
    assert (spread(map_, np.zeros((12, 12), np.int32), contours) == 0).all()


def test_wrong_arguments_are_refused():
    labels, contours = grid_labels(3, 4), np.zeros((12, 12), np.float32)
    with pytest.raises(ValueError, match="maps: expected"):
        spread(np.zeros((1, 4, 4), np.float32), labels, contours)
    with pytest.raises(ValueError, match="contours: expected"):
        spread(np.zeros((1, 12, 12), np.float32), labels, contours[:4])
    with pytest.raises(WsisError, match="strength above 0"):
        spread(np.zeros((1, 12, 12), np.float32), labels, contours, strength=0)


def test_the_defaults_are_those_that_figures_were_measured_with():
    rng = np.random.default_rng(0)
    maps, contours = rng.random((1, 24, 24), np.float32), rng.random((24, 24), np.float32)
    labels = grid_labels(6, 4)
    np.testing.assert_array_equal(
        spread(maps, labels, contours), spread(maps, labels, contours, strength=0.02, edge=40.0)
    )
