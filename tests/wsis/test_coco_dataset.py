from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wsis import coco_dataset, export, voc
from wsis.proposals import readers


def _rle(mask: np.ndarray) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def _entry(mask: np.ndarray, stem: str = "a", category: int = 1, score: float = 0.5) -> dict:
    rle = _rle(mask)
    bbox = [float(number) for number in coco_mask.toBbox(rle)]
    return {"image_id": stem, "category_id": category, "segmentation": rle, "bbox": bbox, "area": int(mask.sum()),
            "score": score, "instance": 1}  # fmt: skip


def _opened(content: bytes, folder: Path) -> COCO:
    (folder / "coco.json").write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / "coco.json"))


def _shapes() -> dict[str, np.ndarray]:
    masks = {name: np.zeros((20, 30), bool) for name in ("pixel", "lines", "ring", "rings", "diagonal", "corners")}
    masks["pixel"][4, 7] = True
    masks["lines"][3, 2:25] = masks["lines"][3:18, 9] = True
    masks["ring"][2:18, 3:27] = True
    masks["ring"][6:12, 8:20] = False
    masks["rings"] = masks["ring"].copy()
    masks["rings"][8:10, 10:18] = True  # an island in the hole, with a hole
    masks["rings"][8, 12] = False
    masks["rings"][14:16, 5] = False
    masks["diagonal"][np.arange(20), np.arange(20)] = True
    masks["corners"][[0, 0, -1, -1], [0, -1, 0, -1]] = True
    return masks | {"all": np.ones((20, 30), bool), "tall": np.eye(50, 1, -7, bool), "wide": np.ones((1, 9), bool)}


@pytest.mark.parametrize("name", _shapes())
def test_polygons_paint_the_mask(name: str) -> None:
    mask = _shapes()[name]
    polygons = coco_dataset.outlines(_rle(mask))
    assert all(len(polygon) >= 8 for polygon in polygons)
    assert np.array_equal(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *mask.shape))), mask)
    assert len(polygons) == {"rings": 2, "diagonal": 20, "corners": 4}.get(name, 1)


@settings(max_examples=150, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_polygons_paint_any_mask_at_any_size(mask: np.ndarray, size: tuple[int, int]) -> None:
    rle = export.resized_rle(mask, size)
    wanted = coco_mask.decode(rle)
    polygons = coco_dataset.outlines({"size": list(size), "counts": rle["counts"].decode()})
    if not wanted.any():
        assert polygons == []
        return
    painted = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size)))
    assert np.array_equal(painted, wanted)


def test_a_mask_of_very_many_corners_is_written_as_rle(rng: np.random.Generator, tmp_path: Path) -> None:
    mask = rng.random((300, 300)) < 0.5
    photo = {"image_id": "a", "file_name": "a.jpg", "width": 300, "height": 300}
    content = coco_dataset.dataset(("cat",), [photo], [_entry(mask)])
    opened = _opened(content, tmp_path)
    assert isinstance(opened.anns[1]["segmentation"], dict)
    assert np.array_equal(opened.annToMask(opened.anns[1]), mask)


def test_pycocotools_opens_the_data_set_and_evaluates_with_it(tmp_path: Path) -> None:
    masks = [mask for mask in _shapes().values() if mask.shape == (20, 30)]
    photos = [
        {"image_id": stem, "file_name": f"{stem}.jpg", "width": 30, "height": 20} for stem in ("ä b", "none", "c")
    ]
    stems, categories = ("ä b", "c"), (8, 12)
    entries = [_entry(mask, stems[i % 2], categories[i % 2], 1 - i / 10) for i, mask in enumerate(masks)]
    content = coco_dataset.dataset(voc.CLASSES, photos, entries)
    assert sum(line.startswith(b'{"id": ') for line in content.splitlines()) == 20 + 3 + len(entries)
    found = _opened(content, tmp_path)
    assert [found.imgs[i]["file_name"] for i in (1, 2, 3)] == ["ä b.jpg", "none.jpg", "c.jpg"]
    assert [(one["id"], one["name"]) for one in found.loadCats([8, 12])] == [(8, "cat"), (12, "dog")]
    assert found.getAnnIds(imgIds=[2]) == []
    for number, (mask, entry) in enumerate(zip(masks, entries, strict=True), 1):
        one = found.anns[number]
        assert isinstance(one["segmentation"], list)
        assert np.array_equal(found.annToMask(one), mask)
        assert np.array_equal(coco_mask.decode(one["rle"]), mask)
        assert one["image_id"] == {"ä b": 1, "c": 3}[entry["image_id"]]
        assert one["iscrowd"] == 0
        assert [one[key] for key in ("bbox", "area", "score")] == [entry[key] for key in ("bbox", "area", "score")]
    results = [{**one, "segmentation": one["rle"]} for one in found.dataset["annotations"]]
    results = [{key: value for key, value in one.items() if key != "id"} for one in results]
    with contextlib.redirect_stdout(io.StringIO()):
        judged = COCOeval(found, found.loadRes(results), "segm")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    assert judged.stats[0] == pytest.approx(1)


def test_nothing_found_is_a_data_set_too(tmp_path: Path) -> None:
    found = _opened(coco_dataset.dataset(("cat",), [], []), tmp_path)
    assert (found.imgs, found.anns, len(found.cats)) == ({}, {}, 1)


def test_our_own_reader_takes_it(tmp_path: Path) -> None:
    mask = _shapes()["ring"]
    photo = {"image_id": "a", "file_name": "a.jpg", "width": 30, "height": 20}
    (tmp_path / "a.json").write_bytes(coco_dataset.dataset(("cat",), [photo], [_entry(mask)]))
    proposals = readers.read(tmp_path / "a.json", (20, 30), "a")
    assert np.array_equal(proposals.mask(0), mask)
    assert json.loads((tmp_path / "a.json").read_text())["annotations"][0]["score"] == 0.5
