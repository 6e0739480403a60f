"""Foreign proposals of many photos: a folder with a file for each, or one COCO file for all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsis import coco_listing
from wsis.errors import WsisError
from wsis.proposals import sources

SIZE = (8, 10)


def box(left: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[2:5, left : left + 3] = True
    return mask


def one_file(place: Path, names: list[str]) -> Path:
    """A COCO file: the image of each name has a box of its own, and the id of the next by number."""
    images = [{"id": i + 1, "file_name": name} for i, name in enumerate(names)]
    shapes = [[[i, 2, i + 3, 2, i + 3, 5, i, 5]] for i in range(len(names))]
    entries = [{"image_id": i + 1, "segmentation": shape} for i, shape in enumerate(shapes)]
    place.write_text(json.dumps({"images": images, "annotations": entries}))
    return place


@pytest.mark.parametrize("ending", ["PNG", "Png", "png"])
def test_endings_in_a_folder_may_be_in_any_case(tmp_path, ending):
    Image.fromarray(box(4).astype(np.uint8)).save(tmp_path / f"up.{ending}", "PNG")
    found = sources.read(tmp_path, "up", Path("photos/up.JPG"), SIZE)
    assert np.array_equal(found.mask(0), box(4))
    with pytest.raises(WsisError, match=r"has no down.mat, .json or .png"):
        sources.read(tmp_path, "down", Path("down.jpg"), SIZE)


def test_one_file_for_a_whole_folder_is_parsed_once(tmp_path, monkeypatch):
    file, parsed, load = one_file(tmp_path / "all.json", ["0.jpg", "1.jpg", "x/2.png"]), [], coco_listing.load
    monkeypatch.setattr(coco_listing, "load", lambda path: parsed.append(path) or load(path))
    sources.check(file)
    for i, photo in enumerate(("0.jpg", "1.jpg", "2.png")):
        found = sources.read(file, str(i), tmp_path / "photos" / photo, SIZE)
        assert len(found) == 1
        assert np.array_equal(found.mask(0), box(i))
    assert parsed == [file]
    with pytest.raises(WsisError, match=r"all.json has no proposals for image '3'; it has some for 3 \(0, 1, 2\)"):
        sources.read(file, "3", tmp_path / "3.jpg", SIZE)


def test_folders_and_endings_tell_photos_of_one_name_apart(tmp_path):
    file = one_file(tmp_path / "all.json", ["cats/1.jpg", "dogs/1.jpg", "dogs/1.png"])
    for name, photo, left in (
        ("1", Path("/photos/cats/1.jpg"), 0),
        ("dogs/1", Path("/tmp/copy/1.jpg"), 1),  # of an object store: the name knows the folder
        ("dogs/1", Path("/photos/dogs/1.png"), 2),
    ):
        assert np.array_equal(sources.read(file, name, photo, SIZE).mask(0), box(left))
    with pytest.raises(WsisError, match="several images named '1'"):
        sources.read(file, "1", Path("/elsewhere/1.jpg"), SIZE)


def test_what_is_not_for_many_photos_is_refused_before_the_first(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"size": [*SIZE], "counts": [0, 80]}]))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "none.json").write_text("[]")
    (tmp_path / "a.mat").write_bytes(b"")
    for name, words in {
        "a.json": "does not say whose proposals",
        "broken.json": "not valid JSON",
        "none.json": "holds no proposals",
        "a.mat": "neither a folder of proposals nor a COCO file",
        "gone.json": "no folder or file",
    }.items():
        with pytest.raises(WsisError, match=words):
            sources.check(tmp_path / name)
    sources.check(tmp_path)
