from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.helpers.small_analysis import CAT, DOG, small_analysis, with_class_maps, with_objects
from train import data
from wsis import export, files, ground_truth, index_image, photo_sets, voc
from wsis.instances import Instance
from wsis.proposals.proposal_set import resized_labels
from wsis.shared_classes import shared


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (20, 31), (64, 64), (3, 40)])
def test_a_resized_rle_is_that_of_the_resized_mask(rng: np.random.Generator, size: tuple[int, int]) -> None:
    for height, width, share in ((1, 1, 1.0), (1, 6, 0.5), (5, 1, 0.5), (7, 5, 0.0), (7, 5, 1.0), (13, 17, 0.3)):
        mask = rng.random((height, width)) < share
        painted = resized_labels(mask.astype(np.int32), size)
        assert export.resized_rle(mask, size) == coco_mask.encode(np.asfortranarray(painted, np.uint8))


def test_coco_results_say_what_the_masks_are() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    entries = json.loads(files.as_json(export.coco_results(analysis, found, stem="a photo", file_name="a photo.jpg")))
    assert [entry["category_id"] for entry in entries] == [CAT + 1, DOG + 1]
    for entry, instance in zip(entries, found, strict=True):
        mask = analysis.mask(instance)
        assert mask.shape == (96, 128)
        assert set(entry) == {
            "image_id", "file_name", "category_id", "category_name", "segmentation", "bbox", "area", "score",
            "instance",
        }  # fmt: skip
        assert entry["image_id"] == "a photo"
        assert entry["category_name"] == voc.CLASSES[entry["category_id"] - 1]
        assert isinstance(entry["segmentation"]["counts"], str)
        assert (coco_mask.decode(entry["segmentation"]) == mask).all()
        rows, columns = np.nonzero(mask)
        assert entry["bbox"] == [
            columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
        ]  # fmt: skip
        assert entry["area"] == mask.sum()
        assert 0 < entry["score"] <= 1


def test_coco_api_loads_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    analysis = small_analysis()
    entries = export.coco_results(analysis, analysis.instances(), stem="one")
    path = files.write(tmp_path / "instances.json", files.as_json(entries))
    truth = COCO()
    truth.dataset = {
        "info": {}, "images": [{"id": "one", "height": 96, "width": 128}], "annotations": [],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(voc.CLASSES)],
    }  # fmt: skip
    truth.createIndex()
    assert len(truth.loadRes(str(path)).getAnnIds(imgIds=["one"])) == 2


def test_pngs_carry_indices_and_vocs_palette() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    for content, expected in (
        (export.semantic_png(analysis, found), analysis.semantic(found)),
        (export.instance_png(analysis, found), 1 * analysis.mask(found[0]) + 2 * analysis.mask(found[1])),
    ):
        image = Image.open(io.BytesIO(content))
        assert image.mode == "P"
        assert (np.array(image) == expected).all()
        assert (np.array(image.getpalette()) == index_image.palette().ravel()).all()


def test_in_the_instance_png_the_best_lies_on_top_and_what_is_not_painted_is_left_out() -> None:
    analysis = small_analysis()
    first = analysis.instances()[0]
    small = next(i for i in range(3) if analysis.proposals.areas[i] == 16 * 14)
    second = replace(first, proposal=small, score=first.score / 2)
    index = np.array(Image.open(io.BytesIO(export.instance_png(analysis, (first, second)))))
    assert (index[analysis.mask(first)] == 1).all()
    assert (index[analysis.mask(second) & ~analysis.mask(first)] == 2).all()
    ranked = np.array(Image.open(io.BytesIO(export.instance_png(analysis, (first, replace(second, painted=False))))))
    assert set(np.unique(ranked)) == {0, 1}


