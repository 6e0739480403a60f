"""Variables of MATLAB 5 files, as far as proposals need them: numbers, cells and single structs.

`scipy.io.loadmat` believes what a file says of itself, and a damaged one can end the whole process with a segmentation
fault. Here every length is checked against the bytes that are there.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

Order = Literal["<", ">"]
"""Which byte of a number comes first, in NumPy's way."""
MOST_PARTS = 2_000_000
"""Elements of one file; each costs some memory however few bytes it has."""
DEEPEST = 16
"""Cells in cells in cells."""

OTHER = np.array(None)
"""Stands for what proposals never are; its shape and type pass for nothing else."""

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Data types of elements that hold numbers."""
_CELL, _STRUCT, _NUMERIC, _COMPLEX = 1, 2, range(6, 16), 0x800
"""Classes of arrays, and the flag of those with an imaginary part."""


class TooLargeError(ValueError):
    """A file unpacks to more than is allowed."""


def variables(content: bytes, most: int) -> dict[str, Any]:
    """Read a file.

    Args:
        content: of the file.
        most: bytes that its packed parts may unpack to, together.

    Returns:
        By name: arrays of numbers in the type they are stored in, arrays of objects for cells, a dict by field for a
        1 x 1 struct, and `OTHER` for all else (text, complex and sparse arrays, objects).

    Raises:
        NotImplementedError: a file of MATLAB 7.3, which is HDF5.
        TooLargeError: it unpacks to more than `most`.
        ValueError: anything else is wrong with it.
    """
    if content[126:128] not in (b"IM", b"MI"):
        raise ValueError("it does not begin like one of version 5")
    order: Order = "<" if content[126:128] == b"IM" else ">"
    if struct.unpack(f"{order}H", content[124:126])[0] >= 0x200:
        raise NotImplementedError
    reader, found = _Reader(order, most), {}
    for kind, data in reader.elements(memoryview(content)[128:]):
        parts = reader.elements(reader.unpacked(data)) if kind == _COMPRESSED else iter([(kind, data)])
        for inner, matrix in parts:
            if inner == _MATRIX:
                name, value = reader.matrix(matrix)
                found[name] = value
    return found


class _Reader:
    """What is left to spend on one file."""

    def __init__(self, order: Order, most: int) -> None:
        self.order, self.bytes_left, self.parts_left = order, most, MOST_PARTS

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Type and content of each element."""
        at = 0
        while at < len(data):
            self.parts_left -= 1
            if self.parts_left < 0:
                raise ValueError(f"it has more than {MOST_PARTS} parts")
            if at + 8 > len(data):
                raise ValueError("it ends within a tag")
            kind, length = struct.unpack_from(f"{self.order}II", data, at)
            start = at + 8
            if kind >> 16:  # up to four bytes lie in the tag itself
                kind, length, start = kind & 0xFFFF, kind >> 16, at + 4
            end = start + length
            if end > len(data) or (start == at + 4 and length > 4):
                raise ValueError("a length leads beyond its end")
            yield kind, data[start:end]
            at = at + 8 if start == at + 4 else end + (0 if kind == _COMPRESSED else -length % 8)

    def unpacked(self, data: memoryview) -> memoryview:
        """A packed element's content."""
        unpacker = zlib.decompressobj()
        try:
            result = unpacker.decompress(data, self.bytes_left + 1)
        except zlib.error as error:
            raise ValueError("a packed part is damaged") from error
        self.bytes_left -= len(result)
        if self.bytes_left < 0:
            raise TooLargeError("it unpacks to too much")
        if not unpacker.eof:
            raise ValueError("a packed part is cut short")
        return memoryview(result)

    def matrix(self, data: memoryview, depth: int = 0) -> tuple[str, Any]:
        """Name and value of an array."""
        if not len(data):
            return "", np.zeros((0, 0))  # how an empty cell may be stored
        if depth > DEEPEST:
            raise ValueError(f"cells lie more than {DEEPEST} deep")
        parts = self.elements(data)
        flags, shape, name = self._numbers(parts), self._numbers(parts), self._bytes(parts)
        if len(flags) != 2 or not 2 <= len(shape) <= 32 or shape.dtype.kind not in "iu" or shape.min() < 0:
            raise ValueError("an array has no shape")
        kind, dims = int(flags[0]) & 0xFF, [int(side) for side in shape]
        value: Any = OTHER
        if kind in _NUMERIC and not int(flags[0]) & _COMPLEX:
            value = self._numbers(parts) if math.prod(dims) else np.zeros(0)
            if value.size != math.prod(dims):
                raise ValueError(f"{value.size} numbers do not fill an array of {dims}")
            value = value.reshape(dims, order="F")
        elif kind == _CELL:
            value = self._cells(parts, dims, depth)
        elif kind == _STRUCT and math.prod(dims) == 1:
            value = self._fields(parts, depth)
        return name.decode("latin-1"), value

    def _cells(self, parts: Iterator[tuple[int, memoryview]], dims: list[int], depth: int) -> np.ndarray:
        found = [self.matrix(data, depth + 1)[1] for kind, data in parts if kind == _MATRIX]
        if len(found) != math.prod(dims):
            raise ValueError(f"{len(found)} cells do not fill an array of {dims}")
        cells = np.empty(len(found), object)
        for i, value in enumerate(found):  # at once, numpy would look into them
            cells[i] = value
        return cells.reshape(dims, order="F")

    def _fields(self, parts: Iterator[tuple[int, memoryview]], depth: int) -> dict[str, Any]:
        widths, text = self._numbers(parts), self._bytes(parts)
        if widths.shape != (1,) or not 0 < widths[0] <= max(len(text), 1) or len(text) % int(widths[0]):
            raise ValueError("a struct's names cannot be told apart")
        width = int(widths[0])
        names = [text[i : i + width].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), width)]
        values = [self.matrix(data, depth + 1)[1] for kind, data in parts if kind == _MATRIX]
        if len(values) != len(names):
            raise ValueError(f"a struct of {len(names)} fields holds {len(values)}")
        return dict(zip(names, values, strict=True))

    def _numbers(self, parts: Iterator[tuple[int, memoryview]]) -> np.ndarray:
        kind, data = next(parts, (0, memoryview(b"")))
        if kind not in _NUMBERS:
            raise ValueError("numbers are missing")
        dtype = np.dtype(_NUMBERS[kind]).newbyteorder(self.order)
        if len(data) % dtype.itemsize:
            raise ValueError("a number is cut short")
        return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False)

    def _bytes(self, parts: Iterator[tuple[int, memoryview]]) -> bytes:
        return bytes(next(parts, (0, memoryview(b"")))[1])
