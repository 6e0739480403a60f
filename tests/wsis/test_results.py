"""Reading `results.json`."""

from __future__ import annotations

import copy
import json

import pytest

from tests.helpers import ROOT
from wsis import results
from wsis.results import Figure

CONTENT = {
    "command": "python -m train.ablate", "model": "mine", "photos": 2, "instances": 3, "resamples": 1000,
    "rows": [{
        "name": "spread", "fill": 0, "learned_from": "labels", "map25": 0.5, "map50": 0.3, "map75": 0.1, "abo": 0.4,
        "miou": 0.6, "masks_per_photo": 2.5, "ap50_by_class": {"cat": 0.3},
        "intervals": {"map50": {"value": 0.3, "mean": 0.31, "low": 0.2, "high": 0.4}},
    }],
    "differences": [
        {"name": "spread", "less": "class map", "fill": 0, "map50": {"value": 0.1, "low": 0, "high": 1}},
    ],
}  # fmt: skip

APART = {
    "alone": 0.8, "together": 0.4, "touching": 0.25, "merged": 0.5,
    "separation_by_class": {"cat": {"alone": 0.9, "together": 0, "touching": 0, "merged": 0}},
}  # fmt: skip


def test_shares_become_percent_with_intervals_where_there_are_any() -> None:
    found = results.read(CONTENT)
    row = found.row("spread")
    assert row.figures["map50"] == Figure(30.0, 20.0, 40.0)
    assert row.figures["map25"] == Figure(50.0)
    assert row.figures["map50"].text() == "30.0 [20.0, 40.0]"
    assert row.figures["map25"].text() == "50.0"
    assert row.ap50_by_class == {"cat": 0.3}
    assert row.masks_per_photo == 2.5
    assert found.difference("spread", "class map") == {"map50": Figure(10.0, 0.0, 100.0)}
    assert (found.photos, found.instances, found.resamples, found.model) == (2, 3, 1000, "mine")
    assert found.row("spread", 3) is found.row("none") is found.difference("spread", "none") is None


def test_every_figure_of_the_embedded_model_is_read() -> None:
    content = json.loads((ROOT / "checkpoints" / "voc-lite" / "results.json").read_text())
    found = results.read(content)
    for row, entry in zip(found.rows, content["rows"], strict=True):
        assert row.figures.keys() == results.titles([entry]).keys() >= results.NAMES.keys()
        for key, figure in row.figures.items():
            assert figure.value == 100 * entry[key]
            assert (figure.low is None) == (key in ("map25", "map75"))
        assert row.separation_by_class == entry.get("separation_by_class", {})


def test_whether_instances_are_told_apart_is_read_where_it_was_measured() -> None:
    ends = {"touching": {"value": 0.25, "low": 0.125, "high": 0.375}}
    content = damaged(**APART, intervals=ends)
    content["differences"][0]["merged"] = {"value": -0.25, "low": -0.5, "high": 0}
    found = results.read(content)
    row = found.row("spread")
    assert [row.figures[key].value for key in results.SEPARATION] == [80.0, 40.0, 25.0, 50.0]
    assert row.figures["touching"] == Figure(25.0, 12.5, 37.5)
    assert row.figures["merged"] == Figure(50.0)
    assert row.separation_by_class == APART["separation_by_class"]
    assert found.difference("spread", "class map")["merged"].text("+") == "-25.0 [-50.0, +0.0]"
    earlier = results.read(CONTENT).row("spread")
    assert earlier.figures.keys() == results.NAMES.keys()
    assert earlier.separation_by_class == {}


def test_a_table_has_the_figures_that_all_its_rows_have() -> None:
    every = results.NAMES | results.SEPARATION
    whole, part = dict.fromkeys(every, 0.5), dict.fromkeys([*results.NAMES, "alone"], 0.5)
    assert list(results.titles([whole, whole])) == list(every)
    assert results.titles([whole, part]) == results.titles([part]) == results.NAMES
    assert results.titles(iter([whole])) == every


def damaged(**changes: object) -> dict:
    content = copy.deepcopy(CONTENT)
    content["rows"][0] |= changes
    return content


@pytest.mark.parametrize(
    "content",
    [
        None, [], {}, "text", 3, {"rows": []}, {**CONTENT, "rows": []}, {**CONTENT, "photos": None},
        {**CONTENT, "differences": None}, {**CONTENT, "differences": [3]}, damaged(map25="much"), damaged(intervals=[]),
        damaged(ap50_by_class=None), damaged(fill="many"), damaged(miou=float("nan")),
        damaged(**APART | {"merged": float("nan")}), damaged(separation_by_class=None),
        damaged(separation_by_class={"cat": {"alone": 0.5}}),
    ],
)  # fmt: skip
def test_content_of_another_kind_holds_no_results(content: object) -> None:
    assert results.read(content) is None
