"""Jobs of `segment` whose photos have odd names, and folders that hold results already; the analysis is a made one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.helpers.bad_files import encoded, picture
from tests.helpers.small_analysis import small_analysis
from wsis import cli
from wsis.jobs import local, result_folders
from wsis.pipeline import Pipeline

PHOTO = encoded(picture(), "PNG")
LONG = "n" * 251
ODD = (
    b"caf\xe9.png", b"caf\xc3\xa9.png", b"cafe\xcc\x81.png", b"A.png", b"a.png", b"two\nlines.png", b"\x1b[31mred.png",
    b"-x.png", b"why? 1.png", b"why? 2.png", b"[x]*.png", b"50%.png", b"a#b@c:d.png", b"back\\slash.png", b'q"uote.png',
    LONG.encode() + b".png", b"\xe9" * 200 + b".png", "\u202e\u05d0\u05d1.png".encode(), "\U0001f600.png".encode(),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path, request: pytest.FixtureRequest) -> None:
    """The same three boxes are found in every photo that can be read."""
    loaded = request.getfixturevalue("pipeline")
    monkeypatch.setattr(Pipeline, "load", classmethod(lambda *_, **__: loaded))
    monkeypatch.setattr(Pipeline, "observe", lambda *_, **__: None)
    monkeypatch.setattr(Pipeline, "analyse", lambda *_: small_analysis())


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> Pipeline:
    return Pipeline.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("cat.png", "dog.png"):
        (folder / name).write_bytes(PHOTO)
    return folder


def run(*words: object, charset: str = "utf-8") -> Result:
    result = CliRunner(charset=charset).invoke(cli.app, ["segment", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def agreed(out: Path) -> list[str]:
    """Ids of the photos done, after a look whether lists and pictures have the same ones."""
    entries = json.loads((out / "instances.json").read_text(encoding="utf-8"))
    done = {one["image_id"] for one in json.loads((out / "manifest.json").read_text(encoding="utf-8"))["photos"]}
    assert {one["image_id"] for one in entries} == done
    for kind in ("semantic", "instance"):
        assert {path.name for path in (out / kind).iterdir()} == {f"{name}.png" for name in done}
    return sorted(done)


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode, and many signs forbidden")
@pytest.mark.parametrize("charset", ["utf-8", "ascii"])
def test_names_of_any_bytes(tmp_path: Path, charset: str) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in ODD:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(PHOTO)  # noqa: PTH118
    result = run(folder, "--out", out, charset=charset)
    assert result.exit_code == 0, result.output
    ids = agreed(out)
    assert len(ids) == len(ODD)
    plain = {name.decode().removesuffix(".png") for name in ODD if b"\xe9" not in name}
    assert set(ids) > plain | {"caf%E9"}
    (cut,) = set(ids) - plain - {"caf%E9"}
    assert cut.startswith("%E9%E9")
    assert len(f"{cut}.png") == 255
    assert len(result.stdout.splitlines()) == len(ODD) + 1  # none is broken in two
    assert "\x1b" not in result.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_is_there_in_name_only_is_reported(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (photos / "gone.jpg").symlink_to("unmounted/gone.jpg")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "null.jpg").symlink_to("/dev/zero")
    (photos / "folder.jpg").mkdir()
    os.mkfifo(photos / "pipe.jpg")
    result = run(photos, "--out", out)
    assert result.exit_code == 1
    assert agreed(out) == ["cat", "dog"]
    failed = {one["file_name"]: one["reason"] for one in json.loads((out / "manifest.json").read_text())["failed"]}
    assert set(failed) == {"gone.jpg", "loop.jpg", "null.jpg", "folder.jpg", "pipe.jpg"}
    assert "is a link to unmounted/gone.jpg, which is not there" in failed["gone.jpg"]
    assert "is a pipe, a socket or a device" in failed["pipe.jpg"]
    assert "a device" in failed["null.jpg"]
    assert "is a folder" in failed["folder.jpg"]
    assert all(reason in result.stderr for reason in failed.values())


def test_a_folder_that_cannot_be_listed_costs_the_others_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    listed = Path.iterdir

    def iterdir(self: Path):
        if self.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    result = run(photos, tmp_path / "closed", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "closed cannot be listed: Permission denied." in result.stderr
    assert agreed(tmp_path / "out") == ["cat", "dog"]
    assert run(tmp_path / "closed", "--out", tmp_path / "out").exit_code == 2


def test_one_photo_by_many_names_is_worked_on_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    (tmp_path / "again").symlink_to(photos)
    (photos / "alias.png").symlink_to("cat.png")
    names = ("cat.png", "./cat.png", "../photos/cat.png", photos / "cat.png", tmp_path / "again" / "cat.png", photos)
    result = run(*names, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert agreed(tmp_path / "out") == ["cat", "dog"]
    assert "alias.png is cat.png, which is worked on once" in result.stdout
    assert list(json.loads((tmp_path / "out" / "manifest.json").read_text())["same"].values()) == ["cat.png"]


def test_results_are_no_photos(photos: Path) -> None:
    for _ in range(2):
        assert run(photos, "--out", photos, "--overlays").exit_code == 0
        assert run(photos, *photos.iterdir(), "--out", photos / "more").exit_code == 0
        for out in (photos, photos / "more"):
            assert agreed(out) == ["cat", "dog"]
            assert json.loads((out / "manifest.json").read_text())["skipped"] == []


def test_the_same_photos_again_replace_all(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos, "--out", out, "--overlays").exit_code == 0
    assert run(photos, "--out", out, "--overlays").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "coco.json", "figure", "instance", "instances.json", "job.json", "manifest.json", "overlay", "semantic"
    ]  # fmt: skip
    (photos / "dog.png").write_bytes(b"no photo any more")
    (photos / "new.png").write_bytes(PHOTO)
    assert run(photos, "--out", out, "--alpha", "0.5").exit_code == 1
    assert agreed(out) == ["cat", "new"]
    assert not list(out.glob("overlay/*"))
    assert not list(out.glob("figure/*"))


@pytest.mark.parametrize("known", [True, False])
def test_results_of_other_photos_are_not_mixed(photos: Path, tmp_path: Path, known: bool) -> None:
    out = tmp_path / "out"
    assert run(photos / "cat.png", "--out", out).exit_code == 0
    if not known:
        (out / "job.json").unlink()  # as an earlier version wrote it
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    other = run(photos / "dog.png", "--out", out)
    assert other.exit_code == 2
    assert "holds results of another job (photos: " in other.stderr
    assert "cat" in other.stderr
    assert "Name all photos in one command" in other.stderr
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    assert run(photos, "--out", out).exit_code == 0  # with the first one's photo among its own
    assert agreed(out) == ["cat", "dog"]
    (tmp_path / "cat.png").write_bytes(PHOTO)
    same_name = run(tmp_path / "cat.png", photos / "dog.png", "--out", out)
    assert same_name.exit_code == 2
    assert str(photos / "cat.png") in same_name.stderr


def test_a_job_stopped_half_way_leaves_no_list_of_the_one_before(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(photos, "--out", out).exit_code == 0
    monkeypatch.setattr(local, "_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(photos, "--out", out, "--alpha", "0.5").exit_code == cli.INTERRUPTED
    assert not (out / "instances.json").exists()
    assert not (out / "manifest.json").exists()


def test_results_of_batch_are_not_mixed(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"model": "x", "networks": {}, "photos": "0123", "shard": 32}')
    result = run(photos, "--out", tmp_path)
    assert result.exit_code == 2
    assert "results of another job (of batch)" in result.stderr


def test_one_run_at_a_time(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out"
    out.mkdir()
    with result_folders.locked(out):
        result = run(photos, "--out", out)
    assert result.exit_code == 2
    assert f"Another run is writing to {out}" in result.stderr
    assert not list(out.iterdir())
    assert run(photos, "--out", out).exit_code == 0


def test_a_disk_that_takes_capitals_for_small_letters(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "CAT.png").write_bytes(PHOTO)
    monkeypatch.setattr(result_folders, "alike", lambda _: str.casefold)
    result = run(photos, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "would overwrite the results of" in result.stderr
    assert agreed(tmp_path / "out") == ["CAT", "dog"]


def test_what_is_unsure_is_listed_on_request_and_entries_say_their_number_in_the_instance_png(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from wsis.analysis import Analysis

    first, second = small_analysis().instances()
    monkeypatch.setattr(Analysis, "instances", lambda *_, **__: (first, replace(first, painted=False), second))
    for option, numbers in (([], [1, 2]), (["--unsure"], [1, 0, 2])):
        run(photos / "cat.png", "--out", tmp_path / "out", "--fill", "2", *option)
        entries = json.loads((tmp_path / "out" / "instances.json").read_text())
        assert [one["instance"] for one in entries] == numbers
        data_set = json.loads((tmp_path / "out" / "coco.json").read_text())
        assert ["unsure" in one for one in data_set["annotations"]] == [number == 0 for number in numbers]
        with Image.open(tmp_path / "out" / "instance" / "cat.png") as index:
            assert {number for _, number in index.getcolors()} == {0, 1, 2}


def test_a_photos_line_says_how_often_masks_like_these_are_right():
    shares = (1.0, 0.923, 0.02, None, 0.4, 0.3, 0.2)
    entries = [
        {"category_name": "cat", "instance": 1, **({} if share is None else {"trust": share})} for share in shares
    ]
    told = local._rated([*entries, {"category_name": "dog", "instance": 0, "trust": 0.5}])
    listed = "cat over 95%, cat 92%, cat under 5%, cat 40%, cat 30% and 1 more"
    assert told == f"; masks like these that are right: {listed}"
    assert local._rated(entries[3:4]) == ""
