"""The batch command on real Ray instances. What shards are and how they survive is tested in test_shards.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.reliability.faults.cluster import actors_of
from benchmarks.reliability.faults.processes import Running, commanded
from tests.helpers import ROOT
from tests.helpers.bad_files import encoded
from wsis import cli
from wsis.jobs.cluster.storage import Folder

OPTIONS = ("--enhancer", "spread", "--class", "cat", "--device", "cpu")
SHARD = ("--shard", "2")


def content(folder: Path) -> dict[str, bytes]:
    """Files of results by name; how the job was cut into shards, and that it was, left out."""
    own = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: file for name, file in own.items() if not name.startswith(("shards/", "job.json"))}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(6):
        (folder / f"cat{i}.jpg").write_bytes(encoded(np.ascontiguousarray(photo[8 * i : 8 * i + 100, :140]), "JPEG"))
    (folder / "broken.jpg").write_bytes((folder / "cat0.jpg").read_bytes()[:300])
    (folder / "notes.txt").write_text("no photo by its ending")
    return folder


@dataclass(frozen=True)
class Cluster:
    address: str
    pid: int

    def actors(self) -> list[int]:
        """Processes that hold networks; only its own, for other jobs may run on this machine."""
        return actors_of(self.pid)


@pytest.fixture(scope="module")
def cluster(_object_store: str) -> Iterator[Cluster]:
    """A Ray cluster of one machine, as an operator starts it; jobs reach it by its address, and it the object store."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}", "--num-cpus=2"),
        *("--object-store-memory=100000000", "--include-dashboard=false"),
    ]
    folder = Path("/tmp") / f"r{port}"  # short, for sockets lie in it
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("AUTH_MODE", "disabled"), ("USAGE_STATS_ENABLED", "0"), ("worker_niceness", "0")):
            patch.setenv(f"RAY_{name}", value)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        running = subprocess.Popen(
            [*start, f"--temp-dir={folder}"], env=environment, start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert any("Ray runtime started" in line for line in running.stdout)
        yield Cluster(f"127.0.0.1:{port}", running.pid)
    os.killpg(running.pid, signal.SIGKILL)
    for pid in pids(str(folder)):  # what left the group
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _batch(model: Path, cluster: Cluster, *arguments: object, options: tuple[str, ...] = (*OPTIONS, *SHARD)):
    """What `batch` says, by one actor where no more are asked for: each takes seconds to start."""
    words = ["batch", "--actors", "1", *map(str, arguments), "--model", str(model), *options]
    return CliRunner().invoke(cli.app, [*words, "--address", cluster.address])


@pytest.fixture
def batch(tiny_checkpoint: Path, cluster: Cluster):
    return partial(_batch, tiny_checkpoint, cluster)


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, photos: Path) -> Path:
    """What the plain command writes."""
    out = tmp_path_factory.mktemp("segmented")
    words = ["segment", str(photos), "--out", str(out), "--model", str(tiny_checkpoint), "--workers", "2", *OPTIONS]
    assert CliRunner().invoke(cli.app, words).exit_code == 1
    return out


def pids(name: str) -> list[int]:
    """Processes that call themselves so."""
    lines = subprocess.run(["ps", "-eo", "pid,args"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if name in line]


def process(photos: Path, out: Path, model: Path, *options: str) -> AbstractContextManager[Running]:
    """The command in a process that can be killed."""
    words = ("batch", photos, "--out", out, "--model", model, *OPTIONS, *options)
    return commanded(out.with_name(f"{out.name}-said"), *words)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, cluster: Cluster, photos: Path):
    """A job by two actors: its folder, and what it said."""
    out = tmp_path_factory.mktemp("finished")
    return out, _batch(tiny_checkpoint, cluster, photos, "--out", out, "--actors", "2")