@pytest.mark.parametrize("count", [254, 255, 300])
def test_more_than_254_classes_go_to_16_bits_in_every_photo(count: int, tmp_path: Path) -> None:
    from wsis.proposals import readers

    plain = small_analysis()
    maps, scores = np.zeros((count, 6, 8), np.float32), np.zeros(count, np.float32)
    names = tuple(f"c{i}" for i in range(count))
    analysis = replace(plain, evidence=with_class_maps(plain.evidence, maps=maps, scores=scores, classes=names))
    last = replace(plain.instances()[0], category=count - 1)
    for found in ((last,), ()):
        image = Image.open(io.BytesIO(export.semantic_png(analysis, found)))
        assert image.mode == ("P" if count == 254 else "I;16")
        assert set(np.unique(np.array(image))) == {0, *(one.category + 1 for one in found)}
    (tmp_path / "one.png").write_bytes(export.semantic_png(analysis, (last,)))
    read = readers.read(tmp_path / "one.png", (96, 128))
    assert len(read) == 1
    assert (read.mask(0) == analysis.mask(last)).all()
    truth = ground_truth.read(tmp_path / "one.png", None, count)
    assert truth.categories.tolist() == [count - 1]
    assert (truth.masks[0] == analysis.mask(last)).all()
    assert ground_truth.overlaps(read, truth).iou == pytest.approx(1)


def test_more_than_254_instances_are_read_back(tmp_path: Path) -> None:
    from wsis.proposals import from_masks, readers

    plain, first = small_analysis(), small_analysis().instances()[0]
    masks = np.eye(300, 96 * 128, dtype=bool).reshape(300, 96, 128)
    analysis = replace(plain, evidence=replace(plain.evidence, source=from_masks(masks)))
    found = [replace(first, proposal=i, score=1 - i / 1000) for i in range(300)]
    for count, mode in ((254, "P"), (255, "I;16"), (300, "I;16")):
        (tmp_path / "many.png").write_bytes(export.instance_png(analysis, found[:count]))
        assert Image.open(tmp_path / "many.png").mode == mode
        read = readers.read(tmp_path / "many.png", (96, 128))
        assert len(read) == count
        assert read.mask(254 % count).ravel()[254 % count]


def test_more_than_255_indices_become_a_grey_png_of_16_bits() -> None:
    index = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    assert (np.array(Image.open(io.BytesIO(export.index_png(index)))) == index).all()
    with pytest.raises(ValueError, match="expected"):
        export.index_png(index.astype(np.float32))


def test_one_mask_as_a_png() -> None:
    analysis = small_analysis()
    first = analysis.instances()[0]
    image = Image.open(io.BytesIO(export.mask_png(analysis, first)))
    assert image.mode == "L"
    assert (np.array(image) == 255 * analysis.mask(first)).all()


def test_maps_of_objects_are_among_the_maps() -> None:
    analysis = with_objects()
    maps = np.load(io.BytesIO(export.maps_npz(analysis)), allow_pickle=False)
    assert not any(name.startswith("object_") for name in np.load(io.BytesIO(export.maps_npz(small_analysis()))))
    assert maps["object_maps"].dtype == np.float16
    for name in ("maps", "binary", "thresholds", "terms", "overlaps"):
        np.testing.assert_allclose(maps[f"object_{name}"], getattr(analysis.objects, name), atol=1 / 4096)


def test_responses_are_among_the_maps_where_there_are_any() -> None:
    analysis = small_analysis()
    assert "responses" not in np.load(io.BytesIO(export.maps_npz(analysis)))
    responses = np.linspace(0, 5, len(analysis.peaks) * 12, dtype=np.float32).reshape(-1, 3, 4)
    for kind in (np.float16, np.uint8):  # of those that lie in [0, 1] alone
        maps = np.load(io.BytesIO(export.maps_npz(replace(analysis, responses=responses), kind)), allow_pickle=False)
        assert (maps["responses"] == responses).all()


def test_maps_take_little_room() -> None:
    """Ten peaks of a photo of 500 x 375: the largest part of a bundle, which was 43 MB."""
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 336 * 448, dtype=np.float32).reshape(336, 448)
    grown = np.clip(ramps * 3 - rng.random((5, 10, 1, 1), np.float32), 0, 1)
    analysis = small_analysis()
    object.__setattr__(analysis, "maps", grown)
    assert len(export.maps_npz(analysis, np.uint8)) < 2e6
    assert len(export.maps_npz(analysis)) < 16e6
    with np.load(io.BytesIO(export.maps_npz(analysis))) as half:
        np.testing.assert_allclose(half["maps"], grown, atol=1 / 4096)


