"""Disks to break: a real file system of a few kilobytes, and one that may not be written to.

Each is mounted in a namespace of its own, where that needs no right that an ordinary user lacks, and reached from
outside through /proc, so it is gone with the process that holds it, whatever happens.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.reliability.faults.outcome import NotHereError


@contextmanager
def small(folder: Path, size: int, inodes: int = 1000) -> Iterator[Path]:
    """A file system that holds `size` bytes (whole pages of 4096), empty and writable.

    Args:
        folder: an empty one to mount it on.
        size: in bytes.
        inodes: how many files and folders it holds, itself included.
    """
    with _mounted(folder, f"mount -t tmpfs -o size={size},nr_inodes={inodes} none .") as place:
        yield place


def fill(place: Path, name: str = ".filler") -> Path:
    """Write a file until the disk is full; deleting it makes room again."""
    with (place / name).open("wb", buffering=0) as stream:
        for block in (bytes(2**20), bytes(4096)):
            with suppress(OSError):
                while True:
                    stream.write(block)
    return place / name


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A file system that is mounted for reading."""
    with _mounted(folder, "mount -t tmpfs -o ro none .") as place:
        yield place


@contextmanager
def _mounted(folder: Path, mount: str) -> Iterator[Path]:
    if not (Path("/proc/self/root").exists() and shutil.which("unshare") and shutil.which("mount")):
        raise NotHereError("no unshare and mount")
    folder.mkdir(parents=True, exist_ok=True)
    hold = f"{mount} && echo ready && exec sleep 600"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", hold]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout
            assert holder.stderr
            if holder.stdout.readline() != "ready\n":
                raise NotHereError(f"no mount in a namespace ({holder.stderr.read().strip()})")
            yield Path(f"/proc/{holder.pid}/root{folder.resolve()}")
        finally:
            holder.kill()


def inside(place: Path) -> Path:
    """Where a process with `Surroundings(disk=place)` finds that disk."""
    return Path("/", *place.parts[4:])
