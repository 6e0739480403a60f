"""Files as bad luck and bad will leave them: flipped, cut, spliced, with lengths that lie."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n"
ODD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 2**31, -(2**31), 2**63, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), -float("inf"), "", "0", "nan", "paper", "../../etc/passwd", "\x00", "\ud800", "e\u0301", "💥",
    "a" * 5000, "9" * 5000, [], [[]], [0], [None], {}, {"a": {}}, {"size": [1, 1]},
)  # fmt: skip


def mutated(content: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """One to three accidents after another.

    Args:
        content: a file.
        rng: decides which.
        others: files whose parts may get into it.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(ACCIDENTS)(content, rng, others)
    return content


def flip(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A few bits, anywhere or in the header."""
    result = bytearray(content)
    reach = rng.choice((len(result), min(64, len(result))))
    for _number in range(rng.choice((1, 2, 8)) if reach else 0):
        result[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(result)


def cut(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Only the beginning arrived."""
    return content[: rng.randrange(len(content) + 1)]


def remove(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A part is missing."""
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice((1, 4, 16, 256)) :]


def repeat(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A part is there twice."""
    start = rng.randrange(len(content) + 1)
    end = start + rng.choice((1, 4, 16, 256))
    return content[:end] + content[start:]


def noise(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A part is overwritten with anything."""
    start, length = rng.randrange(len(content) + 1), rng.choice((1, 4, 32))
    return content[:start] + rng.randbytes(length) + content[start + length :]


def splice(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """The beginning of this file and the end of another."""
    other = rng.choice(others) if others else content[::-1]
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def swap_header(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """The first bytes of another file."""
    length = rng.choice((4, 8, 16, 128))
    return (rng.choice(others) if others else rng.randbytes(128))[:length] + content[length:]


def lie(content: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A number becomes an odd one: lengths, sizes, offsets, counts."""
    size, order = rng.choice((1, 2, 4)), rng.choice("<>")
    if len(content) < size:
        return content
    start = rng.choice((rng.randrange(len(content) - size + 1), rng.randrange(min(256, len(content) - size + 1))))
    number = rng.choice(ODD_NUMBERS) & ((1 << 8 * size) - 1)
    return content[:start] + struct.pack(order + {1: "B", 2: "H", 4: "I"}[size], number) + content[start + size :]


def chunk(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A PNG's chunk is changed, doubled, dropped or moved, with a checksum that is right again."""
    parts = chunks(content)
    if not parts:
        return lie(content, rng, others)
    place = rng.randrange(len(parts))
    kind, data = parts[place]
    change = rng.randrange(4)
    if change == 0:
        parts[place] = kind, flip(data, rng, ()) if data else rng.randbytes(4)
    elif change == 1:
        parts.insert(rng.randrange(len(parts) + 1), (kind, data))
    elif change == 2:
        del parts[place]
    else:
        parts.insert(rng.randrange(len(parts)), parts.pop(place))
    return png(parts)


ACCIDENTS: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...] = (
    flip, cut, remove, repeat, noise, splice, swap_header, lie, chunk,
)  # fmt: skip


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk of a PNG, as far as they can be told; nothing for another file."""
    found, at = [], len(PNG)
    while content.startswith(PNG) and at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png(parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks."""
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def twisted(value: Any, rng: random.Random) -> Any:
    """A JSON value with one part of it replaced, dropped, doubled or nested, at any depth."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return _twisted_in({**value}, key, rng)
    if isinstance(value, list) and value and rng.random() < 0.9:
        return _twisted_in([*value], rng.randrange(len(value)), rng)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice((-1, 1, 2, 1000, -1000))
    if isinstance(value, str) and value and rng.random() < 0.5:
        place = rng.randrange(len(value))
        return value[:place] + rng.choice(("", chr(rng.randrange(32, 127)), "\n", "é")) + value[place + 1 :]
    return rng.choice(ODD_VALUES)


def _twisted_in(holder: Any, place: Any, rng: random.Random) -> Any:
    change = rng.random()
    if change < 0.15:
        del holder[place]
    elif change < 0.25 and isinstance(holder, list):
        holder.insert(place, holder[place])
    elif change < 0.25:
        holder[f"{place} "] = holder.pop(place)
    elif change < 0.35:
        holder[place] = [holder[place]]
    else:
        holder[place] = twisted(holder[place], rng)
    return holder
