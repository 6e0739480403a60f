"""Objects cut out of class maps: where boxes lie, what fills them, which stay, and what they score."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.small_analysis import CAT, DOG, boxes, small_analysis, with_class_maps
from train.ablate import cam
from wsis import metrics
from wsis.analysis import Settings
from wsis.ground_truth import GroundTruth
from wsis.proposals import from_masks

SIZE = 96, 128


def evidence(maps, scores):
    """A photo of 96 x 128 pixels with class maps of the same size, proposals as in `small_analysis`."""
    base = small_analysis().evidence
    whole, own = np.full((20, *SIZE), -5, np.float32), np.zeros(20, np.float32)
    for category, map_ in maps.items():
        whole[category], own[category] = map_, scores[category]
    return with_class_maps(base, maps=whole, scores=own)


def plateau(*areas, value=4.0):
    """(96, 128) float32: -5, and `value` in (top, bottom, left, right) areas."""
    map_ = np.full(SIZE, -5, np.float32)
    for top, bottom, left, right in areas:
        map_[top:bottom, left:right] = value
    return map_


def test_boxes_are_those_of_connected_areas_above_a_fifth_of_the_maximum():
    map_ = plateau((10, 20, 10, 18), (40, 80, 60, 100))
    map_[50, 70] = 10
    map_[85:95, 5:15] = 1.9  # below 2
    assert cam.boxes(map_) == [(60, 40, 40, 40), (10, 10, 8, 10)]
    map_[85:95, 5:15] = 2.1
    assert len(cam.boxes(map_)) == 3


@pytest.mark.parametrize("value", [-5.0, -0.5, 0.0])
def test_a_map_that_is_nowhere_positive_has_no_box(value):
    assert cam.boxes(plateau((10, 20, 10, 20), value=value)) == []


def test_an_ellipse_touches_the_sides_of_its_box_and_fills_its_share():
    box = 20, 10, 60, 40
    mask = cam.ellipse(box, SIZE)
    assert not (mask & ~cam.rectangle(box, SIZE)).any()
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (10, 49, 20, 79)
    assert mask.sum() == pytest.approx(np.pi / 4 * 60 * 40, rel=0.01)
    assert cam.ellipse((3, 4, 1, 1), SIZE).sum() == 1
    assert cam.ellipse((3, 4, 1, 1), SIZE)[4, 3]


def test_the_proposal_of_highest_iou_is_taken():
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 10:50, 10:50] = masks[1, 12:48, 12:48] = masks[2, 60:90, 60:90] = True
    proposals = from_masks(masks)
    wanted = np.zeros((2, *SIZE), bool)
    wanted[0, 11:48, 11:48] = wanted[1, 70:95, 65:95] = True
    assert (cam.nearest(wanted, proposals) == masks[[1, 2]]).all()
    assert cam.nearest(wanted[:0], proposals).shape == (0, *SIZE)


def test_objects_are_those_of_followed_classes_by_score():
    maps = {CAT: plateau((10, 40, 10, 40), (60, 90, 10, 60)), DOG: plateau((20, 60, 70, 110)), 0: plateau((0, 9, 0, 9))}
    seen = evidence(maps, {CAT: 0.4, DOG: 0.9, 0: 0.05})
    masks, categories, scores = cam.objects(seen, "rectangle", class_threshold=0.1)
    assert categories.tolist() == [DOG, CAT, CAT]
    np.testing.assert_allclose(scores, [0.9, 0.4, 0.4])
    assert [mask.sum() for mask in masks] == [1600, 1500, 900]


def test_proposals_are_taken_at_the_photos_own_size():
    truth = boxes()[0].repeat(2, 0).repeat(2, 1)
    seen = evidence({CAT: plateau((18, 78, 10, 54))}, {CAT: 0.8})
    masks, *_ = cam.objects(seen, "proposal", class_threshold=0.1)
    assert (masks[0] == truth).all()


def test_rectangles_of_rectangular_objects_are_perfect_and_what_scores_little_is_not_painted():
    areas = {CAT: (10, 40, 10, 40), DOG: (20, 60, 70, 110)}
    seen = evidence({c: plateau(area) for c, area in areas.items()}, {CAT: 0.15, DOG: 0.9})
    masks = np.zeros((2, *SIZE), bool)
    semantic = np.zeros(SIZE, np.uint8)
    for mask, (category, (top, bottom, left, right)) in zip(masks, areas.items(), strict=True):
        mask[top:bottom, left:right] = True
        semantic[mask] = category + 1
    truth = GroundTruth(masks, np.array([CAT, DOG]), semantic)
    settings = Settings(semantic_threshold=0.2)
    result, confusion = cam.score(seen, "rectangle", truth, settings)
    assert metrics.mean_ap([result], 0.75) == 1
    assert metrics.abo([result]) == 1
    assert confusion[DOG + 1, DOG + 1] == 1600
    assert confusion[CAT + 1, 0] == 900
    ellipses, _ = cam.score(seen, "ellipse", truth, settings)
    assert metrics.abo([ellipses]) == pytest.approx(np.pi / 4, abs=0.02)


def test_a_photo_of_no_followed_class_has_no_object():
    seen = evidence({}, {})
    for shape in ("rectangle", "ellipse", "proposal"):
        masks, categories, scores = cam.objects(seen, shape, class_threshold=0.1)
        assert masks.shape == (0, *SIZE)
        assert len(categories) == len(scores) == 0
