"""Hands in a real Chromium, by mouse, keyboard and finger: what is done is seen, undone, kept, and replayed."""

from __future__ import annotations

import io
import itertools
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api")
from skimage import data
from typer.testing import CliRunner

from benchmarks.hands import AT
from tests.helpers.bad_files import encoded
from tests.helpers.browser_tools import READY, anew, fetched, shown, state, upload, violations, wait_until
from wsis import cli

pytestmark = pytest.mark.slow
EDITS = "wsis.data.edits.map(one => one.do)"
FOUND = "wsis.now.right.found.map(one => [one.peak, one.id, one.byHand, one.score])"


def at(page, x, y):
    """Where a place of the photo, in shares, is on the page."""
    return page.evaluate(AT, [x, y])


def free(page):
    """A place of the photo with nothing over it, in shares."""
    for place in itertools.product((0.1, 0.3, 0.5, 0.7, 0.9), (0.2, 0.5, 0.8)):
        x, y = at(page, *place)
        if page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.matches('canvas') ?? false", [x, y]):
            return place
    raise AssertionError("something lies over the whole photo")


def drag(page, begin, end):
    page.mouse.move(*at(page, *begin))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=6)
    page.mouse.up()


def exported(page, folder):
    """Every file that a visitor can take home, but for the report with its date and seconds."""
    folder.mkdir(exist_ok=True)
    kinds = ("COCO JSON", "COCO data set", "VOC PNG", "Overlay")
    return {kind: fetched(page, f'#downloads [data-get="{kind}"]', folder).read_bytes() for kind in kinds}


@pytest.fixture
def page(visit):
    page = visit()
    upload(page, "coffee.png", encoded(data.coffee(), "PNG"))
    page.click("[data-view=instances]")
    return page


def test_every_hand_by_mouse_and_keyboard(page, visit, site, tmp_path):
    if not page.evaluate("wsis.data.match"):
        anew(page, lambda: page.evaluate("wsis.look('class', {name: 'diningtable', on: true})"))
    first, began, peaks = exported(page, tmp_path / "first"), page.evaluate(FOUND), state(page)["peaks"]

    page.keyboard.press("k")
    anew(page, lambda: page.mouse.click(*at(page, 0.3, 0.3)))
    assert page.evaluate("wsis.data.peaks.length") == peaks + 1
    assert state(page)["peak"] == peaks
    assert page.locator("#peaks .peak .by").count() == 1
    assert "by hand" in page.locator("#table tr.now").inner_text()

    page.keyboard.press("Escape")
    mark = page.evaluate("wsis.data.peaks.at(-1)")
    anew(page, lambda: drag(page, (mark["x"], mark["y"]), (0.62, 0.5)))
    moved = page.evaluate("wsis.data.peaks.at(-1)")
    assert abs(moved["x"] - 0.62) < 0.05
    assert abs(moved["y"] - 0.5) < 0.05

    page.click("[data-tool=paint]")
    region = page.evaluate("wsis.touch.regionAt(.05, .05)")
    for inside in (True, False):
        anew(page, lambda: page.mouse.click(*at(page, 0.05, 0.05)))
        slot = "wsis.now.right.found.find(one => one.byHand).slot"
        assert bool(page.evaluate(f"wsis.match.inside(wsis.data.match, {slot}, {region})")) is inside

    page.keyboard.press("b")
    anew(page, lambda: drag(page, (0.8, 0.1), (0.9, 0.1)))
    page.keyboard.press("x")
    anew(page, lambda: drag(page, (0.85, 0.1), (0.9, 0.1)))
    instance = next(one for one in site.analysis(page).instances() if one.by_hand)
    mask = site.analysis(page).mask(instance)
    height, width = mask.shape
    assert mask[int(0.1 * height), int(0.8 * width)]
    assert not mask[int(0.1 * height), int(0.9 * width)]

    page.keyboard.press("Escape")
    anew(page, lambda: page.keyboard.press("g"))
    anew(page, lambda: page.select_option("#hands .rename", "chair"))
    assert page.evaluate("wsis.data.peaks.at(-1).name") == "chair"
    done = ["add peak", "move peak", "choose", "choose", "brush", "brush", "snap", "set class"]
    assert page.evaluate(EDITS) == done
    edited = exported(page, tmp_path / "edited")
    assert edited != first
    assert any(one.get("by_hand") for one in json.loads(edited["COCO JSON"]))

    link = page.evaluate("location.href")
    page.click("[data-share]")
    carried(visit, page, link, (done, edited), tmp_path)
    replayed(page, edited, tmp_path)
    for left in reversed(range(len(done))):
        anew(page, lambda: page.keyboard.press("Control+z"))
        assert page.evaluate(EDITS) == done[:left]
    assert page.evaluate(FOUND) == began
    assert exported(page, tmp_path / "undone") == first
    for _ in done:
        anew(page, lambda: page.keyboard.press("Control+Shift+z"))
    assert exported(page, tmp_path / "redone") == edited


def carried(visit, page, link, expected, folder):
    """Another profile that follows the link, and a reload, show the same."""
    done, edited = expected
    other = visit("#" + link.partition("#")[2])
    assert other.evaluate(EDITS) == done
    assert exported(other, folder / "other") == edited
    visit.reload(page)
    assert page.evaluate(EDITS) == done


