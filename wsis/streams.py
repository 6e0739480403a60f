"""What is said must never cost what is done: standard output and error that take any text and survive any reader."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""What a reader that left does not cause: a disk that takes no more."""


def lost() -> str:
    """Why standard output could not be written whole, for people; nothing where it was, or where its reader left."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.full if isinstance(raw, _Lossy) else ""


def forgive() -> None:
    r"""Let this process print whatever it likes, wherever to; what a program calls first.

    Letters that an encoding lacks are printed as `\xe9`; what a closed pipe, a closed stream or a full disk does not
    take is lost, and nothing else; `lost` tells of a full disk in the end.
    """
    if os.name == "posix":
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:  # closed; the next file opened would take its place
            pass
        os.close(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8", errors="replace")  # noqa: SIM115 - till the end
            setattr(sys, name, nowhere)
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _forgiving(stream))
        elif isinstance(stream, io.TextIOWrapper):  # another program's, or a test's
            stream.reconfigure(errors="backslashreplace")


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    raw = _Lossy(getattr(stream.buffer, "raw", stream.buffer))
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Lossy(io.RawIOBase):
    """A stream that takes everything; what the real one refuses is lost."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.full = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def write(self, data: Any) -> int:
        try:
            return self._raw.write(data) or len(data)  # None: it would have to wait
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                self.full = os.strerror(error.errno)
            return len(data)
