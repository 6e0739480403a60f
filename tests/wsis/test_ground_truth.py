"""True masks: areas, classes, and files that are no masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.seeds import grey_png
from tests.helpers import coco_sets
from train.scenes import SHAPES, scene
from wsis import coco_masks, ground_truth, index_image, photo_sets, voc
from wsis.errors import WsisError
from wsis.proposals import from_masks
from wsis.shared_classes import shared


def test_connected_areas_are_instances(tmp_path):
    semantic = np.zeros((20, 30), np.uint8)
    semantic[2:6, 2:6] = semantic[2:6, 10:14] = 3
    semantic[10:14, 2:6], semantic[10:14, 6:9], semantic[0] = 3, 5, 255
    Image.fromarray(semantic).save(tmp_path / "a.png")
    truth = ground_truth.read(tmp_path / "a.png", None, 20)
    assert sorted(truth.categories) == [2, 2, 2, 4]
    np.testing.assert_array_equal(truth.masks.any(0), (semantic > 0) & (semantic < 255))
    assert truth.masks.sum(0).max() == 1


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (np.full((20, 30), 21, np.uint8), "names class 21"),
        (np.zeros((20, 30, 3), np.uint8), "colour image"),
        (np.full((20, 30), 300, np.uint16), "names class 300"),
    ],
)
def test_masks_of_another_kind_are_refused(tmp_path, index, words):
    Image.fromarray(index).save(tmp_path / "a.png")
    with pytest.raises(WsisError, match=words):
        ground_truth.read(tmp_path / "a.png", None, 20)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(WsisError, match="not a readable PNG"):
        ground_truth.read(tmp_path / "a.png", None, 20)


def test_classes_of_any_depth_are_read(tmp_path):
    index = np.zeros((20, 30), np.uint8)
    index[2:8, 3:9], index[10:15, 3:9], index[10:15, 12:20] = 1, 2, 3
    Image.fromarray(index.astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(index_image.palette()[index]).save(tmp_path / "colours.png")
    for bits in (2, 4, 8):
        (tmp_path / f"{bits}.png").write_bytes(grey_png(index, bits))
    for name in ("2", "4", "8", "16", "colours"):
        truth = ground_truth.read(tmp_path / f"{name}.png", tmp_path / f"{name}.png", 20)
        assert truth.semantic.dtype == np.uint8
        np.testing.assert_array_equal(truth.semantic, index)
        np.testing.assert_array_equal(truth.masks, np.stack([index == n for n in (1, 2, 3)]))
        assert truth.categories.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("gap", "touch"), [(0, True), (5, True), (6, False)])
def test_instances_of_a_class_touch_within_six_pixels(gap, touch):
    """Six pixels lie between the middles of two pixels with five others in between."""
    masks = np.zeros((3, 20, 40), bool)
    masks[0, :, :10] = masks[1, :, 10 + gap : 20 + gap] = masks[2, :, 30:] = True
    truth = ground_truth.GroundTruth(masks, np.array([1, 1, 2]), masks.any(0).astype(np.uint8))
    assert truth.touching.tolist() == [touch, touch, False]  # the third is of another class


def test_overlaps_say_how_much_of_an_instance_a_mask_holds_but_for_void():
    labels = np.repeat(np.arange(4, dtype=np.int32), 10).reshape(4, 10)
    proposals = from_masks(np.stack([labels < 2, labels == 3]))
    masks = np.stack([labels == 0, labels >= 1])
    semantic = np.ones((4, 10), np.uint8)
    semantic[:, 5:] = 255
    found = ground_truth.overlaps(proposals, ground_truth.GroundTruth(masks, np.array([0, 0]), semantic))
    np.testing.assert_allclose(found.iou, [[1 / 2, 1 / 4], [0, 1 / 3]])
    np.testing.assert_allclose(found.covered, [[1, 1 / 3], [0, 1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(found[np.array([1])].covered, [[0, 1 / 3]], rtol=1e-6)


def the_pairs(file):
    return photo_sets.of_coco(coco_masks.read(file, file.parent / "photos", evaluating=True))


def test_coco_masks_are_the_ground_truth_in_the_models_classes(tmp_path):
    pairs = the_pairs(coco_sets.write(tmp_path))
    assert pairs[0].names == ("teapot", "bolt", "cup")
    common = shared(pairs[0].names, ("Bolt", "kettle", "tea pot"), "mine")
    assert common.names == ("teapot", "bolt")
    for pair, seed in zip(pairs, range(3), strict=True):
        made, truth = scene(seed), ground_truth.of_pair(pair, common)
        kinds = np.array([SHAPES.index(voc.CLASSES[c]) for c in made.categories])
        np.testing.assert_array_equal(truth.masks, made.masks[kinds < 2])
        np.testing.assert_array_equal(truth.categories, kinds[kinds < 2])
        expected = np.zeros(made.image.shape[:2], np.uint8)
        for mask, kind in zip(made.masks, kinds, strict=True):
            expected[mask] = kind + 1 if kind < 2 else 0  # what the model does not know is background
        np.testing.assert_array_equal(truth.semantic, expected)
        assert truth.semantic.dtype == np.uint8
        assert truth.crowds is None


def test_of_overlapping_coco_masks_the_smaller_lies_on_top_and_a_crowd_counts_for_nobody():
    masks = np.zeros((3, 10, 20), bool)
    masks[0, :, :10], masks[1, 2:5, 2:5], masks[2, :, 8:] = True, True, True
    rles = [coco_sets.compressed(mask) for mask in masks]
    annotated = coco_masks.Annotated("a.jpg", None, (10, 20), tuple(rles[:2]), (0, 1), (rles[2],))
    pair = photo_sets.Pair("a", None, None, None, annotated, ("teapot", "bolt"))
    truth = ground_truth.of_pair(pair, shared(pair.names, ("teapot", "bolt")))
    assert (truth.semantic[2:5, 2:5] == 2).all()
    assert (truth.semantic[6:, :10] == 1).all()
    assert (truth.semantic[:, 10:] == 255).all()
    found = np.zeros((3, 10, 20), bool)
    found[0, :, 11:], found[1, :, 6:14], found[2, :, 5:15] = True, True, True  # all, half of it and half in the crowd
    assert truth.judged(found).tolist() == [False, True, True]
    assert ground_truth.overlaps(from_masks(found), truth).judged.tolist() == [False, True, True]
    assert ground_truth.overlaps(from_masks(found), truth).iou[2, 0] == pytest.approx(50 / 100)


@pytest.mark.parametrize("bits", [8, 16])
def test_void_of_8_and_of_16_bits(tmp_path, bits):
    index = np.zeros((6, 9), np.uint16 if bits == 16 else np.uint8)
    index[:2], index[2:4], index[4] = 3, 254, (65535 if bits == 16 else 255)
    Image.fromarray(index).save(tmp_path / "a.png")
    for count in (254, 300):
        truth = ground_truth.read(tmp_path / "a.png", tmp_path / "a.png", count)
        assert truth.categories.tolist() == [2, 253]
        void = 65535 if bits == 16 and count == 300 else 255
        assert (truth.semantic[4] == void).all()
        assert truth.semantic[5, 0] == 0
        proposals = from_masks(np.ones((1, 6, 9), bool))
        assert ground_truth.overlaps(proposals, truth).iou[0].tolist() == pytest.approx([18 / 45, 18 / 45])
