"""The ablations: rows, what is kept of a photo, the page, variants, and a whole run on generated scenes."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.train.ablate.conftest import ICN_OPTIONS, random_photos
from train import data, evaluate, scenes
from train.ablate import __main__ as ablate
from train.ablate import page as ablation_page
from train.ablate import photos as ablation_photos
from train.ablate import rows as ablation_rows
from train.ablate import variants
from train.ablate.photos import Networks
from train.ablate.rows import NAIVE, PROPOSAL, PUBLISHED, SALIENCY, AblationRow
from wsis import checkpoints, image, voc
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.ground_truth import voc_ground_truth
from wsis.icn import ICN
from wsis.metrics import ImageResult
from wsis.pipeline import Pipeline


def save_icn(folder, name, **options):
    """An untrained ICN as a variant's file."""
    scratch = folder / name
    checkpoints.save_module(ICN(**ICN_OPTIONS, **options), scratch, "icn-proposal", {**ICN_OPTIONS, **options})
    return (scratch / "icn-proposal.safetensors").replace(folder / f"{name}.safetensors")


def test_every_row_once_and_every_analysis_once():
    rows = ablation_rows.every(variants.WITHOUT)
    assert len(rows) == len(set(rows))
    assert {PROPOSAL, SALIENCY, NAIVE} <= set(rows)
    groups = ablation_photos.groups(rows)
    assert sorted(map(str, rows)) == sorted(str(row) for group in groups for row in group)
    # naive class map (with CAM), response, spread; both ICNs and both variants as published and with agreement;
    # regions and objects
    assert len(groups) == 3 + 2 * 2 + 2 * 2 + 1
    for group in groups:
        assert len({(row.network, row.enhancer, row.settings.agreement, row.settings.naive) for row in group}) == 1


def test_a_row_says_how_its_photo_is_looked_at():
    row = AblationRow("icn-proposal", 2, "paper", 1, changes=(("agreement", False), ("sigma", 1.0)))
    assert row.settings == Settings(enhancer="icn-proposal", steps=2, agreement=False, sigma=1.0)


def test_a_variant_that_is_missing_has_no_row():
    whole, part = (ablation_rows.ablations(names, PUBLISHED) for names in (variants.WITHOUT, ["icn-no-map"]))
    assert {row.name for row in set(whole) - set(part)} == {"icn-proposal without CFM and DFM, T = 3, as published"}
    assert all(row.settings.agreement is False for row in part if row.enhancer != "none")
    assert part[0] == replace(PROPOSAL, changes=PUBLISHED)


def test_what_is_kept_comes_back_and_what_is_damaged_does_not(tmp_path):
    photo = random_photos([NAIVE, PROPOSAL, SALIENCY], 1)[0]
    truth, touching = photo[NAIVE][0].truth, photo[NAIVE][0].touching
    nothing = np.zeros((0, len(truth)), np.float32), np.zeros(0, int), np.zeros(0, np.float32)
    empty = ImageResult(*nothing, truth, touching)
    scored = [*photo.values(), (empty, np.zeros((21, 21), int))]
    file = tmp_path / "new" / "photo.npz"
    assert ablation_photos.load(file) is None
    ablation_photos.save(file, scored)
    for (result, confusion), (known, matrix) in zip(scored, ablation_photos.load(file), strict=True):
        for name in (field.name for field in fields(ImageResult)):
            np.testing.assert_array_equal(getattr(result, name), getattr(known, name))
        np.testing.assert_array_equal(confusion, matrix)
    with np.load(file) as content:
        before = {name: content[name] for name in content.files if name not in ("touching", "merged")}
    np.savez(tmp_path / "before.npz", **before)
    assert ablation_photos.load(tmp_path / "before.npz") is None
    file.write_bytes(file.read_bytes()[:-40])
    assert ablation_photos.load(file) is None


