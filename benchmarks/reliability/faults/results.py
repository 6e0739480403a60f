"""What `segment` wrote: whether all of it is whole, and whether it equals a run without any fault."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.reliability.faults.processes import segmenting

PART = re.compile(r"\.[0-9a-f]{32}\.part")
"""Names of files under way, see `wsis.files.writing`."""
PICTURES = ("overlay", "figure")
"""Folders with pictures for people, which may be there from another run."""


def _read_png(path: Path) -> None:
    """Every pixel, then every checksum."""
    Image.open(path).load()
    Image.open(path).verify()


READERS: dict[str, Callable[[Path], object]] = {
    ".png": _read_png,
    ".jpg": lambda path: Image.open(path).load(),
    ".json": lambda path: json.loads(path.read_text()),
}


def files(out: Path) -> list[Path]:
    """Files below a folder, but no leftovers."""
    return sorted(path for path in out.rglob("*") if not path.is_dir() and not PART.fullmatch(path.name))


def leftovers(out: Path) -> list[Path]:
    """Files under way that nobody finished."""
    return sorted(path for path in out.rglob("*") if PART.fullmatch(path.name))


def whole(out: Path) -> bool:
    """Whether every file is one that `segment` writes, and can be read to its end."""
    for path in files(out):
        try:
            READERS[path.suffix](path)
        except Exception:  # Pillow's readers raise many types on damaged data
            return False
    return True


def entries(out: Path) -> list[dict[str, Any]]:
    """The list in instances.json."""
    return json.loads((out / "instances.json").read_text())


def manifest(out: Path) -> dict[str, Any]:
    """manifest.json, but for how long each photo took and where the model lay."""
    content = json.loads((out / "manifest.json").read_text())
    del content["model"]["name"]
    for photo in content["photos"]:
        del photo["seconds"]
    return content


def reasons(out: Path) -> dict[str, str]:
    """Why photos failed, by file name."""
    return {one["file_name"]: one["reason"] for one in manifest(out)["failed"]}


@cache
def clean(photos: Path) -> tuple[Path, float]:
    """Results of all photos without any fault, and the seconds that they took in all."""
    folder = Path(tempfile.mkdtemp(prefix="wsis-faults-clean-", dir=photos.parent))
    start = time.monotonic()
    with segmenting(folder / "said", photos, "--out", folder / "out") as running:
        code = running.ended()
    if code or running.err or not entries(folder / "out"):
        raise RuntimeError(f"the run without faults ended with {code}: {running.out}{running.err}")
    return folder / "out", time.monotonic() - start


def equal(out: Path, photos: Path, without: Sequence[str] = (), failed: Sequence[str] = ()) -> bool:
    """Whether all results equal those of a run without faults, byte by byte, times left out.

    Args:
        out: a finished run.
        photos: what the run without faults worked on.
        without: stems of those of them that failed.
        failed: stems of further photos that failed.
    """
    wanted = clean(photos)[0]
    own, other = manifest(out), manifest(wanted)
    kept = [one for one in other["photos"] if one["image_id"] not in without]
    names = {path.relative_to(wanted): path for path in files(wanted) if path.stem not in without}
    return (
        {**own, "failed": None} == {**other, "photos": kept, "failed": None}
        and {Path(one["file_name"]).stem for one in own["failed"]} == {*without, *failed}
        and entries(out) == [one for one in entries(wanted) if one["image_id"] not in without]
        and {name for path in files(out) if (name := path.relative_to(out)).parts[0] not in PICTURES} == set(names)
        and all((out / name).read_bytes() == path.read_bytes() for name, path in names.items() if name.suffix == ".png")
        and not leftovers(out)
    )
