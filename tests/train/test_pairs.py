from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tests.helpers.scenes import save_scene_maps, scene_maps
from train import composites, hints, scenes
from train.crops import WHOLE, crop_box, share_inside, within
from train.data import InstanceMasks, mask_folder
from train.maps import NaiveMaps
from train.pairs import MaskedPhoto, PairedPhotos, Pairs, SaliencyPairs, pair

MAP, CLASS_MAP, PEAK, RIVALS, RESPONSE = range(5)


def two_halves() -> tuple[np.ndarray, np.ndarray]:
    """Two objects side by side, and a class map over both."""
    masks = np.zeros((2, 40, 40), bool)
    masks[0, 10:30, :20] = masks[1, 10:30, 20:] = True
    return masks, masks.any(0).reshape(10, 4, 10, 4).mean((1, 3)).astype(np.float32)


def test_maps_are_paired_with_their_instances():
    made = scenes.scene(0)
    assert pair(scene_maps(made), made.masks).tolist() == list(range(len(made.masks)))


def test_peaks_that_share_a_class_map_are_told_apart_by_their_place():
    made = scenes.scene(0)
    own = scene_maps(made)
    shared = NaiveMaps(np.repeat(own.maps.max(0, keepdims=True), len(own.maps), 0), own.classes, own.peaks)
    assert pair(shared, made.masks).tolist() == list(range(len(made.masks)))


def test_a_map_of_the_background_has_no_pair():
    masks = np.zeros((1, 40, 40), bool)
    masks[0, :12, :12] = True
    maps = np.zeros((2, 10, 10), np.float32)
    maps[0, 6:, 6:] = 1
    maps[1, :3, :3] = 1
    peaks = np.array([[0.9, 0.9], [0.35, 0.35]], np.float32)  # the second lies beside the mask that its map covers
    assert pair(NaiveMaps(maps, np.zeros(2, np.int64), peaks), masks).tolist() == [-1, 0]
    assert pair(NaiveMaps(maps, np.zeros(2, np.int64), peaks), masks[:0]).tolist() == [-1, -1]


def test_a_small_object_of_a_crowd_is_paired_by_the_share_of_it_that_the_map_covers():
    masks = np.zeros((1, 40, 40), bool)
    masks[0, 16:20, 16:24] = True
    maps = np.ones((1, 10, 10), np.float32)
    maps[0, 0, 0] = 0  # a map is cut at a share of its range
    naive = NaiveMaps(maps, np.zeros(1, np.int64), np.array([[0.45, 0.5]], np.float32))
    assert pair(naive, masks).tolist() == [0]  # IoU .02, but all of it
    assert pair(NaiveMaps(maps, naive.classes, np.array([[0.9, 0.9]], np.float32)), masks).tolist() == [-1]


def test_a_peak_on_unknown_ground_means_no_mask():
    masks = np.zeros((1, 40, 40), bool)
    masks[0, :12, :12] = True
    maps = np.zeros((1, 10, 10), np.float32)
    maps[0, :3, :3] = 1
    naive = NaiveMaps(maps, np.zeros(1, np.int64), np.array([[0.35, 0.35]], np.float32))
    void = np.zeros((40, 40), bool)
    assert pair(naive, masks, void).tolist() == [0]
    void[13:16, 13:16] = True
    assert pair(naive, masks, void).tolist() == [-1]


@pytest.mark.parametrize("made", [0.0, 1.0])
@pytest.mark.parametrize("start", ["class map", "response"])
def test_items_point_at_their_targets(tmp_path, made, start):
    """Where the hint is strong, the target is more often set than elsewhere."""
    scenes.write_masks(tmp_path, 6)
    photos = []
    for number, item in enumerate(mask_folder(tmp_path)):
        save_scene_maps(scenes.scene(number), tmp_path / f"{number}.npz")
        photos.append(MaskedPhoto(item, tmp_path / f"{number}.npz"))
    items = PairedPhotos(photos, size=64, grid=16, count=2, made=made, seed=0, start=start)
    gaps, at_peak, at_rival = [], [], []
    for draw in range(60):
        image, told, target, weight = items[draw % 6, draw]
        assert image.shape == (3, 64, 64)
        assert told.shape == (2, 5, 16, 16)
        assert target.shape == (2, 16, 16)
        for values in (image, told, target):
            assert values.dtype == torch.float32
            assert values.min() >= 0
            assert values.max() <= 1
        assert weight.shape == target.shape
        assert weight.eq(1).all()
        for hint, wanted in zip(told, target, strict=True):
            chosen = hint[CLASS_MAP]
            gaps.append((chosen[wanted > 0.5].mean() - chosen[wanted < 0.5].mean()).nan_to_num().item())
            at_peak.append(wanted.flatten()[hint[PEAK].flatten().argmax()].item())
            if hint[RIVALS].any():
                at_rival.append(wanted.flatten()[hint[RIVALS].flatten().argmax()].item())
            if made or start == "class map":
                first = hint[RESPONSE if start == "response" else CLASS_MAP]
                assert torch.corrcoef(torch.stack([hint[MAP].flatten(), first.flatten()]))[0, 1] > 0.9
    assert np.mean(gaps) > 0.2
    assert np.mean(at_peak) > 0.7
    assert at_rival
    assert np.mean(at_rival) < 0.5
    assert all(torch.equal(a, b) for a, b in zip(items[2, 9], items[2, 9], strict=True))
    assert not torch.equal(items[2, 9][0], items[2, 10][0])