def test_rows_score_what_the_evaluation_scores(model, kit, tmp_path):
    rows = [replace(PROPOSAL, steps=step, fill=count) for step in (1, 3) for count in (1, 3)]
    rows += [
        replace(PROPOSAL, preset="prm-2018"),
        replace(NAIVE, changes=(), shape="ellipse"),
        replace(NAIVE, changes=()),
    ]
    found = ablation_photos.measured(kit, ["s1"], rows, Networks(str(model), {}), tmp_path, processes=1)[0]
    pipeline = Pipeline.load(str(model), device="cpu")
    plain = [evaluate.Row(row.enhancer, row.steps, row.preset, row.fill) for row in rows if not row.shape]
    expected = evaluate.photo_figures(pipeline, data.voc_pair(kit, "s1"), plain, Settings()).rows
    assert len(found) == len(rows)
    for row, one in zip((row for row in rows if not row.shape), plain, strict=True):
        for name in ("overlaps", "touching", "merged"):
            np.testing.assert_array_equal(getattr(found[row][0], name), getattr(expected[one][0], name))
        np.testing.assert_array_equal(found[row][1], expected[one][1].toarray())
    assert len(found[rows[0]][0].scores)
    truth, settings = voc_ground_truth(kit, "s1"), NAIVE.settings
    evidence = pipeline.observe(image.read(kit / "JPEGImages" / "s1.jpg"))
    ellipses, _ = ablation_photos.cam.score(evidence, "ellipse", truth, settings)
    np.testing.assert_array_equal(found[rows[-2]][0].overlaps, ellipses.overlaps)
    np.testing.assert_array_equal(ellipses.touching, truth.touching)


def test_numbers_are_those_of_the_evaluation_and_differences_are_paired():
    rows = ablation_rows.every(variants.WITHOUT)
    photos = random_photos(rows, 24)
    found = ablation_page.numbers(photos, variants.WITHOUT)
    assert (found["photos"], found["instances"]) == (24, sum(len(photo[NAIVE][0].truth) for photo in photos))
    results, confusion = [p[SALIENCY][0] for p in photos], sum(p[SALIENCY][1] for p in photos)
    expected = evaluate.instance_figures(results, confusion, voc.CLASSES)
    assert found["rows"][-1]["fill"] == evaluate.FILLS[-1]
    entry = next(row for row in found["rows"] if row["name"] == SALIENCY.name and row["fill"] == 0)
    assert {name: entry[name] for name in expected} == expected
    for figure in ablation_page.COMPARED:
        one = entry["intervals"][figure]
        assert one["value"] == expected[figure]
        assert one["low"] < one["mean"] < one["high"]
    by_name = {(row["name"], row["fill"]): row for row in found["rows"]}
    assert len(by_name) == len(found["rows"]) == len(rows)
    for one in found["differences"]:
        full, less = by_name[one["name"], one["fill"]], by_name[one["less"], one["fill"]]
        for figure in ablation_page.COMPARED:
            assert one[figure]["value"] == pytest.approx(full[figure] - less[figure])
            assert one[figure]["low"] < one[figure]["mean"] < one[figure]["high"]
    assert len(found["differences"]) == 9 + 14 + 4 - 2  # Table 1, Table 3, Table 4, less those of two tables
    measured = ablation_page.measures(photos)
    nothing = {"value": 0, "mean": 0, "low": 0, "high": 0}
    assert measured[NAIVE].compared(measured[NAIVE]) == dict.fromkeys(ablation_page.COMPARED, nothing)


def test_a_variant_stands_in_for_the_proposal_icn(model, tmp_path):
    own = checkpoints.load(str(model))
    file = save_icn(tmp_path, "icn-no-map", use_map=False)
    found = variants.checkpoint(own, "icn-no-map", file)
    assert not found.icns["icn-proposal"].use_map
    assert not found.icns["icn-proposal"].training
    assert found.classifier is own.classifier
    assert own.icns["icn-proposal"].use_map
    with pytest.raises(WsisError, match="another network"):
        variants.checkpoint(own, "icn-no-fusion", file)
    with pytest.raises(WsisError, match="has no icn-proposal"):
        variants.checkpoint(replace(own, icns={}), "icn-no-map", file)


