"""Proposals that differ, under a real mouse and keyboard: rows, triangle, sliders, plots."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api")

from tests.helpers.browser_tools import PIXELS, SETTLES, changed, shown, state, tab, violations, wait_until
from wsis import instances, matching
from wsis.explorer import alike, travel
from wsis.matching import Weights

pytestmark = pytest.mark.slow


def ranked(analysis, page):
    """The ranking that the page shows, by Python."""
    now = state(page)
    return matching.rank(analysis.ranked_terms[now["t"], now["peak"]], Weights(*now["weights"]))


def test_rows_are_groups_and_unfold(visit, site):
    page = visit()
    analysis = site.analysis(page)
    groups = alike.groups(ranked(analysis, page), analysis.proposals)
    rows = page.locator("#ranking .group:visible")
    assert rows.count() == len(groups)
    for i, group in enumerate(groups):
        assert rows.nth(i).locator(".proposal em").inner_text() == f"#{group.places[0]}"
        assert rows.nth(i).locator(".proposal").get_attribute("data-preview") == str(group.proposals[0])
        if len(group.places) > 1:
            assert rows.nth(i).locator(".fold").inner_text() == f"and {len(group.places) - 1} like it"
    fold = rows.nth(0).locator(".fold")
    fold.click()
    ones = rows.nth(0).locator(".one")
    expected = [f"#{place}" for place in groups[0].places[1 : 1 + ones.count()]]
    assert ones.locator("small").all_inner_texts() == expected
    changed(page, lambda: ones.nth(2).click())
    shown(page, f"S.preview === {groups[0].proposals[3]}")
    assert violations(page, "unfolded", "#right") == []
    fold.click()
    assert not ones.first.is_visible()


def test_the_ring_is_dragged_and_regions_are_picked(visit, site):
    page = visit("#view=instances&t=3")
    field = page.locator(".simplex .field")
    box = field.bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    ring = page.locator(".simplex [role=slider]").bounding_box()
    middle = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
    assert middle == pytest.approx(at((0.1 + 0.95 / 2) / 1.85, 1 - 0.95 / 1.85), abs=1)
    before = page.evaluate(PIXELS)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(*at(0.3, 0.9), steps=6)
    with page.expect_request("**/queue/join**"):
        page.mouse.up()
    weights = state(page)["weights"]
    assert sum(weights) == pytest.approx(1.85, abs=0.002)
    assert weights[2] > weights[1] > weights[0]
    assert page.evaluate(PIXELS) != before
    now = state(page)
    found = instances.shown(site.analysis(page).instances(Weights(*now["weights"]), now["t"]))
    assert now["found"] == [[one.peak, one.proposal] for one in found]
    for b in page.locator(".simplex > button:visible").all():
        wanted = int(b.get_attribute("data-preview"))
        b.click()
        shown(page, f"now.shown === {wanted}")  # the pointer is over it
        assert ranked(site.analysis(page), page)[0] == wanted
    slider = page.locator(".simplex [role=slider]")
    before = state(page)["weights"]
    slider.press("ArrowUp")
    assert state(page)["weights"][0] > before[0]
    told = [round(100 * w / sum(state(page)["weights"])) for w in state(page)["weights"]]
    text = slider.get_attribute("aria-valuetext")
    assert text == f"precision {told[0]}%, contour {told[1]}%, recall {told[2]}%"


def test_a_slider_spends_its_travel_where_masks_change(visit, site):
    page = visit()
    analysis, now = site.analysis(page), state(page)
    terms = analysis.ranked_terms[now["t"], now["peak"]]
    values, places = travel.knots(travel.stretches(terms, Weights(*now["weights"]), 0, 1.5), analysis.proposals)
    slider = page.get_by_label("precision", exact=True)
    assert int(slider.input_value()) == round(1000 * np.interp(0.95, values, places))
    assert slider.get_attribute("aria-valuetext") == ".95"
    slider.fill("400")
    expected = np.interp(0.4, places, values)
    assert state(page)["weights"][0] == pytest.approx(expected, abs=0.001)
    slider.press("ArrowRight")
    assert state(page)["weights"][0] == pytest.approx(expected + 0.01, abs=0.0011)
    slider.press("End")
    assert state(page)["weights"][0] == 1.5
    slider.press("Home")
    assert state(page)["weights"][0] == 0


def test_plots_are_pointed_at_and_clicked(visit, site):
    page = visit()
    plane = page.locator("#firmness .plane").bounding_box()
    page.mouse.move(plane["x"] + 4, plane["y"] + 40)
    shown(page, "S.pointed !== null")
    page.mouse.click(plane["x"] + 4, plane["y"] + 40)
    shown(page, "S.weights[0] < .1")
    assert state(page)["weights"][1] == 0.1
    page.locator("[data-preset=paper]").click()
    tab(page, "Score landscape")
    dot = page.locator("#landscape-plot .scatterlayer .trace").nth(4).locator(".point").first
    dot.wait_for()
    wait_until(page, "() => wsis.data.drawn.endsWith('landscape')")
    box = dot.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - 2, middle[1])
    page.mouse.move(*middle)
    shown(page, "S.pointed !== null")
    page.wait_for_timeout(SETTLES)  # plotly hears of the pointer now and then
    page.mouse.click(*middle)
    shown(page, "S.preview !== null && S.preview === S.pointed")
    tab(page, "Sensitivity")
    page.wait_for_selector("#sensitivity-plot .js-plotly-plot .scatterlayer .trace")
    wait_until(page, "() => wsis.data.drawn.endsWith('sensitivity')")
    drag = page.locator("#sensitivity-plot .nsewdrag").first.bounding_box()
    at = drag["x"] + 0.1 * drag["width"], drag["y"] + 0.9 * drag["height"]
    page.mouse.move(at[0] - 3, at[1])
    page.mouse.move(*at)
    shown(page, "S.pointed !== null")
    pointed = state(page)["pointed"]
    page.mouse.click(*at)
    shown(page, "Math.abs(S.weights[0] - .15) < .02 && Math.abs(S.weights[2] - .15) < .02")
    assert ranked(site.analysis(page), page)[0] == pointed
