"""CVAT's exports of image classification, written as it writes them.

https://docs.cvat.ai/docs/dataset_management/formats/xml_format/, .../format-datumaro/, .../format-imagenet/, and
https://github.com/cvat-ai/cvat/blob/develop/cvat/apps/dataset_manager/formats/imagenet.py (lists where photos stay out)
"""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.helpers.labelled_photos import shown, write
from wsis.errors import WsisError
from wsis.labels.read import read

PHOTOS = {"a b.jpg": {"cup"}, "b.jpg": {"cup", "tea pot"}, "c.jpg": set()}
XML = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <name>tea</name>
      <size>3</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <labels>
        <label><name>tea pot</name><color>#2080c0</color><type>any</type><attributes></attributes></label>
        <label><name>cup</name><color>#fafa37</color><type>any</type><attributes></attributes></label>
      </labels>
    </task>
    <dumped>2026-03-09 22:16:08.728353+00:00</dumped>
  </meta>
  <image id="0" name="photos/a b.jpg" width="32" height="24">
    <tag label="cup" source="manual">
    </tag>
  </image>
  <image id="1" name="photos/b.jpg" width="32" height="24">
    <tag label="cup" source="manual">
    </tag>
    <box label="tea pot" source="manual" occluded="0" xtl="1.0" ytl="1.0" xbr="9.0" ybr="9.0" z_order="0">
    </box>
  </image>
  <image id="2" name="photos/c.jpg" width="32" height="24">
  </image>
</annotations>
"""
DATUMARO = {
    "dm_format_version": "1.0",
    "media_type": 2,
    "infos": {},
    "categories": {
        "label": {
            "labels": [{"name": name, "parent": "", "attributes": []} for name in ("tea pot", "cup")],
            "label_groups": [],
            "attributes": ["occluded"],
        },
    },
    "items": [
        {
            "id": "photos/a b",
            "annotations": [{"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": 1}],
            "attr": {"frame": 0},
            "image": {"path": "photos/a b.jpg", "size": [24, 32]},
        },
        {
            "id": "photos/b",
            "annotations": [
                {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": 1},
                {
                    "id": 0,
                    "type": "bbox",
                    "attributes": {},
                    "group": 0,
                    "label_id": 0,
                    "z_order": 0,
                    "bbox": [1, 1, 8, 8],
                },
            ],
            "attr": {"frame": 1},
            "image": {"path": "photos/b.jpg", "size": [24, 32]},
        },
        {"id": "photos/c", "annotations": [], "attr": {"frame": 2}, "image": {"path": "", "size": [24, 32]}},
    ],
}


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", *PHOTOS)


def test_xml_of_images(photos, tmp_path):
    (tmp_path / "annotations.xml").write_text(XML)
    labels = read(photos, tmp_path / "annotations.xml")
    assert shown(labels) == PHOTOS
    assert labels.classes == ("tea pot", "cup")
    assert labels.kind == "CVAT's XML"


def test_datumaro(photos, tmp_path):
    (tmp_path / "default.json").write_text(json.dumps(DATUMARO))
    labels = read(photos, tmp_path / "default.json")
    assert shown(labels) == PHOTOS
    assert labels.classes == ("tea pot", "cup")


def test_imagenet_lists(photos, tmp_path):
    (tmp_path / "synsets.txt").write_text("tea pot\ncup\n")
    (tmp_path / "default.txt").write_text('"photos/a b".jpg 1\nphotos/b.jpg 1 0\nphotos/c.jpg\n')
    assert shown(read(photos, tmp_path)) == PHOTOS


@pytest.mark.parametrize(
    "files",
    [
        {"annotations.xml": XML},
        {"annotations/default.json": json.dumps(DATUMARO)},
        {"synsets.txt": "tea pot\ncup\n", "default.txt": '"photos/a b".jpg 1\nphotos/b.jpg 1 0\nphotos/c.jpg\n'},
    ],
)
def test_the_zip_as_it_was_exported_and_unpacked_beside_its_photos(photos, tmp_path, files):
    with zipfile.ZipFile(tmp_path / "tea.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert shown(read(photos, tmp_path / "tea.zip")) == PHOTOS
    zipfile.ZipFile(tmp_path / "tea.zip").extractall(tmp_path)
    assert shown(read(tmp_path)) == PHOTOS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<annotations><track id='0' label='cup'/></annotations>", "is of a video"),
        ("<annotations></annotations>", "say nothing of any photo"),
        ("<annotation></annotation>", "no export of CVAT: it begins with <annotation>"),
        ("<annotations>", "The XML is damaged"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "defines entities"),
    ],
)
def test_bad_xml(photos, tmp_path, content, sentence):
    (tmp_path / "annotations.xml").write_text(content)
    with pytest.raises(WsisError, match=sentence):
        read(photos, tmp_path / "annotations.xml")


def test_bad_lists(photos, tmp_path):
    (tmp_path / "default.json").write_text(json.dumps({**DATUMARO, "items": [{"id": "a"}]}))
    with pytest.raises(WsisError, match="Datumaro's items or labels are not as it writes them"):
        read(photos, tmp_path / "default.json")
    strange = {"id": "a", "annotations": [{"label_id": -1}]}
    (tmp_path / "default.json").write_text(json.dumps({**DATUMARO, "items": [strange]}))
    with pytest.raises(WsisError, match="Datumaro's items or labels are not as it writes them"):
        read(photos, tmp_path / "default.json")
    strange = {"id": "a", "annotations": [], "image": {"path": 5}}
    (tmp_path / "default.json").write_text(json.dumps({**DATUMARO, "items": [strange]}))
    with pytest.raises(WsisError, match="expected the name of a photo or class, got 5"):
        read(photos, tmp_path / "default.json")
    (tmp_path / "default.json").unlink()
    (tmp_path / "synsets.txt").write_text("cup\n")
    with pytest.raises(WsisError, match=r"holds synsets\.txt, but no list of photos"):
        read(photos, tmp_path)
    (tmp_path / "default.txt").write_text("a.jpg 7\n")
    with pytest.raises(WsisError, match=r"default\.txt: expected a photo and numbers below 1, got 'a\.jpg 7'"):
        read(photos, tmp_path)
    (tmp_path / "empty.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(WsisError, match="holds no labels: expected"):
        read(photos, tmp_path / "empty.zip")
