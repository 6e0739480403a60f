"""The tab Why: what is asked of the networks, and what the page and the report get."""

from __future__ import annotations

import json

import cv2
import gradio as gr
import numpy as np
import pytest

from tests.helpers.attentive import AttentivePipeline
from tests.helpers.page_data import unpacked
from tests.helpers.visits import request
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.explorer import faithful, report
from wsis.explorer.handlers import Handlers
from wsis.explorer.scene import Scene
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.tabs.why import events, view
from wsis.explorer.tabs.why.events import Events, mask_of
from wsis.why import faithfulness
from wsis.why.faithfulness import CLASS_MAP, ENHANCED, MAPS, RANDOM, RESPONSE, Curves


@pytest.fixture(scope="module")
def handlers(tiny_checkpoint, photo, tmp_path_factory):
    example = tmp_path_factory.mktemp("examples") / "cat.png"
    cv2.imwrite(str(example), photo[::2, ::2, ::-1])
    made = Handlers(AttentivePipeline.load(str(tiny_checkpoint), device="cpu"), {"cat": example})
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def analysis(handlers, photo):
    return handlers.networks.whole(photo[::2, ::2], Settings(enhancer="spread", classes=("cat", "dog")))


@pytest.fixture
def tab(handlers, analysis):
    return Visitor(handlers, analysis)


class Visitor:
    """A page of the tab, without a browser."""

    def __init__(self, handlers, analysis):
        self.events, self.handlers = Events(handlers), handlers
        self.token = handlers.store.put(analysis, photo="cat.png", origin=handlers.networks.origin, owner="tab")
        self.now = {
            "token": self.token, "other": None, "peak": 0, "step": 1, "preset": "paper", "reading": "cover",
            "weights": [0.95, 0.1, 0.8], "enhancer": "spread", "compare": "naive", "axes": [0, 2], "tab": "why",
            "dark": False,
        }  # fmt: skip

    def ask(self, act, *, light=False, peak=0, **data):
        event = gr.EventData(None, {"act": act, "ticket": "t", "now": {**self.now, "peak": peak}, **data})
        answered = (self.events.known if light else self.events.look)(event, request())
        json.dumps(answered)  # Gradio sends it
        assert answered["ticket"] == "t"
        assert answered["act"] == act
        return answered

    def scene(self):
        return self.handlers.shown({"now": self.now}, request())[1]


def runs(mask):
    """As the page sends a mask."""
    flat = mask.ravel().astype(int)
    ends = [*(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    lengths = np.diff([0, *ends]).tolist()
    return [0, *lengths] if flat[0] else lengths


# --- erase -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", events.FILLS)
def test_the_picked_mask_is_erased_and_the_score_told(tab, fill):
    told = tab.ask("erase", fill=fill)
    assert "cat" in told["html"]
    assert told["html"].count("<img") == 4
    assert "dog" in told["html"]


def test_what_was_brushed_is_what_is_erased(tab, rng):
    scene = tab.scene()
    for mask in (rng.random(scene.analysis.proposals.size) < 0.3, np.ones(scene.analysis.proposals.size, bool)):
        np.testing.assert_array_equal(mask_of({"runs": runs(mask)}, scene), mask)
    mask[:] = False
    mask[5:40, 10:60] = True
    assert f"{mask.mean():.0%} of the photo gone" in tab.ask("erase", fill="mean", runs=runs(mask))["html"]


@pytest.mark.parametrize("said", ["x", [1], [-1, 2], [1.5], [True], [[1]], [10**9], {"a": 1}, [1] * 10**6])
def test_runs_of_anything_else_are_refused(tab, said):
    with pytest.raises(WsisError, match="Brush it again"):
        mask_of({"runs": said}, tab.scene())
    assert "Brush it again" in tab.ask("erase", fill="blur", runs=said)["fault"]


def test_what_cannot_be_done_is_one_sentence(tab):
    size = tab.scene().analysis.proposals.size
    assert "Mark a part" in tab.ask("erase", fill="blur", runs=[size[0] * size[1]])["fault"]
    assert "blur, mean, background" in tab.ask("erase", fill="paint")["fault"]
    assert "Reload" in tab.ask("open")["fault"]
    assert "Reload" in tab.ask("erase", light=True)["fault"]
    tab.now["token"] = "gone"
    assert "no longer kept" in tab.ask("erase", fill="blur")["fault"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.94, 0.96, "Cat stays at .96: the classifier does not need this part for it."),
        (0.94, 0.1, "Cat falls from .94 to .10: little is left that says so."),
        (0.94, 0.8, "Cat falls from .94 to .80: other parts say so too."),
        (0.3, 0.8, "Cat rises from .30 to .80: this part spoke against it."),
    ],
)
def test_the_sentence_says_what_the_scores_say(before, after, words):
    assert view.said("cat", before, after) == words


# --- curves ----------------------------------------------------------------------------------------------------------


def straight(deletion, insertion):
    """Curves with these areas."""
    return Curves(np.full(21, deletion, np.float32), np.full(21, insertion, np.float32), 320)


@pytest.fixture
def quick(monkeypatch):
    """Curves that need no network."""
    areas = dict(zip(MAPS, (0.3, 0.4, 0.35, 0.1), strict=True))
    monkeypatch.setattr(events, "lent", lambda classifier: lambda name, *of: straight(areas[name], 1 - areas[name]))


