"""Maps: those that a classifier makes of a photo, and how any are resized and normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class ClassMaps:
    """What a classifier says about one photo.

    Attributes:
        maps: (C, h, w) float32 logits, one cell per stride x stride pixels, averaged over sizes and flips.
        scores: (C,) float32 probabilities in [0, 1].
        classes: C names.
        members: of a class that stands for several, those that it may be in this photo, the likeliest first and at most
            `wsis.kinds.SHOWN`, each with its share of the class, in [0, 1]: {"dog": (("Rottweiler", 0.61), ("Doberman",
            0.22))}. A class that stands for itself alone is not in it.
    """

    maps: np.ndarray
    scores: np.ndarray
    classes: tuple[str, ...]
    members: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and types."""
        if self.maps.ndim != 3 or self.maps.dtype != np.float32:
            raise ValueError(f"maps: expected (C, h, w) float32, got {self.maps.shape} {self.maps.dtype}")
        if self.scores.shape != (len(self.maps),) or len(self.classes) != len(self.maps):
            raise ValueError(
                f"expected {len(self.maps)} scores and classes, got {self.scores.shape}, {len(self.classes)}"
            )


def normalised(maps: np.ndarray) -> np.ndarray:
    """Min-max normalised maps: (K, H, W) float32 to [0, 1]; a constant map becomes 0."""
    low = maps.min((1, 2), keepdims=True, initial=np.inf)
    span = maps.max((1, 2), keepdims=True, initial=-np.inf) - low
    return np.where(span > 0, (maps - low) / np.where(span > 0, span, 1), 0).astype(np.float32)


def upsample(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear resize of (K, h, w) float32 to (K, *size)."""
    if not len(maps):
        return np.zeros((0, *size), np.float32)
    grown = F.interpolate(torch.from_numpy(np.ascontiguousarray(maps))[:, None], size=size, mode="bilinear")
    return grown[:, 0].numpy()


def snapped(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """The size at which a network looks at a photo: about `long_side` pixels, sides multiples of 32 from 64 on.

    Args:
        size: (H, W) of the photo.
        long_side: pixels of the longer side.
    """
    scale = long_side / max(size)
    height, width = (max(64, 32 * round(side * scale / 32)) for side in size)
    return height, width
