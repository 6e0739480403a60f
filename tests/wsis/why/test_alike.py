"""Which cells are alike."""

from __future__ import annotations

import numpy as np
import pytest

from wsis import checkpoints
from wsis.why import alike


@pytest.fixture
def cells(rng):
    return rng.random((16, 3, 4), np.float32)


def test_a_cell_is_most_like_itself(cells):
    found = alike.similarity(cells, cells)
    assert found.shape == (12, 12)
    np.testing.assert_array_equal(np.diag(found), 1)
    assert found.max() <= 1
    assert found.min() >= -1
    np.testing.assert_allclose(found, found.T, atol=1e-6)


def test_the_same_cell_of_another_photo_is_found(cells, rng):
    other = rng.random((16, 2, 5), np.float32)
    other[:, 1, 3] = cells[:, 2, 1]
    found = alike.similarity(cells, other)
    assert found.shape == (12, 10)
    assert found[2 * 4 + 1, 1 * 5 + 3] == pytest.approx(1)
    assert found[2 * 4 + 1].argmax() == 1 * 5 + 3


def test_what_all_cells_have_in_common_does_not_count(cells):
    np.testing.assert_allclose(alike.similarity(cells, cells), alike.similarity(cells + 9, cells + 9), atol=1e-3)


def test_cells_that_nothing_sets_apart_are_like_themselves_alone():
    same = np.ones((4, 2, 2), np.float32)
    np.testing.assert_array_equal(alike.similarity(same, same), np.eye(4))


def test_features_are_on_the_grid_of_the_class_maps(tiny_checkpoint, photo):
    classifier = checkpoints.load(tiny_checkpoint).classifier
    found = alike.features(classifier, photo)
    assert found.shape[0] == classifier.backbone.channels[-1]
    assert found.shape[1:] == classifier.class_maps(photo).maps.shape[1:]
