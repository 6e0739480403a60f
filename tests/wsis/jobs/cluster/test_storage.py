from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wsis.errors import WsisError
from wsis.jobs.cluster.storage import Folder, OutputError, opened, remote


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    return Folder(str(tmp_path / "out") if request.param == "local" else request.getfixturevalue("bucket") + "/out")


def test_what_is_written_can_be_read(folder: Folder) -> None:
    folder.write("a/b/c.bin", b"\x00\x01")
    folder.write("a/text", "ümläut")
    assert folder.read("a/b/c.bin") == b"\x00\x01"
    assert folder.read("a/text").decode() == "ümläut"
    folder.write("a/text", "new")
    assert folder.read("a/text") == b"new"


def test_names_are_of_files_of_one_folder(folder: Folder) -> None:
    assert folder.names("a") == set()
    for name in ("a/1", "a/2", "a/b/3"):
        folder.write(name, b"x")
    assert folder.names("a") == {"1", "2"}
    folder.remove("a")
    assert folder.names("a") == folder.names("a/b") == set()
    folder.remove("a")


def test_a_missing_file_is_missing(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("nothing")


def test_an_error_leaves_the_old_file_and_nothing_else(folder: Folder) -> None:
    folder.write("below/file", b"old")
    with pytest.raises(RuntimeError, match="halfway"), folder.writing("below/file") as stream:
        stream.write(b"new")
        raise RuntimeError("halfway")
    assert folder.names("below") == {"file"}
    assert folder.read("below/file") == b"old"


def test_what_cannot_be_written_is_no_photos_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        Folder(str(tmp_path / "file")).write("below/it", b"x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wsis.jobs.cluster.storage

    class Fixed:
        hex = "full"

    monkeypatch.setattr(wsis.jobs.cluster.storage.uuid, "uuid4", Fixed)
    (tmp_path / ".full.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        Folder(str(tmp_path)).write("file", b"x" * 2**20)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("place", ["http://example.org/x", "ftp://example.org/x", "nothing://x"])
def test_unknown_storage_is_refused(place: str) -> None:
    with pytest.raises(WsisError, match="Known are local paths"):
        opened(place)


def test_keys_stay_out_of_addresses() -> None:
    with pytest.raises(WsisError, match="environment"):
        opened("s3://key:secret@bucket/photos")


def test_remote() -> None:
    assert remote("s3://bucket/x")
    assert not remote("/data/a:b")
    assert not remote("/data/a://b")


def test_local_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert opened("in")[1] == str(tmp_path / "in")


def test_a_local_folder_that_is_no_utf8(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="Choose another --out"):
        opened(f"{tmp_path}/caf\udce9")
