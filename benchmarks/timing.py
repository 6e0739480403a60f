"""Wall times and peak memory, and two calls timed in turn."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Figures = dict[str, Any]
"""What a benchmark says, by name: seconds, megabytes, counts; None where there is nothing to compare with."""
Call = Callable[[], object]


def timed(call: Call, runs: int) -> Figures:
    """Median and spread (largest minus smallest) of a call's wall time in seconds, after one warm-up."""
    call()
    return summary([seconds(call) for _ in range(runs)])


def compared(
    call: Call, runs: int, *, reference: Call | None = None, scale: float = 1.0, floor: float | None = None
) -> Figures:
    """A call beside its reference and its floor.

    Both are warmed up once and then run in turn, so that what else the machine does meets them alike.

    Args:
        call: what is measured.
        runs: counted runs of each.
        reference: the same result in the way it is compared with, if there is one.
        scale: by how much the reference's work would be larger, where it does only a sample.
        floor: least seconds that the machine could need, see `benchmarks.floor`.

    Returns:
        `median_s`, `spread_s`; `ratio_to_reference`: the reference's median over ours; `ratio_to_floor`: our median
        over the floor; `peak_mb`: of this process before the reference first ran; `reference_s`, `floor_s`. None where
        there is nothing to compare with.
    """
    call()
    peak = peak_mb()
    if reference is not None:
        reference()
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(seconds(call))
        if reference is not None:
            theirs.append(scale * seconds(reference))
    figures = summary(ours)
    median = statistics.median(ours)
    slow = statistics.median(theirs) if theirs else None
    return {
        **figures,
        "ratio_to_reference": None if slow is None else slow / median,
        "ratio_to_floor": None if floor is None else median / floor,
        "peak_mb": peak,
        "reference_s": slow,
        "floor_s": floor,
    }


def seconds(call: Call) -> float:
    """Wall time of one call, what it started on a GPU included."""
    settle()
    start = time.perf_counter()
    call()
    settle()
    return time.perf_counter() - start


def settle() -> None:
    """Wait for what runs on a GPU, which calls do not."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def summary(times: list[float]) -> Figures:
    """Median and spread of wall times in seconds."""
    return {"median_s": statistics.median(times), "spread_s": max(times) - min(times)}


def peak_mb() -> float:
    """Most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent held to a child's `ru_maxrss`
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
