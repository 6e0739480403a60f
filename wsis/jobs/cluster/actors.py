"""Ray's actors: each holds the networks and takes a shard at a time."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data

from wsis import devices, names
from wsis.errors import WsisError
from wsis.jobs.cluster import shards
from wsis.jobs.cluster.photo_lists import Photo
from wsis.jobs.cluster.plan import MOST_ACTORS, Crew, Plan
from wsis.jobs.cluster.shards import Shard
from wsis.jobs.cluster.storage import Folder, OutputError, opened, remote
from wsis.jobs.photo import Outcome, outcome


def rows(plan: Plan, out: Folder, crew: Crew, left: Sequence[Shard]) -> Generator[dict[str, Any]]:
    """What the actors say of each shard, as they finish it; whoever stops early closes it, before Ray is left."""
    shard_rows = [{"number": s.number, "photos": json.dumps([[p.name, p.path] for p in s.photos])} for s in left]
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
    results = ray.data.from_items(shard_rows, override_num_blocks=len(shard_rows)).map(
        Segmenter,
        fn_constructor_args=(plan, out, uuid.uuid4().hex, crew.retries, threads),
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=2),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    try:
        yield from results.iter_rows()
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise WsisError(f"The actors stopped: {last} What is done is kept; start the job again.") from error


class Segmenter:
    """An actor: the networks, and what it does with a shard."""

    def __init__(self, plan: Plan, out: Folder, run: str, retries: int, threads: int) -> None:
        """Load the networks."""
        devices.use_cores(threads)
        self._job, self._out, self._run, self._retries = plan.job(), out, run, retries

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A shard, as `rows` sends it, to the number of its photos and of those set aside."""
        shard = Shard(int(row["number"]), tuple(Photo(*photo) for photo in json.loads(row["photos"])))
        set_aside, stop = 0, ""
        try:
            set_aside = shards.work(self._out, shard, self._look, run=self._run, retries=self._retries)
        except OutputError as error:  # raised, it would arrive as a traceback of Ray's
            stop = str(error)
        return {"photos": len(shard.photos), "set_aside": set_aside, "stop": stop}

    def _look(self, photo: Photo) -> Outcome:
        if not remote(photo.path):
            return self._without_time(outcome(self._job, photo.name, Path(photo.path)))
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
            return self._without_time(outcome(self._job, photo.name, path))

    @staticmethod
    def _without_time(result: Outcome) -> Outcome:
        """Results must not depend on how fast they came."""
        if result.record is None:
            return result
        return replace(result, record={key: value for key, value in result.record.items() if key != "seconds"})
