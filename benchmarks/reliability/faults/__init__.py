"""Faults injected and survived."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.reliability.faults import caches, cluster, kills, models, output, screen, server
from benchmarks.reliability.faults import photos as inputs
from benchmarks.reliability.faults.outcome import Fault, NotHereError, Outcome, first_lines
from benchmarks.reliability.row import Row

GROUPS = (output, inputs, kills, cluster, models, caches, screen, server)
FAULTS: dict[str, Fault] = {name: fault for group in GROUPS for name, fault in group.FAULTS.items()}
"""Every fault by name; each belongs to one of the groups."""
SLOW = frozenset(name for group in GROUPS for name in group.SLOW)
"""Those that take more than about two seconds; a quick run leaves them out."""
EXAMPLES = Path(__file__).parents[3] / "assets" / "examples"
PHOTOS, SIDE = 3, 192


def prepared(photos: Path | None, home: Path) -> Path:
    """A folder with the first few photos, made small: faults are about what happens, not about what is seen."""
    folder = home / "photos"
    folder.mkdir()
    for path in sorted((photos or EXAMPLES).glob("*.jpg"))[:PHOTOS]:
        with Image.open(path) as image:
            image.thumbnail((SIDE, SIDE))
            image.convert("RGB").save(folder / path.name)
    return folder


def run(photos: Path | None, quick: bool) -> dict[str, Any]:
    """Inject every fault, one after the other."""
    home = Path(tempfile.mkdtemp(prefix="wsis-faults-"))
    try:
        few, found = prepared(photos, home), []
        for name, fault in FAULTS.items():
            if not (quick and name in SLOW):
                start = time.monotonic()
                found.append({"name": name, **one(fault, home / name, few)})
                print(f"{time.monotonic() - start:5.1f} s  {name}: {found[-1]['said']}", flush=True)
        return {"faults": found}
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)


def one(fault: Fault, workdir: Path, photos: Path) -> dict[str, Any]:
    """Inject one fault: what it is, what is expected, and what came of it; None where it cannot be injected here."""
    what, expected = first_lines(fault)
    workdir.mkdir()
    survived: bool | None
    try:
        outcome: Outcome = fault(workdir, photos)
        survived, said = outcome.survived, outcome.said
    except NotHereError as error:
        survived, said = None, str(error)
    except Exception as error:  # the fault itself went wrong, which is no survival
        survived, said = False, f"unexpected {type(error).__name__}: {error}"
    return {"what": what, "expected": expected, "survived": survived, "said": _short(said, workdir)}


def _short(said: str, workdir: Path) -> str:
    """Without the folders that are other ones in every run."""
    return re.sub(r"/proc/\d+/root", "", said).replace(f"{workdir}/", "").replace(f"{workdir.parent}/", "")


def rows(figures: dict[str, Any]) -> list[Row]:
    """One line: how many were injected, and how many survived."""
    injected = [fault for fault in figures["faults"] if fault["survived"] is not None]
    survived = sum(fault["survived"] for fault in injected)
    got = f"{len(injected)} injected, {survived} survived"
    if left := len(figures["faults"]) - len(injected):
        got += f"; {left} cannot be injected on this machine"
    return [Row("faults injected", "every one survived", got, survived == len(injected) > 0)]


def details(figures: dict[str, Any]) -> str:
    """A table of all faults."""
    lines = ["| fault | expected | what it said |", "|---|---|---|"]
    for fault in figures["faults"]:
        said = fault["said"][:300].replace("|", "\\|").replace("`", "'")
        verdict = {True: "", False: "**failed:** ", None: "*not injected:* "}[fault["survived"]]
        lines.append(f"| {fault['what']} | {fault['expected']} | {verdict}{said} |")
    return "\n".join(lines)
