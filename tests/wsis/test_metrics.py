"""Metrics against hand-made cases, plain loops and the field's own tools."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from torchmetrics.functional.classification import multilabel_average_precision

from wsis import metrics
from wsis.metrics import ImageResult, average_precision, image_result


def random_masks(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 20, 30), bool)
    for mask in masks:
        y, x = rng.integers(0, 15), rng.integers(0, 25)
        mask[y : y + rng.integers(1, 15), x : x + rng.integers(1, 20)] = True
    return masks


def test_mask_iou_equals_pycocotools():
    first, second = random_masks(0, 7), random_masks(1, 5)
    runs = [[coco.encode(np.asfortranarray(m.astype(np.uint8))) for m in masks] for masks in (first, second)]
    expected = coco.iou(runs[0], runs[1], [0] * 5)
    np.testing.assert_allclose(metrics.mask_iou(first, second), expected, rtol=1e-6)
    assert expected.max() > 0.2


def test_void_pixels_count_for_nobody():
    truth, found, void = np.zeros((3, 1, 4, 10), bool)
    truth[0, :, :6] = found[0, :, 2:8] = void[0, :, 6:] = True
    assert metrics.mask_iou(found, truth)[0, 0] == pytest.approx(4 / 8)
    assert metrics.mask_iou(found, truth, void[0])[0, 0] == pytest.approx(4 / 6)
    result = metrics.match_image(found, [3], [0.5], truth, [3], void[0])
    assert result.overlaps[0, 0] == pytest.approx(4 / 6)


def test_average_precision_by_hand():
    # By falling score: right, wrong, right, double of the first; three instances, one never found.
    result = image_result(
        [[0.9, 0, 0], [0.1, 0.4, 0], [0, 0.6, 0], [0.7, 0, 0]], [0] * 4, [0.9, 0.8, 0.7, 0.6], [0, 0, 0]
    )
    # precision 1 at recall 1/3, 2/3 at recall 2/3
    assert average_precision([result], 0.5) == {0: pytest.approx((1 + 2 / 3) / 3)}
    assert average_precision([result], 0.95) == {0: 0}
    # At .4 the second claims instance 1, so the third is the double.
    assert average_precision([result], 0.4) == {0: pytest.approx(2 / 3)}


def test_precision_is_made_falling():
    result = image_result([[0.0, 0], [0.9, 0], [0, 0.9]], [0] * 3, [0.9, 0.8, 0.7], [0, 0])
    assert average_precision([result], 0.5)[0] == pytest.approx(2 / 3)  # envelope; without it (1/2 + 2/3) / 2


def test_the_threshold_itself_is_enough():
    assert metrics.mean_ap([image_result([[0.5]], [0], [1], [0])], 0.5) == 1


def test_classes_are_kept_apart_and_averaged():
    first = image_result([[0.9, 0.9], [0.9, 0.9]], [0, 2], [0.9, 0.8], [0, 1])
    second = image_result(np.zeros((1, 0)), [1], [0.3], [])
    assert average_precision([first, second], 0.5) == {0: 1, 1: 0}  # class 2 has no ground truth: not in the mean
    assert metrics.mean_ap([first, second], 0.5) == 0.5


def test_scores_are_compared_across_photos():
    right = image_result([[0.9]], [0], [0.4], [0])
    wrong = image_result(np.zeros((1, 0)), [0], [0.8], [])
    assert metrics.mean_ap([right, wrong], 0.5) == 0.5
    better = ImageResult(right.overlaps, right.categories, np.array([0.9], np.float32), right.truth)
    assert metrics.mean_ap([better, wrong], 0.5) == 1


def loop_ap(results: list[ImageResult], category: int, threshold: float) -> float:
    """The devkit's procedure, detection by detection."""
    claimed, hits, positives = set(), [], sum((r.truth == category).sum() for r in results)
    found = [
        (-r.scores[d], n, d) for n, r in enumerate(results) for d in range(len(r.scores)) if r.categories[d] == category
    ]
    for _, n, d in sorted(found):
        r = results[n]
        own = [(-r.overlaps[d, g], g) for g in range(len(r.truth)) if r.truth[g] == category]
        right = bool(own) and -min(own)[0] >= threshold and (n, min(own)[1]) not in claimed
        if right:
            claimed.add((n, min(own)[1]))
        hits.append(right)
    recall = np.concatenate([[0], np.cumsum(hits) / positives, [1]])
    precision = np.concatenate([[0], np.cumsum(hits) / np.arange(1, len(hits) + 1), [0]])
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    return float(((recall[1:] - recall[:-1]) * precision[1:]).sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99999))
def test_average_precision_equals_the_devkits_loop(seed):
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(rng.integers(1, 6)):
        found, there = rng.integers(0, 7), rng.integers(0, 4)
        overlaps = rng.choice([0, 0.3, 0.5, 0.6, 0.9], (found, there)) + rng.uniform(0, 0.01, (found, there))
        results.append(
            image_result(overlaps, rng.integers(0, 3, found), rng.uniform(size=found), rng.integers(0, 3, there))
        )
    for threshold in (0.25, 0.5, 0.75):
        for category, value in average_precision(results, threshold).items():
            assert value == pytest.approx(loop_ap(results, category, threshold), abs=1e-6)


