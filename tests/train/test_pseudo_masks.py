"""Pseudo labels as a COCO data set that trainers read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from typer import BadParameter

from train import data, pseudo_labels, pseudo_masks, scenes
from train import maps as naive_maps
from train.maps import NaiveMaps
from wsis import coco_masks, voc


@pytest.fixture
def labelled(tmp_path):
    """Two photos; two labels of the first overlap."""
    photos = []
    for seed, count in ((0, 2), (1, 1)):
        made = scenes.scene(seed)
        masks = made.masks[:count].copy()
        masks[-1] |= masks[0]
        image = tmp_path / "images" / f"photo {seed}.png"
        image.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(image), made.image[..., ::-1])
        naive = NaiveMaps(np.ones((count, 4, 4), np.float32), np.array([7, 14][:count]), np.zeros((count, 2)))
        pseudo_labels._save(naive, masks, tmp_path / f"{seed}.npz")
        photos.append((pseudo_labels.PseudoPhoto(image, tmp_path / f"{seed}.npz"), masks))
    return photos


def test_what_trainers_read_are_the_labels(labelled, tmp_path):
    file = tmp_path / "pseudo.json"
    file.write_bytes(pseudo_masks.dataset([photo for photo, _ in labelled], voc.CLASSES))
    items = data.coco_instances(file, tmp_path / "images")
    assert [item.image for item in items] == [photo.image for photo, _ in labelled]
    for item, (_, masks) in zip(items, labelled, strict=True):
        found = np.stack([coco_mask.decode(rle) for rle in item.rles]).astype(bool)
        assert np.array_equal(found, masks)
    annotated = coco_masks.read(file, tmp_path / "images", evaluating=True)
    assert tuple(annotated.ids.values()) == voc.CLASSES
    assert [voc.CLASSES[c] for c in annotated.photos[0].categories] == ["cat", "person"]


def test_photos_without_a_label_that_agrees_are_told(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(naive_maps, "CACHE", tmp_path / "maps")
    monkeypatch.setattr(pseudo_labels, "CACHE", tmp_path / "labels")
    none = NaiveMaps(np.zeros((0, 4, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    monkeypatch.setattr(pseudo_labels, "label", lambda *_, **__: (none, np.zeros((0, 64, 64), bool)))
    scenes.write_voc(tmp_path / "kit", 2)
    with pytest.raises(BadParameter, match="No photo of train got a label that its own map agrees with"):
        pseudo_masks.main(tmp_path / "out.json", tmp_path / "kit", str(tiny_checkpoint), ["train"], 2)
    assert not (tmp_path / "out.json").exists()
