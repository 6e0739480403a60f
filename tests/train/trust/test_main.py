"""`python -m train.trust` on a small devkit, from photos to the file and the diagram."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.helpers.scenes import write_scenes
from train.trust import records
from train.trust.__main__ import app
from wsis import checkpoints, photo_sets, trust


@pytest.fixture
def kit(tmp_path):
    write_scenes(tmp_path / "kit", *photo_sets.LAYOUTS[0])
    (tmp_path / "kit/ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "kit/ImageSets/Segmentation/val.txt").write_text("s0\ns1\ns2\n")
    return tmp_path / "kit"


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_measured_once_counted_on_one_half_checked_on_the_other(kit, tmp_path, tiny_checkpoint, monkeypatch):
    model = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, model)
    options = ["--voc", kit, "--model", model, "--cache", tmp_path / "cache", "--workers", 1]
    first = run("measure", *options)
    assert first.exit_code == 0, first.output
    assert first.output.startswith("3 photos")
    monkeypatch.setattr(records, "of_analysis", None)  # nothing is measured again
    second = run("fit", *options, "--diagram", tmp_path / "d.png")
    assert second.exit_code == 0, second.output
    assert "| shown in pictures |" in second.output
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((model / "trust.json").read_text())
    assert (told["source"], told["photos"]) == ("kit val, even half", 2)
    assert (told["checked"]["source"], told["checked"]["photos"]) == ("kit val, odd half", 1)
    assert trust.of(checkpoints.load(str(model)).card) is not None


def test_one_photo_has_no_two_halves(kit, tmp_path, tiny_checkpoint):
    (kit / "ImageSets/Segmentation/val.txt").write_text("s0\n")
    said = run("fit", "--voc", kit, "--model", tiny_checkpoint, "--cache", tmp_path, "--workers", 1)
    assert said.exit_code == 2
    assert "odd half" in said.output