@pytest.mark.slow
def test_batch_finds_what_segment_finds(finished, segmented: Path) -> None:
    out, result = finished
    assert result.exit_code == 1, result.output
    assert "[7/7]" in result.output
    assert "broken.jpg is damaged" in result.output
    own, plain = content(out), content(segmented)
    assert own["instances.json"] == plain["instances.json"]
    assert own["coco.json"] == plain["coco.json"]
    assert {name for name in own if name.endswith(".png")} == {name for name in plain if name.endswith(".png")}
    assert all(own[name] == plain[name] for name in own if name.endswith(".png"))
    mine, theirs = json.loads(own["manifest.json"]), json.loads(plain["manifest.json"])
    for name in ("format", "model", "versions", "settings", "weights", "fill"):
        assert mine[name] == theirs[name]
    assert (mine["photos"], mine["skipped"]) == (6, 1)
    assert mine["failed"][0]["reason"] == theirs["failed"][0]["reason"]
    entries = [{"trust": None, **one} for one in json.loads(own["instances.json"])]
    assert pq.read_table(out / "instances.parquet").to_pylist() == entries
    assert not list(out.glob("parts/*"))


@pytest.mark.slow
def test_a_finished_job_is_not_done_again(batch, finished, photos: Path) -> None:
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    again = batch(photos, "--out", out)
    assert again.exit_code == 1
    assert "7 of 7 photos are done already" in again.output
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}


@pytest.fixture
def mended(photos: Path) -> Iterator[None]:
    """Somebody mends the broken photo, for the time of a test."""
    broken = (photos / "broken.jpg").read_bytes()
    shutil.copy(photos / "cat0.jpg", photos / "broken.jpg")
    yield
    (photos / "broken.jpg").write_bytes(broken)


@pytest.mark.slow
def test_photos_that_were_set_aside_are_looked_at_again(
    batch, finished, photos: Path, mended: None, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    unasked = batch(photos, "--out", out)
    assert "7 of 7 photos are done already" in unasked.output
    assert "broken.jpg is damaged" in unasked.output
    asked = batch(photos, "--out", out, "--again")
    assert asked.exit_code == 0, asked.output
    assert batch(photos, "--out", tmp_path / "anew").exit_code == 0
    assert content(out) == content(tmp_path / "anew")


@pytest.fixture(scope="module")
def of_one(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, cluster: Cluster, photos: Path) -> Path:
    """The folder of a job of one photo."""
    out = tmp_path_factory.mktemp("of_one")
    (out / "job.json").write_text("{}")
    assert "job.json is damaged" in _batch(tiny_checkpoint, cluster, photos, "--out", out).stderr
    (out / "job.json").unlink()
    assert _batch(tiny_checkpoint, cluster, photos / "broken.jpg", "--out", out).exit_code == 1
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--fill", "2"), "fill: 20, now 2"),
        (("--alpha", "0.5"), "alpha: 0.95, now 0.5"),
        (("--steps", "1"), "steps: 3, now 1"),
    ],
)
def test_results_of_another_job_are_not_mixed(batch, of_one: Path, photos: Path, options: tuple, says: str) -> None:
    other = batch(photos / "broken.jpg", "--out", of_one, options=(*OPTIONS, *SHARD, *options))
    assert other.exit_code == 2
    assert says in other.stderr
    assert "photos: others" in batch(photos, "--out", of_one).stderr


@pytest.mark.slow
def test_from_and_to_an_object_store(batch, photos: Path, bucket: str, segmented: Path) -> None:
    store = Folder(bucket)
    for path in photos.iterdir():
        store.write(f"photos/{path.name}", path.read_bytes())
    assert batch(f"{bucket}/photos", "--out", f"{bucket}/out").exit_code == 1
    assert store.read("out/instances.json") == (segmented / "instances.json").read_bytes()
    (failed,) = json.loads(store.read("out/manifest.json"))["failed"]
    assert failed["path"] == f"{bucket}/photos/broken.jpg"
    assert "damaged" in failed["reason"]


@pytest.mark.slow
def test_photos_that_vanish_are_set_aside(batch, photos: Path, bucket: str, tmp_path: Path) -> None:
    import pyarrow as pa

    paths = [f"{photos}/cat0.jpg", f"{tmp_path}/gone.jpg", f"{bucket}/gone2.jpg"]
    pq.write_table(pa.table({"path": paths}), tmp_path / "list.parquet")
    result = batch(tmp_path / "list.parquet", "--out", tmp_path / "out", "--retries", "0")
    assert result.exit_code == 1
    assert f"There is no file {tmp_path}/gone.jpg." in result.stderr
    assert f"{bucket}/gone2.jpg cannot be read" in result.stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["photos"] == 1


