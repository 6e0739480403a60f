from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from wsis.files import as_json
from wsis.jobs.cluster import shards
from wsis.jobs.cluster.photo_lists import Photo
from wsis.jobs.cluster.shards import Shard, finished, merge, merge_coco, reopen, split, work
from wsis.jobs.cluster.storage import Folder, OutputError
from wsis.jobs.photo import Outcome

PHOTOS = tuple(Photo(f"a/{i}", f"/photos/a/{i}.jpg") for i in range(11))
BAD = {3, 10}


def number(photo: Photo) -> int:
    return int(photo.name.removeprefix("a/"))


def entry(i: int, k: int) -> dict:
    return {
        "image_id": f"a/{i}", "file_name": f"{i}.jpg", "category_id": k + 1, "category_name": "cat",
        "segmentation": {"size": [4, 5], "counts": f"{i}~{k}"}, "bbox": [0.0, 0.5, 1 / 3, 2.0], "area": i + 1,
        "score": 0.1 * k, "instance": k + 1,
    }  # fmt: skip


def look(photo: Photo) -> Outcome:
    i = number(photo)
    if i in BAD:
        return Outcome(reason=f"{i} is no photo.")
    record = {"width": 5, "height": 4, "instances": i % 3, "proposals": {"source": "trees", "count": 7}}
    return Outcome([entry(i, k) for k in range(i % 3)], record, files={f"semantic/{photo.name}.png": b"png %d" % i})


def finish(out: Folder, how: Callable[[Photo], Outcome] = look, size: int = 4, run: str = "run") -> list[dict]:
    parts = split(PHOTOS, size)
    for shard in parts:
        if shard.number not in finished(out):
            work(out, shard, how, run=run, retries=1)
    return merge(out, len(parts), [(Photo("a/1", "/photos/a/1.png"), "a double")], {"model": "tiny"})


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """What an uninterrupted job writes."""
    finish(Folder(str(tmp_path / "whole")))
    return content(tmp_path / "whole")


def test_split() -> None:
    parts = split(PHOTOS, 4)
    assert [(part.number, len(part.photos)) for part in parts] == [(0, 4), (1, 4), (2, 3)]
    assert sum((part.photos for part in parts), ()) == PHOTOS
    assert split((), 4) == []


def test_the_merged_result(tmp_path: Path) -> None:
    failed = finish(Folder(str(tmp_path)))
    entries = [one for photo in PHOTOS for one in look(photo).entries]
    assert (tmp_path / "instances.json").read_text() == as_json(entries)
    assert pq.read_table(tmp_path / "instances.parquet").to_pylist() == [{"trust": None, **one} for one in entries]
    photos = pq.read_table(tmp_path / "photos.parquet").to_pylist()
    assert [row["image_id"] for row in photos] == [*(photo.name for photo in PHOTOS), "a/1"]
    assert [number(Photo(row["image_id"], "")) for row in photos[:-1] if row["reason"]] == sorted(BAD)
    assert photos[2] == {
        "image_id": "a/2", "path": "/photos/a/2.jpg", "width": 5, "height": 4, "instances": 2, "proposals": 7,
        "reason": None,
    }  # fmt: skip
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == {"model": "tiny", "photos": 9, "failed": failed}
    assert [one["reason"] for one in failed] == ["3 is no photo.", "10 is no photo.", "a double"]
    assert (tmp_path / "semantic" / "a" / "7.png").read_bytes() == b"png 7"
    assert not (tmp_path / "parts" / "00000").exists()


def test_a_data_set_of_all_shards(tmp_path: Path) -> None:
    def masked(photo: Photo) -> Outcome:
        seen = look(photo)
        rle = {"size": [4, 5], "counts": "51b0"}  # a pixel
        return replace(seen, entries=[{**one, "segmentation": rle} for one in seen.entries])

    for size in (4, 100):
        out = Folder(str(tmp_path / str(size)))
        finish(out, masked, size)
        merge_coco(out, len(split(PHOTOS, size)), ("cat", "dog"))
    assert (tmp_path / "4" / "coco.json").read_bytes() == (tmp_path / "100" / "coco.json").read_bytes()
    found = json.loads((tmp_path / "4" / "coco.json").read_bytes())
    good = [photo.name for photo in PHOTOS if number(photo) not in BAD]
    assert [(one["id"], one["file_name"]) for one in found["images"]] == [
        (i, f"{n}.jpg") for i, n in enumerate(good, 1)
    ]
    assert [one["id"] for one in found["annotations"]] == list(range(1, len(found["annotations"]) + 1))
    named = {one["id"]: one["file_name"].removesuffix(".jpg") for one in found["images"]}
    entries = json.loads((tmp_path / "4" / "instances.json").read_text())
    assert [named[one["image_id"]] for one in found["annotations"]] == [one["image_id"] for one in entries]
    assert found["categories"][1]["name"] == "dog"


