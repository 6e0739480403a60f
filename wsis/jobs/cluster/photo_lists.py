"""Lists of photos for large jobs: from folders, patterns, parquet files and object stores."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import fs

from wsis import names
from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.jobs.cluster.storage import absolute, opened, remote
from wsis.jobs.result_folders import Inside, read_local

COLUMNS = ("path", "uri", "url", "file_name")
"""Columns of a parquet file that are looked for, in this order, where none is named."""


@dataclass(frozen=True)
class Photo:
    """A photo of a job.

    Attributes:
        name: the path below the folder that all photos of the job share, without ending, each part as
            `wsis.names.result` makes it; unique, names its results.
        path: a local path, whose bytes may be no UTF-8, or a URI.
    """

    name: str
    path: str


@dataclass(frozen=True)
class Listing:
    """What there is to do.

    Attributes:
        photos: by name.
        doubles: (photo, reason) of those whose results would overwrite another's, and of folders that cannot be listed.
        skipped: how many files were no photos by their ending.
    """

    photos: tuple[Photo, ...]
    doubles: tuple[tuple[Photo, str], ...]
    skipped: int

    def apart(self, key: Callable[[str], str] = str) -> Listing:
        """With those photos alone whose results have names of their own.

        Args:
            key: what turns two names into one text if they mean one file, see `wsis.jobs.result_folders.alike`.
        """
        firsts: dict[str, Photo] = {}
        for photo in self.photos:
            firsts.setdefault(key(photo.name), photo)
        kept, doubles = [], list(self.doubles)
        for photo in self.photos:
            first, other = firsts[key(photo.name)], _in_the_way(photo.name, key, firsts)
            if first is not photo:
                why = f"would overwrite the results of {first.path}, which has the same name"
            elif other:
                why = f"lies in a folder called like the results of {other.path}"
            else:
                kept.append(photo)
                continue
            doubles.append((photo, f"{photo.path} {why}. Rename one."))
        return replace(self, photos=tuple(kept), doubles=tuple(doubles))


def _in_the_way(name: str, key: Callable[[str], str], firsts: dict[str, Photo]) -> Photo | None:
    """A photo whose NAME.png would lie where another one's results need a folder."""
    folders = accumulate(name.split("/")[:-1], "{}/{}".format)
    stems = (posixpath.splitext(key(folder)) for folder in folders)
    return next((firsts[stem] for stem, ending in stems if ending in (".png", ".jpg") and stem in firsts), None)


def listed(sources: Sequence[str], column: str | None = None) -> Listing:
    """The photos of all sources, each once, sorted by path.

    What an existing local path names is never read as a pattern or an address. Results, of this job or another, are no
    photos. What is linked to counts once, by its own name if that is there.

    Args:
        sources: photos, folders (with all folders below; hidden files are left out), patterns with `*`, `**` or `[]`,
            and parquet files with a column of paths; each local or a URI such as `s3://bucket/photos`.
        column: of parquet files; None takes the first of `COLUMNS`.

    Raises:
        WsisError: a source is missing or cannot be read, or there is no photo in any.
    """
    owners: dict[str, str] = {}
    skipped, doubles = 0, []
    for source in sources:
        paths, others, failed = (_remote_paths if _is_remote(source) else _local_paths)(source, column)
        for path in sorted(paths):
            real = path if remote(path) else os.path.realpath(path)
            owner = owners.setdefault(real, path)
            owners[real] = min(owner, path, key=lambda name: (os.path.islink(name), name))
        skipped += others
        doubles += [(Photo(names.text(path), path), reason) for path, reason in failed]
    if not owners:
        raise WsisError(doubles[0][1] if doubles else f"There is no photo in {', '.join(sources)}.")
    return Listing(tuple(_named(sorted(owners.values()))), tuple(doubles), skipped).apart()


def _is_remote(source: str) -> bool:
    return remote(source) and not os.path.lexists(source)


def _remote_paths(source: str, column: str | None) -> tuple[list[str], int, list[tuple[str, str]]]:
    """Paths of a URI, how many files were left out, and folders that could not be listed with the reason."""
    if source.lower().partition("?")[0].endswith(".parquet"):
        return _from_parquet(source, column), 0, []
    if re.search(r"[*[]", source):
        system, files = _matching(source)
    else:
        system, path = opened(source)
        try:
            info = system.get_file_info(path)
            if info.type == fs.FileType.NotFound:
                raise WsisError(f"There is no file or folder {source}.")
            if info.type == fs.FileType.File:
                return [source], 0, []
            inner = [info.path for info in system.get_file_info(fs.FileSelector(path, recursive=True)) if info.is_file]
        except OSError as error:
            raise WsisError(f"{source} cannot be listed: {str(error).splitlines()[0]}.") from error
        files = [file for file in inner if not _hidden(file.removeprefix(path))]
    inside = Inside(lambda name: _content(system, name))
    files = [file for file in files if not inside(file)]
    chosen = [_address(source, file) for file in files if _is_photo(file)]
    return chosen, len(files) - len(chosen), []


