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
    fits = np.array([[0.5, 0.9, 0.1], [0.2, 0.3, 0.8]], np.float32)
    terms = scored([[0.9, 0.5, 0.1], [0.3, 0.2, 0.7]])
    found = assemble(peaks_of([0, 2], [0.6, 0.5]), terms, fits, proposals, CLASSES, FIRST)
    assert [(i.name, i.category, i.peak, i.proposal, i.rank) for i in found] == [
        ("bird", 2, 1, 2, 0),
        ("cat", 0, 0, 0, 0),
    ]
    assert [i.score for i in found] == pytest.approx([0.5 * 0.8, 0.6 * 0.5])
    other = assemble(peaks_of([0, 2], [0.6, 0.5]), terms[:, ::-1], fits, proposals, CLASSES, FIRST)
    assert {i.proposal for i in other} == {2, 0}


def test_nms_is_by_class_and_by_iou_and_greedy():
    # IoU: 0-1 .6/1, 1-2 .5 of a chain, 0-2 .14
    proposals = bars((0, 40), (15, 55), (30, 70))
    terms = scored(np.eye(3).tolist())
    fits = np.array([[0.9] * 3, [0.8] * 3, [0.7] * 3], np.float32)
    same = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, fits, proposals, CLASSES, FIRST)
    assert [i.proposal for i in same] == [0, 2]  # 1 falls to 0 and so cannot fell 2
    mixed = assemble(peaks_of([0, 1, 0], [1, 1, 1]), terms, fits, proposals, CLASSES, FIRST)
    assert [i.proposal for i in mixed] == [0, 1, 2]
    strict = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, fits, proposals, CLASSES, FIRST, nms=0.1)
    assert [i.proposal for i in strict] == [0]
    loose = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, fits, proposals, CLASSES, FIRST, nms=0.5)
    assert len(loose) == 3


def test_two_peaks_on_one_proposal_give_one_instance_of_the_better():
    terms = scored([[1.0, 0.0], [1.0, 0.0]])
    fits = np.array([[0.4, 0], [0.9, 0]], np.float32)
    found = assemble(peaks_of([0, 0], [1, 1]), terms, fits, bars((0, 10), (50, 60)), CLASSES, FIRST)
    assert [(i.peak, i.proposal) for i in found] == [(1, 0)]


def test_a_proposal_too_small_for_the_grid_is_one_instance_too():
    proposals = bars((0, 1), (50, 60), (7, 8)).resized((4, 10))
    assert proposals.areas.tolist() == [0, 4, 0]
    terms, fits = scored([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros((3, 3), np.float32)
    found = assemble(peaks_of([0, 0, 0], [1, 1, 1]), terms, fits, proposals, CLASSES, FIRST)
    assert [(i.peak, i.proposal) for i in found] == [(0, 0), (2, 2)]  # two that vanish are two all the same
    assert proposals.iou([0, 1, 2], [0, 1, 2]).tolist() == np.eye(3).tolist()


def test_a_peak_that_lost_its_proposal_offers_an_object_of_its_own():
    # Both peaks fit the pair (0) best; by themselves they stand on 1 and 2. 3 covers 1 but for a rim.
    proposals = bars((0, 80), (0, 20), (60, 80), (0, 18))
    terms = scored([[0.9, 0.1, 0.1, 0.1], [0.8, 0.1, 0.1, 0.1]])
    fits = np.full((2, 4), 0.5, np.float32)
    own = np.array([[0.9, 0.7, 0.0, 0.6], [0.9, 0.0, 0.8, 0.0]], np.float32)
    peaks = peaks_of([0, 0], [1.0, 0.5])
    assert [i.proposal for i in assemble(peaks, terms, fits, proposals, CLASSES, FIRST, own=own)] == [0]
    found = assemble(peaks, terms, fits, proposals, CLASSES, FIRST, own=own, per_peak=2)
    assert [(i.peak, i.proposal, i.rank) for i in found] == [(0, 0, 0), (0, 1, 1), (1, 2, 1)]
    assert [i.score for i in found] == pytest.approx([0.5, 0.7 * 0.1, 0.5 * 0.8 * 0.1])
    many = assemble(peaks, terms, fits, proposals, CLASSES, FIRST, own=own, per_peak=9)
    assert [i.proposal for i in many] == [0, 1, 2]  # 3 is a double of 1, and nothing else is left


def test_each_further_offer_of_a_peak_counts_a_tenth_of_the_one_before():
    proposals = bars((0, 80), (0, 20), (60, 80))
    own = np.array([[0.9, 0.7, 0.8]], np.float32)
    peaks, terms, fits = peaks_of([0], [1.0]), scored([[0.9, 0.1, 0.1]]), np.full((1, 3), 0.5, np.float32)
    found = assemble(peaks, terms, fits, proposals, CLASSES, FIRST, own=own, per_peak=3)
    assert [(i.proposal, i.rank) for i in found] == [(0, 0), (2, 1), (1, 2)]
    assert [i.score for i in found] == pytest.approx([0.5, 0.8 * 0.1, 0.7 * 0.1**2])


def test_offers_do_not_repeat_each_other_nor_an_instance_of_their_class():
    proposals = bars((0, 40), (50, 90), (2, 40), (50, 88))
    terms = scored([[0.9, 0.0, 0.0, 0.0], [0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.9, 0.0]])
    fits = np.full((3, 4), 0.5, np.float32)
    own = np.array([[0.0, 0.5, 0.9, 0.4], [0.0, 0.4, 0.9, 0.6], [0.0, 0.3, 0.9, 0.9]], np.float32)
    found = assemble(peaks_of([0, 0, 1], [1, 0.9, 1]), terms, fits, proposals, CLASSES, FIRST, own=own, per_peak=2)
    # For class 0, 2 is a double of 0, and of 1 and 3 the better offer stays (.9 x .6 against 1 x .5).
    assert {(i.category, i.proposal, i.rank) for i in found} == {(0, 0, 0), (1, 2, 0), (0, 3, 1), (1, 3, 1)}


def test_offers_that_score_too_little_are_left_out():
    proposals = bars((0, 40), (60, 80))
    terms, fits = scored([[0.9, 0.1]]), np.full((1, 2), 0.5, np.float32)
    for certainty, there in ((0.4, [0, 1]), (0.2, [0])):  # times .5: .2 and .1
        own = np.array([[0.0, 0.5]], np.float32)
        found = assemble(peaks_of([0], [certainty]), terms, fits, proposals, CLASSES, FIRST, own=own, per_peak=3)
        assert [i.proposal for i in found] == there


def test_offers_need_to_know_what_an_object_is():
    proposals = bars((0, 40))
    with pytest.raises(ValueError, match="needs own"):
        assemble(peaks_of([0], [1]), scored([[1.0]]), np.ones((1, 1)), proposals, CLASSES, FIRST, per_peak=2)


def test_the_best_proposal_is_the_first_of_the_whole_ranking():
    rng = np.random.default_rng(0)
    terms = rng.uniform(size=(4, 300, 3)).astype(np.float32)
    terms[:, :200] = terms[:, :1] + 0.5  # a long head of the ranking is level
    scores = total(terms, PUBLISHED)
    for k in range(4):
        assert instances._best(terms[k], scores[k], PUBLISHED) == rank(terms[k], PUBLISHED)[0]


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
