"""Proposals as unions of the regions of one partition.

Any functional that is linear in a mask is then one sparse product over the pixels and one dense one over the regions,
for all proposals; masks themselves are only painted for the few proposals that somebody looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.sparse import csr_array

from wsis.errors import WsisError

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, eq=False)
class ProposalSet:
    """N proposals over one partition of R regions.

    Attributes:
        labels: (H, W) int32, the region of each pixel, 0..R-1.
        membership: (N, R) bool, the regions of each proposal.
        scores: (N,) float32 in [0, 1], rank score, descending.
        source: where the proposals come from, for people.
        notes: what of the source is not among them, for people.
    """

    labels: np.ndarray
    membership: np.ndarray
    scores: np.ndarray
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes, types and ranges."""
        if self.labels.ndim != 2 or self.labels.dtype != np.int32 or not self.labels.size:
            raise ValueError(f"labels: expected (H, W) int32, got {self.labels.shape} {self.labels.dtype}")
        if self.membership.ndim != 2 or self.membership.dtype != bool:
            raise ValueError(f"membership: expected (N, R) bool, got {self.membership.shape} {self.membership.dtype}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= self.membership.shape[1]:
            raise ValueError(f"labels: expected 0..{self.membership.shape[1] - 1}, got {low}..{high}")
        if self.scores.shape != (len(self.membership),) or self.scores.dtype != np.float32:
            raise ValueError(
                f"scores: expected ({len(self.membership)},) float32, got {self.scores.shape} {self.scores.dtype}"
            )
        if not ((self.scores >= 0) & (self.scores <= 1)).all() or (np.diff(self.scores) > 0).any():
            raise ValueError("scores: expected values in [0, 1], descending")

    def __len__(self) -> int:
        """Number of proposals."""
        return len(self.membership)

    @property
    def size(self) -> Size:
        """(H, W) of the partition."""
        return self.labels.shape

    @cached_property
    def region_areas(self) -> np.ndarray:
        """(R,) int64 pixels of each region."""
        return np.bincount(self.labels.ravel(), minlength=self.membership.shape[1])

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) int64 pixels of each proposal."""
        # float64, because float32 counts pixels exactly only up to 16 million
        return np.rint(self.membership @ self.region_areas.astype(np.float64)).astype(np.int64)

    @cached_property
    def membership_f32(self) -> np.ndarray:
        """(N, R) float32 of 0 and 1: `sums(values) @ membership_f32.T` is (K, N), the sum over every proposal."""
        return self.membership.astype(np.float32)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of each map over each region.

        Args:
            values: (K, H, W), any number or bool type.

        Returns:
            (K, R) float32.
        """
        if values.ndim != 3 or values.shape[1:] != self.size:
            raise ValueError(f"values: expected (K, {self.size[0]}, {self.size[1]}), got {values.shape}")
        return _products(self._pixels, values)

    @cached_property
    def _pixels(self) -> csr_array:
        """(R, H W) float32: 1 where a pixel belongs to a region."""
        shape, ones = (self.membership.shape[1], self.labels.size), np.ones(self.labels.size, np.float32)
        return csr_array((ones, (self.labels.ravel(), np.arange(self.labels.size))), shape)

    @cached_property
    def borders(self) -> tuple[np.ndarray, np.ndarray]:
        """Adjacent regions (E, 2) int32, i < j, and the lengths (E,) float32 of their 4-neighbour borders in pixels."""
        return self._edges[0], np.bincount(self._edges[1], minlength=len(self._edges[0])).astype(np.float32)

    def border_sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of a map (H, W) along each of the E `borders`, (E,) float32: the mean of both pixels at every edge."""
        return _products(self._edge_means, values[None])[0]

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `pixel_borders` says about this partition."""
        return pixel_borders(self.labels, self.membership.shape[1])

    def contour_sums(self, values: np.ndarray, width: int = 5) -> np.ndarray:
        """Sum of each map over a band along each proposal's own contour (the dP term of Zhou et al., 2018).

        The contour of a union is made of the borders between a region inside and one outside, so one sum per border
        and one matrix product give all proposals; the image's edge is no contour. A band's sum is the mean over a
        width x width box around each contour edge, times the width: where a contour bends within one band, pixels
        that a morphological band counts once weigh a little more or less.

        Args:
            values: (K, H, W) float.
            width: of the band, in pixels, centred on the contour.

        Returns:
            (K, N) float32.
        """
        if values.ndim != 3 or values.shape[1:] != self.size:
            raise ValueError(f"values: expected (K, {self.size[0]}, {self.size[1]}), got {values.shape}")
        smooth = [cv2.blur(np.ascontiguousarray(value, np.float32), (width, width)) for value in values]
        sums = width * _products(self._edge_means, smooth)
        return sums @ self.crossing.T

    @cached_property
    def _edge_means(self) -> csr_array:
        """(E, H W) float32: a border's sum of what both pixels of each of its edges hold, on average."""
        pairs, pair, near, far = self._edges
        halves = np.full(2 * len(pair), 0.5, np.float32)
        return csr_array((halves, (np.tile(pair, 2), np.concatenate([near, far]))), (len(pairs), self.labels.size))

    @cached_property
    def crossing(self) -> np.ndarray:
        """(N, E) float32: 1 where a border belongs to a proposal's contour."""
        pairs = self._edges[0]
        return (self.membership[:, pairs[:, 0]] != self.membership[:, pairs[:, 1]]).astype(np.float32)

    def mask(self, index: int, size: Size | None = None) -> np.ndarray:
        """One proposal as (H, W) bool, resized (nearest) to `size` if given."""
        return self.membership[index][self.labels if size is None else resized_labels(self.labels, size)]

    def masks(self, indices: Sequence[int] | np.ndarray, size: Size | None = None) -> np.ndarray:
        """Proposals as (len(indices), H, W) bool, resized (nearest) to `size` if given."""
        labels = self.labels if size is None else resized_labels(self.labels, size)
        return self.membership[np.asarray(indices, np.int64)][:, labels]

    def iou(self, first: Sequence[int] | np.ndarray, second: Sequence[int] | np.ndarray) -> np.ndarray:
        """Intersection over union between proposals by index, (len(first), len(second)) float32 in [0, 1].

        A proposal's with itself is 1, also where it is too small to have a pixel on this grid.
        """
        first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
        weighted = self.membership_f32[first] * self.region_areas.astype(np.float32)
        common = weighted @ self.membership_f32[second].T
        union = self.areas[first][:, None] + self.areas[second][None, :] - common
        vanished = (first[:, None] == second[None]) & (self.areas[first] == 0)[:, None]
        return np.where(vanished, 1, common / np.maximum(union, 1)).astype(np.float32)

    def select(self, indices: Sequence[int] | np.ndarray) -> ProposalSet:
        """The given proposals only, kept in descending order of score."""
        indices = np.asarray(indices)
        indices = np.flatnonzero(indices) if indices.dtype == bool else np.sort(indices.astype(np.int64))
        return ProposalSet(self.labels, self.membership[indices], self.scores[indices], self.source, self.notes)

    def resized(self, size: Size) -> ProposalSet:
        """The same proposals on another pixel grid (nearest); regions that vanish stay as columns of area 0."""
        return ProposalSet(resized_labels(self.labels, size), self.membership, self.scores, self.source, self.notes)


