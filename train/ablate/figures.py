"""The figures of the ablations as PNGs: Fig. 5 of the paper from the evaluated photos, Figs. 6 and 7 from examples."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure

from wsis import export, metrics, render, voc
from wsis.analysis import Analysis
from wsis.metrics import ImageResult

DPI = 150
WIDTH = 10.0
"""Inches; twice the width that a page shows it at, in pixels."""
HEIGHT, GAP, LEAST, MOST, PIXELS = 420, 12, 1280, 1920, 1200
"""Of the sheet, in pixels: a photo's height, the gap between two, a row's least and greatest width, the width all rows
get."""


def per_class(results: Sequence[ImageResult], title: str) -> bytes:
    """Fig. 5: average precision of every class at three IoUs, by falling value at .5.

    Args:
        results: one a photo.
        title: whose figures they are.
    """
    values = [metrics.average_precision(results, threshold) for threshold in metrics.THRESHOLDS]
    order = sorted(values[1], key=lambda category: -values[1][category])
    figure = Figure((WIDTH, 4), layout="constrained")
    axes = figure.subplots()
    places, width = np.arange(len(order)), 0.8 / len(metrics.THRESHOLDS)
    for i, (threshold, by_class) in enumerate(zip(metrics.THRESHOLDS, values, strict=True)):
        tint = np.array(render.colour(i)) / 255
        heights = [100 * by_class[category] for category in order]
        mean = 100 * metrics.mean_ap(results, threshold)
        label = f"IoU {threshold:.2f}, mean {mean:.1f}"
        axes.bar(places + (i - 1) * width, heights, width, color=tint, label=label)
    axes.set_xticks(places, [voc.CLASSES[category] for category in order], rotation=40, ha="right")
    axes.set(ylabel="average precision, %", ylim=(0, 100), title=title)
    axes.margins(x=0.01)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return _png(figure)


def steps(analyses: Sequence[Analysis], step: int) -> bytes:
    """Fig. 6: the naive map and those of T = 1, 2, ... of each photo's best instance, and its mask.

    Args:
        analyses: one a photo, with as many steps as are shown.
        step: whose map is matched.
    """
    shown = [(analysis, listed[0]) for analysis in analyses if (listed := analysis.instances(step=step))]
    shapes = [analysis.evidence.work.shape for analysis, _ in shown]
    count = max((analysis.steps for analysis, _ in shown), default=0) + 2
    ratios = [height / width for height, width, _ in shapes] or [1.0]
    figure = Figure((WIDTH, WIDTH / count * sum(ratios) + 0.4), layout="constrained")
    grid = figure.subplots(len(ratios), count, squeeze=False, height_ratios=ratios)
    for row, (analysis, best) in zip(grid, shown, strict=False):
        photo, tint = analysis.evidence.work, render.colour(best.peak)
        maps = [render.over_map(photo, map_) for map_ in analysis.maps[:, best.peak]]
        mask = render.over_instances(photo, analysis.proposals.mask(best.proposal)[None], [""], [tint])
        for axes, picture in zip(row, [*maps, mask], strict=True):
            axes.imshow(picture)
        label = {"facecolor": np.array(tint) / 255, "edgecolor": "none", "pad": 2}
        row[-1].text(0.04, 0.95, best.name, transform=row[-1].transAxes, va="top", fontsize=9, bbox=label)
    titles = ["naive", *(f"T = {t}" for t in range(1, count - 1)), f"mask, T = {step}"]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=11)
    for axes in grid.flat:
        axes.set_axis_off()
    return _png(figure)


def sheet(analyses: Sequence[Analysis]) -> bytes:
    """Fig. 7: photos with their instances and class names, in rows of one width; one analysis a photo."""
    rows: list[list[np.ndarray]] = []
    for analysis in analyses:
        picture = render.instances(analysis, analysis.instances(), scores=False)
        picture = cv2.resize(picture, (round(picture.shape[1] * HEIGHT / picture.shape[0]), HEIGHT))
        row = next((row for row in rows if _width([*row, picture]) <= MOST), None)
        if row is None:
            rows.append([picture])
        else:
            row.append(picture)
    strips = []
    for row in rows:  # a short one ends in white, or its photos would be larger than all others
        strip = np.full((HEIGHT, max(_width(row), LEAST), 3), 255, np.uint8)
        x = 0
        for picture in row:
            strip[:, x : x + picture.shape[1]] = picture
            x += picture.shape[1] + GAP
        size = PIXELS, round(HEIGHT * PIXELS / strip.shape[1])
        strips += [cv2.resize(strip, size, interpolation=cv2.INTER_AREA), np.full((GAP, PIXELS, 3), 255, np.uint8)]
    return export.rgb_png(np.concatenate(strips[:-1]))


def _width(row: Sequence[np.ndarray]) -> int:
    return sum(picture.shape[1] + GAP for picture in row) - GAP


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
