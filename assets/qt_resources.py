"""Read files out of Qt resource files (.rcc), in which GCompris keeps its photos."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

FOLDER, COMPRESSED = 2, 1
"""Flags of an entry."""
ENTRY = {1: 14, 2: 22, 3: 22}
"""Bytes of an entry of the tree, by the version of the format."""


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name within the archive and content of each file; those packed with zstd are left out.

    Raises:
        ValueError: it is no Qt resource file.
    """
    content = path.read_bytes()
    if content[:4] != b"qres":
        raise ValueError(f"{path} is no Qt resource file")
    version, tree, data, names = struct.unpack(">4I", content[4:20])

    def walk(entry: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + entry * ENTRY[version]
        name_at, flags = struct.unpack(">IH", content[at : at + 6])
        name = f"{folder}/{_name(content, names + name_at)}" if entry else ""
        if flags & FOLDER:
            count, first = struct.unpack(">2I", content[at + 6 : at + 14])
            for child in range(first, first + count):
                yield from walk(child, name)
            return
        (start,) = struct.unpack(">I", content[at + 10 : at + 14])
        (length,) = struct.unpack(">I", content[data + start : data + start + 4])
        own = content[data + start + 4 : data + start + 4 + length]
        if flags in (0, COMPRESSED):
            yield name, zlib.decompress(own[4:]) if flags else own

    yield from walk(0, "")


def _name(content: bytes, at: int) -> str:
    (length,) = struct.unpack(">H", content[at : at + 2])
    return content[at + 6 : at + 6 + 2 * length].decode("utf-16-be")
