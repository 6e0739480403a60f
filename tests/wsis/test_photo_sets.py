"""Sets of photos with their masks: layouts of folders, and zips that are whole, bounded, or evil."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable

import pytest

from tests.helpers import coco_sets
from tests.helpers.scenes import SEEDS, write_scenes
from wsis import photo_sets
from wsis.errors import WsisError


@pytest.fixture(scope="module")
def pairs(kit):
    return photo_sets.collect(kit)


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", photo_sets.LAYOUTS)
def test_collect_knows_its_layouts(tmp_path, names):
    write_scenes(tmp_path / "data" / "set", *names)
    (tmp_path / "data" / "set" / names[1] / "s1.png").unlink()  # a photo without a mask
    found = photo_sets.collect(tmp_path)
    assert [pair.name for pair in found] == ["s0", "s2"]
    assert found[0].instances.parent.name == names[2]


def test_collect_flat_folders(tmp_path, kit):
    for seed in SEEDS:
        (tmp_path / f"s{seed}.JPG").write_bytes((kit / "JPEGImages" / f"s{seed}.jpg").read_bytes())
        (tmp_path / f"s{seed}.png").write_bytes((kit / "SegmentationClass" / f"s{seed}.png").read_bytes())
    (tmp_path / "alone.jpg").write_bytes(b"")
    found = photo_sets.collect(tmp_path)
    assert [pair.name for pair in found] == ["s0", "s1", "s2"]
    assert found[0].instances is None


def test_collect_takes_only_val_of_a_devkit(kit, tmp_path):
    write_scenes(tmp_path, *photo_sets.LAYOUTS[0])
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("s2\nelse\n")
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["s2"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfs2\r\n", "s2\r\nelse\r\n".encode("utf-16"), "s2\n".encode("utf-16-be"), b"# held out\ns2.jpg\n",
        b"JPEGImages/s2.jpg SegmentationClass/s2.png\n", b"JPEGImages\\s2.JPG", b"s2  1\ns9 -1", b"\n\n  s2\t\n",
    ],
)  # fmt: skip
def test_collect_reads_a_list_in_any_writing(kit, tmp_path, content):
    shutil.copytree(kit, tmp_path / "kit")
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(content)
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["s2"]


@pytest.mark.parametrize("content", [b"", b"else\nother\n", b"# s2", "\ufeff".encode("utf-16"), bytes(50)])
def test_a_list_that_names_nothing_takes_nothing(kit, tmp_path, content):
    shutil.copytree(kit, tmp_path / "kit")
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(content)
    with pytest.raises(WsisError, match=r"val.txt in ImageSets/Segmentation names none of the 3 photos"):
        photo_sets.collect(tmp_path)


def test_names_with_spaces_may_be_listed(kit, tmp_path):
    shutil.copytree(kit, tmp_path / "kit")
    for file in [*(tmp_path / "kit").rglob("s1.*")]:
        file.rename(file.with_name(f"my photo 1{file.suffix}"))
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("my photo 1\n")
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["my photo 1"]


@pytest.mark.parametrize(("photo", "mask"), [("DSC1.JPG", "DSC1.PNG"), ("x.jpeg", "x.Png"), ("y.TIFF", "y.png")])
def test_collect_knows_endings_in_any_case(tmp_path, photo, mask):
    for layout in (("", "", ""), *photo_sets.LAYOUTS):
        place = tmp_path / (layout[0] or "flat")
        for folder, name in zip(layout, (photo, mask, mask), strict=True):
            (place / folder).mkdir(parents=True, exist_ok=True)
            (place / folder / name).write_bytes(b"")
        (pair,) = photo_sets.collect(place)
        assert (pair.photo.name, pair.classes.name) == (photo, mask)


def test_collect_says_what_it_expects(tmp_path):
    with pytest.raises(WsisError, match="SegmentationObject"):
        photo_sets.collect(tmp_path)
    with pytest.raises(WsisError, match="no folder"):
        photo_sets.collect(tmp_path / "nowhere")


def test_spaced_keeps_both_ends(pairs):
    many = [photo_sets.Pair(str(i), pairs[0].photo, pairs[0].classes) for i in range(10)]
    chosen = [int(pair.name) for pair in photo_sets.spaced(many, 4)]
    assert chosen == [0, 3, 6, 9]
    assert photo_sets.spaced(many, 10) == tuple(many)


# --- zips -------------------------------------------------------------------------------------------------------------


def packed(tmp_path, names, content=b"x"):
    file = tmp_path / "some.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file


def test_unpack_takes_what_it_needs(kit, tmp_path):
    file = tmp_path / "kit.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(kit.rglob("*.*")):
            archive.write(path, f"top/{path.relative_to(kit)}")
        for name in ("run.sh", "__MACOSX/top/._s0.jpg", ".hidden.png"):
            archive.writestr(name, "x")
    (tmp_path / "out").mkdir()
    photo_sets.unpack(file, tmp_path / "out")
    assert [pair.name for pair in photo_sets.collect(tmp_path / "out")] == ["s0", "s1", "s2"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["top"]


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/../../b.png", "..\\a.png", "C:\\a.png"])
def test_unpack_stays_in_its_folder(tmp_path, name):
    (tmp_path / "out").mkdir()
    with pytest.raises(WsisError, match="outside its folder"):
        photo_sets.unpack(packed(tmp_path, [name]), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "some.zip"]


def test_unpack_refuses_links(tmp_path):
    entry = zipfile.ZipInfo("a.png")
    entry.external_attr = 0o120777 << 16
    with pytest.raises(WsisError, match="outside its folder"):
        photo_sets.unpack(packed(tmp_path, [entry], b"/etc/passwd"), tmp_path)


def test_unpack_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_sets, "MOST_UNPACKED", 100)
    photo_sets.unpack(packed(tmp_path, ["a.png"], bytes(100)), tmp_path)
    with pytest.raises(WsisError, match="unpacks to more than"):
        photo_sets.unpack(packed(tmp_path, ["a.png", "b.png"], bytes(60)), tmp_path)
    monkeypatch.setattr(photo_sets, "MOST_FILES", 2)
    with pytest.raises(WsisError, match="holds 3 files"):
        photo_sets.unpack(packed(tmp_path, ["a.png", "b.png", "c.png"]), tmp_path)


def test_unpack_says_what_is_no_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"nothing")
    with pytest.raises(WsisError, match="no zip"):
        photo_sets.unpack(tmp_path / "a.zip", tmp_path)


# --- evil zips --------------------------------------------------------------------------------------------------------


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


def renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The zip with a name that `zipfile` would not have written."""
    assert len(old) == len(new)
    assert content.count(old) == 2
    return content.replace(old, new)


