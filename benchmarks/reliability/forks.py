"""Processes that start in no time: forked from one that has imported everything before it had any thread."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

IMPORTED = ["wsis.cli", "wsis.jobs.local", "wsis.explorer.layout", "benchmarks.reliability.faults.processes"]
"""What they find imported; tests add what theirs need before the first process starts."""


def context() -> ForkServerContext:
    """Where such processes come from."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()
    return made
