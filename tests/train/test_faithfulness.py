"""The measurement of many photos: whose peaks are followed, what is kept, and what the table says."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tests.helpers.scenes import write_scenes
from train import faithfulness
from train.faithfulness import Followed
from wsis.errors import WsisError
from wsis.pipeline import Pipeline
from wsis.why.faithfulness import CLASS_MAP, ENHANCED, RANDOM, RESPONSE


def followed(deletion, insertion, name="cat"):
    maps = (CLASS_MAP, RESPONSE, ENHANCED, RANDOM)
    return Followed(name, 0.9, dict(zip(maps, deletion, strict=True)), dict(zip(maps, insertion, strict=True)))


PHOTOS = [
    [followed((0.2, 0.3, 0.4, 0.1), (0.8, 0.9, 0.7, 0.9)), followed((0.4, 0.3, 0.5, 0.1), (0.6, 0.5, 0.4, 0.9))],
    [],
    [followed((0.3, 0.6, 0.6, 0.1), (0.7, 0.1, 0.1, 0.9))],
]


def test_means_are_over_peaks_and_intervals_over_photos():
    found = faithfulness.means(PHOTOS, "deletion", CLASS_MAP)
    assert found.value == pytest.approx(0.3)
    assert found.low <= found.value <= found.high
    same = [[followed((0.5,) * 4, (0.5,) * 4)]] * 5
    steady = faithfulness.means(same, "insertion", RESPONSE)
    assert (steady.low, steady.high) == pytest.approx((0.5, 0.5))


def test_maps_are_compared_peak_by_peak():
    found = faithfulness.apart(PHOTOS, "deletion", ENHANCED)
    assert found.value == pytest.approx((0.2 + 0.1 + 0.3) / 3)
    assert faithfulness.apart(PHOTOS, "insertion", CLASS_MAP).value == 0


def test_the_best_of_three_and_never_chance():
    assert faithfulness.best(PHOTOS, "deletion", CLASS_MAP) == pytest.approx(2 / 3)
    assert faithfulness.best(PHOTOS, "deletion", RESPONSE) == pytest.approx(1 / 3)
    assert faithfulness.best(PHOTOS, "insertion", CLASS_MAP) == pytest.approx(2 / 3)


def test_the_table_has_a_row_a_map():
    lines = faithfulness.table(PHOTOS).splitlines()
    assert lines[0] == "3 peaks of 3 photos, of which 1 has none."
    assert [line.split(" | ")[0] for line in lines[4:8]] == [f"| {m}" for m in (CLASS_MAP, RESPONSE, ENHANCED, RANDOM)]
    assert lines[4].startswith("| class map | .300 [")
    assert "67%" in lines[4]
    assert lines[7].endswith("|  |")
    assert [line.split(" | ")[0] for line in lines[11:]] == [f"| {m}" for m in (RESPONSE, ENHANCED, RANDOM)]
    assert lines[11].startswith("| response | +.100 [")


@pytest.fixture
def kit(tmp_path):
    write_scenes(tmp_path / "kit", "JPEGImages", "SegmentationClass", "SegmentationObject")
    names = sorted(file.stem for file in (tmp_path / "kit" / "JPEGImages").iterdir())
    splits = tmp_path / "kit" / "ImageSets" / "Main"
    splits.mkdir(parents=True)
    (splits / "val.txt").write_text("\n".join(names))
    return tmp_path / "kit"


def run(*words):
    app = typer.Typer()
    app.command()(faithfulness.main)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_photo_that_was_measured_is_kept(kit, tiny_checkpoint, tmp_path, monkeypatch):
    looked = []

    def photo(pipeline, path):
        looked.append(path.stem)
        return PHOTOS[0]

    monkeypatch.setattr(faithfulness, "photo", photo)
    words = ("--voc", kit, "--photos", 2, "--model", tiny_checkpoint, "--out", tmp_path / "out", "--workers", 1)
    first = run(*words, "--json", tmp_path / "all.json")
    assert first.exit_code == 0, first.output
    assert len(looked) == 2
    again = run(*words, "--kept")
    assert len(looked) == 2
    assert first.output == again.output
    assert set(json.loads((tmp_path / "all.json").read_text())["photos"]) == set(looked)


def test_what_was_not_measured_is_not_told(kit, tmp_path):
    with pytest.raises(WsisError, match="without --kept"):
        faithfulness.main.__wrapped__(kit, out=tmp_path / "out", kept_only=True)


def test_every_peak_with_a_mask_is_followed_once(tiny_checkpoint, kit):
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    path = next((kit / "JPEGImages").iterdir())
    found = faithfulness.photo(pipeline, path, maps=(CLASS_MAP,))
    assert all(0 <= peak.deletion[CLASS_MAP] <= 1 for peak in found)
    assert all(np.isfinite(peak.score) for peak in found)
