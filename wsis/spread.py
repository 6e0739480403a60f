"""Spreading a map over a superpixel graph: heat that stops at contours. Not part of the paper, needs no training."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

from wsis.errors import WsisError


def spread(
    maps: np.ndarray, labels: np.ndarray, contours: np.ndarray, *, strength: float = 0.02, edge: float = 40.0
) -> np.ndarray:
    """Diffuse maps between neighbouring regions, in closed form.

    Two adjacent regions are linked by `w = exp(-edge * c) * l / sqrt(a)` with c the mean contour strength on their
    common border, l its length in pixels and a the mean area of all regions. With L the graph Laplacian of w, A the
    region areas over their mean and v the region means of a map, the result x solves
    `(L + strength A) x = strength A v`: a balance between staying at v and being equal to the neighbours, that keeps
    the map's total.

    Args:
        maps: (K, H, W) float32, usually in [0, 1].
        labels: (H, W) int32 regions 0..R-1.
        contours: (H, W) float32 in [0, 1], how strongly each pixel is on an object's boundary.
        strength: lambda, how strongly a region clings to its own value; smaller spreads further. Greater than 0.
        edge: how strongly a contour cuts a link; 0 ignores contours.

    Returns:
        (K, H, W) float32, constant within each region, min-max normalised to [0, 1]; a constant map becomes 0.

    Raises:
        WsisError: strength or edge out of range.
    """
    if maps.ndim != 3 or maps.dtype != np.float32 or maps.shape[1:] != labels.shape:
        raise ValueError(
            f"maps: expected (K, {labels.shape[0]}, {labels.shape[1]}) float32, got {maps.shape} {maps.dtype}"
        )
    if contours.shape != labels.shape:
        raise ValueError(f"contours: expected {labels.shape}, got {contours.shape}")
    if not strength > 0 or not edge >= 0:
        raise WsisError(f"The spread needs a strength above 0 and an edge of at least 0, got {strength} and {edge}.")
    if not len(maps):
        return maps.copy()
    flat = labels.ravel()
    areas = np.bincount(flat).astype(np.float64)
    mean_area = areas.mean()
    means = np.stack([np.bincount(flat, weights=map_.ravel()) for map_ in maps], 1) / np.maximum(areas, 1)[:, None]
    # A region that vanished in a resize has neither pixels nor links; any own weight keeps the system solvable.
    own = strength * np.maximum(areas, 1) / mean_area
    system = diags_array(own) + _laplacian(labels, contours, edge, mean_area)
    solution = splu(system.tocsc()).solve(own[:, None] * means)
    present = solution[areas > 0]
    low, span = present.min(0), np.ptp(present, 0)
    # A map that was constant comes back with rounding noise only, which must not be blown up to [0, 1].
    flat_map = span <= 1e-9 * np.maximum(np.abs(present).max(0), 1e-30)
    values = np.where(flat_map, 0, (solution - low) / np.where(flat_map, 1, span)).astype(np.float32)
    return np.clip(values, 0, 1).T[:, labels]


def _laplacian(labels: np.ndarray, contours: np.ndarray, edge: float, mean_area: float) -> coo_array:
    """(R, R) graph Laplacian of the links between 4-neighbouring regions."""
    count = int(labels.max()) + 1
    near = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()]).astype(np.int64)
    far = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()]).astype(np.int64)
    strength = np.concatenate(
        [(0.5 * (contours[:, :-1] + contours[:, 1:])).ravel(), (0.5 * (contours[:-1] + contours[1:])).ravel()]
    )
    apart = near != far
    near, far, strength = near[apart], far[apart], strength[apart]
    keys, pair = np.unique(np.minimum(near, far) * count + np.maximum(near, far), return_inverse=True)
    first, second = np.divmod(keys, count)
    length = np.bincount(pair, minlength=len(keys)).astype(np.float64)
    contour = np.bincount(pair, weights=strength, minlength=len(keys)) / length
    link = np.exp(-edge * contour) * length / np.sqrt(mean_area)
    degree = np.bincount(first, link, count) + np.bincount(second, link, count)
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    return diags_array(degree) - coo_array((np.concatenate([link, link]), (rows, columns)), shape=(count, count))
