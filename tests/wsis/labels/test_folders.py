"""A folder a class."""

from __future__ import annotations

import shutil

import pytest

from tests.helpers.labelled_photos import shown, write
from wsis.errors import WsisError
from wsis.labels.read import read


def test_photos_show_what_their_folders_are_called(tmp_path):
    write(tmp_path, "cup/a.jpg", "tea pot/b.JPG", "cup+tea pot/c.png", "background/d.jpg", "cup/.hidden.jpg")
    labels = read(tmp_path)
    assert shown(labels) == {"a.jpg": {"cup"}, "b.JPG": {"tea pot"}, "c.png": {"cup", "tea pot"}, "d.jpg": set()}
    assert labels.classes == ("cup", "tea pot")
    assert labels.kind == "a folder a class"


def test_a_photo_in_two_folders_shows_both_under_whatever_names(tmp_path):
    """So CVAT's ImageNet export has photos with two labels, each with the label before its name.

    https://docs.cvat.ai/docs/dataset_management/formats/format-imagenet/
    """
    write(tmp_path, "cup/cup_a.jpg", "pot/pot_b.jpg", "no_label/no_label_c.jpg")
    shutil.copy(tmp_path / "cup" / "cup_a.jpg", tmp_path / "pot" / "pot_a.jpg")
    labels = read(tmp_path)
    assert shown(labels) == {"cup_a.jpg": {"cup", "pot"}, "pot_b.jpg": {"pot"}, "no_label_c.jpg": set()}
    assert [(file.name, first.name) for file, first in labels.doubles] == [("pot_a.jpg", "cup_a.jpg")]


def test_folders_above_mean_nothing(tmp_path):
    write(tmp_path, "train/cup/a.jpg", "val/cup/b.jpg", "train/pot/c.jpg")
    assert shown(read(tmp_path)) == {"a.jpg": {"cup"}, "b.jpg": {"cup"}, "c.jpg": {"pot"}}


def test_loose_photos_and_empty_folders_are_told(tmp_path):
    write(tmp_path, "cup/a.jpg", "pot/b.jpg", "loose.jpg")
    (tmp_path / "spoon").mkdir()
    assert read(tmp_path).notes == (
        "The folder 'spoon' holds no photo.",
        "1 photo beside the folders of classes have no label and are left out.",
    )


@pytest.mark.parametrize(
    ("names", "sentence"),
    [((), "holds no photo"), (("a.jpg", "b.jpg"), "holds 2 photos but no labels. Put the photos of each class into")],
)
def test_without_folders_of_classes_nothing_is_guessed(tmp_path, names, sentence):
    write(tmp_path, *names)
    with pytest.raises(WsisError, match=sentence):
        read(tmp_path)
