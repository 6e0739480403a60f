"""Files by stem, and lists of photos, in whatever way a system or an editor writes them."""

from __future__ import annotations

import codecs

import pytest

from wsis import photo_names

KNOWN = ("a", "my cat", "cat 1", "cat", "2007_000063", "b.v2", "caf\u00e9", "#1")


@pytest.mark.parametrize("written", ["a.png", "a.PNG", "a.Png", "a.pNg"])
def test_endings_are_found_in_any_case(tmp_path, written):
    (tmp_path / written).write_bytes(b"")
    assert photo_names.find(tmp_path, "a", (".mat", ".png")) == tmp_path / written
    assert photo_names.find(tmp_path.parent, f"{tmp_path.name}/a", (".png",)) == tmp_path / written
    assert photo_names.find(tmp_path, "A", (".png",)) is None
    assert photo_names.find(tmp_path / "nowhere", "a", (".png",)) is None


def test_the_first_ending_counts_and_dots_stay(tmp_path):
    for name in ("a.v2.json", "a.v2.mat", "a.png", "cafe\u0301.png"):
        (tmp_path / name).write_bytes(b"")
    assert photo_names.find(tmp_path, "a.v2", (".mat", ".json")) == tmp_path / "a.v2.mat"
    assert photo_names.find(tmp_path, "caf\u00e9", (".png",)) == tmp_path / "cafe\u0301.png"


def test_a_folder_that_grows_is_looked_at_again(tmp_path):
    assert photo_names.find(tmp_path, "a", (".png",)) is None
    (tmp_path / "a.pNg").write_bytes(b"")
    assert photo_names.find(tmp_path, "a", (".png",)) == tmp_path / "a.pNg"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("a", "a"), ("a.jpg", "a"), ("JPEGImages/a.jpg", "a"), ("x\\a.JPG", "a"), ("a 1", "a"), ("a\t-1", "a"),
        ("a,dog", "a"), ("  a  ", "a"), ('"my cat.jpg"', "my cat"), ("my cat", "my cat"), ("cat 1", "cat 1"),
        ("cat 0", "cat"),
        ("a # good", "a"), ("#1", "#1"), ("b.v2", "b.v2"), ("b.v2.png", "b.v2"), ("cafe\u0301.jpg", "caf\u00e9"),
        ("2007_000063", "2007_000063"), ("x/a.jpg x/a.png", "a"), ("else 1", "else"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_a_list(line, name, end):
    assert photo_names.listed(f"# made by hand{end}{end}{line}{end}".encode(), KNOWN) == [name]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + "a\r\ncaf\u00e9\r\n".encode(),
        "a\ncaf\u00e9".encode("utf-16"),
        codecs.BOM_UTF16_BE + "a\ncaf\u00e9".encode("utf-16-be"),
        "a\ncaf\u00e9".encode("utf-16-le"),
        "a\ncaf\u00e9".encode("utf-32"),
        "a\ncaf\u00e9".encode("cp1252"),
    ],
)
def test_encodings_of_a_list(content):
    assert photo_names.listed(content, KNOWN) == ["a", "caf\u00e9"]


def test_a_list_may_name_files_by_windows_paths(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"")
    assert photo_names.below(tmp_path, "x\\a.jpg") == tmp_path / "x" / "a.jpg"
    assert (
        photo_names.below(tmp_path, "C:\\data\\b.jpg")
        == photo_names.below(tmp_path, "data/b.jpg")
        == tmp_path / "b.jpg"
    )
    assert photo_names.below(tmp_path, "gone.jpg") == tmp_path / "gone.jpg"
