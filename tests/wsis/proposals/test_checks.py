"""What is said of proposal files that are too large, of another size, or hold empty masks."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from pycocotools import mask as coco_mask

from wsis.errors import WsisError
from wsis.proposals import sources
from wsis.proposals.readers import checks, read

FILE = Path("photo.json")


def test_a_size_of_other_than_two_numbers_is_called_that():
    with pytest.raises(WsisError, match=r"^photo\.json: expected a size of two numbers, got \[3, 4, 5\]\.$"):
        checks.check_size(FILE, (3, 4, 5), (3, 4))
    with pytest.raises(WsisError, match=r"a photo of 5 x 3 pixels, but the photo has 4 x 3\.$"):
        checks.check_size(FILE, (3, 5), (3, 4))


def test_as_many_masks_are_taken_as_fit(monkeypatch):
    monkeypatch.setattr(checks, "MOST_BYTES", 35)
    checks.check_memory(FILE, 2, (3, 5))
    with pytest.raises(WsisError, match=r"^photo\.json holds 3 masks; at 5 x 3 pixels at most 2 fit in memory\.$"):
        checks.check_memory(FILE, 3, (3, 5))


def test_a_table_of_exactly_the_most_cells_is_taken(monkeypatch):
    monkeypatch.setattr(checks, "MOST_CELLS", 12)
    checks.check_table(FILE, 3, 4)
    said = r"holds 13 proposals over 1 regions, which is more than can be handled\. Leave the worst ones out\.$"
    with pytest.raises(WsisError, match=said):
        checks.check_table(FILE, 13, 1)


def test_five_numbers_are_named_and_more_hinted_at():
    (five,) = checks.left_out(FILE, [0, 1, 2, 3, 9], 20)
    assert five.endswith("5 of 20 proposals in photo.json cover no pixel and are left out: 0, 1, 2, 3, 9 (from 0).")
    (six,) = checks.left_out(FILE, [0, 1, 2, 3, 9, 11], 20)
    assert six.endswith("6 of 20 proposals in photo.json cover no pixel and are left out: 0, 1, 2, 3, 9, ... (from 0).")
    assert checks.left_out(FILE, [], 20) == ()


@pytest.fixture
def two() -> np.ndarray:
    masks = np.zeros((2, 6, 8), bool)
    masks[0, :3], masks[1, :, 4:] = True, True
    return masks


def coco(mask: np.ndarray, **more: object) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"segmentation": {"size": list(mask.shape), "counts": rle["counts"].decode()}, **more}


def test_proposals_say_where_they_come_from(tmp_path, two):
    (tmp_path / "a.json").write_text(json.dumps([coco(mask) for mask in two]))
    assert read(tmp_path / "a.json", (6, 8)).source == "a.json (COCO)"
    scipy.io.savemat(tmp_path / "a.mat", {"masks": np.moveaxis(two, 0, -1)})
    assert read(tmp_path / "a.mat", (6, 8)).source == "a.mat (masks)"


def test_sam_scores_its_masks_by_another_name(tmp_path, two):
    (tmp_path / "a.json").write_text(
        json.dumps([coco(m, predicted_iou=s) for m, s in zip(two, (0.2, 0.9), strict=True)])
    )
    found = read(tmp_path / "a.json", (6, 8))
    np.testing.assert_array_equal(found.mask(0), two[1])


def test_a_file_for_many_photos_that_is_written_again_is_read_again(tmp_path, two):
    file = tmp_path / "all.json"
    file.write_text(json.dumps([coco(two[0], image_id="a")]))
    np.testing.assert_array_equal(sources.read(file, "a", tmp_path / "a.jpg", (6, 8)).mask(0), two[0])
    file.write_text(json.dumps([coco(two[1], image_id="a")]))
    os.utime(file, ns=(1, 1))
    np.testing.assert_array_equal(sources.read(file, "a", tmp_path / "a.jpg", (6, 8)).mask(0), two[1])


def test_a_photos_own_file_with_several_images_gives_those_of_its_name(tmp_path, two):
    entries = [coco(two[0], image_id=1), coco(two[1], image_id=2)]
    images = [{"id": 1, "file_name": "other.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": entries}))
    found = sources.read(tmp_path, "a", tmp_path / "a.jpg", (6, 8))
    assert len(found) == 1
    np.testing.assert_array_equal(found.mask(0), two[1])


def test_a_proposal_of_one_superpixel_counts(tmp_path):
    labels = np.empty((2, 1), object)
    labels[0, 0], labels[1, 0] = np.array([[2]], np.uint16), np.array([[1, 2]], np.uint16)
    superpixels = np.repeat(np.array([1, 2], np.uint16), 24).reshape(6, 8)
    scipy.io.savemat(tmp_path / "a.mat", {"superpixels": superpixels, "labels": labels})
    found = read(tmp_path / "a.mat", (6, 8))
    assert len(found) == 2
    assert found.source == "a.mat (MCG)"
    assert not found.notes
    np.testing.assert_array_equal(found.mask(0), superpixels == 2)


def test_a_damaged_run_is_told_by_its_number(tmp_path):
    good = {"data": base64.b64encode(np.array([1, 3], "<i4").tobytes()).decode(), "shape": [6, 8]}
    (tmp_path / "a.json").write_text(json.dumps([good]))
    assert read(tmp_path / "a.json", (6, 8)).source == "a.json (PRM)"
    (tmp_path / "a.json").write_text(json.dumps([good, {**good, "data": "!"}]))
    with pytest.raises(WsisError, match=r"^a\.json, proposal 1: 'data' is not base64\.$"):
        read(tmp_path / "a.json", (6, 8))
