"""Label Studio's exports, written as it writes them.

https://labelstud.io/guide/task_format.html, https://labelstud.io/guide/export.html, and for the cells of its CSV
https://github.com/HumanSignal/label-studio-sdk/blob/master/src/label_studio_sdk/converter/exports/csv2.py
"""

from __future__ import annotations

import json

import pytest

from tests.helpers.labelled_photos import shown, write
from wsis.errors import WsisError
from wsis.labels.read import read

PHOTOS = {"a b.jpg": {"Cup"}, "b.jpg": {"Cup", "Tea pot"}, "c.jpg": {"Tea pot"}}


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", *PHOTOS, "d.jpg")


def annotation(*choices, cancelled=False):
    result = {
        "id": "Dx_aB91ISN", "type": "choices", "origin": "manual", "to_name": "image", "from_name": "choice",
        "value": {"choices": list(choices)},
    }  # fmt: skip
    return {
        "id": 1001, "completed_by": 1, "result": [result] if choices else [], "was_cancelled": cancelled,
        "ground_truth": False, "created_at": "2026-03-09T22:16:08.728353Z", "updated_at": "2026-03-09T22:16:08.728378Z",
        "lead_time": 4.288, "prediction": {}, "result_count": 1, "unique_id": "0", "task": 1, "project": 1,
    }  # fmt: skip


def task(number, image, *annotations, upload=None):
    return {
        "id": number, "annotations": list(annotations), "file_upload": upload, "drafts": [], "predictions": [],
        "data": {"image": image}, "meta": {}, "created_at": "2026-03-09T21:52:49.513742Z", "inner_id": number,
        "updated_at": "2026-03-09T22:16:08.746926Z", "total_annotations": len(annotations), "project": 1,
    }  # fmt: skip


def test_json(photos, tmp_path):
    tasks = [
        task(1, "/data/upload/1/4f8d1c2a-a%20b.jpg", annotation("Cup"), upload="4f8d1c2a-a b.jpg"),
        task(2, "/data/local-files/?d=photos/b.jpg", annotation("Cup", "Tea pot")),
        task(3, "s3://bucket/photos/c.jpg", annotation("Cup", cancelled=True), annotation("Tea pot")),
        task(4, "https://example.com/d.jpg"),
    ]
    (tmp_path / "project-1.json").write_text(json.dumps(tasks))
    labels = read(photos, tmp_path / "project-1.json")
    assert shown(labels) == PHOTOS
    assert labels.kind == "Label Studio's JSON"
    assert labels.notes == ("1 task without an answer left out.",)


def test_people_who_disagree_leave_a_class_unknown(photos, tmp_path):
    tasks = [task(1, "/data/upload/1/4f8d1c2a-b.jpg", annotation("Cup", "Spoon"), annotation("Cup"))]
    tasks += [task(2, "/data/upload/1/4f8d1c2a-c.jpg", annotation("Tea pot"))]
    (tmp_path / "project-1.json").write_text(json.dumps(tasks))
    labels = read(photos, tmp_path / "project-1.json")
    assert shown(labels) == {"b.jpg": {"Cup", "?Spoon"}, "c.jpg": {"Tea pot"}}
    assert labels.contradicting == (("b.jpg", "Spoon"),)


def test_json_min(photos, tmp_path):
    about = {
        "annotator": 1,
        "annotation_id": 1,
        "created_at": "2026-03-09",
        "updated_at": "2026-03-09",
        "lead_time": 4.2,
    }
    tasks = [
        {"image": "/data/upload/1/4f8d1c2a-a%20b.jpg", "id": 1, "choice": "Cup", **about},
        {"image": "/data/upload/1/4f8d1c2a-b.jpg", "id": 2, "choice": {"choices": ["Cup", "Tea pot"]}, **about},
        {"image": "/data/upload/1/4f8d1c2a-c.jpg", "id": 3, "choice": "Tea pot", **about},
    ]
    (tmp_path / "min.json").write_text(json.dumps(tasks))
    assert shown(read(photos, tmp_path / "min.json")) == PHOTOS


def test_csv_with_single_and_multiple_choices(photos, tmp_path):
    (tmp_path / "project-1.csv").write_text(
        '"annotation_id","annotator","choice","created_at","id","image","lead_time","updated_at"\r\n'
        '1,"1","Cup","2026-03-09T22:16:08Z",1,"/data/upload/1/4f8d1c2a-a%20b.jpg",4.288,"2026-03-09T22:16:08Z"\r\n'
        '2,"1","{""choices"": [""Cup"", ""Tea pot""]}","2026-03-09",2,"/data/upload/1/4f8d1c2a-b.jpg",3.1,"2026"\r\n'
        '3,"1","[{""choices"": [""Tea pot""]}]","2026-03-09",3,"/data/local-files/?d=photos%2Fc.jpg",3.1,"2026"\r\n'
    )
    labels = read(photos, tmp_path / "project-1.csv")
    assert shown(labels) == PHOTOS
    assert labels.kind == "Label Studio's CSV"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1, 2]", "not of Label Studio's tasks"),
        ("[]", "No task of the Label Studio export is annotated"),
        (json.dumps([task(1, "/data/upload/1/4f8d1c2a-b.jpg")]), "No task of the Label Studio export is annotated"),
        (json.dumps([{"id": 1, "data": {"text": "hello"}, "annotations": []}]), "names no photo in its data"),
        ("[{", "is no JSON, or cut short"),
        ('{"a": 1}', "JSON of another kind"),
        (json.dumps([{"data": {"image": "a.jpg"}, "annotations": 5}]), "expected a list of answers, got 5"),
        (
            json.dumps([{"data": {"image": "a.jpg"}, "annotations": [{"result": {"value": 1}}]}]),
            "expected a list of answers, got {'value': 1}",
        ),
    ],
)
def test_bad_ones(photos, tmp_path, content, sentence):
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(WsisError, match=sentence):
        read(photos, tmp_path / "export.json")


def test_an_address_that_is_none_is_a_name(photos, tmp_path):
    (tmp_path / "export.json").write_text(json.dumps([task(1, "http://[::1/b.jpg", annotation("Cup"))]))
    assert [path.name for path in read(photos, tmp_path / "export.json").paths] == ["b.jpg"]
