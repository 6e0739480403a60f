"""`--deep`: the trainer as a process of its own."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from train import data
from wsis import checkpoints, cli
from wsis.errors import WsisError
from wsis.labels.read import read
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


def test_tables_are_read_by_the_trainer_with_what_is_unknown(tmp_path):
    (tmp_path / "labels.csv").write_text('image,tea pot,"a, b"\n/photos/x.jpg,1,\n/photos/y.jpg,0,1\n')
    labels = data.all_labels(None, (), (), files=(tmp_path / "labels.csv",))
    assert labels.classes == ("tea pot", "a, b")
    np.testing.assert_array_equal(labels.target, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(labels.weight, [[1, 0], [1, 1]])
    assert [str(path) for path in labels.paths] == ["/photos/x.jpg", "/photos/y.jpg"]


@pytest.mark.slow
def test_the_last_level_is_trained_and_a_stopped_run_goes_on(
    small, coloured, tmp_path, tiny_checkpoint, monkeypatch, capfd
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in {"LEAST": 32, "PASSES": 0.1, "PER_EPOCH": 16, "SIZE": 64}.items():
        monkeypatch.setattr(deep, name, value)
    monkeypatch.setattr(
        "wsis.classifier.Classifier.class_maps.__kwdefaults__", {"sizes": (64,), "flip": True, "chunk": 2}
    )
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
