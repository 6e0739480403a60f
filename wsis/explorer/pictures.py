"""Arrays as `data:` URLs: what the stage and the panels draw. Nothing is written to disk, so nothing can be fetched."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from wsis import render

COLOURS = tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in render.COLOURS)
"""`render.COLOURS` for a stylesheet: one a peak, in turn."""


def colour(index: int) -> str:
    """The colour of a peak and of the instance found from it."""
    return COLOURS[index % len(COLOURS)]


def inferno() -> str:
    """The colour map as 256 x 3 bytes, base64."""
    ramp = render.heat(np.linspace(0, 1, 256, dtype=np.float32)[None])
    return base64.b64encode(ramp.tobytes()).decode()


def png(values: np.ndarray) -> str:
    """(H, W) uint8 as a grey PNG whose pixels are the numbers themselves."""
    return _url("png", cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1])


def grey(values: np.ndarray) -> str:
    """(H, W) float in [0, 1] as a grey PNG, in 255 steps."""
    return png(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def jpeg(image: np.ndarray, quality: int = 88) -> str:
    """(H, W, 3) uint8 RGB as a JPEG."""
    return _url("jpeg", cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def square(mask: np.ndarray, margin: float = 0.15) -> tuple[int, int, int]:
    """A square (x, y, side) in pixels around a mask, kept within the photo as far as it fits.

    Args:
        mask: (H, W) bool; an empty one gives the middle of the photo.
        margin: added on each side, as a share of the mask's longer side.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        rows, columns = np.array([0, height - 1]), np.array([0, width - 1])
    longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    wanted = max(longer * (1 + 2 * margin), 0.2 * max(height, width))
    side = int(min(wanted, height, width))
    x = (columns[0] + columns[-1] + 1 - side) // 2
    y = (rows[0] + rows[-1] + 1 - side) // 2
    return int(np.clip(x, 0, width - side)), int(np.clip(y, 0, height - side)), side


def thumbnail(image: np.ndarray, mask: np.ndarray, peak: int, pixels: int = 76) -> str:
    """The (H, W, 3) photo around an (H, W) bool mask in a peak's colour, everything else dimmed."""
    x, y, side = square(mask)
    part = image[y : y + side, x : x + side].astype(np.float32)
    inside = mask[y : y + side, x : x + side, None]
    shown = np.where(inside, part * 0.72 + np.array(render.colour(peak), np.float32) * 0.28, part * 0.28)
    return jpeg(cv2.resize(shown, (pixels, pixels), interpolation=cv2.INTER_AREA).astype(np.uint8), 82)


def _url(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
