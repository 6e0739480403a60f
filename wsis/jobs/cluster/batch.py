"""Very many photos: what `python -m wsis batch` does, on Ray Data; a local Ray instance or a cluster.

The driver lists the photos and cuts them into shards. Actors, each with its own copy of the networks, take a shard at a
time and write its results; the driver only hears how many photos are done. So memory depends on the number of actors,
not on that of the photos, and whatever is killed, the job can be started again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wsis import files, names, provenance
from wsis.checkpoints import Checkpoint
from wsis.errors import WsisError
from wsis.jobs import result_folders
from wsis.jobs.cluster import actors, connection, shards
from wsis.jobs.cluster.photo_lists import Listing
from wsis.jobs.cluster.plan import Crew, Plan
from wsis.jobs.cluster.storage import Folder, OutputError, opened, remote

SHOWN = 20
"""Photos set aside that are named on stderr; the manifest names all."""


def run(plan: Plan, model: Checkpoint, listing: Listing, out: Folder, crew: Crew, quiet: bool = False) -> int:
    """Do a job, or what is left of it, then merge the shards.

    Args:
        plan: what to do with each photo.
        model: the plan's, loaded; its networks' SHA-256 must stay the same from start to start.
        listing: the photos.
        out: folder of results; another start with the same plan, model and photos goes on with what it holds.
        crew: who works.
        quiet: no line a shard on stdout.

    Returns:
        How many photos were set aside.

    Raises:
        WsisError: the folder holds the results of another job or cannot be written, another run is at work in it, or
            Ray cannot be reached.
    """
    if remote(out.root):
        return _run(plan, model, listing, out, crew, quiet)
    here = Path(opened(out.root)[1])
    result_folders.prepare(here)
    with result_folders.locked(here):
        return _run(plan, model, listing.apart(result_folders.alike(here)), out, crew, quiet)


def _run(plan: Plan, model: Checkpoint, listing: Listing, out: Folder, crew: Crew, quiet: bool) -> int:
    header = provenance.header(model)
    parts = shards.split(listing.photos, _begun(plan, header["model"], listing, out, crew.shard))
    done = shards.finished(out)
    if crew.again:
        done -= {shard.number for shard in parts if shards.reopen(out, shard, shard.number in done)}
    left = [shard for shard in parts if shard.number not in done]
    progress = Progress(len(listing.photos), sum(len(shard.photos) for shard in parts if shard.number in done), quiet)
    if left:
        with connection.connected(crew.address), closing(actors.rows(plan, out, crew, left)) as rows:
            for row in rows:
                if row["stop"]:
                    raise OutputError(row["stop"])
                progress.told(row["photos"], row["set_aside"])
    about = {
        "settings": plan.settings, "weights": plan.matching, "fill": plan.fill, "unsure": plan.unsure,
        "skipped": listing.skipped,
    }  # fmt: skip
    shards.merge_coco(out, len(parts), model.classifier.classes)
    set_aside = shards.merge(out, len(parts), listing.doubles, {**header, **about})
    for photo in set_aside[:SHOWN]:
        print(names.printable(f"{photo['path']}: {photo['reason']}"), file=sys.stderr)
    if len(set_aside) > SHOWN:
        print(names.printable(f"and {len(set_aside) - SHOWN} more, see {out.root}/manifest.json"), file=sys.stderr)
    return len(set_aside)


class Progress:
    """A line a shard: how far the job is, how fast, and how long it will take."""

    def __init__(self, total: int, before: int, quiet: bool) -> None:
        """`before` of `total` photos were done by earlier starts."""
        self._total, self._done, self._quiet = total, before, quiet
        self._first: tuple[int, float] | None = None
        if before and not quiet:
            print(f"{before} of {total} photos are done already.", flush=True)

    def told(self, photos: int, set_aside: int) -> None:
        """A shard was finished; the first one does not count for the rate, as actors start before it."""
        self._done += photos
        now = time.monotonic()
        first = self._first = self._first or (self._done, now)
        words = [f"[{self._done}/{self._total}]"]
        if self._done > first[0]:
            rate = (self._done - first[0]) / (now - first[1])
            words.append(f"{rate:.2f} photos/s, {_span((self._total - self._done) / rate)} left")
        if set_aside:
            words.append(f"{set_aside} of the last {photos} set aside")
        if not self._quiet:
            print(" ".join(words[:2]) + "".join(f", {word}" for word in words[2:]), flush=True)


def _begun(plan: Plan, model: dict[str, Any], listing: Listing, out: Folder, size: int) -> int:
    """The job's size of shards; what the job is gets written down, or compared with what was.

    Raises:
        WsisError: the folder holds another job.
    """
    photos = json.dumps([[photo.name, photo.path] for photo in listing.photos])
    kinds = {name: value for name, value in asdict(plan).items() if name not in ("device", "settings", "matching")}
    identity = {**kinds, **plan.settings, **plan.matching, "networks": model.get("files")}
    identity = json.loads(json.dumps({**identity, "photos": hashlib.sha256(photos.encode()).hexdigest()}))
    try:
        before = json.loads(out.read("job.json"))
        if isinstance(before["photos"], dict):
            raise result_folders.another(out.root, "of segment")
        for name, value in identity.items():
            if before[name] != value:
                was = "others" if name in ("networks", "photos") else f"{before[name]}, now {value}"
                raise result_folders.another(out.root, f"{name}: {was}")
        return int(before["shard"])
    except FileNotFoundError:
        out.write("job.json", files.as_json({**identity, "shard": size}))
        return size
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WsisError(f"{out.root}/job.json is damaged. Choose another --out, or empty it.") from error


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
