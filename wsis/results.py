"""What `python -m train.ablate` measured of a checkpoint and keeps beside its networks, in `results.json`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAMES = {"map25": "mAP25", "map50": "mAP50", "map75": "mAP75", "abo": "ABO", "miou": "mIoU"}
"""Figures of instances and of the semantic map, in the order of tables."""
SEPARATION = {"alone": "alone", "together": "together", "touching": "touching", "merged": "merged"}
"""Figures of whether instances are told apart from others of their class, see `wsis.metrics.separation`."""
TOLD_APART = (
    "Told apart: the share of instances that some mask of their class covers with an IoU of at least .5. Alone: of "
    "those that are the only one of their class in the photo; together: of the others; touching: of those that come "
    "within 6 pixels of another one of their class."
)
"""What `SEPARATION` means, but for `merged`."""
MERGED = "Merged, less is better: the share of touching ones whose best mask covers half of another of the class."
"""What `merged` means."""
LEARNED_FROM = (
    "What rows learned from: labels say which classes are in a photo of VOC; contours and masks are those of objects "
    "of any kind, without their class, in photos outside VOC. Contours shape the proposals, masks teach icn-saliency "
    "and objectness."
)
"""What `Measured.learned_from` means."""


@dataclass(frozen=True)
class Figure:
    """A figure in percent or a difference in points, with the interval that holds 95% of its bootstrap resamples.

    Attributes:
        value: measured on all photos.
        low, high: ends of the interval; None where the figure was not resampled.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def compare(self, other: float) -> int:
        """1 if the whole interval lies above another figure, -1 below; 0 within the interval or without one."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > other) - (self.high < other)

    def text(self, sign: str = "") -> str:
        """With one decimal: `36.5 [34.0, 41.0]`; with the sign `+` differences show theirs."""
        value, *ends = (f"{x:{sign}z.1f}" for x in (self.value, self.low, self.high) if x is not None)
        return f"{value} [{', '.join(ends)}]" if ends else value


@dataclass(frozen=True)
class Measured:
    """One way to make instances, measured on all photos.

    Attributes:
        name: says how; with `fill` no two have the same.
        fill: up to how many masks a photo was filled with offers.
        learned_from: what its networks learned from.
        figures: in percent, by the keys of `NAMES`, and of `SEPARATION` where that was measured.
        masks_per_photo: mean number of masks.
        ap50_by_class: average precision at IoU .5, a share in [0, 1], by class name.
        separation_by_class: shares in [0, 1] by class name and key of `SEPARATION`; empty where not measured.
    """

    name: str
    fill: int
    learned_from: str
    figures: Mapping[str, Figure]
    masks_per_photo: float
    ap50_by_class: Mapping[str, float]
    separation_by_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The figures of one row less those of another, in points; both on the same resamples."""

    name: str
    less: str
    fill: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Results:
    """All that was measured.

    Attributes:
        command: that measured.
        model: whose networks.
        photos, instances, resamples: how many.
        rows, differences: in the order of tables.
    """

    command: str
    model: str
    photos: int
    instances: int
    resamples: int
    rows: tuple[Measured, ...]
    differences: tuple[Difference, ...]

    def row(self, name: str | None, fill: int = 0) -> Measured | None:
        """A row by its name, None where it was not measured."""
        return next((row for row in self.rows if (row.name, row.fill) == (name, fill)), None)

    def difference(self, name: str | None, less: str | None, fill: int = 0) -> Mapping[str, Figure] | None:
        """The figures of a difference, None where it was not measured."""
        wanted = name, less, fill
        return next((d.figures for d in self.differences if (d.name, d.less, d.fill) == wanted), None)


def titles(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Keys and names of the figures that a table of some rows shows: `SEPARATION` too if every row has all of it."""
    return NAMES | (SEPARATION if all(key in row for row in rows for key in SEPARATION) else {})


def read(content: Any) -> Results | None:
    """The results in the content of a `results.json`; None if it is of another kind, or empty.

    Args:
        content: what the JSON holds; shares in [0, 1] become percent.
    """
    try:
        rows = tuple(
            Measured(
                str(row["name"]),
                int(row["fill"]),
                str(row["learned_from"]),
                {key: _figure(row["intervals"].get(key) or {"value": row[key]}) for key in titles([row])},
                _finite(row["masks_per_photo"]),
                {str(name): _finite(share) for name, share in row["ap50_by_class"].items()},
                {
                    str(name): {key: _finite(shares[key]) for key in SEPARATION}
                    for name, shares in row.get("separation_by_class", {}).items()
                },
            )
            for row in content["rows"]
        )
        differences = tuple(
            Difference(
                str(one["name"]),
                str(one["less"]),
                int(one["fill"]),
                {key: _figure(one[key]) for key in (*NAMES, *SEPARATION) if key in one},
            )
            for one in content["differences"]
        )
        photos, instances, resamples = (int(content[key]) for key in ("photos", "instances", "resamples"))
        about = str(content["command"]), str(content["model"])
        return Results(*about, photos, instances, resamples, rows, differences) if rows else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _figure(shares: Mapping[str, float]) -> Figure:
    ends = (100 * _finite(shares[end]) if end in shares else None for end in ("low", "high"))
    return Figure(100 * _finite(shares["value"]), *ends)


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"expected a finite number, got {value}")
    return number