def test_shards_have_what_the_merged_result_has(tmp_path: Path) -> None:
    finish(Folder(str(tmp_path)))
    entries = [e for i in range(3) for e in json.loads((tmp_path / f"shards/0000{i}-instances.json").read_text())]
    assert entries == json.loads((tmp_path / "instances.json").read_text())
    assert len(pq.read_table(tmp_path / "shards" / "00001-photos.parquet")) == 4


def test_nothing_found_at_all(tmp_path: Path) -> None:
    def nothing(photo: Photo) -> Outcome:
        return Outcome(reason="no photo")

    assert len(finish(Folder(str(tmp_path)), nothing)) == len(PHOTOS) + 1
    assert (tmp_path / "instances.json").read_text() == as_json([])
    assert len(pq.read_table(tmp_path / "instances.parquet")) == 0


def test_one_shard_or_many_give_the_same(tmp_path: Path, whole: dict[str, bytes]) -> None:
    finish(Folder(str(tmp_path / "one")), size=100)
    own = content(tmp_path / "one")
    for name in ("instances.json", "manifest.json"):
        assert own[name] == whole[name]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the package may catch it."""


def deadly(chance: float, seed: int) -> Callable[[Photo], Outcome]:
    """A look that is killed now and then, before it begins or when it is done."""
    rng = random.Random(seed)

    def killed(photo: Photo) -> Outcome:
        if rng.random() < chance / 2:
            raise Killed
        outcome = look(photo)
        if rng.random() < chance / 2:
            raise Killed
        return outcome

    return killed


@pytest.mark.parametrize("seed", range(8))
def test_a_job_killed_again_and_again_ends_the_same(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    out, starts = Folder(str(tmp_path / "killed")), 0
    how = deadly(0.7, seed)
    while True:
        starts += 1
        try:
            finish(out, how, run=f"start {starts}")
            break
        except Killed:
            continue
    assert starts > 1
    assert content(tmp_path / "killed") == whole


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    out, seen = Folder(str(tmp_path)), []

    def counted(photo: Photo) -> Outcome:
        if len(seen) == 6:
            seen.append(None)
            raise Killed
        seen.append(photo.name)
        return look(photo)

    with pytest.raises(Killed):
        finish(out, counted)
    finish(out, counted, run="again")
    assert [name for name in seen if name] == [photo.name for photo in PHOTOS]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("open_shard", [False, True])
def test_photos_that_were_set_aside_are_looked_at_again(
    tmp_path: Path, whole: dict[str, bytes], open_shard: bool
) -> None:
    """Five photos could not be read, by a job that ended or by one that was killed in its second shard."""
    unreadable, seen = {*BAD, 0, 2, 5}, []

    def failing(photo: Photo) -> Outcome:
        if open_shard and number(photo) == 7:
            raise Killed
        return Outcome(reason="The network is down.") if number(photo) in unreadable else look(photo)

    def counting(photo: Photo) -> Outcome:
        seen.append(number(photo))
        return look(photo)

    out, parts = Folder(str(tmp_path / "again")), split(PHOTOS, 4)
    with suppress(Killed):
        finish(out, failing, run="first")
    assert [reopen(out, shard, shard.number in finished(out)) for shard in parts] == [True, True, not open_shard]
    assert [reopen(out, shard, shard.number in finished(out)) for shard in parts] == [
        False
    ] * 3  # nothing is left to reopen
    finish(out, counting, run="second")
    assert seen == [*sorted(unreadable - {10}), *([7, 8, 9] if open_shard else []), 10] == sorted(seen)
    assert content(tmp_path / "again") == whole


def test_reopening_can_be_killed(tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise Killed

    out, shard = Folder(str(tmp_path / "again")), split(PHOTOS, 4)[0]
    finish(out)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Folder, "remove_file", killed)
        reopen(out, shard, done=True)
    assert shard.number in finished(out)
    assert reopen(out, shard, done=True)
    finish(out)
    assert content(tmp_path / "again") == whole


def test_a_photo_that_ends_its_worker_is_set_aside(tmp_path: Path) -> None:
    """The worker really ends, as by a fault in a decoder; Ray starts another for the same shard."""
    out = Folder(str(tmp_path))
    (shard,) = split(PHOTOS, 100)

    def poisonous(photo: Photo) -> Outcome:
        if number(photo) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return look(photo)

    def worker() -> int:
        child = os.fork()
        if not child:
            work(out, shard, poisonous, run="run", retries=2)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    ends = [worker() for _ in range(4)]
    assert [os.WIFSIGNALED(end) for end in ends] == [True, True, True, False]
    rows = pq.read_table(tmp_path / "shards" / "00000-photos.parquet").to_pylist()
    assert rows[5]["reason"] == "It took its worker down 3 times, so it is left alone."
    assert [row["reason"] is None for row in rows] == [number(photo) not in {*BAD, 5} for photo in PHOTOS]


def test_a_photo_under_way_in_stopped_jobs_is_not_set_aside(tmp_path: Path) -> None:
    out = Folder(str(tmp_path))

    def stopped(photo: Photo) -> Outcome:
        raise Killed

    for start in range(5):
        with pytest.raises(Killed):
            work(out, Shard(0, PHOTOS[:1]), stopped, run=f"start {start}", retries=0)
    assert work(out, Shard(0, PHOTOS[:1]), look, run="last", retries=0) == 0


@pytest.mark.parametrize(("failures", "retries", "set_aside"), [(1, 1, 0), (2, 1, 1), (2, 2, 0), (1, 0, 1)])
def test_what_a_network_failed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, retries: int, set_aside: int
) -> None:
    monkeypatch.setattr(shards, "PAUSE", 0)
    answers: Iterator[Outcome] = iter([Outcome(reason="timed out", again=True)] * failures)
    how = lambda photo: next(answers, None) or look(photo)  # noqa: E731
    assert work(Folder(str(tmp_path)), Shard(0, PHOTOS[:1]), how, run="run", retries=retries) == set_aside


def test_a_photo_that_is_bad_is_looked_at_once(tmp_path: Path) -> None:
    seen = []

    def bad(photo: Photo) -> Outcome:
        seen.append(photo)
        return Outcome(reason="no photo")

    work(Folder(str(tmp_path)), Shard(0, PHOTOS[:2]), bad, run="run", retries=5)
    assert seen == list(PHOTOS[:2])


def test_a_folder_that_cannot_be_written_stops_the_shard(tmp_path: Path) -> None:
    (tmp_path / "semantic").write_bytes(b"a file where a folder should be")
    with pytest.raises(OutputError):
        work(Folder(str(tmp_path)), Shard(0, PHOTOS), look, run="run", retries=1)
    assert finished(Folder(str(tmp_path))) == set()
    (tmp_path / "semantic").unlink()
    work(Folder(str(tmp_path)), Shard(0, PHOTOS), look, run="run", retries=1)
    assert finished(Folder(str(tmp_path))) == {0}


def test_in_an_object_store(bucket: str, whole: dict[str, bytes]) -> None:
    out = Folder(f"{bucket}/results")
    with pytest.raises(Killed):
        finish(out, deadly(0.6, 1))
    finish(out, run="again")
    for name, expected in whole.items():
        assert out.read(name) == expected
    assert out.names("parts/00000") == set()


def test_names_and_numbers_of_any_kind(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 in a path, a name that a disk does not take, and entries that say their number."""
    photos = (Photo("caf%E9", "/p/caf\udce9.jpg"), Photo("x" * 300, "/p/x.jpg"), Photo("bad", "/p/\udce9.jpg"))

    def look(photo: Photo) -> Outcome:
        if photo.name == "bad":
            return Outcome(reason="\udce9.jpg is no photo.")
        record = {"width": 5, "height": 4, "instances": 1, "proposals": {"source": "trees", "count": 7}}
        files = {f"semantic/{photo.name}.png": b"png"}
        return Outcome([{**entry(1, 1), "image_id": photo.name, "instance": 1}], record, files=files)

    out, parts = Folder(str(tmp_path)), split(photos, 1)
    assert [work(out, shard, look, run="run", retries=1) for shard in parts] == [0, 1, 1]
    failed = merge(out, len(parts), [], {"model": "tiny", "fill": 2})
    assert [one["path"] for one in failed] == ["/p/x.jpg", "/p/%E9.jpg"]
    assert "File name too long" in failed[0]["reason"]
    assert failed[1]["reason"] == "%E9.jpg is no photo."
    entries = json.loads((tmp_path / "instances.json").read_text(encoding="utf-8"))
    assert [one["image_id"] for one in entries] == ["caf%E9"]
    assert pq.read_table(tmp_path / "instances.parquet").to_pylist() == [{"trust": None, **one} for one in entries]