def replayed(page, edited, folder):
    """`segment --edits` and the bundle's edits give the masks on the screen."""
    bundle = zipfile.ZipFile(fetched(page, '#downloads [data-get="Bundle"]', folder))
    own = fetched(page, '#hands [data-get="Edits"]', folder)
    assert json.loads(bundle.read("edits.json")) == json.loads(own.read_bytes())
    photo = folder / "coffee.png"
    photo.write_bytes(encoded(data.coffee(), "PNG"))
    given = ["--edits", str(own), "--out", str(folder / "out"), "--device", "cpu"]
    ended = CliRunner().invoke(cli.app, ["segment", str(photo), *given])
    assert ended.exit_code == 0, ended.output
    with zipfile.ZipFile(io.BytesIO(edited["VOC PNG"])) as voc:
        for kind in ("semantic", "instance"):
            (name,) = [name for name in voc.namelist() if name.startswith(kind)]
            shown_here = np.array(Image.open(io.BytesIO(voc.read(name))))
            np.testing.assert_array_equal(np.array(Image.open(folder / "out" / kind / "coffee.png")), shown_here)


def test_an_offer_is_split_or_kept(visit):
    page = visit()
    for example in page.locator(".examples button").all():
        example.click()
        wait_until(page, READY)
        if page.evaluate("wsis.touch.offer()"):
            break
    page.click("[data-view=instances]")
    shown(page, "!document.querySelector('.offer').hidden")
    offer = page.locator(".offer")
    assert "share a mask" in offer.inner_text()
    anew(page, lambda: page.click("[data-offer=keep]"))
    peaks = page.evaluate("wsis.data.edits[0].peaks")
    assert page.evaluate("wsis.touch.offer()") is None or page.evaluate("wsis.touch.offer()") != peaks
    anew(page, lambda: page.keyboard.press("Control+z"))
    anew(page, lambda: page.click("[data-offer=split]"))
    assert page.evaluate("wsis.data.edits.at(-1).do") == "split"
    found = page.evaluate("wsis.now.right.found.filter(one => one.byHand).map(one => one.peak)")
    assert sorted(found) == sorted(peaks)


def test_by_finger_on_a_phone(visit):
    page = visit(width=400, height=860, has_touch=True, is_mobile=True)
    peaks = state(page)["peaks"]
    page.tap("[data-tool=peak]")
    page.evaluate("document.querySelector('.stage .box').scrollIntoView({block: 'center'})")
    anew(page, lambda: page.touchscreen.tap(*at(page, *free(page))))
    assert page.evaluate("wsis.data.peaks.length") == peaks + 1
    page.locator("#hands [data-do=remove]").scroll_into_view_if_needed()
    anew(page, lambda: page.tap("#hands [data-do=remove]"))
    assert page.evaluate("wsis.data.peaks.length") == peaks
    anew(page, lambda: page.tap("#hands header [data-do=undo]"))
    assert page.evaluate("wsis.data.peaks.length") == peaks + 1
    small = page.evaluate(
        "[...document.querySelectorAll('.rail button, #hands button, #hands select')].filter(one => "
        "one.offsetParent && one.getBoundingClientRect().height < 43.5).map(one => one.outerHTML)"
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_by_keyboard_alone_and_with_nothing_that_axe_minds(visit):
    page = visit()
    page.click("[data-view=instances]")
    page.focus(".stage .box")
    page.keyboard.press("k")
    anew(page, lambda: page.keyboard.press("Enter"))
    page.keyboard.press("r")
    anew(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate(EDITS) == ["add peak", "choose"]
    assert violations(page, "hands") == []
    anew(page, lambda: page.keyboard.press("Delete"))
    assert page.evaluate(EDITS)[-1] == "remove peak"
    wait_until(page, READY)


def test_two_tabs_do_not_share_their_hands(visit):
    one, other = visit(), visit()
    anew(one, lambda: one.evaluate("wsis.touch.place(.4, .4)"))
    assert other.evaluate(EDITS) == []
    anew(other, lambda: other.evaluate("wsis.touch.place(.6, .6)"))
    assert one.evaluate("wsis.data.edits[0].x") == 0.4


def test_a_link_brings_the_hands_back_when_the_analysis_is_gone(visit, tmp_path):
    page = visit("#photo=4-sheep-and-dog")
    page.click("[data-view=instances]")
    anew(page, lambda: page.evaluate("wsis.touch.place(.2, .8)"))
    page.keyboard.press("b")
    anew(page, lambda: drag(page, (0.6, 0.1), (0.8, 0.1)))
    anew(page, lambda: page.keyboard.press("g"))
    done = page.evaluate("wsis.data.edits")
    assert [one["do"] for one in done] == ["add peak", "brush", "snap"]
    shown(page, "location.hash.includes('edits=')")
    link = page.evaluate("location.hash").replace(page.evaluate("wsis.state.token"), "gone")
    other = visit(link)
    assert other.evaluate("wsis.data.edits") == done
    assert other.evaluate("wsis.state.token") != page.evaluate("wsis.state.token")
    assert exported(other, tmp_path / "other") == exported(page, tmp_path / "page")
    for _ in done:
        anew(other, lambda: other.keyboard.press("Control+z"))
    shown(other, "!location.hash.includes('edits=')")
    assert other.evaluate(FOUND) == visit("#photo=4-sheep-and-dog&view=instances").evaluate(FOUND)
