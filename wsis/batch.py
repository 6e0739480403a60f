"""Very many photos: what `python -m wsis batch` does, on Ray Data; a local Ray instance or a cluster.

The driver lists the photos and cuts them into shards. Actors, each with its own copy of the networks, take a shard at a
time and write its results; the driver only hears how many photos are done. So memory depends on the number of actors,
not on that of the photos, and whatever is killed, the job can be started again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data
import torch

from wsis import cluster, devices, export, names, result_folders, segment, shards
from wsis.checkpoints import Checkpoint
from wsis.errors import WsisError
from wsis.matching import Weights
from wsis.photo_lists import Listing, Photo, collect
from wsis.pipeline import Pipeline, Settings
from wsis.segment import Outcome
from wsis.shards import Shard
from wsis.storage import Folder, OutputError, opened, remote

__all__ = ["Crew", "Folder", "Plan", "collect", "run"]

SHOWN = 20
"""Photos set aside that are named on stderr; the manifest names all."""
MOST_ACTORS = 8
"""Actors of a local instance where nobody says how many: each holds the networks and a photo."""


@dataclass(frozen=True)
class Plan:
    """What a job does with each photo; JSON values only, so that it can be kept and sent.

    Attributes:
        model: as `Pipeline.load` takes it, with its `weights` and `labels`.
        weights: see `model`.
        labels: see `model`.
        settings: of the analysis, see `wsis.pipeline.Settings`.
        matching: weights of Eq. 5.
        per_peak: how many proposals a peak may offer.
        proposals: local folder with NAME.mat, .json or .png, or COCO file; None generates proposals.
        overlays: whether pictures are written too.
        device: `cpu`, `cuda`, ...; None takes the GPU where there is one.
    """

    model: str
    weights: str | None
    labels: str | None
    settings: dict[str, Any]
    matching: dict[str, float]
    per_peak: int
    proposals: str | None
    overlays: bool
    device: str | None

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        settings: Settings,
        matching: Weights,
        *,
        per_peak: int = 1,
        overlays: bool = False,
        weights: Path | None = None,
        labels: Path | None = None,
        proposals: Path | None = None,
        device: str | None = None,
    ) -> Plan:
        """A plan whose paths every process on this machine understands; see the attributes."""
        folder = Path(pipeline.name)
        model = str(folder.absolute()) if pipeline.checkpoint.folder == folder else pipeline.name
        if devices.named(device) is None:
            device = None
        elif (device := pipeline.device).startswith("cuda:"):
            if torch.cuda.device_count() > 1:
                raise WsisError(
                    f"batch gives each actor a GPU of its own, so it cannot take {device}. Say --device cuda; the "
                    "variable CUDA_VISIBLE_DEVICES chooses among several GPUs."
                )
            device = "cuda"
        weights_file, labels_file, maps = (str(p.absolute()) if p else None for p in (weights, labels, proposals))
        return cls(
            model, weights_file, labels_file, asdict(settings), asdict(matching), per_peak, maps, overlays, device
        )

    def job(self) -> segment.Job:
        """The networks loaded, and what is the same for every photo."""
        pipeline = Pipeline.load(self.model, device=self.device, weights=self.weights, labels=self.labels)
        chosen = self.settings["classes"]
        settings = Settings(**{**self.settings, "classes": None if chosen is None else tuple(chosen)})
        proposals = None if self.proposals is None else Path(self.proposals)
        return segment.Job(
            pipeline, settings, Weights(**self.matching), self.per_peak, Path(), proposals, self.overlays
        )


@dataclass(frozen=True)
class Crew:
    """Who works.

    Attributes:
        actors: how many processes hold the networks; None takes one a GPU, or one a core, at most `MOST_ACTORS`.
        cpus: cores of an actor.
        gpus: GPUs of an actor; a fraction shares one. None takes one where the machine has any and the plan names no
            other device.
        address: of a cluster, `auto` for the one this machine belongs to; None starts Ray here.
        shard: photos that an actor takes at a time.
        retries: how often a photo is tried again that a disk or network failed or that took its actor down.
        again: photos that an earlier start set aside are looked at again.
    """

    actors: int | None = None
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None
    shard: int = 32
    retries: int = 2
    again: bool = False


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
    export.try_folder(here)
    with result_folders.locked(here):
        return _run(plan, model, listing.apart(result_folders.alike(here)), out, crew, quiet)


def _run(plan: Plan, model: Checkpoint, listing: Listing, out: Folder, crew: Crew, quiet: bool) -> int:
    header = export.header(model)
    parts = shards.split(listing.photos, _begun(plan, header["model"], listing, out, crew.shard))
    done = shards.finished(out)
    if crew.again:
        done -= {one.number for one in parts if shards.reopen(out, one, one.number in done)}
    left = [one for one in parts if one.number not in done]
    progress = Progress(len(listing.photos), sum(len(one.photos) for one in parts if one.number in done), quiet)
    if left:
        with cluster.connected(crew.address):
            for row in _rows(plan, out, crew, left):
                if row["stop"]:
                    raise OutputError(row["stop"])
                progress.told(row["photos"], row["set_aside"])
    about = {"settings": plan.settings, "weights": plan.matching, "per_peak": plan.per_peak, "skipped": listing.skipped}
    shards.merge_coco(out, len(parts), model.classifier.classes)
    set_aside = shards.merge(out, len(parts), listing.doubles, {**header, **about})
    for one in set_aside[:SHOWN]:
        print(names.printable(f"{one['path']}: {one['reason']}"), file=sys.stderr)
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


class Segmenter:
    """An actor: the networks, and what it does with a shard."""

    def __init__(self, plan: Plan, out: Folder, run: str, retries: int, threads: int) -> None:
        """Load the networks."""
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)
        self._job, self._out, self._run, self._retries = plan.job(), out, run, retries

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A shard, as `_rows` sends it, to the number of its photos and of those set aside."""
        shard = Shard(int(row["number"]), tuple(Photo(*photo) for photo in json.loads(row["photos"])))
        set_aside, stop = 0, ""
        try:
            set_aside = shards.work(self._out, shard, self._look, run=self._run, retries=self._retries)
        except OutputError as error:  # raised, it would arrive as a traceback of Ray's
            stop = str(error)
        return {"photos": len(shard.photos), "set_aside": set_aside, "stop": stop}

    def _look(self, photo: Photo) -> Outcome:
        if not remote(photo.path):
            return self._without_time(segment.outcome(self._job, photo.name, Path(photo.path)))
        with tempfile.TemporaryDirectory(prefix="wsis-batch-") as folder:
            path = Path(folder, names.path(names.result(Path(photo.path.partition("?")[0]).name)))
            try:
                system, place = opened(photo.path)
                with system.open_input_stream(place) as stream, path.open("wb") as local:
                    while block := stream.read(2**20):
                        local.write(block)
            except (FileNotFoundError, PermissionError) as error:
                return Outcome(reason=f"{photo.path} cannot be read: {str(error).splitlines()[0]}.")
            except (OSError, pa.ArrowException) as error:
                return Outcome(reason=f"{photo.path} cannot be read: {str(error).splitlines()[0]}.", again=True)
            return self._without_time(segment.outcome(self._job, photo.name, path))

    @staticmethod
    def _without_time(outcome: Outcome) -> Outcome:
        """Results must not depend on how fast they came."""
        if outcome.record is None:
            return outcome
        return replace(outcome, record={key: value for key, value in outcome.record.items() if key != "seconds"})