def overlapping() -> bytes:
    """A thousand entries of the directory over one and the same packed megabyte: 1 GB out of 150 kB."""
    one = zipped(("a000.png", bytes(2**20)))
    start = one.index(b"PK\1\2")
    record, end = one[start : one.index(b"PK\5\6")], one[one.index(b"PK\5\6") :]
    records = b"".join(record.replace(b"a000", b"a%03d" % i) for i in range(1000))
    counts = struct.pack("<HHII", 1000, 1000, len(records), start)
    return one[:start] + records + end[:8] + counts + end[20:]


def lying(field: int, value: int) -> bytes:
    """A zip whose directory lies: field 20 is the packed size, 24 the unpacked, 42 where it begins."""
    content = bytearray(zipped(("a.png", bytes(range(256)) * 40)))
    struct.pack_into("<I", content, content.index(b"PK\1\2") + field, value)
    return bytes(content)


def zip64(**values: int) -> bytes:
    """A zip whose directory hands its sizes over to a zip64 field of the given content."""
    content = zipped(("a.png", b"x" * 99))
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    extra = struct.pack("<HHQQQ", 1, 24, values.get("size", 99), values.get("packed", 5), values.get("offset", 0))
    record = bytearray(content[start:end] + extra)
    struct.pack_into("<II", record, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<I", record, 42, 0xFFFFFFFF)
    struct.pack_into("<H", record, 30, len(extra))
    tail = bytearray(content[end:])
    struct.pack_into("<I", tail, 12, len(record))
    return content[:start] + bytes(record) + bytes(tail)


TRAVERSAL = "outside its folder"


EVIL_ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "parent": (lambda: zipped(("../a.png", b"x")), TRAVERSAL),
    "parent further on": (lambda: zipped(("a/b/../../../a.png", b"x")), TRAVERSAL),
    "absolute": (lambda: zipped(("/tmp/a.png", b"x")), TRAVERSAL),
    "backslashes": (lambda: zipped(("..\\..\\a.png", b"x")), TRAVERSAL),
    "drive": (lambda: zipped(("C:\\a.png", b"x")), TRAVERSAL),
    "stream": (lambda: zipped(("a.png:hidden.png", b"x")), TRAVERSAL),
    "share": (lambda: zipped(("\\\\host\\share\\a.png", b"x")), TRAVERSAL),
    "link": (lambda: zipped((entry("a.png", 0o120777), b"/etc/passwd")), TRAVERSAL),
    "link, then a file through it": (
        lambda: zipped((entry("out.png", 0o120777), b"/tmp"), ("out.png/a.png", b"x")),
        TRAVERSAL,
    ),
    "device": (lambda: zipped((entry("a.png", 0o060660), b"x")), TRAVERSAL),
    "pipe": (lambda: zipped((entry("a.png", 0o010660), b"x")), TRAVERSAL),
    "long name": (lambda: zipped(("a" * 600 + ".png", b"x")), TRAVERSAL),
    "long part": (lambda: zipped(("a" * 300 + ".png", b"x")), "cannot be unpacked: File name too long"),
    "Windows device": (lambda: zipped(("images/CON.png", b"x")), "not every system"),
    "Windows device with a superscript": (lambda: zipped(("com¹.png", b"x")), "not every system"),
    "newline": (lambda: zipped(("a\n.png", b"x")), "not every system"),
    "escape": (lambda: zipped(("a\x1b[2J.png", b"x")), "not every system"),
    "deep": (lambda: zipped(("d/" * 200 + "a.png", b"x")), "deep"),
    "twice": (lambda: renamed(zipped(("a.png", b"x"), ("b.png", b"y")), b"b.png", b"a.png"), "holds a.png twice"),
    "twice but for capitals": (lambda: zipped(("a.png", b"x"), ("A.PNG", b"y")), "twice"),
    "twice but for the accent's form": (lambda: zipped(("\xe9.png", b"x"), ("e\u0301.png", b"y")), "twice"),
    "a file and a folder of one name": (lambda: zipped(("a.png", b"x"), ("a.png/b.png", b"y")), "cannot be unpacked"),
    "bomb": (lambda: zipped(("a.png", bytes(80 * 2**20))), "100 times"),
    "bomb in pieces": (lambda: zipped(*((f"{i}.bmp", bytes(2**20)) for i in range(80))), "100 times"),
    "bomb of overlaps": (overlapping, "100 times|damaged"),
    "LZMA": (lambda: zipped(("a.png", b"x"), method=zipfile.ZIP_LZMA), "rare method"),
    "bzip2": (lambda: zipped(("a.png", b"x"), method=zipfile.ZIP_BZIP2), "rare method"),
    "says it is packed shorter": (lambda: lying(20, 3), "damaged"),
    "says it is longer": (lambda: lying(24, 2**31), "damaged"),
    "says it is shorter": (lambda: lying(24, 10), "damaged"),
    "says it lies elsewhere": (lambda: lying(42, 2**31), "damaged|cannot be unpacked"),
    "zip64 size": (lambda: zip64(size=2**62), "damaged"),
    "zip64 offset": (lambda: zip64(offset=2**63 + 5), "damaged|cannot be unpacked"),
    "empty file": (lambda: b"", "no zip"),
    "cut": (lambda: zipped(("a.png", b"x" * 999))[:-30], "no zip"),
}


