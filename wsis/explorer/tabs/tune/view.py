"""What the tab *Tune on a data set* shows: progress, figures, heat map, bars and the worst photos, as HTML.

How it looks is in `templates/tune.html`; here it is said what stands there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from wsis import index_image, render
from wsis.explorer import markup, words
from wsis.explorer.words import AXES, SYMBOLS, percent
from wsis.image import resized
from wsis.matching import Weights
from wsis.results import NAMES
from wsis.tuning import FIGURES, Figures, Grid

WORST = 12
FEW = 30
"""Photos below which a few points of difference are chance."""
THUMB = 176
BEST = 10
"""Points of the heat map that are listed."""
piece = partial(markup.part, "tune.html")


@dataclass(frozen=True)
class Progress:
    """How far measuring has come.

    Attributes:
        done: photos looked at, those that failed included.
        total: photos of the set.
        seconds: estimate of what is left; None while nothing is known.
        stopped: whether the visitor stopped it.
        failed: names and reasons of photos that could not be measured.
        notes: sentences about classes that are left out.
    """

    done: int
    total: int
    seconds: float | None
    stopped: bool
    failed: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """A line of the comparison under the heat map: weights, and the figure on each half, or on all photos."""

    name: str
    weights: Weights
    values: tuple[float, ...]


def intro(classes: Sequence[str], error: str = "") -> Markup:
    """What to bring, before there is anything to show."""
    numbers = [f"{i} {name}" for i, name in enumerate(classes[:3], 1)]
    void = index_image.VOID if len(classes) < index_image.VOID else f"{index_image.VOID_16} of 16 bits"
    return piece("intro", numbers, len(classes), void, error)


def notice(text: str) -> Markup:
    """One sentence about what went wrong."""
    return piece("notice", text)


def progress(at: Progress) -> Markup:
    """Bar, counts and what is left; what could not be measured."""
    return piece(
        "progress",
        at,
        share=f"{100 * at.done / max(at.total, 1):.1f}",
        measured=words.count(at.done - len(at.failed), "photo"),
        left=None if at.seconds is None else words.duration(at.seconds),
    )


def big(now: Figures, published: Figures, *, step: int, title: str) -> Markup:
    """The five figures, and how far they are from the published weights.

    Args:
        now: with the weights on the screen.
        published: with the paper's weights and reading at the same step.
        step: T.
        title: of the reading.
    """
    cells = []
    for name, value, other in zip(FIGURES, now.values(), published.values(), strict=True):
        gain = round(100 * value, 1) - round(100 * other, 1)
        kind = "same" if abs(gain) < 0.05 else "up" if gain > 0 else "down"
        change = "as published" if kind == "same" else f"{'+' if gain > 0 else '−'}{abs(gain):.1f} to published"
        cells.append(
            {"name": NAMES[name], "value": value, "kind": kind, "change": change, "meaning": words.FIGURES[name]}
        )
    photos, instances = words.count(len(now.photos), "photo"), words.count(sum(now.counts.values()), "instance")
    few = " With so few photos, differences of a few points are chance." if len(now.photos) < FEW else ""
    said = (
        f"{photos}, {instances}, {now.masks_per_photo:.1f} masks a photo · {title}, T = {step}. Percentages of these "
        f"photos only.{few}"
    )
    return piece("big", cells, said)


def plane(
    grid: Grid, figure: str, weights: Weights, rows: Sequence[Row], *, halves: tuple[int, ...], stale: str
) -> Markup:
    """The heat map, the comparison and the ten best points.

    Args:
        grid: what the search found.
        figure: one of `FIGURES`.
        weights: those on the screen, to be marked.
        rows: comparison, the best weights first.
        halves: number of photos, one a column of the comparison.
        stale: what has changed since the search, as a sentence; may be empty.
    """
    values = grid.figures[..., FIGURES.index(figure)]
    order = grid.order(figure)
    tops = [(grid.weights(*place), values[place]) for place in order[:BEST]]
    heat = {
        **_scale(grid, values, NAMES[figure], rows[0].weights),
        "preset": {"reading": grid.reading, "weights": astuple(rows[0].weights)},
        "cells": _cells(grid, values, order[0]),
        "ring": _ring(grid, weights),
    }
    return piece("plane", heat, stale, _comparison(NAMES[figure], rows, halves), tops)


def before_search() -> Markup:
    """Instead of the heat map."""
    return piece("empty", "Choose what to maximise and press Search: 256 pairs of weights are tried.")


def bars(now: Figures) -> Markup:
    """AP at .5 of every class, best first."""
    if not now.ap50:
        return piece("empty", "No mask of these photos shows a class that the model knows.")
    best_first = sorted(now.ap50.items(), key=lambda item: (-item[1], item[0]))
    return piece("bars", [(name, value, now.counts[name]) for name, value in best_first])


def worst(now: Figures, names: Sequence[str], token: str, thumb: Callable[[str], str]) -> Markup:
    """The photos with the lowest scores, each a button that opens it.

    Args:
        now: figures of the photos called `names`.
        names: stems.
        token: of the visitor's set.
        thumb: a stem to a small picture's address.
    """
    order = sorted(range(len(names)), key=lambda i: (now.photos[i].quality, -now.photos[i].wrong, names[i]))[:WORST]
    return piece(
        "worst",
        [
            {
                "act": {"tune": token, "photo": names[i]},
                "name": names[i],
                "thumb": thumb(names[i]),
                "quality": now.photos[i].quality,
                "found": now.photos[i].found,
                "instances": now.photos[i].found + now.photos[i].missed,
                "wrong": now.photos[i].wrong,
            }
            for i in order
        ],
    )


def picture(photo: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as the address of a small JPEG."""
    small = cv2.cvtColor(resized(photo, THUMB), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _scale(grid: Grid, values: np.ndarray, name: str, best: Weights) -> dict[str, Any]:
    """What stands around the heat map."""
    floor = _floor(values)
    low, high = percent(floor), percent(values.max())
    symbols = dict(zip(AXES, SYMBOLS, strict=True))
    across, up = (symbols[axis] for axis in grid.axes)
    first, last = (words.compact(grid.values[0][i]) for i in (0, -1))
    third = next(axis for axis in AXES if axis not in grid.axes)
    return {
        "name": name,
        "across": across,
        "up": up,
        "first": first,
        "last": last,
        "columns": values.shape[1],
        "low": low if floor == values.min() else f"≤ {low}",
        "high": high,
        "third": f"{symbols[third]} = {words.compact(getattr(grid.base, third))}",
        "step": grid.step,
        "told": f"{name} over {across} and {up}: from {percent(values.min())} to {high}, best at {words.triple(best)}",
    }


def _cells(grid: Grid, values: np.ndarray, best: tuple[int, int]) -> list[dict[str, Any]]:
    """The cells of the heat map, row by row."""
    low = _floor(values)
    span = values.max() - low
    colours = render.heat((values - low) / span if span > 0 else np.full(values.shape, 0.5))
    cells = []
    for row in reversed(range(len(values))):  # the second weight grows upwards
        for column in range(values.shape[1]):
            weights = grid.weights(row, column)
            red, green, blue = colours[row, column]
            cells.append(
                {
                    "best": (row, column) == best,
                    "colour": f"#{red:02x}{green:02x}{blue:02x}",
                    "title": f"{words.triple(weights)}: {percent(values[row, column])}",
                    "weights": weights,
                }
            )
    return cells


def _floor(values: np.ndarray) -> float:
    """Where the colours begin: a steep edge, such as alpha = 0, must not take them all."""
    return float(np.quantile(values, 0.2))


def _ring(grid: Grid, weights: Weights) -> tuple[str, ...] | None:
    """Where the weights on the screen lie, in percent of the map; None where that is outside."""
    shares = []
    for axis, values in zip(grid.axes, grid.values, strict=True):
        place = (getattr(weights, axis) - values[0]) / ((values[-1] - values[0]) or 1)
        shares.append((place * (len(values) - 1) + 0.5) / len(values))
    if not all(0 <= share <= 1 for share in shares):
        return None
    return tuple(percent(share) for share in shares)


def _comparison(name: str, rows: Sequence[Row], halves: tuple[int, ...]) -> dict[str, Any]:
    together = len(halves) == 1
    return {
        "name": name,
        "rows": rows,
        "heads": [f"all {halves[0]} photos"] if together else [f"tuned on {halves[0]}", f"the other {halves[1]}"],
        "warning": (
            "Tuned and reported on the same photos: expect less on new ones."
            if together
            else "Only the last column, photos that the search did not see, says what to expect on new ones."
        ),
    }
