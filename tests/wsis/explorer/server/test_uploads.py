"""Uploads: which go when room runs out, and what is no upload."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio.utils import get_upload_folder

from tests.helpers.bad_files import NAMES, encoded, picture
from wsis.errors import WsisError
from wsis.explorer.server import uploads
from wsis.explorer.server.turns import RefusedError


def put(folder, name, size, age=0.0):
    path = folder / name / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


def test_the_oldest_uploads_go_and_the_young_stay(tmp_path):
    shelf = uploads.Shelf(1, tmp_path)
    oldest, old, young = (put(tmp_path, name, 400_000, age) for name, age in (("c", 9000), ("a", 8000), ("b", 10)))
    assert shelf.held == 1_200_000
    with shelf.arrival("anna", 200_000):
        assert not oldest.parent.exists()
        assert old.exists()
        assert young.exists()
        with pytest.raises(RefusedError, match="as many uploads as it can"), shelf.arrival("ben", 250_000 * 2 // 2):
            put(tmp_path, "d", 500_000)
            with shelf.arrival("cleo", 200_000):
                pytest.fail("there is no room")
    assert young.exists()


def test_one_address_fills_no_more_than_its_share(tmp_path):
    shelf = uploads.Shelf(4, tmp_path)
    with shelf.arrival("anna", 2**20 - 10), pytest.raises(RefusedError, match="Your address has uploaded much"):
        shelf.arrival("anna", 100).__enter__()
    with shelf.arrival("ben", 2**20), shelf.arrival(None, 2**20 + 5):
        pass


def test_a_full_disk_takes_no_upload(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda folder: SimpleNamespace(free=uploads.FREE + 50))
    shelf = uploads.Shelf(4, tmp_path)
    with shelf.arrival("anna", 40), pytest.raises(RefusedError, match="no room for uploads"):
        shelf.arrival("ben", 20).__enter__()


def test_many_tiny_files_go_too(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "FILES", 3)
    files = [put(tmp_path, str(number), 1, 100 - number) for number in range(5)]
    with uploads.Shelf(1, tmp_path).arrival("anna", 1):
        assert [file.exists() for file in files] == [False, False, True, True, True]


def test_a_photo_with_too_many_pixels_is_refused_from_its_header(monkeypatch):
    folder = Path(get_upload_folder()) / "wsis-tests"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "large.png"
    path.write_bytes(encoded(picture(300, 400), "PNG"))
    assert uploads.photo(path, 120_000).shape == (300, 400, 3)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(WsisError, match=r"400 x 300 pixels; at most 0\.1 megapixels are taken here"):
        uploads.photo(path, 100_000)


@pytest.mark.parametrize("name", [*NAMES, "/proc/self/environ", "../gradio/x", None, 5, ["a"], {"path": "/etc/passwd"}])
def test_an_upload_is_what_was_uploaded_here(name, tmp_path, monkeypatch):
    folder = tmp_path / "uploads"
    folder.mkdir()
    (tmp_path / "uploads-of-others").mkdir()
    (tmp_path / "uploads-of-others" / "a.png").write_bytes(b"x")
    (folder / "link.png").symlink_to("/etc/passwd")
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(folder))
    tried = [str(name), f"{folder}/{name}", f"{folder}/../uploads-of-others/a.png", f"{folder}/link.png", str(folder)]
    for path in tried:
        with pytest.raises(WsisError, match="did not arrive"):
            uploads.uploaded(Path(path))
    (folder / "a.png").write_bytes(b"x")
    assert uploads.uploaded(folder / "a.png") == (folder / "a.png").resolve()
