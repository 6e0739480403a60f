"""Folders of results: whose they are, that one run at a time writes to them, and that nothing in them is a photo."""

from __future__ import annotations

import json
import os
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from wsis import files
from wsis.errors import WsisError

PICTURES = {"semantic": "png", "instance": "png", "overlay": "jpg", "figure": "png"}
"""Folders with a file a photo, each with its ending."""
FOLDERS = frozenset((*PICTURES, "maps", "shards", "parts"))
MARKS = ("job.json", "manifest.json")
"""Files that tell a folder of results; the first is there from a job's start, the second at its end."""
FILES = frozenset((*MARKS, "coco.json", "instances.json", "instances.parquet", "photos.parquet"))


class Inside:
    """Whether a path is one of results, of this job or another: no photo, though it may end like one."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        """`read` returns the content of a file, or raises an OSError."""
        self._marked = lru_cache(maxsize=None)(lambda folder: any(_marks(read, f"{folder}/{name}") for name in MARKS))

    def __call__(self, path: str) -> bool:
        """`path` has slashes."""
        *folders, name = path.split("/")
        below = (i for i, folder in enumerate(folders) if folder in FOLDERS)
        return any(self._marked("/".join(folders[:i])) for i in below) or (
            name in FILES and self._marked("/".join(folders))
        )


def read_local(path: str) -> bytes:
    """A local file's content; pipes and devices are none."""
    if not os.path.isfile(path):
        raise FileNotFoundError(path)
    return Path(path).read_bytes()


def _marks(read: Callable[[str], bytes], path: str) -> bool:
    try:
        about = json.loads(read(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(about, dict) and "model" in about and ("versions" in about or "networks" in about)


def another(folder: object, whose: str, more: str = "") -> WsisError:
    """The error that a folder of results is another job's; `more` is what else there is to do."""
    return WsisError(f"{folder} holds results of another job ({whose}). {more}Choose another --out, or empty it.")


def prepare(folder: Path) -> None:
    """Make a folder of results where it is missing; what cannot be written to is told before any work.

    Raises:
        WsisError: it, or one of `FOLDERS` that it holds, cannot be written to.
    """
    for place in (folder, *(folder / name for name in sorted(FOLDERS) if os.path.lexists(folder / name))):
        files.try_folder(place)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which must exist, until this one ends, however it does.

    Raises:
        WsisError: another run is at work in it.
    """
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WsisError(
                f"Another run is writing to {folder}. Wait for its end, or choose another --out."
            ) from error
        except OSError:  # a disk without locks
            pass
        yield
    finally:
        os.close(handle)


def alike(folder: Path) -> Callable[[str], str]:
    """What turns two names into one text if they mean one file in a folder, which depends on the disk.

    Some take capitals for small letters, some one way of writing an accent for another, most neither.

    Args:
        folder: a local one that exists.
    """
    probe = folder / f".{uuid.uuid4().hex}-\u00e9.part"
    try:
        probe.touch()
        cased = os.path.lexists(probe.with_name(probe.name.upper()))
        accents = os.path.lexists(probe.with_name(unicodedata.normalize("NFD", probe.name)))
    except (OSError, UnicodeError):
        return str
    finally:
        with suppress(OSError, UnicodeError):
            probe.unlink(missing_ok=True)

    def key(name: str) -> str:
        name = unicodedata.normalize("NFC", name) if accents else name
        return name.casefold() if cased else name

    return key
