"""Regions of weight space against brute force, figures and their tables against each other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small_analysis import small_analysis
from wsis import matching
from wsis.explorer import firmness, pictures, words
from wsis.explorer.scene import Scene
from wsis.explorer.tabs import plots
from wsis.matching import PRESETS, PUBLISHED, Weights
from wsis.peaks import Peaks

PAIRS = [(0, 2), (0, 1), (1, 2)]


def random_scene(rng: np.random.Generator, count: int = 3) -> Scene:
    """The small analysis with other terms; the third proposal is small, so all three can be told apart by area."""
    analysis = small_analysis()
    terms = rng.dirichlet((1, 1, 1), (2, 2, count)).astype(np.float32)  # equal sums: each can win
    return Scene(replace(analysis, terms=terms))


def empty_scene() -> Scene:
    analysis = small_analysis()
    nothing, no_number = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Scene(
        replace(
            analysis,
            peaks=Peaks(nothing, nothing, nothing, no_number, no_number),
            maps=analysis.maps[:, :0],
            binary=analysis.binary[:, :0],
            thresholds=analysis.thresholds[:, :0],
            terms=analysis.terms[:, :0],
            overlaps=analysis.overlaps[:, :0],
        )
    )


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
    for axis, name in enumerate(firmness.AXES):
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


def test_landscape_draws_every_proposal_that_can_win_and_few_others(rng):
    scene = random_scene(rng)
    figure = plots.landscape(scene, dark=False)
    by_name = {trace.name: trace for trace in figure.data}
    assert {"α·precision", "β·contour", "γ·recall", "winner"} <= set(by_name)
    front = matching.pareto(scene.analysis.terms[scene.step, scene.peak])
    best = scene.top[0]
    shares = scene.analysis.proposals.areas / scene.analysis.proposals.labels.size * 100
    assert by_name["winner"].x == (pytest.approx(shares[best], rel=1e-4),)
    score = matching.total(scene.analysis.terms[scene.step, scene.peak], scene.weights)[best]
    assert by_name["winner"].y == (pytest.approx(score, rel=1e-4),)
    area, terms = rng.uniform(0.1, 90, 3000), rng.random((3000, 3)).astype(np.float32)
    front, rest = plots._thinned(terms, area, [7])
    assert set(matching.pareto(terms)) <= set(front)
    assert 7 in front
    assert len(front) + len(rest) == plots.SHOWN
    assert not set(front) & set(rest)
    again = plots._thinned(terms, area, [7])
    assert all((one == two).all() for one, two in zip((front, rest), again, strict=True))
    assert np.percentile(area[rest], 50) == pytest.approx(np.percentile(area, 50), abs=5)


def test_the_terms_of_the_landscape_add_up_to_its_score(rng):
    scene = random_scene(rng)
    figure = plots.landscape(scene, dark=True)
    terms = {trace.name: trace for trace in figure.data}
    ranks = terms["α·precision"].customdata
    sums = {
        rank: sum(terms[name].y[i] for name in ("α·precision", "β·contour", "γ·recall")) for i, rank in enumerate(ranks)
    }
    told = [
        (data[0], y) for name in ("S(P), can win", "S(P), cannot win") for data, y in zip(
            terms[name].customdata, terms[name].y, strict=True
        )
    ]  # fmt: skip
    assert sorted(rank for rank, _ in told) == [1, 2, 3]
    for rank, y in told:
        assert y == pytest.approx(sums[rank], rel=1e-3)


def test_tables_mirror_the_plots(rng):
    scene = random_scene(rng)
    table = plots.landscape_table(scene)
    assert table.count("<tr>") == 1 + 3
    scores = matching.total(scene.analysis.terms[scene.step, scene.peak], scene.weights)
    assert [f"{score:.3f}".replace("0.", ".", 1) for score in sorted(scores, reverse=True)] == re.findall(
        r"#\d+</th><td>([\d.]+)", table
    )
    seen = plots.plane(scene)
    rows = re.findall(r'<tr><th scope="row">#(\d+)', plots.sensitivity_table(scene, "alpha", "gamma"))
    assert rows == [str(seen.places[region.proposal]) for region in seen.regions]
    drawn = [trace for trace in plots.sensitivity(scene, "alpha", "gamma", dark=False).data if trace.fill == "toself"]
    assert [re.match(r"#(\d+)", trace.text).group(1) for trace in drawn] == rows


def test_sensitivity_shows_now_and_the_nearest_change(rng):
    scene = random_scene(rng)
    seen = plots.plane(scene, "beta", "gamma")
    figure = plots.sensitivity(scene, "beta", "gamma", dark=False)
    assert figure.layout.xaxis.title.text == "β contour"
    assert (figure.data[-1].x, figure.data[-1].y) == ((0.1,), (0.8,))
    assert seen.switch is not None
    line = next(trace for trace in figure.data if trace.line.dash)
    assert (line.x[1], line.y[1]) == seen.switch.point


def test_the_summary_gives_the_numbers_of_the_plane():
    analysis = small_analysis()
    terms = np.zeros((2, 2, 3, 3), np.float32)
    terms[:, :, 0], terms[:, :, 1] = (1, 0, 0), (0, 0, 1)  # the first wins where alpha > gamma
    scene = Scene(replace(analysis, terms=terms), weights=Weights(0.9, 0, 0.3))
    said = plots.sensitivity_summary(scene, "alpha", "gamma")
    assert said == (
        "Proposal #1 keeps winning until α falls to .30, then #2 takes over. "
        "The nearest change is .42 away, at α .60 and γ .60, to #2."
    )
    tied = Scene(replace(analysis, terms=terms), weights=Weights(0.5, 0, 0.5))
    said = plots.sensitivity_summary(tied, "alpha", "gamma")
    assert said == "Proposal #1 is tied with #2 now, so any move of a weight may decide."
    alone = Scene(replace(analysis, terms=terms), weights=Weights(0.9, 0, 0))
    assert "wins everywhere" in plots.sensitivity_summary(alone, "alpha", "beta")


def test_tiny_weights_are_told_in_their_own_scale(rng):
    analysis = small_analysis()
    terms = (rng.random((2, 2, 3, 3)) * (1, 1, 3e4)).astype(np.float32)
    settings = replace(analysis.settings, reading="prm-2018")
    scene = Scene(replace(analysis, terms=terms, settings=settings), weights=Weights(0.8, 1.0, 1e-5))
    seen = plots.plane(scene)
    assert seen.span[1] == 4e-5
    assert plots.sensitivity(scene, "alpha", "gamma", dark=False).layout.yaxis.range == (0, 4e-5)
    assert "γ 1e-5" in plots.sensitivity_table(scene, "alpha", "gamma")


@pytest.mark.parametrize(("value", "text"), [(0.58, ".58"), (1.0, "1"), (1.32, "1.32"), (0.0, "0"), (0.0015, ".0015")])
def test_numbers_have_no_leading_zero(value, text):
    assert words.weight(value, 1.5) == text


def test_one_term_alone_draws_one_region():
    analysis = small_analysis()
    terms = analysis.terms * np.array([1, 0, 0], np.float32)
    settings = replace(analysis.settings, reading="iou")
    scene = Scene(replace(analysis, terms=terms, settings=settings), weights=Weights(1, 0, 0))
    assert "unused" not in plots.landscape(scene, dark=False).to_json() + plots.landscape_table(scene)
    assert len(plots.plane(scene).regions) == 1
    assert "wins everywhere" in plots.sensitivity_summary(scene, "alpha", "gamma")


def test_empty_states_say_what_to_do():
    scene = empty_scene()
    for figure in (plots.landscape(scene, dark=False), plots.sensitivity(scene, "alpha", "gamma", dark=True)):
        assert not figure.data
        assert figure.layout.annotations[0].text == plots.NO_PEAK
    for text in (
        plots.landscape_table(scene),
        plots.sensitivity_table(scene, "alpha", "gamma"),
        plots.sensitivity_summary(scene, "alpha", "gamma"),
    ):
        assert plots.NO_PEAK in text
    assert plots.SAME_AXES in plots.sensitivity_summary(Scene(small_analysis()), "alpha", "alpha")
    assert plots.sensitivity(Scene(small_analysis()), "beta", "beta", dark=False).layout.annotations


def test_the_small_picture_has_a_polygon_a_region_within_its_frame(rng):
    scene = random_scene(rng)
    seen = plots.plane(scene)
    picture = plots.plane_svg(seen, scene.peak, 100)
    shapes = re.findall(r'points="([^"]+)"', picture)
    assert len(shapes) == len(seen.regions)
    numbers = np.array([float(n) for shape in shapes for n in re.split("[ ,]", shape)])
    assert numbers.min() >= 0
    assert numbers.max() <= 100
    assert plots.fills(seen, scene.peak).count(plots.colour(scene.peak)) == 1


def test_one_proposal_has_one_colour(rng):
    scene = random_scene(rng)
    terms = scene.analysis.terms[scene.step, scene.peak]
    front = matching.pareto(terms)
    wears = dict(zip(front, pictures.tints(terms[front], scene.peak), strict=True))
    assert len(set(wears.values())) == len(front) == 3 and scene.peak not in wears.values()
    for x, y in (("alpha", "gamma"), ("alpha", "beta"), ("beta", "gamma")):
        seen, drawn = plots.plane(scene, x, y), plots.sensitivity(scene, x, y, dark=False).data
        expected = [
            pictures.colour(scene.peak) if one.proposal == seen.winner else pictures.TINTS[wears[one.proposal]]
            for one in seen.regions
        ]
        assert plots.fills(seen, scene.peak) == expected
        assert re.findall(r'fill="(#\w+)"', plots.plane_svg(seen, scene.peak)) == expected
        shades = [
            plots._see_through(fill, 1 if region.proposal == seen.winner else pictures.FADED)
            for fill, region in zip(expected, seen.regions, strict=True)
        ]
        assert [trace.fillcolor for trace in drawn if trace.fill == "toself"] == shades
    many = pictures.tints(rng.random((40, 3)).astype(np.float32), 12)
    assert set(many) == set(range(20)) - {2, 12}