@pytest.mark.slow
def test_a_killed_actor_is_replaced(
    cluster: Cluster, photos: Path, segmented: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    words = ("--address", cluster.address, "--shard", "6", "--actors", "1")
    with process(photos, tmp_path, tiny_checkpoint, *words) as running:
        assert running.until(lambda: list(tmp_path.glob("parts/00000/*.json"))), running.err
        (actor,) = cluster.actors()
        os.kill(actor, signal.SIGKILL)
        assert running.ended() == 1, running.err
    assert (tmp_path / "instances.json").read_bytes() == (segmented / "instances.json").read_bytes()


@pytest.mark.slow
def test_a_killed_job_goes_on_here(photos: Path, segmented: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """On an instance of its own, which goes with the killed job; and with another crew."""
    with process(photos, tmp_path, tiny_checkpoint, *SHARD) as first:
        assert first.until(lambda: [*tmp_path.glob("parts/*/*.json"), *tmp_path.glob("shards/*")]), first.err
        priorities = {os.getpriority(os.PRIO_PROCESS, actor) for actor in actors_of(first.pid)}
        assert priorities == {os.getpriority(os.PRIO_PROCESS, 0)}  # by Ray's own 15 whatever else runs starves them
        running = set(Path("/tmp").glob("wsis-ray-*"))
        first.send(signal.SIGKILL)
        assert first.ended() == -signal.SIGKILL
    assert not (tmp_path / "manifest.json").exists()
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("shards/*")}
    with process(photos, tmp_path, tiny_checkpoint, *SHARD, "--actors", "1") as second:
        assert second.ended() == 1, second.err
        assert "Traceback" not in second.err
    assert (tmp_path / "instances.json").read_bytes() == (segmented / "instances.json").read_bytes()
    assert any(not folder.exists() for folder in running)  # what the killed one could not tidy up
    assert done.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("shards/*")}.items()


@pytest.mark.slow
def test_a_disk_that_fails_stops_the_job(batch, photos: Path, tmp_path: Path) -> None:
    import ray  # as the command does, after it has said how

    taken = tmp_path / "semantic" / "cat3.png"
    taken.mkdir(parents=True)  # a folder where a file should be
    result = batch(photos, "--out", tmp_path)
    assert result.exit_code == 2
    assert "semantic/cat3.png cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    with pytest.raises(RuntimeError, match="has not been initialized"):  # as a thread that goes on would start it
        ray.get_runtime_context().get_node_id()
    taken.rmdir()
    assert batch(photos, "--out", tmp_path).exit_code == 1


def test_a_useless_folder_of_results_is_told_before_ray_starts(
    photos: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "semantic").write_bytes(b"a file where a folder should be")
    words = ["batch", str(photos), "--out", str(tmp_path), "--model", str(tiny_checkpoint), *OPTIONS]
    result = CliRunner().invoke(cli.app, [*words, "--address", "127.0.0.1:9"])  # which would not answer
    assert result.exit_code == 2
    assert f"Nothing can be written to {tmp_path / 'semantic'}: File exists." in result.stderr


def test_a_cluster_that_does_not_answer(photos: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = ["batch", str(photos), "--out", str(tmp_path), "--model", str(tiny_checkpoint), *OPTIONS]
    result = CliRunner().invoke(cli.app, [*words, "--address", "127.0.0.1:9"])
    assert result.exit_code == 2
    assert "No Ray cluster answers at 127.0.0.1:9." in result.stderr


@pytest.mark.parametrize(("source", "says"), [("nothing", "There is no file or folder"), ("s3://a:b@c/d", "Keys")])
def test_wrong_sources(source: str, says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["batch", source, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.slow
def test_without_ray_a_sentence_names_the_plain_command(photos: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from wsis.__main__ import main; main()"
    words = [sys.executable, "-c", code, "batch", str(photos), "--out", str(tmp_path / "out")]
    result = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 2
    assert "batch needs ray, which is not installed: pip install -r requirements-cluster.txt." in result.stderr
    assert f"python -m wsis segment {photos} --out {tmp_path / 'out'}" in result.stderr
    assert not (tmp_path / "out").exists()
