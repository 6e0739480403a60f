"""What names mean: files by stem with endings in any case, and lists of photos."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from wsis.image import SUFFIXES


def text(content: bytes) -> str:
    """A text file's content: UTF-8, UTF-16 or UTF-32, with or without a byte order mark, else Windows' Latin."""
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def find(folder: Path, stem: str, suffixes: Sequence[str]) -> Path | None:
    """The file of a stem.

    Args:
        folder: where it lies.
        stem: its name without ending; it may name folders below.
        suffixes: its possible endings in lower case, the best first. Those in other letters, and names whose accents
            are composed otherwise, come after them.

    Returns:
        None where there is none.
    """
    for spelled in (str, str.upper):
        for suffix in suffixes:
            if (file := folder / f"{stem}{spelled(suffix)}").is_file():
                return file
    place = folder / f"{stem}."  # a stem may hold dots
    try:
        listed = _by_key(place.parent, place.parent.stat().st_mtime_ns)
    except OSError:
        return None
    found = (listed.get(_key(place.name[:-1], suffix)) for suffix in suffixes)
    return next((place.parent / name for name in found if name is not None), None)


def parts(name: str) -> tuple[str, ...]:
    """A path of Windows or of any other system, cut at its folders; accents composed."""
    return tuple(
        part for part in re.split(r"[\\/]+", unicodedata.normalize("NFC", name)) if part not in ("", ".", "..")
    )


def below(folder: Path, name: str) -> Path:
    """The file that a list calls `name`: below the folder, or in it where only that is there; of Windows' paths too."""
    path = parts(name)
    ways = [folder / name, folder.joinpath(*path), folder.joinpath(*path[-1:])]
    return next((way for way in ways if way.is_file()), folder / name)


def bare(name: str) -> str:
    """A file's name without a photo's ending; other dots stay."""
    stem, dot, ending = name.rpartition(".")
    return stem if stem and f"{dot}{ending.lower()}" in SUFFIXES else name


def listed(content: bytes, known: Collection[str]) -> list[str]:
    """Names in a list of photos, one a line.

    A line is a name, with or without folders, ending, a comment (`#`), or further columns after a space, tab or comma.
    The first of these readings that is known counts, so that names may hold spaces.

    Args:
        content: of the list, see `text`.
        known: names of the photos that are there.

    Returns:
        The known name of each line, else its first word as it stands; none for empty lines and comments.
    """
    names = {unicodedata.normalize("NFC", name): name for name in known}
    found = []
    for line in re.split(r"[\r\n]+", text(content)):
        meant = next((names[reading] for reading in _readings(line) if reading in names), None)
        if meant is None and line.strip() and not line.lstrip().startswith("#"):
            meant = line.split()[0]
        if meant is not None:
            found.append(meant)
    return found


def _readings(line: str) -> Iterator[str]:
    for written in (line, line.partition("#")[0], *(re.split(r"[\s,;]", line.strip(), maxsplit=1)[:1])):
        for name in (written.strip().strip("\"'"), *parts(written.strip().strip("\"'"))[-1:]):
            yield unicodedata.normalize("NFC", name)
            stem, dot, _ = name.rpartition(".")
            yield unicodedata.normalize("NFC", bare(name))
            if dot:
                yield unicodedata.normalize("NFC", stem)


def _key(stem: str, suffix: str) -> tuple[str, str]:
    return unicodedata.normalize("NFC", stem), suffix.lower()


@lru_cache(maxsize=4)
def _by_key(folder: Path, _stamp: int) -> dict[tuple[str, str], str]:
    """Names of a folder's files; kept for the next photo while the folder stays as it is."""
    files = sorted((file for file in folder.iterdir() if file.is_file()), reverse=True)
    return {_key(file.stem, file.suffix): file.name for file in files}
