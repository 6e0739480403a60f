"""Curves from masks that were counted, and what they are worth, where that is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from train.trust import calibrate, figure, fitting, records
from train.trust.records import DISTANCES, EACH, Masks
from wsis.matching import PUBLISHED
from wsis.trust import Curve, distance

EASY = Curve((0.0, 0.25, 0.5, 0.75), (1, 2, 3, 4), (5, 5, 5, 5))


def drawn(seed: int, photos: int = 200, each: int = 10, triples: int = 1 + EACH * len(DISTANCES)) -> Masks:
    """Masks whose score is the chance that they are right; away from the published weights they are right less."""
    rng = np.random.default_rng(seed)
    count = photos * each
    rows = []
    for triple in (0, *range(1, triples, EACH)):
        scores = rng.random(count)
        chance = scores * (1 if triple < 1 + 3 * EACH else 0.6)
        right = rng.random(count) < chance
        kinds = rng.integers(0, 2, count)
        ious = np.where(right, 0.5, 0.49)
        rows.append((np.full(count, triple), kinds, scores > 0.5, scores, ious, np.arange(count) % photos))
    return Masks(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def test_a_curve_counts_every_mask_once_and_never_falls():
    rng = np.random.default_rng(0)
    for least in (1, 7, 30, 1000):
        scores, right = rng.random(200).round(2), rng.random(200) < 0.4
        curve = calibrate.fit(scores, right, least)  # checks itself that shares do not fall
        assert (sum(curve.counts), sum(curve.right)) == (200, right.sum())
        assert min(curve.counts) >= min(least, 200)
        for start, end, hit, count in zip(curve.starts, (*curve.starts[1:], 2), curve.right, curve.counts, strict=True):
            inside = (scores >= start) & (scores < end)
            assert (inside.sum(), right[inside].sum()) == (count, hit)


def test_pooling_is_isotonic_regression():
    scores = np.arange(6) / 10
    curve = calibrate.fit(scores, np.array([0, 1, 0, 1, 1, 1], bool), 1)
    assert curve == Curve((0.0, 0.1, 0.3), (0, 1, 3), (1, 2, 3))


def test_the_error_is_what_it_must_be():
    shares, right = np.array([0.25] * 4 + [0.85] * 4), np.array([1, 0, 0, 0, 1, 1, 0, 0], bool)
    assert calibrate.error(shares, right) == pytest.approx((0 * 4 + 0.35 * 4) / 8)
    assert calibrate.error(np.array([1.0, 1.0]), np.array([True, True])) == 0
    assert calibrate.error(np.zeros(0), np.zeros(0, bool)) == 0


def test_its_interval_holds_it_and_shrinks_with_photos():
    widths = []
    for photos in (40, 1000):
        masks = drawn(1, photos, triples=1)
        shares, right = masks.scores, masks.ious >= 0.5
        found = calibrate.error_interval(shares, right, masks.photos, photos)
        assert found.value == pytest.approx(calibrate.error(shares, right))
        assert calibrate.by_chance(shares) == pytest.approx(found.value, abs=0.04)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_what_is_predicted_is_the_rating():
    masks = drawn(2, 20, triples=1)
    expected = [
        EASY.rating(score).share if kind == 0 else 0 for score, kind in zip(masks.scores, masks.kinds, strict=True)
    ]
    np.testing.assert_array_equal(calibrate.predicted({"region": EASY}, masks), expected)


def test_curves_are_true_and_reach_ends_where_they_are_not():
    counted = fitting.count(drawn(3, 1000))
    assert counted.reach == DISTANCES[2]  # beyond, masks are right less often than they score
    assert set(counted.curves) == {"region", "object"}
    found = fitting.check(counted, drawn(4, 1000), 1000)
    assert found["worth"]["all masks"]["error"]["value"] < 0.05
    assert found["within_reach"]["all masks"]["error"]["value"] < 0.05
    assert found["worth"]["offers"]["count"] == 0
    assert found["drift"][str(DISTANCES[-1])][0] > 0.1
    told = fitting.markdown(counted, found)
    assert "| all masks | 10,000 |" in told
    assert figure.reliability(counted.curves, drawn(4)).startswith(b"\x89PNG")


def test_cross_validation_never_asks_a_photo_about_itself():
    masks = drawn(5, 30, 4, triples=1)
    masks.ious[masks.photos == 3] = 1.0
    before = calibrate.crossed(masks, dict.fromkeys(records.HYPOTHESES, 5))
    masks.ious[masks.photos == 3] = 0.0
    after = calibrate.crossed(masks, dict.fromkeys(records.HYPOTHESES, 5))
    deals = calibrate.deals(30)
    assert before.shape == (len(deals), len(masks))
    for fold, one, other in zip(deals, before, after, strict=True):
        same_fold = (fold == fold[3])[masks.photos]
        np.testing.assert_array_equal(one[same_fold], other[same_fold])
        assert (one[~same_fold] != other[~same_fold]).any()


def test_photos_are_dealt_anew_and_evenly():
    deals = calibrate.deals(47)
    assert len({tuple(deal) for deal in deals}) == calibrate.DEALS
    for deal in deals:
        assert set(np.bincount(deal, minlength=calibrate.FOLDS)) == {4, 5}
    np.testing.assert_array_equal(calibrate.deals(47), deals)


def test_weights_lie_where_they_are_said_to():
    tried = records.weights_tried()
    assert tried[0] == PUBLISHED
    assert len(tried) == 1 + EACH * len(DISTANCES)
    for i, weights in enumerate(tried[1:]):
        assert distance(weights) == pytest.approx(DISTANCES[i // EACH])
