"""`--deep`: the trainer as a process of its own."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from train import data
from wsis import checkpoints, cli
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.labels.read import ImageLabels, read
from wsis.teaching import deep, features


def test_what_is_missing_is_told_before_any_work(monkeypatch, coloured, tmp_path, tiny_checkpoint):
    found = importlib.util.find_spec
    for missing, sentence in (("train", "work in a clone of the project"), ("lightning", "make setup-dev")):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=missing: None if name == gone else found(name)
        )
        with pytest.raises(WsisError, match=sentence):
            deep.check()
    words = ["teach", str(coloured), "--out", str(tmp_path / "model"), "--deep", "--base", str(tiny_checkpoint)]
    told = CliRunner().invoke(cli.app, words)
    assert (told.exit_code, told.stdout) == (2, "")


def test_the_bases_classes_cannot_stay(coloured, tmp_path, tiny_checkpoint):
    words = ["teach", str(coloured), "--out", str(tmp_path / "model"), "--deep", "--base", str(tiny_checkpoint)]
    told = CliRunner().invoke(cli.app, words)
    assert told.exit_code == 2
    assert "add --no-keep" in told.stderr


def test_a_fifth_of_each_class_is_held_out_and_never_written_for_the_training(coloured, tmp_path):
    labels = read(coloured)
    out = deep.held_out(labels)
    assert out.sum() == pytest.approx(len(out) / 5, abs=2)
    assert deep.only(labels, out).target.any(0).all()


@pytest.mark.parametrize(("photos", "parts"), [(24, 5), (3000, 5), (3001, 6), (7681, 13)])
def test_of_many_photos_a_smaller_part_is_held_out(photos, parts):
    assert deep.folds(photos) == parts
    target = np.eye(4, dtype=np.float32)[np.arange(photos) % 4]
    labels = ImageLabels(tuple(map(Path, map(str, range(photos)))), target, np.ones_like(target), tuple("abcd"))
    assert deep.held_out(labels).sum() == pytest.approx(photos / parts, abs=4)


def whole_base(folder, tiny_checkpoint):
    """A base whose head reads from the very end of its backbone, as ImageNet's does."""
    shutil.copytree(tiny_checkpoint, folder)
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["a", "b"], "whole": True, "sizes": [96, 64]}
    checkpoints.save_module(Classifier(**options).eval(), folder, "classifier", options)
    return folder


def test_the_end_of_a_whole_backbone_is_left_out_and_the_rest_computes_the_same(tiny_checkpoint, tmp_path):
    folder = whole_base(tmp_path / "whole", tiny_checkpoint)
    deep._start(folder, tmp_path / "start")
    cut, whole = (checkpoints.load(place).classifier for place in (tmp_path / "start", folder))
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        *levels, last = cut.backbone(image)
        *wanted, _ = whole.backbone(image)
        stage, block = whole.backbone.levels[-1][0], whole.backbone.levels[-1][1][0]
        expanded = block.bn1(block.conv_pw(stage(wanted[-1])))
    assert all(torch.equal(one, other) for one, other in zip(levels, wanted, strict=True))
    assert torch.equal(last, expanded)
    assert cut.classes == ("a", "b")
    deep._start(folder, tmp_path / "again")
    assert torch.equal(checkpoints.load(tmp_path / "again").classifier.head.weight, cut.head.weight)


def test_tables_are_read_by_the_trainer_with_what_is_unknown(tmp_path):
    (tmp_path / "labels.csv").write_text('image,tea pot,"a, b"\n/photos/x.jpg,1,\n/photos/y.jpg,0,1\n')
    labels = data.all_labels(None, (), (), files=(tmp_path / "labels.csv",))
    assert labels.classes == ("tea pot", "a, b")
    np.testing.assert_array_equal(labels.target, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(labels.weight, [[1, 0], [1, 1]])
    assert [str(path) for path in labels.paths] == ["/photos/x.jpg", "/photos/y.jpg"]


@pytest.fixture
def brief(tmp_path, monkeypatch):
    """Trainings see a few small photos."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in {"LEAST": 32, "PASSES": 0.1, "PER_EPOCH": 16, "SIZE": 64}.items():
        monkeypatch.setattr(deep, name, value)


@pytest.mark.slow
def test_on_a_whole_backbone_what_is_trained_has_no_end(brief, coloured, tmp_path, tiny_checkpoint, capfd):
    base, out = whole_base(tmp_path / "whole", tiny_checkpoint), tmp_path / "model"
    words = ["teach", str(coloured), "--out", str(out), "--deep", "--no-keep", "--base", str(base), "--device", "cpu"]
    told = CliRunner().invoke(cli.app, words)
    assert told.exit_code == 0, told.output + "".join(capfd.readouterr())
    loaded = checkpoints.load(out)
    assert "whole" not in loaded.card["modules"]["classifier"]["options"]
    assert loaded.classifier.classes == ("blue", "red")
    assert loaded.classifier.sizes == (96, 64)
    assert loaded.icns.keys() == checkpoints.load(tiny_checkpoint).icns.keys()


@pytest.mark.slow
def test_the_last_level_is_trained_and_a_stopped_run_goes_on(
    brief, coloured, tmp_path, tiny_checkpoint, monkeypatch, capfd
):
    out = tmp_path / "model"
    words = ["teach", str(coloured), "--out", str(out), "--deep", "--no-keep", "--base", str(tiny_checkpoint)]

    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deep.subprocess, "run", stopped)
        told = CliRunner().invoke(cli.app, [*words, "--device", "cpu"])
    assert told.exit_code == cli.INTERRUPTED
    assert checkpoints.load(out).classifier.classes == ("blue", "red")  # the head alone is a model already

    told = CliRunner().invoke(cli.app, [*words, "--device", "cpu"])
    assert told.exit_code == 0, told.output + "".join(capfd.readouterr())
    content = json.loads((out / "metrics.json").read_text())
    assert content["taught"]["head_alone"] > 0
    assert "was held out for good" in (out / "README.md").read_text()
    trained = checkpoints.load(out).classifier
    base = features.load_base(str(tiny_checkpoint)).classifier
    first, last = trained.backbone.levels[0], trained.backbone.levels[-1]
    assert not np.allclose(last[-2].weight.detach(), base.backbone.levels[-1][-2].weight.detach(), atol=1e-6)
    assert np.allclose(first[0].weight.detach(), base.backbone.levels[0][0].weight.detach(), atol=1e-3)
    assert len(list((out / "deep").iterdir())) == 1
