"""Runs compared: an ICN each in the place of the model's own, seeds averaged, differences paired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.train.ablate.conftest import ICN_OPTIONS
from train.ablate import compare, page
from train.ablate.page import Measure
from train.ablate.rows import INSTANCES
from wsis import checkpoints
from wsis.errors import WsisError
from wsis.icn import ICN
from wsis.results import read


def measure(value, samples=(0.0, 1.0)):
    """Every figure the same, so that sums can be done in the head."""
    figures = dict.fromkeys((*page.COMPARED, "map25", "map75", "masks_per_photo"), value)
    return Measure({**figures, "ap50_by_class": {}}, {name: np.array(samples) + value for name in page.COMPARED})


def test_seeds_are_averaged_and_differences_are_to_the_first():
    names = {"whole.0": 0.4, "whole.1": 0.6, "part.0": 0.1, "part.1": 0.3}
    rows = [replace(INSTANCES, network=name) for name in names]
    content = compare.content([measure(value) for value in names.values()], rows)
    tables = read(content | {"model": "tiny", "photos": 2})
    assert [row.name for row in tables.rows] == list(names)
    assert [row.figures["map50"].value for row in tables.rows] == pytest.approx([40, 60, 10, 30])
    (difference,) = tables.differences
    assert (difference.name, difference.less) == ("part", "whole")
    assert difference.figures["map50"].value == pytest.approx(-30)
    # the resamples are the same for all, so nothing but the difference is left
    assert (difference.figures["abo"].low, difference.figures["abo"].high) == pytest.approx((-30, -30))


@pytest.mark.parametrize("run", ["", "name", "=file", "name=", "name=nothing.ckpt"])
def test_a_run_needs_a_name_and_a_file(run):
    with pytest.raises(WsisError, match=r"NAME=RUN\.ckpt"):
        compare.named(run)


def test_each_run_stands_in_for_the_models_own(model, tmp_path, monkeypatch):
    run = tmp_path / "run.ckpt"
    run.write_bytes(b"any")
    icn = ICN(**ICN_OPTIONS)
    monkeypatch.setattr(compare, "load_icn", lambda file: icn)
    loaded = compare.Runs(str(model), {"other": run}).load()
    assert loaded[""].checkpoint.icns["icn-instances"] is not icn
    assert loaded["other"].checkpoint.icns["icn-instances"] is icn
    assert loaded["other"].checkpoint.icns["icn-saliency"] is loaded[""].checkpoint.icns["icn-saliency"]


def test_the_same_network_differs_in_nothing_and_another_does(model, kit, tmp_path, monkeypatch):
    torch.manual_seed(1)
    networks = {"same": checkpoints.load(str(model)).icns["icn-instances"], "new": ICN(**ICN_OPTIONS).eval()}
    for name in networks:
        (tmp_path / f"{name}.ckpt").write_text(name)
    monkeypatch.setattr(compare, "load_icn", lambda file: networks[file.stem])
    app = typer.Typer()
    app.command()(compare.main)
    runs = [f"{name}={tmp_path / name.split('.')[0]}.ckpt" for name in ("same", "same.1", "new")]
    options = ["--voc", kit, "--model", model, "--cache", tmp_path / "cache", "--workers", 1, "--limit", 2]
    result = CliRunner().invoke(app, [*runs, *map(str, options)])
    assert result.exit_code == 0, result.output
    rows = {tuple(line.split(" | ")[:2]): line.split(" | ")[2:] for line in result.stdout.splitlines()}
    assert rows["| same", "0"] == rows["| same.1", "0"]
    assert rows["| same", "20"] == rows["| same.1", "20"]
    assert "| new | same | 0 |" in result.stdout
