from __future__ import annotations

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from tests.fuzz.seeds import grey_png
from train import classifier, crops, data, endless, scenes
from wsis import index_image, voc
from wsis.errors import WsisError


def test_partial_labels_of_a_csv(tmp_path):
    (tmp_path / "labels.csv").write_text("image,present,hinted,annotated\na.jpg,dog,person,dog cat\nb.jpg,,,bus\n")
    labels = data.csv_labels(tmp_path, voc.CLASSES)
    column = {name: i for i, name in enumerate(voc.CLASSES)}
    known = {name: (labels.target[0, i], labels.weight[0, i]) for name, i in column.items()}
    assert known["dog"] == (1, 1)
    assert known["cat"] == (0, 1)
    assert known["bus"] == (0, 0)
    assert known["person"] == pytest.approx((data.HINT_TARGET, data.HINT_WEIGHT))
    assert labels.weight[1].sum() == 1
    assert labels.paths[1] == tmp_path / "images" / "b.jpg"


def test_difficult_voc_labels_have_no_weight(tmp_path):
    scenes.write_voc(tmp_path, 2)
    file = tmp_path / "ImageSets" / "Main" / "dog_train.txt"
    file.write_text("000000  0\n000001  1\n")
    labels = data.voc_labels(tmp_path, "train")
    dog = voc.CLASSES.index("dog")
    assert labels.weight[:, dog].tolist() == [0, 1]
    assert labels.target[:, dog].tolist() == [0, 1]


def test_label_sets_add_up(tmp_path):
    scenes.write_voc(tmp_path, 2)
    labels = data.voc_labels(tmp_path, "train")
    both = labels + labels
    assert len(both.paths) == 4
    assert both.target.shape[0] == 4


def test_of_classes_that_only_one_set_has_the_others_photos_know_nothing(tmp_path):
    for name, rows in (("a", "1.jpg,teapot,,teapot bolt\n"), ("b", "2.jpg,cup,,cup\n3.jpg,bolt,,\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "labels.csv").write_text(f"image,present,hinted,annotated\n{rows}")
    labels = data.all_labels(None, ["train"], [tmp_path / "a", tmp_path / "b"])
    assert labels.classes == ("bolt", "teapot", "cup")
    assert labels.target.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert labels.weight.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]
    chosen = data.all_labels(None, [], [tmp_path / "a"], ["teapot", "cup", "bolt"])
    assert chosen.classes == ("teapot", "cup", "bolt")
    assert chosen.weight.tolist() == [[1, 0, 1]]
    scenes.write_voc(tmp_path / "kit", 1)
    with pytest.raises(WsisError, match="no class 'cup'; expected aeroplane"):
        data.all_labels(tmp_path / "kit", ["train"], [tmp_path / "b"])
    assert data.all_labels(tmp_path / "kit", ["train"], [], ["bird", "cup"]).classes == ("bird", "cup")


def test_missing_parts_of_a_devkit_are_named(tmp_path):
    with pytest.raises(WsisError, match="no split 'train'"):
        data.voc_labels(tmp_path, "train")
    scenes.write_voc(tmp_path, 1)
    (tmp_path / "ImageSets" / "Main" / "cat_train.txt").unlink()
    with pytest.raises(WsisError, match=r"cat_train\.txt is missing"):
        data.voc_labels(tmp_path, "train")


def test_void_is_no_instance(tmp_path):
    index = np.zeros((6, 8), np.uint8)
    index[:2], index[3, 3:], index[5] = 1, 7, index_image.VOID
    cv2.imwrite(str(tmp_path / "m.png"), index)
    masks = data.InstanceMasks(tmp_path / "m.jpg", tmp_path / "m.png").masks()
    assert masks.shape == (2, 6, 8)
    assert masks[0].sum() == 16
    assert masks[1].sum() == 5


def test_coco_polygons_and_both_kinds_of_rle(tmp_path):
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5, 3:9] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    packed["counts"] = packed["counts"].decode()
    runs = [3 * 10 + 2, *([3, 7] * 5), 3, 3 * 10 + 5]
    polygon = [[3, 2, 9, 2, 9, 5, 3, 5]]
    shapes = [packed, {"size": [10, 12], "counts": runs}, polygon]
    annotations = [{"image_id": 1, "segmentation": shape} for shape in shapes]
    annotations.append({"image_id": 1, "segmentation": packed, "iscrowd": 1})
    images = [{"id": 1, "height": 10, "width": 12, "file_name": "x.jpg"}]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    (item,) = data.coco_instances(tmp_path / "a.json", tmp_path / "photos")
    assert item.image == tmp_path / "photos" / "x.jpg"
    assert item.masks().shape == (3, 10, 12)
    for found in item.masks():
        np.testing.assert_array_equal(found, mask.astype(bool))