@pytest.mark.usefixtures("quick")
def test_curves_come_one_map_at_a_time_and_are_known_then(tab):
    first = tab.ask("known", light=True)
    assert first["left"] == []
    assert "Follow this peak" in first["html"]
    for number in range(1, len(MAPS) + 1):
        told = tab.ask("curves")
        assert told["left"] == list(MAPS[number:])
        assert told["html"].count('scope="row"') == number
    assert "Most faithful map of this peak" in told["html"]
    assert tab.ask("known", light=True)["html"] == told["html"]
    assert "Follow this peak" in tab.ask("known", light=True, peak=1)["html"]


def test_the_curves_are_those_of_the_core(tab):
    tab.ask("curves")
    found = tab.scene().followed[0, 1][CLASS_MAP]
    classifier = tab.handlers.pipeline.checkpoint.classifier
    expected = faithfulness.follow(CLASS_MAP, tab.scene().analysis, classifier, 0, 1)
    np.testing.assert_array_equal(found.deletion, expected.deletion)
    np.testing.assert_array_equal(found.insertion, expected.insertion)


def test_the_best_map_is_named_and_chance_never_is():
    found = {
        CLASS_MAP: straight(0.3, 0.7), RESPONSE: straight(0.4, 0.8), ENHANCED: straight(0.3125, 0.6),
        RANDOM: straight(0.1, 0.9),
    }  # fmt: skip
    shown = faithful.drawn(found, "cat", 2)
    assert shown["verdict"] == "Most faithful map of this peak: by deletion class map; by insertion response."
    assert [row["title"] for row in shown["rows"]] == ["class map", "response", "enhanced, t = 2", "random order"]
    assert [best for row in shown["rows"] for _, best in row["areas"]] == [
        True, False, False, True, False, False, False, False
    ]  # fmt: skip
    found[RESPONSE] = straight(0.4, 0.65)
    assert faithful.drawn(found, "cat", 2)["verdict"] == "Most faithful map of this peak, by both: class map."
    assert faithful.drawn({CLASS_MAP: found[CLASS_MAP]}, "cat", 2)["verdict"] == ""


@pytest.mark.usefixtures("quick")
def test_the_report_has_the_curves_that_were_asked_for_and_no_others(tab):
    assert "Which map is faithful?" not in report.html(tab.scene(), "tiny")
    tab.ask("curves", peak=1)
    tab.ask("curves", peak=1)
    page = report.html(tab.scene(), "tiny")
    assert page.count('class="faithful"') == 1
    assert f"{tab.scene().name(1)}, peak 2" in page
    stale = Scene(tab.scene().analysis, followed={(99, 1): {CLASS_MAP: straight(0.1, 0.9)}})
    assert faithful.asked(stale) == []


# --- alike -----------------------------------------------------------------------------------------------------------


def test_every_cell_is_compared_with_every_other(tab):
    told = tab.ask("alike")["alike"]
    columns, rows = told["grid"]
    cells = unpacked(told["cells"]).reshape(rows * columns, rows * columns)
    assert (np.diag(cells) == 255).all()
    assert told["second"] is None


def test_a_second_photo_is_an_example_or_an_upload(tab, monkeypatch, photo):
    told = tab.ask("alike", example="cat")["alike"]
    second, (columns, rows) = told["second"], told["grid"]
    assert second["name"] == "cat"
    assert second["grid"] == told["grid"]  # the very same photo
    np.testing.assert_array_equal(unpacked(second["cells"]), unpacked(told["cells"]))
    monkeypatch.setattr(events.uploads, "photo", lambda path, most: photo[:150])
    other = tab.ask("alike", path="/tmp/x/other.png", name="other.png")["alike"]["second"]
    assert other["name"] == "other.png"
    assert len(unpacked(other["cells"])) == rows * columns * other["grid"][0] * other["grid"][1]


def test_nothing_but_examples_and_uploads_can_be_the_second(tab):
    assert "not there" in tab.ask("alike", example="/etc/passwd")["fault"]
    assert "did not arrive" in tab.ask("alike", path="/etc/passwd")["fault"]


def test_features_of_a_photo_are_computed_once(tab, monkeypatch):
    seen = []
    compute = events.alike.features
    monkeypatch.setattr(events.alike, "features", lambda *of: seen.append(1) or compute(*of))
    tab.ask("alike")
    tab.ask("alike", example="cat")
    assert len(seen) == 1


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_that_is_not_taken_on_is_answered(tab):
    event = gr.EventData(None, {"act": "erase", "ticket": "t"})
    answer = tab.events.refused(RefusedError("busy", "Too many wait. Try again.", 5), event)
    assert answer["fault"] == "Too many wait. Try again."
    assert answer["ticket"] == "t"
    assert tab.events.act(event) == "why-erase"
    assert tab.events.act(gr.EventData(None, {"act": "x" * 99})) == "why-other"


def test_without_a_peak_the_page_says_what_to_do(handlers, photo):
    empty = handlers.networks.whole(photo[::2, ::2], Settings(enhancer="spread", classes=()))
    tab = Visitor(handlers, empty)
    assert "Switch a class on" in tab.ask("known", light=True)["html"]
    assert "Pick a peak" in tab.ask("curves")["fault"]
    assert "Pick a peak" in tab.ask("erase", fill="blur")["fault"]
    assert tab.ask("alike")["alike"]["cells"]