def _products(matrix: csr_array, values: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(M, H W) times each of K maps (H, W): (K, M) float32. One map at a time reads memory in order."""
    result = np.empty((len(values), matrix.shape[0]), np.float32)
    for out, value in zip(result, values, strict=True):
        out[:] = matrix @ value.ravel().astype(np.float32, copy=False)
    return result


def pixel_borders(labels: np.ndarray, regions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the regions of a partition touch.

    Args:
        labels: (H, W) int32 in 0..regions-1.
        regions: R.

    Returns:
        Region pairs (E, 2) int32, i < j; and for each of the B 4-neighbour pixel edges between two regions the number
        of its pair (B,) and the flat indices of its two pixels, (B,) and (B,).
    """
    index = np.arange(labels.size, dtype=np.int32).reshape(labels.shape)
    near = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    far = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    flat = labels.ravel()
    apart = flat[near] != flat[far]
    near, far = near[apart], far[apart]
    low, high = np.minimum(flat[near], flat[far]), np.maximum(flat[near], flat[far])
    keys, pair = np.unique(low.astype(np.int64) * regions + high, return_inverse=True)
    return np.stack(np.divmod(keys, regions), axis=1).astype(np.int32), pair, near, far


def resized_labels(labels: np.ndarray, size: Size) -> np.ndarray:
    """A label map resized (nearest, pixel centres aligned) to `size` = (height, width)."""
    if labels.shape == tuple(size):
        return labels
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.int64), old - 1)
        for old, new in zip(labels.shape, size, strict=True)
    )
    return labels[rows[:, None], columns]


