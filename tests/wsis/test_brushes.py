"""Strokes paint the pixels that they should, and edges go to those of the photo."""

from __future__ import annotations

import numpy as np
import pytest

from wsis.brushes import applied, snapped, stroked
from wsis.edits import Snap, Stroke


def painted(size, *strokes):
    return applied(np.zeros(size, bool), strokes, np.zeros((*size, 3), np.uint8))


def by_hand(size, stroke):
    """Every pixel's distance to every piece of the line, without any shortcut."""
    result = np.zeros(size, bool)
    pieces = list(zip(stroke.points, stroke.points[1:], strict=False)) or [(stroke.points[0],) * 2]
    for y, x in np.ndindex(size):
        for begin, end in pieces:
            a, b, at = np.array(begin), np.array(end), np.array((x + 0.5, y + 0.5))
            length = float((b - a) @ (b - a))
            along = min(max(float((at - a) @ (b - a)) / length, 0), 1) if length else 0
            result[y, x] |= float(np.sum((at - a - along * (b - a)) ** 2)) <= stroke.radius**2
    return result


@pytest.mark.parametrize(
    "stroke",
    [
        Stroke(points=((10.5, 7.5),), radius=3),
        Stroke(points=((2, 2), (25, 14)), radius=2.5),
        Stroke(points=((-8, 5), (40, 5), (12, 30)), radius=4),
        Stroke(points=((15, 9), (15, 9)), radius=0.4),
        Stroke(points=((500, 500),), radius=3),
    ],
)
def test_a_stroke_covers_what_lies_within_its_radius(stroke):
    np.testing.assert_array_equal(painted((20, 30), stroke), by_hand((20, 30), stroke))


def test_the_last_stroke_holds():
    dot = {"points": ((8, 8),), "radius": 5}
    assert not painted((16, 16), Stroke(**dot), Stroke(**dot, erase=True)).any()
    assert painted((16, 16), Stroke(**dot, erase=True), Stroke(**dot)).any()


def test_a_box_is_within_the_photo():
    box, covered = stroked((10, 12), Stroke(points=((-100, -100),), radius=2))
    assert covered.size == 0
    assert np.zeros((10, 12))[box].size == 0


@pytest.fixture
def disc():
    """A bright disc on dark ground with some noise, and a mask that is two pixels off."""
    y, x = np.mgrid[:120, :160]
    truth = (y - 60) ** 2 + (x - 80) ** 2 < 40**2
    noise = np.random.default_rng(0).normal(0, 6, (120, 160, 3))
    image = np.clip(np.where(truth[..., None], 200, 60) + noise, 0, 255).astype(np.uint8)
    return image, truth, np.roll(truth, 2, 1)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("method", ["grabcut", "guided filter"])
def test_an_edge_goes_to_the_photos(disc, method):
    image, truth, off = disc
    result = snapped(off, image, method)
    assert iou(result, truth) > iou(off, truth) + 0.03
    np.testing.assert_array_equal(result, snapped(off, image, method))
    np.testing.assert_array_equal(result, applied(off, [Snap(peak=0, proposal=0, method=method)], image))


@pytest.mark.parametrize("method", ["grabcut", "guided filter"])
@pytest.mark.parametrize("fill", [False, True])
def test_nothing_and_everything_have_no_edge(method, fill):
    mask = np.full((40, 50), fill)
    np.testing.assert_array_equal(snapped(mask, np.zeros((40, 50, 3), np.uint8), method), mask)


def test_far_pixels_stay(disc):
    image, _, off = disc
    off[5:9, 5:9] = True
    assert snapped(off, image, "grabcut").any()
