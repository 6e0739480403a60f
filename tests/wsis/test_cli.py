from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from typer.testing import CliRunner

from tests.helpers import ROOT
from tests.helpers.bad_files import encoded, picture, unusual, write_all
from wsis import analysis, cli, matching
from wsis.errors import WsisError
from wsis.pipeline import Pipeline

OPTIONS = ("--enhancer", "spread", "--class", "cat", "--device", "cpu")


@pytest.fixture(autouse=True, scope="module")
def _load_once(tiny_checkpoint: Path) -> None:
    """Every call would load the same networks again."""
    loaded, load = {}, Pipeline.load.__func__

    def cached(kind: type, name: str = "voc-lite", **options: object) -> Pipeline:
        key = (name, *options.items())
        if key not in loaded:
            loaded[key] = load(kind, name, **options)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "load", classmethod(cached))
        yield


@pytest.fixture
def run(tiny_checkpoint: Path):
    def call(*arguments: object, options: tuple[str, ...] = OPTIONS, model: object = tiny_checkpoint):
        words = ["segment", *map(str, arguments), "--model", str(model), *options]
        return CliRunner().invoke(cli.app, words)

    return call


@pytest.fixture
def photos(tmp_path: Path, photo: np.ndarray) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(encoded(np.ascontiguousarray(photo[:120, :160]), "JPEG"))
    (folder / "turned.jpg").write_bytes(unusual()["turned.jpg"])
    (folder / "notes.txt").write_text("no photo by its ending")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


def left_behind(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]


