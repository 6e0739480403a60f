"""Lists of photos for large jobs: from folders, patterns, parquet files and object stores."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import fs

from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.storage import opened, remote

COLUMNS = ("path", "uri", "url", "file_name")
"""Columns of a parquet file that are looked for, in this order, where none is named."""


@dataclass(frozen=True)
class Photo:
    """A photo of a job.

    Attributes:
        name: the path below the folder that all photos of the job share, without ending; unique, names its results.
        path: a local path or a URI.
    """

    name: str
    path: str


@dataclass(frozen=True)
class Listing:
    """What there is to do.

    Attributes:
        photos: by name.
        doubles: (photo, reason) of those whose results would overwrite another's.
        skipped: how many files were no photos by their ending.
    """

    photos: tuple[Photo, ...]
    doubles: tuple[tuple[Photo, str], ...]
    skipped: int


def collect(sources: Sequence[str], column: str | None = None) -> Listing:
    """The photos of all sources, each once, sorted by path.

    Args:
        sources: photos, folders (with all folders below; hidden files are left out), patterns with `*`, `**` or `[]`,
            and parquet files with a column of paths; each local or a URI such as `s3://bucket/photos`.
        column: of parquet files; None takes the first of `COLUMNS`.

    Raises:
        WsisError: a source is missing or cannot be read, or there is no photo in any.
    """
    found, skipped = set(), 0
    for source in sources:
        listed, others = _listed(source, column)
        found.update(listed)
        skipped += others
    if not found:
        raise WsisError(f"There is no photo in {', '.join(sources)}.")
    first: dict[str, Photo] = {}
    doubles = []
    for photo in _named(sorted(found)):
        other = first.setdefault(photo.name, photo)
        if other is not photo:
            reason = f"{photo.path} would overwrite the results of {other.path}, which has the same name. Rename one."
            doubles.append((photo, reason))
    return Listing(tuple(first.values()), tuple(doubles), skipped)


def _listed(source: str, column: str | None) -> tuple[list[str], int]:
    """Paths of a source, and how many files were left out."""
    if source.lower().partition("?")[0].endswith(".parquet"):
        return _from_parquet(source, column), 0
    if _is_pattern(source):
        paths = _matching(source)
        chosen = [path for path in paths if _is_photo(path)]
        return chosen, len(paths) - len(chosen)
    system, path = opened(source)
    try:
        if (info := system.get_file_info(path)).type == fs.FileType.NotFound:
            raise WsisError(f"There is no file or folder {source}.")
        if info.type == fs.FileType.File:
            return [_absolute(source)], 0
        files = [one.path for one in system.get_file_info(fs.FileSelector(path, recursive=True)) if one.is_file]
    except OSError as error:
        raise WsisError(f"{source} cannot be listed: {str(error).splitlines()[0]}.") from error
    seen = [one for one in files if not _hidden(one.removeprefix(path))]
    chosen = [_address(source, one) for one in seen if _is_photo(one)]
    return chosen, len(seen) - len(chosen)


def _is_pattern(source: str) -> bool:
    """Whether it has wildcards; a local file may be called so, and `?` begins the options of a URI."""
    if remote(source):
        return bool(re.search(r"[*[]", source))
    return bool(re.search(r"[*?[]", source)) and not Path(source).exists()


def _matching(pattern: str) -> list[str]:
    """Files that match a pattern."""
    place, _, query = pattern.partition("?") if remote(pattern) else (pattern, "", "")
    wild = re.search(r"[^/]*[*?[]", place)
    start = place[: wild.start()] if wild else place
    system, root = opened((start or ".") + (f"?{query}" if query else ""))
    files = ArrowFSWrapper(system).glob(f"{root.rstrip('/')}/{place[len(start) :]}", detail=True)
    hidden = "/." in f"/{place}"  # as a shell, which shows hidden files to those who ask for them
    found = [path for path, info in files.items() if info["type"] == "file"]
    return [_address(pattern, path) for path in found if hidden or not _hidden(path.removeprefix(root))]


def _from_parquet(source: str, column: str | None) -> list[str]:
    """Paths of a parquet file; relative ones count from its own folder."""
    system, path = opened(source)
    try:
        with system.open_input_file(path) as stream:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            chosen = column or next((name for name in COLUMNS if name in names), None)
            if chosen not in names:
                raise WsisError(
                    f"{source} has no column {column or ' or '.join(COLUMNS)}; it has {', '.join(names)}. Name one "
                    "with --column."
                )
            values = file.read([chosen]).column(0).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise WsisError(f"{source} cannot be read as parquet: {str(error).splitlines()[0]}.") from error
    if not all(isinstance(value, str) and value for value in values):
        raise WsisError(f"The column {chosen} of {source} must hold a path in every row.")
    folder = source.partition("?")[0].rpartition("/")[0]
    return [
        _absolute(value if remote(value) or value.startswith("/") else posixpath.join(folder, value))
        for value in values
    ]


def _named(paths: Iterable[str]) -> list[Photo]:
    """Photos named by their path below the folder that all of them share."""
    keys = {
        path: posixpath.normpath("/" + re.sub(r"^\w+://", "", path).partition("?")[0].lstrip("/")) for path in paths
    }
    shared = posixpath.commonpath({posixpath.dirname(key) for key in keys.values()})
    return [Photo(posixpath.splitext(posixpath.relpath(key, shared))[0], path) for path, key in keys.items()]


def _address(source: str, path: str) -> str:
    """A path inside the file system of `source` as something that can be opened by itself."""
    if not remote(source):
        return path
    query = source.partition("?")[2]
    return f"{source.partition('://')[0]}://{path}" + (f"?{query}" if query else "")


def _absolute(path: str) -> str:
    return path if remote(path) else opened(path)[1]


def _is_photo(path: str) -> bool:
    return posixpath.splitext(path)[1].partition("?")[0].lower() in SUFFIXES


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
