from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.helpers.scenes import save_scene_maps
from train import composites, scenes
from train.composites import Cutout
from train.data import mask_folder, read_rgb
from wsis.errors import WsisError


def disc(colour: float, centre: tuple[int, int] = (40, 40), radius: int = 18) -> Cutout:
    rows, columns = np.mgrid[:80, :120]
    mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2
    image = np.where(mask[..., None], colour, 20.0) + np.zeros((1, 1, 3))
    return Cutout(image.astype(np.float32), mask[None], np.zeros(mask.shape, bool))


def pasted(count: int = 60) -> list[Cutout]:
    base, other = disc(200), disc(120, (40, 60), 14)
    return [made for seed in range(count) if (made := composites.paste(base, other, np.random.default_rng(seed)))]


def test_masks_are_exact_touch_and_never_overlap():
    made = pasted()
    assert len(made) > 30
    for one in made:
        assert len(one.masks) == 2
        assert one.masks.sum(0).max() == 1
        near = cv2.dilate(one.masks[1].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert (near & one.masks[0]).any()
        assert min(one.masks.sum((1, 2))) >= 150
        assert one.image.shape == (80, 120, 3)
        assert one.image.min() >= 0
        assert one.image.max() <= 255
        # inside a mask its object is seen, and beyond both the old background
        inner = [cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for mask in one.masks]
        assert one.image[inner[0]].mean() > 190
        assert 40 < np.median(one.image[inner[1]]) < 190
        outer = cv2.dilate(one.masks.any(0).astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
        assert np.abs(one.image[outer] - 20).max() < 4


def test_objects_come_in_front_and_behind_on_both_sides_larger_and_smaller():
    base, made = disc(200), pasted()
    whole = [one.masks[0].sum() == base.masks[0].sum() for one in made]
    assert any(whole)
    assert not all(whole)
    beside = [np.argwhere(one.masks[1])[:, 1].mean() < 40 for one in made]
    assert 0.2 < np.mean(beside) < 0.8
    sizes = np.array([one.masks[1].sum() / base.masks[0].sum() for one in made])
    assert sizes.min() < 0.8
    assert sizes.max() > 1.1


def test_what_was_unknown_stays_so_but_where_something_was_pasted():
    base, other = disc(200), disc(120, (40, 60), 14)
    base.void[:, 70:] = True
    for seed in range(40):
        if made := composites.paste(base, other, np.random.default_rng(seed)):
            assert not (made.void & made.masks[1]).any()
            assert set(np.unique(made.index)) <= {0, 1, 2, 255}
            assert (made.index == 255).sum() == (base.void & ~made.masks.any(0)).sum()


def test_objects_of_too_different_a_size_are_not_pasted():
    assert not any(
        composites.paste(disc(200, radius=30), disc(9, radius=4), np.random.default_rng(s)) for s in range(9)
    )


@pytest.fixture
def singles(tmp_path):
    """Photos with one object each, and their class maps; the objects of the first six are of one class."""
    scenes.write_masks(tmp_path, 0)
    number, seed = 0, 0
    while number < 7:
        made = scenes.scene(seed, instances=1)
        seed += 1
        if len(made.masks) != 1 or (made.categories[0] == 4) != (number < 6):
            continue
        cv2.imwrite(str(tmp_path / "images" / f"{number}.jpg"), made.image[..., ::-1])
        cv2.imwrite(str(tmp_path / "masks" / f"{number}.png"), made.index)
        save_scene_maps(made, tmp_path / f"{number}.npz")
        number += 1
    return mask_folder(tmp_path), [tmp_path / f"{i}.npz" for i in range(7)]


def test_only_objects_of_a_class_with_enough_photos_are_pasted(singles):
    items, maps = singles
    (group,) = composites.by_class(items, maps)
    assert [item.image.stem for item in group] == list("012345")
    with pytest.raises(WsisError, match="6 photos of one class"):
        composites.ensure(items[1:], maps[1:], 3)


def test_composites_are_kept_and_the_same_again(singles, tmp_path):
    made = composites.ensure(*singles, 4, seed=1, cache=tmp_path / "a" / composites.CACHE.name)
    assert all(composites.is_composite(item.image) for item in made)
    assert not any(composites.is_composite(item.image) for item in singles[0])
    for item in made:
        masks = item.masks()
        assert len(masks) >= 2
        assert read_rgb(item.image).shape[:2] == masks.shape[1:] == item.void().shape
    again = composites.ensure(*singles, 4, seed=1, cache=tmp_path / "b")
    assert [a.image.read_bytes() for a in made] == [b.image.read_bytes() for b in again]
    times = [item.image.stat().st_mtime_ns for item in made]
    more = composites.ensure(*singles, 5, seed=1, cache=tmp_path / "a" / composites.CACHE.name)
    assert [item.image.stat().st_mtime_ns for item in more[:4]] == times
    other = composites.ensure(*singles, 4, seed=2, cache=tmp_path / "a" / composites.CACHE.name)
    assert other[0].image.read_bytes() != made[0].image.read_bytes()
