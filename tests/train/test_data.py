from __future__ import annotations

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from train import data, scenes
from wsis import voc
from wsis.errors import WsisError


def test_partial_labels_of_a_csv(tmp_path):
    (tmp_path / "labels.csv").write_text("image,present,hinted,annotated\na.jpg,dog,person,dog cat\nb.jpg,,,bus\n")
    labels = data.csv_labels(tmp_path)
    column = {name: i for i, name in enumerate(voc.CLASSES)}
    known = {name: (labels.target[0, i], labels.weight[0, i]) for name, i in column.items()}
    assert known["dog"] == (1, 1) and known["cat"] == (0, 1) and known["bus"] == (0, 0)
    assert known["person"] == pytest.approx((data.HINT_TARGET, data.HINT_WEIGHT))
    assert labels.weight[1].sum() == 1
    assert labels.paths[1] == tmp_path / "images" / "b.jpg"


def test_difficult_voc_labels_have_no_weight(tmp_path):
    scenes.write_voc(tmp_path, 2)
    file = tmp_path / "ImageSets" / "Main" / "dog_train.txt"
    file.write_text("000000  0\n000001  1\n")
    labels = data.voc_labels(tmp_path, "train")
    dog = voc.CLASSES.index("dog")
    assert labels.weight[:, dog].tolist() == [0, 1] and labels.target[:, dog].tolist() == [0, 1]


def test_label_sets_add_up(tmp_path):
    scenes.write_voc(tmp_path, 2)
    labels = data.voc_labels(tmp_path, "train")
    both = labels + labels
    assert len(both.paths) == 4 and both.target.shape[0] == 4


def test_missing_parts_of_a_devkit_are_named(tmp_path):
    with pytest.raises(WsisError, match="no split 'train'"):
        data.voc_labels(tmp_path, "train")
    scenes.write_voc(tmp_path, 1)
    (tmp_path / "ImageSets" / "Main" / "cat_train.txt").unlink()
    with pytest.raises(WsisError, match=r"cat_train\.txt is missing"):
        data.voc_labels(tmp_path, "train")


def test_void_is_no_instance(tmp_path):
    index = np.zeros((6, 8), np.uint8)
    index[:2], index[3, 3:], index[5] = 1, 7, voc.VOID
    cv2.imwrite(str(tmp_path / "m.png"), index)
    masks = data.InstanceMasks(tmp_path / "m.jpg", tmp_path / "m.png").masks()
    assert masks.shape == (2, 6, 8)
    assert masks[0].sum() == 16 and masks[1].sum() == 5


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


def test_an_unreadable_photo_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(WsisError, match=r"broken\.jpg"):
        data.read_rgb(tmp_path / "broken.jpg")


def test_augmentation_depends_on_the_draw_alone(tmp_path):
    scenes.write_voc(tmp_path, 2)
    photos = data.LabelledPhotos(data.voc_labels(tmp_path, "train"), size=32, scale=(0.5, 1), seed=1)
    assert (photos[0, 5][0] == photos[0, 5][0]).all()
    assert (photos[0, 5][0] != photos[0, 6][0]).any()
    assert photos[0, 5][0].shape == (3, 32, 32)


def test_passes_visit_every_item_once_and_go_on_from_any_step():
    done = 0
    walk = data.ShuffledPasses(10, 4, 3, seed=0, done=lambda: done)
    batches = []
    while len(batches) < 15:
        done = len(batches)
        batches += list(walk)
    draws = [draw for batch in batches for draw in batch]
    assert [draw for _, draw in draws] == list(range(60))
    assert sorted(item for item, _ in draws[:10]) == sorted(item for item, _ in draws[10:20]) == list(range(10))
    assert draws[:10] != [(item, draw - 10) for item, draw in draws[10:20]]
    for step in (0, 1, 7, 12):  # an epoch of any length, begun anywhere
        assert list(data.ShuffledPasses(10, 4, 2, seed=0, done=lambda step=step: step)) == batches[step : step + 2]


class _Keys(torch.utils.data.Dataset):
    """Items that are their own addresses."""

    def __len__(self):
        return 10

    def __getitem__(self, key):
        return key


class _Endless(data.EndlessData):
    def __init__(self, batch_size=4, per_epoch=12, seed=0, workers=0):
        super().__init__()
        self.save_hyperparameters()


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
        crop = data.random_crop(image, scale, np.random.default_rng(seed))
        assert 0 < crop.shape[0] <= 40 and 0 < crop.shape[1] <= 60
        assert crop.shape[0] * crop.shape[1] >= 0.8 * scale[0] * 2400