def test_abo_by_hand():
    first = image_result([[0.6, 0.2, 0.9], [0.4, 0.8, 0.9]], [0, 0], [0.1, 0.9], [0, 0, 1])
    second = image_result(np.zeros((0, 1)), [], [], [0])
    # class 0: .6, .8 and 0 (nothing found in the second photo); class 1: only class 0 was found there
    assert metrics.abo([first, second]) == pytest.approx(((0.6 + 0.8 + 0) / 3 + 0) / 2)


def test_confusion_and_mean_iou_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 255, 1, 2]])
    found = np.array([[0, 1, 1, 1], [0, 1, 0, 0]], np.uint8)
    matrix = metrics.confusion(found, truth, classes=4)
    assert matrix[:3, :3].tolist() == [[2, 1, 0], [1, 2, 0], [1, 0, 0]]
    assert matrix.sum() == 7
    # IoU: background 2/5, class 1 2/4, class 2 0/1; class 3 is nowhere
    assert metrics.mean_iou(matrix) == pytest.approx((2 / 5 + 2 / 4 + 0) / 3)
    assert metrics.mean_iou(metrics.confusion(truth % 255, truth, classes=3)) == 1
    assert metrics.confusion(found, truth, 21).shape == (21, 21)


def test_classification_map_equals_torchmetrics():
    rng = np.random.default_rng(0)
    scores = np.round(rng.uniform(size=(80, 6)), 1).astype(np.float32)  # many equal scores
    present = rng.uniform(size=(80, 6)) < 0.3 + 0.4 * scores
    expected = multilabel_average_precision(
        torch.from_numpy(scores), torch.from_numpy(present.astype(int)), 6, average="macro", thresholds=None
    )
    assert metrics.classification_map(scores, present) == pytest.approx(float(expected), abs=1e-6)
    present[:, 2] = False  # a class that never occurs does not count
    left = [0, 1, 3, 4, 5]
    assert metrics.classification_map(scores, present) == metrics.classification_map(scores[:, left], present[:, left])


