"""From terms to instances: picks, suppression, painting."""

from __future__ import annotations

import numpy as np
import pytest

from wsis import instances
from wsis.instances import Instance, assemble, paint, semantic
from wsis.matching import PUBLISHED, Weights, rank, total
from wsis.peaks import Peaks
from wsis.proposals import ProposalSet, from_masks

CLASSES = ("cat", "dog", "bird")
FIRST = Weights(1, 0, 0)


def peaks_of(classes: list[int], probabilities: list[float]) -> Peaks:
    index = np.array(classes, np.int64)
    return Peaks(index, index * 0, index * 0, np.ones(len(index), np.float32), np.array(probabilities, np.float32))


def bars(*spans: tuple[int, int], size: tuple[int, int] = (4, 100)) -> ProposalSet:
    masks = np.zeros((len(spans), *size), bool)
    for mask, (left, right) in zip(masks, spans, strict=True):
        mask[:, left:right] = True
    return from_masks(masks)


def scored(rows: list[list[float]]) -> np.ndarray:
    """(K, N, 3) terms whose first carries the scores."""
    terms = np.zeros((*np.shape(rows), 3), np.float32)
    terms[..., 0] = rows
    return terms


def test_the_best_proposal_wins_with_class_probability_times_iou():
    proposals = bars((0, 10), (40, 60), (70, 90))
    overlaps = np.array([[0.5, 0.9, 0.1], [0.2, 0.3, 0.8]], np.float32)
    terms = scored([[0.9, 0.5, 0.1], [0.3, 0.2, 0.7]])
    found = assemble(peaks_of([0, 2], [0.6, 0.5]), terms, overlaps, proposals, CLASSES, FIRST)
    assert [(i.name, i.category, i.peak, i.proposal, i.rank) for i in found] == [
        ("bird", 2, 1, 2, 0),
        ("cat", 0, 0, 0, 0),
    ]
    assert [i.score for i in found] == pytest.approx([0.5 * 0.8, 0.6 * 0.5])
    other = assemble(peaks_of([0, 2], [0.6, 0.5]), terms[:, ::-1], overlaps, proposals, CLASSES, FIRST)
    assert {i.proposal for i in other} == {2, 0}


def test_nms_is_by_class_and_by_iou_and_greedy():
    # IoU: 0-1 .6/1, 1-2 .5 of a chain, 0-2 .14
    proposals = bars((0, 40), (15, 55), (30, 70))
    terms = scored(np.eye(3).tolist())
    overlaps = np.array([[0.9] * 3, [0.8] * 3, [0.7] * 3], np.float32)
    same = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, overlaps, proposals, CLASSES, FIRST)
    assert [i.proposal for i in same] == [0, 2]  # 1 falls to 0 and so cannot fell 2
    mixed = assemble(peaks_of([0, 1, 0], [1, 1, 1]), terms, overlaps, proposals, CLASSES, FIRST)
    assert [i.proposal for i in mixed] == [0, 1, 2]
    strict = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, overlaps, proposals, CLASSES, FIRST, nms=0.1)
    assert [i.proposal for i in strict] == [0]
    loose = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, overlaps, proposals, CLASSES, FIRST, nms=0.5)
    assert len(loose) == 3


def test_two_peaks_on_one_proposal_give_one_instance_of_the_better():
    terms = scored([[1.0, 0.0], [1.0, 0.0]])
    overlaps = np.array([[0.4, 0], [0.9, 0]], np.float32)
    found = assemble(peaks_of([0, 0], [1, 1]), terms, overlaps, bars((0, 10), (50, 60)), CLASSES, FIRST)
    assert [(i.peak, i.proposal) for i in found] == [(1, 0)]


def test_per_peak_keeps_distinct_proposals_at_decaying_scores():
    # 1 is nearly 0 (IoU .9); 2 is distinct (IoU .5)
    proposals = bars((0, 40), (0, 36), (0, 20), (60, 80))
    terms = scored([[0.9, 0.8, 0.7, 0.6]])
    overlaps = np.array([[0.8, 0.8, 0.5, 0.5]], np.float32)
    found = assemble(peaks_of([1], [1.0]), terms, overlaps, proposals, CLASSES, FIRST, per_peak=3)
    assert [(i.proposal, i.rank) for i in found] == [(0, 0), (2, 1), (3, 2)]
    assert [i.score for i in found] == pytest.approx([0.8, 0.5 * 0.3, 0.5 * 0.09])
    many = assemble(peaks_of([1], [1.0]), terms, overlaps, proposals, CLASSES, FIRST, per_peak=9)
    assert [i.proposal for i in many] == [0, 2, 3]  # there are no more distinct ones


