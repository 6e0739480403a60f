"""ICC profiles made tag by tag, and what photos in their colours are in sRGB, by the formulas of the standard."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

PRIMARIES = {  # columns of red, green and blue in XYZ, adapted to D50
    "sRGB": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
GAMMA = {"sRGB": 0.0, "Display P3": 0.0, "Adobe RGB": 563 / 256}
"""0 stands for sRGB's own curve."""


def rgb(primaries: str = "sRGB", gamma: float | None = None, swapped: bool = False, name: str = "a profile") -> bytes:
    """A screen's profile; `swapped` says red for green."""
    red, green, blue = PRIMARIES[primaries]
    red, green = (green, red) if swapped else (red, green)
    curve = _curve(GAMMA[primaries] if gamma is None else gamma)
    tags = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    return _profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve), name)


def grey(gamma: float) -> bytes:
    """A profile of grey; gamma 1 is linear light."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def cmyk() -> bytes:
    """Inks of a printer that knows only black: three coloured inks leave the paper white."""
    table = bytes(
        value
        for i in range(16)
        for value in ((0, 128, 128) if i & 1 else (255, 128, 128))  # Lab; the last ink is black
    )
    ramp = bytes(range(256))
    head = (
        b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536 * x for x in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    )
    return _profile(b"CMYK", {b"A2B0": head + ramp * 4 + table + ramp * 3}, connection=b"Lab ", kind=b"prtr")


def lab() -> bytes:
    """A profile whose colours are Lab, which is no photo's."""
    return _profile(b"Lab ", {}, connection=b"Lab ", kind=b"abst")


def in_srgb(pixels: np.ndarray, primaries: str = "sRGB", gamma: float = 0.0) -> np.ndarray:
    """(..., 3) uint8 in the colours of a profile, as sRGB."""
    unit = pixels / 255
    light = unit**gamma if gamma else np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = light @ np.array(PRIMARIES[primaries])
    linear = np.clip(xyz @ np.linalg.inv(np.array(PRIMARIES["sRGB"])), 0, 1)
    seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(seen * 255).astype(np.uint8)


def _profile(
    space: bytes, tags: dict[bytes, bytes], name: str = "a profile", connection: bytes = b"XYZ ", kind: bytes = b"mntr"
) -> bytes:
    title = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(title)) + title + bytes(12 + 67)
    tags = {b"desc": description, b"wtpt": _xyz((0.9642, 1.0, 0.8249)), **tags}
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, start + len(data), len(content))
        data += content
    head = struct.pack(">3I4s4s4s", start + len(data), 0, 0x02400000, kind, space, connection)
    white = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    return head + struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white + bytes(48) + table + data


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    if gamma:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    unit = np.linspace(0, 1, 1024)
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    return b"curv" + bytes(4) + struct.pack(">I", 1024) + np.rint(light * 65535).astype(">u2").tobytes()