def test_nothing_gives_zero():
    empty = image_result(np.zeros((0, 0)), [], [], [])
    assert metrics.mean_ap([], 0.5) == metrics.mean_ap([empty], 0.5) == metrics.abo([empty]) == 0
    assert metrics.abo([]) == 0
    assert metrics.mean_iou(np.zeros((21, 21), int)) == 0
    assert metrics.mask_iou(np.zeros((0, 4, 5), bool), np.zeros((2, 4, 5), bool)).shape == (0, 2)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="expected overlaps"):
        image_result(np.zeros((2, 2)), [0], [1], [0])
    with pytest.raises(ValueError, match="expected touching and merged"):
        image_result([[1]], [0], [1], [0], touching=np.zeros(2, bool))
    with pytest.raises(ValueError, match="expected one size"):
        metrics.mask_iou(np.zeros((1, 4, 5), bool), np.zeros((1, 5, 4), bool))
    with pytest.raises(ValueError, match=r"predicted: expected 0\.\.20"):
        metrics.confusion(np.full((2, 2), 21), np.zeros((2, 2), int), 21)
    with pytest.raises(ValueError, match="predicted: expected"):
        metrics.confusion(np.zeros((2, 3)), np.zeros((2, 2), int), 21)


def test_instances_in_company_are_told_apart_or_merged():
    """Three of a class, two of which touch, and one of another: a mask over these two, and one on each other."""
    truth = np.zeros((4, 10, 40), bool)
    truth[0, :, :10] = truth[1, :, 10:20] = truth[2, :, 30:] = truth[3, :, 24:28] = True
    masks = np.stack([truth[0] | truth[1], truth[2], truth[3]])
    classes, touching = [5, 5, 5, 8], [True, True, False, False]
    result = metrics.match_image(masks, [5, 5, 8], [0.9, 0.8, 0.7], truth, classes, touching=np.array(touching))
    assert result.merged.tolist() == [True, True, False, False]
    # The mask over two covers each with an IoU of exactly one half.
    assert metrics.separation([result]) == {"alone": 1, "together": 1, "touching": 1, "merged": 1}
    wider = np.stack([truth[:3].any(0), truth[2], truth[3]])
    result = metrics.match_image(wider, [5, 5, 8], [0.9, 0.8, 0.7], truth, classes, touching=np.array(touching))
    expected = {"alone": 1, "together": pytest.approx(1 / 3), "touching": 0, "merged": 1}
    assert metrics.separation([result]) == expected
    apart = np.stack([truth[0], truth[1], truth[2]])
    better = metrics.match_image(apart, [5, 5, 5], [0.9, 0.8, 0.7], truth, classes, touching=np.array(touching))
    assert metrics.separation([better]) == {"alone": 0, "together": 1, "touching": 1, "merged": 0}
    both = metrics.separation([result, better])
    assert both == {"alone": 0.5, "together": pytest.approx(4 / 6), "touching": 0.5, "merged": 0.5}
    assert metrics.separation_by_class([result, better])[8] == {"alone": 0.5, "together": 0, "touching": 0, "merged": 0}
    assert metrics.separation_by_class([result])[5]["together"] == pytest.approx(1 / 3)


def test_only_the_best_mask_of_an_instance_merges_it():
    """A mask over both of two has the higher score, another lies on the first: only the second is merged."""
    iou, covered = np.array([[0.5, 0.5], [0.9, 0.0]]), np.array([[1.0, 1.0], [0.9, 0.0]])
    one = image_result(iou, [0, 0], [0.9, 0.1], [0, 0], covered=covered, touching=[True, True])
    assert one.merged.tolist() == [False, True]
    nothing = image_result(np.zeros((1, 2)), [0], [1], [0, 0], covered=np.ones((1, 2)), touching=[True, True])
    assert not nothing.merged.any()
    plain = image_result(iou, [0, 0], [0.9, 0.1], [0, 0])
    assert not plain.merged.any()
    assert not plain.touching.any()


def test_a_mask_of_another_class_neither_shows_nor_merges():
    truth = np.zeros((2, 4, 20), bool)
    truth[0, :, :10] = truth[1, :, 10:] = True
    result = metrics.match_image(truth.any(0)[None], [1], [1.0], truth, [0, 0], touching=np.ones(2, bool))
    assert metrics.separation([result]) == {"alone": 0, "together": 0, "touching": 0, "merged": 0}
    assert metrics.separation([]) == {"alone": 0, "together": 0, "touching": 0, "merged": 0}
