from __future__ import annotations

import numpy as np
import pytest

from train import data, scenes
from wsis import voc


def test_a_seed_fixes_the_scene():
    one, same, other = scenes.scene(1), scenes.scene(1), scenes.scene(2)
    assert (one.image == same.image).all()
    assert (one.masks == same.masks).all()
    assert (one.image != other.image).any()


@pytest.mark.parametrize("seed", range(10))
def test_masks_are_disjoint_and_never_empty(seed):
    made = scenes.scene(seed, instances=5)
    assert made.masks.sum(0).max() == 1
    assert made.masks.any((1, 2)).all()
    assert set(np.unique(made.index)) == set(range(len(made.masks) + 1))


def test_instances_look_different_from_the_background():
    made = scenes.scene(3)
    background = made.image[made.index == 0].mean(0)
    for mask in made.masks:
        assert np.abs(made.image[mask].mean(0) - background).max() > 30


def test_a_written_mask_folder_reads_back(tmp_path):
    scenes.write_masks(tmp_path, 3, seed=5)
    items = data.mask_folder(tmp_path)
    assert len(items) == 3
    for number, item in enumerate(items):
        np.testing.assert_array_equal(item.masks(), scenes.scene(5 + number).masks)
        assert data.read_rgb(item.image).shape == (96, 128, 3)


def test_a_written_devkit_reads_back(tmp_path):
    scenes.write_voc(tmp_path, 4, seed=7)
    labels = data.voc_labels(tmp_path, "train")
    assert labels.target.shape == (4, len(voc.CLASSES))
    assert (labels.weight == 1).all()
    for number in range(4):
        expected = set(scenes.scene(7 + number).categories.tolist())
        assert set(np.flatnonzero(labels.target[number]).tolist()) == expected
    assert data.read_rgb(labels.paths[0]).dtype == np.uint8


def test_no_instances_is_a_background():
    assert scenes.scene(0, instances=0).masks.shape == (0, 96, 128)
