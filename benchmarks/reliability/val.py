"""`segment` and `batch` on the same photos.

Both commands look at the same photos with the embedded model and the default settings; `batch` uses two actors on a
local Ray instance and is killed (SIGKILL) once on the way. `instances.json` and every PNG are compared byte by byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.reliability.jobs import EXAMPLES, ROOT, batch, files, kill, wait
from benchmarks.reliability.row import Row


def run(photos: Path | None, quick: bool) -> dict[str, Any]:
    """Run both, compare."""
    paths = _val(photos) if photos else sorted(EXAMPLES.glob("*.jpg"))
    paths = paths[:6] if quick else paths
    with tempfile.TemporaryDirectory(prefix="wsis-val-") as name:
        home = Path(name)
        pq.write_table(pa.table({"path": list(map(str, paths))}), home / "val.parquet")
        plain, shards = home / "segment", home / "batch"
        words = [sys.executable, "-m", "wsis", "segment", *map(str, paths), "--out", str(plain), "--quiet"]
        codes = [subprocess.run([*words, "--device", "cpu"], cwd=ROOT, check=False).returncode]
        killed_at = kill(batch(home / "val.parquet", shards, "--shard", "8"), shards, len(paths) // 2)
        codes.append(wait(batch(home / "val.parquet", shards, "--shard", "8")))
        own = {name: digest for name, digest in files(plain).items() if name != "manifest.json"}
        other = files(shards)
        return {
            "photos": len(paths),
            "val": photos is not None,
            "instances": len(json.loads((plain / "instances.json").read_text())),
            "killed_at": killed_at,
            "codes": codes,
            "files": len(own),
            "differing": sorted(name for name in own if other.get(name) != own[name]),
        }


def rows(figures: dict[str, Any]) -> list[Row]:
    """The line of the table."""
    what = "`segment` and `batch` with two actors" + (", VOC val" if figures["val"] else "")
    got = (
        f"{figures['photos']} photos, {figures['instances']:,} instances, killed once: {len(figures['differing'])} of "
        f"{figures['files']:,} files differ"
    )
    return [Row(what, "the same result", got, figures["codes"] == [0, 0] and not figures["differing"])]


def details(figures: dict[str, Any]) -> str:
    """What was compared."""
    kind = "photos of VOC 2012's `val` that were at hand" if figures["val"] else "examples"
    return (
        f"{figures['photos']} {kind}: `batch`, killed when {figures['killed_at']} were done and started again, wrote "
        f"the same `instances.json` ({figures['instances']:,} instances) and the same PNGs as `segment`; "
        f"{len(figures['differing'])} of {figures['files']:,} files differ.\n"
    )


def _val(photos: Path) -> list[Path]:
    """The photos of VOC's list `val` beside their folder; all of the folder's where there is no list."""
    there = {path.stem: path for path in sorted(photos.glob("*.jpg"))}
    listing = photos.parent / "ImageSets" / "Segmentation" / "val.txt"
    if not listing.is_file():
        return list(there.values())
    return [there[name] for name in listing.read_text().split() if name in there]
