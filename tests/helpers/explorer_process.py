"""The explorer in a process of its own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.reliability.faults.processes import Running, Surroundings, exploring


@contextmanager
def started(model: Path, *options: str, **environment: str) -> Iterator[tuple[Running, str]]:
    """`app.py` with these options and variables, forked (`benchmarks.reliability.forks`); the process, its address."""
    around = Surroundings(environment=environment)
    with (
        tempfile.TemporaryDirectory() as said,
        exploring(Path(said), "--model", model, *options, surroundings=around) as running,
    ):
        if not running.until(lambda: address(running), pause=0.02):
            pytest.fail(running.out + running.err)
        yield running, address(running)


def address(running: Running) -> str:
    """What it said last where it is served; empty before."""
    return "".join(re.findall(r"^wsis explorer: (\S+) ", running.out, re.MULTILINE)[-1:])
