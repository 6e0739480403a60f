"""A large job in shards: each is finished once, whoever is killed meanwhile; all are merged into one result.

A folder of results holds, while the job runs, `parts/SHARD/PLACE.json` for each photo that is done in an open shard;
for a finished one `shards/SHARD-instances.json` (COCO results), `-instances.parquet` and `-photos.parquet`. The last of
these is written last and says that the shard is finished. Nothing in them depends on how often the job was started, by
how many workers it was done or when, so that an interrupted job ends with the same bytes as an uninterrupted one.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from wsis import coco_dataset, names
from wsis.files import as_json
from wsis.jobs.cluster.photo_lists import Photo
from wsis.jobs.cluster.storage import Folder, OutputError
from wsis.jobs.photo import Outcome

INSTANCES = pa.schema(
    [
        ("image_id", pa.string()),
        ("file_name", pa.string()),
        ("category_id", pa.int32()),
        ("category_name", pa.string()),
        ("segmentation", pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])),
        ("bbox", pa.list_(pa.float64())),
        ("area", pa.int64()),
        ("score", pa.float64()),
        ("instance", pa.int32()),
        ("trust", pa.float64()),
    ]
)
"""A row an instance, with the names of COCO's results; its number in the instance PNG; null where it is not rated."""
PHOTOS = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("instances", pa.int32()),
        ("proposals", pa.int32()),
        ("reason", pa.string()),
    ]
)
"""A row a photo; `reason` says why it was set aside and is null where it was not."""
NUMBERS = ("width", "height", "instances")
NOT_HERE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
"""What an operating system says of a name that a disk does not take, such as one with a colon."""
PAUSE = 0.5
"""Seconds before what a disk or network failed is tried again; twice as long each time."""


@dataclass(frozen=True)
class Shard:
    """What a worker takes at a time.

    Attributes:
        number: from 0, in the order of the job's photos.
        photos: its share of them.
    """

    number: int
    photos: tuple[Photo, ...]