@pytest.mark.parametrize("name", EVIL_ZIPS)
def test_an_evil_zip_is_refused_and_leaves_nothing_outside(name, tmp_path):
    make, pattern = EVIL_ZIPS[name]
    inside, file = tmp_path / "deep" / "inside", tmp_path / "evil.zip"
    inside.mkdir(parents=True)
    file.write_bytes(make())
    with pytest.raises(WsisError, match=pattern):
        photo_sets.unpack(file, inside)
    assert [path for path in tmp_path.rglob("*") if path not in (file, inside, inside.parent)] == list(
        inside.rglob("*")
    )
    assert not any(path.is_symlink() for path in inside.rglob("*"))
    assert sum(path.stat().st_size for path in inside.rglob("*") if path.is_file()) <= photo_sets.SMALL


@pytest.mark.parametrize("content", [lying(20, 2**31), zip64(packed=2**62)], ids=["32 bits", "zip64"])
def test_how_long_a_zip_says_it_is_packed_takes_no_memory(content, tmp_path):
    (tmp_path / "lie.zip").write_bytes(content)
    (tmp_path / "out").mkdir()
    photo_sets.unpack(tmp_path / "lie.zip", tmp_path / "out")
    assert (tmp_path / "out" / "a.png").read_bytes() in (bytes(range(256)) * 40, b"x" * 99)


