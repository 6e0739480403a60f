"""Names of files as text: any bytes may be one, but JSON, parquet and screens take only some of them."""

from __future__ import annotations

import hashlib
import os
import re

LONGEST = 251
"""Bytes of a result's name without its ending: file systems stop at 255."""
_UNDECODED = re.compile("[\ud800-\udfff]+")
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def text(name: str) -> str:
    """A name, or words that hold one, as valid Unicode: bytes that are no UTF-8 become `%E9`, all else stays."""
    return _UNDECODED.sub(_percent, name)


def result(name: str) -> str:
    """What a photo's results are called after its name without ending: its `text`, cut and numbered if too long."""
    whole = text(name)
    if len(raw := whole.encode()) <= LONGEST:
        return whole
    tail = f"~{hashlib.sha256(raw).hexdigest()[:8]}"
    return raw[: LONGEST - len(tail)].decode(errors="ignore") + tail


def path(name: str) -> str:
    """A `text` as a path whose bytes are UTF-8, whatever the locale says."""
    return os.fsdecode(name.encode())


def printable(words: str) -> str:
    r"""A sentence on one line: what would break it, turn it round or steer a terminal is shown as `\n`, `\x1b`, ..."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text(words))


def _percent(found: re.Match[str]) -> str:
    try:  # under LC_ALL=C sound UTF-8 arrives undecoded too
        decoded = found[0].encode("ascii", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of UTF-16, as Windows allows
        decoded = found[0]
    return "".join(
        f"%{ord(c) & 0xFF:02X}" if "\udc80" <= c <= "\udcff" else f"%u{ord(c):04X}" if "\ud800" <= c <= "\udfff" else c
        for c in decoded
    )
