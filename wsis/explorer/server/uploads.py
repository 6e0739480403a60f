"""Files in: only what was uploaded to this server, which fetches nothing from anywhere and keeps so many bytes."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlparse

import gradio as gr
import numpy as np
from gradio import processing_utils
from gradio.utils import get_upload_folder

from wsis.errors import WsisError
from wsis.explorer.server.turns import RefusedError
from wsis.image import MAX_PIXELS, read

NO_ADDRESS = "Web addresses are not fetched here. Upload the file, or send its content as a data: URL."
FREE = 256 * 2**20
"""Bytes of the disk that uploads leave to others."""
GRACE = 300.0
"""Seconds for which an upload stays whatever comes: longer than its request waits."""
SHARE = 4
"""One address may fill one part in so many of the folder within the grace."""
FILES = 10_000
"""Most files, however small."""


def uploaded(path: Path) -> Path:
    """A path that a browser or a program named, only if it is a file that was uploaded here.

    Raises:
        WsisError: it is anything else.
    """
    folder = Path(get_upload_folder()).resolve()
    with suppress(OSError, ValueError):  # too long, or with a zero byte
        resolved = path.resolve()
        if resolved.is_relative_to(folder) and resolved.is_file():
            return resolved
    raise WsisError("The upload did not arrive. Choose the photo again.")


def photo(path: Path, most: int = MAX_PIXELS) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an uploaded file, see `wsis.image.read`.

    Args:
        path: as a browser or a program named it.
        most: pixels; a larger photo is refused from its header, before it is decoded.

    Raises:
        WsisError: it was not uploaded, is too large, or cannot be read.
    """
    return read(uploaded(path), most)


def fetch_nothing() -> None:
    """Make Gradio refuse a web address instead of a file; by itself it would fetch it from any public host."""
    processing_utils.async_ssrf_protected_download = _refuse


async def _refuse(url: str, *_: object, **__: object) -> str:
    """The file behind an address that this server gave to an upload; every other address is refused."""
    path = unquote(urlparse(url).path.partition("/gradio_api/file=")[2])
    try:
        return str(uploaded(Path(path or url)))
    except WsisError as error:
        raise gr.Error(NO_ADDRESS, print_exception=False) from error


class Shelf:
    """The folder of uploads and downloads, with a quota of bytes: the oldest go first."""

    def __init__(self, megabytes: int = 2048, folder: Path | None = None) -> None:
        """Bound a folder.

        Args:
            megabytes: most that it holds.
            folder: Gradio's by default.
        """
        self._most = megabytes * 2**20
        self._folder = folder or Path(get_upload_folder())
        self._arriving = 0
        self._recent: deque[tuple[float, str, int]] = deque()

    @property
    def held(self) -> int:
        """Bytes that the folder holds."""
        return sum(size for _, size, _ in self._files())

    @contextmanager
    def arrival(self, address: str | None, size: int) -> Iterator[None]:
        """Make room for an upload before it arrives; until the end of the block its bytes count as held.

        Args:
            address: who sends it; None where that is not known.
            size: in bytes.

        Raises:
            RefusedError: the disk or the folder is full, or this address has filled its share of it.
        """
        now = time.time()
        while self._recent and now - self._recent[0][0] > GRACE:
            self._recent.popleft()
        sent_before = sum(sent for _, who, sent in self._recent if who == address)
        if address is not None and sent_before + size > self._most / SHARE:
            raise RefusedError("uploads", "Your address has uploaded much just now. Try again in a few minutes.", GRACE)
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free - self._arriving - size < FREE:
            raise RefusedError("disk", "The server has no room for uploads. Try again later.", GRACE)
        self._sweep(self._most - self._arriving - size, now - GRACE)
        if address is not None:
            self._recent.append((now, address, size))
        self._arriving += size
        try:
            yield
        finally:
            self._arriving -= size

    def _sweep(self, most: int, before: float) -> None:
        """Delete the oldest files until at most `most` bytes are left, none that is younger than `before`."""
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for left, (changed, size, path) in zip(range(len(files), 0, -1), files, strict=True):
            if held <= most and left <= FILES:
                return
            if changed < before or left > FILES:
                with suppress(OSError):  # gone meanwhile
                    path.unlink()
                    held -= size
                    path.parent.rmdir()  # Gradio makes a folder for each file
        if held > most:
            raise RefusedError(
                "uploads", "The server holds as many uploads as it can. Try again in a few minutes.", GRACE
            )

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of the last change, size and path of every file."""
        found = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name)
                with suppress(OSError):
                    about = path.stat()
                    found.append((about.st_mtime, about.st_size, path))
        return found