def coco_file(tmp_path, annotations, encoding="utf-8", **image):
    whole = {"id": 1, "file_name": "x.jpg", "height": 10, "width": 12} | image
    value = {"images": [{k: v for k, v in whole.items() if v is not None}], "annotations": annotations}
    (tmp_path / "a.json").write_bytes(json.dumps(value).encode(encoding))
    return tmp_path / "a.json"


BOX = {"image_id": 1, "segmentation": [[3, 2, 9, 2, 9, 5, 3, 5]]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_coco_files_of_any_encoding(tmp_path, encoding):
    (item,) = data.coco_instances(coco_file(tmp_path, [BOX], encoding, id=1.0), tmp_path)
    assert item.masks().sum() == 18


@pytest.mark.parametrize(
    "bad",
    [
        {"segmentation": []}, {"segmentation": None}, {"bbox": [1, 2, 3, 4]}, {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": [[]]}, {"segmentation": {}}, {"segmentation": {"size": [10, 12], "counts": [120]}},
        {"segmentation": {"size": [10, 12], "counts": [50, 20, 50]}, "iscrowd": 1}, {"segmentation": [], "iscrowd": 1},
    ],
)  # fmt: skip
def test_annotations_without_a_mask_are_left_out(tmp_path, bad, capsys):
    (item,) = data.coco_instances(coco_file(tmp_path, [bad | {"image_id": 1}, BOX]), tmp_path)
    assert item.masks().shape == (1, 10, 12)
    assert item.masks().sum() == 18
    said = capsys.readouterr().err
    assert said == ("" if "iscrowd" in bad else "a.json: 1 of 2 annotations without a mask left out\n")
    with pytest.raises(WsisError, match="holds no mask to learn from"):
        data.coco_instances(coco_file(tmp_path, [bad | {"image_id": 1}]), tmp_path)


@pytest.mark.parametrize("shape", [BOX["segmentation"][0], [[3, 2], [9, 2], [9, 5], [3, 5]],
                                   [[3 / 12, 2 / 10, 9 / 12, 2 / 10, 9 / 12, 5 / 10, 3 / 12, 5 / 10]]])  # fmt: skip
def test_coco_polygons_in_other_writings(tmp_path, shape):
    (item,) = data.coco_instances(coco_file(tmp_path, [{"image_id": 1, "segmentation": shape}]), tmp_path)
    assert item.masks()[0, 2:5, 3:9].all()
    assert item.masks().sum() == 18


@pytest.mark.parametrize(
    ("entry", "image", "words"),
    [
        (BOX, {"height": None}, "Annotation 0 .* its image has no 'height' and 'width'"),
        (BOX, {"width": "12"}, "no 'height' and 'width'"),
        (BOX, {"file_name": None}, "has no 'file_name'"),
        (BOX | {"image_id": 7}, {}, "belongs to the image 7, which 'images' does not list"),
        ({"segmentation": BOX["segmentation"]}, {}, "belongs to the image None"),
        (BOX | {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, {}, "an x without a y"),
        (BOX | {"segmentation": "text"}, {}, "no readable mask"),
        (BOX | {"segmentation": {"size": [10, 12], "counts": "zz"}}, {}, "no readable mask"),
        (BOX | {"segmentation": {"size": [5, 12], "counts": [60]}}, {}, "another"),
    ],
)
def test_damaged_coco_files_are_refused(tmp_path, entry, image, words):
    with pytest.raises(WsisError, match=words):
        data.coco_instances(coco_file(tmp_path, [entry], **image), tmp_path)


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"images": []}', b'{"images": [1], "annotations": []}', b"\xff"])
def test_what_is_no_coco_data_set_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(WsisError, match=r"no COCO data set|not valid JSON"):
        data.coco_instances(tmp_path / "a.json", tmp_path)


def test_an_rle_knows_its_own_size(tmp_path):
    entry = {"image_id": 1, "segmentation": {"size": [10, 12], "counts": [50, 20, 50]}}
    (item,) = data.coco_instances(coco_file(tmp_path, [entry], height=None, width=None), tmp_path)
    assert item.masks().sum() == 20


def test_files_of_the_system_are_no_photos(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._a.jpg", "._a.png"):
            (tmp_path / folder / name).write_bytes(b"x")
    (tmp_path / "images" / "a.JPG").write_bytes(b"")
    (tmp_path / "images" / "b.jpg").write_bytes(b"")
    (tmp_path / "masks" / "a.PNG").write_bytes(grey_png(np.arange(4).reshape(2, 2), 2))
    first, second = data.mask_folder(tmp_path)
    assert first.image.name == "a.JPG"
    assert first.masks().reshape(3, 4).tolist() == np.eye(4, dtype=bool)[1:].tolist()
    with pytest.raises(WsisError, match=r"b.png is missing: it should number the instances of b.jpg"):
        second.masks()
    with pytest.raises(WsisError, match="no folder"):
        data.mask_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_labels_in_any_encoding(tmp_path, encoding):
    text = "Image, present,annotated,hinted,other\r\na.jpg,cat,cat dog,,5\r\n\r\nx\\b.jpg\r\n,,,\r\n"
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    labels = data.csv_labels(tmp_path)
    assert labels.classes == ("cat", "dog")
    assert labels.target.sum() == 1
    assert labels.weight.sum() == 2
    assert labels.paths[0].name == "a.jpg"
    assert len(labels.paths) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the column 'image'"),
        ("image;present;hinted;annotated\na.jpg;cat;;\n", "lacks the column 'image'.*with commas"),
        ("image,present,annotated\na.jpg,cat,\n", "lacks the column 'hinted'"),
        ("image,present,hinted,annotated\n", "names no photo"),
        ("image,present,hinted,annotated\na.jpg,unicorn,,\n", "photo 1: there is no class 'unicorn'"),
        ("image,present,hinted,annotated\n,cat,,\n", "photo 1: its name is missing"),
    ],
)
def test_wrong_labels_say_what_is_wrong(tmp_path, text, words):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(WsisError, match=words):
        data.csv_labels(tmp_path, voc.CLASSES)
    with pytest.raises(WsisError, match="is missing"):
        data.csv_labels(tmp_path / "nowhere")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_splits_and_labels_of_a_devkit_in_any_encoding(tmp_path, encoding):
    scenes.write_voc(tmp_path, 2)
    expected = data.voc_labels(tmp_path, "train")
    (tmp_path / "JPEGImages" / "000001.jpg").rename(tmp_path / "JPEGImages" / "000001.JPG")
    for file in (tmp_path / "ImageSets" / "Main").iterdir():
        file.write_bytes(file.read_text().replace("\n", "\r\n").encode(encoding))
    found = data.voc_labels(tmp_path, "train")
    assert (found.target == expected.target).all()
    assert [path.name for path in found.paths] == ["000000.jpg", "000001.JPG"]
    (tmp_path / "ImageSets" / "Main" / "cat_train.txt").write_text("000000 perhaps\n")
    with pytest.raises(WsisError, match=r"cat_train\.txt: expected an id of the split .* got '000000 perhaps'"):
        data.voc_labels(tmp_path, "train")


def test_an_unreadable_photo_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(WsisError, match=r"broken\.jpg"):
        data.read_rgb(tmp_path / "broken.jpg")


def test_augmentation_depends_on_the_draw_alone(tmp_path):
    scenes.write_voc(tmp_path, 2)
    photos = classifier.LabelledPhotos(data.voc_labels(tmp_path, "train"), size=32, scale=(0.5, 1), seed=1)
    assert (photos[0, 5][0] == photos[0, 5][0]).all()
    assert (photos[0, 5][0] != photos[0, 6][0]).any()
    assert photos[0, 5][0].shape == (3, 32, 32)


def test_passes_visit_every_item_once_and_go_on_from_any_step():
    done = 0
    walk = endless.ShuffledPasses(10, 4, 3, seed=0, done=lambda: done)
    batches = []
    while len(batches) < 15:
        done = len(batches)
        batches += list(walk)
    draws = [draw for batch in batches for draw in batch]
    assert [draw for _, draw in draws] == list(range(60))
    assert sorted(item for item, _ in draws[:10]) == sorted(item for item, _ in draws[10:20]) == list(range(10))
    assert draws[:10] != [(item, draw - 10) for item, draw in draws[10:20]]
    for step in (0, 1, 7, 12):  # an epoch of any length, begun anywhere
        assert list(endless.ShuffledPasses(10, 4, 2, seed=0, done=lambda step=step: step)) == batches[step : step + 2]


class _Keys(torch.utils.data.Dataset):
    """Items that are their own addresses."""

    def __len__(self):
        return 10

    def __getitem__(self, key):
        return key


class _Endless(endless.EndlessData):
    def __init__(self, batch_size=4, per_epoch=12, seed=0, workers=0):
        super().__init__(batch_size=batch_size, per_epoch=per_epoch, seed=seed, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_restored_place_is_where_the_first_epoch_begins(workers):
    """Lightning hears of the steps before an interruption only after the loader is made."""
    first = _Endless(workers=workers)
    first.trainer = SimpleNamespace(fit_loop=SimpleNamespace(total_batch_idx=-1))
    loader, whole = first.endless(_Keys(), collate=list), []
    for _ in range(3):
        whole += list(loader)
        first.trainer.fit_loop.total_batch_idx = len(whole) - 1
    first.trainer.fit_loop.total_batch_idx = 3
    again = _Endless(workers=workers)
    again.load_state_dict(first.state_dict())
    again.trainer = SimpleNamespace(fit_loop=SimpleNamespace(total_batch_idx=-1))
    loader = again.endless(_Keys(), collate=list)
    rest = iter(loader)
    assert [next(rest), next(rest)] == whole[4:6]  # the epoch has two more steps; a third is under way
    again.trainer.fit_loop.total_batch_idx = 5
    assert list(loader) == whole[6:9]


def test_an_epoch_without_a_whole_batch_is_refused():
    with pytest.raises(WsisError, match=r"A batch of 12 cannot be filled: there are 10 photos and 10 an epoch\."):
        _Endless(batch_size=12, per_epoch=None).endless(_Keys())
    assert len(_Endless(batch_size=4, per_epoch=None).endless(_Keys())) == 2


def test_arrays_are_written_beside_nothing_else(tmp_path):
    data.save_arrays(tmp_path / "a.npz", own=np.arange(3))
    with np.load(tmp_path / "a.npz") as content:
        assert content["own"].tolist() == [0, 1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("scale", [(0.1, 0.2), (1, 1)])
def test_crops_stay_inside(scale):
    image = np.arange(40 * 60 * 3, dtype=np.int32).reshape(40, 60, 3)
    for seed in range(30):
        crop = crops.random_crop(image, scale, np.random.default_rng(seed))
        assert 0 < crop.shape[0] <= 40
        assert 0 < crop.shape[1] <= 60
        assert crop.shape[0] * crop.shape[1] >= 0.8 * scale[0] * 2400
