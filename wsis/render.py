"""Pictures of results as (H, W, 3) uint8 RGB arrays: maps and masks over the photo, and the paper's strip (Fig. 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wsis.analysis import Analysis
from wsis.instances import Instance, in_painting_order, shown
from wsis.maps import normalised

COLOURS: tuple[tuple[int, int, int], ...] = (
    (91, 157, 255), (255, 122, 107), (52, 199, 149), (242, 172, 60), (185, 138, 255),
    (63, 208, 224), (255, 134, 194), (182, 217, 76), (255, 157, 92), (143, 162, 255),
)  # fmt: skip
"""One a peak, in turn; the explorer shows the same."""

MAP_OPACITY = 0.75
OPAQUE_FROM = 96 / 255
"""Response from which a map over a photo has its full opacity; below, opacity falls linearly to 0."""
CAPTION = 40
"""Pixels below a panel, for its title and its note."""
GAP = 18
"""Pixels between panels, for the arrow."""
PANEL_WIDTHS = 116, 320
"""Least and largest width of a panel: room for its caption, and an end for panoramas."""
ROWS = 20
"""A sheet shows at most so many instances."""


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
    return _painted(image, masks[::-1], labels[::-1], colours[::-1], opacity)


def instances(analysis: Analysis, found: Sequence[Instance], scores: bool = True) -> np.ndarray:
    """The instances over the photo at its own size, those that are `painted`.

    Args:
        analysis: where they come from.
        found: from `analysis.instances`.
        scores: whether labels show them.
    """
    best = in_painting_order(found)
    labels = [f"{one.name} {one.score:.2f}" if scores else one.name for one in best]
    return _painted(analysis.evidence.image, analysis.masks(best), labels, [colour(one.peak) for one in best], 0.5)


class Panel(NamedTuple):
    """One picture of a strip.

    Attributes:
        title: what it is, one or two words.
        note: a number about it; may be empty.
        image: (H, W, 3) uint8.
        kind: a mask is black and white, and a cut-out has white around it.
    """

    title: str
    note: str
    image: np.ndarray
    kind: Literal["picture", "mask", "cut-out"] = "picture"


def panels(analysis: Analysis, instance: Instance, height: int = 160, step: int = -1) -> list[Panel]:
    """How one mask came about, as in the paper's Fig. 7: photo, class map, naive, t = 1..step, V, proposal, mask.

    The response (Eq. 2) comes after the class map where it was computed and is not the naive map itself. Where there
    are maps of the objects under the peaks, the peak's comes after the last step, and V is cut from the map that the
    mask was picked for.

    Args:
        analysis: where the instance comes from.
        instance: from `analysis.instances(..., step)`.
        height: of the pictures, in pixels; less for very wide photos.
        step: which map was matched, 0..T; -1 is the last.
    """
    step = analysis.steps if step < 0 else step
    evidence, peak, tint = analysis.evidence, instance.peak, colour(instance.peak)
    work = evidence.work
    height = min(height, round(PANEL_WIDTHS[1] * work.shape[0] / work.shape[1]) or 1)
    size = max(1, round(work.shape[1] * height / work.shape[0])), height
    photo = cv2.resize(work, size, interpolation=cv2.INTER_AREA)
    cells = normalised(evidence.class_maps.maps[[instance.category]])[0]
    maps = [over_map(photo, _grown(map_, size)) for map_ in analysis.maps[: step + 1, peak]]
    objects, cut, above = analysis.objects, analysis.binary[step, peak], analysis.thresholds[step, peak]
    if objects is not None and instance.hypothesis == "object":
        cut, above = objects.binary[peak], objects.thresholds[peak]
    mask = _grown(analysis.work_mask(instance).astype(np.uint8), size, cv2.INTER_NEAREST) > 0
    binary = _grown(cut.astype(np.uint8) * 255, size, cv2.INTER_NEAREST)
    spread = analysis.settings.enhancer == "spread"
    return [
        Panel(
            "photo", f"{instance.name} {analysis.peaks.probabilities[peak]:.2f}", _ringed(photo, analysis, peak, tint)
        ),
        Panel(
            "class map",
            f"{cells.shape[1]} x {cells.shape[0]} cells",
            over_map(photo, _grown(cells, size, cv2.INTER_NEAREST)),
        ),
        *_response(analysis, peak, photo),
        Panel("naive", analysis.settings.naive, maps[0]),
        *(Panel("spread" if spread else f"t = {t}", "", map_) for t, map_ in enumerate(maps[1:], 1)),
        *(
            []
            if objects is None
            else [Panel("object", "at the peak", over_map(photo, _grown(objects.maps[peak], size)))]
        ),
        Panel("V", f"above {above:.2f}", np.repeat(binary[..., None], 3, axis=2), "mask"),
        Panel(
            "proposal",
            f"one of {len(analysis.proposals):,}",
            np.where(mask[..., None], photo, 255).astype(np.uint8),
            "cut-out",
        ),
        Panel("mask", f"score {instance.score:.2f}", over_instances(photo, mask[None], [""], [tint])),
    ]


def _response(analysis: Analysis, peak: int, photo: np.ndarray) -> list[Panel]:
    if analysis.responses is None or analysis.settings.naive == "response":
        return []
    map_ = normalised(analysis.responses[[peak]])[0]
    return [Panel("response", "Eq. 2", over_map(photo, _grown(map_, (photo.shape[1], photo.shape[0]))))]


def strip(analysis: Analysis, instance: Instance, height: int = 160, step: int = -1) -> np.ndarray:
    """The `panels` of one instance side by side, with captions below.

    Returns:
        (height + CAPTION, W, 3) uint8.
    """
    row = panels(analysis, instance, height, step)
    height, width = row[0].image.shape[:2]
    room = max(width, PANEL_WIDTHS[0])
    canvas = np.full((height + CAPTION, len(row) * (room + GAP) - GAP, 3), 255, np.uint8)
    for i, panel in enumerate(row):
        canvas[:height, i * (room + GAP) :][:, :width] = panel.image
        if panel.kind == "cut-out":  # mostly white, like the page
            cv2.rectangle(canvas, (i * (room + GAP), 0), (i * (room + GAP) + width - 1, height - 1), (228, 227, 223))
    drawn = Image.fromarray(canvas)
    draw = ImageDraw.Draw(drawn)
    for i, panel in enumerate(row):
        x = i * (room + GAP)
        draw.text((x, height + 10), panel.title, fill="#1b1d22", font=_font(13), anchor="lm")
        draw.text((x, height + 26), panel.note, fill="#6b6f78", font=_font(11), anchor="lm")
        if i:
            middle = x - GAP / 2
            draw.line(
                [(middle - 2, height / 2 - 5), (middle + 3, height / 2), (middle - 2, height / 2 + 5)],
                fill="#6b6f78",
                width=2,
            )
    return np.array(drawn)


def sheet(analysis: Analysis, found: Sequence[Instance], height: int = 160, step: int = -1) -> np.ndarray:
    """The strips of the best `ROWS` instances below each other, and what the colours mean; else the photo alone."""
    best = shown(found)
    if not best:
        return analysis.evidence.work.copy()
    strips = [strip(analysis, one, height, step) for one in best[:ROWS]]
    more = f"the {ROWS} best of {len(best)} instances" if len(best) > ROWS else ""
    return np.concatenate([*strips, _legend(strips[0].shape[1], more)])


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


def _painted(
    image: np.ndarray,
    masks: Iterable[np.ndarray],
    labels: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    opacity: float,
) -> np.ndarray:
    """What `over_instances` says, the last mask on top."""
    width = max(1, round(min(image.shape[:2]) / 200))
    around = np.ones((2 * width + 1,) * 2, np.uint8)
    result, named = image.copy(), []
    for mask, text, tint in zip(masks, labels, colours, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            continue
        # a little around the mask, so that it has an outline there, but none where the photo's edge cuts it off
        box = (
            slice(max(rows[0] - width, 0), rows[-1] + 1 + width),
            slice(max(columns[0] - width, 0), columns[-1] + 1 + width),
        )
        part, inside = result[box], mask[box].view(np.uint8)
        mixed = _mixed(np.arange(256)[:, None], np.array(tint), opacity)[None]
        part[:] = cv2.copyTo(cv2.LUT(part, mixed), inside, part.copy())
        part[(inside ^ cv2.erode(inside, around)) > 0] = tint
        named.append((text, int(np.flatnonzero(mask[rows[0]]).mean()), int(rows[0]), tint))
    return _named(result, named[::-1])


def _legend(width: int, more: str) -> np.ndarray:
    """A line of 28 pixels: the colours of the maps from least to greatest response, and a remark."""
    drawn = Image.new("RGB", (width, 28), "white")
    draw = ImageDraw.Draw(drawn)
    ramp = heat(np.linspace(0, 1, 120, dtype=np.float32)[None]).repeat(8, axis=0)
    draw.text((0, 12), "response  0", fill="#6b6f78", font=_font(11), anchor="lm")
    left = round(draw.textlength("response  0", font=_font(11))) + 6
    drawn.paste(Image.fromarray(ramp), (left, 8))
    text = "1, each map from its least to its greatest value" + (f";  {more}" if more else "")
    draw.text((left + 126, 12), text, fill="#6b6f78", font=_font(11), anchor="lm")
    return np.array(drawn)


def _grown(values: np.ndarray, size: tuple[int, int], how: int = cv2.INTER_LINEAR) -> np.ndarray:
    return cv2.resize(values, size, interpolation=how)


def _ringed(photo: np.ndarray, analysis: Analysis, peak: int, tint: tuple[int, int, int]) -> np.ndarray:
    """The photo with a ring around the peak, edged in white."""
    y, x = (round(side) for side in analysis.peaks.places[peak] * photo.shape[:2])
    result = photo.copy()
    cv2.circle(result, (x, y), 6, (255, 255, 255), 4, cv2.LINE_AA)
    cv2.circle(result, (x, y), 6, tint, 2, cv2.LINE_AA)
    return result


def _named(image: np.ndarray, labels: Sequence[tuple[str, int, int, tuple[int, int, int]]]) -> np.ndarray:
    """Texts in boxes of their colour around (x, y), within the image and, where there is room, below earlier ones."""
    height, width = image.shape[:2]
    font = _font(max(10, round(min(height, width) / 24)))
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    boxes: list[tuple[int, int, int, int]] = []
    for text, x, y, tint in labels:
        if not text:
            continue
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        w, h = int(right - left) + 6, int(bottom - top) + 6
        x0, y0 = max(0, min(x - w // 2, width - w)), max(0, min(y - h // 2, height - h))
        for _ in boxes:
            hit = [b for b in boxes if x0 <= b[2] and b[0] <= x0 + w and y0 <= b[3] and b[1] <= y0 + h]
            if not hit or hit[0][3] + 1 + h > height:
                break
            y0 = hit[0][3] + 1
        boxes.append((x0, y0, x0 + w, y0 + h))
        draw.rectangle(boxes[-1], fill=tint)
        draw.text((x0 + 3 - left, y0 + 3 - top), text, fill="black", font=font)
    return np.array(drawn)


def _check(image: np.ndarray, size: tuple[int, ...], name: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if tuple(size) != image.shape[:2]:
        raise ValueError(f"{name}: expected {image.shape[:2]} like the image, got {tuple(size)}")
