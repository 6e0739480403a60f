"""Coverage-guided fuzzing by atheris (libFuzzer): `python -m tests.fuzz.photo -runs=N`, and `tests.fuzz.proposals`.

What counts as a crash: any exception but `WsisError`, an answer of a wrong form, a signal, more than `SECONDS` for one
input or more than `MEGABYTES` of memory. libFuzzer ends its process, so every campaign has one of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 10, 4096
CHILD = "WSIS_FUZZ_CORPUS"
"""Set in the process that fuzzes: where the seeds lie."""


@dataclass(frozen=True)
class Campaign:
    """How a campaign went.

    Attributes:
        executions: inputs tried; 0 where it did not get that far.
        crashed: whether it stopped at one of them.
        output: what libFuzzer and Python said.
    """

    executions: int
    crashed: bool
    output: str


def installed() -> bool:
    """Whether atheris is there; it has wheels for Linux."""
    return find_spec("atheris") is not None


def campaign(module: str, *options: str) -> Campaign:
    """Fuzz in a process of its own, from seeds in a folder that goes afterwards.

    Args:
        module: of the target, run with `-m`; it calls `main`.
        options: libFuzzer's, such as `-runs=2000`.
    """
    with tempfile.TemporaryDirectory() as folder:
        seeds, found = Path(folder, "seeds"), Path(folder, "found")
        for place in (seeds, found):
            place.mkdir()
        limits = (
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={found}/",
            "-print_final_stats=1",
        )
        ended = subprocess.run(
            [sys.executable, "-m", module, *limits, *options, str(seeds)],
            env={**os.environ, CHILD: str(seeds), "TMPDIR": folder, "OPENCV_LOG_LEVEL": "SILENT"},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        units = re.search(r"stat::number_of_executed_units:\s*(\d+)", ended.stdout)
        crashed = ended.returncode != 0 or any(found.iterdir())
    return Campaign(int(units[1]) if units else 0, crashed, ended.stdout)


def main(module: str, seeds: Callable[[], Mapping[str, bytes]], check: Callable[[bytes], None]) -> None:
    """Fuzz here if this is the process for it, else start that process and say how it went."""
    folder = os.environ.get(CHILD)
    if folder is None:
        done = campaign(module, *sys.argv[1:])
        print(done.output[-4000:])
        print(f"{done.executions} inputs, {'a crash' if done.crashed else 'no crash'}")
        sys.exit(done.crashed)
    import atheris

    for name, content in seeds().items():
        (Path(folder) / name.replace(" ", "-")).write_bytes(content)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
