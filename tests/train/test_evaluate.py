"""The evaluation: ground truth, overlaps, pointing, and a results file against the same masks scored directly."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from train import data, evaluate, results_file
from train.scenes import scene
from wsis import metrics
from wsis.errors import WsisError
from wsis.pipeline import Pipeline, Settings
from wsis.proposals import from_masks


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
    truth, made = data.voc_ground_truth(kit, "s0"), scene(0)
    assert sorted(truth.categories) == sorted(made.categories)
    assert not truth.masks[:, :2].any() and (truth.semantic[:2] == metrics.VOID).all()
    with pytest.raises(WsisError, match="missing"):
        data.voc_ground_truth(kit, "s9")


def test_halves_share_nothing_and_are_all(kit):
    even, odd = (data.voc_ids(kit, "val", half) for half in ("even", "odd"))
    assert even == ("s0", "s2") and odd == ("s1",)


def test_overlaps_leave_void_out(kit):
    truth = data.voc_ground_truth(kit, "s1")
    whole = truth.masks.copy()
    whole[:, :2] = True  # differs from the ground truth in void pixels only
    proposals = from_masks(whole)
    iou = evaluate.overlaps(proposals, truth)
    expected = metrics.mask_iou(proposals.masks(range(len(proposals))), truth.masks, truth.semantic == metrics.VOID)
    np.testing.assert_allclose(iou, expected, atol=1e-6)
    np.testing.assert_allclose(iou.max(0), 1, atol=1e-6)


def test_pointing(kit):
    truth = data.voc_ground_truth(kit, "s2")
    category = int(truth.categories[0])
    y, x = np.argwhere(truth.semantic == category + 1).mean(0)
    height, width = truth.semantic.shape
    distance = (np.arange(height)[:, None] - y) ** 2 + (np.arange(width)[None] - x) ** 2
    hit = truth.semantic[int(y), int(x)] == category + 1
    maps = np.tile(-distance.astype(np.float32), (20, 1, 1))
    assert evaluate.pointing(maps, truth)[category] == hit
    corner = np.tile(distance.astype(np.float32), (20, 1, 1))
    assert not evaluate.pointing(corner, truth)[category] or truth.semantic.flat[distance.argmax()] == category + 1


def results_of(kit, flip=False):
    entries = []
    for identity in ("s0", "s1", "s2"):
        truth = data.voc_ground_truth(kit, identity)
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
        row = evaluate.results_file_figures(file, kit, ids)["rows"][0]
        values = [row[key] for key in ("map25", "map50", "map75", "abo", "miou")]
        if flip:
            assert max(values) < 0.9
        else:
            np.testing.assert_allclose(values, 1)


def figures_of(kit, tmp_path, entries):
    (tmp_path / "r.json").write_bytes(json.dumps(entries).encode("utf-8-sig"))
    return evaluate.results_file_figures(tmp_path / "r.json", kit, data.voc_ids(kit, "val"))["rows"][0]


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
        ({"category_id": 0}, "category_id 0; expected 1 to 20"),
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
    found = results_file.read(tmp_path / "r.json", ["000007", "000008"], 20)
    assert found.numbers == {"000007": list(range(len(entries)))}
    with pytest.raises(WsisError, match=r"image 7 of r.json may be 000007 or 007"):
        results_file.read(tmp_path / "r.json", ["000007", "007"], 20)


def test_foreign_proposals_are_evaluated(kit, tmp_path, tiny_checkpoint):
    truth = data.voc_ground_truth(kit, "s0")
    entries = [{"image_id": "s0", "segmentation": mask.tolist()} for mask in truth.masks]
    (tmp_path / "all.json").write_text(json.dumps(entries))
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    rows = [evaluate.Row("none", 0, "paper", 1)]
    found = evaluate.photo_figures(pipeline, kit, "s0", rows, Settings(), tmp_path / "all.json")
    np.testing.assert_allclose(found.best, 1)


def test_the_model_and_its_results_file_agree(kit, tmp_path, tiny_checkpoint):
    from typer.testing import CliRunner

    from wsis.cli import app

    arguments = ["segment", str(kit / "JPEGImages"), "--out", str(tmp_path), "--model", str(tiny_checkpoint)]
    assert CliRunner().invoke(app, [*arguments, "--enhancer", "spread"]).exit_code == 0
    ids = data.voc_ids(kit, "val")
    written = evaluate.results_file_figures(tmp_path / "instances.json", kit, ids)["rows"][0]
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    rows = [evaluate.Row("spread", 1, "paper", 1)]
    direct = evaluate.summary([evaluate.photo_figures(pipeline, kit, i, rows, Settings()) for i in ids])["rows"][0]
    for key in ("map25", "map50", "map75", "abo", "miou", "masks_per_photo"):
        assert written[key] == pytest.approx(direct[key], abs=1e-6)


def test_rows_name_every_combination_once():
    rows = evaluate.table_rows(("none", "spread", "icn-saliency"), range(5), 3)
    assert len(rows) == len(set(rows))
    assert {row.steps for row in rows if row.enhancer == "icn-saliency"} == {1, 2, 3, 4}
    assert {row.preset for row in rows if row.enhancer == "none"} == set(evaluate.matching.PRESETS)
