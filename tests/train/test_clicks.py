"""Clicks at what was missed: where they fall, and what they change."""

from __future__ import annotations

import numpy as np

from train import clicks
from wsis.analysis import Settings
from wsis.ground_truth import GroundTruth
from wsis.pipeline import Pipeline


def test_the_middle_is_the_farthest_from_the_edge():
    mask = np.zeros((40, 60), bool)
    mask[10:31, 20:41] = True
    mask[20, 41:] = True
    assert clicks.middle(mask) == ((30 + 0.5) / 60, (20 + 0.5) / 40)
    full = np.ones((9, 9), bool)
    assert clicks.middle(full) == (0.5, 0.5)


def test_every_missed_object_is_clicked_once(tiny_checkpoint, photo):
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    small = photo[60:220, 60:300]
    masks = np.zeros((2, *small.shape[:2]), bool)
    masks[0, 10:60, 10:60] = masks[1, 90:150, 120:220] = True
    truth = GroundTruth(masks, np.array([7, 7]), np.zeros(small.shape[:2], np.uint8))
    assert clicks.several(truth)
    found = clicks.clicked(pipeline, small, truth, clicks=3)
    assert len(found.best) == len(found.masks) == 4
    assert 1 <= len(found.guessed) <= 2
    assert all(len(row) == 2 for row in found.best)
    none = pipeline.analyse(small, Settings(classes=()))
    assert clicks.best(none, truth)[0].tolist() == [0, 0]


def test_the_table_says_shares_of_all_instances():
    one = clicks.Clicked([[0.2, 0.6], [0.5, 0.6]], [1, 2], [True])
    other = clicks.Clicked([[0.9], [0.9]], [1, 1], [])
    text = clicks.table([one, other])
    assert "2 photos, 3 instances, 1 clicks; the likeliest class was right at 100%" in text
    assert "| 0 | 66.7 | 56.7 | 1.0 |" in text
    assert "| 1 | 100.0 | 66.7 | 1.5 |" in text
