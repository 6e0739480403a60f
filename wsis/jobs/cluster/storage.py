"""Folders to read from and write to: local ones, and those of object stores (s3://, gs://), through pyarrow."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from wsis import names
from wsis.errors import WsisError

SPOOL = 8 * 2**20
"""Bytes on their way to an object store that wait in memory; more wait in a temporary file."""


class OutputError(WsisError):
    """Results cannot be written: no photo is to blame, and going on makes no sense."""


@dataclass(frozen=True)
class Folder:
    """A folder that results are written to and read from by name; files are there whole or not at all.

    Attributes:
        root: a local path, or a URI such as `s3://bucket/results`.
    """

    root: str

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            FileNotFoundError: there is none.
        """
        system, path = self._at(name)
        with system.open_input_stream(path) as stream:
            return stream.read()

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file whole; folders are made where they are missing.

        Raises:
            OutputError: that is not possible.
        """
        with self.writing(name) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A stream whose content becomes the file on leaving, or vanishes on any error.

        An object store shows an object when its last byte has arrived; a local file is renamed.

        Raises:
            OutputError: the file cannot be written.
        """
        system, path = self._at(name)
        local = isinstance(system, fs.LocalFileSystem)
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/.{uuid.uuid4().hex}.part"
        try:
            if local:
                system.create_dir(folder, recursive=True)
                with system.open_output_stream(temporary) as stream:
                    yield stream
                system.move(temporary, path)
            else:
                with tempfile.SpooledTemporaryFile(SPOOL) as spooled:  # closing an upload halfway would finish it
                    yield spooled  # type: ignore[misc]
                    spooled.seek(0)
                    with system.open_output_stream(path) as stream:
                        shutil.copyfileobj(spooled, stream)
        except (OSError, pa.ArrowException) as error:
            raise OutputError(f"{self.root}/{name} cannot be written: {_reason(error)}.") from error
        finally:
            if local:
                with suppress(OSError):
                    system.delete_file(temporary)

    def names(self, under: str) -> set[str]:
        """Names of the files in a folder below this one, without the folder; empty where it is missing."""
        system, path = self._at(under)
        infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return {info.base_name for info in infos if info.type == fs.FileType.File}

    def remove(self, name: str) -> None:
        """Delete a folder below this one with all that is in it; nothing happens where there is none."""
        system, path = self._at(name)
        with suppress(OSError):
            system.delete_dir(path)

    def remove_file(self, name: str) -> None:
        """Delete a file; nothing happens where there is none.

        Raises:
            OutputError: it cannot be deleted.
        """
        system, path = self._at(name)
        try:
            system.delete_file(path)
        except FileNotFoundError:
            pass
        except (OSError, pa.ArrowException) as error:
            raise OutputError(f"{self.root}/{name} cannot be deleted: {_reason(error)}.") from error

    def _at(self, name: str) -> tuple[fs.FileSystem, str]:
        system, path = opened(self.root)
        return system, f"{path.rstrip('/')}/{name}"


def remote(path: str) -> bool:
    """Whether it names a place by a URI and not by a local path."""
    return re.match(r"[A-Za-z][\w.+-]*://", path) is not None


def absolute(path: str) -> str:
    """A local path from the root, `~` at its beginning replaced unless a file is called so."""
    if path.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(path)  # leaves what it does not know
    return str(Path(path).absolute())


@lru_cache(maxsize=256)
def opened(place: str) -> tuple[fs.FileSystem, str]:
    """The file system that a path or URI belongs to, and the path inside it.

    Raises:
        WsisError: no such kind of storage, it holds a password, or a local path is no UTF-8.
    """
    if not remote(place):
        path = names.text(absolute(place))
        if names.path(path) != absolute(place):
            raise WsisError(f"{place} has letters that are no UTF-8, which results cannot have. Choose another --out.")
        return fs.LocalFileSystem(), path
    parts = urlsplit(place)
    if parts.username or parts.password:
        raise WsisError("Keys do not belong into addresses, which end up in results: set them in the environment.")
    try:
        return fs.FileSystem.from_uri(place)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WsisError(
            f"{place} cannot be opened: {_reason(error)}. Known are local paths, file://, s3://, gs:// and hdfs://."
        ) from error


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0].rstrip(".")
