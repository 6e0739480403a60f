"""Attacks: names, zips, pickles, paths and packages. What each stands against is in SECURITY.md."""

from __future__ import annotations

import ast
import io
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from packaging.requirements import Requirement

from tests.helpers import ROOT
from wsis import checkpoints, photo_sets
from wsis.errors import WsisError
from wsis.proposals import readers

REQUIREMENTS = ("requirements.txt", "train/requirements.txt", "requirements-dev.txt", "requirements-cluster.txt")
SOURCES = sorted([*(ROOT / "wsis").rglob("*.py"), ROOT / "app.py"])


# --- zips ------------------------------------------------------------------------------------------------------------


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
    assert len(old) == len(new) and content.count(old) == 2
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
    assert [path for path in tmp_path.rglob("*") if path not in (file, inside, inside.parent)] == [
        path for path in inside.rglob("*")
    ]
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


# --- nothing that is read may run ------------------------------------------------------------------------------------

RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "breakpoint", "torch.load", "torch.hub.load", "torch.jit.load",
    "os.system", "os.popen", "numpy.fromregex", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
}  # fmt: skip
RUNS_CODE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "subprocess",
    "yaml",
}
ASKS_FIRST = {"numpy.load": "allow_pickle", "numpy.save": "allow_pickle"}
"""Calls that must say no by name: what a default says may change."""


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the full name of what is called, whatever it was imported as."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                one.asname or one.name.partition(".")[0]: one.name if one.asname else one.name.partition(".")[0]
                for one in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield f"{names.get(first, first)}.{rest}".rstrip("."), node


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def runs_code(file: Path) -> list[str]:
    """What in a source file could run what it reads."""
    found = [f"{file.name}: imports {name}" for name in sorted(imports(file) & RUNS_CODE_MODULES)]
    for name, call in calls(file):
        flag = next((one.value for one in call.keywords if one.arg == ASKS_FIRST.get(name)), None)
        refused = isinstance(flag, ast.Constant) and flag.value is False
        if name in RUNS_CODE or (name in ASKS_FIRST and not refused):
            found.append(f"{file.name}:{call.lineno}: {name}")
        if any(one.arg == "shell" and ast.unparse(one.value) != "False" for one in call.keywords):
            found.append(f"{file.name}:{call.lineno}: shell")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_that_is_read_may_run(file):
    assert runs_code(file) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from joblib import load", "import torch as t; t.load(f)", "from torch import load as l; l(f)",
        "import numpy as np; np.load(f)", "import numpy as np; np.load(f, allow_pickle=True)", "eval(x)",
        "from numpy import load; load(f, allow_pickle=flag)", "import yaml", "run(x, shell=True)",
    ],
)  # fmt: skip
def test_the_check_of_sources_sees_what_it_looks_for(line, tmp_path):
    (tmp_path / "a.py").write_text(line)
    assert runs_code(tmp_path / "a.py")


class Boom:
    """Unpickling it would be noticed."""

    opened = False

    def __reduce__(self):
        return setattr, (Boom, "opened", True)


@pytest.fixture
def boom() -> Iterator[bytes]:
    Boom.opened = False
    yield pickle.dumps(Boom())
    assert not Boom.opened


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.pkl", "w.ckpt", "w.safetensors", "w"])
def test_pickled_weights_are_refused_unopened(boom, name, tmp_path):
    (tmp_path / name).write_bytes(boom)
    with pytest.raises(WsisError, match=r"pickle|no safetensors"):
        checkpoints.read_safetensors(tmp_path / name)


def test_object_arrays_are_refused_unopened(boom, tmp_path):
    from wsis import tuning

    array = np.empty(1, object)
    array[0] = Boom()
    np.savez(tmp_path / "a.npz", **{name: array for name in ("classes", "names")})
    assert tuning._load(tmp_path / "a.npz") is None  # a record from the cache: measured again


def test_a_matlab_file_can_hold_no_object(boom, tmp_path):
    """Cells and structs come as object arrays, but of numbers and text; a pickle inside stays bytes."""
    scipy.io.savemat(tmp_path / "a.mat", {"masks": np.frombuffer(boom, np.uint8)[None, :]})
    with pytest.raises(WsisError, match="photo of"):
        readers.read(tmp_path / "a.mat", (40, 60))
    (tmp_path / "b.mat").write_bytes(boom)
    with pytest.raises(WsisError, match="not a readable MATLAB file"):
        readers.read(tmp_path / "b.mat", (40, 60))


# --- a name is no path -----------------------------------------------------------------------------------------------

NAMES = [
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../../b", "..\\..\\windows\\win.ini", "C:\\boot.ini",
    "\\\\host\\share", "a\0.png", "\0", "a\nb", "CON", "nul.txt", "com1.png", "x" * 100_000, "%2e%2e%2fetc", "~",
    "~root", "$HOME", "`id`", "; rm -rf *", "-rf", "a\u202egnp.exe", "file:///etc/passwd",
    "http://127.0.0.1/", "é" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_download_lies_in_its_own_folder_whatever_the_photo_is_called(name, tmp_path):
    from wsis.explorer.files import LONGEST, safe_stem

    stem = safe_stem(name)
    file = tmp_path / f"{stem}-overlay.png"
    file.write_bytes(b"")
    assert file.resolve().parent == tmp_path and [path.name for path in tmp_path.iterdir()] == [file.name]
    assert 0 < len(stem.encode()) <= LONGEST + 1 and stem.isprintable() and not photo_sets._DEVICE.match(stem)


@pytest.mark.parametrize("name", [*NAMES, "/proc/self/environ", "../gradio/x", None, 5, ["a"], {"path": "/etc/passwd"}])
def test_an_upload_is_what_was_uploaded_here(name, tmp_path, monkeypatch):
    from wsis.explorer import uploads

    folder = tmp_path / "uploads"
    folder.mkdir()
    (tmp_path / "uploads-of-others").mkdir()
    (tmp_path / "uploads-of-others" / "a.png").write_bytes(b"x")
    (folder / "link.png").symlink_to("/etc/passwd")
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(folder))
    tried = [str(name), f"{folder}/{name}", f"{folder}/../uploads-of-others/a.png", f"{folder}/link.png", str(folder)]
    for path in tried:
        with pytest.raises(WsisError, match="did not arrive"):
            uploads.uploaded(Path(path))
    (folder / "a.png").write_bytes(b"x")
    assert uploads.uploaded(folder / "a.png") == (folder / "a.png").resolve()


@pytest.mark.parametrize("file", ["../classifier.safetensors", "/etc/passwd", "a/b.safetensors", "classifier.pt", ""])
def test_a_checkpoint_names_files_beside_it_only(file, tiny_checkpoint, tmp_path):
    import json
    import shutil

    folder = tmp_path / "evil"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config["modules"]["classifier"]["file"] = file
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WsisError, match=r"expected a \.safetensors file beside it"):
        checkpoints.load(folder)


def test_what_a_visitor_says_names_no_model_and_no_folder():
    """The page and the API know analyses and sets by tokens and photos by uploads; nothing takes a model's name."""
    for name in ("handlers", "api", "files", "store"):
        source = (ROOT / "wsis" / "explorer" / f"{name}.py").read_text()
        assert not re.search(r"Pipeline\.load|checkpoints\.(load|find)|read_safetensors", source), name


# --- packages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_is_a_pinned_range(name):
    lines = [line.strip() for line in (ROOT / name).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    assert lines
    for line in lines:
        requirement = Requirement(line)  # no option, no other index, no file
        assert requirement.url is None, line
        assert sorted(one.operator for one in requirement.specifier) == ["<", ">="], line
