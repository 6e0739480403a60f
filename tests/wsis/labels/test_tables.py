"""Labels in tables."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.helpers.labelled_photos import shown, write
from wsis.errors import WsisError
from wsis.labels import tables
from wsis.labels.read import listed, read

NAMES = {"a.jpg": {"cup"}, "b.jpg": {"cup", "tea pot"}, "c.jpg": set()}
COLUMNS = {"a.jpg": {"cup", "?tea pot"}, "b.jpg": {"cup", "tea pot"}, "c.jpg": set()}


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", *NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "image,labels\na.jpg,cup\nb.jpg,cup;tea pot\nc.jpg,\n",
        "image,label\na.jpg,cup\nb.jpg,cup|tea pot\nc.jpg,\n",
        'file_name,classes\na.jpg,cup\nb.jpg,"cup, tea pot"\nc.jpg,\n',
        "Image,Labels\na.jpg,cup\nb.jpg,cup,tea pot\nc.jpg,\n",
        "labels;image\ncup;a.jpg\ncup, tea pot;b.jpg\n;c.jpg\n",
        "image\tlabels\na.jpg\tcup\nb.jpg\tcup,tea pot\nc.jpg\t\n",
        "a.jpg,cup\nb.jpg,cup;tea pot\nc.jpg,\n",
        '"image","labels"\r\n"a.jpg","cup"\r\n"b.jpg","tea pot;cup"\r\n"c.jpg",""\r\n\r\n',
        "photo,what it shows\nphotos\\a.jpg,cup\nphotos/b.jpg,cup; tea  pot\nc,\n",
        "image,width,labels,split\na.jpg,640,cup,train\nb.jpg,640,cup;tea pot,val\nc.jpg,640,,val\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_of_classes_in_a_cell(photos, tmp_path, text, encoding):
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    assert shown(read(photos, tmp_path / "labels.csv")) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "image,cup,tea pot\na.jpg,1,\nb.jpg,1,1\nc.jpg,0,0\n",
        "image;cup;tea pot\r\na.jpg;yes;?\r\nb.jpg;Yes;1.0\r\nc.jpg;no;FALSE\r\n",
        'image\t"cup"\t"tea pot"\na.jpg\t1\tNaN\nb.jpg\t1\t1\nc.jpg\t0\t0',
    ],
)
def test_a_column_a_class_where_nothing_is_unknown(photos, tmp_path, text):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    assert shown(read(photos, tmp_path / "labels.csv")) == COLUMNS


def test_names_with_letters_of_any_language_and_a_comma(photos, tmp_path):
    write(photos, "Gänseblümchen 1.jpg")
    text = 'image,labels\n"Gänseblümchen 1.jpg","Gänseblümchen, weiß|Blüte"\n'
    (tmp_path / "labels.csv").write_bytes(text.encode("cp1252"))
    labels = read(photos, tmp_path / "labels.csv")
    assert shown(labels) == {"Gänseblümchen 1.jpg": {"Blüte", "Gänseblümchen, weiß"}}


def test_a_table_beside_the_photos_is_found(photos):
    (photos / "labels.csv").write_text("image,labels\na.jpg,cup\n")
    assert shown(read(photos)) == {"a.jpg": {"cup"}}


def test_rows_of_one_photo_are_put_together_and_what_contradicts_is_unknown(photos, tmp_path):
    (tmp_path / "labels.csv").write_text("image,cup,pot\na.jpg,1,\na.jpg,0,1\nb.jpg,1,0\n")
    labels = read(photos, tmp_path / "labels.csv")
    assert shown(labels) == {"a.jpg": {"?cup", "pot"}, "b.jpg": {"cup"}}
    assert labels.contradicting == (("a.jpg", "cup"),)


def test_missing_photos_are_told_and_the_rest_counts(photos, tmp_path):
    (tmp_path / "labels.csv").write_text("image,labels\na.jpg,cup\nelsewhere.jpg,cup\n")
    labels = read(photos, tmp_path / "labels.csv")
    assert shown(labels) == {"a.jpg": {"cup"}}
    assert labels.missing == ("elsewhere.jpg",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"labels\.csv is empty"),
        (b"image,labels\n", "has a header, but no row"),
        (b"image\na.jpg\n", "has one column only"),
        (b"word,labels\nhello,cup\n", "has no column of photos; its columns are word, labels. Call one 'image'"),
        (b"image,cup,width\na.jpg,1,640\n", "row 2: the column 'width' holds '640'. A class's column holds 1, 0 or"),
        (b"image,cup,cup\na.jpg,1,0\n", "two of one name"),
        (b"image,labels\nx.jpg,cup\ny.jpg,cup\n", "None of the 2 photos that the labels name is in .*'x.jpg' for one"),
        (b"PK\x00\x00\x00\x00", "no table of text"),
        (b'image,labels\na.jpg,cup\n"b.jpg,cup\nc.jpg,cup\n', "no table, about line 4: .*Is a quote open there"),
        (b'image,labels\n"a.jpg,cup\n"b.jpg",cup\n', "no table, about line 3: .*Is a quote open there, or before"),
    ],
)
def test_what_is_no_table_of_labels_gets_one_sentence(photos, tmp_path, content, sentence):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(WsisError, match=sentence):
        read(photos, tmp_path / "labels.csv")


@pytest.mark.parametrize(
    "text",
    [
        "image,labels\na.jpg,Cup\nb.jpg,cup;pot\nc.jpg,background\n",
        "image,labels\na.jpg,cup\nb.jpg,CUP;pot\nc.jpg,None\n",
        "image,cup,pot,nothing\na.jpg,1,0,0\nb.jpg,1,1,0\nc.jpg,0,0,1\n",
        "image,cup,pot\na.jpg,1,0\nb.jpg,1,1\nc.jpg,0,0\n",
    ],
)
def test_one_class_in_two_spellings_and_what_shows_none(photos, tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    found = read(photos, tmp_path / "labels.csv")
    assert [name.lower() for name in found.classes] == ["cup", "pot"]
    np.testing.assert_array_equal(found.target, [[1, 0], [1, 1], [0, 0]])
    assert found.weight.all()
    told = " ".join(found.notes)
    assert ("is cup" in told.lower()) == ("Cup" in text or "CUP" in text)
    assert ("show none of them" in told) == ("ackground" in text or "None" in text or "nothing" in text)


def test_control_characters_are_no_part_of_a_name(photos, tmp_path):
    (tmp_path / "labels.csv").write_text("image,labels\na.jpg,tea\x1b[31m  pot\n")
    assert read(photos, tmp_path / "labels.csv").classes == ("tea [31m pot",)


def test_a_hundred_thousand_rows_take_seconds(photos, tmp_path):
    rows = "".join(f"{number}.jpg,class {number % 500}\n" for number in range(100_000))
    (tmp_path / "labels.csv").write_text(f"image,labels\n{rows}a.jpg,cup\n")

    def seconds() -> float:
        start = time.process_time()
        labels = read(photos, tmp_path / "labels.csv")
        taken = time.process_time() - start
        assert (len(labels.missing), len(labels.classes)) == (100_000, 501)
        return taken

    assert any(seconds() < 5 for _ in range(5))  # whatever else runs on the machine slows all for seconds at a time


def test_what_is_written_is_read_again(photos, tmp_path):
    target, weight = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [1, 1], [1, 1]])
    (tmp_path / "labels.csv").write_text(tables.write(tuple(NAMES), target, weight, ("cup", "tea pot")))
    assert shown(read(photos, tmp_path / "labels.csv")) == COLUMNS


def test_a_missing_file_and_another_kind_are_told(photos, tmp_path):
    with pytest.raises(WsisError, match="There is no file of labels"):
        listed(photos, tmp_path / "none.csv")
    (tmp_path / "labels.xlsx").write_bytes(b"something")
    with pytest.raises(WsisError, match=r"cannot be read as labels\. Give a table"):
        listed(photos, tmp_path / "labels.xlsx")
    with pytest.raises(WsisError, match=r"The folder of photos .*a\.jpg is a file"):
        read(photos / "a.jpg")
