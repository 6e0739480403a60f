"""Arrays as `data:` URLs: what the stage and the panels draw. Nothing is written to disk, so nothing can be fetched."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from wsis import render

COLOURS = tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in render.COLOURS)
"""`render.COLOURS` for a stylesheet: one a peak, in turn."""


TINTS = COLOURS + tuple("#{:02x}{:02x}{:02x}".format(*(value * 5 // 9 for value in one)) for one in render.COLOURS)
"""For the proposals of one peak, wherever who wins is drawn: the same once more, darker."""
GREY = len(TINTS)
"""Instead of an index in `TINTS`: the proposal can win nowhere."""
QUIET = "#8b909b"
"""The colour of what can win nowhere, on light ground and on dark."""
FADED = 0.55
"""Opacity of a proposal that does not win, wherever who wins is drawn."""


def colour(index: int) -> str:
    """The colour of a peak and of the instance found from it."""
    return COLOURS[index % len(COLOURS)]


def tints(terms: np.ndarray, peak: int) -> np.ndarray:
    """Which of `TINTS` each proposal of a peak wears wherever who wins is drawn; the one that wins wears the peak's.

    They go by the first term, because proposals that win side by side have similar ones, and should look different.

    Args:
        terms: (n, 3) terms of the n proposals that can win, from `matching.pareto`.
        peak: its index.

    Returns:
        (n,) uint8 indices, none of the peak's own colour.
    """
    others = np.array([i for i in range(len(TINTS)) if (i - peak) % len(COLOURS)], np.uint8)
    return others[np.argsort(np.argsort(-terms[:, 0], kind="stable"), kind="stable") % len(others)]


def inferno() -> str:
    """The colour map as 256 x 3 bytes, base64."""
    ramp = render.heat(np.linspace(0, 1, 256, dtype=np.float32)[None])
    return base64.b64encode(ramp.tobytes()).decode()


def png(values: np.ndarray) -> str:
    """(H, W) uint8 as a grey PNG whose pixels are the numbers themselves."""
    return _url("png", cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])


def png_16(values: np.ndarray) -> str:
    """(H, W) integers below 65,536 as a PNG: number = red + 256 x green."""
    planes = np.stack([np.zeros_like(values), values >> 8, values & 255], -1).astype(np.uint8)  # OpenCV: blue first
    return _url("png", cv2.imencode(".png", planes, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])


def grey(values: np.ndarray) -> str:
    """(H, W) float in [0, 1] as a grey PNG, in 255 steps."""
    return png(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def jpeg(image: np.ndarray, quality: int = 88) -> str:
    """(H, W, 3) uint8 RGB as a JPEG."""
    return _url("jpeg", cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def outlines(masks: np.ndarray, longest: int) -> str:
    """Masks as white lines with dark edges on nothing, to lie over a photo.

    Args:
        masks: (G, H, W) bool.
        longest: side of the picture in pixels, at most; a photo that is shown has no more.

    Returns:
        A PNG with transparency, of the masks' shape.
    """
    height, width = masks.shape[1:]
    scale = min(1, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for mask in masks]
    rings = [cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0] for mask in small]
    drawn = np.zeros((size[1], size[0], 4), np.uint8)
    for colour_, thickness in (((0, 0, 0, 190), 4), ((255, 255, 255, 255), 2)):
        for ring in rings:
            cv2.drawContours(drawn, ring, -1, colour_, thickness)
    return _url("png", cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])


def _url(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
