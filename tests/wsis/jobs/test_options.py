from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wsis import checkpoints, edits
from wsis.errors import WsisError
from wsis.jobs import options
from wsis.jobs.options import chosen
from wsis.matching import Weights
from wsis.pipeline import Pipeline


@pytest.fixture
def pipeline(tiny_checkpoint: Path) -> Pipeline:
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


def test_without_a_wish_the_enhancer_is_one_that_the_model_has(tiny_checkpoint: Path) -> None:
    whole = checkpoints.load(tiny_checkpoint)
    assert chosen(Pipeline(whole)).enhancer == "icn-instances"
    regions = {name: net for name, net in whole.icns.items() if name != "icn-instances"}
    assert chosen(Pipeline(replace(whole, icns=regions))).enhancer == "icn-saliency"
    objects = {"icn-instances": whole.icns["icn-instances"]}  # which needs the network of regions beside it
    assert chosen(Pipeline(replace(whole, icns=objects))).enhancer == "spread"
    bare = checkpoints.Checkpoint("bare", whole.classifier)
    assert chosen(Pipeline(bare)).enhancer == "spread"
    with pytest.raises(WsisError, match="has no enhancer 'icn-proposal'"):
        chosen(Pipeline(bare), "icn-proposal")


def edits_file(folder, **made):
    """A file of edits of a photo."""
    file = edits.EditedPhoto(
        photo=edits.Photo(name="cat.png", width=4, height=3),
        partition="0" * 16,
        made=edits.Made(model="tiny", settings={"enhancer": "spread", **made}, weights=(1, 0.5, 0), step=1),
        edits=(edits.RemovePeak(peak=0),),
    )
    path = folder / "edits.json"
    path.write_bytes(edits.written(file))
    return path


def test_a_file_of_edits_brings_settings_and_weights(pipeline, tmp_path):
    file = options.edited(edits_file(tmp_path, steps=2, classes=["cat"]), 1, frozenset({"photos", "out", "model"}))
    settings, weights = options.of_edits(pipeline, file)
    assert (settings.enhancer, settings.steps, settings.classes) == ("spread", 2, ("cat",))
    assert weights == Weights(1, 0.5, 0)


@pytest.mark.parametrize(
    ("photos", "given", "said"),
    [
        (2, (), "of one photo, and here are 2. Name the photo cat.png"),
        (0, (), "here are 0"),
        (1, ("steps", "classes"), "leave out --steps, --class"),
    ],
)
def test_a_file_of_edits_is_of_one_photo_and_decides_alone(tmp_path, photos, given, said):
    with pytest.raises(WsisError, match=said):
        options.edited(edits_file(tmp_path), photos, frozenset(given))


def test_what_is_no_file_of_edits_is_told(pipeline, tmp_path):
    path = tmp_path / "edits.json"
    path.write_text("[]")
    with pytest.raises(WsisError, match="This is no file of edits"):
        options.edited(path, 1, frozenset())
    with pytest.raises(WsisError, match="cannot be read"):
        options.edited(tmp_path, 1, frozenset())
    with pytest.raises(WsisError, match="settings that nobody knows"):
        options.of_edits(pipeline, options.edited(edits_file(tmp_path, colour=1), 1, frozenset()))
