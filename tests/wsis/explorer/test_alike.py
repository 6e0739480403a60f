"""Proposals by what they are like, and what changes along a slider, by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from wsis import matching
from wsis.explorer import alike, travel, words
from wsis.explorer.alike import Change, Group
from wsis.matching import Weights
from wsis.proposals import from_masks


def proposals(*boxes):
    """Boxes (top, left, bottom, right) on 20 x 20 pixels."""
    masks = np.zeros((len(boxes), 20, 20), bool)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return from_masks(masks)


def test_a_proposal_joins_the_first_group_that_it_is_like():
    made = proposals((0, 0, 10, 10), (0, 0, 10, 9), (10, 10, 20, 20), (0, 0, 10, 8), (10, 10, 20, 19))
    assert alike.groups([0, 1, 2, 3, 4], made) == (Group((0, 1), (1, 2)), Group((2, 4), (3, 5)), Group((3,), (4,)))
    # Exactly .8 is not above it; against a leader of 9 columns 8 are.
    assert alike.groups([1, 3, 0, 2], made) == (Group((1, 3, 0), (1, 2, 3)), Group((2,), (4,)))


def test_a_ranking_is_followed_until_a_group_too_many():
    made = proposals((0, 0, 10, 10), (10, 10, 20, 20), (0, 0, 10, 9), (0, 10, 10, 20), (10, 10, 20, 19))
    assert alike.groups([0, 1, 2, 3, 4], made, 2) == (Group((0, 2), (1, 3)), Group((1,), (2,)))
    assert alike.groups([], made) == ()


@pytest.mark.parametrize(
    ("other", "gained", "lost"),
    [
        ((5, 5, 15, 15), Change(0, ""), Change(0, "")),
        ((5, 5, 15, 17), Change(0.2, "right"), Change(0, "")),
        ((3, 5, 15, 15), Change(0.2, "top"), Change(0, "")),
        ((5, 7, 18, 15), Change(0.24, "bottom"), Change(0.2, "left")),
        ((0, 0, 20, 20), Change(3.0, ""), Change(0, "")),
    ],
)
def test_a_difference_is_told_by_share_and_side(other, gained, lost):
    made = proposals((5, 5, 15, 15), other)
    assert alike.difference(made, len(made) - 1 if other != (5, 5, 15, 15) else 0, 0) == (gained, lost)


def test_a_difference_in_words():
    assert words.change("adds ", 0.124, "left") == "adds 12% at the left"
    assert words.change("−", 0.125, "") == "−13%"
    assert words.change("loses ", 0.001, "top") == "loses less than 1% at the top"
    assert words.change("adds ", 12.6, "") == "adds 13 times its area"
    assert words.change("adds ", 0, "") == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stretch_is_where_one_wins(rng, axis):
    terms = rng.random((200, 3)).astype(np.float32)
    found = travel.stretches(terms, Weights(0.95, 0.1, 0.8), axis, 1.5)
    assert found[0].low == 0
    assert found[-1].high == 1.5
    for one, after in pairwise(found):
        assert one.high == after.low
        assert one.proposal != after.proposal
    for one in found:
        at = [0.95, 0.1, 0.8]
        at[axis] = (one.low + one.high) / 2
        assert matching.rank(terms, Weights(*at), 1)[0] == one.proposal


def test_travel_goes_where_the_mask_changes():
    made = proposals((0, 0, 4, 4), (0, 0, 4, 5), (8, 8, 18, 18), (0, 0, 20, 20))
    ends = [0.0, 0.5, 0.6, 0.8, 2.0]
    found = tuple(travel.Stretch(low, high, i) for i, (low, high) in enumerate(pairwise(ends)))
    values, places = travel.knots(found, made)
    assert values.tolist() == ends
    assert places[0] == 0
    assert places[-1] == 1
    own = np.diff(places)
    assert (own > 0).all()
    worth = np.array([0.2, 0.2 + 1, 1 + 0.75, 0.25 * 0.75])  # the last is the whole photo
    lengths = np.array([0.25, 0.05, 0.1, 0.6])
    np.testing.assert_allclose(own, 0.3 * lengths + 0.7 * worth / worth.sum(), atol=1e-12)


def test_where_nothing_changes_travel_is_even():
    made = proposals((0, 0, 4, 4))
    values, places = travel.knots((travel.Stretch(0.0, 1.5, 0),), made)
    assert (values.tolist(), places.tolist()) == ([0, 1.5], [0, 1])
