"""`wsis batch` loses an actor, its disk, its cluster or Ray itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.reliability import small_model
from benchmarks.reliability.faults.outcome import Fault, NotHereError, Outcome, judged, sentence
from benchmarks.reliability.faults.processes import PATIENCE, ROOT, Running, commanded

OPTIONS = ("--class", "cat", "--enhancer", "none", "--device", "cpu", "--quiet")


def _batch(workdir: Path, photos: Path, *more: str) -> AbstractContextManager[Running]:
    return _wsis(workdir, "batch", str(photos), "--out", str(workdir / "out"), "--actors", "1", *more)


def _wsis(workdir: Path, *words: str) -> AbstractContextManager[Running]:
    model = workdir / "model"
    if not model.exists():
        small_model.save(model)
    return commanded(workdir / "said", *words, "--model", model, *OPTIONS)


def _ended(workdir: Path, photos: Path, *more: str) -> tuple[int, str]:
    with _batch(workdir, photos, *more) as running:
        return running.ended(), running.err


def _same(segmented: Path, out: Path) -> bool:
    """Whether a job's results are those of `segment`, byte by byte but for its tables, which only a job has."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = ["instances.json", "coco.json", *(f"semantic/{path.name}" for path in (segmented / "semantic").iterdir())]
    entries = json.loads((segmented / "instances.json").read_text())
    photos = json.loads((segmented / "manifest.json").read_text())["photos"]
    columns = ("image_id", "width", "height", "instances", "proposals", "reason")
    looked = [{**photo, "proposals": photo["proposals"]["count"], "reason": None} for photo in photos]
    tables = {name: pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("instances", "photos")}
    rows = [{key: value for key, value in row.items() if value is not None} for row in tables["instances"]]
    return (
        all((segmented / name).read_bytes() == (out / name).read_bytes() for name in names)
        and rows == entries
        and [{key: row[key] for key in columns} for row in tables["photos"]]
        == [{key: row[key] for key in columns} for row in looked]
    )


def actors_of(root: int) -> list[int]:
    """Ray's actors that hold networks, among the processes that `root` started, however indirectly."""
    lines = subprocess.run(["ps", "-eo", "pid,ppid,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in lines.splitlines()[1:]]
    family = {str(root)}
    while grown := {pid for pid, parent, *_ in rows if parent in family} - family:
        family |= grown
    return [int(pid) for pid, _, *words in rows if pid in family and "MapWorker" in "".join(words)]


def actor_killed(workdir: Path, photos: Path) -> Outcome:
    """An actor of `batch` is killed (SIGKILL) while it works.

    another takes its place, and the result equals that of an undisturbed job
    """
    out = workdir / "out"
    with _batch(workdir, photos) as running:
        if not running.until(lambda: list(out.glob("parts/*/0.json")), pause=0.01):
            raise NotHereError(f"the job ended before it worked: {running.err}")
        killed = actors_of(running.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        if not killed:
            raise NotHereError("the actor was too quick to be killed")
        again, said = running.ended(), running.err
    # By `segment`, whose results are those of `batch` byte by byte and which has no Ray to start.
    with _wsis(workdir, "segment", str(photos), "--out", str(workdir / "whole")) as whole:
        code, err = whole.ended(), whole.err
    return judged(
        said or f"{len(killed)} actor killed and replaced",
        undisturbed=code == 0 and not err,
        exit_code_0=again == 0,
        equal=code == again == 0 and _same(workdir / "whole", out),
    )


def results_folder_is_no_folder(workdir: Path, photos: Path) -> Outcome:
    """A folder of `batch`'s results turns out to be a file.

    exit code 2 and one sentence, no photo blamed; when that is mended, the same command ends the job
    """
    out = workdir / "out"
    out.mkdir()
    (out / "semantic").write_bytes(b"")
    code, err = _ended(workdir, photos)
    (out / "semantic").unlink()
    again, _ = _ended(workdir, photos)
    failed = json.loads((out / "manifest.json").read_text())["failed"] if again == 0 else ["nothing was written"]
    return judged(err, exit_code_2=code == 2, sentence=sentence(err), ends_afterwards=again == 0 and not failed)


def cluster_gone(workdir: Path, photos: Path) -> Outcome:
    """`batch` is given the address of a cluster where nobody answers.

    exit code 2 and one sentence within seconds
    """
    code, err = _ended(workdir, photos, "--address", "127.0.0.1:9")
    return judged(err, exit_code_2=code == 2, sentence=sentence(err))


def ray_missing(workdir: Path, photos: Path) -> Outcome:
    """Ray is not installed.

    exit code 2 and a sentence that names the plain command
    """
    code = "import sys; sys.modules['ray'] = None; from wsis.__main__ import main; main()"
    words = [sys.executable, "-c", code, "batch", str(photos), "--out", str(workdir / "out")]
    ended = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE)
    err = ended.stderr
    return judged(err, exit_code_2=ended.returncode == 2, sentence=sentence(err), names="wsis segment" in err)


FAULTS: dict[str, Fault] = {
    f"batch_{one.__name__}": one for one in (actor_killed, results_folder_is_no_folder, cluster_gone, ray_missing)
}
SLOW = set(FAULTS)
