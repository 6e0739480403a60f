"""Pictures of results as (H, W, 3) uint8 RGB arrays: maps and masks over the photo, and the paper's strip (Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wsis import voc

if TYPE_CHECKING:
    from wsis.instances import Instance
    from wsis.pipeline import Analysis

COLOURS: tuple[tuple[int, int, int], ...] = (
    (91, 157, 255), (255, 122, 107), (52, 199, 149), (242, 172, 60), (185, 138, 255),
    (63, 208, 224), (255, 134, 194), (182, 217, 76), (255, 157, 92), (143, 162, 255),
)  # fmt: skip
"""One a peak, in turn; the explorer shows the same."""

MAP_OPACITY = 0.75
OPAQUE_FROM = 96 / 255
"""Response from which a map over a photo has its full opacity; below, opacity falls linearly to 0."""
CAPTION = 20
GAP = 4


def colour(index: int) -> tuple[int, int, int]:
    """RGB of the instance that grew from peak `index`."""
    return COLOURS[index % len(COLOURS)]


def heat(values: np.ndarray) -> np.ndarray:
    """Values of [0, 1] in the colours of `inferno`: (H, W) to (H, W, 3) uint8."""
    return _inferno()[np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)]


def over_map(image: np.ndarray, values: np.ndarray, opacity: float = MAP_OPACITY) -> np.ndarray:
    """A response map in `inferno` over the photo, which shows through where little responds.

    Args:
        image: (H, W, 3) uint8.
        values: (H, W) float in [0, 1], the same size.
        opacity: of the strong responses.

    Returns:
        (H, W, 3) uint8.
    """
    _check(image, values.shape, "values")
    weight = (opacity * np.clip(values / OPAQUE_FROM, 0, 1))[..., None]
    return _mixed(image, heat(values), weight)


def over_instances(
    image: np.ndarray,
    masks: np.ndarray,
    labels: Sequence[str],
    colours: Sequence[tuple[int, int, int]] | None = None,
    opacity: float = 0.5,
) -> np.ndarray:
    """Instance masks over the photo: filled, outlined and named, each in a colour of its own.

    Args:
        image: (H, W, 3) uint8.
        masks: (D, H, W) bool; the first lies on top.
        labels: D short texts; an empty one is not drawn.
        colours: D RGB triples; None takes `COLOURS` in turn.
        opacity: of the filling; outlines are opaque.

    Returns:
        (H, W, 3) uint8.
    """
    _check(image, masks.shape[1:], "masks")
    colours = [colour(i) for i in range(len(masks))] if colours is None else colours
    if not len(masks) == len(labels) == len(colours):
        raise ValueError(
            f"expected as many labels and colours as masks, got {len(labels)}, {len(colours)}, {len(masks)}"
        )
    width = max(1, round(min(image.shape[:2]) / 200))
    result = image.copy()
    for mask, tint in zip(masks[::-1], colours[::-1], strict=True):
        result[mask] = _mixed(result[mask], np.array(tint), opacity)
        inner = cv2.erode(mask.astype(np.uint8), np.ones((2 * width + 1,) * 2, np.uint8)) > 0
        result[mask & ~inner] = tint
    places = [_top(mask) for mask in masks]
    return _named(
        result, [(text, *where, tint) for text, where, tint in zip(labels, places, colours, strict=True) if where]
    )


def over_semantic(image: np.ndarray, semantic: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """Classes in VOC's palette over the photo; background and void stay clear.

    Args:
        image: (H, W, 3) uint8.
        semantic: (H, W) integers, 0 background, c + 1 for class c.
        opacity: of the colours.

    Returns:
        (H, W, 3) uint8.
    """
    _check(image, semantic.shape, "semantic")
    index = semantic.astype(np.int64) % 256  # a model of more classes goes round the palette again
    weight = opacity * ((semantic != 0) & (semantic != voc.VOID))[..., None]
    return _mixed(image, voc.palette()[index], weight)


def instances(analysis: Analysis, found: Sequence[Instance], scores: bool = True) -> np.ndarray:
    """The instances over the photo at its own size; of each peak the best proposal only.

    Args:
        analysis: where they come from.
        found: from `analysis.instances`.
        scores: whether labels show them.
    """
    best = [one for one in found if not one.rank]
    masks = np.zeros((len(best), *analysis.evidence.size), bool)
    for mask, one in zip(masks, best, strict=True):
        mask[:] = analysis.mask(one)
    labels = [f"{one.name} {one.score:.2f}" if scores else one.name for one in best]
    return over_instances(analysis.evidence.image, masks, labels, [colour(one.peak) for one in best])


def strip(analysis: Analysis, instance: Instance, height: int = 160) -> np.ndarray:
    """How one mask came about, as in the paper's Fig. 7: photo, naive map, t = 1..T, binary map, proposal, mask.

    Args:
        analysis: where the instance comes from.
        instance: from `analysis.instances`; binary map, proposal and mask belong to the last step.
        height: of the pictures, in pixels.

    Returns:
        (height + CAPTION, W, 3) uint8.
    """
    work = analysis.evidence.work
    size = max(1, round(work.shape[1] * height / work.shape[0])), height
    photo = cv2.resize(work, size, interpolation=cv2.INTER_AREA)
    maps = [_grown(map_, size) for map_ in analysis.maps[:, instance.peak]]
    mask = _grown(analysis.proposals.mask(instance.proposal).astype(np.uint8), size, cv2.INTER_NEAREST) > 0
    binary = _grown(analysis.binary[-1, instance.peak].astype(np.uint8) * 255, size, cv2.INTER_NEAREST)
    tint = colour(instance.peak)
    steps = ["spread"] if analysis.settings.enhancer == "spread" else [f"t = {t}" for t in range(1, len(maps))]
    panels = [
        (f"{instance.name} {instance.score:.2f}", _ringed(photo, analysis, instance.peak, tint)),
        *zip(["naive", *steps], [over_map(photo, map_) for map_ in maps], strict=True),
        ("binary", np.repeat(binary[..., None], 3, axis=2)),
        ("proposal", np.where(mask[..., None], photo, 255).astype(np.uint8)),
        ("mask", over_instances(photo, mask[None], [""], [tint])),
    ]
    canvas = np.full((height + CAPTION, len(panels) * (size[0] + GAP) - GAP, 3), 255, np.uint8)
    for i, (_, panel) in enumerate(panels):
        canvas[CAPTION:, i * (size[0] + GAP) :][:, : size[0]] = panel
    drawn = Image.fromarray(canvas)
    draw = ImageDraw.Draw(drawn)
    for i, (text, _) in enumerate(panels):
        draw.text((i * (size[0] + GAP) + 2, CAPTION / 2), text, fill="black", font=_font(13), anchor="lm")
    return np.array(drawn)


def sheet(analysis: Analysis, found: Sequence[Instance], height: int = 160) -> np.ndarray:
    """The strips of several instances below each other; the photo alone where there is none."""
    best = [one for one in found if not one.rank]
    return np.concatenate([strip(analysis, one, height) for one in best]) if best else analysis.evidence.work.copy()


@cache
def _inferno() -> np.ndarray:
    """(256, 3) uint8 RGB."""
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(ramp.reshape(256, 3)[:, ::-1])


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _mixed(below: np.ndarray, above: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    mixed = below + (above.astype(np.float32) - below) * np.asarray(weight, np.float32)
    return np.rint(mixed).astype(np.uint8)


def _grown(values: np.ndarray, size: tuple[int, int], how: int = cv2.INTER_LINEAR) -> np.ndarray:
    return cv2.resize(values, size, interpolation=how)


def _ringed(photo: np.ndarray, analysis: Analysis, peak: int, tint: tuple[int, int, int]) -> np.ndarray:
    """The photo with a ring around the peak, edged in white."""
    rows, columns = analysis.evidence.class_maps.maps.shape[1:]
    height, width = photo.shape[:2]
    x = round((analysis.peaks.columns[peak] + 0.5) / columns * width)
    y = round((analysis.peaks.rows[peak] + 0.5) / rows * height)
    result = photo.copy()
    cv2.circle(result, (x, y), 6, (255, 255, 255), 4, cv2.LINE_AA)
    cv2.circle(result, (x, y), 6, tint, 2, cv2.LINE_AA)
    return result


def _top(mask: np.ndarray) -> tuple[int, int] | None:
    """(x, y) of the middle of a mask's topmost row; None where it is empty."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    return int(np.flatnonzero(mask[rows[0]]).mean()), int(rows[0])


def _named(image: np.ndarray, labels: Sequence[tuple[str, int, int, tuple[int, int, int]]]) -> np.ndarray:
    """Texts in boxes of their colour around (x, y), kept within the image; the first lies on top."""
    height, width = image.shape[:2]
    font = _font(max(10, round(min(height, width) / 24)))
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    for text, x, y, tint in reversed(labels):
        if not text:
            continue
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        w, h = int(right - left) + 6, int(bottom - top) + 6
        x0, y0 = max(0, min(x - w // 2, width - w)), max(0, min(y - h // 2, height - h))
        draw.rectangle((x0, y0, x0 + w, y0 + h), fill=tint)
        draw.text((x0 + 3 - left, y0 + 3 - top), text, fill="black", font=font)
    return np.array(drawn)


def _check(image: np.ndarray, size: tuple[int, ...], name: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if tuple(size) != image.shape[:2]:
        raise ValueError(f"{name}: expected {image.shape[:2]} like the image, got {tuple(size)}")
