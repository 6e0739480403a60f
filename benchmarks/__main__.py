"""`python -m benchmarks [NAME ...] [--json]`: medians and spreads on this machine, never a test with a time limit."""

from __future__ import annotations

import json
import os
import platform
from typing import Annotated

import torch
import typer

from benchmarks.gpu import gpu
from benchmarks.models import models
from benchmarks.suite import SUITE
from benchmarks.teaching import teaching

ALL = {**SUITE, "models": models, "teaching": teaching, "gpu": gpu}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"which to run: {', '.join(ALL)}; all by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    runs: Annotated[int, typer.Option(help="counted runs of each benchmark, after one warm-up")] = 5,
) -> None:
    """Run benchmarks and print what they measured."""
    unknown = [name for name in names or () if name not in ALL]
    if unknown:
        raise typer.BadParameter(f"no benchmark '{unknown[0]}'; there are: {', '.join(ALL)}")
    results = {}
    if not as_json:
        machine = platform.processor() or platform.machine()
        print(f"{machine}, {os.cpu_count()} cores, {torch.get_num_threads()} threads")
    for name in names or ALL:
        results[name] = ALL[name](runs)
        if not as_json:
            figures = "  ".join(f"{key} {_short(value)}" for key, value in results[name].items())
            print(f"{name:10s} {figures}", flush=True)
    if as_json:
        print(json.dumps(results))


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_short(part)}" for key, part in value.items()) + "}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