def test_a_folder_of_photos(run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    result = run(photos, "--out", out, "--overlays", "--alpha", "0.5", "--fill", "2")
    assert result.exit_code == 0, result.output
    entries = json.loads((out / "instances.json").read_text())
    manifest = json.loads((out / "manifest.json").read_text())
    sizes = {"cat": [120, 160], "turned": [48, 64]}
    assert {entry["image_id"] for entry in entries} == set(sizes)
    for entry in entries:
        assert entry["file_name"] == entry["image_id"] + ".jpg"
        assert (entry["category_id"], entry["category_name"]) == (8, "cat")
        assert entry["segmentation"]["size"] == sizes[entry["image_id"]]
        assert coco_mask.decode(entry["segmentation"]).sum() == entry["area"] > 0
    data_set = json.loads((out / "coco.json").read_text(encoding="utf-8"))
    assert [(one["file_name"], [one["height"], one["width"]]) for one in data_set["images"]] == [
        (f"{stem}.jpg", size) for stem, size in sizes.items()
    ]
    assert [(one["rle"], one["area"]) for one in data_set["annotations"]] == [
        (entry["segmentation"], entry["area"]) for entry in entries
    ]
    for stem, size in sizes.items():
        for kind in ("semantic", "instance"):
            with Image.open(out / kind / f"{stem}.png") as image:
                assert image.mode == "P"
                assert list(image.size[::-1]) == size
        assert list(Image.open(out / "overlay" / f"{stem}.jpg").size[::-1]) == size
        assert (out / "figure" / f"{stem}.png").is_file()
    assert manifest["weights"] == {"alpha": 0.5, "beta": 0.1, "gamma": 0.8}
    assert manifest["settings"]["classes"] == ["cat"]
    assert len(manifest["model"]["files"]["classifier"]["sha256"]) == 64
    assert [(one["image_id"], one["height"], one["width"]) for one in manifest["photos"]] == [
        (stem, *size) for stem, size in sizes.items()
    ]
    assert sum(one["instances"] for one in manifest["photos"]) == len(entries)
    assert manifest["failed"] == []
    assert manifest["skipped"] == ["notes.txt"]
    assert not left_behind(tmp_path / "new")


def test_results_do_not_depend_on_what_ran_before(run, photos: Path, tmp_path: Path) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    assert run(photos, "--out", together).exit_code == 0
    assert run(photos / "turned.jpg", "--out", alone).exit_code == 0
    both = json.loads((together / "instances.json").read_text())
    assert json.loads((alone / "instances.json").read_text()) == [e for e in both if e["image_id"] == "turned"]


@pytest.mark.slow
def test_workers_change_nothing_but_the_time(run, photos: Path, tmp_path: Path) -> None:
    for i in range(4):
        shutil.copy(photos / "cat.jpg", photos / f"again{i}.jpg")
    threads, found = torch.get_num_threads(), []
    for workers in (1, 3, 50):
        out = tmp_path / str(workers)
        assert run(photos, "--out", out, "--workers", workers).exit_code == 0
        entries = json.loads((out / "instances.json").read_text())
        found.append([(one["image_id"], one["category_id"], one["area"], round(one["score"], 3)) for one in entries])
        names = [one["file_name"] for one in json.loads((out / "manifest.json").read_text())["photos"]]
        assert names == [*(f"again{i}.jpg" for i in range(4)), "cat.jpg", "turned.jpg"]
    assert found[0] == found[1] == found[2]
    assert len({one[0] for one in found[0]}) == 6
    assert torch.get_num_threads() == threads


def test_bad_photos_are_reported_and_the_rest_goes_on(run, photos: Path, tmp_path: Path) -> None:
    expected = write_all(photos)
    out = tmp_path / "out"
    result = run(photos, photos / "missing.jpg", "--out", out)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert [one["image_id"] for one in manifest["photos"]] == ["cat", "turned"]
    failed = {one["file_name"]: one["reason"] for one in manifest["failed"]}
    others = (
        ".eps",
        ".cr2",
        ".cr3",
        ".dng",
        ".nef",
        ".raf",
        ".raw",
    )  # no photos by their endings, unless they are named
    searched = {name for name in expected if not name.endswith(others)}
    assert {Path(name).name for name in manifest["skipped"]} == set(expected) - searched | {"notes.txt"}
    assert set(failed) == searched | {"missing.jpg"}
    for name, reason in failed.items():
        assert reason in result.stderr
        assert name in reason
    assert {path.stem for path in (out / "semantic").iterdir()} == {"cat", "turned"}
    assert not left_behind(out)


def test_two_photos_of_one_name_do_not_overwrite_each_other(run, photos: Path, tmp_path: Path) -> None:
    (photos / "cat.png").write_bytes(encoded(picture(), "PNG"))
    result = run(photos, photos / "cat.jpg", "--out", tmp_path / "out")
    assert result.exit_code == 1
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [one["file_name"] for one in manifest["photos"]] == ["cat.jpg", "turned.jpg"]
    assert [one["file_name"] for one in manifest["failed"]] == ["cat.png"]
    assert "same name" in manifest["failed"][0]["reason"]


def test_a_photo_with_nothing_recognisable_is_no_failure(run, photos: Path, tmp_path: Path) -> None:
    result = run(photos / "cat.jpg", "--out", tmp_path, options=("--enhancer", "icn-saliency", "--threshold", "1"))
    assert result.exit_code == 0
    assert "nothing recognised" in result.output
    assert json.loads((tmp_path / "instances.json").read_text()) == []
    assert not np.array(Image.open(tmp_path / "semantic" / "cat.png")).any()


def test_proposals_from_a_folder(run, photos: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "proposals", tmp_path / "out"
    folder.mkdir()
    labels = np.zeros((120, 160), np.uint8)
    labels[20:90, 30:120] = 1
    Image.fromarray(labels).save(folder / "cat.png")
    Image.fromarray(labels).save(folder / "turned.png")
    (photos / "alone.jpg").write_bytes(encoded(picture(), "JPEG"))
    result = run(photos, "--out", out, "--proposals", folder)
    assert result.exit_code == 1
    manifest = json.loads((out / "manifest.json").read_text())
    reasons = {one["file_name"]: one["reason"] for one in manifest["failed"]}
    assert "160 x 120 pixels, but the photo has 64 x 48" in reasons["turned.jpg"]
    assert "no alone.mat, .json or .png" in reasons["alone.jpg"]
    (entry,) = json.loads((out / "instances.json").read_text())
    assert (coco_mask.decode(entry["segmentation"]) == labels).all()


def test_proposals_from_one_file(run, photos: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "all.json", tmp_path / "out"
    images = [{"id": 1, "file_name": "turned.jpg"}, {"id": 2, "file_name": "photos/cat.jpg"}]
    polygons = [[[2, 2, 30, 2, 30, 40, 2, 40]], [[30, 20, 120, 20, 120, 90, 30, 90]]]
    entries = [{"image_id": i + 1, "segmentation": polygon} for i, polygon in enumerate(polygons)]
    entries.append({"image_id": 2, "segmentation": []})
    file.write_text(json.dumps({"images": images, "annotations": entries}))
    result = run(photos / "cat.jpg", "--out", out, "--proposals", file)
    assert result.exit_code == 0
    assert "1 of 2 proposals in all.json cover no pixel" in result.output
    (entry,) = json.loads((out / "instances.json").read_text())
    assert coco_mask.decode(entry["segmentation"])[20:90, 30:120].all()
    file.write_text("{")
    result = run(photos / "cat.jpg", "--out", out, "--proposals", file)
    assert result.exit_code == 2
    assert "Error: all.json is not valid JSON" in result.output


@pytest.mark.parametrize(
    ("kind", "says"), [(RuntimeError, "unexpected RuntimeError: out of luck"), (MemoryError, "more memory")]
)
def test_an_unexpected_error_of_one_photo_is_reported(
    kind: type, says: str, run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observe = Pipeline.observe

    def stumble(self: Pipeline, image: np.ndarray, **options: object):
        if image.shape[0] == 120:
            raise kind("out of luck")
        return observe(self, image, **options)

    monkeypatch.setattr(Pipeline, "observe", stumble)
    result = run(photos, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cat.jpg" in result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [one["file_name"] for one in manifest["photos"]] == ["turned.jpg"]


def test_ctrl_c_leaves_old_results_and_nothing_half_written(
    run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(photos, "--out", out).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    calls = []
    replace = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    result = run(photos, "--out", out)
    assert result.exit_code == cli.INTERRUPTED
    assert "was not written" in result.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_being_ended_is_like_ctrl_c(run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Lock()  # by the first photo only

    def observe(*_: object, **__: object) -> None:
        if told.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2)

    monkeypatch.setattr(Pipeline, "observe", observe)
    before = signal.getsignal(signal.SIGTERM)
    assert run(photos, "--out", tmp_path / "out").exit_code == cli.INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "out" / "instances.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("becomes", [WsisError, OSError, RuntimeError])
def test_being_ended_is_no_error_though_a_library_makes_one_of_it(
    run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals, becomes: type[Exception]
) -> None:
    def load(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), sign)
            time.sleep(2)
        except KeyboardInterrupt:
            raise becomes("the file is damaged") from None

    monkeypatch.setattr(Pipeline, "load", load)
    before = signal.signal(sign, signal.default_int_handler)  # workers of tests ignore Ctrl-C
    result = run(photos, "--out", tmp_path / "out")
    signal.signal(sign, before)
    assert result.exit_code == cli.INTERRUPTED
    assert "was not written" in result.stderr
    assert "damaged" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["PHOTOS"], "--out"),
        (["nowhere.jpg", "--out", "OUT"], "There is no file or folder nowhere.jpg"),
        (["EMPTY", "--out", "OUT"], "There is no photo in"),
        (["PHOTOS", "--out", "OUT", "--enhancer", "magic"], "magic"),
        (["PHOTOS", "--out", "OUT", "--alpha", "-1"], "--alpha"),
        (["PHOTOS", "--out", "OUT", "--alpha", "inf"], "alpha"),
        (["PHOTOS", "--out", "OUT", "--steps", "99"], "--steps"),
        (["PHOTOS", "--out", "OUT", "--fill", "-1"], "--fill"),
        (["PHOTOS", "--out", "OUT", "--workers", "0"], "--workers"),
        (["PHOTOS", "--out", "OUT", "--threshold", "2"], "--threshold"),
        (["PHOTOS", "--out", "OUT", "--class", "unicorn"], "does not know the class 'unicorn'"),
        (["PHOTOS", "--out", "OUT", "--proposals", "nowhere"], "nowhere"),
        (["PHOTOS", "--out", "FILE"], "FILE"),
        (["PHOTOS", "--out", "OUT", "--model", "no-such-model"], "There is no model 'no-such-model'"),
        (["PHOTOS", "--out", "OUT", "--device", "cuda:99"], "cuda:99"),
        (["PHOTOS", "--out", "OUT", "--labels", "x.txt"], "brings its own"),
    ],
)
def test_wrong_usage_is_2_and_writes_nothing(
    arguments: list[str], says: str, photos: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").touch()
    names = {name: str(tmp_path / name) for name in ("EMPTY", "FILE", "OUT")} | {"PHOTOS": str(photos)}
    words = [names.get(word, word) for word in arguments]
    if "--model" not in words:
        words += ["--model", str(tiny_checkpoint)]
    result = CliRunner().invoke(cli.app, ["segment", *words])
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "OUT").exists()


@pytest.mark.parametrize("damage", ["cut", "foreign", "pickle", "config"])
def test_a_damaged_or_foreign_checkpoint_is_wrong_usage(
    damage: str, run, photos: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    import shutil

    folder = shutil.copytree(tiny_checkpoint, tmp_path / "model")
    file = folder / "classifier.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "foreign":
        file.write_bytes((folder / "contours.safetensors").read_bytes())
    elif damage == "pickle":
        config = json.loads((folder / "config.json").read_text())
        config["modules"]["classifier"]["file"] = "classifier.pt"
        (folder / "config.json").write_text(json.dumps(config))
    else:
        (folder / "config.json").write_text("{")
    result = run(photos, "--out", tmp_path / "out", model=folder)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_choices_are_those_of_the_core() -> None:
    assert get_args(cli.Enhancer) == analysis.ENHANCERS
    assert get_args(cli.Naive) == get_args(analysis.Naive)
    assert get_args(cli.PresetName) == tuple(matching.PRESETS)
    for name, parameter in {"steps": "steps", "threshold": "class_threshold", "naive": "naive", "mode": "mode"}.items():
        import inspect

        default = inspect.signature(cli.segment).parameters[name].default
        assert default == getattr(analysis.Settings(), parameter)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['wsis', 'segment', '--help']\n"
        "from wsis.__main__ import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'cv2', 'gradio', 'lightning', 'ray'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--fill" in done.stdout


def test_models_lists_names_and_presets() -> None:
    result = CliRunner().invoke(cli.app, ["models"])
    assert result.exit_code == 0
    for name in matching.PRESETS:
        assert f"--preset {name}: " in result.output


def test_a_useless_folder_of_results_is_told_before_any_work(run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "instance").write_bytes(b"a file where a folder should be")
    result = run(photos, "--out", out)
    assert result.exit_code == 2
    assert f"Nothing can be written to {out / 'instance'}: File exists." in result.stderr
    assert not (out / "manifest.json").exists()


def test_where_nothing_passes_the_likeliest_classes_are_told(run, photos: Path, tmp_path: Path) -> None:
    result = run(photos / "cat.jpg", "--out", tmp_path, options=("--enhancer", "none", "--threshold", "1"))
    guesses = json.loads((tmp_path / "manifest.json").read_text())["photos"][0]["likeliest"]
    assert len(guesses) == 5
    assert list(guesses.values()) == sorted(guesses.values(), reverse=True)
    name, score = next(iter(guesses.items()))
    assert f"nothing recognised; likeliest: {name} {score:.2f}, " in result.output


@pytest.mark.slow
def test_the_embedded_model_of_kinds_finds_a_cat_by_its_breed(run, tmp_path: Path) -> None:
    photo = Path(__file__).parents[2] / "assets" / "examples" / "2-cat.jpg"
    options = ("--class", "Egyptian cat", "--device", "cpu")
    result = run(photo, "--out", tmp_path, options=options, model="imagenet-lite")
    assert result.exit_code == 0, result.output
    first = json.loads((tmp_path / "instances.json").read_text())[0]
    assert first["category_name"] == "cat"
    assert first["score"] > 0.3
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"]["classes"] == ["cat"]
    assert manifest["model"]["files"]["contours"]["from"] == "voc-lite"
