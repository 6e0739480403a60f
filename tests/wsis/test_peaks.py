"""Eq. 1 and the choice of peaks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.peaks import MOST_CELLS, Peaks, find, peak_maps


def bumps(*places: tuple[int, int, float], size: tuple[int, int] = (20, 24)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return sum(h * np.exp(-((y - r) ** 2 + (x - c) ** 2) / 4) for r, c, h in places).astype(np.float32)


def test_peak_map_is_equation_1():
    maps = np.random.default_rng(0).normal(size=(3, 20, 24)).astype(np.float32)
    active = np.maximum(maps, 0)
    expected = [np.maximum(m - gaussian_filter(m, 2.0, mode="reflect", truncate=4) - m.mean(), 0) for m in active]
    np.testing.assert_allclose(peak_maps(maps, 2.0), expected, atol=2e-3)
    without = np.maximum(active - active.mean((1, 2), keepdims=True), 0)
    np.testing.assert_allclose(peak_maps(maps, 0), without, atol=1e-6)


def test_bumps_in_the_background_are_no_peaks():
    map_ = bumps((5, 4, 12.0), (14, 18, 6.0)) - 8  # the second speaks less against the class than its surroundings
    found = find(map_[None], np.ones(1), classes=[0])
    assert list(zip(found.rows, found.columns, strict=True)) == [(5, 4)]


def test_two_bumps_give_two_peaks_strongest_first():
    maps = np.stack([bumps((5, 4, 3.0), (14, 18, 5.0)), bumps((0, 23, 1.0))])
    scores = np.array([0.4, 0.9], np.float32)
    found = find(maps, scores, classes=[0, 1])
    assert found.classes.tolist() == [1, 0, 0]  # classes by score, not by the order they were asked for
    assert list(zip(found.rows, found.columns, strict=True)) == [(0, 23), (14, 18), (5, 4)]
    assert found.probabilities.tolist() == pytest.approx([0.9, 0.4, 0.4])
    expected = peak_maps(maps)[found.classes, found.rows, found.columns]
    np.testing.assert_array_equal(found.values, expected)
    assert len(find(maps, scores, classes=[0])) == 2


def test_window_decides_whether_neighbours_are_two():
    maps = bumps((10, 6, 4.0), (10, 12, 5.0))[None]
    assert len(find(maps, np.ones(1), classes=[0], window=11, sigma=2.0)) == 2
    found = find(maps, np.ones(1), classes=[0], window=13, sigma=2.0)
    assert (found.rows.tolist(), found.columns.tolist()) == ([10], [12])


def test_maxima_are_strict():
    flat = np.zeros((1, 12, 12), np.float32)
    flat[0, 4, 4:6] = 2  # a plateau has no strict maximum
    flat[0, 9, 9] = 1
    found = find(flat, np.ones(1), classes=[0], window=3, sigma=0)
    assert list(zip(found.rows, found.columns, strict=True)) == [(9, 9)]


@pytest.mark.parametrize("sigma", [0, 2.0])
def test_a_chosen_class_is_never_silent(sigma):
    maps = np.full((2, 8, 8), -3, np.float32)
    maps[1, 2, 5:7] = -1  # a plateau: no strict maximum
    found = find(maps, np.array([0.0, 0.1]), classes=[0, 1], window=3, sigma=sigma)
    assert found.classes.tolist() == [1, 0]
    assert (found.rows[0], found.columns[0]) == (2, 5)
    assert (found.values >= 0).all()


def test_limit_keeps_every_class_before_second_peaks():
    many = bumps(*[(r, c, 2.0 + r + c) for r in (2, 10, 18) for c in (2, 11, 20)])
    maps = np.stack([many, bumps((5, 5, 1.0)), bumps((8, 8, 1.0))])
    found = find(maps, np.array([0.9, 0.5, 0.7]), classes=[0, 1, 2], limit=4)
    assert found.classes.tolist() == [0, 0, 2, 1]
    assert (found.rows[0], found.columns[0]) == (18, 20)
    assert find(maps, np.array([0.9, 0.5, 0.7]), classes=[0, 1, 2], limit=2).classes.tolist() == [0, 2]


def test_no_classes_no_peaks():
    found = find(np.zeros((2, 4, 4), np.float32), np.zeros(2), classes=[])
    assert len(found) == 0
    assert found.classes.dtype == np.int64
    assert found.values.dtype == np.float32


def test_wrong_arguments_are_refused():
    maps = np.zeros((1, 4, 4), np.float32)
    with pytest.raises(WsisError, match="odd number"):
        find(maps, np.ones(1), classes=[0], window=4)
    with pytest.raises(WsisError, match="sigma must be"):
        find(maps, np.ones(1), classes=[0], sigma=-1)
    with pytest.raises(ValueError, match="maps: expected"):
        find(maps.astype(np.float64), np.ones(1), classes=[0])
    with pytest.raises(ValueError, match="scores: expected"):
        find(maps, np.ones(2), classes=[0])
    index, value = np.zeros(2, np.int64), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="values: expected"):
        Peaks(index, index, index, value[:1], value, (6, 8))


def test_the_ends_of_each_range_are_in_it():
    maps = np.zeros((1, 40, 40), np.float32)
    maps[0, 10, 10], maps[0, 30, 30] = 5, 4
    widest = MOST_CELLS - (MOST_CELLS + 1) % 2
    for changes in ({"window": 3}, {"window": widest}, {"sigma": 0.0}, {"sigma": float(MOST_CELLS)}, {"limit": 1}):
        assert len(find(maps, np.array([0.9]), classes=[0], **changes)) >= 1
    assert len(find(maps, np.array([0.9]), classes=[0], limit=1)) == 1
    with pytest.raises(WsisError, match="limit at least 1"):
        find(maps, np.array([0.9]), classes=[0], limit=0)
    with pytest.raises(WsisError, match=f"from 3 to {MOST_CELLS}"):
        find(maps, np.array([0.9]), classes=[0], window=widest + 2)


def test_peaks_of_one_strength_stay_in_reading_order_and_the_limit_is_that_of_the_settings():
    maps = np.zeros((1, 90, 90), np.float32)
    maps[0, 4::10, 4::10] = 5  # 81 alike
    found = find(maps, np.array([0.9]), classes=[0], sigma=0.0)
    assert len(found) == Settings().max_peaks
    places = np.stack([found.rows, found.columns], 1).tolist()
    assert places == sorted(places)
