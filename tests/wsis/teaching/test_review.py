"""What is told of labels before the work."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.helpers.labelled_photos import write
from wsis.errors import WsisError
from wsis.labels.read import read
from wsis.teaching.review import reviewed


def numbered(folder, count):
    return [f"{folder}/{folder}{number}.jpg" for number in range(count)]


def test_everything_is_told(tmp_path):
    write(tmp_path, *numbered("cup", 12), *numbered("pot", 4), *numbered("spoon", 1), *numbered("background", 2))
    (tmp_path / "cup" / "bad.jpg").write_bytes(b"no photo")
    (tmp_path / "cup" / "empty.jpg").write_bytes(b"")
    shutil.copy(tmp_path / "cup" / "cup1.jpg", tmp_path / "cup" / "again.jpg")
    found = reviewed(read(tmp_path))
    assert found.labels.classes == ("cup", "pot")
    assert found.lines == (
        "Understood: a folder a class, 19 photos, 3 classes.",
        "  cup: 12 show it, 7 do not",
        "  pot: 4 show it, 15 do not - few: below 10 the figures say little",
        "  spoon: 1 show it, 18 do not - too few, left out",
        "  none of them: 2 photos",
        "Left out, 2 photos that cannot be read: bad.jpg is not an image that can be read, or its beginning is "
        "damaged. Save it as JPEG or PNG. empty.jpg is empty.",
        "Double, 1 photo with the content of another, taken once: cup1.jpg is again.jpg",
    )


def test_missing_contradicting_and_unknown_are_told(tmp_path):
    write(tmp_path, *[f"{number}.jpg" for number in range(8)])
    rows = [f"{number}.jpg,{int(number < 4)},{'' if number == 7 else int(number > 3)}" for number in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,cup,pot", *rows, "0.jpg,0,0", "gone.jpg,1,0"]))
    lines = reviewed(read(tmp_path)).lines
    assert "  pot: 3 show it, 4 do not, of 1 nobody knows - few: below 10 the figures say little" in lines
    assert "Left out, 1 photo with labels but no file: gone.jpg" in lines
    assert "Contradicting, 1 label both yes and no, taken for unknown: 'cup' of 0.jpg" in lines


def test_background_photos_show_none_and_labelled_ones_among_them_keep_their_labels(tmp_path):
    write(tmp_path, *numbered("cup", 4), *numbered("none", 5))
    labels = read(tmp_path)
    one_class = write(tmp_path / "one", *numbered("cup", 4))
    with pytest.raises(WsisError, match=r"All photos show 'cup', .* give some with --background FOLDER"):
        reviewed(read(one_class))
    found = reviewed(read(one_class), tmp_path / "none").labels
    np.testing.assert_array_equal(found.target[:, 0], [1] * 4 + [0] * 5)
    assert found.weight.all()
    with pytest.raises(WsisError, match="holds no photo beside those with labels"):
        reviewed(labels, tmp_path / "cup")
    with pytest.raises(WsisError, match="There is no folder"):
        reviewed(labels, tmp_path / "gone")


def test_copies_of_labelled_photos_are_no_background(tmp_path):
    write(tmp_path / "photos", *numbered("cup", 4), *numbered("pot", 4))
    write(tmp_path / "others", *numbered("other", 3))
    for file in (tmp_path / "photos" / "cup").iterdir():
        shutil.copy(file, tmp_path / "others" / f"again-{file.name}")
    found = reviewed(read(tmp_path / "photos"), tmp_path / "others")
    assert len(found.labels.paths) == 11
    assert "  cup: 4 show it, 7 do not - few: below 10 the figures say little" in found.lines
    assert any(line.startswith("Double, 4 photos with the content of another") for line in found.lines)


def test_photos_that_nothing_is_known_of_are_not_none_of_them(tmp_path):
    write(tmp_path, *[f"{number}.jpg" for number in range(9)])
    rows = [f"{number}.jpg,{int(number < 4)}" for number in range(7)] + ["7.jpg,", "8.jpg,?"]
    (tmp_path / "labels.csv").write_text("\n".join(["image,cup", *rows]))
    lines = reviewed(read(tmp_path)).lines
    assert "  none of them: 3 photos" in lines
    assert "  nothing is known of 2 photos" in lines


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["cup/a.jpg", "pot/b.jpg"], "too few photos to teach from, at most 1 a class; at least 3 must show a class"),
        (["background/a.jpg"], "too few photos to teach from, none of any class"),
    ],
)
def test_what_cannot_work_gets_one_sentence(tmp_path, names, sentence):
    write(tmp_path, *names)
    with pytest.raises(WsisError, match=sentence):
        reviewed(read(tmp_path))


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "cup").mkdir()
    (tmp_path / "cup" / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(WsisError, match=r"None of the 1 photos can be read: a\.jpg is not an image"):
        reviewed(read(tmp_path))
