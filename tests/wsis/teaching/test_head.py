"""Heads on frozen features."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from wsis.classifier import pool
from wsis.teaching.head import FOLDS, Head, dealt, fit


def cells_of(rng, target, channels=12):
    """Features in whose first channels a few cells are brighter where the class is shown."""
    cells = rng.random((len(target), 9, channels)).astype(np.float32)
    for column in range(target.shape[1]):
        cells[:, :3, column] += 2 * target[:, None, column]
    return cells.astype(np.float16)


@pytest.fixture
def taught(rng):
    target = (rng.random((60, 2)) < 0.4).astype(np.float32)
    return cells_of(rng, target), target


def test_classes_are_told_apart_and_scores_are_probabilities(rng, taught):
    cells, target = taught
    found = fit(cells, target, np.ones_like(target), ("a", "b"))
    new = (rng.random((200, 2)) < 0.4).astype(np.float32)
    scores = found.head.scores(cells_of(rng, new))
    assert ((scores > 0.5) == (new > 0.5)).mean() > 0.97
    assert found.head.classes == ("a", "b")
    assert abs(found.held_out.mean() - target.mean()) < 0.05
    assert ((found.held_out > 0.5) == (target > 0.5)).mean() > 0.95


def test_logits_are_pooled_as_the_classifier_pools(rng):
    head = Head(rng.random((2, 5)).astype(np.float32), np.array([1, -1], np.float32), ("a", "b"))
    cells = rng.random((3, 12, 5)).astype(np.float32)
    maps = np.einsum("cd,npd->ncp", head.weight, cells).reshape(3, 2, 3, 4) + head.bias[:, None, None]
    np.testing.assert_allclose(head.logits(cells), pool(torch.from_numpy(maps)), rtol=1e-5)
    assert head.logits(cells[:0]).shape == (0, 2)


def test_what_nobody_knows_does_not_count(taught):
    cells, target = taught
    weight = np.ones_like(target)
    weight[:20, 0] = 0
    one = fit(cells, target, weight, ("a", "b"))
    lied = target.copy()
    lied[:20, 0] = 1 - lied[:20, 0]
    other = fit(cells, lied, weight, ("a", "b"))
    np.testing.assert_allclose(one.head.weight, other.head.weight, atol=1e-4)


def test_held_out_is_by_a_head_that_had_not_seen_the_photo(rng):
    """Labels that no feature tells are learned by heart, and held-out photos show that."""
    target = (rng.random((50, 1)) < 0.5).astype(np.float32)
    cells = rng.random((50, 9, 200)).astype(np.float16)
    found = fit(cells, target, np.ones_like(target), ("a",))
    right = (found.held_out > 0.5) == (target > 0.5)
    assert right.mean() < 0.75


def test_a_class_that_all_show_or_nobody_is_no_trouble(taught):
    cells, target = taught
    target[:, 0], target[:, 1] = 1, 0
    scores = fit(cells, target, np.ones_like(target), ("a", "b")).head.scores(cells)
    assert (scores[:, 0] > 0.8).all()
    assert (scores[:, 1] < 0.2).all()


def test_every_fold_has_its_share_of_every_class(rng):
    target = np.zeros((103, 2), np.float32)
    target[:60, 0], target[55:65, 1] = 1, 1
    fold = dealt(target, np.ones_like(target))
    for shown in (target[:, 0] > 0, target[:, 1] > 0, np.ones(103, bool)):
        counts = np.bincount(fold[shown], minlength=FOLDS)
        assert counts.max() - counts.min() <= 3
        assert counts.min() > 0
    np.testing.assert_array_equal(fold, dealt(target, np.ones_like(target)))


def test_rows_of_two_heads_and_those_of_one_class_are_the_second_ones(rng):
    first = Head(rng.random((2, 3)).astype(np.float32), np.zeros(2, np.float32), ("cat", "dog"))
    second = Head(rng.random((2, 3)).astype(np.float32), np.ones(2, np.float32), ("spoon", "cat"))
    both = first + second
    assert both.classes == ("cat", "dog", "spoon")
    np.testing.assert_array_equal(both.weight, [second.weight[1], first.weight[1], second.weight[0]])
    np.testing.assert_array_equal(both.bias, [1, 0, 1])


def test_a_thousand_photos_are_fitted_in_about_a_second(rng):
    target = (rng.random((1000, 3)) < 0.2).astype(np.float32)
    cells = cells_of(rng, target, channels=1280)
    start = time.process_time()
    fit(cells, target, np.ones_like(target), ("a", "b", "c"), folds=2)
    assert time.process_time() - start < 3  # about .6 s on one core; a shared one may be slower