def test_a_run_is_exported_under_the_name_of_what_it_lacks(tmp_path, monkeypatch):
    for name, options in variants.WITHOUT.items():
        monkeypatch.setattr(variants, "load_icn", lambda run, options=options: ICN(**ICN_OPTIONS, **options))
        assert variants.export(Path("run.ckpt"), tmp_path / "out") == tmp_path / "out" / f"{name}.safetensors"
    assert variants.present(tmp_path / "out").keys() == variants.WITHOUT.keys()
    assert len(list((tmp_path / "out").iterdir())) == 2
    monkeypatch.setattr(variants, "load_icn", lambda run: ICN(**ICN_OPTIONS))
    with pytest.raises(WsisError, match="lacks 0 parts"):
        variants.export(Path("run.ckpt"), tmp_path / "out")


def test_no_such_checkpoint_is_told(kit, tmp_path):
    app = typer.Typer()
    app.command()(ablate.main)
    result = CliRunner().invoke(app, ["--voc", str(kit), "--model", "nothing", "--cache", str(tmp_path)])
    assert result.exit_code == 2
    assert "no model 'nothing'" in " ".join(result.output.split())


@pytest.mark.slow
def test_a_whole_run_then_one_without_networks(model, kit, tmp_path, monkeypatch):
    examples = tmp_path / "examples"
    examples.mkdir()
    for seed, name in enumerate(ablate.SHOWN):
        cv2.imwrite(str(examples / f"{name}.jpg"), scenes.scene(seed + 7).image[..., ::-1])
    monkeypatch.setattr(ablate, "EXAMPLES", examples)
    folder = tmp_path / "variants"
    file = save_icn(folder, "icn-no-map", use_map=False)
    app = typer.Typer()
    app.command()(ablate.main)
    names = {"voc": kit, "model": model, "variants": folder, "cache": tmp_path / "cache", "workers": 1, "limit": 2}

    def run(out):
        options = [str(part) for name, value in names.items() for part in (f"--{name}", value)]
        target = tmp_path / out
        return CliRunner().invoke(app, [*options, "--out", str(target), "--json", str(target / "results.json")])

    first = run("first")
    assert first.exit_code == 0, first.output
    assert "icn-no-fusion.safetensors is missing" in first.stderr
    assert "icn-no-map" not in first.stderr
    found = json.loads((tmp_path / "first" / "results.json").read_text())
    assert not (model / "results.json").exists()
    names_found = [row["name"] for row in found["rows"]]
    assert found["photos"] == 2
    assert sum("without input map" in name for name in names_found) == 2
    assert not any("without CFM" in name for name in names_found)
    assert found["networks"][""].keys() >= {"config.json", "icn-proposal.safetensors"}
    page = (tmp_path / "first" / "results.md").read_text()
    assert "2 photos" in page
    assert f"--voc {kit.name} --split val --limit 2" in page
    assert str(kit) not in page
    for name in ("per-class", "steps", "instances"):
        picture = cv2.imread(str(tmp_path / "first" / "figures" / f"{name}.png"))
        assert picture.shape[1] >= 1000
        assert picture.std() > 5

    def refuse(*_, **__):
        raise AssertionError("a network was loaded")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "load", refuse)
        assert run("second").exit_code == 0
        for name in ("results.json", "results.md", "figures/steps.png"):
            assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        before = file.read_bytes()
        torch.manual_seed(5)
        save_icn(folder, "icn-no-map", use_map=False)  # another training of the same network
        again = run("third")
        assert isinstance(again.exception, AssertionError)
        assert "a network was loaded" in str(again.exception)
        file.write_bytes(before)
        assert run("third").exit_code == 0
    kept = set((tmp_path / "cache").glob("*.npz"))
    save_icn(folder, "icn-no-map", use_map=False)
    assert run("fourth").exit_code == 0
    # only the variant's own analyses, with and without agreement, of both photos
    assert len(set((tmp_path / "cache").glob("*.npz")) - kept) == 2 * 2
