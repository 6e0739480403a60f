"""HTML of the tab *Tune on a data set*: progress, figures, heat map, bars and the worst photos."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from html import escape

import cv2
import numpy as np

from wsis import render
from wsis.explorer.words import unit
from wsis.image import resized
from wsis.matching import Weights
from wsis.tuning import FIGURES, Figures, Grid

NAMES = dict(zip(FIGURES, ("mAP25", "mAP50", "mAP75", "ABO", "mIoU"), strict=True))
MEANING = {
    "map25": "masks that overlap by .25",
    "map50": "masks that overlap by .5",
    "map75": "masks that overlap by .75",
    "abo": "best overlap an instance",
    "miou": "overlap of semantic maps",
}
ENHANCERS = {
    "none": "nothing, the naive map",
    "spread": "spread",
    "icn-proposal": "ICN, proposals",
    "icn-saliency": "ICN, saliency",
}
AXES = {"alpha": "α", "beta": "β", "gamma": "γ"}
WORST = 12
FEW = 30
"""Photos below which a few points of difference are chance."""
THUMB = 176

LAYOUT = """<ul class="tune-layout">
<li><b>A VOC devkit</b><code>JPEGImages/cat.jpg
SegmentationClass/cat.png
SegmentationObject/cat.png</code>
<small>as CVAT and others export it; with a <code>val</code> list, only its photos</small></li>
<li><b>Three folders</b><code>images/cat.jpg
classes/cat.png
masks/cat.png</code><small>class numbers, and a number for each instance</small></li>
<li><b>Side by side</b><code>cat.jpg
cat.png</code><small>class numbers; each connected area counts as an instance</small></li>
</ul>"""


@dataclass(frozen=True)
class Progress:
    """How far measuring has come.

    Attributes:
        done: photos looked at, those that failed included.
        total: photos of the set.
        seconds: estimate of what is left; None while nothing is known.
        stopped: whether the visitor stopped it.
        failed: names and reasons of photos that could not be measured.
    """

    done: int
    total: int
    seconds: float | None
    stopped: bool
    failed: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Row:
    """A line of the comparison under the heat map: weights, and the figure on each half, or on all photos."""

    name: str
    weights: Weights
    values: tuple[float, ...]


def intro(classes: Sequence[str], error: str = "") -> str:
    """What to bring, before there is anything to show."""
    numbers = ", ".join(f"{i} {escape(name)}" for i, name in enumerate(classes[:3], 1))
    return (
        f"{notice(error)}<div class='tune-intro'><h3>Which weights suit your photos?</h3><p>Bring photos with masks. "
        "Each is analysed once, one or two seconds each; after that every move of a weight shows at once what it does "
        f"to the figures of all of them, and a search finds the best.</p>{LAYOUT}<p class='hint'>Masks are index PNGs: "
        f"0 background, {numbers}, … {len(classes)}, and 255 for pixels that count for nobody.</p></div>"
    )


def notice(text: str) -> str:
    """One sentence about what went wrong."""
    return f"<p class='tune-error' role='alert'>{escape(text)}</p>" if text else ""


def progress(at: Progress) -> str:
    """Bar, counts and what is left; what could not be measured."""
    share = 100 * at.done / max(at.total, 1)
    good = at.done - len(at.failed)
    if at.done == at.total:
        text = f"<b>{_count(good, 'photo')} measured</b>"
    elif at.stopped:
        text = f"<b>Stopped</b> after {at.done} of {_count(at.total, 'photo')}; what was measured counts below."
    else:
        left = "" if at.seconds is None else f" · {_duration(at.seconds)} left"
        text = f"<b>Measuring photo {at.done + 1} of {at.total}</b>{left}"
    bar = (
        f"<div class='tune-bar' role='progressbar' aria-label='photos measured' aria-valuemin='0' "
        f"aria-valuemax='{at.total}' aria-valuenow='{at.done}'><i style='width:{share:.1f}%'></i></div>"
    )
    return (
        f"<div class='tune-progress'><p role='status'>{text}</p>{bar if at.done < at.total else ''}{_failed(at)}</div>"
    )


def big(now: Figures, published: Figures, *, step: int, title: str) -> str:
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
        words = "as published" if kind == "same" else f"{'+' if gain > 0 else '−'}{abs(gain):.1f} to published"
        cells.append(
            f"<div><dt>{NAMES[name]}</dt><dd>{percent(value)}</dd><dd class='{kind}'>{words}</dd>"
            f"<dd>{MEANING[name]}</dd></div>"
        )
    photos, instances = len(now.photos), sum(now.counts.values())
    few = " With so few photos, differences of a few points are chance." if photos < FEW else ""
    return (
        f"<dl class='tune-big' aria-live='polite'>{''.join(cells)}</dl><p class='hint'>{_count(photos, 'photo')}, "
        f"{_count(instances, 'instance')}, {now.masks_per_photo:.1f} masks a photo · {escape(title)}, T = {step}. "
        f"Percentages of these photos only.{few}</p>"
    )


def plane(
    grid: Grid, figure: str, weights: Weights, rows: Sequence[Row], *, halves: tuple[int, ...], stale: str
) -> str:
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
    floor = _floor(values)
    low, high = percent(floor), percent(values.max())
    low = low if floor == values.min() else f"≤ {low}"
    order = grid.order(figure)
    across, up = (AXES[axis] for axis in grid.axes)
    first, last = (_weight(grid.values[0][i]) for i in (0, -1))
    third = next(axis for axis in AXES if axis not in grid.axes)
    name, best = NAMES[figure], rows[0].weights
    preset = escape(json.dumps({"reading": grid.reading, "weights": astuple(best)}))
    words = f"{name} over {across} and {up}: from {percent(values.min())} to {high}, best at {triple(best)}"
    tops = "".join(
        f"<tr><td>{triple(grid.weights(*place))}</td><td>{percent(values[place])}</td><td><button class='plain' "
        f"{_sets(grid.weights(*place))}>use</button></td></tr>"
        for place in order[:10]
    )
    return (
        f"<div class='tune-plane' data-preset='{preset}'><div class='tune-map'><span class='y'>{up}</span>"
        f"<div class='cells' role='img' aria-label='{words}' style='--n:{values.shape[1]}'>"
        f"{_cells(grid, values, order[0])}{_ring(grid, weights)}</div>"
        f"<span class='x'><em>{first}</em>{across}<em>{last}</em></span></div>"
        f"<p class='tune-scale hint'>{low}<i></i>{high}<span>{AXES[third]} = {_weight(getattr(grid.base, third))}, "
        f"T = {grid.step}</span></p><p class='hint'>Ring: now. Frame: best. A click on a cell uses its weights.</p>"
        f"{notice(stale)}{_comparison(name, rows, halves)}<details><summary>The ten best points</summary>"
        f"<table><thead><tr><th>α, β, γ</th><th>{name}</th><th></th></tr></thead><tbody>{tops}</tbody></table>"
        "</details></div>"
    )


def before_search() -> str:
    """Instead of the heat map."""
    return "<p class='hint tune-empty'>Choose what to maximise and press Search: 256 pairs of weights are tried.</p>"


def bars(now: Figures) -> str:
    """AP at .5 of every class, best first."""
    if not now.ap50:
        return "<p class='hint tune-empty'>No mask of these photos shows a class that the model knows.</p>"
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td><u style='width:{100 * value:.1f}%'></u></td>"
        f"<td>{percent(value)}</td><td>{now.counts[name]}</td></tr>"
        for name, value in sorted(now.ap50.items(), key=lambda item: (-item[1], item[0]))
    )
    return (
        "<h2>Classes</h2><table class='tune-classes'><thead><tr><th>class</th><th></th><th>AP50</th><th>instances</th>"
        f"</tr></thead><tbody>{lines}</tbody></table>"
    )


def worst(now: Figures, names: Sequence[str], token: str, thumb: Callable[[str], str]) -> str:
    """The photos with the lowest scores, each a button that opens it.

    Args:
        now: figures of the photos called `names`.
        names: stems.
        token: of the visitor's set.
        thumb: a stem to a small picture's address.
    """
    order = sorted(range(len(names)), key=lambda i: (now.photos[i].quality, -now.photos[i].wrong, names[i]))[:WORST]
    cards = []
    for i in order:
        photo, name = now.photos[i], escape(names[i])
        act = escape(json.dumps({"tune": token, "photo": names[i]}))
        cards.append(
            f"<button data-act='{act}' title='Open {name} in the explorer'><img src='{thumb(names[i])}' alt=''>"
            f"<b>{name}</b><em>{unit(photo.quality)}</em><small>{photo.found} of {photo.found + photo.missed} found · "
            f"{photo.wrong} wrong</small></button>"
        )
    return (
        "<h2>Worst photos</h2><p class='hint'>By the mean best overlap of their instances; found: overlapped by at "
        f"least .5. A click opens the photo.</p><div class='tune-worst'>{''.join(cards)}</div>"
    )


def picture(photo: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as the address of a small JPEG."""
    small = cv2.cvtColor(resized(photo, THUMB), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage with one decimal."""
    return f"{100 * share:.1f}"


def triple(weights: Weights) -> str:
    """Three weights in a few characters."""
    return ", ".join(_weight(value) for value in astuple(weights))


def _cells(grid: Grid, values: np.ndarray, best: tuple[int, int]) -> str:
    low = _floor(values)
    span = values.max() - low
    colours = render.heat((values - low) / span if span > 0 else np.full(values.shape, 0.5))
    cells = []
    for row in reversed(range(len(values))):  # the second weight grows upwards
        for column in range(values.shape[1]):
            weights, mark = grid.weights(row, column), " class='best'" if (row, column) == best else ""
            red, green, blue = colours[row, column]
            title = f"{triple(weights)}: {percent(values[row, column])}"
            cells.append(
                f"<i{mark} style='background:#{red:02x}{green:02x}{blue:02x}' title='{title}' {_sets(weights)}></i>"
            )
    return "".join(cells)


def _floor(values: np.ndarray) -> float:
    """Where the colours begin: a steep edge, such as alpha = 0, must not take them all."""
    return float(np.quantile(values, 0.2))


def _ring(grid: Grid, weights: Weights) -> str:
    """Where the weights on the screen lie; nothing where that is outside."""
    shares = []
    for axis, values in zip(grid.axes, grid.values, strict=True):
        place = (getattr(weights, axis) - values[0]) / ((values[-1] - values[0]) or 1)
        shares.append((place * (len(values) - 1) + 0.5) / len(values))
    if not all(0 <= share <= 1 for share in shares):
        return ""
    return f"<s style='left:{100 * shares[0]:.1f}%;bottom:{100 * shares[1]:.1f}%'></s>"


def _comparison(name: str, rows: Sequence[Row], halves: tuple[int, ...]) -> str:
    heads = [f"all {halves[0]} photos"] if len(halves) == 1 else [f"tuned on {halves[0]}", f"the other {halves[1]}"]
    lines = "".join(
        f"<tr><th scope='row'>{row.name}</th><td>{triple(row.weights)}</td>"
        + "".join(f"<td>{percent(value)}</td>" for value in row.values)
        + "</tr>"
        for row in rows
    )
    warning = (
        "Tuned and reported on the same photos: expect less on new ones."
        if len(halves) == 1
        else "Only the last column, photos that the search did not see, says what to expect on new ones."
    )
    return (
        f"<table class='tune-compare'><thead><tr><th>{name}</th><th>α, β, γ</th>"
        + "".join(f"<th>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{lines}</tbody></table><p class='hint'>{warning}</p><button class='plain tune-use' "
        f"data-weights='{json.dumps(astuple(rows[0].weights))}'>Use the best weights</button>"
    )


def _weight(value: float) -> str:
    return unit(value) if value >= 0.01 else f"{value:.2g}"


def _sets(weights: Weights) -> str:
    """What makes a click set the sliders, see `tune.js`."""
    return f"data-weights='{json.dumps(astuple(weights))}'"


def _failed(at: Progress) -> str:
    if not at.failed:
        return ""
    lines = "".join(f"<li><b>{escape(name)}</b> {escape(reason)}</li>" for name, reason in at.failed)
    return (
        f"<details><summary>{_count(len(at.failed), 'photo')} could not be measured</summary><ul>{lines}</ul></details>"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    return f"about {max(1, round(seconds))} s" if seconds < 90 else f"about {round(seconds / 60)} min"
