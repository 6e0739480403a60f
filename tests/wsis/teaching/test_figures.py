"""Figures of held-out photos."""

from __future__ import annotations

import numpy as np
import pytest

from wsis.teaching import figures


def test_of_a_class():
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.05, 0.99])
    target = np.array([1, 1, 0, 1, 0, 0])
    weight = np.array([1, 1, 1, 1, 1, 0])
    found = figures.of_class(scores, target, weight)
    assert (found.shown, found.lacking) == (3, 2)
    assert found.ap == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found.threshold == pytest.approx((0.3 + 0.05) / 2)  # F1 6/7, against 4/5 from .75 on
    assert (found.precision, found.recall) == (0.75, 1)
    assert (found.precision_default, found.recall_default) == (0.75, 1)


def test_confusion_counts_photos_that_show_one_class_or_none():
    scores = np.array([[0.9, 0.2], [0.3, 0.6], [0.05, 0.02], [0.4, 0.1], [0.9, 0.9], [0.9, 0.1]])
    target = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1], [1, 0]])
    weight = np.ones((6, 2))
    weight[5, 1] = 0
    np.testing.assert_array_equal(figures.confusion(scores, target, weight), [[1, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_summary_is_json_by_class():
    scores = np.array([[0.9, 0.2], [0.3, 0.6], [0.05, 0.02]])
    target = np.array([[1, 0], [0, 1], [0, 0]])
    found = figures.summary(scores, target, np.ones((3, 2)), ("cup", "pot"))
    assert found["map"] == 1
    assert found["classes"]["pot"]["ap"] == 1
    assert found["confusion_names"] == ["cup", "pot", "nothing"]
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
