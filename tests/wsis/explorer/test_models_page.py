"""Several models on the page, in a real Chromium: the menu, the search box, two models in the swipe, links."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("playwright.sync_api")
from tests.helpers.browser_tools import Visitors, serve, shown, wait_until
from wsis import checkpoints
from wsis.classifier import Classifier
from wsis.explorer.models import Models
from wsis.pipeline import Pipeline

BACKBONE = "tf_efficientnet_lite0"
MANY = ("cat", "dog", *(f"thing {n}" for n in range(40)))
SYNONYMS = {"cat": ["house cat", "feline"], "thing 7": ["<b>gadget</b>"]}


@pytest.mark.slow
def test_a_model_is_chosen_searched_compared_and_carried_by_the_link(browser, tiny_checkpoint, tmp_path):
    shutil.copytree(tiny_checkpoint, tmp_path / "many")
    options = {"backbone": BACKBONE, "classes": list(MANY)}
    checkpoints.save_module(Classifier(BACKBONE, MANY), tmp_path / "many", "classifier", options)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{")

    def load(source, _):
        made = Pipeline.load(source, device="cpu")
        made.checkpoint.classifier.synonyms = SYNONYMS
        return made

    models = Models(Pipeline.load(str(tiny_checkpoint), device="cpu"), folder=tmp_path, load=load)
    with serve(models) as site:
        visit = Visitors(browser, site)
        page = visit("#threshold=1")  # untrained classifiers believe in everything
        _choose_by_keyboard(page)
        _search_before_synonyms_are_there(visit, page)
        _search_by_synonym(page)
        _compare(page)
        _carried(visit, page)
        for context in visit.contexts:
            context.close()
        assert visit.wrong == []


def _choose_by_keyboard(page):
    page.focus("#model")
    page.keyboard.press("Enter")
    page.wait_for_selector("#models .row.broken")
    assert page.get_attribute("#model", "aria-expanded") == "true"
    assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    assert "config.json is damaged" in page.inner_text("#models .row.broken")
    page.keyboard.press("Escape")
    assert page.get_attribute("#model", "aria-expanded") == "false"
    assert page.evaluate("document.activeElement.id") == "model"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")  # to the first row with that letter
    page.keyboard.press("Enter")
    shown(page, "!D.busy && D.model === 'many' && S.model === 'many' && D.classes.length === 42")
    page.wait_for_selector("#models", state="hidden")
    assert page.inner_text("#model").split("\n")[0] == "many"
    assert page.evaluate("document.activeElement.id") == "model"


def _search_before_synonyms_are_there(visit, page):
    answer = "synonyms => wsis.receive({kind: 'synonyms', model: 'many', synonyms})"
    visit.answered(page)  # what the server says is there; what follows comes after it
    page.evaluate(answer, {})
    box = page.get_by_role("combobox", name="Search 42 classes")
    box.fill("feline")
    wait_until(page, "document.querySelector('#found-classes').textContent.includes('no such class')")
    page.evaluate(answer, SYNONYMS)
    wait_until(page, "document.querySelector('#found-classes [role=option]')?.textContent.includes('cat')")
    box.fill("thing")
    box.press("ArrowDown")
    marked = page.locator("#found-classes [aria-selected=true]").inner_text()
    page.evaluate(answer, SYNONYMS)
    page.wait_for_timeout(50)
    assert page.locator("#found-classes [aria-selected=true]").inner_text() == marked  # where one stands stays
    box.fill("")


def _search_by_synonym(page):
    assert page.locator(".likeliest button").count() == 4
    box = page.get_by_role("combobox", name="Search 42 classes")
    box.fill("feli")
    page.wait_for_selector("#found-classes [role=option]")
    assert page.locator("#found-classes [role=option]").all_inner_texts()[0].split("\n")[0] == "cat feline"
    box.fill("<b>")
    assert page.locator("#found-classes b b, #found-classes small b").count() == 0  # a name cannot write into the page
    box.fill("no such thing")
    assert "no such class" in page.inner_text("#found-classes")
    box.fill("thing")
    box.press("ArrowDown")
    second = page.locator("#found-classes [aria-selected=true]").inner_text().split("\n")[0]
    assert page.locator("#found-classes [aria-selected=true]").get_attribute("id") == box.get_attribute(
        "aria-activedescendant"
    )
    box.press("Enter")
    shown(page, f"!D.busy && D.on.join() === '{second}' && D.peaks.length && now.part")
    box.fill("house")
    box.press("Enter")
    shown(page, f"!D.busy && D.on.length === 2 && D.on.includes('cat') && D.on.includes('{second}')")


def _compare(page):
    page.click("#model")
    page.get_by_role("menuitem", name="Compare two models in the swipe").click()
    page.locator("#models [data-model=tiny]").click()
    shown(page, "!D.busy && D.other?.compare === 'model:tiny' && now.left")
    assert page.input_value(".compare select") == "model:tiny"
    page.locator(".views [data-view=classmap]").click()
    left, right = page.locator(".tag.left"), page.locator(".tag.right")
    wait_until(page, "document.querySelector('.tag.left').textContent.includes('class map')")
    assert left.inner_text().startswith("tiny: ")
    assert right.inner_text().startswith("many: ")
    page.locator(".views [data-view=instances]").click()
    wait_until(page, "document.querySelector('.tag.right').textContent.startsWith('many: final masks')")


def _carried(visit, page):
    assert "model=many" in page.url
    assert "compare=model%3Atiny" in page.url
    same = "D.model === 'many' && S.model === 'many' && D.other?.compare === 'model:tiny' && D.on.includes('cat')"
    link = page.url.removeprefix(visit.site.address)
    shown(visit(link), same)  # somebody else
    visit.reload(page)
    shown(page, same)
    fresh = visit()  # another visitor has a choice of their own
    shown(fresh, "D.model === 'tiny'")
