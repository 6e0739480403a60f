"""True masks: areas, classes, and files that are no masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.seeds import grey_png
from wsis import ground_truth, voc
from wsis.errors import WsisError


def test_connected_areas_are_instances(tmp_path):
    semantic = np.zeros((20, 30), np.uint8)
    semantic[2:6, 2:6] = semantic[2:6, 10:14] = 3
    semantic[10:14, 2:6], semantic[10:14, 6:9], semantic[0] = 3, 5, 255
    Image.fromarray(semantic).save(tmp_path / "a.png")
    truth = ground_truth.read(tmp_path / "a.png", None)
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
        ground_truth.read(tmp_path / "a.png", None)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(WsisError, match="not a readable PNG"):
        ground_truth.read(tmp_path / "a.png", None)


def test_classes_of_any_depth_are_read(tmp_path):
    index = np.zeros((20, 30), np.uint8)
    index[2:8, 3:9], index[10:15, 3:9], index[10:15, 12:20] = 1, 2, 3
    Image.fromarray(index.astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(voc.palette()[index]).save(tmp_path / "colours.png")
    for bits in (2, 4, 8):
        (tmp_path / f"{bits}.png").write_bytes(grey_png(index, bits))
    for name in ("2", "4", "8", "16", "colours"):
        truth = ground_truth.read(tmp_path / f"{name}.png", tmp_path / f"{name}.png")
        assert truth.semantic.dtype == np.uint8
        np.testing.assert_array_equal(truth.semantic, index)
        np.testing.assert_array_equal(truth.masks, np.stack([index == n for n in (1, 2, 3)]))
        assert truth.categories.tolist() == [0, 1, 2]
