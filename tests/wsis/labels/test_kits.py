"""COCO data sets and VOC kits: labels only."""

from __future__ import annotations

import json

import pytest

from tests.helpers.labelled_photos import shown, write
from wsis.errors import WsisError
from wsis.labels.read import read

COCO = {
    "images": [{"id": 7 + i, "file_name": f"{name}.jpg", "width": 32, "height": 24} for i, name in enumerate("abc")],
    "categories": [{"id": 3, "name": "tea pot"}, {"id": 1, "name": "cup"}, {"id": 9, "name": "x"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": "no mask at all"},
        {"id": 2, "image_id": 8, "category_id": 1},
        {"id": 3, "image_id": 8, "category_id": 3, "iscrowd": 1},
        {"id": 4, "image_id": 8, "category_id": 1},
    ],
}  # fmt: skip
PHOTOS = {"a.jpg": {"cup"}, "b.jpg": {"cup", "tea pot"}, "c.jpg": set()}


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", *PHOTOS)


def test_coco_gives_the_categories_of_annotations_and_never_looks_at_masks(photos, tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps(COCO))
    labels = read(photos, tmp_path / "instances.json")
    assert shown(labels) == PHOTOS
    assert labels.classes == ("tea pot", "cup", "x")


def test_of_lvis_only_what_is_named_is_known(photos, tmp_path):
    images = [{**image, "neg_category_ids": [9]} for image in COCO["images"]]
    (tmp_path / "lvis.json").write_text(json.dumps({**COCO, "images": images}))
    assert shown(read(photos, tmp_path / "lvis.json"))["a.jpg"] == {"cup", "?tea pot"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"annotations": [{"image_id": 99, "category_id": 1}]}, "belongs to the image 99, which it lacks"),
        ({"annotations": [{"image_id": 7, "category_id": 99}]}, "is of the category 99, which it lacks"),
        ({"annotations": [{"image_id": 7, "category_id": 0}]}, "is of the category 0, which it lacks"),
        ({"annotations": [{"image_id": 0, "category_id": 1}]}, "belongs to the image 0, which it lacks"),
        ({"images": [{"id": 7, "file_name": 5}], "annotations": []}, "expected the name of a photo or class, got 5"),
        ({"images": [{"id": 7}], "annotations": []}, "The image 7 of the COCO data set names no file"),
        ({"categories": [{"id": 1, "name": None}]}, "not as COCO writes them"),
        ({"images": []}, "belongs to the image|say nothing of any photo"),
        ({"images": None}, "is damaged: its categories, annotations or images are not as COCO writes them"),
    ],
)
def test_bad_coco(photos, tmp_path, change, sentence):
    (tmp_path / "instances.json").write_text(json.dumps({**COCO, **change}))
    with pytest.raises(WsisError, match=sentence):
        read(photos, tmp_path / "instances.json")


@pytest.fixture
def kit(tmp_path):
    write(tmp_path / "JPEGImages", *PHOTOS)
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("a\nb\n")
    (main / "cup_train.txt").write_text("a  1\r\nb -1\r\n")
    (main / "tea pot_train.txt").write_text("a  0\nb  1\n")
    (main / "cup_val.txt").write_text("c  1\n")
    return tmp_path


def test_a_voc_kit_of_any_classes(kit):
    labels = read(kit)
    assert shown(labels) == {"a.jpg": {"cup", "?tea pot"}, "b.jpg": {"tea pot"}}
    assert labels.kind == "a VOC kit, split train"
    assert shown(read(kit, _list(kit, "val"))) == {"c.jpg": {"cup"}}


def test_a_voc_kit_of_boxes_gives_their_names(tmp_path):
    write(tmp_path / "JPEGImages", "a.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text(
        "<annotation><folder>JPEGImages</folder><filename>a.jpg</filename><object><name>cup</name><bndbox/></object>"
        "<object><name>spoon</name></object></annotation>"
    )
    assert shown(read(tmp_path)) == {"a.jpg": {"cup", "spoon"}}


def test_bad_kits(kit):
    with pytest.raises(WsisError, match="has no lists of classes for the split 'test'"):
        read(kit, _list(kit, "test"))
    (kit / "ImageSets" / "Main" / "cup_train.txt").write_text("a yes\n")
    with pytest.raises(WsisError, match=r"cup_train\.txt: expected a photo and 1, 0 or -1, got 'a yes'"):
        read(kit)


def _list(kit, split):
    file = kit / "ImageSets" / "Main" / f"{split}.txt"
    file.write_text("a\n")
    return file
