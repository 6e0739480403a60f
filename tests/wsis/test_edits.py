"""Edits as data: every kind goes through a file and back, and what makes no sense is told in one sentence."""

from __future__ import annotations

import json

import pytest

from wsis import edits
from wsis.errors import WsisError

WEIGHTS = (0.95, 0.1, 0.8)
EVERY = (
    edits.AddPeak(name="cat", x=0.25, y=1.0),
    edits.MovePeak(peak=0, x=0, y=0.5),
    edits.RemovePeak(peak=1),
    edits.SetClass(peak=2, name="diningtable"),
    edits.Force(peak=2, inside=(3, 4), outside=(5,)),
    edits.Choose(peak=2, of="object", proposal=17, inside=(1,)),
    edits.Brush(peak=2, proposal=17, strokes=(edits.Stroke(points=((1.5, 2.5), (9, 9)), radius=3.5, erase=True),)),
    edits.Snap(peak=2, proposal=17, method="guided filter"),
    edits.Split(peaks=(2, 3), weights=WEIGHTS),
    edits.Merge(peaks=(3, 2), weights=WEIGHTS),
    edits.Keep(peaks=(2, 4)),
    edits.AsFound(peak=4),
)


def file(**changes) -> edits.EditedPhoto:
    given = {
        "photo": edits.Photo(name="zwei Katzen.jpg", width=451, height=300),
        "partition": "0123456789abcdef",
        "made": edits.Made(model="voc-lite", settings={"steps": 4}, weights=WEIGHTS, step=3),
        "edits": EVERY,
    }
    return edits.EditedPhoto(**{**given, **changes})


def test_every_kind_goes_through_a_file_and_back():
    assert edits.read(edits.written(file())) == file()
    assert {one.do for one in EVERY} == edits._KINDS


def test_every_kind_goes_over_the_wire_and_back():
    assert edits.checked(json.loads(json.dumps(edits.plain(EVERY)))) == EVERY


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"radius": 3.5', '"radius": 0', r"edits\.7\.strokes\.1\.radius: input should be greater than 0"),
        ('"radius": 3.5', '"radius": Infinity', "radius"),
        ('"x": 0.25', '"x": 1.5', r"edits\.1\.x: input should be less than or equal to 1"),
        ('"peak": 1', '"peak": -1', r"edits\.3\.peak"),
        ('"remove peak"', '"explode"', r"edits\.3: .*'explode'"),
        ('"format": 1', '"format": 2', "format"),
        ('"partition": "0123456789abcdef"', '"partition": "x"', "partition"),
        ('"made": {', '"made": {"colour": 1,', r"made\.colour"),
        ("{", "", "Invalid JSON|invalid JSON|JSON"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_sentence(old, new, said):
    text = edits.written(file()).decode()
    assert old in text
    with pytest.raises(WsisError, match=said) as told:
        edits.read(text.replace(old, new, 1))
    assert str(told.value).startswith("This is no file of edits: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("sent", [None, 3, "edits", {}, [1], [{}], [{"do": "add peak"}], [EVERY[2].model_dump()] * 501])
def test_anybody_can_send_anything(sent):
    with pytest.raises(WsisError, match="An edit makes no sense"):
        edits.checked(sent)
