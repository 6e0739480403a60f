"""The command is ended in the middle: at any time, and while a file is half written."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from benchmarks.reliability.faults import results
from benchmarks.reliability.faults.outcome import Fault, Outcome, judged, sentence
from benchmarks.reliability.faults.processes import Running, segmenting

TIMES = 4
TRIES = 40


def _again(workdir: Path, photos: Path, out: Path, *words: str) -> bool:
    """Whether the same command, run to its end, gives everything."""
    with segmenting(workdir, photos, "--out", out, *words) as running:
        return running.ended() == 0 and not running.err and results.equal(out, photos)


def _at_random(workdir: Path, photos: Path, sign: signal.Signals, codes: tuple[int, ...], seed: int) -> Outcome:
    out, chance, seconds = workdir / "out", random.Random(seed), results.clean(photos)[1]
    whole = True
    ends: list[int] = []
    told: dict[int, str] = {}  # the last words at each exit code
    while sum(map(bool, ends)) < TIMES and len(ends) < TRIES:
        with segmenting(workdir, photos, "--out", out) as running:
            start = time.monotonic()
            running.process.join(chance.uniform(0.1, 0.9) * seconds)
            running.send(sign)
            ends.append(running.ended())
            if not ends[-1]:  # over too soon: the run without faults had to wake the server of forks first
                seconds = min(seconds, time.monotonic() - start)
        whole &= results.whole(out)
        told[ends[-1]] = running.err or told.get(ends[-1], "")
    left = results.leftovers(out)
    for file in left:
        os.utime(file, (time.time() - 3600,) * 2)  # an hour passes: younger ones may be another process's
    wrong = [f"{code}: {words}" for code, words in told.items() if code not in codes]
    said = [words for words in told.values() if words]
    return judged(
        (wrong or said or [f"{len(results.files(out))} files whole"])[-1],
        exit_codes=not wrong,
        in_the_middle=sum(map(bool, ends)) == TIMES,
        sentence=all(map(sentence, said)),
        whole=whole,
        tidy=sign == signal.SIGKILL or not left,
        equal_when_run_again=_again(workdir, photos, out),
    )


def killed(workdir: Path, photos: Path) -> Outcome:
    """Killed (SIGKILL) four times at random.

    every PNG and JSON on disk whole; run again, everything is there and equal
    """
    return _at_random(workdir, photos, signal.SIGKILL, (0, -signal.SIGKILL), seed=1)


def terminated(workdir: Path, photos: Path) -> Outcome:
    """Told to end (SIGTERM) four times at random.

    exit code 130 and a sentence (or the signal's while it starts), files whole, none half; run again, all is equal
    """
    return _at_random(workdir, photos, signal.SIGTERM, (0, 130, -signal.SIGTERM), seed=2)


def killed_while_writing(workdir: Path, photos: Path) -> Outcome:
    """Killed (SIGKILL) with a file half written.

    no half file among the results; run again an hour later, everything is equal and the half file is gone
    """
    out = workdir / "out"
    caught = any(_caught(workdir, photos, out) for _ in range(20))
    left, whole = results.leftovers(out), results.whole(out)
    for file in left:
        os.utime(file, (time.time() - 3600,) * 2)  # an hour passes
    again = _again(workdir, photos, out, "--overlays")
    return judged(
        f"{len(left)} hidden half file left, gone after the next run",
        caught=caught,
        whole=whole,
        equal_when_run_again=again,
        half_file_gone=not results.leftovers(out),
    )


def _caught(workdir: Path, photos: Path, out: Path) -> bool:
    """Kill as soon as there is a half file; whether one is left."""
    with segmenting(workdir, photos, "--out", out, "--overlays") as running:
        running.until(lambda: _writing(running, out), pause=0)
        running.ended()
    return bool(results.leftovers(out))


def _writing(running: Running, out: Path) -> bool:
    """Stop the process where a half file is seen, and kill it if that is still there then."""
    if not any(_halves(out)):
        return False
    running.send(signal.SIGSTOP)
    if any(_halves(out)):
        running.send(signal.SIGKILL)
        return True
    running.send(signal.SIGCONT)
    return False


def _halves(out: Path) -> list[str]:
    return [
        entry.name
        for folder in (out, *(out / part for part in ("semantic", "instance", "overlay", "figure")))
        if folder.is_dir()
        for entry in os.scandir(folder)
        if results.PART.fullmatch(entry.name)
    ]


FAULTS: dict[str, Fault] = {one.__name__: one for one in (killed, terminated, killed_while_writing)}
SLOW = {"killed", "terminated", "killed_while_writing"}
