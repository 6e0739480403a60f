"""Hands in the explorer: how soon a peak that is clicked has its mask, and how long a brush and a slider take then."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

MOVES = 200
PLACES = ((0.12, 0.15), (0.88, 0.2), (0.15, 0.85), (0.85, 0.8), (0.5, 0.12), (0.5, 0.9))
"""Where peaks are placed if nothing lies over the photo there, in shares of its width and height."""
AT = """([x, y]) => {
  const box = document.querySelector('.stage .box').getBoundingClientRect(), [w, h] = wsis.data.photo.size;
  const k = Math.min(box.width / w, box.height / h);
  return [box.left + (box.width - w * k) / 2 + x * w * k, box.top + (box.height - h * k) / 2 + y * h * k];
}"""
FREE = "([x, y]) => document.elementFromPoint(x, y)?.matches('.stage canvas') ?? false"
# A move of the pointer is told right before the frame that paints it: what is timed is all that the frame has to do.
WATCH = """() => {
  const {painted} = seen;
  Object.assign(seen, {brush: [], placed: [], clicked: 0});
  addEventListener('click', event => { seen.clicked = event.timeStamp; }, true);
  addEventListener('pointermove', event => {
    if (wsis.state.tool !== 'brush' || !event.buttons) return;
    const start = performance.now();
    painted(now => seen.brush.push(now - start));
  }, true);
  wsis.listen(why => { if (why === 'analysis') painted(now => seen.placed.push((now - seen.clicked) / 1000)); });
}"""


def figures(page: Any, runs: int, drag: Callable[[], Any]) -> dict[str, float]:
    """A visitor's hands on the photo that a page shows.

    Args:
        page: with the script of `benchmarks.browser` in it, in the Instances view.
        runs: how many peaks are placed, after one that does not count; all but the last two are undone again.
        drag: drags a slider to and fro.

    Returns:
        `placed_s`: from the click until the new peak's mask is painted, median; `placed_most_s`, the slowest;
        `brush_p95_ms`: the work of a frame that follows the brush, over 200 moves;
        `edited_slider_p95_ms`: as `slider_p95_ms`, with two peaks and a stroke by hand in the list.
    """
    page.evaluate(WATCH)
    page.evaluate("document.activeElement.blur()")  # keys mean something else in a slider
    placed = []
    for i in range(runs + 1):
        placed.append(_place(page, (PLACES * 2)[i % len(PLACES) :]))
        if i < runs - 1:
            _after(page, lambda: page.keyboard.press("Control+z"))
    brush = _brush(page)
    page.keyboard.press("Escape")
    page.evaluate("() => { seen.slider.length = 0; }")
    drag()
    slider = page.evaluate("seen.slider")
    return {
        "placed_s": statistics.median(placed[1:]),
        "placed_most_s": max(placed[1:]),
        "brush_p95_ms": _p95(brush),
        "edited_slider_p95_ms": _p95(slider),
    }


def _p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _after(page: Any, act: Callable[[], Any]) -> float:
    """Do something to the edits; seconds from the last click until what it makes is painted."""
    page.evaluate("() => { seen.placed.length = 0; }")
    act()
    page.wait_for_function("() => seen.placed.length && !wsis.data.busy", timeout=60_000)
    return float(page.evaluate("seen.placed[0]"))


def _place(page: Any, places: Sequence[tuple[float, float]]) -> float:
    """A peak at the first of the places that nothing covers."""
    page.keyboard.press("k")
    all_places = (page.evaluate(AT, list(place)) for place in places)
    x, y = next(place for place in all_places if page.evaluate(FREE, place))
    took = _after(page, lambda: page.mouse.click(x, y))
    page.keyboard.press("Escape")
    return took


def _brush(page: Any) -> list[float]:
    """A stroke over the photo; milliseconds of each frame that followed it."""
    page.keyboard.press("b")
    page.evaluate("() => { seen.brush.length = 0; }")
    page.mouse.move(*page.evaluate(AT, [0.3, 0.5]))
    page.mouse.down()
    for i in range(MOVES):
        turn = 2 * math.pi * i / 50
        page.mouse.move(*page.evaluate(AT, [0.5 - 0.2 * math.cos(turn), 0.5 + 0.2 * math.sin(turn)]))
    frames: list[float] = page.evaluate("seen.brush")
    _after(page, page.mouse.up)
    return frames
