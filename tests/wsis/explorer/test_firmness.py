"""Regions of weight space against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small_analysis import small_analysis
from wsis import matching
from wsis.explorer import firmness, words
from wsis.explorer.scene import Scene
from wsis.matching import PRESETS, PUBLISHED, Weights

PAIRS = [(0, 2), (0, 1), (1, 2)]


def holds(region: firmness.Region, point: np.ndarray, span: tuple[float, float]) -> bool:
    corners, here = region.corners / span, point / span
    along, to = np.roll(corners, -1, 0) - corners, here - corners
    return bool((along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0] >= -1e-9).all())


@pytest.mark.parametrize(("x", "y"), PAIRS)
@pytest.mark.parametrize("scale", [(1, 1, 1), (1, 1, 3e4)])  # the second as in prm-2018: large counts, tiny weights
def test_regions_tile_the_plane_and_name_the_winner(rng, x, y, scale):
    terms = (rng.random((80, 3)) * scale).astype(np.float32)
    weights = Weights(0.95, 0.1, 0.8 / scale[2])
    spans = np.array([1.5, 1.5, 1.5]) / scale
    span = (spans[x], spans[y])
    found = firmness.regions(terms, weights, x, y, span)
    assert len(found) > 1
    assert sum(region.share for region in found) == pytest.approx(1)
    assert [region.share for region in found] == sorted((region.share for region in found), reverse=True)
    for point in rng.random((200, 2)) * span:
        values = [weights.alpha, weights.beta, weights.gamma]
        values[x], values[y] = point
        winner = matching.rank(terms, Weights(*values), 1)[0]
        assert winner in [region.proposal for region in found if holds(region, point, span)]


def test_the_edges_of_a_region_name_the_neighbour(rng):
    terms = rng.random((40, 3)).astype(np.float32)
    found = firmness.regions(terms, PUBLISHED, 0, 2, (1.5, 1.5))
    names = {region.proposal for region in found}
    frames = 0
    for region in found:
        for start, end, rival in zip(region.corners, np.roll(region.corners, -1, 0), region.rivals, strict=True):
            middle = (start + end) / 2
            if rival == firmness.FRAME:
                assert (np.isclose(middle, 0) | np.isclose(middle, 1.5)).any()
                frames += 1
                continue
            assert rival in names
            weights = Weights(max(middle[0], 0), PUBLISHED.beta, max(middle[1], 0))
            scores = matching.total(terms, weights)
            assert scores[rival] == pytest.approx(scores[region.proposal])
            assert scores.max() == pytest.approx(scores[rival])
    assert frames >= 4


def test_ties_go_to_the_greater_sum_of_terms_and_then_to_the_lower_index():
    # At beta = 0 the three are equal all over the plane of alpha and gamma.
    terms = np.array([[0.5, 0.1, 0.5], [0.5, 0.3, 0.5], [0.5, 0.3, 0.5]], np.float32)
    weights = Weights(1, 0, 1)
    (only,) = firmness.regions(terms, weights, 0, 2, (1.5, 1.5))
    assert only.proposal == 1 == matching.rank(terms, weights, 1)[0]
    assert firmness.nearest((only,), 1, (1, 1), (1.5, 1.5)) is None


def test_the_nearest_switch_is_the_nearest(rng):
    for _ in range(20):
        terms = rng.random((30, 3)).astype(np.float32)
        weights = Weights(*rng.uniform(0.1, 1.4, 3))
        point, span = (weights.alpha, weights.gamma), (1.5, 1.5)
        found = firmness.regions(terms, weights, 0, 2, span)
        winner = int(matching.rank(terms, weights, 1)[0])
        switch = firmness.nearest(found, winner, point, span)
        assert switch is not None
        reach = np.hypot(*(np.array(switch.point) - point))
        assert switch.distance == pytest.approx(reach / 1.5)
        for angle in np.linspace(0, 2 * np.pi, 60):  # nobody else wins within that distance
            alpha, gamma = np.array(point) + 0.999 * reach * np.array([np.cos(angle), np.sin(angle)])
            if 0 <= alpha <= 1.5 and 0 <= gamma <= 1.5:
                assert matching.rank(terms, Weights(alpha, weights.beta, gamma), 1)[0] == winner
        scores = matching.total(terms, Weights(switch.point[0], weights.beta, switch.point[1]))
        assert scores[switch.proposal] == pytest.approx(scores.max())
        assert scores[winner] == pytest.approx(scores.max())


def test_a_tie_is_no_distance_away():
    terms = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    found = firmness.regions(terms, Weights(0.5, 0, 0.5), 0, 2, (1.5, 1.5))
    assert firmness.nearest(found, 0, (0.5, 0.5), (1.5, 1.5)).distance == pytest.approx(0, abs=1e-12)
    # With all weights 0 the greatest sum wins, though it has no region of its own.
    terms = np.array([[1, 0, 0], [0, 0, 1], [0.4, 0.9, 0.4]], np.float32)
    winner = int(matching.rank(terms, Weights(0, 0, 0), 1)[0])
    found = firmness.regions(terms, Weights(0, 0, 0), 0, 2, (1.5, 1.5))
    assert winner == 2
    assert winner not in [region.proposal for region in found]
    assert firmness.nearest(found, winner, (0, 0), (1.5, 1.5)).distance == 0


def test_a_handover_says_where_the_winner_changes(rng):
    for axis, name in enumerate(words.AXES):
        terms = rng.random((30, 3)).astype(np.float32)
        before = matching.rank(terms, PUBLISHED, 1)[0]
        symbol, side, value, other = firmness.handover(terms, PUBLISHED, axis, 1.5)
        assert symbol == "αβγ"[axis]
        sign = 1 if side == "above" else -1
        assert sign * (value - getattr(PUBLISHED, name)) > 0
        assert matching.rank(terms, replace(PUBLISHED, **{name: value - sign * 1e-6}), 1)[0] == before
        assert matching.rank(terms, replace(PUBLISHED, **{name: value + sign * 1e-6}), 1)[0] == other


def test_a_tie_now_is_handed_over_on_the_right_side():
    terms = np.array([[1, 0, 0], [0, 0, 1]], np.float32)  # a tie at equal weights; falling alpha lets the second win
    assert firmness.handover(terms, Weights(0.5, 0, 0.5), 0, 1.5) == ("α", "below", 0.5, 1)


def test_spans_follow_the_reading_and_the_weights():
    assert firmness.spans("cover", PUBLISHED) == (1.5, 1.5, 1.5)
    assert firmness.spans("cover", Weights(3, 0, 0))[0] == 3
    assert firmness.spans("prm-2018", PRESETS["prm-2018"].weights)[2] < 1e-3


def test_reason_names_the_term_and_the_lead():
    analysis = small_analysis()
    terms = np.zeros((2, 2, 3, 3), np.float32)
    # The second is nearly the first and worse in every term, so no weights choose it: the third is the runner-up.
    terms[:, :, 0], terms[:, :, 1], terms[:, :, 2] = (0.5, 0, 0.5), (0.499, 0, 0.5), (0.5, 0.125, 0.125)
    scene = Scene(replace(analysis, terms=terms), weights=Weights(1, 1, 1))
    assert firmness.reason(scene, scene.found[0]) == "recall, .250 ahead of the runner-up"
    level = Scene(replace(analysis, terms=terms), weights=Weights(1, 0, 0))
    assert firmness.reason(level, level.found[0]) == "a tie with the runner-up"
    alone = Scene(replace(analysis, terms=np.ones_like(terms)))
    assert firmness.reason(alone, alone.found[0]) == "no other can win"


def test_no_weight_is_handed_over_at_0_or_beyond_its_range():
    terms = np.array([[1, 0, 0.5], [0.5, 0, 0.5]], np.float32)  # equal at alpha = 0, and no alpha is below it
    assert firmness.handover(terms, Weights(0.5, 0, 0.5), 0, 1.5) is None
    terms = np.array([[0, 0, 1], [1, 0, 0]], np.float32)
    assert firmness.handover(terms, Weights(0.5, 0, 1), 0, 1.5) == ("α", "above", 1.0, 1)
    assert firmness.handover(terms, Weights(0.5, 0, 1), 0, 1.0) is None
    # Two are met at one value: the steeper wins beyond, though it comes later; of two alike the greater sum of terms.
    terms = np.array([[1, 0, 0], [0.5, 0, 0.25], [0.25, 0, 0.375], [0.25, 0.5, 0.375]], np.float32)
    assert firmness.handover(terms, Weights(1, 0, 1), 0, 1.5) == ("α", "below", 0.5, 3)
