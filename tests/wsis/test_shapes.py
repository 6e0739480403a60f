"""Masks as foreign files give them: each is painted right, or refused in plain words."""

from __future__ import annotations

import numpy as np
import pytest

from wsis import shapes

SIZE = (12, 20)
BOX = np.zeros(SIZE, bool)
BOX[2:8, 5:15] = True
CORNERS = [5, 2, 15, 2, 15, 8, 5, 8]
PAIRS = [[5, 2], [15, 2], [15, 8], [5, 8]]
SHARES = [0.25, 2 / 12, 0.75, 2 / 12, 0.75, 8 / 12, 0.25, 8 / 12]


@pytest.mark.parametrize(
    "shape",
    [
        [CORNERS],
        CORNERS,
        PAIRS,
        [PAIRS],
        [CORNERS, []],
        [CORNERS, [1, 2]],
        [CORNERS, [1, 2, 3, 4]],
        BOX.tolist(),
        BOX.astype(int).tolist(),
        BOX.astype(float).tolist(),
        (BOX * 255).astype(int).tolist(),
        np.where(BOX, 0.95, 0.05).tolist(),
        {"size": list(SIZE), "counts": [62, *[6, 6] * 9, 6, 64]},
        {"size": [12.0, 20.0], "counts": [62.0, *[6, 6] * 9, 6, 64]},
    ],
)
def test_one_box_in_many_ways(shape):
    assert np.array_equal(shapes.mask(shape, SIZE), BOX)


@pytest.mark.parametrize("shape", [[SHARES], SHARES, [np.reshape(SHARES, (-1, 2)).tolist()]])
def test_polygons_in_shares_of_the_photo(shape):
    assert shapes.in_shares([shape, None, {}])
    assert np.array_equal(shapes.mask(shape, SIZE, shares=True), BOX)


def test_pixels_are_no_shares():
    assert not shapes.in_shares([[SHARES], [CORNERS]])  # one polygon of pixels tells that all are
    assert not shapes.in_shares([[[0, 0, 1, 0, 1, 1]]])
    assert not shapes.in_shares([None, {"size": [1, 1], "counts": "1"}])


@pytest.mark.parametrize("shape", [None, [], {}, "", [[]], [[1, 2, 3, 4]], {"bbox": [1, 2, 3, 4]}])
def test_no_mask_is_told_from_a_damaged_one(shape):
    with pytest.raises(shapes.NoMaskError):
        shapes.mask(shape, SIZE)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("text", "no mask"),
        (5, "no mask"),
        ([CORNERS[:7]], "an x without a y"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "far outside"),
        ([["1"] * 6], "no number"),
        ([[None] * 6], "no number"),
        ([[True] * 6], "no number"),
        ([10**400] * 6, "too large"),
        (["ab", "cd"], "no number"),
        ([CORNERS, "ab"], "at least three points"),
        (BOX.ravel().astype(int).tolist(), "one list for each row"),
        ({"size": list(SIZE)}, "missing"),
        ({"counts": [240]}, "missing"),
        ({"size": 5, "counts": [240]}, "missing"),
        ({"size": list(SIZE), "counts": [0.5, 239.5]}, "no whole number"),
        ({"size": list(SIZE), "counts": [10]}, "add up to 10"),
        ({"size": list(SIZE), "counts": "é"}, "no compressed RLE"),
    ],
)
def test_damaged_masks_are_refused_in_plain_words(shape, words):
    with pytest.raises(ValueError, match=words) as found:
        shapes.mask(shape, SIZE)
    assert not isinstance(found.value, shapes.NoMaskError)


@pytest.mark.parametrize("shape", [BOX.T.astype(int).tolist(), BOX[:6].tolist(), {"size": [20, 12], "counts": [240]}])
def test_another_size_is_said(shape):
    with pytest.raises(shapes.OtherSizeError):
        shapes.mask(shape, SIZE)


@pytest.mark.parametrize("kind", ["bool", "u1", "i2", "f4", "f8"])
def test_two_numbers_are_a_mask(kind):
    assert np.array_equal(shapes.binary(BOX.astype(kind)), BOX)
    assert np.array_equal(shapes.binary(BOX * np.array(200, "u1")), BOX)


@pytest.mark.parametrize("values", [[0, 1, 2], [-1, 0, 1], [0.2, 3.5], [np.nan, 1.0], [np.inf, 0.0], [-0.5, 0.5]])
def test_what_is_neither_a_mask_nor_probabilities_is_refused(values):
    with pytest.raises(ValueError, match="expected 0 and 1, or probabilities"):
        shapes.binary(np.array(values))