def _begun(plan: Plan, model: dict[str, Any], listing: Listing, out: Folder, size: int) -> int:
    """The job's size of shards; what the job is gets written down, or compared with what was.

    Raises:
        WsisError: the folder holds another job.
    """
    photos = json.dumps([[photo.name, photo.path] for photo in listing.photos])
    kinds = {name: value for name, value in asdict(plan).items() if name not in ("device", "settings", "matching")}
    own = {**kinds, **plan.settings, **plan.matching, "networks": model.get("files")}
    own = json.loads(json.dumps({**own, "photos": hashlib.sha256(photos.encode()).hexdigest()}))
    try:
        before = json.loads(out.read("job.json"))
        if isinstance(before["photos"], dict):
            raise result_folders.another(out.root, "of segment")
        for name, value in own.items():
            if before[name] != value:
                was = "others" if name in ("networks", "photos") else f"{before[name]}, now {value}"
                raise result_folders.another(out.root, f"{name}: {was}")
        return int(before["shard"])
    except FileNotFoundError:
        out.write("job.json", export.as_json({**own, "shard": size}))
        return size
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WsisError(f"{out.root}/job.json is damaged. Choose another --out, or empty it.") from error


def _rows(plan: Plan, out: Folder, crew: Crew, left: Sequence[Shard]) -> Iterator[dict[str, Any]]:
    """What the actors say of each shard, as they finish it."""
    rows = [{"number": s.number, "photos": json.dumps([[p.name, p.path] for p in s.photos])} for s in left]
    has = ray.cluster_resources()
    gpus = crew.gpus if crew.gpus is not None else float(bool(has.get("GPU")) and plan.device in (None, "cuda"))
    places = int(has.get("GPU", 0) / gpus) if gpus else int(has.get("CPU", 1)) // crew.cpus
    wanted = crew.actors or max(1, places if crew.address else min(places, MOST_ACTORS))
    actors = min(wanted, len(left))
    if not crew.address and gpus and actors > places:
        raise WsisError(f"{actors} actors of {gpus:g} GPUs each need more GPUs than there are: {has.get('GPU', 0):g}.")
    cpus = crew.cpus if crew.address else min(crew.cpus, has.get("CPU", 1) / actors)
    threads = max(crew.cpus, 1 if crew.address else int(has.get("CPU", 1)) // actors)
    plan = replace(plan, device=plan.device or ("cuda" if gpus else "cpu"))
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Segmenter,
        fn_constructor_args=(plan, out, uuid.uuid4().hex, crew.retries, threads),
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=2),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise WsisError(f"The actors stopped: {last} What is done is kept; start the job again.") from error


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