def _content(system: fs.FileSystem, path: str) -> bytes:
    with system.open_input_stream(path) as stream:
        return stream.read()


def _local_paths(source: str, column: str | None) -> tuple[list[str], int, list[tuple[str, str]]]:
    """As `_remote_paths`, of a local path or pattern."""
    path, failed = absolute(source), list[tuple[str, str]]()
    if source.lower().endswith(".parquet") and not os.path.isdir(path):
        return _from_parquet(source, column), 0, []
    if os.path.isdir(path):
        files, failed = _below(path)
    elif os.path.lexists(path):
        return [path], 0, []
    elif re.search(r"[*?[]", source):
        files = _matching_here(path)
    else:
        raise WsisError(f"There is no file or folder {source}.")
    inside = Inside(read_local)
    files = [file for file in files if not inside(file)]
    chosen = [file for file in files if _is_photo(file)]
    return chosen, len(files) - len(chosen), failed


def _below(folder: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Files in a folder and below, each folder once, links last; and folders that cannot be listed, with the reason."""
    tops, been, files = [folder], set[str](), list[str]()
    failed: list[tuple[str, str]] = []

    def fail(error: OSError) -> None:
        failed.append((error.filename, f"{error.filename} cannot be listed: {error.strerror}."))

    for top in tops:  # grows
        for place, folders, inner in os.walk(top, onerror=fail):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if (real := os.path.realpath(place)) in been:
                folders.clear()
                continue
            been.add(real)
            tops += [f"{place}/{name}" for name in folders if os.path.islink(f"{place}/{name}")]
            files += [posixpath.join(place, name) for name in inner if not name.startswith(".")]
    return files, failed


def _matching_here(pattern: str) -> list[str]:
    """Files that match a pattern from the root; the folders of it that exist are what they are called."""
    parts = pattern.split("/")
    known = next(i for i in range(len(parts) - 1, 0, -1) if os.path.isdir("/".join(parts[:i]) or "/"))
    start = "/".join(parts[:known])
    files = glob.glob("/".join(parts[known:]), root_dir=start or "/", recursive=True)
    return [file for name in files if not os.path.isdir(file := f"{start}/{name}")]


def _matching(pattern: str) -> tuple[fs.FileSystem, list[str]]:
    """An object store, and what in it matches a pattern."""
    place, _, query = pattern.partition("?")
    wild = re.search(r"[^/]*[*[]", place)
    start = place[: wild.start()] if wild else place
    system, root = opened(start + (f"?{query}" if query else ""))
    files = ArrowFSWrapper(system).glob(f"{root.rstrip('/')}/{place[len(start) :]}", detail=True)
    hidden = "/." in f"/{place}"  # as a shell, which shows hidden files to those who ask for them
    paths = [path for path, info in files.items() if info["type"] == "file"]
    return system, [path for path in paths if hidden or not _hidden(path.removeprefix(root))]


def _from_parquet(source: str, column: str | None) -> list[str]:
    """Paths of a parquet file; relative ones count from its own folder."""
    there = _is_remote(source)
    try:
        if there:
            system, path = opened(source)
            stream = system.open_input_file(path)
        else:
            stream = open(absolute(source), "rb")  # noqa: SIM115 - closed below
        with stream:
            file = pq.ParquetFile(stream)
            columns = file.schema_arrow.names
            chosen = column or next((name for name in COLUMNS if name in columns), None)
            if chosen not in columns:
                raise WsisError(
                    f"{source} has no column {column or ' or '.join(COLUMNS)}; it has {', '.join(columns)}. Name one "
                    "with --column."
                )
            values = file.read([chosen]).column(0).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise WsisError(f"{source} cannot be read as parquet: {str(error).splitlines()[0]}.") from error
    if not all(isinstance(value, str) and value for value in values):
        raise WsisError(f"The column {chosen} of {source} must hold a path in every row.")
    folder = (source.partition("?")[0] if there else source).rpartition("/")[0]
    whole = [value if remote(value) or value.startswith("/") else posixpath.join(folder, value) for value in values]
    return [value if remote(value) else absolute(value) for value in whole]


def _named(paths: Iterable[str]) -> list[Photo]:
    """Photos named by their path below the folder that all of them share."""
    keys = {path: posixpath.normpath("/" + _bare(path).lstrip("/")) for path in paths}
    shared = posixpath.commonpath({posixpath.dirname(key) for key in keys.values()})
    parts = {path: posixpath.splitext(posixpath.relpath(key, shared))[0].split("/") for path, key in keys.items()}
    return [Photo("/".join(map(names.result, components)), path) for path, components in parts.items()]


def _bare(path: str) -> str:
    """Without the scheme and the options of a URI; local names may have the same signs."""
    return path.partition("://")[2].partition("?")[0] if remote(path) else path


def _address(source: str, path: str) -> str:
    """A path inside the file system of `source` as something that can be opened by itself."""
    query = source.partition("?")[2]
    return f"{source.partition('://')[0]}://{path}" + (f"?{query}" if query else "")


def _is_photo(path: str) -> bool:
    return posixpath.splitext(_bare(path))[1].lower() in SUFFIXES


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
