"""ProposalSet: the region form says exactly what the masks say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsis.errors import WsisError
from wsis.proposals import ProposalSet, from_masks
from wsis.proposals.proposal_set import rank_scores, resized_labels


def random_masks(seed: int, count: int = 9, size: tuple[int, int] = (24, 31)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
        mask[y : y + rng.integers(1, 12), x : x + rng.integers(1, 12)] = True
    return masks


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 70))
def test_masks_survive_the_common_refinement(seed: int, count: int) -> None:
    masks = random_masks(seed, count)
    proposals = from_masks(masks)
    assert (proposals.masks(range(count)) == masks).all()
    assert (proposals.areas == masks.sum((1, 2))).all()
    assert (proposals.region_areas > 0).all()
    assert proposals.region_areas.sum() == masks[0].size


def test_sums_are_the_sums_over_masks() -> None:
    masks, values = random_masks(1), np.random.default_rng(2).normal(size=(3, 24, 31)).astype(np.float32)
    proposals = from_masks(masks)
    expected = np.einsum("khw,nhw->kn", values, masks)
    np.testing.assert_allclose(proposals.sums(values) @ proposals.membership_f32.T, expected, atol=1e-3)


def test_iou_equals_pixel_iou() -> None:
    masks = random_masks(3)
    flat = masks.reshape(len(masks), -1).astype(int)
    common = flat @ flat.T
    area = flat.sum(1)
    expected = common / (area[:, None] + area[None] - common)
    np.testing.assert_allclose(from_masks(masks).iou(range(9), range(9)), expected, atol=1e-6)


def test_borders_count_four_neighbour_edges() -> None:
    labels = np.array([[0, 0, 1], [0, 2, 1]], np.int32)
    proposals = ProposalSet(labels, np.eye(3, dtype=bool), rank_scores(3), "test")
    pairs, lengths = proposals.borders
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert lengths.tolist() == [1, 2, 1]


def test_contour_sums_follow_the_own_contour_of_a_union() -> None:
    labels = (np.arange(60)[:, None] // 20 * 3 + np.arange(60)[None] // 20).astype(np.int32)
    centre, pair, everything = np.zeros((3, 9), bool)
    centre[4] = pair[[4, 5]] = everything[:] = True
    proposals = ProposalSet(labels, np.stack([centre, pair, everything]), rank_scores(3), "test")
    sums = proposals.contour_sums(np.ones((1, 60, 60), np.float32), width=5)[0]
    assert sums.tolist() == [80 * 5, 100 * 5, 0]  # inner borders and the image's edge do not count

    kernel = np.ones((5, 5), np.uint8)
    mask = proposals.mask(0).astype(np.uint8)
    band = cv2.dilate(mask, kernel) > cv2.erode(mask, kernel)  # two pixels to either side
    ramp = np.tile(np.linspace(0, 1, 60, dtype=np.float32) ** 3, (60, 1))
    assert proposals.contour_sums(ramp[None], 5)[0, 0] == pytest.approx(ramp[band].sum() * 5 / 4, rel=0.05)


def test_scores_are_sorted_and_brought_into_the_unit_interval() -> None:
    masks = random_masks(4, 3)
    proposals = from_masks(masks, np.array([-2.0, 6.0, 2.0]))
    assert proposals.scores.tolist() == [1, 0.5, 0]
    assert (proposals.mask(0) == masks[1]).all()
    assert from_masks(masks, np.array([0.0, 2.0, 1.0])).scores.tolist() == [1, 0.5, 0]
    assert from_masks(masks, np.array([0.2, 0.4, 0.3])).scores.tolist() == pytest.approx([0.4, 0.3, 0.2])


def test_resizing_keeps_proposals_and_scales_areas() -> None:
    proposals = from_masks(random_masks(5, 20, (40, 60)))
    double = proposals.resized((80, 120))
    assert double.size == (80, 120)
    assert (double.areas == 4 * proposals.areas).all()
    assert (double.mask(3) == proposals.mask(3, (80, 120))).all()
    assert (resized_labels(double.labels, (40, 60)) == proposals.labels).all()


def test_select_keeps_the_ranking() -> None:
    proposals = from_masks(random_masks(6))
    chosen = proposals.select([5, 2])
    assert len(chosen) == 2
    assert (chosen.mask(0) == proposals.mask(2)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros((2, 2), np.int64)}, "labels: expected"),
        ({"labels": np.full((2, 2), 3, np.int32)}, "expected 0..1, got 3..3"),
        ({"membership": np.ones((1, 2), np.uint8)}, "membership: expected"),
        ({"scores": np.ones(2, np.float32)}, "scores: expected"),
        ({"scores": np.array([1.5], np.float32)}, "in \\[0, 1\\]"),
    ],
)
def test_wrong_parts_are_refused(change: dict, message: str) -> None:
    parts = {
        "labels": np.zeros((2, 2), np.int32),
        "membership": np.ones((1, 2), bool),
        "scores": np.ones(1, np.float32),
        "source": "test",
    }
    with pytest.raises(ValueError, match=message):
        ProposalSet(**(parts | change))


def test_unusable_masks_are_refused_with_a_reason() -> None:
    with pytest.raises(WsisError, match="at least one mask"):
        from_masks(np.zeros((0, 4, 4), bool))
    with pytest.raises(WsisError, match="Proposal 1 of masks covers no pixel"):
        from_masks(np.stack([np.ones((4, 4), bool), np.zeros((4, 4), bool)]))
    with pytest.raises(WsisError, match="finite"):
        from_masks(np.ones((1, 4, 4), bool), np.array([np.nan]))
