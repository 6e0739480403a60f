from __future__ import annotations

from pathlib import Path

import pytest

from wsis import files
from wsis.errors import WsisError


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type) -> None:
    path = tmp_path / "instances.json"
    files.write(path, "old")
    with pytest.raises(error), files.writing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WsisError, match="cannot be written"):
        files.write(tmp_path / "file" / "instances.json", "[]")


def test_waiting_for_the_disk_changes_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "made" / "last.ckpt"
    with files.writing(path, fsync=True) as temporary:
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(WsisError, match="cannot be written: No such file"), files.writing(path, fsync=True):
        pass  # nothing was written
    assert list(path.parent.iterdir()) == [path]
