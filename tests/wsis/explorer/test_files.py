"""Downloads: every kind, names from strangers, and a folder that forgets."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.helpers.bad_files import NAMES
from tests.helpers.small_analysis import empty_scene, small_analysis
from wsis import edits, photo_sets
from wsis.errors import WsisError
from wsis.explorer import downloads, files, growth
from wsis.explorer.scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene(small_analysis(), photo="my cat.jpg")


@pytest.fixture
def folder() -> files.Folder:
    return files.Folder("a fast GPU")


@pytest.mark.parametrize("kind", files.WRITERS)
def test_every_download_is_named_after_the_photo(scene, folder, kind):
    path = folder.write(kind, scene, "tiny")
    assert path.name == f"my cat-{files.WRITERS[kind][0]}"
    content = path.read_bytes()
    if path.suffix == ".png":
        assert Image.open(io.BytesIO(content)).format == "PNG"
    elif path.suffix == ".zip":
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    elif path.suffix == ".npz":
        assert np.load(io.BytesIO(content), allow_pickle=False)["maps"].shape == scene.analysis.maps.shape
    elif kind == "COCO data set":
        assert [one["category_id"] for one in json.loads(content)["annotations"]] == [8, 12]
    elif kind == "Edits":
        assert edits.read(content).edits == ()
    elif path.suffix == ".json":
        assert [entry["category_name"] for entry in json.loads(content)] == ["cat", "dog"]
    elif path.suffix in (".gif", ".mp4"):
        assert len(content) <= growth.MOST_BYTES
    else:
        assert content.startswith(b"<!doctype html>")
        assert b"a fast GPU" in content


def test_one_instance_as_mask_and_as_json(scene, folder):
    for index, one in enumerate(scene.found):
        png = folder.write("instance-png", scene, "tiny", index)
        assert png.name == f"my cat-{one.name}-{index + 1}.png"
        assert (np.array(Image.open(png)) == 255 * scene.analysis.mask(one)).all()
        (entry,) = json.loads(folder.write("instance-json", scene, "tiny", index).read_text())
        assert (coco_mask.decode(entry["segmentation"]) == scene.analysis.mask(one)).all()
    for index in (-1, 2):
        with pytest.raises(WsisError, match="no longer on the screen"):
            folder.write("instance-png", scene, "tiny", index)


def test_the_bundle_follows_step_and_weights_and_lists_its_files(scene, folder):
    naive = replace(scene, chosen_step=0)
    with zipfile.ZipFile(folder.write("Bundle", naive, "tiny")) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content.pop("manifest.json"))
    assert manifest["step"] == 0
    assert manifest["weights"] == {"alpha": 0.95, "beta": 0.1, "gamma": 0.8}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in content.items()
    }
    assert content["report.html"].startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cat.jpg", "cat"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.png", "cat"),
        ("a\x00b\nc\u202ed.jpg", "abcd"),
        ('<a>:"b"|?*.png', "_a___b____"),
        ("Größe 猫.jpeg", "Größe 猫"),
        ("e\u0301t\u00e9.jpg", "été"),
        ("", "photo"),
        ("..", "photo"),
        (" . .jpg", "photo"),
        (".jpg", "jpg"),
        ("con.jpg", "_con"),
        ("LPT1", "_LPT1"),
        ("nul.tar.gz", "_nul.tar"),
        ("icon.png", "icon"),
        ("\ud800cat.png", "cat"),
    ],
)
def test_stems_are_safe(name, stem):
    assert files.safe_stem(name) == stem


def test_long_names_are_cut_between_letters():
    for letter in ("a", "é", "猫", "🐈"):
        stem = files.safe_stem(letter * 300 + ".jpg")
        assert files.LONGEST - 4 < len(stem.encode()) <= files.LONGEST
        assert set(stem) == {letter}


def test_a_strangers_name_stays_in_the_folder(scene, folder):
    path = folder.write("Overlay", replace(scene, photo="../../../../tmp/" + "x" * 300 + "/..\\..\\evil.jpg"), "tiny")
    assert path.name == "evil-overlay.png"
    assert path.is_relative_to(Path(folder._home.name))


def test_nobody_can_guess_a_path_and_old_files_go(scene, folder):
    first, second = (folder.write("COCO JSON", scene, "tiny") for _ in range(2))
    assert first.parent != second.parent
    assert len(first.parent.name) >= 20
    os.utime(first.parent, (0, 0))
    folder.write("COCO JSON", scene, "tiny")
    assert not first.exists()
    assert second.exists()


def test_what_cannot_be_downloaded_is_said(scene, folder):
    with pytest.raises(WsisError, match="Switch a class on"):
        folder.write("COCO JSON", empty_scene(), "tiny")
    with pytest.raises(WsisError, match="There is no download 'PDF'"):
        folder.write("PDF", scene, "tiny")


@pytest.mark.parametrize("name", NAMES)
def test_a_download_lies_in_its_own_folder_whatever_the_photo_is_called(name, tmp_path):
    stem = files.safe_stem(name)
    file = tmp_path / f"{stem}-overlay.png"
    file.write_bytes(b"")
    assert file.resolve().parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert 0 < len(stem.encode()) <= files.LONGEST + 1
    assert stem.isprintable()
    assert not photo_sets._DEVICE.match(stem)


def test_a_data_set_that_pycocotools_opens(scene, folder, capsys):
    found = COCO(str(folder.write("COCO data set", scene, "tiny")))
    assert found.imgs == {1: {"id": 1, "file_name": "my cat.jpg", "width": 128, "height": 96}}
    assert len(found.anns) == len(scene.found) == 2
    for one, instance in zip(found.anns.values(), scene.found, strict=True):
        assert (found.annToMask(one) == scene.analysis.mask(instance)).all()
        assert found.cats[one["category_id"]]["name"] == instance.name


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=60) | st.text("./\\ a\0:*", max_size=12))
def test_members_of_a_zip_stay_in_their_folder(name: str) -> None:
    analysis, stem = small_analysis(), files.safe_stem(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voc.zip")
        path.write_bytes(downloads.voc_zip(analysis, analysis.instances(), stem))
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == [f"semantic/{stem}.png", f"instance/{stem}.png"]
            archive.extractall(Path(folder, "out"))
        left = [one for one in Path(folder).rglob("*") if one.is_file()]
        assert sorted(one.relative_to(folder).parts[0] for one in left) == ["out", "out", "voc.zip"]


def test_lists_hold_the_unsure_on_request_and_pictures_never(scene, folder):
    high = replace(scene.analysis.settings, semantic_threshold=0.85)
    asked = (Scene(replace(scene.analysis, settings=high), with_unsure=flag) for flag in (False, True))
    for one, names in zip(asked, (["cat"], ["cat", "dog"]), strict=True):
        assert [instance.name for instance in (*one.found, *one.unsure)] == ["cat", "dog"]
        content = {kind: folder.write(kind, one, "tiny").read_bytes() for kind in ("COCO JSON", "COCO data set")}
        entries = json.loads(content["COCO JSON"])
        assert [(entry["category_name"], entry["instance"]) for entry in entries] == list(
            zip(names, (1, 0), strict=False)
        )
        annotations = json.loads(content["COCO data set"])["annotations"]
        assert [annotation.get("unsure", False) for annotation in annotations] == [False, True][: len(names)]
        with zipfile.ZipFile(folder.write("Bundle", one, "tiny")) as packed:
            assert len(json.loads(packed.read("instances.json"))) == len(names)
            index = np.asarray(Image.open(io.BytesIO(packed.read("instance/photo.png"))))
        assert set(np.unique(index)) == {0, 1}
    alone = json.loads(folder.write("instance-json", one, "tiny", 1).read_bytes())
    assert [(entry["category_name"], entry["instance"]) for entry in alone] == [("dog", 0)]
