"""The evaluation: ground truth, overlaps, pointing, and a results file against the same masks scored directly."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from tests.helpers import coco_sets
from train import data, evaluate, masked_sets, results_file
from train.masked_sets import MaskedSet
from train.scenes import scene
from wsis import metrics, voc
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.ground_truth import voc_ground_truth
from wsis.pipeline import Pipeline
from wsis.proposals import from_masks
from wsis.results import NAMES, SEPARATION


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Three generated scenes with masks, as a devkit."""
    root = tmp_path_factory.mktemp("kit")
    for folder in ("JPEGImages", "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for number in range(3):
        made = scene(number)
        objects, semantic = np.zeros(made.image.shape[:2], np.uint8), np.zeros(made.image.shape[:2], np.uint8)
        for index, (mask, category) in enumerate(zip(made.masks, made.categories, strict=True), 1):
            objects[mask], semantic[mask] = index, category + 1
        objects[:2] = semantic[:2] = metrics.VOID
        cv2.imwrite(str(root / "JPEGImages" / f"s{number}.jpg"), made.image[..., ::-1])
        Image.fromarray(objects).save(root / "SegmentationObject" / f"s{number}.png")
        Image.fromarray(semantic).save(root / "SegmentationClass" / f"s{number}.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("s0\ns1\ns2\n")
    return root


def test_ground_truth(kit):
    truth, made = voc_ground_truth(kit, "s0"), scene(0)
    assert sorted(truth.categories) == sorted(made.categories)
    assert not truth.masks[:, :2].any()
    assert (truth.semantic[:2] == metrics.VOID).all()
    with pytest.raises(WsisError, match="missing"):
        voc_ground_truth(kit, "s9")


def test_halves_share_nothing_and_are_all(kit):
    even, odd = (data.voc_ids(kit, "val", half) for half in ("even", "odd"))
    assert even == ("s0", "s2")
    assert odd == ("s1",)


def test_overlaps_leave_void_out(kit):
    truth = voc_ground_truth(kit, "s1")
    whole = truth.masks.copy()
    whole[:, :2] = True  # differs from the ground truth in void pixels only
    proposals = from_masks(whole)
    iou = evaluate.overlaps(proposals, truth).iou
    expected = metrics.mask_iou(proposals.masks(range(len(proposals))), truth.masks, truth.semantic == metrics.VOID)
    np.testing.assert_allclose(iou, expected, atol=1e-6)
    np.testing.assert_allclose(iou.max(0), 1, atol=1e-6)


def test_pointing(kit):
    truth = voc_ground_truth(kit, "s2")
    category = int(truth.categories[0])
    y, x = np.argwhere(truth.semantic == category + 1).mean(0)
    height, width = truth.semantic.shape
    distance = (np.arange(height)[:, None] - y) ** 2 + (np.arange(width)[None] - x) ** 2
    hit = truth.semantic[int(y), int(x)] == category + 1
    maps = np.tile(-distance.astype(np.float32), (20, 1, 1))
    assert evaluate.pointing(maps, truth)[category] == hit
    corner = np.tile(distance.astype(np.float32), (20, 1, 1))
    assert not evaluate.pointing(corner, truth)[category] or truth.semantic.flat[distance.argmax()] == category + 1


def the_set(kit, ids):
    names = {str(number): name for number, name in enumerate(voc.CLASSES, 1)}
    return MaskedSet(tuple(data.voc_pair(kit, identity) for identity in ids), names)


def results_of(kit, flip=False):
    entries = []
    for identity in ("s0", "s1", "s2"):
        truth = voc_ground_truth(kit, identity)
        for mask, category in zip(truth.masks, truth.categories, strict=True):
            rle = coco_mask.encode(np.asfortranarray(mask[:, ::-1] if flip else mask, np.uint8))
            rle["counts"] = rle["counts"].decode()
            entries.append({"image_id": identity, "category_id": int(category) + 1, "segmentation": rle, "score": 0.5})
    return entries


def test_a_perfect_results_file_scores_one_and_a_mirrored_one_less(kit, tmp_path):
    ids = data.voc_ids(kit, "val")
    for flip in (False, True):
        file = tmp_path / "instances.json"
        file.write_text(json.dumps(results_of(kit, flip)))
        row = evaluate.results_file_figures(file, the_set(kit, ids))["rows"][0]
        values = [row[key] for key in ("map25", "map50", "map75", "abo", "miou")]
        if flip:
            assert max(values) < 0.9
        else:
            np.testing.assert_allclose(values, 1)


@pytest.fixture
def neighbours(tmp_path):
    """A devkit of one photo: two cats side by side, and a dog."""
    objects = np.zeros((20, 60), np.uint8)
    objects[:, :20], objects[:, 20:40], objects[:, 50:] = 1, 2, 3
    for folder, index in (("SegmentationObject", objects), ("SegmentationClass", np.array([0, 8, 8, 12])[objects])):
        (tmp_path / folder).mkdir()
        Image.fromarray(index.astype(np.uint8)).save(tmp_path / folder / "one.png")
    return tmp_path


def test_a_results_file_says_whether_instances_are_told_apart(neighbours, tmp_path):
    """A mask over one cat and three quarters of the other, and one over the dog."""
    masks = np.zeros((2, 20, 60), np.uint8)
    masks[0, :, :35] = masks[1, :, 50:] = 1
    entries = [
        {"image_id": "one", "category_id": category, "segmentation": mask.tolist(), "score": 0.5}
        for mask, category in zip(masks, (8, 12), strict=True)
    ]
    (tmp_path / "r.json").write_text(json.dumps(entries))
    found = evaluate.results_file_figures(tmp_path / "r.json", the_set(neighbours, ["one"]))
    row = found["rows"][0]
    assert {key: row[key] for key in SEPARATION} == {"alone": 1, "together": 0.5, "touching": 0.5, "merged": 1}
    assert row["separation_by_class"] == {
        "cat": {"alone": 0, "together": 0.5, "touching": 0.5, "merged": 1},
        "dog": {"alone": 1, "together": 0, "touching": 0, "merged": 0},
    }
    head, _, line = evaluate.markdown(found).splitlines()
    assert "| alone | together | touching | merged |" in head
    assert "| 100.0 | 50.0 | 50.0 | 100.0 |" in line
    del row["merged"]
    assert "alone" not in evaluate.markdown(found)  # of a metrics.json from before


def figures_of(kit, tmp_path, entries):
    (tmp_path / "r.json").write_bytes(json.dumps(entries).encode("utf-8-sig"))
    return evaluate.results_file_figures(tmp_path / "r.json", the_set(kit, data.voc_ids(kit, "val")))["rows"][0]


def test_results_in_other_writings_score_the_same(kit, tmp_path):
    entries = results_of(kit)
    for number, entry in enumerate(entries):
        mask = coco_mask.decode(entry["segmentation"])
        if number % 2:
            entry["segmentation"] = mask.tolist()
        else:
            flat = mask.ravel(order="F")
            edges = np.flatnonzero(np.diff(flat)) + 1
            counts = np.diff([0, *edges, flat.size]).tolist()
            entry["segmentation"] = {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}
        entry["category_id"] = float(entry["category_id"])
    row = figures_of(kit, tmp_path, entries)
    np.testing.assert_allclose([row[key] for key in ("map25", "map50", "map75", "abo", "miou")], 1)
    polygon = [{**entries[0], "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]]}]
    assert figures_of(kit, tmp_path, polygon)["masks_per_photo"] == pytest.approx(1 / 3)
    assert figures_of(kit, tmp_path, [])["map50"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": float("nan")}, r"Entry 1 .from 0. of r.json has the score nan; expected a finite number"),
        ({"score": float("inf")}, "score inf"),
        ({"score": None}, "score None"),
        ({"score": "0.5"}, "score 0.5"),
        ({"score": True}, "score True"),
        ({"category_id": 0}, "category_id 0; expected 1 of 20: 1 .aeroplane., 2"),
        ({"category_id": 21}, "category_id 21"),
        ({"category_id": 90}, "category_id 90"),
        ({"category_id": "dog"}, "category_id dog"),
        ({"category_id": None}, "category_id None"),
        ({"category_id": 1.5}, "category_id 1.5"),
        ({"category_id": 10**400}, "category_id 1000"),
        ({"image_id": None}, "has no 'image_id'"),
        (
            {"segmentation": {"size": [5, 4], "counts": [20]}},
            r"Entry 1 .* for photo s0 has the size \[5, 4\]; the photo",
        ),
        ({"segmentation": []}, "Entry 1 .* has no readable 'segmentation': it has no mask"),
        ({"segmentation": None}, "it has no mask"),
        ({"segmentation": {"size": [5, 4]}}, "is missing"),
    ],
)
def test_a_wrong_result_is_named(kit, tmp_path, change, words):
    entries = results_of(kit)
    entries[1] |= change
    with pytest.raises(WsisError, match=words):
        figures_of(kit, tmp_path, entries)


@pytest.mark.parametrize("content", [{}, {"a": 1}, [1], "text", {"annotations": 5}])
def test_what_is_no_results_file_is_refused(kit, tmp_path, content):
    with pytest.raises(WsisError, match="no list of COCO results"):
        figures_of(kit, tmp_path, content)


def test_ids_as_numbers_match_where_one_photo_fits(kit, tmp_path, capsys):
    with pytest.raises(WsisError, match=r"No entry of r.json belongs to a photo of the split: its images are 63, 64\."):
        figures_of(kit, tmp_path, [entry | {"image_id": 63 + i % 2} for i, entry in enumerate(results_of(kit))])
    entries = results_of(kit)
    figures_of(kit, tmp_path, [*entries, entries[0] | {"image_id": "another"}])
    assert f"1 of {len(entries) + 1} entries belong to other photos" in capsys.readouterr().err
    entries = [entry | {"image_id": 7} for entry in entries if entry["image_id"] == "s0"]
    (tmp_path / "r.json").write_text(json.dumps(entries))
    ids = the_set(kit, []).ids
    found = results_file.read(tmp_path / "r.json", ["000007", "000008"], ids)
    assert found.numbers == {"000007": list(range(len(entries)))}
    with pytest.raises(WsisError, match=r"image 7 of r.json may be 000007 or 007"):
        results_file.read(tmp_path / "r.json", ["000007", "007"], ids)


def test_foreign_proposals_are_evaluated(kit, tmp_path, tiny_checkpoint):
    truth = voc_ground_truth(kit, "s0")
    entries = [{"image_id": "s0", "segmentation": mask.tolist()} for mask in truth.masks]
    (tmp_path / "all.json").write_text(json.dumps(entries))
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    rows = [evaluate.Row("none", 0, "paper", 1)]
    found = evaluate.photo_figures(pipeline, data.voc_pair(kit, "s0"), rows, Settings(), tmp_path / "all.json")
    np.testing.assert_allclose(found.best, 1)


def test_the_model_and_its_results_file_agree(kit, tmp_path, tiny_checkpoint):
    from typer.testing import CliRunner

    from wsis.cli import app

    arguments = ["segment", str(kit / "JPEGImages"), "--out", str(tmp_path), "--model", str(tiny_checkpoint)]
    assert CliRunner().invoke(app, [*arguments, "--enhancer", "spread", "--unsure"]).exit_code == 0
    ids = data.voc_ids(kit, "val")
    photos = the_set(kit, ids)
    written = evaluate.results_file_figures(tmp_path / "instances.json", photos)["rows"][0]
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    rows = [evaluate.Row("spread", 1, "paper", 1)]
    scores = [evaluate.photo_figures(pipeline, pair, rows, Settings()) for pair in photos.pairs]
    direct = evaluate.summary(scores, voc.CLASSES)["rows"][0]
    for key in (*NAMES, *SEPARATION, "masks_per_photo"):
        assert written[key] == pytest.approx(direct[key], abs=1e-6)


def test_rows_name_every_combination_once():
    rows = evaluate.table_rows(("none", "spread", "icn-saliency"), range(5), 3)
    assert len(rows) == len(set(rows))
    assert {row.steps for row in rows if row.enhancer == "icn-saliency"} == {1, 2, 3, 4}
    assert {row.preset for row in rows if row.enhancer == "none"} == set(evaluate.matching.PRESETS)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Three scenes as a COCO data set of teapots, bolts and cups, the first instance of each photo a crowd."""
    file = coco_sets.write(tmp_path_factory.mktemp("own"), crowd=True)
    return masked_sets.find(None, file, file.parent / "photos", "")


def perfect(photos, names):
    """The masks of a set as a results file says them: by name, by the set's own numbers, or by a file's own."""
    return [
        {"image_id": pair.name, "segmentation": rle, "score": 0.9, **names(category)}
        for pair in photos.pairs
        for rle, category in zip(pair.annotated.rles, pair.annotated.categories, strict=True)
    ]


@pytest.mark.parametrize(
    "names",
    [
        lambda c: {"category_id": 99, "category_name": ("Tea pot", "bolt", "CUP")[c]},
        lambda c: {"category_id": 4 * c + 7},
    ],
)
def test_perfect_results_on_a_coco_data_set_score_one_and_masks_in_crowds_count_for_nobody(own, tmp_path, names):
    entries = perfect(own, names)
    crowds = [
        {"image_id": pair.name, "segmentation": crowd, "score": 1.0, **names(0)}
        for pair in own.pairs
        for crowd in pair.annotated.crowds
    ]
    assert crowds
    (tmp_path / "r.json").write_text(json.dumps([*crowds, *entries], default=bytes.decode))
    row = evaluate.results_file_figures(tmp_path / "r.json", own)["rows"][0]
    assert [row[key] for key in NAMES] == pytest.approx([1] * 5)
    assert set(row["ap50_by_class"]) <= {"teapot", "bolt", "cup"}


def test_classes_that_a_results_file_names_and_the_photos_lack_are_said(own, tmp_path, capsys):
    entries = perfect(own, lambda c: {"category_id": 1, "category_name": ("teapot", "bolt", "kettle")[c]})
    content = {"annotations": entries, "images": [], "categories": []}
    (tmp_path / "r.json").write_text(json.dumps(content, default=bytes.decode))
    row = evaluate.results_file_figures(tmp_path / "r.json", own)["rows"][0]
    assert "classes that the photos have no masks of left out: kettle" in capsys.readouterr().err
    assert row["ap50_by_class"].get("cup", 0) == 0
    kettles = [entry | {"category_name": "kettle"} for entry in entries]
    (tmp_path / "r.json").write_text(json.dumps(kettles, default=bytes.decode))
    with pytest.raises(WsisError, match="have no class in common"):
        evaluate.results_file_figures(tmp_path / "r.json", own)


def test_photos_come_from_a_devkit_or_a_coco_data_set_and_missing_ones_are_said(own, kit, tmp_path, capsys):
    for words in ((None, None), (kit, tmp_path / "a.json")):
        with pytest.raises(WsisError, match="either --voc KIT, or --coco"):
            masked_sets.find(*words, None, "val")
    with pytest.raises(WsisError, match="--photos goes with --coco"):
        masked_sets.find(kit, None, tmp_path, "val")
    file = coco_sets.write(tmp_path)
    (tmp_path / "photos" / "s1.png").unlink()
    found = masked_sets.find(None, file, tmp_path / "photos", "")
    assert [pair.name for pair in found.pairs] == ["s0", "s2"]
    assert "1 of 3 photos are not in" in capsys.readouterr().err
    halves = [masked_sets.find(None, file, tmp_path / "photos", "", half).pairs for half in ("even", "odd")]
    assert [[pair.name for pair in half] for half in halves] == [["s0"], ["s2"]]
    with pytest.raises(WsisError, match="None of the 3 photos"):
        masked_sets.find(None, file, tmp_path, "")


def test_figures_of_teaching_stay_in_a_models_metrics(tmp_path):
    file = tmp_path / "metrics.json"
    assert evaluate._kept(file) == {}
    file.write_text(json.dumps({"held_out": {"map": 0.5}, "taught": {}, "rows": []}))
    assert evaluate._kept(file) == {"held_out": {"map": 0.5}, "taught": {}}
    file.write_text("[]")
    assert evaluate._kept(file) == {}
