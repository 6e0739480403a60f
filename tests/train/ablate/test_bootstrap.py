"""Intervals: a resample's figures are those of the repeated photos, and hand-made photos give what one can count."""

from __future__ import annotations

import numpy as np
import pytest

from train.ablate import bootstrap
from wsis import metrics
from wsis.metrics import ImageResult


def random_result(rng, classes=4):
    """Detections that overlap a few instances of `classes` classes at random; some photos have neither."""
    found, there = rng.integers(0, 12), rng.integers(0, 5)
    overlaps = rng.random((found, there), np.float32)
    touching, merged = rng.random((2, there)) < 0.5
    return ImageResult(
        overlaps,
        rng.integers(0, classes, found),
        rng.random(found, np.float32),
        rng.integers(0, classes, there),
        touching,
        merged,
    )


@pytest.fixture
def results(rng):
    rare = ImageResult(np.ones((1, 1), np.float32), np.array([9]), np.array([0.5], np.float32), np.array([9]))
    return [*(random_result(rng) for _ in range(30)), rare]


@pytest.fixture
def confusions(rng):
    return rng.integers(0, 50, (31, 5, 5)) * rng.integers(0, 2, (31, 5, 5))


def test_photos_that_count_once_give_the_figure_itself(results, confusions):
    once = np.ones((1, len(results)))
    for threshold in metrics.THRESHOLDS:
        assert bootstrap.mean_ap(results, threshold, once)[0] == metrics.mean_ap(results, threshold) > 0
    assert bootstrap.abo(results, once)[0] == pytest.approx(metrics.abo(results), abs=1e-7)
    assert bootstrap.mean_iou(confusions, once)[0] == pytest.approx(metrics.mean_iou(confusions.sum(0)), abs=1e-12)
    apart, expected = bootstrap.separation(results, once), metrics.separation(results)
    assert {name: values[0] for name, values in apart.items()} == pytest.approx(expected)
    assert min(expected.values()) > 0


def test_equal_scores_are_ranked_as_in_the_figure(results):
    tied = [ImageResult(r.overlaps, r.categories, np.round(r.scores, 1), r.truth) for r in results]
    once = np.ones((1, len(tied)))
    for threshold in metrics.THRESHOLDS:
        assert bootstrap.mean_ap(tied, threshold, once)[0] == metrics.mean_ap(tied, threshold)


def test_a_resample_is_the_photos_repeated(results, confusions):
    counts = bootstrap.draw(len(results), 20)
    assert (counts[:, -1] == 0).any()
    assert (counts[:, -1] > 0).any()
    found = bootstrap.mean_ap(results, 0.5, counts), bootstrap.abo(results, counts)
    iou, apart = bootstrap.mean_iou(confusions, counts), bootstrap.separation(results, counts)
    for i, row in enumerate(counts.astype(int)):
        again = [result for result, count in zip(results, row, strict=True) for _ in range(count)]
        assert found[0][i] == pytest.approx(metrics.mean_ap(again, 0.5), abs=1e-12)
        assert found[1][i] == pytest.approx(metrics.abo(again), abs=1e-6)
        assert iou[i] == pytest.approx(metrics.mean_iou((confusions * row[:, None, None]).sum(0)), abs=1e-12)
        assert {name: values[i] for name, values in apart.items()} == pytest.approx(metrics.separation(again))


def test_one_photo_right_and_one_wrong():
    right = ImageResult(np.ones((1, 1), np.float32), np.array([0]), np.array([0.3], np.float32), np.array([0]))
    wrong = ImageResult(np.zeros((1, 1), np.float32), np.array([0]), np.array([0.9], np.float32), np.array([0]))
    counts = np.array([[2.0, 0], [1, 1], [0, 2]])
    # twice right: 1; the wrong one ranks first: precision 1/2 at the only recall, 1/2; twice wrong: 0
    np.testing.assert_allclose(bootstrap.mean_ap([right, wrong], 0.5, counts), [1, 0.25, 0])
    np.testing.assert_allclose(bootstrap.abo([right, wrong], counts), [1, 0.5, 0])


def test_a_second_claim_on_an_instance_is_wrong_whatever_the_weights():
    scores = np.array([0.9, 0.8], np.float32)
    twice = ImageResult(np.array([[0.6], [0.9]], np.float32), np.array([0, 0]), scores, np.array([0]))
    again = ImageResult(np.array([[0.7]], np.float32), np.array([0]), np.array([0.1], np.float32), np.array([0]))
    # right, wrong, right: 1/2 (1 + 2/3); with the first photo twice (right 2, wrong 2, right 1): 1/3 (1 + 1 + 3/5)
    found = bootstrap.mean_ap([twice, again], 0.5, np.array([[1.0, 1], [2, 1]]))
    np.testing.assert_allclose(found, [5 / 6, 2.6 / 3])


def test_photos_without_anything_are_no_error():
    nothing = ImageResult(np.zeros((0, 0), np.float32), np.zeros(0, int), np.zeros(0, np.float32), np.zeros(0, int))
    counts = bootstrap.draw(3, 4)
    assert not bootstrap.mean_ap([nothing] * 3, 0.5, counts).any()
    assert not bootstrap.abo([nothing] * 3, counts).any()


def test_draws_are_of_all_photos_seeded_and_balanced():
    counts = bootstrap.draw(50, 400)
    assert counts.shape == (400, 50)
    assert (counts.sum(1) == 50).all()
    assert (counts == bootstrap.draw(50, 400)).all()
    assert (counts != bootstrap.draw(50, 400, seed=1)).any()
    # a photo is left out of (1 - 1/50)^50 = 36% of the resamples
    assert np.mean(counts == 0) == pytest.approx(0.364, abs=0.02)


def test_an_interval_leaves_out_the_outermost_twentieth():
    found = bootstrap.interval(0.4, np.linspace(0, 1, 1001))
    assert (found.value, found.mean) == (0.4, pytest.approx(0.5))
    assert (found.low, found.high) == (pytest.approx(0.025), pytest.approx(0.975))