def split(photos: Sequence[Photo], size: int) -> list[Shard]:
    """Shards of `size` photos, the last one of what is left."""
    return [Shard(i // size, tuple(photos[i : i + size])) for i in range(0, len(photos), size)]


def finished(out: Folder) -> set[int]:
    """Numbers of the shards that are finished."""
    ending = "-photos.parquet"
    return {int(name.removesuffix(ending)) for name in out.names("shards") if name.endswith(ending)}


def reopen(out: Folder, shard: Shard, done: bool) -> bool:
    """Let `work` look again at the photos of a shard that were set aside, and at no others.

    Killed half-way, it can be done again: the shard stays finished until its last step.

    Args:
        out: folder of results.
        shard: any of the job's.
        done: whether it is among the `finished`, which are listed once for all.

    Returns:
        Whether there are any.
    """
    folder, start = f"parts/{shard.number:05d}", f"shards/{shard.number:05d}"
    if not done:
        parts = {name: json.loads(out.read(f"{folder}/{name}")) for name in out.names(folder) if name.endswith(".json")}
        aside = [name for name, part in parts.items() if part["record"] is None]
        for name in aside:
            out.remove_file(f"{folder}/{name}")
            out.remove_file(f"{folder}/{Path(name).stem}.tries")
        return bool(aside)
    rows = _table(out, shard.number, "photos").to_pylist()
    if all(row["reason"] is None for row in rows):
        return False
    entries = json.loads(out.read(f"{start}-instances.json"))
    for place, row in enumerate(rows):
        if row["reason"] is None:
            of_photo = [entry for entry in entries if entry["image_id"] == row["image_id"]]
            record = {**{name: row[name] for name in NUMBERS}, "proposals": {"count": row["proposals"]}}
            out.write(f"{folder}/{place}.json", json.dumps({"entries": of_photo, "record": record, "reason": None}))
    out.remove_file(f"{start}-photos.parquet")
    return True


def work(out: Folder, shard: Shard, look: Callable[[Photo], Outcome], *, run: str, retries: int) -> int:
    """Do what is left of a shard and finish it.

    Args:
        out: folder of results.
        shard: what to do.
        look: what to do with a photo.
        run: names this start of the job; tries of an earlier one, which somebody may have stopped, do not count.
        retries: how often a photo is tried again that a disk or network failed, or that its worker did not survive.

    Returns:
        How many of its photos were set aside.

    Raises:
        wsis.jobs.cluster.storage.OutputError: results cannot be written.
    """
    folder = f"parts/{shard.number:05d}"
    there = out.names(folder)
    outcomes = []
    for place, photo in enumerate(shard.photos):
        part, trace = f"{place}.json", f"{place}.tries"
        if part in there:
            outcomes.append(Outcome(**json.loads(out.read(f"{folder}/{part}"))))
            continue
        tries = _tries(out.read(f"{folder}/{trace}"), run) if trace in there else 0
        if tries > retries:
            outcome = Outcome(reason=f"It took its worker down {tries} times, so it is left alone.")
        else:
            out.write(f"{folder}/{trace}", json.dumps({"run": run, "tries": tries + 1}))
            outcome = _patiently(look, photo, retries)
            try:
                for name, content in outcome.files.items():
                    out.write(name, content)
            except OutputError as error:
                if getattr(error.__cause__, "errno", None) not in NOT_HERE:
                    raise
                outcome = Outcome(reason=str(error))
        result: dict[str, Any] = {"entries": outcome.entries, "record": outcome.record, "reason": outcome.reason}
        out.write(f"{folder}/{part}", json.dumps(result))
        outcomes.append(Outcome(**result))
    _finish(out, shard, outcomes)
    out.remove(folder)
    return sum(outcome.record is None for outcome in outcomes)


def merge(
    out: Folder, shard_count: int, set_aside: Sequence[tuple[Photo, str]], manifest: dict[str, Any]
) -> list[dict]:
    """Write instances.json, instances.parquet, photos.parquet and manifest.json, holding one shard at a time.

    Args:
        out: folder of results whose shards are all finished.
        shard_count: how many there are.
        set_aside: photos that no shard has, each with the reason.
        manifest: what it shall hold besides `photos` (how many are done) and `failed`.

    Returns:
        `image_id`, `path` and `reason` of every photo that was set aside.
    """
    extra = pa.Table.from_pylist([_row(photo, Outcome(reason=reason)) for photo, reason in set_aside], PHOTOS)
    photos = chain((_table(out, number, "photos") for number in range(shard_count)), (extra,))
    failed, count = [], 0
    with out.writing("photos.parquet") as stream, pq.ParquetWriter(stream, PHOTOS) as writer:
        for table in photos:
            writer.write_table(table)
            count += len(table)
            failed += [
                {"image_id": row["image_id"], "path": row["path"], "reason": row["reason"]}
                for row in table.select(["image_id", "path", "reason"]).to_pylist()
                if row["reason"] is not None
            ]
    with out.writing("instances.parquet") as stream, pq.ParquetWriter(stream, INSTANCES) as writer:
        for number in range(shard_count):
            table = _table(out, number, "instances")
            writer.write_table(table if len(table) else INSTANCES.empty_table())  # its columns follow from its entries
    with out.writing("instances.json") as stream:
        _join(stream, (out.read(f"shards/{number:05d}-instances.json") for number in range(shard_count)))
    out.write("manifest.json", as_json({**manifest, "photos": count - len(failed), "failed": failed}))
    return failed


def merge_coco(out: Folder, shard_count: int, classes: Sequence[str]) -> None:
    """Write coco.json, see `wsis.coco_dataset`, holding one shard at a time.

    Args:
        out: folder of results whose shards are all finished.
        shard_count: how many there are.
        classes: names of all the model's classes.
    """

    def photos() -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The photos of each shard that were not set aside, and the number of the first."""
        first = 1
        for number in range(shard_count):
            rows = [row for row in _table(out, number, "photos").to_pylist() if row["reason"] is None]
            yield first, [{**row, "file_name": f"{row['image_id']}{Path(row['path']).suffix}"} for row in rows]
            first += len(rows)

    def annotations() -> Iterator[dict[str, Any]]:
        count = 0
        for number, (first, rows) in enumerate(photos()):
            entries = json.loads(out.read(f"shards/{number:05d}-instances.json"))
            numbers = {row["image_id"]: i for i, row in enumerate(rows, first)}
            yield from coco_dataset.annotation_rows(entries, numbers, count + 1)
            count += len(entries)

    images = (image for first, rows in photos() for image in coco_dataset.image_rows(rows, first))
    with out.writing("coco.json") as stream:
        coco_dataset.write(stream, classes, images, annotations())


def _patiently(look: Callable[[Photo], Outcome], photo: Photo, retries: int) -> Outcome:
    outcome = look(photo)
    for attempt in range(retries):
        if not outcome.again:
            break
        time.sleep(PAUSE * 2**attempt)
        outcome = look(photo)
    return outcome


def _tries(content: bytes, run: str) -> int:
    trace = json.loads(content)
    return int(trace["tries"]) if trace["run"] == run else 0


def _finish(out: Folder, shard: Shard, outcomes: Sequence[Outcome]) -> None:
    entries = [entry for outcome in outcomes for entry in outcome.entries]
    rows = [_row(photo, outcome) for photo, outcome in zip(shard.photos, outcomes, strict=True)]
    start = f"shards/{shard.number:05d}"
    out.write(f"{start}-instances.json", as_json(entries))
    for name, content, schema in (("instances", entries, INSTANCES), ("photos", rows, PHOTOS)):
        with out.writing(f"{start}-{name}.parquet") as stream:
            pq.write_table(pa.Table.from_pylist(content, schema), stream)


def _row(photo: Photo, outcome: Outcome) -> dict[str, Any]:
    record, path = outcome.record, names.text(photo.path)
    if record is None:
        return {"image_id": photo.name, "path": path, "reason": names.text(outcome.reason)}
    numbers = {name: record[name] for name in NUMBERS}
    return {"image_id": photo.name, "path": path, **numbers, "proposals": record["proposals"]["count"]}


def _table(out: Folder, number: int, kind: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(out.read(f"shards/{number:05d}-{kind}.parquet")))


def _join(stream: BinaryIO, lists: Iterator[bytes]) -> None:
    """JSON lists with an entry a line (`as_json`) as one such list."""
    between = b"[\n"
    for rows in lists:
        if inner := rows.removeprefix(b"[\n").removesuffix(b"\n]\n"):
            stream.write(between + inner)
            between = b",\n"
    stream.write(b"\n]\n" if between == b",\n" else b"[\n\n]\n")
