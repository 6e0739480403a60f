"""Erase and see: what a classifier says of a photo without a part of it.

What stands there instead is a choice that shows (Fong and Vedaldi, 2017): a blur keeps colours and loses shapes, one
colour draws an edge around the hole, and a background painted over it is made up. So there are all three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from wsis.analysis import Glance
from wsis.choices import Fill
from wsis.errors import WsisError
from wsis.maps import ClassMaps

FEATHER = 0.02
"""Width of the soft edge outside of what is erased, as a share of the photo's longer side."""
BLUR = 0.06
"""Sigma of the Gaussian, as a share of the photo's longer side: shapes of a face's size are gone."""
INPAINT = 0.01
"""Radius that inpainting looks around, as a share of the photo's longer side."""


@dataclass(frozen=True, eq=False)
class Erasure:
    """A photo with and without a part of it.

    Attributes:
        photo: (h, w, 3) uint8 RGB, without it.
        mask: (h, w) bool, the part.
        fill: what stands there instead.
        before: class maps with it.
        after: class maps without it, on the same grid.
    """

    photo: np.ndarray
    mask: np.ndarray
    fill: Fill
    before: ClassMaps
    after: ClassMaps

    def difference(self, category: int) -> np.ndarray:
        """(h', w') float32 logits that a class's map gained, or lost below 0."""
        return self.after.maps[category] - self.before.maps[category]


def see(glance: Callable[[np.ndarray], Glance], seen: Glance, mask: np.ndarray, fill: Fill) -> Erasure:
    """Erase a part, and look again.

    Args:
        glance: looks at a photo, see `wsis.pipeline.Pipeline.glance`.
        seen: what it made of the whole photo.
        mask: (h, w) bool on the grid of `seen.work`, the part.
        fill: what stands there instead.

    Raises:
        WsisError: the part is empty, or the whole photo.
    """
    photo = erased(seen.work, mask, fill)
    return Erasure(photo, mask, fill, seen.class_maps, glance(photo).class_maps)


def erased(photo: np.ndarray, mask: np.ndarray, fill: Fill) -> np.ndarray:
    """A photo without a part of it.

    Args:
        photo: (h, w, 3) uint8 RGB.
        mask: (h, w) bool, the part; nothing of it stays.
        fill: `blur`, `mean` (the one colour that the rest has on average) or `background` (painted over from the edges
            inwards, `cv2.inpaint`, Telea).

    Returns:
        (h, w, 3) uint8 RGB. Outside of the part what is there instead fades out within `FEATHER` of the longer side;
        everything beyond is as it was.

    Raises:
        WsisError: the part is empty, or the whole photo.
    """
    if mask.shape != photo.shape[:2] or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected {photo.shape[:2]} bool, got {mask.shape} {mask.dtype}")
    if not mask.any() or mask.all():
        raise WsisError("Mark a part of the photo: neither nothing nor all of it can be erased.")
    width = max(1.0, FEATHER * max(photo.shape[:2]))
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight = np.clip(1 - outside / width, 0, 1)[..., None]
    mixed = photo + weight * (_filled(photo, mask, outside < width, fill).astype(np.float32) - photo)
    return np.where(weight > 0, np.rint(mixed), photo).astype(np.uint8)


def blurred(photo: np.ndarray, share: float = BLUR) -> np.ndarray:
    """(h, w, 3) uint8, by a Gaussian whose sigma is a share of the longer side."""
    return cv2.GaussianBlur(photo, (0, 0), max(0.5, share * max(photo.shape[:2])), borderType=cv2.BORDER_REFLECT)


def _filled(photo: np.ndarray, mask: np.ndarray, wide: np.ndarray, fill: Fill) -> np.ndarray:
    """The photo with something else in the part and in the edge around it; what lies beyond does not matter."""
    if fill == "mean":
        return np.broadcast_to(photo[~mask].mean(0), photo.shape)
    if fill == "background":
        if wide.all():  # nothing is left to paint from
            wide = mask
        radius = max(1.0, INPAINT * max(photo.shape[:2]))
        return cv2.inpaint(photo, wide.astype(np.uint8), radius, cv2.INPAINT_TELEA)
    return blurred(photo)