def test_responses_are_those_of_their_peaks():
    _, class_map = two_halves()
    back = np.zeros((2, 10, 10), np.float32)
    back[0, 5, 2] = back[1, 5, 7] = 3
    peaks = np.array([[0.5, 0.25], [0.5, 0.75]], np.float32)
    naive = NaiveMaps(np.stack([class_map, class_map]), np.zeros(2, np.int64), peaks, back)
    told = [hints.of_peak(naive, k, WHOLE, 20, "response", np.random.default_rng(0)) for k in (0, 1)]
    for own, left in zip(told, (True, False), strict=True):
        for channel in (MAP, PEAK, RESPONSE):
            assert (own[channel, :, :10].sum() > own[channel, :, 10:].sum()) == left
        assert (own[RIVALS, :, :10].sum() > own[RIVALS, :, 10:].sum()) != left or not own[RIVALS].any()
        assert own[RESPONSE].max() == 1
        assert own.min() == 0
    np.testing.assert_array_equal(told[0][CLASS_MAP], told[1][CLASS_MAP])


class OnePhoto:
    """An `Example` of given masks on a grey photo."""

    def __init__(self, folder, masks, void, target) -> None:
        self.file = folder / "photo.png"
        cv2.imwrite(str(self.file), np.full((*masks.shape[1:], 3), 128, np.uint8))
        self.parts = masks, void, target

    def pairs(self):
        masks, void, target = self.parts
        _, class_map = two_halves()
        peaks = np.array([[0.5, 0.25], [0.5, 0.75]], np.float32)
        return Pairs(self.file, NaiveMaps(np.stack([class_map] * 2), np.zeros(2, np.int64), peaks), masks, void, target)


def test_other_instances_weigh_more_and_unknown_pixels_nothing(tmp_path):
    masks, _ = two_halves()
    void = np.zeros((40, 40), bool)
    void[:10] = True
    items = PairedPhotos(
        [OnePhoto(tmp_path, masks, void, np.array([0, 1]))], size=80, grid=40, count=2, made=0, seed=0, neighbours=2.0
    )
    seen, every = masks.any(0), [items[0, draw] for draw in range(20)]
    whole = [item for item in every if np.isin(item[2], (0, 1)).all() and np.array_equal(item[2].sum(0), seen)]
    assert whole  # crops that show everything
    for _, _, target, weight in whole:
        for own, cells in zip(target.bool().numpy(), weight.numpy(), strict=True):
            other = masks.any(0) & ~own
            assert (cells[other] == 3).all()
            assert (cells[void] == 0).all()
            assert (cells[~other & ~void] == 1).all()


def test_a_photo_gives_one_map_of_each_target_before_two_of_one(tmp_path):
    masks, _ = two_halves()
    items = PairedPhotos(
        [OnePhoto(tmp_path, masks, masks[0] & False, np.array([0, 1]))], size=40, grid=20, count=2, made=0, seed=0
    )
    pairs = items.photos[0].pairs()
    for seed in range(5):
        chosen = items._chosen(pairs, [1, 0, 1, 0], [0, 1], 0, WHOLE, np.random.default_rng(seed))
        assert [m for m, _ in chosen] == [1, 0]


def test_a_photo_without_a_mask_that_is_large_enough_weighs_nothing(tmp_path):
    masks = np.zeros((1, 40, 40), bool)
    masks[0, 0, 0] = True
    items = PairedPhotos(
        [OnePhoto(tmp_path, masks, masks[0] & False, np.array([-1, -1]))], size=40, grid=20, count=2, made=0, seed=0
    )
    image, told, target, weight = items[0, 0]
    assert image.shape == (3, 40, 40)
    assert told.shape == (2, 5, 20, 20)
    assert not told.any()
    assert not target.any()
    assert not weight.any()


def test_crops_hold_what_they_are_made_for():
    mask = np.zeros((60, 80), bool)
    mask[20:30, 10:20] = True
    boxes = [crop_box(mask, np.random.default_rng(seed), neighbours=True) for seed in range(60)]
    assert WHOLE in boxes
    assert len(set(boxes)) > 30
    assert min(share_inside(mask, box) for box in boxes) >= 0.4
    narrow = [crop_box(mask, np.random.default_rng(seed), neighbours=False) for seed in range(60)]
    assert np.mean([box[2] * box[3] for box in boxes]) > np.mean([box[2] * box[3] for box in narrow])
    np.testing.assert_allclose(within(np.array([0.5, 0.5]), (0.25, 0.0, 0.5, 0.5)), [0.5, 1.0])


def test_photos_are_seen_as_often_as_their_kind_says(tmp_path):
    def photo(name, count):
        index = tmp_path / f"{count}.png"
        rows = np.arange(60).reshape(6, 10) // 10
        cv2.imwrite(str(index), (rows < count) * (rows + 1))
        return MaskedPhoto(InstanceMasks(tmp_path / name, index), tmp_path / "no.npz")

    several = [photo(f"s{i}.jpg", 3) for i in range(4)]
    single = [photo(f"o{i}.jpg", 1) for i in range(20)]
    made = [photo(f"{composites.CACHE.name}/key/images/{i}.jpg", 2) for i in range(6)]
    kinds = {"s": several, "c": made, "o": single}
    data = SaliencyPairs("none", shares=(0.5, 0.3, 0.2))
    mixed = data.mixed(several + single + made)
    counts = {kind: sum(mixed.count(one) for one in those) for kind, those in kinds.items()}
    assert counts == {"s": 15, "c": 9, "o": 6}
    assert {mixed.count(one) for one in several} == {3, 4}
    assert max(mixed.count(one) for one in single) == 1
    fewer = data.mixed(several + single)  # what composites lack, the others take
    assert [sum(fewer.count(one) for one in those) for those in (several, single)] == [17, 7]
    assert SaliencyPairs("none").mixed(several) == several
