"""From terms to instances: picks, suppression, painting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wsis import instances, metrics
from wsis.instances import Fit, Instance, assemble, in_painting_order, paint, semantic
from wsis.matching import PUBLISHED, Weights, rank, total
from wsis.peaks import Peaks
from wsis.proposals import ProposalSet, from_masks

CLASSES = ("cat", "dog", "bird")
FIRST = Weights(1, 0, 0)


def peaks_of(classes: list[int], probabilities: list[float]) -> Peaks:
    index = np.array(classes, np.int64)
    return Peaks(
        index, index * 0, index * 0, np.ones(len(index), np.float32), np.array(probabilities, np.float32), (1, 1)
    )


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
    found = assemble(peaks_of([0, 2], [0.6, 0.5]), Fit(terms, fits), proposals, CLASSES, FIRST)
    assert [(i.name, i.category, i.peak, i.proposal, i.hypothesis, i.painted) for i in found] == [
        ("bird", 2, 1, 2, "region", True),
        ("cat", 0, 0, 0, "region", True),
    ]
    assert [i.score for i in found] == pytest.approx([0.5 * 0.8, 0.6 * 0.5])
    other = assemble(peaks_of([0, 2], [0.6, 0.5]), Fit(terms[:, ::-1], fits), proposals, CLASSES, FIRST)
    assert {i.proposal for i in other} == {2, 0}


def test_nms_is_by_class_and_by_iou_and_greedy():
    # IoU: 0-1 .6/1, 1-2 .5 of a chain, 0-2 .14
    proposals = bars((0, 40), (15, 55), (30, 70))
    terms = scored(np.eye(3).tolist())
    fits = np.array([[0.9] * 3, [0.8] * 3, [0.7] * 3], np.float32)
    same = assemble(peaks_of([0, 0, 0], [1, 1, 1]), Fit(terms, fits), proposals, CLASSES, FIRST)
    assert [i.proposal for i in same] == [0, 2]  # 1 falls to 0 and so cannot fell 2
    mixed = assemble(peaks_of([0, 1, 0], [1, 1, 1]), Fit(terms, fits), proposals, CLASSES, FIRST)
    assert [i.proposal for i in mixed] == [0, 1, 2]
    strict = assemble(peaks_of([0, 0, 0], [1, 1, 1]), Fit(terms, fits), proposals, CLASSES, FIRST, nms=0.1)
    assert [i.proposal for i in strict] == [0]
    loose = assemble(peaks_of([0, 0, 0], [1, 1, 1]), Fit(terms, fits), proposals, CLASSES, FIRST, nms=0.5)
    assert len(loose) == 3


def test_two_peaks_on_one_proposal_give_one_instance_of_the_better():
    terms = scored([[1.0, 0.0], [1.0, 0.0]])
    fits = np.array([[0.4, 0], [0.9, 0]], np.float32)
    found = assemble(peaks_of([0, 0], [1, 1]), Fit(terms, fits), bars((0, 10), (50, 60)), CLASSES, FIRST)
    assert [(i.peak, i.proposal) for i in found] == [(1, 0)]


def test_a_proposal_too_small_for_the_grid_is_one_instance_too():
    proposals = bars((0, 1), (50, 60), (7, 8)).resized((4, 10))
    assert proposals.areas.tolist() == [0, 4, 0]
    terms, fits = scored([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros((3, 3), np.float32)
    found = assemble(peaks_of([0, 0, 0], [1, 1, 1]), Fit(terms, fits), proposals, CLASSES, FIRST)
    assert [(i.peak, i.proposal) for i in found] == [(0, 0), (2, 2)]  # two that vanish are two all the same
    assert proposals.iou([0, 1, 2], [0, 1, 2]).tolist() == np.eye(3).tolist()


def pair() -> tuple[ProposalSet, Fit, Fit]:
    """Two peaks of a class whose regions are both the pair (0); by themselves they lie on 1 and 2."""
    proposals = bars((0, 80), (0, 20), (60, 80), (0, 78))
    regions = Fit(scored([[0.9, 0.1, 0.1, 0.1], [0.8, 0.1, 0.1, 0.1]]), np.full((2, 4), 0.5, np.float32))
    objects = Fit(scored([[0.1, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.1]]), np.full((2, 4), 0.8, np.float32))
    return proposals, regions, objects


def test_the_object_under_a_peak_joins_its_region_at_a_quarter_of_its_score():
    proposals, regions, objects = pair()
    peaks = peaks_of([0, 0], [1.0, 0.5])
    assert [i.proposal for i in assemble(peaks, regions, proposals, CLASSES, FIRST)] == [0]
    found = assemble(peaks, regions, proposals, CLASSES, FIRST, objects=objects)
    # Pictures show the pair for the first peak, and for the second, which lost its region, its object.
    assert [(i.peak, i.proposal, i.hypothesis, i.painted) for i in found] == [
        (0, 0, "region", True),
        (0, 1, "object", False),
        (1, 2, "object", True),
    ]
    assert [i.score for i in found] == pytest.approx([0.5, 0.8 / 4, 0.5 * 0.8 / 4])
    assert [i.proposal for i in in_painting_order(found)] == [0, 2]
    unsure = assemble(peaks_of([0, 0], [1.0, 0.24]), regions, proposals, CLASSES, FIRST, objects=objects)
    assert [(i.proposal, i.painted) for i in unsure] == [(0, True), (1, False), (2, False)]  # .24 x .8 / 4 < .05


def test_an_object_that_is_a_region_again_goes():
    proposals, regions, objects = pair()
    again = Fit(
        scored([[0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.9]]), objects.fits
    )  # the pair itself, and all but a rim
    found = assemble(peaks_of([0, 0], [1, 1]), regions, proposals, CLASSES, FIRST, objects=again)
    assert [i.proposal for i in found] == [0]
    other = assemble(peaks_of([0, 1], [1, 1]), regions, proposals, CLASSES, FIRST, objects=objects)
    assert [(i.category, i.proposal) for i in other] == [(0, 0), (1, 0), (0, 1), (1, 2)]


def test_an_object_covers_the_region_it_lies_in_though_it_scores_less():
    proposals, regions, objects = pair()
    apart = Fit(regions.terms, np.full((2, 4), 0.9, np.float32))
    found = assemble(peaks_of([0, 1], [1, 1]), apart, proposals, CLASSES, FIRST, objects=objects)
    shown = [replace(one, painted=True) for one in found]
    row = semantic(shown, proposals)[0]
    assert [i.hypothesis for i in in_painting_order(shown)] == ["region", "region", "object", "object"]
    assert (row[:20] == 1).all()
    assert (row[60:80] == 2).all()
    assert (row[20:60] == 1).all()


def offered(scores: dict[int, float], category: int = 0) -> list[Instance]:
    return [Instance(category, CLASSES[category], s, 0, i, "offer", False) for i, s in scores.items()]


def test_offers_fill_the_masks_up_where_nothing_of_their_class_lies():
    proposals = bars((0, 40), (50, 70), (0, 30), (52, 70), (80, 90))
    regions = Fit(scored([[0.9, 0, 0, 0, 0]]), np.full((1, 5), 0.5, np.float32))
    offers = offered({2: 0.02, 1: 0.015, 3: 0.01, 4: 0.005})  # 2 is the region but for a rim, 3 is 1
    for fill, wanted in ((0, [0]), (1, [0]), (2, [0, 1]), (3, [0, 1, 4]), (9, [0, 1, 4])):
        found = assemble(peaks_of([0], [1]), regions, proposals, CLASSES, FIRST, offers=offers, fill=fill)
        assert [i.proposal for i in found] == wanted
        assert [i.painted for i in found] == [i.hypothesis == "region" for i in found]
    others = offered({0: 0.02}, category=1)  # what one class has keeps no other away
    found = assemble(peaks_of([0, 1], [1, 0]), Fit(*(np.repeat(x, 2, 0) for x in (regions.terms, regions.fits))),
                     proposals, CLASSES, FIRST, offers=others + offers, fill=9)  # fmt: skip
    assert [(i.category, i.proposal) for i in found if i.hypothesis == "offer"] == [(0, 1), (0, 4)]


def test_offers_never_take_the_place_of_what_a_peak_found():
    proposals = bars(*((10 * i, 10 * i + 8) for i in range(4)))
    regions = Fit(scored(np.eye(4)[:3].tolist()), np.full((3, 4), 0.001, np.float32))
    found = assemble(
        peaks_of([0, 0, 0], [1, 1, 1]), regions, proposals, CLASSES, FIRST, offers=offered({3: 0.03}), fill=2
    )
    assert [i.proposal for i in found] == [0, 1, 2]


def test_offers_are_objects_by_themselves_and_name_the_strongest_peak_inside():
    objectness = np.array([0.9, 0.6, 0.1, 0.7], np.float32)
    holds = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1]], bool)
    values = np.array([1, 2, 9], np.float32)
    found = instances.offers(0, "cat", 0.9, objectness, np.array([0, 1]), values, holds)  # the third is another class's
    assert [(i.proposal, i.peak) for i in found] == [(0, 0), (3, 1), (1, 1)]  # .1 x .9 is too little
    assert [i.score for i in found] == pytest.approx([0.9 * 0.9 * 0.03, 0.7 * 0.9 * 0.03, 0.6 * 0.9 * 0.03])
    assert {(i.category, i.name, i.hypothesis, i.painted) for i in found} == {(0, "cat", "offer", False)}
    nowhere = instances.offers(0, "cat", 1.0, objectness[2:3] * 5, np.array([0, 1]), values, holds[:, 2:3])
    assert [i.peak for i in nowhere] == [1]


def test_the_best_proposal_is_the_first_of_the_whole_ranking():
    rng = np.random.default_rng(0)
    terms = rng.uniform(size=(4, 300, 3)).astype(np.float32)
    terms[:, :200] = terms[:, :1] + 0.5  # a long head of the ranking is level
    scores = total(terms, PUBLISHED)
    for k in range(4):
        assert instances._best(terms[k], scores[k], PUBLISHED) == rank(terms[k], PUBLISHED)[0]


def test_nothing_in_nothing_out():
    proposals = bars((0, 10))
    assert assemble(peaks_of([], []), Fit(np.zeros((0, 1, 3), np.float32), np.zeros((0, 1))), proposals, CLASSES) == ()
    assert (semantic((), proposals) == 0).all()
    with pytest.raises(ValueError, match="expected terms"):
        assemble(peaks_of([0], [1]), Fit(np.zeros((2, 1, 3), np.float32), np.zeros((2, 1))), proposals, CLASSES)
    one = Fit(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="expected terms"):
        assemble(peaks_of([0], [1]), one, proposals, CLASSES, objects=Fit(one.terms, np.zeros((1, 2))))


def test_pictures_leave_out_unsure_regions_and_then_may_show_their_peaks_objects():
    proposals, regions, objects = pair()
    # Regions score .1 and, of the other class, .09; the objects .2 and .18.
    low = Fit(regions.terms, np.full((2, 4), 0.1, np.float32))

    def painted(least):
        found = assemble(peaks_of([0, 1], [1, 0.9]), low, proposals, CLASSES, FIRST, objects=objects, least=least)
        assert len(found) == 4  # lists have all of them
        return {(one.peak, one.hypothesis) for one in found if one.painted}

    assert painted(0.0) == painted(0.05) == {(0, "region"), (1, "region")}
    assert painted(0.095) == {(0, "region"), (1, "object")}
    assert painted(0.15) == painted(0.35) == {(0, "object"), (1, "object")}  # from half of it on
    assert painted(0.37) == {(0, "object")}
    assert painted(0.41) == set()


def test_the_semantic_map_is_painted_best_on_top_of_what_pictures_show():
    proposals = bars((0, 50), (30, 80), (90, 100))
    found = [
        Instance(1, "dog", 0.9, 0, 1),
        Instance(0, "cat", 0.5, 1, 0),
        Instance(2, "bird", 0.4, 1, 2, "offer", False),  # in lists, not in the map
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
    painted = semantic([Instance(998, "tissue", 0.9, 0, 0)], bars((0, 10)))
    assert painted.max() == 999


def test_the_unsure_are_not_painted_where_a_least_score_is_given():
    proposals, fit = bars((0, 10), (10, 20)), Fit(scored(np.eye(2).tolist()), np.ones((2, 2), np.float32))

    def painted(least):
        found = assemble(peaks_of([0, 1], [0.875, 0.125]), fit, proposals, CLASSES, FIRST, least=least)
        return set(np.unique(semantic(found, proposals))) - {0}

    assert painted(0.0) == painted(0.125) == {1, 2}
    assert painted(0.126) == {1}
    assert painted(0.9) == set()


def test_of_proposals_that_score_alike_the_weights_ranking_decides():
    proposals = bars((0, 20), (20, 40), (40, 60))
    terms = np.array([[[0.2, 0.0, 0.8], [0.8, 0.0, 0.2], [0.1, 0.0, 0.1]]], np.float32)
    (found,) = assemble(
        peaks_of([0], [1.0]), Fit(terms, np.full((1, 3), 0.5, np.float32)), proposals, ["a"], Weights(1.0, 0.0, 1.0)
    )
    assert found.proposal == rank(terms[0], Weights(1.0, 0.0, 1.0), 1)[0]


def test_nms_goes_class_by_class():
    masks = np.zeros((3, 96, 128), bool)
    masks[0, 10:50, 10:50] = masks[1, 10:50, 14:50] = masks[2, 10:50, 14:50] = True
    for drawn, stays in ((masks, [0, 2]), (np.zeros_like(masks), [0, 1, 2])):
        kept = instances.kept(metrics.mask_iou(drawn, drawn), np.array([7, 7, 11]))
        assert np.flatnonzero(kept).tolist() == stays


@pytest.mark.parametrize(
    ("hypothesis", "score", "least", "beside", "found"),
    [
        ("region", 0.1, instances.FOUND, False, True),
        ("region", 0.099, instances.FOUND, False, False),
        ("region", 0.0, 0.0, True, True),  # its class was named
        ("object", 0.05, instances.FOUND, False, True),
        ("object", 0.049, instances.FOUND, False, False),
        ("object", 0.9, instances.FOUND, True, False),  # a second guess
        ("object", 0.04, 0.0, False, False),
        ("object", 0.09, 0.2, False, False),
        ("offer", 0.9, 0.0, False, False),
    ],
)
def test_one_threshold_says_what_is_found(hypothesis, score, least, beside, found):
    assert instances.is_found(hypothesis, score, least, beside=beside) is found


def test_lists_hold_the_unsure_on_request():
    sure, doubt = Instance(0, "cat", 0.9, 0, 0), Instance(1, "dog", 0.05, 1, 1, painted=False)
    assert instances.listed([sure, doubt]) == (sure,)
    assert instances.listed([sure, doubt], unsure=True) == (sure, doubt)
