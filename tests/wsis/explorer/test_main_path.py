"""What most visitors do, from the first look to a reload, in a real Chromium; test_browser.py does the rest."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api")
from tests.helpers.browser_tools import changed, fetched, shown, state, upload
from wsis import instances
from wsis.matching import Weights


def test_a_photo_is_opened_looked_at_and_taken_home(visit, site, cat, tmp_path):
    page = visit()
    assert state(page)["photo"] == "1-astronaut-and-cat"
    assert state(page)["found"]
    upload(page, "my cat.jpg", cat)
    assert state(page)["photo"] == "my cat.jpg"
    assert state(page)["on"] == ["cat"]
    assert state(page)["found"]

    page.locator("#classes select.more").select_option("dog")
    shown(page, "!D.busy && D.on.length === 2 && D.peaks.length > 1")
    changed(page, lambda: page.locator(".marks button").nth(1).click())
    shown(page, "S.peak === 1 && now.part")

    page.locator(".views [data-view=instances]").click()
    changed(page, lambda: page.locator(".weight.precision input[type=range]").fill("0"))
    now = state(page)
    analysis = site.analysis(page)
    found = instances.shown(analysis.instances(Weights(*now["weights"]), now["t"]))
    assert now["weights"][0] == 0
    assert now["found"] == [[one.peak, one.proposal] for one in found] != []

    mask = np.asarray(Image.open(fetched(page, "#table [data-get=instance-png]", tmp_path)))
    assert np.array_equal(mask > 0, analysis.mask(found[0]))

    before = state(page)
    visit.reload(page)
    after = state(page)
    assert {key: after[key] for key in before if key != "token"} == {
        key: before[key] for key in before if key != "token"
    }
