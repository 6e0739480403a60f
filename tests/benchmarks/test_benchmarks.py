"""Benchmarks: what they print, what they count, and that wrong names and a missing browser are told in a sentence."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

pytest.importorskip("skimage")
from benchmarks import browser, floor, suite, teaching, timing, training
from benchmarks.__main__ import main
from wsis.teaching.features import load_base

SMALL = "tf_efficientnet_lite0"
KEYS = {"median_s", "spread_s", "ratio_to_reference", "ratio_to_floor", "peak_mb"}


@pytest.fixture
def app() -> typer.Typer:
    program = typer.Typer()
    program.command()(main)
    return program


def test_an_unknown_benchmark_is_refused_and_the_known_are_named(app):
    result = CliRunner().invoke(app, ["speed"])
    assert result.exit_code == 2
    assert "no benchmark 'speed'" in result.output
    assert "explorer" in result.output


def test_without_a_browser_it_says_what_is_missing(monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.delenv("WSIS_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="needs Chromium: install it"), browser.chromium():
        pass


def test_every_benchmark_of_the_list_is_there():
    names = {"prm", "icn", "proposals", "matching", "rerank", "analyse", "batch", "explorer", "train"}
    assert names <= set(suite.SUITE)


def test_an_answer_is_timed_on_a_session_that_is_fitted(monkeypatch, tiny_checkpoint):
    monkeypatch.setattr(teaching, "PHOTOS", 12)
    monkeypatch.setattr(teaching, "load_base", lambda: load_base(str(tiny_checkpoint)))
    fitted = []
    monkeypatch.setattr(teaching.Lesson, "_score", lambda lesson, name, photos: fitted.append(len(photos)))
    figures = teaching.teaching(2)
    assert fitted == [12, 12, 12]
    assert figures["photos"] == 12
    assert 0 <= figures["spread_s"] < figures["median_s"] * 50


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prm", "matching"])
def test_json_is_one_object_by_name_with_the_five_keys(app, name):
    result = CliRunner().invoke(app, [name, "--json", "--runs", "1"])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout).items()
    assert found[0] == name
    assert set(found[1]) >= KEYS
    assert found[1]["median_s"] > 0
    assert found[1]["spread_s"] >= 0
    assert found[1]["peak_mb"] > 50
    assert (found[1]["ratio_to_reference"] is None) == (found[1]["reference_s"] is None)
    assert found[1].get("peaks", 10) == 10
    assert found[1].get("reference_pairs", 300) == 300


def test_both_are_run_in_turn_and_ratios_are_of_medians(monkeypatch):
    calls = []
    times = {"ours": iter([1.0, 3.0, 2.0]), "theirs": iter([10.0, 40.0, 20.0])}
    ours, theirs = (lambda: calls.append("ours")), (lambda: calls.append("theirs"))

    def seconds(call):
        call()
        return next(times[calls[-1]])

    monkeypatch.setattr(timing, "seconds", seconds)
    found = timing.compared(ours, 3, reference=theirs, scale=2, floor=0.5)
    assert calls == ["ours", "theirs"] * 4  # the first pair warms up
    assert found["median_s"] == 2
    assert found["spread_s"] == 2
    assert found["reference_s"] == 40
    assert found["ratio_to_reference"] == 20
    assert found["ratio_to_floor"] == 4
    times["ours"] = iter([1.0])
    alone = timing.compared(ours, 1)
    assert alone["ratio_to_reference"] is None
    assert alone["ratio_to_floor"] is None


def test_operations_of_convolutions_and_linear_layers_are_counted():
    net = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 5 * 7, 3))
    # Per output value: 2 of 4 input channels x 9 places, then 210 inputs; twice, and two photos.
    expected = 2 * 2 * (6 * 5 * 7 * 2 * 9 + 3 * 210)
    assert floor.network_operations(lambda: net(torch.rand(2, 4, 5, 7))) == expected
    assert floor.network_operations(lambda: None) == 0


def test_the_floor_is_the_longer_of_operations_and_bytes(monkeypatch):
    monkeypatch.setattr(floor, "matrix_rate", lambda: 100.0)
    monkeypatch.setattr(floor, "copy_rate", lambda: 10.0)
    assert floor.least_seconds(500, 20) == 5
    assert floor.least_seconds(500, 80) == 8


def test_a_rate_is_work_over_the_median_time(monkeypatch):
    times = itertools.cycle([4.0, 1.0, 2.0])
    monkeypatch.setattr(floor, "seconds", lambda _: next(times))
    monkeypatch.setattr(floor, "SIDE", 8)
    monkeypatch.setattr(floor, "COPIED", 64)
    assert floor.matrix_rate.__wrapped__() == 2 * 8**3 / 2
    assert floor.copy_rate.__wrapped__() == 2 * 64 / 2  # read and written


@pytest.mark.parametrize("name", training.STEPS)
def test_a_training_step_is_timed_and_trains(monkeypatch, name):
    monkeypatch.setattr(training, "PHOTOS", 2)
    monkeypatch.setattr(training, "CELLS", 16)
    module, (photos, *rest) = training.STEPS[name](SMALL)
    batch = (photos[:2, :, :64, :64], *(part[:2] for part in rest))
    before = [p.detach().clone() for p in module.parameters()]
    monkeypatch.setitem(training.STEPS, name, lambda: (module, batch))
    times = training.step_seconds(name, 2)
    assert len(times) == 2
    assert min(times) > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))
