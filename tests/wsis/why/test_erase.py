"""What is erased is gone, and everything else stays."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest

from tests.helpers.small_analysis import CAT, small_analysis
from wsis.analysis import Glance
from wsis.choices import Fill
from wsis.errors import WsisError
from wsis.why import erase

FILLS = get_args(Fill)


@pytest.fixture
def photo(rng):
    return rng.integers(0, 100, (90, 120, 3), np.uint8)


@pytest.fixture
def mask():
    found = np.zeros((90, 120), bool)
    found[30:60, 40:70] = True
    return found


@pytest.mark.parametrize("fill", FILLS)
def test_outside_nothing_is_touched_and_inside_nothing_stays(photo, mask, fill):
    photo[mask] = 255
    made = erase.erased(photo, mask, fill)
    far = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) > erase.FEATHER * 120 + 1
    np.testing.assert_array_equal(made[far], photo[far])
    assert (made[mask] != 255).all()
    assert made.dtype == np.uint8


def test_each_fill_is_what_it_says(photo, mask):
    photo[:] = 60
    photo[mask] = 255
    assert (erase.erased(photo, mask, "mean")[mask] == 60).all()
    painted = erase.erased(photo, mask, "background")[mask]
    assert abs(painted - 60.0).mean() < 5  # where fronts meet, Telea overshoots
    assert erase.erased(photo, mask, "blur")[45, 55].min() > 60  # some of its brightness stays


@pytest.mark.parametrize("whole", [False, True])
def test_neither_nothing_nor_everything_can_be_erased(photo, whole):
    with pytest.raises(WsisError, match="Mark a part"):
        erase.erased(photo, np.full((90, 120), whole), "blur")


def test_all_but_a_corner_can(photo):
    mask = np.ones((90, 120), bool)
    mask[0, 0] = False
    assert (erase.erased(photo, mask, "mean") == photo[0, 0]).all()
    for fill in FILLS:
        assert (erase.erased(photo, mask, fill)[40, 50] != photo[40, 50]).any()


def test_a_mask_of_another_size_is_a_mistake_of_the_program(photo, mask):
    with pytest.raises(ValueError, match="expected"):
        erase.erased(photo, mask[1:], "blur")


def test_the_classifier_looks_at_the_photo_without_the_part():
    analysis = small_analysis()
    seen, mask = analysis.evidence.glance, analysis.proposals.mask(0)
    looked = []

    def glance(photo):
        looked.append(photo)
        return Glance(photo, photo, small_analysis().evidence.class_maps, {})

    made = erase.see(glance, seen, mask, "mean")
    np.testing.assert_array_equal(looked[0], erase.erased(seen.work, mask, "mean"))
    assert made.before is seen.class_maps
    assert not made.difference(CAT).any()
