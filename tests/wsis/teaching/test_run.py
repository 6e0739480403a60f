"""The whole lesson, as the command line gives it."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.helpers.labelled_photos import write
from wsis import checkpoints, cli
from wsis.teaching import features, run


@pytest.fixture
def teach(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(photos, *words, out=tmp_path / "model"):
        options = ["--base", str(tiny_checkpoint), "--device", "cpu", *map(str, words)]
        return CliRunner().invoke(cli.app, ["teach", str(photos), "--out", str(out), *options])

    return call


def test_colours_are_taught_and_the_folder_is_a_model(teach, coloured, tmp_path):
    told = teach(coloured, "--no-keep")
    assert told.exit_code == 0, told.output
    assert "Understood: a folder a class, 24 photos, 2 classes." in told.stdout
    assert "[24/24] photos looked at" in told.stdout
    assert f"python -m wsis segment PHOTOS --model {tmp_path / 'model'}" in told.stdout
    loaded = checkpoints.load(tmp_path / "model")
    assert loaded.classifier.classes == ("blue", "red")
    held_out = loaded.card["metrics"]["held_out"]
    assert held_out["map"] > 0.9
    assert sum(map(sum, held_out["confusion"])) == 24
    assert set(loaded.card["metrics"]["taught"]["thresholds"]) == {"red", "blue"}
    card = loaded.card["text"]
    assert "blue and red, taken" not in card
    assert "blue and red, taught from image-level labels of 24 photos" in card
    assert "| red | 8 | 16 |" in card
    assert "## What was taken for what" in card


def test_the_bases_classes_stay_and_photos_are_looked_at_once(teach, coloured, tmp_path, monkeypatch, base):
    assert teach(coloured).exit_code == 0
    assert checkpoints.load(tmp_path / "model").classifier.classes == (*base.classifier.classes, "blue", "red")
    monkeypatch.setattr(features, "compute", None)
    again = teach(coloured)
    assert again.exit_code == 0, again.output
    assert "Its own 20 classes stayed" in (tmp_path / "model" / "README.md").read_text()


def test_a_class_that_the_base_knows_is_taught_anew(teach, coloured, tmp_path):
    (tmp_path / "labels.csv").write_text(
        "image,labels\n"
        + "".join(f"{file.name},{'cat' * (file.parent.name == 'red')}\n" for file in coloured.rglob("*.png"))
    )
    told = teach(coloured, "--labels", tmp_path / "labels.csv")
    assert "knows cat already: taught anew, in the old place." in told.stdout
    assert len(checkpoints.load(tmp_path / "model").classifier.classes) == 20


def test_a_photo_that_is_cut_short_is_told_and_left_out(teach, coloured, tmp_path):
    photos = tmp_path / "photos"
    for file in coloured.rglob("*.png"):
        (photos / file.parent.name).mkdir(parents=True, exist_ok=True)
        (photos / file.parent.name / file.name).write_bytes(file.read_bytes())
    write(photos, "red/whole.jpg", size=(80, 90))
    content = (photos / "red" / "whole.jpg").read_bytes()
    (photos / "red" / "cut.jpg").write_bytes(content[: len(content) // 2])
    told = teach(photos, "--no-keep")
    assert told.exit_code == 0, told.output
    assert "cut.jpg" in told.stdout
    taught = json.loads((tmp_path / "model" / "metrics.json").read_text())["taught"]
    assert taught["photos"] == 25


def test_a_class_whose_photos_are_cut_short_is_not_taught(teach, coloured, tmp_path):
    photos = tmp_path / "photos"
    for file in coloured.rglob("*.png"):
        (photos / file.parent.name).mkdir(parents=True, exist_ok=True)
        (photos / file.parent.name / file.name).write_bytes(file.read_bytes())
    write(photos, *[f"zebra/{i}.jpg" for i in range(4)], size=(80, 90))
    for file in (photos / "zebra").iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    told = teach(photos, "--no-keep")
    assert told.exit_code == 0, told.output
    assert "4 photos could not be read to the end, and are left out." in told.stdout
    assert "zebra: 0 of the others show it, 24 do not - too few, left out" in told.stdout
    assert checkpoints.load(tmp_path / "model").classifier.classes == ("blue", "red")
    assert "zebra: 0 of the others show it" in (tmp_path / "model" / "README.md").read_text()
    (photos / "red").rename(tmp_path / "elsewhere")
    shutil.rmtree(photos / "background", ignore_errors=True)
    told = teach(photos, "--no-keep", out=tmp_path / "second")
    assert told.exit_code == 2
    assert "4 photos could not be read. All photos show 'blue'" in told.output
    assert not (tmp_path / "second" / "config.json").exists()


@pytest.mark.parametrize(
    ("names", "words", "sentence"),
    [
        (["cup/a.jpg", "cup/b.jpg", "cup/c.jpg"], [], "All photos show 'cup'"),
        (["a.jpg"], [], "holds 1 photos but no labels|photos but no labels"),
        (["cup/a.jpg"], ["--labels", "/nowhere.csv"], "There is no file of labels /nowhere.csv"),
    ],
)
def test_what_cannot_work_ends_with_a_sentence_and_exit_code_2(teach, tmp_path, names, words, sentence):
    write(tmp_path / "photos", *names)
    told = teach(tmp_path / "photos", *words)
    assert told.exit_code == 2
    assert told.stderr.startswith("Error: ")
    assert any(part in told.stderr for part in sentence.split("|"))
    assert not (tmp_path / "model" / "config.json").exists()


def test_nothing_is_looked_at_where_the_result_could_not_be_written(teach, coloured, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "holiday.jpg").write_bytes(b"x")
    told = teach(coloured)
    assert told.exit_code == 2
    assert "holds something else than a taught model" in told.stderr
    assert not (tmp_path / "cache").exists()


def test_the_command_of_the_card_has_every_option(tmp_path):
    lesson = run.Lesson(
        tmp_path / "my photos", tmp_path / "out", labels=tmp_path / "l.csv", base="voc-lite", keep=False
    )
    assert run.command(lesson) == (
        f"python -m wsis teach '{tmp_path}/my photos' --out {tmp_path}/out --labels {tmp_path}/l.csv --base voc-lite "
        "--no-keep"
    )