def test_nothing_found_is_a_result_too() -> None:
    analysis = small_analysis()
    assert json.loads(files.as_json(export.coco_results(analysis, ()))) == []
    assert not np.array(Image.open(io.BytesIO(export.instance_png(analysis, ())))).any()


@settings(max_examples=100, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_an_rle_decodes_to_exactly_the_mask_at_any_size(mask: np.ndarray, size: tuple[int, int]) -> None:
    painted = resized_labels(mask.astype(np.int32), size)
    assert np.array_equal(coco_mask.decode(export.resized_rle(mask, size)), painted)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.floats(0, 1), st.integers(0, 2), st.booleans()), max_size=6))
def test_both_pngs_agree_with_any_instances(chosen: list[tuple[int, float, int, bool]]) -> None:
    analysis = small_analysis()
    found = sorted(
        (Instance(c, voc.CLASSES[c], score, 0, n, painted=shown) for c, score, n, shown in chosen),
        key=lambda one: -one.score,
    )
    instances = np.array(Image.open(io.BytesIO(export.instance_png(analysis, found))))
    semantic = np.array(Image.open(io.BytesIO(export.semantic_png(analysis, found))))
    best = [one for one in found if one.painted]
    expected, painted = np.zeros((2, 96, 128), np.uint8)
    for number, one in list(enumerate(best, 1))[::-1]:
        expected[analysis.mask(one)] = number
        painted[analysis.mask(one)] = one.category + 1
    assert np.array_equal(instances, expected)
    assert np.array_equal(semantic, painted)


@pytest.mark.parametrize(("classes", "instances"), [(20, 3), (254, 254), (300, 300), (1000, 7)])
def test_what_is_written_is_read_back_as_classes_and_as_instances(classes: int, instances: int, tmp_path: Path) -> None:
    """Through every reader of ours: a class PNG and an instance PNG as a photo set, and as training masks."""
    kinds = np.linspace(0, classes - 1, instances).round().astype(int)
    masks = np.zeros((instances, 96, 128), bool)
    for i in range(instances):
        masks[i, i // 20 * 6 + 1 : i // 20 * 6 + 5, i % 20 * 6 + 1 : i % 20 * 6 + 5] = True
    semantic, index = (np.zeros((96, 128), index_image.index_type(highest)) for highest in (classes, instances))
    for i, mask in enumerate(masks):
        semantic[mask], index[mask] = kinds[i] + 1, i + 1
    semantic[-1], index[-1] = index_image.void_of(semantic), index_image.void_of(index)
    for folder, content in (("classes", semantic), ("masks", index)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(export.index_png(content))
    (tmp_path / "images").mkdir()
    Image.new("RGB", (128, 96)).save(tmp_path / "images" / "a.png")
    (pair,) = photo_sets.collect(tmp_path)
    truth = ground_truth.of_pair(pair, shared(None, tuple(f"class {i}" for i in range(classes))))
    assert truth.categories.tolist() == kinds.tolist()
    assert np.array_equal(truth.masks, masks)
    assert np.array_equal(truth.semantic, semantic)
    assert not index_image.labelled(truth.semantic)[-1].any()
    (item,) = data.mask_folder(tmp_path)
    assert np.array_equal(item.masks(), masks)
    assert np.array_equal(item.void(), np.arange(96)[:, None].repeat(128, 1) == 95)


def test_16_bit_pngs_have_no_palette_and_8_bit_ones_have_vocs() -> None:
    for highest, mode in ((254, "P"), (255, "I;16"), (65534, "I;16")):
        index = np.full((2, 3), highest, index_image.index_type(highest))
        assert Image.open(io.BytesIO(export.index_png(index))).mode == mode
    with pytest.raises(ValueError, match="up to 65534, not 65535"):
        index_image.index_type(65535)