def test_a_zip_that_only_looks_odd_is_unpacked(tmp_path):
    names = [
        "My photos/é ü.JPG",
        "Bildschirmfoto 3.04.05\u202fPM.png",
        "images/auxiliary.png",
        "中文/图.png",
        "a" * 200 + ".png",
    ]
    file = tmp_path / "odd.zip"
    file.write_bytes(zipped(*((name, b"x" * 50_000) for name in names)))
    (tmp_path / "out").mkdir()
    photo_sets.unpack(file, tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert found == set(names)


def test_a_zip_of_a_zip_stays_packed(tmp_path):
    inner = zipped(("a.png", bytes(2**20)))
    for _ in range(5):
        inner = zipped(*((f"{i}.zip", inner) for i in range(16)))
    (tmp_path / "42.zip").write_bytes(inner)
    (tmp_path / "out").mkdir()
    photo_sets.unpack(tmp_path / "42.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_zero_byte_ends_a_name(tmp_path):
    content = renamed(zipped(("a.png/../../b.png", b"x")), b"a.png/../../b.png", b"a.png\0../../b.png")
    (tmp_path / "zero.zip").write_bytes(content)
    (tmp_path / "out").mkdir()
    photo_sets.unpack(tmp_path / "zero.zip", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_too_many_folders_are_refused_before_they_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_sets, "MOST_FILES", 100)
    (tmp_path / "many.zip").write_bytes(zipped(*((f"{i}/", b"") for i in range(300)), method=zipfile.ZIP_STORED))
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it would make an object of each
    with pytest.raises(WsisError, match="more than 200 files and folders"):
        photo_sets.unpack(tmp_path / "many.zip", tmp_path)


def test_damaged_zips_end_in_a_sentence(tmp_path):
    """Two thousand zips with a few bytes changed: unpacked inside the folder, or refused; nothing else."""
    chance = random.Random(0)
    whole = zipped(("images/a.png", bytes(range(256)) * 9), ("masks/a.png", b"y" * 999), ("list.txt", b"a\n"))
    inside, file = tmp_path / "deep" / "inside", tmp_path / "evil.zip"
    refused = 0
    for number in range(2000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        file.write_bytes(content)
        place = inside / str(number)
        place.mkdir(parents=True)
        try:
            photo_sets.unpack(file, place)
        except WsisError:
            refused += 1
    assert 0 < refused < 2000
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "evil.zip"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"inside"}


def test_a_list_of_photos_is_short(tmp_path):
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject"):
        (tmp_path / folder).mkdir()
    listing = tmp_path / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(bytes(photo_sets.MOST_LIST + 1))
    with pytest.raises(WsisError, match=r"val\.txt is longer than 1 MB"):
        photo_sets.collect(tmp_path)


def test_a_coco_data_set_is_found_with_photos_beside_or_below_it(tmp_path):
    coco_sets.write(tmp_path / "set")
    (tmp_path / "set" / "notes.json").write_text("[1]")
    found = photo_sets.collect(tmp_path)
    assert [pair.name for pair in found] == ["s0", "s1", "s2"]
    assert found[0].names == coco_sets.NAMES
    assert found[0].photo == tmp_path / "set" / "photos" / "s0.png"
    (tmp_path / "set" / "photos" / "s0.png").unlink()
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["s1", "s2"]


def test_of_several_coco_data_sets_the_held_out_one_counts_or_it_is_asked(tmp_path):
    for name, seeds in (("train", (0, 1)), ("val", (2,))):
        coco_sets.write(tmp_path / name, seeds).rename(tmp_path / f"instances_{name}.json")
    (pair,) = photo_sets.collect(tmp_path)
    assert pair.photo == tmp_path / "val" / "photos" / "s2.png"
    (tmp_path / "instances_val.json").rename(tmp_path / "instances_more.json")
    with pytest.raises(WsisError, match=r"2 COCO data sets: instances_more.json, instances_train.json. Leave"):
        photo_sets.collect(tmp_path)
    (tmp_path / "instances_more.json").unlink()
    for photo in (tmp_path / "train" / "photos").iterdir():
        photo.unlink()
    with pytest.raises(WsisError, match=r"None of the photos that instances_train.json names"):
        photo_sets.collect(tmp_path)


def test_photos_of_one_name_in_several_folders_are_told_apart(tmp_path):
    made = coco_sets.write(tmp_path, (0, 1))
    content = json.loads(made.read_text())
    for image, folder in zip(content["images"], ("a", "b"), strict=True):
        (tmp_path / folder).mkdir()
        (tmp_path / "photos" / image["file_name"]).rename(tmp_path / folder / "x.png")
        image["file_name"] = f"{folder}\\x.png"
    made.write_text(json.dumps(content))
    found = photo_sets.collect(tmp_path)
    assert [pair.photo.relative_to(tmp_path).as_posix() for pair in found] == ["a/x.png", "b/x.png"]
    assert len({pair.name for pair in found}) == 2


def test_a_zip_may_hold_a_coco_data_set(tmp_path):
    coco_sets.write(tmp_path / "set", (0,))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in (tmp_path / "set").rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path))
    (tmp_path / "out").mkdir()
    photo_sets.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [pair.name for pair in photo_sets.collect(tmp_path / "out")] == ["s0"]
