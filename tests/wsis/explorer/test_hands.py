"""The act `edit` without a server: what hands do, what is undone, what links and other settings make of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from tests.helpers.attentive import AttentivePipeline
from wsis import edits, hands
from wsis.analysis import Settings
from wsis.explorer import report
from wsis.explorer.acts import NOT_BY_HAND, OTHER_PEAKS
from wsis.explorer.handlers import Handlers
from wsis.explorer.scene import Scene
from wsis.explorer.visit import Controls
from wsis.pipeline import Pipeline
from wsis.replay import replay

TAB = SimpleNamespace(session_hash="tab")
ADD = {"do": "add peak", "name": "dog", "x": 0.3, "y": 0.6}


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint) -> Pipeline:
    return AttentivePipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def analysis(pipeline, photo):
    settings = Settings(enhancer="icn-instances", classes=("cat", "dog"), max_peaks=5)
    return pipeline.analyse(photo[60:260, 60:340], settings)


@pytest.fixture
def handlers(pipeline, photo, analysis, tmp_path) -> Handlers:
    example = tmp_path / "cat.png"
    Image.fromarray(photo[60:260, 60:340]).save(example)
    return Handlers(pipeline, {"cat": example})


@pytest.fixture
def token(handlers, analysis) -> str:
    return handlers.store.put(analysis, photo="cat.png", origin=handlers.networks.origin, owner="tab")


def now(token: str, **changes) -> dict:
    usual = {
        "token": token, "other": None, "peak": 0, "step": 2, "preset": "paper", "reading": "cover",
        "weights": [0.95, 0.1, 0.8], "enhancer": "icn-instances", "compare": "naive", "model": None,
        "tab": "instances", "axes": [0, 2], "dark": False,
    }  # fmt: skip
    return {**usual, **changes}


def look(handlers, token, act="edit", **data):
    controls = list(vars(Controls.of(handlers.defaults)).values())
    return handlers.look(gr.EventData(None, {"act": act, "now": now(token), **data}), TAB, *controls)


def ask(handlers, token, act, **data):
    return handlers.ask(gr.EventData(None, {"act": act, "now": now(token), **data}), TAB)


def kept(handlers, message):
    return handlers.store.get(message["token"]).analysis


def test_an_edit_brings_an_analysis_after_it(handlers, token, analysis, pipeline):
    message = look(handlers, token, edits=[ADD])
    assert message["kind"] == "analysis"
    assert message["edits"] == edits.plain(edits.checked([ADD]))
    assert message["photo"] is None
    assert [hand["number"] for hand in message["hands"]] == list(range(len(analysis.peaks) + 1))
    expected = replay(pipeline, analysis, edits.checked([ADD]))
    np.testing.assert_array_equal(kept(handlers, message).terms, expected.terms)


def test_a_click_places_a_peak_of_the_likeliest_class(handlers, token, analysis):
    message = look(handlers, token, edits=[], place=[0.3, 0.6])
    maps = analysis.evidence.class_maps.maps
    row, column = int(0.6 * maps.shape[1]), int(0.3 * maps.shape[2])
    assert message["edits"][0]["name"] == analysis.classes[int(maps[:, row, column].argmax())]
    assert message["part"]["peak"] == len(analysis.peaks)
    likely = ask(handlers, message["token"], "likely", peak=len(analysis.peaks))
    assert likely["classes"][0]["name"] == message["edits"][0]["name"]


def test_undoing_computes_nothing_and_ends_where_it_began(handlers, token, monkeypatch):
    first = look(handlers, token, edits=[ADD])
    second = look(handlers, first["token"], edits=[*first["edits"], {"do": "remove peak", "peak": 0}])
    monkeypatch.setattr(handlers.networks, "replay", lambda *_: pytest.fail("it was there already"))
    assert look(handlers, second["token"], edits=first["edits"])["token"] == first["token"]
    back = look(handlers, first["token"], edits=[])
    assert back["token"] == token
    assert back["hands"] is None
    assert look(handlers, token, edits=second["edits"])["token"] == second["token"]


def test_another_setting_carries_the_edits_where_the_peaks_stay(handlers, token):
    edited = look(handlers, token, edits=[ADD])
    other = look(handlers, edited["token"], act="enhancer", name="spread")
    assert other["edits"] == edited["edits"]
    assert kept(handlers, other).settings.enhancer == "spread"
    assert kept(handlers, other).base.hands is None
    fewer = look(handlers, edited["token"], act="class", name="cat", on=False)
    assert fewer["edits"] == []
    assert OTHER_PEAKS in fewer["text"]


def test_an_edited_analysis_is_never_taken_for_a_settings(handlers, token):
    edited = look(handlers, token, edits=[ADD])
    other = look(handlers, edited["token"], act="enhancer", name="spread")
    back = look(handlers, other["token"], act="enhancer", name="icn-instances")
    assert back["edits"] == edited["edits"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"edits": "all"}, "An edit makes no sense"),
        ({"edits": [{"do": "remove peak", "peak": 50}]}, "there is no peak 50"),
        ({"edits": [], "place": ["left", 0]}, "There is no such place"),
        ({"edits": [], "place": [2, 0]}, "An edit makes no sense|no such place"),
        ({}, "An edit makes no sense"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(handlers, token, data, said):
    message = look(handlers, token, **data)
    assert message["kind"] == "notice"
    assert re.search(said, message["text"])


def opened(handlers, **link):
    """The example that a link names after its analysis is gone, and the rest where that takes two answers."""
    message = look(handlers, None, act="open", id="gone", example="cat", peak=0, **link)
    return look(handlers, None, act="finish", **message["finish"]) if message["kind"] == "glance" else message


def test_a_link_brings_the_edits_where_the_analysis_is_gone(handlers, analysis, monkeypatch):
    monkeypatch.setattr(handlers, "defaults", replace(analysis.settings, classes=None))
    found = opened(handlers, classes=["cat", "dog"])
    edited = look(handlers, found["token"], edits=[ADD, {"do": "remove peak", "peak": 0}])
    again = opened(handlers, classes=["cat", "dog"], edits=edited["partition"] + json.dumps(edited["edits"]))
    assert again["token"] != edited["token"]
    assert again["edits"] == edited["edits"]
    assert (again["match"], again["peaks"], again["hands"]) == (edited["match"], edited["peaks"], edited["hands"])
    undone = look(handlers, again["token"], edits=[])
    assert undone["match"] == found["match"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("0" * 16 + "[]", "other regions"),
        ("{key}[", "cannot be read"),
        ("{key}" + "[" * 5000, "cannot be read"),
        ("{key}" + '[{"do": "fly"}]', "An edit makes no sense"),
        ("{key}" + '[{"do": "remove peak", "peak": 50}]', "there is no peak 50"),
        ("{key}7", "An edit makes no sense"),
        (["list"], "cannot be read"),
    ],
)
def test_edits_in_a_link_that_cannot_be_are_left_out_with_a_sentence(handlers, said, why):
    found = opened(handlers)
    proposals = kept(handlers, found).proposals
    key = hands.key(proposals.labels, proposals.membership)
    message = opened(handlers, edits=said.replace("{key}", key) if isinstance(said, str) else said)
    assert message["edits"] == []
    assert message["match"] == found["match"]
    assert message["text"].startswith(NOT_BY_HAND)
    assert why in message["text"]
    assert "\n" not in message["text"]


def test_levels_are_proposals_around_the_peak(handlers, token, analysis):
    best = analysis.instances()[0]
    message = ask(handlers, token, "levels", peak=best.peak, proposal=best.proposal)
    assert best.proposal in message["ids"]
    assert ask(handlers, token, "levels", peak=99, proposal=0)["kind"] == "notice"
    assert ask(handlers, token, "levels", peak=0, proposal=10**6)["kind"] == "notice"


def test_the_download_of_edits_is_a_file_that_gives_the_same(handlers, token, pipeline, photo):
    edited = look(handlers, token, edits=[ADD])
    path = handlers.download(gr.EventData(None, {"kind": "Edits", "now": now(edited["token"])}))
    file = edits.read(Path(path).read_bytes())
    assert edits.plain(file.edits) == edited["edits"]
    assert file.made.step == 2
    assert file.photo.name == "cat.png"


def test_the_code_for_the_screen_takes_the_file_of_edits(handlers, token):
    edited = look(handlers, token, edits=[ADD])
    code = ask(handlers, edited["token"], "code")
    path = Path(handlers.download(gr.EventData(None, {"kind": "Edits", "now": now(edited["token"])})))
    assert f"segment cat.png --edits {path.name} " in code["command"]
    assert path.name in code["python"]
    assert "replay.of_file(" in code["python"]
    assert "--edits" not in ask(handlers, token, "code")["command"]


def test_the_report_says_what_is_by_hand(handlers, token, analysis, pipeline):
    plain = Scene(analysis, "cat.png")
    edited = Scene(replay(pipeline, analysis, edits.checked([ADD])), "cat.png")
    assert "Nothing was drawn by hand" in report.told(plain)
    assert "One of them by hand" in report.told(edited)
    page = report.html(edited, "tiny")
    assert "dog, by hand" in page
