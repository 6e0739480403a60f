"""Steps as the page shows them: changes counted there as here, the response first, grids, and comparing as an act."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api")

from tests.helpers.browser_tools import changed, fetched, shown, violations, wait_until
from tests.helpers.page_data import decoded
from wsis import changes
from wsis.analysis import Settings
from wsis.explorer import layout, payload, pictures, words
from wsis.explorer.published import UNSCORED_THRESHOLD, published
from wsis.maps import normalised

STAGE = Path(layout.__file__).parent / "stage"
COUNT = """async urls => {
  const maps = await Promise.all(urls.map(unpack.grey));
  const steps = maps.slice(1).map((map, i) => changes.between(maps[i], map));
  return [steps.map(({gained, lost}) => [gained, lost]), changes.settled(steps)];
}"""


@pytest.fixture(scope="module")
def arithmetic(browser):
    """A page with the counting of the real one, and nothing else."""
    page = browser.new_page()
    page.set_content("<html><body></body></html>")
    page.evaluate("config => { globalThis.wsis = {config}; }", layout.method_config())
    for name in ("dom", "unpack", "changes"):
        page.add_script_tag(content=(STAGE / f"{name}.js").read_text(encoding="utf-8"))
    yield page
    page.close()


@pytest.mark.parametrize("seed", range(6))
def test_the_page_counts_as_numpy_does(arithmetic, seed):
    rng = np.random.default_rng(seed)
    binary = rng.random((5, 48, 64)) < np.array([0.2, 0.5, *[0.5] * 3])[:, None, None]
    for t in range(2, 5):  # from step `seed` on nothing moves, or hardly
        binary[t] = np.where(rng.random((48, 64)) < (0.01 if t <= seed else 0.0002), binary[t], binary[t - 1])
    counted, settled = arithmetic.evaluate(COUNT, [pictures.png(step.astype(np.uint8)) for step in binary])
    expected = changes.shares(binary)
    assert counted == expected.tolist()
    assert settled == changes.settled(expected)


def test_shares_are_spelt_alike(arithmetic):
    values = [0, 0.0004, 0.0005, 0.00149, 0.0345, 0.09949, 0.0995, 0.1, 0.415, 1]
    assert arithmetic.evaluate("all => all.map(changes.percent)", values) == [words.changed(value) for value in values]


def test_as_published_is_what_the_tables_call_so():
    from train.ablate.rows import PUBLISHED

    known = ("spread", "icn-saliency", "icn-proposal", "icn-instances")
    for enhancer, grown in (
        ("icn-instances", "icn-saliency"),
        ("icn-proposal", "icn-proposal"),
        ("spread", "icn-saliency"),
    ):
        made = published(Settings(enhancer=enhancer, steps=4, window=5), known)
        assert made == Settings(enhancer=grown, steps=4, window=5, naive="response", **dict(PUBLISHED))
    assert dict(PUBLISHED)["semantic_threshold"] == UNSCORED_THRESHOLD
    assert published(Settings(), ("spread",)).enhancer == "none"


@pytest.mark.slow
def test_the_response_is_what_one_sees_first_and_every_map_says_what_it_is(visit, site):
    page = visit()
    own = page.locator(".tag.right")
    assert own.inner_text() == "peak response, Eq. 2"
    analysis = site.analysis(page)
    url = page.evaluate("wsis.now.part.response")
    k = page.evaluate("wsis.state.peak")
    np.testing.assert_array_equal(decoded(url), np.rint(255 * normalised(analysis.responses[[k]])[0]).astype(np.uint8))
    for view, told in (
        ("classmap", "class map"),
        ("enhanced", "enhanced, t = 3 · regions and objects"),
        ("semantic", "final classes · enhanced, t = 3 · regions and objects"),
    ):
        changed(page, lambda view=view: page.locator(f".views [data-view={view}]").click())
        assert own.inner_text() == told
    changed(page, page.get_by_role("button", name="Step 0").click)
    assert own.inner_text() == "final classes · naive, t = 0 · class map"
    assert not page.locator(".divider").is_visible()


@pytest.mark.slow
def test_under_each_step_stands_what_it_changed_and_the_stage_outlines_it(visit, site):
    page = visit()
    analysis, k = site.analysis(page), page.evaluate("wsis.state.peak")
    shares = changes.shares(analysis.binary[:, k])
    settled = changes.settled(shares)
    for t, (gained, lost) in enumerate(shares.tolist(), 1):
        note = f"+{words.changed(gained)} −{words.changed(lost)}"
        note = note if settled is None or t <= settled else f"settled at {settled}"
        stop = page.locator(".film button", has_text=f"t = {t}")
        wait_until(
            page,
            "([t, note]) => [...document.querySelectorAll('.film button')].some(b => "
            "b.querySelector('b').textContent === `t = ${t}` && b.querySelector('small').textContent === note)",
            arg=[t, note],
        )
    stop = page.locator(".film button", has_text="t = 1")
    changed(page, stop.hover)
    changed(page, lambda: page.mouse.move(5, 5))


@pytest.mark.slow
def test_all_peaks_of_a_class_side_by_side_by_keyboard(visit):
    page = visit()
    peaks = page.evaluate("wsis.data.peaks.map(one => one.name)")
    twin = next(k for k, name in enumerate(peaks) if peaks.count(name) > 1)
    page.locator(".marks button").nth(twin).click()
    shown(page, f"S.peak === {twin} && now.part")
    opener = page.get_by_role("button", name="All peaks")
    opener.focus()
    page.keyboard.press("Enter")
    columns = page.locator(".grid [data-column]")
    columns.first.wait_for()
    of_class = [k for k, name in enumerate(peaks) if name == peaks[twin]]
    assert columns.count() == len(of_class)
    assert page.locator(".grid canvas").count() == 2 * len(of_class)
    assert page.evaluate("document.activeElement.dataset.column") == str(of_class.index(twin))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    other = of_class[(of_class.index(twin) + 1) % len(of_class)]
    shown(page, f"S.peak === {other} && now.part")
    assert violations(page, "grids") == []
    page.keyboard.press("Escape")
    page.locator(".grid").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.textContent") == "All peaks"


@pytest.mark.slow
def test_four_enhancers_side_by_side_and_a_click_takes_one(visit):
    page = visit()
    page.get_by_role("button", name="Enhancers").click()
    columns = page.locator(".grid [data-column]")
    columns.first.wait_for()
    assert [text.split(" t =")[0] for text in columns.all_inner_texts()] == [
        "spread", "ICN proposals", "ICN saliency", "regions and objects"
    ]  # fmt: skip
    assert page.locator(".grid [aria-pressed=true]").inner_text().startswith("regions and objects")
    assert violations(page, "grids") == []
    columns.nth(2).click()
    shown(page, "!D.busy && D.enhancer === 'icn-saliency'")
    page.locator(".grid").wait_for(state="hidden")


@pytest.mark.slow
def test_as_published_stands_beside_ours_and_goes_with_the_link(visit, site):
    page = visit("#view=instances")
    switch = page.get_by_role("switch", name="as published")
    switch.click()
    shown(page, "!D.busy && D.other?.compare === 'published' && now.left")
    assert switch.get_attribute("aria-checked") == "true"
    wait_until(page, "document.querySelector('.tag.left').textContent.startsWith('as published · ')")
    assert page.locator(".tag.right").inner_text().startswith("final · ")
    ours = site.analysis(page)
    theirs = site.handlers.store.get(page.evaluate("wsis.state.other")).analysis
    assert theirs.settings == published(ours.settings, page.evaluate("wsis.data.enhancers"))
    assert theirs.responses.shape == ours.responses.shape
    wait_until(page, "location.hash.includes('compare=published')")
    visit.reload(page)
    shown(page, "!D.busy && D.other?.compare === 'published' && now.left")
    switch.click()
    page.locator(".divider").wait_for(state="hidden")
    assert "compare" not in page.url


@pytest.mark.slow
def test_the_growth_is_taken_home(visit, tmp_path):
    page = visit()
    for kind in ("GIF", "MP4"):
        path = fetched(page, f"[data-get={kind}]", tmp_path)
        assert path.name.endswith(f"-growth.{kind.lower()}")
        assert 1000 < path.stat().st_size <= 2 * 2**20
    assert page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"vp09.00.10.08\"')")


def test_the_grid_of_a_message_is_small():
    from tests.helpers.small_analysis import small_analysis

    (column,) = payload.grid(small_analysis(), [1])
    assert column["response"] is None  # there is none
    assert (column["peak"], column["step"]) == (1, 1)
    assert max(decoded(column["map"]).shape) <= payload.GRID_SIZE
