"""docs/reliability.md from the figures of the last runs, kept in docs/reliability.json."""

from __future__ import annotations

import json
import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

from wsis.files import write as write_file

CHECKS = ("inputs", "faults", "visitors", "soak", "jobs", "val")
"""Modules of this package with `run(photos, quick)`, `rows(figures)` and `details(figures)`, in the page's order."""
DOCS = Path(__file__).parents[2] / "docs"
KEPT = DOCS / "reliability.json"
PAGE = DOCS / "reliability.md"


def kept() -> dict[str, Any]:
    """Figures by check."""
    return json.loads(KEPT.read_text()) if KEPT.is_file() else {}


def keep(name: str, figures: dict[str, Any]) -> None:
    """Put a run's figures beside those of the other checks."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    write_file(KEPT, json.dumps({**kept(), name: {**figures, "machine": machine}}, indent=1) + "\n")


def write() -> None:
    """Write the page."""
    write_file(PAGE, text(kept()))


def text(figures: dict[str, Any]) -> str:
    """The page as Markdown, from figures by check."""
    rows, details = [], []
    ran = {name: figures[name] for name in CHECKS if name in figures}
    for name, of_check in ran.items():
        module = import_module(f"benchmarks.reliability.{name}")
        rows += [
            f"| {row.what} | {row.asked} | {'' if row.held else '**failed:** '}{row.got} |"
            for row in module.rows(of_check)
        ]
        details.append(
            f"## {(module.__doc__ or name).splitlines()[0].rstrip('.')}\n\n{module.details(of_check).strip()}\n"
        )
    machines = sorted({of_check["machine"] for of_check in ran.values()})
    return "\n".join(
        [
            "# Reliability",
            "",
            f"Made by `python -m benchmarks.reliability --photos FOLDER` on {' and '.join(machines)}.",
            "Every line is counted by a run; `docs/reliability.json` holds the figures.",
            "",
            "| tried | asked | got |",
            "|---|---|---|",
            *rows,
            "",
            *details,
        ]
    )
