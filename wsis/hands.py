"""What hands have made of an analysis: of each peak, which regions, proposal and pixels are no longer the method's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from wsis.edits import Edit, Snap, Source, Stroke


@dataclass(frozen=True)
class Hand:
    """What was done to one peak.

    Attributes:
        number: of the peak, see `wsis.edits`.
        added: whether it was placed by hand.
        moved: whether it lies elsewhere than it was found.
        named: whether its class was chosen by hand.
        of: which of its maps its mask is chosen by.
        inside: regions that belong to every proposal of it.
        outside: regions that belong to none of them.
        proposal: the chosen one, whatever the weights say; None leaves it to them.
        pixels: strokes and snaps on the mask, in their order.
        merged: numbers of the peaks that it took in.
        shared: numbers of the peaks that it shares out proposals with, its own among them.
    """

    number: int
    added: bool = False
    moved: bool = False
    named: bool = False
    of: Source = "region"
    inside: frozenset[int] = frozenset()
    outside: frozenset[int] = frozenset()
    proposal: int | None = None
    pixels: tuple[Stroke | Snap, ...] = ()
    merged: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()

    @property
    def forced(self) -> bool:
        """Whether its proposals are others than the photo's."""
        return bool(self.inside or self.outside)

    @property
    def touched(self) -> bool:
        """Whether its instance is by hand and not the method's own."""
        return bool(
            self.added or self.moved or self.named or self.forced or self.pixels or self.merged or self.shared
        ) or (self.proposal is not None)

    @property
    def by_object(self) -> bool:
        """Whether its proposals are measured by the map of the one object that it lies on, from step 1 on."""
        return self.touched and self.of == "object"

    def members(self, membership: np.ndarray) -> np.ndarray:
        """Proposals with the forced regions: (..., R) bool to the same."""
        if not self.forced:
            return membership
        members = membership.copy()
        members[..., sorted(self.inside)] = True
        members[..., sorted(self.outside)] = False
        return members


@dataclass(frozen=True)
class Hands:
    """What was done to an analysis.

    Attributes:
        rows: of each of its K peaks, in order.
        edits: everything that was done, in order.
        next: number that the next placed peak gets.
        kept: sets of peaks that rightly share a mask.
    """

    rows: tuple[Hand, ...]
    edits: tuple[Edit, ...] = ()
    next: int = 0
    kept: frozenset[frozenset[int]] = frozenset()

    @classmethod
    def none(cls, count: int) -> Hands:
        """Of an analysis with so many peaks that nobody has touched."""
        return cls(tuple(Hand(number) for number in range(count)), next=count)

    @property
    def touched(self) -> np.ndarray:
        """(K,) bool: peaks whose instance is by hand."""
        return np.array([hand.touched for hand in self.rows], bool)

    def row(self, number: int) -> int | None:
        """The row of a peak; None where there is none of this number."""
        return next((row for row, hand in enumerate(self.rows) if hand.number == number), None)


def key(labels: np.ndarray, membership: np.ndarray) -> str:
    """What a partition and its proposals are known by, 16 hexadecimal digits.

    Args:
        labels: (H, W) int32, the region of each pixel.
        membership: (N, R) bool, the regions of each proposal.
    """
    digest = hashlib.sha256(repr((labels.shape, membership.shape)).encode())
    digest.update(np.ascontiguousarray(labels, "<i4").tobytes())
    digest.update(np.packbits(membership).tobytes())
    return digest.hexdigest()[:16]


def overlaps(first: np.ndarray, second: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Intersection over union of sets of regions.

    Args:
        first: (A, R) bool.
        second: (B, R) bool.
        areas: (R,) pixels of each region.

    Returns:
        (A, B) float32 in [0, 1], 0 where both are empty.
    """
    weighted = first * areas.astype(np.float64)
    common = weighted @ second.astype(np.float64).T
    union = weighted.sum(1)[:, None] + (second * areas.astype(np.float64)).sum(1)[None] - common
    return (common / np.maximum(union, 1)).astype(np.float32)
