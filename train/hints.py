"""What the ICN is told of an instance in training: from the classifier's own maps, or made from a mask.

Both give the five hints of `wsis.icn.Hint` in their order: map, class map, peak, rivals, response; a network takes
those that it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import cv2
import numpy as np
import torch

from train.crops import WHOLE, Box, cut, resize, window, within
from train.maps import NaiveMaps
from wsis.icn import Hint, gaussians, normalised

ORDER: tuple[Hint, ...] = get_args(Hint)
Start = Literal["class map", "response"]
"""The map at t = 0."""
FORGOTTEN = 0.15
"""Share of draws that leave out about half of the rivals: the classifier misses some objects."""


def of_peak(naive: NaiveMaps, k: int, box: Box, grid: int, start: Start, rng: np.random.Generator) -> np.ndarray:
    """Hints of one of the classifier's peaks, (5, grid, grid) float32 in [0, 1].

    Args:
        naive: maps and peaks of the photo.
        k: which peak.
        box: the crop.
        grid: cells a side.
        start: what the map at t = 0 is; it is bent by a random power, so that no exact value is learned by heart.
        rng: what draws.
    """
    class_map = _in_range(window(naive.maps[k], box, grid))
    response = np.zeros_like(class_map)
    if naive.responses is not None:
        response = _in_range(window(naive.responses[k], box, grid))
    first = response if start == "response" else class_map
    bent = first ** np.exp(rng.uniform(-0.4, 0.4))
    rivals = np.flatnonzero((naive.classes == naive.classes[k]) & (np.arange(len(naive.classes)) != k))
    if rng.random() < FORGOTTEN:
        rivals = rivals[rng.random(len(rivals)) < 0.5]
    peak, others = gaussian_maximum(naive.peaks[k, None], box, grid), gaussian_maximum(naive.peaks[rivals], box, grid)
    return np.stack([bent, class_map, peak, others, response])


def of_mask(
    masks: np.ndarray, m: int, mates: Sequence[int], box: Box, grid: int, start: Start, rng: np.random.Generator
) -> np.ndarray:
    """Hints as a classifier might give for a mask: coarse, partial, with most of its neighbours.

    Args:
        masks: (N, H, W) bool.
        m: which of them is meant.
        mates: others that the crop holds.
        box: the crop.
        grid: cells a side.
        start: what the map at t = 0 is.
        rng: what draws.

    Returns:
        (5, grid, grid) float32 in [0, 1].
    """
    cells = int(rng.integers(12, 29))
    mask = _coarse(masks[m], box, cells)
    others = [
        other for i in mates if i != m and rng.random() < 0.8 and (other := _coarse(masks[i], box, cells)).sum() > 1
    ]
    place = _place(mask, rng)
    rivals = [_place(other, rng) for other in others if rng.random() < 0.75]
    if rng.random() < 0.35:  # a second peak on the same object
        rivals.append(_place(mask, rng, away=place))
    class_map = _blob(mask, place, rng.uniform(0.4, 1.5))
    for other in others:
        blob = _blob(other, _place(other, rng), rng.uniform(0.4, 1.5))
        class_map = np.maximum(class_map, blob * rng.uniform(0.5, 1.2))
    # A response lies on the most telling part of its object, and a little of it on others.
    response = np.maximum(_blob(mask, place, rng.uniform(0.25, 0.8)), class_map * rng.uniform(0, 0.3))
    rough, sharp = (_in_range(window(_noisy(part, rng), WHOLE, grid)) for part in (class_map, response))
    return np.stack(
        [
            sharp if start == "response" else rough,
            rough,
            gaussian_maximum(_relative([place], cells), WHOLE, grid),
            gaussian_maximum(_relative(rivals, cells), WHOLE, grid),
            sharp,
        ]
    )


def gaussian_maximum(places: np.ndarray, box: Box, grid: int) -> np.ndarray:
    """The maximum of the Gaussians at relative (P, 2) places of a photo, in a crop of it: (grid, grid) float32."""
    if not len(places):
        return np.zeros((grid, grid), np.float32)
    return gaussians(torch.from_numpy(within(places, box)), (grid, grid)).amax(0).numpy()


def _coarse(mask: np.ndarray, box: Box, cells: int) -> np.ndarray:
    return resize(cut(mask.astype(np.float32), box), (cells, cells))


def _place(mask: np.ndarray, rng: np.random.Generator, away: tuple[int, int] | None = None) -> tuple[int, int]:
    """A cell of a coarse mask, rather where it is full; `away` from another one."""
    weight = mask.astype(np.float64) ** 2 + 1e-9
    if away is not None:
        rows, columns = np.indices(mask.shape)
        near = np.exp(-((rows - away[0]) ** 2 + (columns - away[1]) ** 2) / (2 * (len(mask) / 10) ** 2))
        weight = weight * (1 - near) + 1e-12
    row, column = divmod(int(rng.choice(mask.size, p=(weight / weight.sum()).ravel())), mask.shape[1])
    return row, column


def _blob(mask: np.ndarray, place: tuple[int, int], spread: float) -> np.ndarray:
    """The part of a mask around a cell; `spread` is a share of the root of its area."""
    rows, columns = np.indices(mask.shape)
    sigma = max(1.0, mask.sum() ** 0.5 * spread)
    return mask * np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / (2 * sigma**2))


def _noisy(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = cv2.GaussianBlur(rng.standard_normal(part.shape).astype(np.float32), (0, 0), 2)
    smooth = cv2.GaussianBlur(part.astype(np.float32), (0, 0), rng.uniform(0.5, 1.5))
    return smooth + noise * np.float32(rng.uniform(0, 0.4))


def _relative(cells: Sequence[tuple[int, int]], side: int) -> np.ndarray:
    return ((np.array(cells, np.float32).reshape(-1, 2) + 0.5) / side).astype(np.float32)


def _in_range(map_: np.ndarray) -> np.ndarray:
    return normalised(torch.from_numpy(map_.astype(np.float32))).numpy()
