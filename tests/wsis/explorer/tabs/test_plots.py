"""Figures and their tables against each other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small_analysis import empty_scene, random_scene, small_analysis
from wsis import matching
from wsis.explorer import pictures, sensitivity, words
from wsis.explorer.scene import Scene
from wsis.explorer.tabs import plots
from wsis.matching import Weights


def test_landscape_draws_every_proposal_that_can_win_and_few_others(rng):
    scene = random_scene(rng)
    figure = plots.landscape(scene, dark=False)
    by_name = {trace.name: trace for trace in figure.data}
    assert {"α·precision", "β·contour", "γ·recall", "winner"} <= set(by_name)
    front = matching.pareto(scene.analysis.ranked_terms[scene.step, scene.peak])
    best = scene.best[0]
    shares = scene.analysis.proposals.areas / scene.analysis.proposals.labels.size * 100
    assert by_name["winner"].x == (pytest.approx(shares[best], rel=1e-4),)
    score = matching.total(scene.analysis.ranked_terms[scene.step, scene.peak], scene.weights)[best]
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
    ranks = [rank for rank, _ in terms["α·precision"].customdata]
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
    scores = matching.total(scene.analysis.ranked_terms[scene.step, scene.peak], scene.weights)
    assert [f"{score:.3f}".replace("0.", ".", 1) for score in sorted(scores, reverse=True)] == re.findall(
        r"#\d+</th><td>([\d.]+)", table
    )
    seen = sensitivity.plane(scene)
    rows = re.findall(r'<tr><th scope="row">#(\d+)', plots.sensitivity_table(scene, "alpha", "gamma"))
    assert rows == [str(seen.places[region.proposal]) for region in seen.regions]
    drawn = [
        trace for trace in plots.sensitivity_figure(scene, "alpha", "gamma", dark=False).data if trace.fill == "toself"
    ]
    assert [re.match(r"#(\d+)", trace.text).group(1) for trace in drawn] == rows


def test_sensitivity_shows_now_and_the_nearest_change(rng):
    scene = random_scene(rng)
    seen = sensitivity.plane(scene, "beta", "gamma")
    figure = plots.sensitivity_figure(scene, "beta", "gamma", dark=False)
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
    said = sensitivity.summary(scene, "alpha", "gamma")
    assert said == (
        "Proposal #1 keeps winning until α falls to .30, then #2 takes over. "
        "The nearest change is .42 away, at α .60 and γ .60, to #2."
    )
    tied = Scene(replace(analysis, terms=terms), weights=Weights(0.5, 0, 0.5))
    said = sensitivity.summary(tied, "alpha", "gamma")
    assert said == "Proposal #1 is tied with #2 now, so any move of a weight may decide."
    alone = Scene(replace(analysis, terms=terms), weights=Weights(0.9, 0, 0))
    assert "wins everywhere" in sensitivity.summary(alone, "alpha", "beta")


def test_tiny_weights_are_told_in_their_own_scale(rng):
    analysis = small_analysis()
    terms = (rng.random((2, 2, 3, 3)) * (1, 1, 3e4)).astype(np.float32)
    settings = replace(analysis.settings, reading="prm-2018")
    scene = Scene(replace(analysis, terms=terms, settings=settings), weights=Weights(0.8, 1.0, 1e-5))
    seen = sensitivity.plane(scene)
    assert seen.span[1] == 4e-5
    assert plots.sensitivity_figure(scene, "alpha", "gamma", dark=False).layout.yaxis.range == (0, 4e-5)
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
    assert len(sensitivity.plane(scene).regions) == 1
    assert "wins everywhere" in sensitivity.summary(scene, "alpha", "gamma")


def test_empty_states_say_what_to_do():
    scene = empty_scene()
    for figure in (plots.landscape(scene, dark=False), plots.sensitivity_figure(scene, "alpha", "gamma", dark=True)):
        assert not figure.data
        assert figure.layout.annotations[0].text == sensitivity.NO_PEAK
    for text in (
        plots.landscape_table(scene),
        plots.sensitivity_table(scene, "alpha", "gamma"),
        sensitivity.summary(scene, "alpha", "gamma"),
    ):
        assert sensitivity.NO_PEAK in text
    assert sensitivity.SAME_AXES in sensitivity.summary(Scene(small_analysis()), "alpha", "alpha")
    assert plots.sensitivity_figure(Scene(small_analysis()), "beta", "beta", dark=False).layout.annotations


def test_the_small_picture_has_a_polygon_a_region_within_its_frame(rng):
    scene = random_scene(rng)
    seen = sensitivity.plane(scene)
    picture = sensitivity.svg(seen, scene.peak, 100)
    shapes = re.findall(r'points="([^"]+)"', picture)
    assert len(shapes) == len(seen.regions)
    numbers = np.array([float(n) for shape in shapes for n in re.split("[ ,]", shape)])
    assert numbers.min() >= 0
    assert numbers.max() <= 100
    assert sensitivity.fills(seen, scene.peak).count(pictures.colour(scene.peak)) == 1


def test_one_proposal_has_one_colour(rng):
    scene = random_scene(rng)
    terms = scene.analysis.ranked_terms[scene.step, scene.peak]
    front = matching.pareto(terms)
    wears = dict(zip(front, pictures.tints(terms[front], scene.peak), strict=True))
    assert len(set(wears.values())) == len(front) == 3
    assert scene.peak not in wears.values()
    for x, y in (("alpha", "gamma"), ("alpha", "beta"), ("beta", "gamma")):
        seen, drawn = sensitivity.plane(scene, x, y), plots.sensitivity_figure(scene, x, y, dark=False).data
        expected = [
            pictures.colour(scene.peak) if one.proposal == seen.winner else pictures.TINTS[wears[one.proposal]]
            for one in seen.regions
        ]
        assert sensitivity.fills(seen, scene.peak) == expected
        assert re.findall(r'fill="(#\w+)"', sensitivity.svg(seen, scene.peak)) == expected
        shades = [
            plots._see_through(fill, 1 if region.proposal == seen.winner else pictures.FADED)
            for fill, region in zip(expected, seen.regions, strict=True)
        ]
        assert [trace.fillcolor for trace in drawn if trace.fill == "toself"] == shades
    drawn = {trace.name: trace for trace in plots.landscape(scene, dark=False).data}["S(P), can win"]
    winner = scene.best[0]
    for (*_, one), shade in zip(drawn.customdata, drawn.marker.color, strict=True):
        assert shade == (pictures.colour(scene.peak) if one == winner else pictures.TINTS[wears[one]])
    assert sensitivity.worn(np.float32([[1, 1, 1], [0, 0, 0]]), np.array([1]), 0, 0) == [pictures.QUIET]
    many = pictures.tints(rng.random((40, 3)).astype(np.float32), 12)
    assert set(many) == set(range(20)) - {2, 12}
