"""Holding a grown map back where superpixels or another class disagree."""

from __future__ import annotations

import numpy as np
import pytest

from wsis.agreement import agreed, class_share


def test_shares_are_a_softmax_over_the_classes_not_the_peaks():
    logits = np.array([[[2.0, 0.0]], [[2.0, 0.0]], [[0.0, 1.0]]], np.float32)  # two peaks of class 7, one of class 3
    share = class_share(logits, np.array([7, 7, 3]))
    expected = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    np.testing.assert_allclose(share[0, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(share[0], share[1])
    np.testing.assert_allclose(share[0] + share[2], 1, rtol=1e-6)


def test_one_class_has_every_pixel():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32) * 40
    np.testing.assert_array_equal(class_share(logits, np.array([1, 1, 1])), 1)


def test_shares_survive_large_logits():
    share = class_share(np.array([[[500.0]], [[-500.0]]], np.float32), np.array([0, 1]))
    np.testing.assert_array_equal(share.ravel(), [1, 0])


def test_what_all_agree_on_stays():
    grown = np.array([[[[1.0, 1.0, 1.0, 0.0]]]], np.float32)
    spread = np.array([[[1.0, 0.25, 1.0, 1.0]]], np.float32)
    share = np.array([[[1.0, 1.0, 0.25, 1.0]]], np.float32)
    np.testing.assert_allclose(agreed(grown, share, spread)[0, 0, 0], [1, 0.5, 0.5, 0])
    np.testing.assert_allclose(agreed(grown, share)[0, 0, 0], [1, 1, 0.5, 0])


def test_every_map_fills_its_range_and_a_constant_one_becomes_nothing():
    rng = np.random.default_rng(1)
    grown = rng.random((2, 3, 6, 7)).astype(np.float32)
    grown[1, 2] = 0
    found = agreed(grown, np.ones((3, 6, 7), np.float32), rng.random((3, 6, 7)).astype(np.float32))
    assert found.dtype == np.float32
    assert not found[1, 2].any()
    assert found[0].min((1, 2)) == pytest.approx(0)
    assert found[0].max((1, 2)) == pytest.approx(1)


def test_no_peaks_no_maps():
    none = np.zeros((0, 4, 5), np.float32)
    assert class_share(none, np.zeros(0, int)).shape == none.shape
    assert agreed(np.zeros((3, 0, 4, 5), np.float32), none, none).shape == (3, 0, 4, 5)
