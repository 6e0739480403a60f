"""The tab Why in a real Chromium, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api")
from tests.helpers.browser_tools import AXE_COLOURS, fetched, shown, tab, upload, violations, wait_until

pytestmark = pytest.mark.slow
SCORES = "[...document.querySelectorAll('.why-score :is(span, strong)')].map(one => Number(one.textContent))"
GONE = "document.querySelector('.why-pictures figcaption')?.innerText"
LOW = """() => [...document.querySelectorAll('.why-page :is(button, select, input)')].filter(
  one => one.offsetParent && one.getBoundingClientRect().height < 44).map(one => one.outerHTML.slice(0, 90))"""


def opened(page):
    tab(page, "Why")
    shown(page, "S.tab === 'why'")
    page.wait_for_selector("[data-why=curves] > *")


def erased(page):
    """Erase, and what the classifier says before and after."""
    page.evaluate("document.querySelector('.why-score')?.remove()")
    page.click("[data-why-act=erase]")
    page.wait_for_selector(".why-score")
    return page.evaluate(SCORES)


def place(page, u, v):
    """Where on the screen a place of the photo is, from its shares."""
    canvas = page.locator("[data-why-frame=own] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return box["x"] + u * box["width"], box["y"] + v * box["height"]


def test_a_part_is_erased_a_peak_followed_and_a_place_looked_for(visit, cat, tmp_path):
    page = visit(color_scheme="light")
    upload(page, "cat.jpg", cat)
    opened(page)
    # the picked mask
    before, after = erased(page)
    assert after < before - 0.1
    # a stroke by mouse: far less is gone, and the cat stays
    page.click("[data-why-what=brush]")
    page.click("[data-why-act=erase]")
    assert "Brush over" in page.locator("[data-why=fault]").inner_text()
    page.mouse.move(*place(page, 0.05, 0.1))
    page.mouse.down()
    page.mouse.move(*place(page, 0.2, 0.1), steps=5)
    page.mouse.up()
    page.click("[data-why-fill=background]")
    assert erased(page)[1] > after
    first = int(re.search(r"(\d+)% of the photo gone", page.evaluate(GONE))[1])
    # more of it by keyboard
    page.locator("[data-why-frame=own] canvas").focus()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
    erased(page)
    assert int(re.search(r"(\d+)% of the photo gone", page.evaluate(GONE))[1]) > first
    # some of that taken back, then all
    before = int(re.search(r"(\d+)% of the photo gone", page.evaluate(GONE))[1])
    page.click("[data-why-what=back]")
    page.locator("[data-why-frame=own] canvas").focus()
    for _ in range(4):
        page.keyboard.press("Space")
        page.keyboard.press("ArrowUp")
    erased(page)
    assert first <= int(re.search(r"(\d+)% of the photo gone", page.evaluate(GONE))[1]) < before
    page.locator(".why-size input").fill("60")
    for share in (0.1, 0.3, 0.5):
        page.mouse.move(*place(page, share, 0.02))
        page.mouse.down()
        page.mouse.move(*place(page, share, 0.98), steps=12)
        page.mouse.up()
    page.click("[data-why-act=erase]")
    assert "Brush over" in page.locator("[data-why=fault]").inner_text()
    # the curves, one map after the other, and the report that has them
    page.click("[data-why=curves] [data-why-act=curves]")
    page.wait_for_selector(".faithful .verdict")
    wait_until(page, "() => !document.querySelector('[data-why=curves] [role=status]')")
    assert page.locator("[data-why=curves] tbody tr").count() == 4
    found = violations(page, "why, erased", "#below")
    report = fetched(page, '[data-get="Report"]', tmp_path)
    assert "Which map is faithful?" in report.read_text()
    # what is alike, here and in a second photo
    page.click("[data-why-mode=alike]")
    page.select_option("[data-why-example]", index=2)
    page.wait_for_selector("[data-why-frame=second]:visible")
    page.mouse.move(*place(page, 0.5, 0.5))
    wait_until(page, "() => /alike .* of the second photo/.test(document.querySelector('.why-note').textContent)")
    found += violations(page, "why, alike", "#below")
    assert found == []


def test_on_a_phone_in_the_dark(visit):
    page = visit(color_scheme="dark", width=400, height=860)
    opened(page)
    erased(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(LOW) == []
    assert violations(page, "why on a phone", "#below", AXE_COLOURS) == []
    before = page.locator("[data-why=erased]").inner_text()
    page.locator(".peak").nth(1).click()  # another peak: what was said of the first one goes
    shown(page, "S.peak === 1")
    assert page.locator("[data-why=erased]").inner_text() != before
