"""The walk-through of docs/own-classes.md: its commands, in its order, on the photos that its script makes."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from pycocotools.coco import COCO
from typer.testing import CliRunner

from assets import make_own_classes
from benchmarks.reliability import small_model
from tests.helpers import ROOT
from wsis import cli

PAGE = (ROOT / "docs" / "own-classes.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def run(command, extra=()):
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"]
    if words[2] == "assets.make_own_classes":
        folder, pictures = words[3], words[5:6]
        make_own_classes.main(make_own_classes.Path(folder), make_own_classes.Path(pictures[0]) if pictures else None)
        return ""
    assert words[2] == "wsis"
    told = CliRunner().invoke(cli.app, [*words[3:], *extra, "--device", "cpu"])
    assert told.exit_code == 0, told.output
    return told.stdout


def test_the_page_has_the_steps():
    assert [command.split()[2:4] for command in COMMANDS] == [
        ["assets.make_own_classes", "own"], ["wsis", "teach"], ["wsis", "segment"], ["assets.make_own_classes", "own"],
    ]  # fmt: skip


def followed(folder, teaching=()):
    told = [run(command, teaching if " teach " in command else ()) for command in COMMANDS]
    assert "60 photos, 3 classes" in told[1]
    assert (folder / "own" / "own-classes-photos.jpg").is_file()
    assert (folder / "own" / "own-classes-masks.jpg").is_file()
    return COCO(folder / "own" / "results" / "coco.json"), json.loads((folder / "own/model/metrics.json").read_text())


def test_its_commands_work_as_written(tmp_path, monkeypatch):
    """On the smallest backbone, with random weights, which tells colours apart."""
    base = small_model.save(tmp_path / "base", sizes=(64,))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(make_own_classes, "NEW", 1)
    monkeypatch.setattr(make_own_classes.photos, "__defaults__", (60, 1))
    coco, metrics = followed(tmp_path, ["--base", str(base), "--no-keep"])
    assert sorted(category["name"] for category in coco.cats.values()) == ["crate", "leaf", "tent"]
    assert len(coco.imgs) == 1
    assert set(metrics["held_out"]["classes"]) == {"leaf", "crate", "tent"}


@pytest.mark.slow
def test_the_embedded_model_finds_what_it_was_taught(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    coco, metrics = followed(tmp_path)
    assert metrics["held_out"]["map"] > 0.9
    assert len(coco.anns) >= 6
