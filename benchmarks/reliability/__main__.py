"""`python -m benchmarks.reliability [CHECK ...] [--photos FOLDER] [--quick]`: run checks, then write the page."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.reliability import page
from benchmarks.reliability.page import CHECKS


def main(
    checks: Annotated[list[str] | None, typer.Argument(metavar="CHECK...", help=f"Of: {', '.join(CHECKS)}.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of real photos; without it the examples are repeated.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A hundredth of the work, kept nowhere.")] = False,
) -> None:
    """Run the checks; their figures go to docs/reliability.json and docs/reliability.md. Exit code 1: one failed."""
    wanted = checks or list(CHECKS)
    if unknown := set(wanted) - set(CHECKS):
        raise typer.BadParameter(f"There is no check {', '.join(sorted(unknown))}.")
    held = True
    for name in wanted:
        start = time.time()
        module = import_module(f"benchmarks.reliability.{name}")
        figures = module.run(photos, quick)
        for row in module.rows(figures):
            held &= row.held
            print(f"{'held  ' if row.held else 'FAILED'}  {row.what}: {row.got}", flush=True)
        if not quick:
            page.keep(name, {**figures, "seconds_in_all": round(time.time() - start)})
            page.write()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    typer.run(main)
