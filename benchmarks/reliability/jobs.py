"""A job over 2,000 photos, killed three times.

`wsis batch` runs over the photos without interruption, then again into another folder, where the job is killed
(SIGKILL) three times while it works and started again. Every file of both results is compared byte by byte; the time at
which a shard was finished tells whether a later start did it again. The model is a small untrained one, because this is
about interruptions; the check with the embedded model is the next.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.reliability import small_model
from benchmarks.reliability.row import Row

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "assets" / "examples"
PHOTOS = 2000
LONG_SIDE = 240
"""Pixels of the photos' longer side: the job is about interruptions, and small photos are quicker."""
DAMAGED = 0.01
"""Share of the photos that are cut short, so that setting aside is part of what must not change."""
KILLS = 3


def run(photos: Path | None, quick: bool) -> dict[str, Any]:
    """Make the photos, do the job twice, compare."""
    count, shard = (24, 4) if quick else (PHOTOS, 16)
    with tempfile.TemporaryDirectory(prefix="wsis-jobs-") as name:
        home = Path(name)
        damaged = _prepare(photos or EXAMPLES, home / "photos", count)
        options = (
            "--shard",
            str(shard),
            "--model",
            str(small_model.save(home / "model")),
            "--class",
            "cat",
            "--enhancer",
            "none",
        )
        start = time.monotonic()
        code = wait(batch(home / "photos", home / "whole", *options))
        whole = time.monotonic() - start
        kills, again, start = [], 0, time.monotonic()
        done: dict[str, int] = {}
        for part in range(1, KILLS + 2):
            running = batch(home / "photos", home / "killed", *options)
            if part <= KILLS:
                kills.append(kill(running, home / "killed", count * part // (KILLS + 1)))
            else:
                last = wait(running)
            now = _finished(home / "killed")
            again += sum(now[name] != when for name, when in done.items())
            done = now
        differing = _differing(home / "whole", home / "killed")
        manifest = json.loads((home / "killed" / "manifest.json").read_text())
        return {
            "photos": count,
            "shard": shard,
            "damaged": damaged,
            "set_aside": len(manifest["failed"]),
            "codes": [code, last],
            "killed_at": kills,
            "shards_done_again": again,
            "files": len(files(home / "whole")),
            "differing": differing,
            "seconds_whole": round(whole),
            "seconds_killed": round(time.monotonic() - start),
            "temporary_left": len(list((home / "killed").glob("parts/*/*"))) + len(list(home.rglob("*.part"))),
        }


def rows(figures: dict[str, Any]) -> list[Row]:
    """The line of the table."""
    held = (
        not figures["differing"]
        and not figures["shards_done_again"]
        and not figures["temporary_left"]
        and figures["set_aside"] == figures["damaged"]
        and len(figures["killed_at"]) == KILLS
        and set(figures["codes"]) == {1 if figures["damaged"] else 0}
    )
    got = (
        f"{figures['photos']:,} photos, killed when {', '.join(map(str, figures['killed_at']))} were done: "
        f"{len(figures['differing'])} of {figures['files']:,} files differ, "
        f"{figures['shards_done_again']} finished shards done again"
    )
    return [Row("a job killed three times", "identical to the uninterrupted one", got, held)]


def details(figures: dict[str, Any]) -> str:
    """How it went."""
    return (
        f"{figures['photos']:,} photos of at most {LONG_SIDE} pixels, {figures['damaged']} of them cut short, in "
        f"shards of {figures['shard']}, two actors. `wsis batch` was killed (SIGKILL) when "
        f"{', '.join(map(str, figures['killed_at']))} photos were done, started again each time, and ended with "
        f"{figures['files']:,} files of which {len(figures['differing'])} differ from those of the uninterrupted job; "
        f"{figures['set_aside']} photos were set aside, in both. The uninterrupted job took "
        f"{figures['seconds_whole']} s, the killed one {figures['seconds_killed']} s in all. Of finished shards "
        f"{figures['shards_done_again']} were done again, and {figures['temporary_left']} temporary files are left.\n"
    )


def _prepare(photos: Path, folder: Path, count: int) -> int:
    """`count` small JPEGs, some of them damaged; how many of those."""
    folder.mkdir()
    sources, rng, damaged = sorted(photos.glob("*.jpg")), random.Random(0), 0
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        with Image.open(sources[number % len(sources)]) as image:
            small = image.convert("RGB")
            small.thumbnail((LONG_SIDE, LONG_SIDE))
            if number >= len(sources):  # the same photo again would hide a mix-up
                turn = (number // len(sources)) * 7 % 64
                small = small.crop((turn // 8, turn % 8, small.width, small.height))
            small.save(path, quality=90)
        if rng.random() < DAMAGED or number == 1:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
            damaged += 1
    return damaged


def batch(photos: Path, out: Path, *options: str) -> subprocess.Popen:
    """A started `wsis batch` with two actors."""
    words = [sys.executable, "-m", "wsis", "batch", str(photos), "--out", str(out), "--quiet", *options]
    return subprocess.Popen([*words, "--actors", "2", "--device", "cpu"], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def kill(running: subprocess.Popen, out: Path, photos: int) -> int:
    """End a job with SIGKILL when so many photos are done; how many were done when it and its actors had gone."""
    while _done(out) < photos:
        if running.poll() is not None:
            raise RuntimeError(f"the job ended by itself: {running.stderr.read() if running.stderr else ''}")
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    time.sleep(2)
    return _done(out)


def wait(running: subprocess.Popen) -> int:
    """The exit code of a job that ends by itself."""
    running.communicate()
    return running.returncode


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _done(out: Path) -> int:
    """Photos whose last file is written."""
    return sum(1 for _ in (out / "instance").glob("*.png")) if (out / "instance").is_dir() else 0


def _finished(out: Path) -> dict[str, int]:
    """When each shard was finished."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*-photos.parquet")}


def _differing(one: Path, other: Path) -> list[str]:
    first, second = files(one), files(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
