from __future__ import annotations

import ast
import hashlib
import io
import json
import sys
import zipfile
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

from tests.helpers.bad_files import picture
from tests.helpers.small_analysis import CAT, DOG, small_analysis
from wsis import export, ground_truth, voc
from wsis.errors import WsisError
from wsis.instances import Instance
from wsis.matching import PUBLISHED
from wsis.proposals.proposal_set import resized_labels


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (20, 31), (64, 64), (3, 40)])
def test_a_resized_rle_is_that_of_the_resized_mask(rng: np.random.Generator, size: tuple[int, int]) -> None:
    for height, width, share in ((1, 1, 1.0), (1, 6, 0.5), (5, 1, 0.5), (7, 5, 0.0), (7, 5, 1.0), (13, 17, 0.3)):
        mask = rng.random((height, width)) < share
        painted = resized_labels(mask.astype(np.int32), size)
        assert export.resized_rle(mask, size) == coco_mask.encode(np.asfortranarray(painted, np.uint8))


def test_coco_results_say_what_the_masks_are() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    entries = json.loads(export.as_json(export.coco_results(analysis, found, stem="a photo", file_name="a photo.jpg")))
    assert [entry["category_id"] for entry in entries] == [CAT + 1, DOG + 1]
    for entry, instance in zip(entries, found, strict=True):
        mask = analysis.mask(instance)
        assert mask.shape == (96, 128)
        assert set(entry) == {
            "image_id", "file_name", "category_id", "category_name", "segmentation", "bbox", "area", "score"
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
    path = export.coco_json(tmp_path / "instances.json", analysis, analysis.instances(), stem="one", model="tiny")
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
        assert (np.array(image.getpalette()) == voc.palette().ravel()).all()


def test_in_the_instance_png_the_best_lies_on_top_and_further_ranks_are_left_out() -> None:
    analysis = small_analysis()
    first = analysis.instances()[0]
    small = next(i for i in range(3) if analysis.proposals.areas[i] == 16 * 14)
    second = replace(first, proposal=small, score=first.score / 2)
    index = np.array(Image.open(io.BytesIO(export.instance_png(analysis, (first, second)))))
    assert (index[analysis.mask(first)] == 1).all()
    assert (index[analysis.mask(second) & ~analysis.mask(first)] == 2).all()
    ranked = np.array(Image.open(io.BytesIO(export.instance_png(analysis, (first, replace(second, rank=1))))))
    assert set(np.unique(ranked)) == {0, 1}


def test_libraries_that_shape_results_are_those_that_are_imported() -> None:
    """What `versions` leaves out may be upgraded and old measurements would still be believed."""
    beside = {"huggingface_hub", "safetensors", "typer"}  # fetch files, read numbers as they are, read options
    imported, folder = set(), Path(export.__file__).parent
    cluster = {"ray", "pyarrow", "fsspec"}  # carry photos and results
    for file in folder.rglob("*.py"):
        if "explorer" not in file.parts:
            nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
            names = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
            names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
            imported |= {name.partition(".")[0] for name in names}
    foreign = imported - set(sys.stdlib_module_names) - {"wsis"}
    assert set(export.LIBRARIES.values()) == foreign - beside - cluster


def test_versions_of_another_build_of_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    own = export.versions()
    assert own["scipy"] and own["scikit-image"] and "unknown" not in own.values()
    monkeypatch.setitem(export.LIBRARIES, "opencv-of-another-build", "cv2")
    assert export.versions()["opencv-of-another-build"] == cv2.__version__


@pytest.mark.parametrize("count", [254, 255, 300])
def test_more_than_254_classes_go_to_16_bits_in_every_photo(count: int, tmp_path: Path) -> None:
    from wsis.classifier import ClassMaps
    from wsis.proposals import readers

    plain = small_analysis()
    maps, scores = np.zeros((count, 6, 8), np.float32), np.zeros(count, np.float32)
    seen = ClassMaps(maps, scores, tuple(f"c{i}" for i in range(count)))
    analysis = replace(plain, evidence=replace(plain.evidence, class_maps=seen))
    last = replace(plain.instances()[0], category=count - 1)
    for found in ((last,), ()):
        image = Image.open(io.BytesIO(export.semantic_png(analysis, found)))
        assert image.mode == ("P" if count == 254 else "I;16")
        assert set(np.unique(np.array(image))) == {0, *(one.category + 1 for one in found)}
    (tmp_path / "one.png").write_bytes(export.semantic_png(analysis, (last,)))
    read = readers.read(tmp_path / "one.png", (96, 128))
    assert len(read) == 1 and (read.mask(0) == analysis.mask(last)).all()
    truth = ground_truth.read(tmp_path / "one.png", None, count)
    assert truth.categories.tolist() == [count - 1] and (truth.masks[0] == analysis.mask(last)).all()
    assert ground_truth.overlaps(read, truth) == pytest.approx(1)


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
        assert len(read) == count and read.mask(254 % count).ravel()[254 % count]


def test_more_than_255_indices_become_a_grey_png_of_16_bits() -> None:
    index = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    assert (np.array(Image.open(io.BytesIO(export.index_png(index)))) == index).all()
    with pytest.raises(ValueError, match="expected"):
        export.index_png(index.astype(np.float32))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type) -> None:
    path = tmp_path / "instances.json"
    export.write(path, "old")
    with pytest.raises(error), export.writing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WsisError, match="cannot be written"):
        export.write(tmp_path / "file" / "instances.json", "[]")


