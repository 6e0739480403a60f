"""A taught head as a checkpoint folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from wsis import checkpoints
from wsis.backbone import LITE
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.teaching import export, features
from wsis.teaching.head import Head


@pytest.fixture
def head(base, rng):
    weight = rng.normal(0, 0.05, (2, base.head.weight.shape[1])).astype(np.float16).astype(np.float32)
    return Head(weight, np.array([-1, 0.5], np.float32), ("tea pot", "cat"))


def test_a_saved_model_says_what_its_head_says(base, head, tmp_path, photo):
    folder = export.save(tmp_path / "mine", base, head, card="# mine\n", metrics={"held_out": {}})
    loaded = checkpoints.load(folder)
    assert loaded.classifier.classes == ("tea pot", "cat")
    assert loaded.classifier.sizes == base.classifier.sizes == (96, 64)
    maps = features.class_maps(features.compute(base, photo), head)
    own = loaded.classifier.class_maps(photo)
    np.testing.assert_allclose(own.maps, maps.maps, atol=5e-3 * np.abs(own.maps).max())
    assert loaded.card["text"] == "# mine\n"
    assert loaded.card["metrics"]["taught"]["base_sha256"] == base.fingerprint
    assert set(loaded.icns) == set(checkpoints.ICNS)


def test_the_classes_of_the_base_stay_to_the_bit(base, head, tmp_path):
    folder = export.save(tmp_path / "mine", base, base.head + head, card="", metrics={})
    loaded = checkpoints.load(folder).classifier
    assert loaded.classes == (*base.classifier.classes, "tea pot")
    for row, name in enumerate(base.classifier.classes):
        if name != "cat":
            assert torch.equal(loaded.head.weight[row], base.classifier.head.weight[row])
            assert torch.equal(loaded.head.bias[row], base.classifier.head.bias[row])


def test_parts_of_an_embedded_base_are_named_and_not_copied(head, tmp_path, monkeypatch):
    lite = features.load_base("voc-lite")
    rows = Head(np.zeros((1, 1248), np.float32), np.zeros(1, np.float32), ("spoon",))
    folder = export.save(tmp_path / "mine", lite, rows, card="", metrics={})
    modules = json.loads((folder / "config.json").read_text())["modules"]
    assert modules.pop("classifier")["file"] == "classifier.safetensors"
    assert {entry["from"] for entry in modules.values()} == {"voc-lite"}
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md", "classifier.safetensors", "config.json", "metrics.json",
    ]  # fmt: skip


def test_a_base_whose_head_reads_what_imagenets_reads_is_built_as_such(tmp_path):
    classifier = Classifier(LITE, ("a", "b"), whole=True).eval()
    base = features.Base("deep", classifier, {"scoring": "whatever"}, "0")
    head = Head(np.zeros((1, 1280), np.float32), np.zeros(1, np.float32), ("spoon",))
    assert export.options(base, head) == {"backbone": LITE, "classes": ["spoon"], "whole": True}
    image = torch.randn(1, 3, 64, 64)
    built = export.build(base, head)
    assert torch.equal(built.backbone(image)[-1], classifier.backbone(image)[-1])


def test_a_folder_of_something_else_is_left_alone(base, head, tmp_path, tiny_checkpoint):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    for folder in (tmp_path, tiny_checkpoint):
        with pytest.raises(WsisError, match="holds something else than a taught model"):
            export.save(folder, base, head, card="", metrics={})
    export.save(tmp_path / "new", base, head, card="1", metrics={})
    export.save(tmp_path / "new", base, head, card="2", metrics={})
    assert (tmp_path / "new" / "README.md").read_text() == "2"
