"""Files written whole or not at all, and JSON that can be looked through.

Every file is written under a temporary name in its folder and renamed, so whoever looks finds the old file or the new
one, never half of either.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from wsis import names
from wsis.errors import WsisError


@contextmanager
def writing(path: Path, *, fsync: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there becomes `path` on leaving, or vanishes on any error.

    Args:
        path: of the file; its folder is made where it is missing.
        fsync: wait until the disk has it, so that not even a power cut takes it back.

    Raises:
        WsisError: the folder cannot be made or written to; its cause is the OSError.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        yield temporary
        if fsync:
            with temporary.open("r+b") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
        if fsync:
            _sync(path.parent)
    except OSError as error:
        raise WsisError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> Path:
    """Write a file whole or not at all; its folder is made where it is missing."""
    with writing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def try_folder(folder: Path) -> None:
    """Make a folder of results where it is missing and write a little into it, so that a useless one is told at once.

    Raises:
        WsisError: the folder cannot be made or written to.
    """
    name = f".{uuid.uuid4().hex}.part"  # swept away later should this be killed
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"wsis")
        (folder / name).unlink()
    except OSError as error:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        raise WsisError(f"Nothing can be written to {folder}: {error.strerror or error}.") from error


def as_json(content: Any) -> str:
    """JSON text; a list has an entry a line, so that large ones can be looked through and compared.

    It is valid whatever names are in it, see `wsis.names.text`.
    """
    if isinstance(content, list):
        return names.text("[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in content) + "\n]\n")
    return names.text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


@lru_cache(maxsize=64)  # once a folder is enough
def _sweep(folder: Path, seconds: float = 600) -> None:
    """Delete what a killed process left half written in a folder; younger files may be another process's."""
    for part in folder.glob(f".{32 * '[0-9a-f]'}.part"):  # other programs have such files too
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > seconds:
                part.unlink()


def _sync(folder: Path) -> None:
    """Make a rename outlast a power cut, where folders can be opened (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
