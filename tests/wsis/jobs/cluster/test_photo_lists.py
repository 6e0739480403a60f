from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsis.errors import WsisError
from wsis.jobs.cluster.photo_lists import Photo, _named, listed
from wsis.jobs.cluster.storage import Folder

FILES = ("b.jpg", "a.png", "notes.txt", ".hidden.jpg", "deep/er/c.JPG", "deep/.cache/d.jpg", "deep/a.png")


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    root = str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket")
    for name in FILES:
        Folder(root).write(name, b"content")
    return root


def names(*sources: str, **options: str) -> list[str]:
    return [photo.name for photo in listed(sources, **options).photos]


def test_a_folder_is_read_with_those_below(root: str) -> None:
    found = listed([root])
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
        listed([f"{root}/*.webp"])


def test_each_photo_counts_once(root: str) -> None:
    assert names(root, f"{root}/*.png", f"{root}/b.jpg") == ["a", "b", "deep/a", "deep/er/c"]


def test_parquet_of_paths(root: str, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "path": [f"{root}/b.jpg", f"{root}/deep/a.png", f"{root}/gone.jpg"]})
    pq.write_table(table, tmp_path / "list.parquet")
    found = listed([str(tmp_path / "list.parquet")])
    assert [photo.name for photo in found.photos] == ["b", "deep/a", "gone"]


def test_parquet_beside_the_photos(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["x/1.jpg", "../2.jpg"]}), tmp_path / "list.parquet")
    found = listed([str(tmp_path / "list.parquet")], column="image")
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
        listed([str(tmp_path / "list.parquet")], column)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(WsisError, match="cannot be read as parquet"):
        listed([str(tmp_path / "list.parquet")])
    with pytest.raises(WsisError, match="cannot be read as parquet"):
        listed([str(tmp_path / "gone.parquet")])


def test_names_that_collide_are_set_aside(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = listed([str(tmp_path)])
    assert [photo.name for photo in found.photos] == ["a", "b"]
    ((photo, reason),) = found.doubles
    assert photo == Photo("a", f"{tmp_path}/a.png")
    assert "would overwrite the results of" in reason


def test_a_file_that_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "cat[1].jpg").write_bytes(b"")
    assert names(str(tmp_path / "cat[1].jpg")) == ["cat[1]"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="There is no file or folder"):
        listed([str(tmp_path / "nothing")])
    with pytest.raises(WsisError, match="There is no photo in"):
        listed([str(tmp_path)])


PIECE = st.text(st.characters(codec="utf-8", exclude_characters="/\0?"), min_size=1, max_size=8)


@given(st.sets(st.lists(PIECE, min_size=1, max_size=4).map("/".join), min_size=1, max_size=6), st.booleans())
def test_no_name_leads_out_of_the_results(paths: set[str], stored: bool) -> None:
    for photo in _named([f"s3://{path}" if stored else f"/{path}" for path in sorted(paths)]):
        assert not photo.name.startswith("/")
        assert ".." not in photo.name.split("/")
        assert photo.name


def test_local_names_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = (
        "why? 1.jpg",
        "why? 2.jpg",
        "a#b@c:d.jpg",
        "50%.jpg",
        "[x].jpg",
        "~me.jpg",
        "x*.jpg",
        "two\nlines.jpg",
        "-x.jpg",
    )
    for name in odd:
        (tmp_path / name).write_bytes(b"")
    assert names(str(tmp_path)) == sorted(name[:-4] for name in odd)
    assert names(*(f"{tmp_path}/{name}" for name in odd)) == sorted(name[:-4] for name in odd)
    monkeypatch.chdir(tmp_path)
    assert names("~me.jpg") == ["~me"]
    (tmp_path / "s3:" / "bucket[1]").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket[1]" / "a.jpg").write_bytes(b"")
    assert names("s3://bucket[1]/a.jpg") == names("s3:/bucket[1]/*.jpg") == names(f"{tmp_path}/s3://bucket[1]") == ["a"]
    pq.write_table(pa.table({"path": ["why? 1.jpg", "50%.jpg"]}), tmp_path / "list? #1.parquet")
    assert names("list? #1.parquet") == ["50%", "why? 1"]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    for name in (b"caf\xe9", b"caf\xc3\xa9"):
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        folder.mkdir()
        (folder / os.fsdecode(name + b".jpg")).write_bytes(b"")
    found = listed([str(tmp_path)])
    assert sorted(photo.name for photo in found.photos) == ["caf%E9/caf%E9", "caf\xe9/caf\xe9"]
    assert all(Path(photo.path).is_file() for photo in found.photos)


def test_each_photo_counts_once_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cat.png").write_bytes(b"")
    (tmp_path / "one" / "alias.png").symlink_to("cat.png")
    (tmp_path / "one" / "round").symlink_to(tmp_path)
    (tmp_path / "all").symlink_to("one")
    monkeypatch.chdir(tmp_path)
    found = listed(["one/cat.png", "one/../one/cat.png", f"{tmp_path}/one/cat.png", "all/*.png", "one", str(tmp_path)])
    assert [Path(photo.path).name for photo in found.photos] == ["cat.png"]
    assert not found.doubles
    assert names(str(tmp_path)) == ["cat"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_links_that_lead_nowhere_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names(str(tmp_path)) == names(f"{tmp_path}/*") == ["gone", "pipe"]
    assert names(str(tmp_path / "gone.jpg")) == ["gone"]


def test_folders_that_cannot_be_listed_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.jpg", "closed/2.jpg"):
        Folder(str(tmp_path)).write(name, b"")
    scandir = os.scandir

    def refused(place: str):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)
    found = listed([str(tmp_path)])
    assert [photo.name for photo in found.photos] == ["1"]
    assert [reason for _, reason in found.doubles] == [f"{tmp_path}/closed cannot be listed: Permission denied."]
    with pytest.raises(WsisError, match="Permission denied"):
        listed([str(tmp_path / "closed")])


@pytest.mark.parametrize("mark", ["job.json", "manifest.json"])
def test_results_are_no_photos(root: str, mark: str) -> None:
    whose = {
        "job.json": '{"model": "x", "networks": {}}',
        "manifest.json": '{"model": {}, "versions": {}, "format": 1}',
    }
    out = Folder(f"{root}/deep/results")
    for name in ("overlay/a.jpg", "semantic/deep/a.png", "figure/b.png", "instances.json", "shards/0-photos.parquet"):
        out.write(name, b"[]")
    out.write(mark, '{"model": "of another program"}')
    assert len(names(root)) == 7
    out.write(mark, whose[mark])
    assert names(root) == ["a", "b", "deep/a", "deep/er/c"]
    assert listed([root]).skipped == 1
    assert names(f"{root}/**/*.png") == ["a", "deep/a"]
    with pytest.raises(WsisError, match="no photo"):
        listed([f"{root}/deep/results/overlay"])


def test_a_folder_called_like_anothers_results(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png/b.jpg", "c.jpg/d.jpg"):
        Folder(str(tmp_path)).write(name, b"")
    found = listed([str(tmp_path)])
    assert [photo.name for photo in found.photos] == ["a", "c.jpg/d"]
    assert "lies in a folder called like the results of" in found.doubles[0][1]


def test_a_disk_that_takes_capitals_for_small_letters(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = listed([str(tmp_path)])
    assert len(found.photos) == 2
    assert not found.doubles
    apart = found.apart(str.casefold)
    assert (len(apart.photos), len(apart.doubles)) == (1, 1)
