from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsis.errors import WsisError
from wsis.photo_lists import Photo, _named, collect
from wsis.storage import Folder

FILES = ("b.jpg", "a.png", "notes.txt", ".hidden.jpg", "deep/er/c.JPG", "deep/.cache/d.jpg", "deep/a.png")


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    root = str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket")
    for name in FILES:
        Folder(root).write(name, b"content")
    return root


def names(*sources: str, **options: str) -> list[str]:
    return [photo.name for photo in collect(sources, **options).photos]


def test_a_folder_is_read_with_those_below(root: str) -> None:
    found = collect([root])
    assert [photo.name for photo in found.photos] == ["a", "b", "deep/a", "deep/er/c"]
    assert [photo.path for photo in found.photos] == [
        f"{root}/{name}" for name in ("a.png", "b.jpg", "deep/a.png", "deep/er/c.JPG")
    ]
    assert found.skipped == 1
    assert not found.doubles


def test_patterns(root: str) -> None:
    assert names(f"{root}/*.png") == ["a"]
    assert names(f"{root}/*") == ["a", "b"]
    assert names(f"{root}/**/*.[jp][pn]g") == ["a", "b", "deep/a"]
    assert names(f"{root}/deep/*/*.JPG") == ["c"]
    with pytest.raises(WsisError, match="no photo"):
        collect([f"{root}/*.webp"])


def test_each_photo_counts_once(root: str) -> None:
    assert names(root, f"{root}/*.png", f"{root}/b.jpg") == ["a", "b", "deep/a", "deep/er/c"]


def test_parquet_of_paths(root: str, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "path": [f"{root}/b.jpg", f"{root}/deep/a.png", f"{root}/gone.jpg"]})
    pq.write_table(table, tmp_path / "list.parquet")
    found = collect([str(tmp_path / "list.parquet")])
    assert [photo.name for photo in found.photos] == ["b", "deep/a", "gone"]


def test_parquet_beside_the_photos(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["x/1.jpg", "../2.jpg"]}), tmp_path / "list.parquet")
    found = collect([str(tmp_path / "list.parquet")], column="image")
    assert [photo.path for photo in found.photos] == [f"{tmp_path}/../2.jpg", f"{tmp_path}/x/1.jpg"]
    assert [photo.name for photo in found.photos] == ["2", f"{tmp_path.name}/x/1"]


@pytest.mark.parametrize(
    ("columns", "column", "says"),
    [
        ({"a": ["x"]}, None, "it has a. Name one with --column"),
        ({"path": ["x"]}, "b", "no column b"),
        ({"path": ["x", None]}, None, "must hold a path in every row"),
        ({"path": [1, 2]}, None, "must hold a path in every row"),
    ],
)
def test_parquet_that_does_not_fit(tmp_path: Path, columns: dict, column: str | None, says: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    with pytest.raises(WsisError, match=says):
        collect([str(tmp_path / "list.parquet")], column)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(WsisError, match="cannot be read as parquet"):
        collect([str(tmp_path / "list.parquet")])
    with pytest.raises(WsisError, match="cannot be read as parquet"):
        collect([str(tmp_path / "gone.parquet")])


def test_names_that_collide_are_set_aside(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = collect([str(tmp_path)])
    assert [photo.name for photo in found.photos] == ["a", "b"]
    ((photo, reason),) = found.doubles
    assert photo == Photo("a", f"{tmp_path}/a.png")
    assert "would overwrite the results of" in reason


def test_a_file_that_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "cat[1].jpg").write_bytes(b"")
    assert names(str(tmp_path / "cat[1].jpg")) == ["cat[1]"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="There is no file or folder"):
        collect([str(tmp_path / "nothing")])
    with pytest.raises(WsisError, match="There is no photo in"):
        collect([str(tmp_path)])


PIECE = st.text(st.characters(codec="utf-8", exclude_characters="/\0?"), min_size=1, max_size=8)


@given(st.sets(st.lists(PIECE, min_size=1, max_size=4).map("/".join), min_size=1, max_size=6), st.booleans())
def test_no_name_leads_out_of_the_results(paths: set[str], stored: bool) -> None:
    for photo in _named([f"s3://{path}" if stored else f"/{path}" for path in sorted(paths)]):
        assert not photo.name.startswith("/")
        assert ".." not in photo.name.split("/")
        assert photo.name
