"""What the tab *Why* shows, as HTML; how it looks is in `templates/why.html`, here it is said what stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import cv2
import numpy as np
from markupsafe import Markup

from wsis import render
from wsis.explorer import faithful, markup, pictures
from wsis.explorer.payload import switched_on
from wsis.explorer.scene import Scene
from wsis.explorer.words import minus, short, unit
from wsis.maps import upsample
from wsis.why.erase import Erasure
from wsis.why.faithfulness import Curves

piece = partial(markup.part, "why.html")
HIGH = 168
"""Pixels of the pictures' height."""
CLASSES = 6
"""At most so many other classes are told."""
HARDLY = 0.05
"""A score that moves less than this is said to stay."""
LOST, GAINED = (200, 55, 45), (13, 159, 110)
"""As `--bad` and `--recall` of the light theme."""


def page(examples: Sequence[str]) -> Markup:
    """The page, whose places `tabs/why.js` fills.

    Args:
        examples: names of the photos that may be the second one.
    """
    return piece("page", examples)


def nothing() -> Markup:
    """There is no peak."""
    return piece("nothing")


def erased(made: Erasure, scene: Scene) -> Markup:
    """Before and after: scores, pictures, and the other classes."""
    category = int(scene.analysis.peaks.classes[scene.peak])
    name, before, after = scene.name(scene.peak), made.before.scores, made.after.scores
    work = scene.analysis.evidence.work
    size = max(1, round(work.shape[1] * HIGH / work.shape[0])), HIGH
    low, high = float(made.before.maps[category].min()), float(made.before.maps[category].max())
    span = max(high - low, 1e-6)
    was, now = ((upsample(maps.maps[[category]], size[::-1])[0] - low) / span for maps in (made.before, made.after))
    with_it, without = (_sized(photo, size) for photo in (work, made.photo))
    shown = [
        (pictures.jpeg(without, 86), "the photo without it", f"{float(made.mask.mean()):.0%} of the photo gone"),
        (pictures.jpeg(render.over_map(with_it, was), 86), "map before", minus(f"{short(low, 1)} to {short(high, 1)}")),
        (pictures.jpeg(render.over_map(without, now), 86), "map after", "on the same scale"),
        (pictures.jpeg(_changed(without, now - was), 86), "difference", "red lost, green gained"),
    ]
    others = [made.before.classes.index(one) for one in switched_on(made.before, scene.analysis.settings)]
    rows = [(made.before.classes[c], float(before[c]), float(after[c])) for c in others if c != category]
    return piece(
        "erased", name, float(before[category]), float(after[category]),
        said(name, float(before[category]), float(after[category])), shown, rows[:CLASSES],
    )  # fmt: skip


def said(name: str, before: float, after: float) -> str:
    """What the scores mean, in a sentence."""
    if abs(after - before) < HARDLY:
        return f"{name.capitalize()} stays at {unit(after)}: the classifier does not need this part for it."
    if after > before:
        return f"{name.capitalize()} rises from {unit(before)} to {unit(after)}: this part spoke against it."
    rest = "little is left that says so" if after < before / 2 else "other parts say so too"
    return f"{name.capitalize()} falls from {unit(before)} to {unit(after)}: {rest}."


def curves(found: Mapping[str, Curves], scene: Scene, left: Sequence[str]) -> Markup:
    """The curves of the picked peak so far, or the button that asks for them."""
    return piece("curves", faithful.drawn(found, scene.name(scene.peak), scene.step), list(left) if found else None)


def _sized(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def _changed(photo: np.ndarray, gained: np.ndarray) -> np.ndarray:
    """A dimmed photo with what a map lost in red, and what it gained in green; 1 is its whole range."""
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) * np.float32(0.45)
    weight = np.clip(np.abs(gained), 0, 1)[..., None]
    colour = np.where(gained[..., None] < 0, LOST, GAINED)
    return np.rint(grey + weight * (colour - grey)).astype(np.uint8)
