"""Pictures of maps and masks over the photo, as (H, W, 3) uint8 RGB arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib import colormaps

from wsis import voc

if TYPE_CHECKING:
    from wsis.instances import Instance
    from wsis.pipeline import Analysis

COLOURS: tuple[tuple[int, int, int], ...] = (
    (91, 147, 255), (255, 122, 102), (52, 199, 149), (242, 172, 60), (178, 134, 255), (64, 201, 224), (255, 126, 182),
    (168, 210, 72), (255, 200, 87), (120, 170, 255), (235, 96, 96), (110, 220, 190),
)  # fmt: skip
"""One colour per instance, bright enough to stand out of a photo in a light and in a dark theme."""

MAX_OPACITY = 0.75
_INFERNO = (colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.float32)
_FONT = cv2.FONT_HERSHEY_DUPLEX


def instance_colour(index: int) -> tuple[int, int, int]:
    """RGB of the instance or peak with this number."""
    return COLOURS[index % len(COLOURS)]


def heat(photo: np.ndarray, map_: np.ndarray, opacity: float = MAX_OPACITY) -> np.ndarray:
    """A map over a photo in inferno, transparent where it is low.

    Args:
        photo: (H, W, 3) uint8 RGB.
        map_: (h, w) float32 in [0, 1]; resized to the photo.
        opacity: of the map's maximum, in [0, 1].
    """
    height, width = photo.shape[:2]
    values = np.clip(cv2.resize(map_, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    share = (opacity * np.minimum(1, values * 1.5))[..., None]
    return (photo * (1 - share) + _INFERNO[(values * 255).astype(np.uint8)] * share + 0.5).astype(np.uint8)


def binary(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool as white on black."""
    return np.repeat((mask.astype(np.uint8) * 255)[..., None], 3, axis=2)


def masked(photo: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], opacity: float = 0.5) -> np.ndarray:
    """A mask over a photo, tinted and outlined.

    Args:
        photo: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        colour: RGB.
        opacity: of the tint, in [0, 1].
    """
    result = photo.copy()
    result[mask] = (photo[mask] * (1 - opacity) + np.array(colour) * opacity + 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(photo.shape[:2]) / 300))
    return cv2.drawContours(result, outlines, -1, colour, width, cv2.LINE_AA)


def instances(analysis: Analysis, found: Sequence[Instance], *, labels: bool = True) -> np.ndarray:
    """All instances over the photo at its own size, each in its peak's colour, with class and score."""
    result = analysis.evidence.image
    first = [instance for instance in found if instance.rank == 0]
    for instance in reversed(first):
        result = masked(result, analysis.mask(instance), instance_colour(instance.peak))
    if labels:
        for instance in first:
            rows, columns = np.nonzero(analysis.mask(instance))
            if len(rows):
                text = f"{instance.name} {instance.score:.2f}"
                result = tag(result, text, (int(columns.min()), int(rows.min())), instance_colour(instance.peak))
    return result


def semantic(photo: np.ndarray, classes: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """A semantic map over a photo.

    Args:
        photo: (H, W, 3) uint8 RGB.
        classes: (H, W) uint8, 0 background, c + 1 for class c; coloured with VOC's palette.
        opacity: of the classes, in [0, 1].
    """
    share = (opacity * (classes > 0))[..., None]
    return (photo * (1 - share) + voc.palette()[classes] * share + 0.5).astype(np.uint8)


def tag(image: np.ndarray, text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> np.ndarray:
    """A label on a coloured plate whose upper left corner is at (x, y), moved so that it stays inside the image."""
    scale = max(0.4, max(image.shape[:2]) / 1100)
    (width, height), below = cv2.getTextSize(text, _FONT, scale, 1)
    pad = round(6 * scale)
    x = int(np.clip(corner[0], 0, max(0, image.shape[1] - width - 2 * pad)))
    y = int(np.clip(corner[1], 0, max(0, image.shape[0] - height - below - 2 * pad)))
    result = image.copy()
    cv2.rectangle(result, (x, y), (x + width + 2 * pad, y + height + below + 2 * pad), colour, -1)
    return cv2.putText(result, text, (x + pad, y + height + pad), _FONT, scale, (16, 18, 24), 1, cv2.LINE_AA)


def peaks(image: np.ndarray, analysis: Analysis, picked: int | None = None) -> np.ndarray:
    """Rings where the peaks are, the picked one larger, over an image of any size of the same photo."""
    result = image.copy()
    height, width = image.shape[:2]
    for index, (y, x) in enumerate(places(analysis)):
        centre = round(x * width), round(y * height)
        radius = round(max(height, width) * (0.022 if index == picked else 0.014))
        thick = max(2, radius // 3)
        cv2.circle(result, centre, radius, (255, 255, 255), thick + 2, cv2.LINE_AA)
        cv2.circle(result, centre, radius, instance_colour(index), thick, cv2.LINE_AA)
    return result


def places(analysis: Analysis) -> np.ndarray:
    """(K, 2) float: y and x of each peak as shares of the photo's height and width."""
    rows, columns = analysis.evidence.class_maps.maps.shape[1:]
    return np.stack([(analysis.peaks.rows + 0.5) / rows, (analysis.peaks.columns + 0.5) / columns], 1)


def strip(analysis: Analysis, peak: int, proposal: int, *, height: int = 160) -> np.ndarray:
    """One peak's way as a row of pictures, like the paper's Fig. 7: photo, naive, t = 1..T, binary, proposal.

    Args:
        analysis: the analysis.
        peak: index of the peak.
        proposal: index of its chosen proposal.
        height: of the row, in pixels.
    """
    photo = analysis.evidence.work
    mask = analysis.proposals.mask(proposal)
    cells = [
        peaks(photo, analysis, peak),
        *(heat(photo, map_) for map_ in analysis.maps[:, peak]),
        binary(analysis.binary[-1, peak]),
        masked(photo, mask, instance_colour(peak)),
    ]
    width = round(photo.shape[1] * height / photo.shape[0])
    gap = np.full((height, 4, 3), 255, np.uint8)
    row = [part for cell in cells for part in (cv2.resize(cell, (width, height), interpolation=cv2.INTER_AREA), gap)]
    return np.concatenate(row[:-1], axis=1)


def thumbnail(photo: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], size: int = 72) -> np.ndarray:
    """A square crop around a mask with the rest of the photo dimmed, (size, size, 3) uint8."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros((size, size, 3), np.uint8)
    dimmed = masked(np.where(mask[..., None], photo, photo // 3).astype(np.uint8), mask, colour, 0.25)
    side = int(1.1 * max(rows[-1] - rows[0], columns[-1] - columns[0])) + 2
    centre = (float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2)
    crop = cv2.getRectSubPix(dimmed, (side, side), centre)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
