"""In front of people: stage mode, the key to the numbers, code for the screen, in a real Chromium."""

from __future__ import annotations

import json
import shlex

import pytest
from typer.testing import CliRunner

pytest.importorskip("playwright.sync_api")
from app import examples
from tests.helpers.browser_tools import shown, state, violations, wait_until
from wsis import cli
from wsis.explorer import glossary

pytestmark = pytest.mark.slow
OPEN = "dialog.present[open]"
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.present :is(p, h2, li span, li b, button, .which)')]
  .filter(one => one.checkVisibility() && one.textContent.trim())
  .map(one => parseFloat(getComputedStyle(one).fontSize)))"""


def test_five_pages_by_keys_clicks_and_swipes(visit):
    page = visit(width=1920, height=1080)
    page.keyboard.press("f")
    page.wait_for_selector(OPEN)
    assert page.locator(f"{OPEN} .count").inner_text() == "1 of 5"
    assert page.evaluate(SMALLEST) >= 20
    told = []
    for number in range(1, 6):
        assert page.locator(f"{OPEN} .count").inner_text() == f"{number} of 5"
        assert page.locator(f"{OPEN} ol li").count() >= 1
        told.append(page.locator(f"{OPEN} .sentence").inner_text())
        if number < 5:
            page.keyboard.press("ArrowRight")
            wait_until(page, f"document.querySelector('.present .count').textContent === '{number + 1} of 5'")
    assert len({*told}) == 5
    found = state(page)["found"]
    assert page.locator(f"{OPEN} ol li").count() == len(found)  # the last page lists the masks
    wait_until(page, "wsis.now.right.found.every(one => wsis.data.parts.has(one.peak))")
    assert violations(page, "dialog", ".present") == []
    for _ in range(12):  # the focus stays within
        page.keyboard.press("Tab")
        assert page.evaluate("!document.activeElement || !document.activeElement.closest('#screen')")
    box = page.locator(f"{OPEN} .picture").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 200, middle[1])
    page.mouse.up()
    wait_until(page, "document.querySelector('.present .count').textContent === '4 of 5'")
    page.keyboard.press("ArrowDown")
    shown(page, "D.photo?.example === '1-spoonbills' && !D.busy && now.part")
    page.keyboard.press("Escape")
    wait_until(page, "!document.querySelector('dialog.present').open")


def test_the_example_that_fails_says_why(visit):
    page = visit()
    button = page.locator(".examples [data-why]")
    assert button.count() == 1
    button.click()
    shown(page, "D.photo?.example === '7-meerkats' && !D.busy && now.part")
    assert page.locator("#photo .fails").inner_text().startswith("It fails here")
    page.get_by_role("button", name="Present").click()
    page.wait_for_selector(f"{OPEN} .why:not([hidden])")


def test_the_key_to_the_numbers_is_what_hovering_says(visit):
    page = visit()
    page.locator("#weights input[type=number]").first.focus()
    page.keyboard.press("f")  # a letter does nothing where somebody types
    assert page.locator(OPEN).count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.wait_for_selector("#help dialog[open]")
    text = page.locator("#help dialog").inner_text()
    assert all(number.name in text and number.meaning in text for number in glossary.NUMBERS)
    assert violations(page, "dialog", "#help dialog") == []
    page.keyboard.press("Escape")
    page.locator("#peaks .peak").first.hover()
    title = page.locator("#peaks .peak").first.get_attribute("title")
    assert [number.name in title for number in glossary.NUMBERS[1:3]] == [True, True]


def test_code_for_this_screen_gives_this_screen(visit, monkeypatch, tmp_path):
    page = visit("#photo=4-sheep-and-dog&t=2&w=0.9,0.2,0.8")
    found = state(page)["found"]
    assert found
    page.locator("[data-code]").click()
    page.wait_for_selector("#code dialog[open]")
    python, command = page.locator("#code pre").all_inner_texts()
    assert violations(page, "dialog", "#code dialog") == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "4-sheep-and-dog.jpg").write_bytes(examples()["4-sheep-and-dog"].read_bytes())
    names: dict = {}
    exec(python, names)
    painted = [one for one in names["instances"] if one.painted]
    assert [[one.peak, one.proposal] for one in painted] == found
    done = CliRunner().invoke(cli.app, shlex.split(command)[3:])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "results" / "instances.json").read_text())
    assert len(written) == len(names["instances"])
