"""Settings that one click sets all at once: what they are, and that link, files, code and report carry them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.small_analysis import small_analysis, with_class_maps
from wsis.analysis import Settings
from wsis.explorer import files, report, reproduce
from wsis.explorer.layout import SPREADS, _advanced
from wsis.explorer.scene import Scene
from wsis.explorer.visit import MOST_FILLED, START, Controls, Now
from wsis.explorer.whole import BEST_ROW, wholes
from wsis.hands import Hand, Hands
from wsis.instances import shown
from wsis.matching import PRESETS


@pytest.fixture
def scene() -> Scene:
    """The second and the third box are offered as cats: no peak of that class ends at them."""
    small = small_analysis()
    evidence = replace(small.evidence, objectness=np.array([0.7, 0.9, 0.95], np.float32))
    evidence = with_class_maps(evidence, maps=small.evidence.class_maps.maps * 9)
    return Scene(replace(small, evidence=evidence), photo="cat.jpg", fill=20)


def test_best_measured_is_the_best_row_of_the_readme():
    table = re.findall(r"^\| ([^*|]\S.*?) \| (\d+) \| [\d.]+ \| ([\d.]+) \[", (ROOT / "README.md").read_text(), re.M)
    assert len(table) > 10
    name, fill, _ = max(table, key=lambda row: float(row[2]))
    best = wholes(START)["best"]
    assert (name, int(fill)) == (BEST_ROW, best.fill)
    assert BEST_ROW in best.note


def test_best_measured_is_made_as_that_row_was():
    from train.ablate.rows import INSTANCES

    row = replace(INSTANCES, fill=20)
    assert row.name == BEST_ROW
    assert wholes(START)["best"].row == (row.enhancer, row.steps, row.preset, row.fill, row.settings)


def test_default_is_how_the_page_begins():
    start = replace(START, enhancer="spread")
    default = wholes(start)["default"]
    assert (default.settings, default.fill, default.preset) == (start, 0, "paper")
    assert default.step == Settings().steps
    sent = default.packed()["settings"]
    assert Controls(**sent) == Controls.of(start)


def test_every_setting_has_a_control_of_its_own_or_stands_elsewhere():
    elsewhere = {"enhancer", "steps", "classes", "reading"}  # menus, chips and presets of the screen
    shown_fields = {
        name
        for name in Settings.__dataclass_fields__
        if any(
            getattr(Controls.of(Settings()).settings(replace(Settings(), **{name: other})), name) != other
            for other in _others(name)
        )
    }
    assert shown_fields == set(Settings.__dataclass_fields__) - elsewhere


def _others(name: str) -> list:
    """A value that is not the usual one, if a control would put the usual one back."""
    others = {
        "naive": "mixed", "mode": "gradient", "class_threshold": 0.7, "sigma": 3.0, "window": 9, "max_peaks": 7,
        "spread_strength": 0.1, "agreement": False, "objectness": False,
        "semantic_threshold": 0.3,
    }  # fmt: skip
    return [others[name]] if name in others else []


def test_controls_explain_themselves_in_a_sentence():
    with gr.Blocks():
        controls, _ = _advanced(START)
    assert all(re.fullmatch(r"[A-Z].*\.", control.info) for control in controls.values())
    assert SPREADS[0] <= START.spread_strength <= SPREADS[1]


@pytest.mark.parametrize(
    ("said", "fill"), [({}, 0), ({"fill": 20}, 20), ({"fill": -3}, 0), ({"fill": 1e6}, MOST_FILLED)]
)
def test_the_page_says_how_far_the_list_is_filled(said, fill):
    now = {
        "token": None, "other": None, "peak": 0, "step": 3, "preset": "paper", "reading": "cover", "tab": "instances",
        "weights": [0.95, 0.1, 0.8], "enhancer": "spread", "compare": "naive", "axes": [0, 2], "dark": False,
    }  # fmt: skip
    assert Now.of({**now, **said}).fill == fill


def test_pictures_stay_and_the_list_is_filled(scene):
    plain = replace(scene, fill=0)
    assert plain.listed == plain.found == scene.found == scene.listed == shown(scene.analysis.instances())
    asked = replace(scene, with_unsure=True)
    assert asked.listed == asked.every
    assert [one.hypothesis for one in asked.listed] == ["region", "region", "offer", "offer"]
    assert not scene.offered[0].painted


def test_files_have_what_fills_the_list(scene):
    folder = files.Folder()

    def written(kind: str, index: int = 0, *, unsure: bool = True) -> bytes:
        return folder.write(kind, replace(scene, with_unsure=unsure), "tiny", index).read_bytes()

    assert [one["instance"] for one in json.loads(written("COCO JSON"))] == [1, 2, 0, 0]
    assert [one["instance"] for one in json.loads(written("COCO JSON", unsure=False))] == [1, 2]
    assert len(json.loads(written("COCO data set"))["annotations"]) == 4
    assert len(json.loads(written("COCO data set", unsure=False))["annotations"]) == 2
    assert written("VOC PNG") == folder.write("VOC PNG", replace(scene, fill=0), "tiny").read_bytes()
    assert json.loads(written("instance-json", 2))[0]["instance"] == 0
    with zipfile.ZipFile(io.BytesIO(written("Bundle"))) as packed:
        assert json.loads(packed.read("manifest.json"))["fill"] == 20
        assert len(json.loads(packed.read("instances.json"))) == 4


def test_the_code_fills_the_list_too(scene):
    assert "--fill 20 --unsure" in reproduce.command(scene, "tiny")
    assert "analysis.instances(weights, step=1, fill=20)" in reproduce.snippet(scene, "tiny")
    assert reproduce.left_out(scene) == []
    without = replace(scene.analysis.settings, objectness=False, spread_strength=0.1)
    other = replace(scene, analysis=replace(scene.analysis, settings=without))
    assert reproduce.left_out(other) == ["spread strength", "objectness"]
    assert "objectness=False" in reproduce.snippet(other, "tiny")
    assert "spread_strength=0.1" in reproduce.snippet(other, "tiny")


def test_what_was_done_by_hand_goes_with_it(scene):
    hands = Hands((Hand(0, proposal=0), Hand(1)), edits=(), next=2)
    edited = replace(scene, analysis=replace(scene.analysis, hands=hands))
    assert "fill=20)" in reproduce.snippet(edited, "tiny")
    assert reproduce.left_out(edited) == ["fill"]


def test_the_report_says_what_fills_the_list(scene):
    told = report.html(scene, "tiny")
    assert "To fill the list up to 20 masks, two more stand among the unsure, of class cat" in told
    assert "To fill the list" not in report.html(replace(scene, fill=0), "tiny")
    assert PRESETS["paper"].title in told
