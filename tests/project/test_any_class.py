"""Two classes that no list of ours has go all the way: photos, masks, files, evaluation, tuning, tabs, report."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.reliability import small_model
from tests.helpers import coco_sets
from train.evaluate import main as evaluate
from train.tune import main as tune
from wsis import cli, coco_dataset, export, image, voc
from wsis.analysis import Settings
from wsis.explorer import downloads, report
from wsis.explorer.scene import Scene
from wsis.explorer.tabs import method, results
from wsis.jobs.cluster import photo_lists, shards
from wsis.jobs.cluster.storage import Folder
from wsis.jobs.photo import Job, outcome
from wsis.matching import PUBLISHED
from wsis.pipeline import Pipeline

CLASSES = ("teapot", "bolt")
WORDS = re.compile(rf"\b({'|'.join({'VOC', 'PASCAL', *voc.CLASSES} - {'train'})})\b", re.IGNORECASE)


def clean(text: str) -> bool:
    """Whether what people read of it has no class of VOC's; names of drawn parts are no text."""
    return not WORDS.findall(re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A model of these classes, and photos with masks of them and of another one."""
    root = tmp_path_factory.mktemp("own")
    small_model.save(root / "own", CLASSES)
    coco_sets.write(root, range(4), crowd=True)
    return root


@pytest.fixture(scope="module")
def pipeline(home):
    return Pipeline.load(home / "own", device="cpu")


@pytest.fixture(scope="module")
def analysis(home, pipeline):
    settings = Settings(enhancer="spread", classes=CLASSES, max_peaks=3, semantic_threshold=0.0)
    return pipeline.analyse(image.read(home / "photos" / "s0.png"), settings)


def run(app, *words):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_results_name_and_number_the_models_own_classes(home, pipeline, analysis):
    found = analysis.instances()
    assert {one.name for one in found} == set(CLASSES)
    entries = export.coco_results(analysis, found, stem="s0", file_name="s0.png")
    assert {(one["category_id"], one["category_name"]) for one in entries} == {(1, "teapot"), (2, "bolt")}
    assert set(np.unique(analysis.semantic(found))) <= {0, 1, 2}
    photo = {"image_id": "s0", "file_name": "s0.png", "width": 128, "height": 96}
    content = json.loads(coco_dataset.dataset(pipeline.classes, [photo], entries))
    assert [(one["id"], one["name"]) for one in content["categories"]] == [(1, "teapot"), (2, "bolt")]
    with np.load(io.BytesIO(export.maps_npz(analysis))) as maps:
        assert tuple(maps["classes"]) == CLASSES
    assert downloads.voc_zip(analysis, found, "s0")


@pytest.mark.slow
def test_segment_evaluate_and_tune_on_a_coco_data_set(home, tmp_path, capsys):
    own, photos = str(home / "own"), home / "photos"
    words = ["--model", own, "--enhancer", "spread", "--class", "teapot,Bolt"]
    run(cli.app, "segment", photos, "--out", tmp_path / "out", *words)
    written = tmp_path / "out" / "instances.json"
    assert {one["category_name"] for one in json.loads(written.read_text())} == set(CLASSES)
    there = {"coco": home / "instances.json", "folder": photos, "model": own}
    evaluate(**there, enhancers="spread", processes=1, json_file=tmp_path / "metrics.json")
    said = capsys.readouterr()
    assert "Left out, as the model does not know them: cup." in said.err
    assert "Classification mAP" in said.out
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert set(figures["rows"][0]["ap50_by_class"]) <= set(CLASSES)
    evaluate(**{**there, "model": "none"}, results=written)
    assert f"| {written} |" in capsys.readouterr().out
    tune(**there, enhancer="spread", cache=tmp_path / "cache", json_file=tmp_path / "tuned.json")
    assert clean(capsys.readouterr().out)
    assert json.loads((tmp_path / "tuned.json").read_text())["rows"]


def test_parts_of_a_job_on_a_cluster_write_the_classes(home, pipeline, tmp_path):
    settings = Settings(enhancer="spread", classes=CLASSES, semantic_threshold=0.0)
    own = {"pipeline": pipeline, "settings": settings, "weights": PUBLISHED, "fill": 1, "out": tmp_path}
    job = Job(**own, proposals=None, overlays=False)
    (shard,) = shards.split(photo_lists.listed([str(home / "photos" / "s0.png")]).photos, 100)
    out = Folder(str(tmp_path / "out"))
    shards.work(out, shard, lambda photo: outcome(job, photo.name, Path(photo.path)), run="a", retries=0)
    shards.merge_coco(out, 1, pipeline.classes)
    content = json.loads(out.read("coco.json"))
    assert [one["name"] for one in content["categories"]] == list(CLASSES)
    assert {one["category_id"] for one in content["annotations"]} == {1, 2}


def test_tabs_and_report_presume_nothing_of_voc(pipeline, analysis):
    checkpoint = pipeline.checkpoint
    said = results.html(checkpoint)
    assert f"No figures for {checkpoint.name}" in said
    assert "python -m train.evaluate --coco annotations.json --photos photos" in said
    assert clean(said)
    assert clean(method.html(checkpoint))
    page = report.html(Scene(analysis, photo="one.png"), checkpoint)
    assert "teapot" in page
    assert clean(page)