def test_bundle_holds_everything_and_is_the_same_twice(tmp_path: Path) -> None:
    analysis = small_analysis()
    found = analysis.instances()
    paths = [
        export.bundle(
            tmp_path / name, analysis, found, stem="one", model="tiny", weights=PUBLISHED, more={"report.html": b"<p>"}
        )
        for name in "ab"
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert manifest["model"] == {"name": "tiny"}
    assert manifest["weights"] == {"alpha": 0.95, "beta": 0.1, "gamma": 0.8}
    assert manifest["settings"]["enhancer"] == "spread"
    assert set(manifest["versions"]) >= {"wsis", "python", "torch"}
    assert "unknown" not in manifest["versions"].values()
    assert manifest["step"] == 1
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    assert files["report.html"] == b"<p>"
    assert json.loads(files["instances.json"])[0]["image_id"] == "one"
    assert files["semantic/one.png"] == export.semantic_png(analysis, found)
    assert np.array(Image.open(io.BytesIO(files["overlay/one.png"]))).shape == (96, 128, 3)
    assert np.array(Image.open(io.BytesIO(files["figure/one.png"]))).shape[0] > 2 * 160
    maps = np.load(io.BytesIO(files["maps/one.npz"]), allow_pickle=False)
    for name, whole in (("maps", analysis.maps), ("contours", analysis.evidence.contours)):
        about = manifest["arrays"][name]
        assert maps[name].dtype == about["dtype"] and about["range"] == [0, 1]
        np.testing.assert_allclose(maps[name] * about["scale"], whole, atol=1 / 509)
    assert (maps["terms"] == analysis.terms).all() and (maps["overlaps"] == analysis.overlaps).all()
    assert (maps["binary"] == analysis.binary).all()
    assert (maps["membership"] == analysis.proposals.membership).all()
    assert tuple(maps["classes"]) == voc.CLASSES


def test_other_downloads(tmp_path: Path) -> None:
    analysis = small_analysis()
    found = analysis.instances()
    with zipfile.ZipFile(export.voc_zip(tmp_path / "voc.zip", analysis, found, stem="one", model="tiny")) as archive:
        assert archive.namelist() == ["semantic/one.png", "instance/one.png"]
    overlay = export.overlay_png(tmp_path / "overlay.png", analysis, found, stem="one", model="tiny")
    assert np.array(Image.open(overlay)).shape == (96, 128, 3)
    assert np.abs(np.array(Image.open(io.BytesIO(export.rgb_jpeg(picture(), 95)))).astype(int) - picture()).mean() < 3


def test_one_mask_as_a_png() -> None:
    analysis = small_analysis()
    first = analysis.instances()[0]
    image = Image.open(io.BytesIO(export.mask_png(analysis, first)))
    assert image.mode == "L"
    assert (np.array(image) == 255 * analysis.mask(first)).all()


def test_strip_and_maps_as_files(tmp_path: Path) -> None:
    analysis = small_analysis()
    found = analysis.instances(step=0)
    strip = Image.open(export.strip_png(tmp_path / "strip.png", analysis, found, stem="one", step=0))
    whole = Image.open(export.strip_png(tmp_path / "whole.png", analysis, found, stem="one"))
    assert strip.width < whole.width  # one panel less: the step that was not matched
    maps = np.load(export.maps_file(tmp_path / "maps.npz", analysis, found, stem="one"), allow_pickle=False)
    assert (maps["terms"] == analysis.terms).all()
    assert maps["maps"].dtype == np.float16 and (maps["maps"] == analysis.maps.astype(np.float16)).all()


def test_maps_take_little_room() -> None:
    """Ten peaks of a photo of 500 x 375: the largest part of a bundle, which was 43 MB."""
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 336 * 448, dtype=np.float32).reshape(336, 448)
    grown = np.clip(ramps * 3 - rng.random((5, 10, 1, 1), np.float32), 0, 1)
    analysis = small_analysis()
    object.__setattr__(analysis, "maps", grown)
    assert len(export.maps_npz(analysis, np.uint8)) < 2e6 and len(export.maps_npz(analysis)) < 16e6
    with np.load(io.BytesIO(export.maps_npz(analysis))) as half:
        np.testing.assert_allclose(half["maps"], grown, atol=1 / 4096)


def test_nothing_found_is_a_result_too() -> None:
    analysis = small_analysis()
    assert json.loads(export.as_json(export.coco_results(analysis, ()))) == []
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
@given(st.lists(st.tuples(st.integers(0, 19), st.floats(0, 1), st.integers(0, 2), st.integers(0, 1)), max_size=6))
def test_both_pngs_agree_with_any_instances(chosen: list[tuple[int, float, int, int]]) -> None:
    analysis = small_analysis()
    found = sorted(
        (Instance(c, voc.CLASSES[c], score, 0, n, rank) for c, score, n, rank in chosen), key=lambda i: -i.score
    )
    instances = np.array(Image.open(io.BytesIO(export.instance_png(analysis, found))))
    semantic = np.array(Image.open(io.BytesIO(export.semantic_png(analysis, found))))
    best = [one for one in found if not one.rank]
    expected, painted = np.zeros((2, 96, 128), np.uint8)
    for number, one in list(enumerate(best, 1))[::-1]:
        expected[analysis.mask(one)] = number
        if one.score >= analysis.least:
            painted[analysis.mask(one)] = one.category + 1
    assert np.array_equal(instances, expected)
    assert np.array_equal(semantic, painted)