def test_further_proposals_do_not_repeat_another_peaks():
    proposals = bars((0, 40), (50, 90), (2, 40))
    terms = scored([[0.9, 0.5, 0.0], [0.0, 0.9, 0.5]])
    overlaps = np.full((2, 3), 0.5, np.float32)
    found = assemble(peaks_of([0, 0], [1, 0.9]), terms, overlaps, proposals, CLASSES, FIRST, per_peak=2)
    # Peak 0 would add proposal 1, which peak 1 has; peak 1 would add 2, which is peak 0's 0 but for a rim.
    assert [(i.peak, i.proposal, i.rank) for i in found] == [(0, 0, 0), (1, 1, 0)]


@pytest.mark.parametrize("per_peak", [1, 2, 3, 5])
def test_picks_equal_a_walk_down_the_whole_ranking(per_peak):
    rng = np.random.default_rng(per_peak)
    spans = [(a, a + w) for a, w in zip(rng.integers(0, 60, 300), rng.integers(5, 40, 300), strict=True)]
    proposals = bars(*spans)
    terms = rng.uniform(size=(4, 300, 3)).astype(np.float32)
    terms[:, :200] = terms[:, :1] + 0.5  # a long head of the ranking is level
    for k in range(4):
        kept: list[int] = []
        for i in rank(terms[k], PUBLISHED):
            if len(kept) < per_peak and (not kept or proposals.iou([i], kept).max() <= 0.7):
                kept.append(int(i))
        scores = total(terms, PUBLISHED)[k]
        assert instances._distinct(terms[k], scores, PUBLISHED, proposals, per_peak, 0.7) == kept


def test_nothing_in_nothing_out():
    proposals = bars((0, 10))
    assert (
        assemble(peaks_of([], []), np.zeros((0, 1, 3), np.float32), np.zeros((0, 1)), proposals, CLASSES, FIRST) == ()
    )
    assert (semantic((), proposals) == 0).all()
    with pytest.raises(ValueError, match="expected terms"):
        assemble(peaks_of([0], [1]), np.zeros((2, 1, 3), np.float32), np.zeros((2, 1)), proposals, CLASSES, FIRST)


def test_the_semantic_map_is_painted_best_on_top_from_rank_0():
    proposals = bars((0, 50), (30, 80), (90, 100))
    found = [
        Instance(1, "dog", 0.9, 0, 1, 0),
        Instance(0, "cat", 0.5, 1, 0, 0),
        Instance(2, "bird", 0.4, 1, 2, 1),  # rank 1: in lists, not in the map
    ]
    painted = semantic(found, proposals)
    assert painted.dtype == np.uint8
    row = painted[0]
    assert (row[:30] == 1).all()
    assert (row[30:80] == 2).all()
    assert (row[80:] == 0).all()
    assert (semantic(found[::-1], proposals) == painted).all()
    assert (paint(proposals.masks([1, 0]), np.array([1, 0])) == painted).all()
    assert (semantic(found, proposals, size=(8, 200)) == np.kron(painted, np.ones((2, 2)))).all()
    assert paint(np.zeros((0, 3, 4), bool), np.zeros(0, int)).tolist() == np.zeros((3, 4)).tolist()


def test_a_thousand_classes_fit():
    painted = semantic([Instance(998, "tissue", 0.9, 0, 0, 0)], bars((0, 10)))
    assert painted.max() == 999


def test_the_unsure_are_not_painted_where_a_least_score_is_given():
    proposals = bars((0, 10), (10, 20))
    found = [Instance(0, "cat", 0.9, 0, 0, 0), Instance(1, "dog", 0.1, 1, 1, 0)]
    assert set(np.unique(semantic(found, proposals))) >= {1, 2}
    assert set(np.unique(semantic(found, proposals, least=0.1))) >= {1, 2}
    assert 2 not in semantic(found, proposals, least=0.11)
