"""What is drawn from labels to teach from, and how it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.scenes import write_scenes
from train import data, few_labels
from train.few_labels import ROWS, Draw, Taught, drawn
from wsis import checkpoints, voc
from wsis.labels.read import read
from wsis.photo_sets import collect
from wsis.teaching.features import load_base


@pytest.fixture
def labels(rng):
    target = (rng.random((200, 3)) < 0.3).astype(np.float32)
    weight = np.ones_like(target)
    target[:50], weight[:50] = data.HINT_TARGET, data.HINT_WEIGHT
    return data.ImageLabels(tuple(Path(f"{i}.jpg") for i in range(200)), target, weight, ("a", "b", "c"))


def test_so_many_of_each_class_for_certain_and_the_draws_contain_each_other(labels):
    few, more = drawn(labels, Draw(5, 0)), drawn(labels, Draw(20, 0))
    assert set(few) < set(more)
    assert min(few) >= 50
    assert (labels.target[few].sum(0) >= 5).all()
    assert len(few) <= 15
    assert set(few) != set(drawn(labels, Draw(5, 1)))


def test_all_labels_leave_as_a_table_that_teaching_reads(labels, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "all_labels", lambda *_: labels)
    for path in labels.paths:
        (tmp_path / path).write_text(str(path))  # of equal files only one would count
    few_labels.main(tmp_path, labels_file=tmp_path / "labels.csv")
    found = read(tmp_path, tmp_path / "labels.csv")
    assert [path.name for path in found.paths] == [path.name for path in labels.paths]
    np.testing.assert_array_equal(found.target, labels.target >= 0.5)
    np.testing.assert_array_equal(found.weight > 0, labels.weight > 0)


def test_heads_are_measured_side_by_side_as_each_alone(tiny_checkpoint, tmp_path):
    write_scenes(tmp_path, "JPEGImages", "SegmentationClass", "SegmentationObject")
    pair = collect(tmp_path)[0]
    base = load_base(str(tiny_checkpoint))
    parts = checkpoints.load(tiny_checkpoint)
    first, second = Draw(5, 0), Draw(20, 0)
    head = base.head
    other = type(head)(head.weight[::-1].copy(), head.bias[::-1].copy(), head.classes)
    both = Taught(base, {first: head, second: other}, parts).figures(pair)
    alone = Taught(base, {second: other}, parts).figures(pair)
    np.testing.assert_allclose(both[second].scores, alone[second].scores, rtol=1e-5)
    assert set(both[first].rows) == set(ROWS)
    assert len(both[first].scores) == len(voc.CLASSES)


def test_the_table_has_mean_and_spread():
    def figures(value):
        row = {"map50": value, "abo": value / 2, "masks_per_photo": 3}
        return {"classification_map": value, "rows": [row, row]}

    every = {Draw(5, 0): figures(0.2), Draw(5, 1): figures(0.4)}
    lines = few_labels.table(every, dict.fromkeys(every, 100)).splitlines()
    assert lines[2] == "| 5 | 100 | 0 | .300 [.200, .400] | 30.0 [20.0, 40.0] | 15.0 [10.0, 20.0] | 3.0 [3.0, 3.0] |"
