"""Bad inputs: what every door makes of damaged files and odd values.

Each input is made from its number by code (`tests/fuzz`), and tried and judged in a worker process. A worker gets one
number at a time, so a signal or a hang is laid at the right one's door.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from benchmarks.reliability import forks
from benchmarks.reliability.row import Row
from tests.fuzz import campaign
from tests.fuzz.doors import DOORS, door
from tests.fuzz.doors.door import Door, Verdict, judge

PATIENCE = 15.0
"""Seconds after which an input counts as one that hangs."""
GIGABYTES = 4
"""Memory that an input may need beyond what the process holds already."""
WORKERS, BLOCK = 2, 100
TARGETS = {"photo": 100_000, "proposals": 60_000}
"""Executions of each coverage-guided campaign."""
LEAST = 10_000
"""Inputs that a full run must try, the campaigns not counted."""
SHOWN = 20
COLUMNS = ("tried", "refused", "accepted", "compared", "wrong", "crashed")
Work = tuple[str, int, int]
"""A door's name and a range of numbers."""


def run(_photos: Path | None, quick: bool) -> dict[str, Any]:
    """Try every door; then the campaigns of atheris, where it is installed."""
    share = 100 if quick else 1
    counts = {one.name: max(one.count // share, 15) for one in DOORS}
    tried = try_all(counts)
    figures: dict[str, Any] = {"least": LEAST // share, "doors": {}, "campaigns": {}, "faults": []}
    for name, verdicts in tried.items():
        outcomes = Counter(verdict.outcome for verdict in verdicts)
        compared = sum(verdict.compared for verdict in verdicts if verdict.outcome == "accepted")
        figures["doors"][name] = {"tried": len(verdicts), "compared": compared} | {
            outcome: outcomes[outcome] for outcome in ("refused", "accepted", "wrong", "crashed")
        }
        bad = [asdict(one) for one in verdicts if one.outcome in ("wrong", "crashed")]
        figures["faults"] += bad[:SHOWN]
    if campaign.installed():
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = {
                target: pool.submit(campaign.campaign, f"tests.fuzz.{target}", f"-runs={runs // share}", "-seed=1")
                for target, runs in TARGETS.items()
            }
            for target, job in jobs.items():
                done = job.result()
                figures["campaigns"][target] = {"executions": done.executions, "crashes": int(done.crashed)}
                figures["faults"] += [{"outcome": "crashed", "about": done.output[-1500:]}] if done.crashed else []
    return figures


def rows(figures: dict[str, Any]) -> list[Row]:
    """All doors and campaigns together."""
    doors, campaigns = figures["doors"].values(), figures["campaigns"].values()
    tried, wrong = (sum(one[column] for one in doors) for column in ("tried", "wrong"))
    guided = sum(one["executions"] for one in campaigns)
    crashed = sum(one["crashed"] for one in doors) + sum(one["crashes"] for one in campaigns)
    also = f" and {guided:,} by coverage" if guided else ""
    return [
        Row(
            "bad inputs",
            "10,000 or more, none crashes, none gives a wrong answer",
            f"{tried:,} tried{also}, {crashed} crashed, {wrong} wrong answers",
            tried >= figures["least"] and not crashed and not wrong,
        )
    ]


def details(figures: dict[str, Any]) -> str:
    """A table by door, how answers are checked, and the campaigns."""
    kinds = {one.name: one for one in DOORS}
    table = [
        f"| {name} | {' | '.join(f'{one[column]:,}' for column in COLUMNS)} |" for name, one in figures["doors"].items()
    ]
    checks = [f"- **{name}**: {kinds[name].checked}." for name in figures["doors"] if name in kinds]
    campaigns = [
        f"- {target}: {one['executions']:,} inputs, {one['crashes']} crashes."
        for target, one in figures["campaigns"].items()
    ]
    return "\n".join(
        [
            "Refused is the documented error with one sentence; anything else that is raised, a signal, more than "
            f"{PATIENCE:.0f} s or more than {GIGABYTES} GB of memory is a crash. A sound input that is refused is a "
            "wrong answer, and so is a refusal of several lines.",
            "",
            "| door | tried | refused | accepted and right | of them compared | wrong | crashed |",
            "|---|---|---|---|---|---|---|",
            *table,
            "",
            "How an accepted answer is found right:",
            "",
            *checks,
            "",
            "Coverage-guided campaigns (`python -m tests.fuzz.photo -runs=N` goes on with one):"
            if campaigns
            else "Coverage-guided campaigns: none, atheris is not installed here.",
            "",
            *campaigns,
            *(f"\n```\n{one['about'].strip()}\n```" for one in figures["faults"]),
        ]
    )


def try_all(counts: dict[str, int], workers: int = WORKERS, patience: float = PATIENCE) -> dict[str, list[Verdict]]:
    """Verdicts by door, for the inputs 0..count-1 of each.

    Args:
        counts: inputs by door.
        workers: processes at a time.
        patience: seconds for one input.
    """
    work: SimpleQueue[Work] = SimpleQueue()
    for name, count in counts.items():
        for start in range(0, count, BLOCK):
            work.put((name, start, min(start + BLOCK, count)))
    found: dict[str, list[Verdict]] = {name: [] for name in counts}
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(lambda _: list(_try_blocks(work, patience)), range(workers)):
            for name, verdict in part:
                found[name].append(verdict)
    return found


def _try_blocks(work: SimpleQueue[Work], patience: float) -> Iterator[tuple[str, Verdict]]:
    """Take blocks while there are any; a process that ends or hangs is replaced and goes on behind its last input."""
    worker = None
    try:
        while True:
            try:
                name, at, stop = work.get_nowait()
            except Empty:
                return
            while at < stop:
                worker = worker if worker and worker.alive else Worker()
                verdict = worker.judged(name, at, patience)
                yield name, verdict
                at += 1
    finally:
        if worker:
            worker.end()


class Worker:
    """A process that judges one input after another."""

    def __init__(self) -> None:
        """Start it; what it still imports counts for no input."""
        self._folder = tempfile.TemporaryDirectory(prefix="wsis-inputs-")
        context = forks.context()
        self._line, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._folder.name), daemon=True)
        self._process.start()
        other.close()
        self._line.recv()
        self.alive = True

    def judged(self, name: str, number: int, patience: float) -> Verdict:
        """The verdict on one input; of a signal or a hang, too."""
        try:
            self._line.send((name, number))
            if self._line.poll(patience):
                return self._line.recv()
            fault = f"takes more than {patience:.0f} s"
        except (EOFError, OSError):
            self._process.join(10)
            fault = f"ended the process, exit code {self._process.exitcode}"
        self.end()
        return Verdict("crashed", about=f"{name} {number}: {fault}")

    def end(self) -> None:
        """End it and forget its files."""
        self.alive = False
        self._process.kill()
        self._process.join()
        self._line.close()
        self._folder.cleanup()


def _serve(line: Connection, folder: str) -> None:
    """Judge what comes over the line until it is closed."""
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    _mute()
    _limit_memory()
    doors: dict[str, Door] = {}
    line.send("ready")
    while True:
        name, number = line.recv()
        if name not in doors:
            doors[name] = door(name, Path(folder) / str(len(doors)))
        line.send(judge(doors[name], number))


def _mute() -> None:
    """Decoders complain to the error stream by themselves."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def _limit_memory() -> None:
    """Let an input need no more than a few gigabytes, where the system can say so (Linux)."""
    status = Path("/proc/self/statm")
    if status.is_file():
        import resource  # noqa: PLC0415

        held = int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + GIGABYTES * 2**30,) * 2)
