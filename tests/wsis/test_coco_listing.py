"""Which image of a COCO file a photo is: by name first, never two, and a sentence where the file cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wsis import coco_listing
from wsis.errors import WsisError


def listing(images: dict | None, annotated: list, file: str = "all.json") -> coco_listing.Listing:
    """Images as {id: file name}; annotations one for each id given."""
    entries = [{"image_id": one, "n": n} for n, one in enumerate(annotated)]
    return coco_listing.Listing(
        Path(file), entries, [{"id": i, "file_name": name} for i, name in (images or {}).items()]
    )


@pytest.mark.parametrize(
    ("photo", "found"),
    [
        ("1", [1]),  # the image named 1.jpg has the id 2
        ("0", [0]),
        ("1.jpg", [1]),
        ("/some/where/1.jpg", [1]),
        ("C:\\some\\0.jpg", [0]),
        (1, [0]),  # a number is an id
        (2.0, [1]),
    ],
)
def test_a_name_counts_before_another_images_id(photo, found):
    assert listing({1: "0.jpg", 2: "1.jpg"}, [1, 2]).of_photo(photo) == found


def test_an_id_whose_image_is_named_by_another_number_is_not_the_photos():
    with pytest.raises(WsisError, match=r"all\.json has no proposals for image '2'; it has some for 2 \(0, 1\)\."):
        listing({1: "0.jpg", 2: "1.jpg"}, [1, 2]).of_photo("2")


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("x/cat.jpg", "cat"),
        ("C:\\data\\cat.jpg", "cat"),
        ("https://some.where/x/cat.jpeg", "cat"),
        ("cat", "cat"),
        ("cat.png", "photos/cat.jpg"),
        ("CAT.JPG", "cat"),
        ("cat.v2.jpg", "cat.v2"),
        ("cafe\u0301.jpg", "caf\u00e9"),
        ("my cat.jpg", "my cat"),
    ],
)
def test_names_of_every_system_fit(name, photo):
    assert listing({1: name, 2: "dog.jpg"}, [2, 1]).of_photo(photo) == [1]


@pytest.mark.parametrize(
    ("identity", "photo"),
    [
        (139, "000000000139"),
        ("000000000139", "139"),
        (139.0, "139"),
        ("139", "00139.jpg"),
        ("cat", "cat"),
        ("cat", "x/cat.jpg"),
        ("7.0", "7"),
    ],
)
def test_ids_fit_as_text_and_as_numbers(identity, photo):
    assert listing(None, [5, identity]).of_photo(photo) == [1]
    named = listing({5: "COCO_val_005.jpg", identity: "COCO_val_139.jpg"}, [5, identity])
    assert named.of_photo(photo) == [1]


def test_one_name_in_two_folders_is_told_apart_by_the_folder_or_refused():
    file = listing({1: "cats/001.jpg", 2: "dogs/001.jpg"}, [1, 2, 2])
    assert file.of_photo("cats/001") == [0]
    assert file.of_photo("/home/x/dogs/001.jpg") == [1, 2]
    for photo in ("001", "birds/001.jpg"):
        with pytest.raises(WsisError, match=r"several images named '001' \(cats/001.jpg, dogs/001.jpg\)"):
            file.of_photo(photo)
    assert listing({1: "cats/001.jpg", 2: "001.jpg"}, [1, 2]).of_photo("001") == [1]


def test_one_name_with_two_endings_is_told_apart_by_the_ending_or_refused():
    file = listing({1: "a.jpg", 2: "a.png"}, [1, 2])
    assert file.of_photo("x/a.png") == [1]
    with pytest.raises(WsisError, match="several images named 'a'"):
        file.of_photo("a")


def test_letters_of_another_case_count_only_where_none_fits_and_one_does():
    assert listing({1: "CAT.jpg", 2: "cat.jpg"}, [1, 2]).of_photo("cat") == [1]
    with pytest.raises(WsisError, match="several images named 'cat'"):
        listing({1: "CAT.jpg", 2: "Cat.jpg"}, [1, 2]).of_photo("cat")


def test_damaged_files_never_mix_images():
    twice = coco_listing.Listing(
        Path("a.json"), [{"image_id": 1}], [{"id": 1, "file_name": n} for n in ("a.jpg", "b.jpg")]
    )
    with pytest.raises(WsisError, match=r"gives the id 1 to several images: a.jpg and b.jpg"):
        twice.image_of("a")
    with pytest.raises(WsisError, match="several images whose id is the number 7"):
        listing(None, ["07", "007"]).of_photo("7")
    loose = coco_listing.Listing(Path("a.json"), [{"image_id": 1}, {"image_id": 2}, {}])
    with pytest.raises(WsisError, match=r"Entry 2 \(from 0\) of a.json does not say to which image"):
        loose.of_photo("1")


def test_a_file_of_one_image_is_the_photos_it_is_named_after():
    assert listing(None, [7, 7], "cat.json").of_photo("x/cat.jpg") == [0, 1]
    assert listing({7: "upload-3f.jpg"}, [7], "cat.json").of_photo("cat") == [0]
    assert listing({7: "upload-3f.jpg"}, [7], "export.json").of_photo(None) == [0]
    for own in (True, False):
        with pytest.raises(WsisError, match="no proposals for image 'dog'"):
            listing(None, [7], "cat.json").of_photo("dog", own=own)


def test_a_listed_image_without_annotations_has_none():
    file = listing({3: "cat.jpg", 4: "dog.jpg"}, [4], "cat.json")
    for photo in (None, "cat"):
        with pytest.raises(WsisError, match=r"no proposals for image 'cat'; it has some for 1 \(dog\)"):
            file.of_photo(photo)
    assert file.of_photo("dog") == [0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_of_any_encoding_is_read(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes(json.dumps({"é": 1}, ensure_ascii=False).encode(encoding))
    assert coco_listing.load(tmp_path / "a.json") == {"é": 1}