def from_masks(
    masks: np.ndarray, scores: np.ndarray | None = None, source: str = "masks", notes: tuple[str, ...] = ()
) -> ProposalSet:
    """Foreign masks as a ProposalSet: the regions are the sets of pixels that the same masks cover.

    Args:
        masks: (N, H, W) bool.
        scores: (N,) any finite numbers, higher is better; they are shifted and scaled into [0, 1] where they leave it.
            Without them the given order is the ranking.
        source: where the masks come from, for people.
        notes: see `ProposalSet`.

    Raises:
        WsisError: a mask is empty, or a score is not finite.

    Examples:
        >>> masks = np.zeros((2, 4, 6), bool)
        >>> masks[0, :, :4] = masks[1, :, 2:] = True
        >>> proposals = from_masks(masks)
        >>> proposals.areas.tolist(), proposals.iou([0], [0, 1]).tolist()[0][0]
        ([16, 16], 1.0)
    """
    if masks.ndim != 3 or masks.dtype != bool:
        raise ValueError(f"masks: expected (N, H, W) bool, got {masks.shape} {masks.dtype}")
    if not len(masks):
        raise WsisError(f"There is no proposal in {source}; at least one mask is needed.")
    flat = masks.reshape(len(masks), -1)
    empty = np.flatnonzero(~flat.any(axis=1))
    if len(empty):
        raise WsisError(f"Proposal {empty[0]} of {source} covers no pixel; leave it out.")
    # One 64-bit key per pixel is refined mask by mask in blocks: exact (no hashing), and no N x H x W sort.
    labels = np.zeros(flat.shape[1], np.int64)
    for start in range(0, len(flat), 32):
        key = labels
        for mask in flat[start : start + 32]:
            key = key * 2 + mask
        labels = np.unique(key, return_inverse=True)[1].astype(np.int64)
    first = np.unique(labels, return_index=True)[1]
    labels, membership = labels.astype(np.int32), flat[:, first]
    ranked, order = ranking(scores, len(masks), source)
    return ProposalSet(labels.reshape(masks.shape[1:]), membership[order], ranked, source, notes)


def ranking(scores: np.ndarray | None, count: int, source: str = "masks") -> tuple[np.ndarray, np.ndarray]:
    """Rank scores and the order that they belong to.

    Args:
        scores: (count,) any finite numbers, higher is better; None where the given order is the ranking.
        count: number of proposals.
        source: where they come from, for people.

    Returns:
        (count,) float32 in [0, 1], descending, shifted and scaled where `scores` leave that range; and (count,) int64,
        best first, equal ones as they stand.

    Raises:
        WsisError: a score is not finite.
    """
    if scores is None:
        return rank_scores(count), np.arange(count)
    scores = np.asarray(scores, np.float64)
    order = np.argsort(-scores, kind="stable")  # scaling may make equal what is not
    return _unit(scores, source)[order].astype(np.float32), order


def rank_scores(count: int) -> np.ndarray:
    """(count,) float32 from 1 down to just above 0: scores for proposals that are only ranked."""
    return (1 - np.arange(count) / max(count, 1)).astype(np.float32)


def _unit(scores: np.ndarray, source: str) -> np.ndarray:
    if not np.isfinite(scores).all():
        raise WsisError(f"A score in {source} is not a finite number.")
    low, high = scores.min(), scores.max()
    if low >= 0 and high <= 1:
        return scores
    halves = scores / 2 - low / 2  # the span of doubles is no double
    return halves / (high / 2 - low / 2) if high > low else np.ones_like(scores)
