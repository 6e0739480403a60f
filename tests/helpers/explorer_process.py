"""The explorer in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.helpers import ROOT


@contextmanager
def started(model, *options, **environment):
    """The explorer in a process of its own; yields the process and its address."""
    command = [sys.executable, str(ROOT / "app.py"), "--model", str(model), "--device", "cpu", *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        heard = []
        for line in process.stdout:
            heard.append(line)
            if found := re.match(r"wsis explorer: (\S+)", line):
                break
        else:
            pytest.fail("".join(heard))
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()
