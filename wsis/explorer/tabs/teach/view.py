"""What the tab *Teach* shows, as HTML by the places of its page that it fills.

How it looks is in `templates/teach.html`; here it is said what stands there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from markupsafe import Markup

from wsis import render
from wsis.explorer import markup
from wsis.explorer.words import count, unit, with_article
from wsis.maps import ClassMaps
from wsis.teaching.asking import Held, Point, Queue, verdict
from wsis.teaching.session import Given, Photo, State

QUEUE, HISTORY, LAST, WRONG = 8, 4, 4, 4
"""Photos that each list shows."""
ENOUGH = 20
"""Answers after which a class is usually of use."""
OPACITY = 0.75
WIDE, HIGH = 300, 170
"""Size of the learning curve's plane, without its axes."""
piece = partial(markup.part, "teach.html")
Thumb = Callable[[str], str]


@dataclass(frozen=True)
class Row:
    """A class in the list: its answers, and how its head does on held-out photos."""

    name: str
    yes: int
    no: int
    open: int
    held: Held
    icon: str


@dataclass(frozen=True)
class Asked:
    """The question on the screen.

    Attributes:
        class_: that is asked about.
        photo: that it is asked about; None where no photo is left.
        score: what the head says; None while there is none.
        given: the answer that holds, where an answered photo was opened again.
        queue: what comes, this photo first.
        peak: x, y and value of the strongest peak, if any.
        mapped: whether there is a map.
        fitted: seconds that the last fit took.
    """

    class_: str
    photo: Photo | None
    score: float | None
    given: Given | None
    queue: Queue
    peak: tuple[float, float, float] | None
    mapped: bool
    fitted: float

    @property
    def article(self) -> str:
        """The class's."""
        return with_article(self.class_).split()[0]


def classes(rows: Sequence[Row], current: str, total: int) -> Markup:
    """The list of classes."""
    return piece("classes", rows, current, total)


def question(asked: Asked | None, state: State) -> Markup:
    """What is asked, and what the head thinks."""
    if asked is None:
        return piece("first", bool(state.classes))
    return piece("question", asked, _thinks(asked), bool(state.photos))


def marks(asked: Asked) -> Markup:
    """What lies over the photo: note, peak, scale of the map."""
    return piece("marks", asked)


def answers(asked: Asked | None) -> Markup:
    """The three buttons."""
    return piece("answers", asked)


def queue(asked: Asked | None, known: int, scores: Mapping[str, float], thumb: Thumb) -> Markup:
    """What comes next."""
    if asked is None:
        return piece("queue", [], "")
    coming = [photo for photo in asked.queue.photos if asked.photo is None or photo != asked.photo.digest]
    shown = [(photo, thumb(photo), scores.get(photo)) for photo in coming[:QUEUE]]
    left = len(asked.queue.photos) - asked.queue.put_off
    return piece("queue", shown, f"{left} left · {asked.queue.put_off} put off · {known} answered")


def history(parts: Sequence[tuple[int, str]], photo: str) -> Markup:
    """The photo's maps by earlier heads: answers and map, the latest last."""
    return piece("history", parts, photo)


def last(state: State, class_: str | None, thumb: Thumb) -> Markup:
    """The last answers of all classes, the latest first."""
    every = [(one, name, photo) for name, given in state.given.items() for photo, one in given.items()]
    every.sort(key=lambda row: -row[0].number)
    shown = [(photo, name, one, thumb(photo)) for one, name, photo in every[:LAST]]
    return piece("last", shown, class_)


def curve(class_: str, held: Held, curves: Mapping[str, Sequence[Point]], most: int) -> Markup:
    """The learning curves, and how far they can be trusted.

    Args:
        class_: the current one.
        held: how it does now.
        curves: of each class.
        most: answers at the right end.
    """
    across = max(ENOUGH, 20 * -(-most // 20))
    lines = {
        name: [(WIDE * one.answers / across, HIGH * (1 - one.precision)) for one in points]
        for name, points in curves.items() if points
    }  # fmt: skip
    own = curves.get(class_, ())
    band = [(WIDE * p.answers / across, HIGH * (1 - p.high)) for p in own]
    band += [(WIDE * p.answers / across, HIGH * (1 - p.low)) for p in reversed(own)]
    ticks = [(WIDE * i / 4, round(across * i / 4)) for i in range(5)]
    return piece("curve", class_, lines, band, ticks, own[-1] if own else None, verdict(class_, held), (WIDE, HIGH))


def wrong(class_: str, held: Held, thumb: Thumb) -> Markup:
    """Held-out photos that the head is wrong about now."""
    shown = [(photo, thumb(photo), score) for photo, score in held.wrong[:WRONG]]
    return piece("wrong", class_, shown, len(held.wrong), held.photos)


def photos(total: int, looked: int, failed: Sequence[str], working: bool) -> Markup:
    """How many photos there are, and how far looking at them is."""
    return piece("photos", total, looked, failed, working)


def top(choices: Sequence[tuple[str, str]], chosen: str, about: str) -> Markup:
    """What is taught on top of: values and titles."""
    return piece("top", choices, chosen, about)


def save(since: int, ready: Sequence[str], waiting: Sequence[str], said: str, fault: str) -> Markup:
    """What *Save as model* would save, or has."""
    return piece("save", count(since, "answer"), ready, waiting, said, fault)


def notice(text: str) -> Markup:
    """One sentence about what went wrong."""
    return piece("notice", text)


def picture(maps: ClassMaps, index: int) -> str:
    """One of a photo's maps as the address of a PNG, a pixel a cell, that goes over the photo.

    It shows each cell's own probability, from 0 to 1, so that maps of one photo under several heads can be compared.
    """
    values = 1 / (1 + np.exp(-np.clip(maps.maps[index], -50, 50)))
    alpha = np.clip(values / render.OPAQUE_FROM, 0, 1) * OPACITY * 255
    bgra = np.dstack([render.heat(values)[..., ::-1], np.rint(alpha).astype(np.uint8)])
    return address(cv2.imencode(".png", bgra)[1].tobytes(), "png")


def address(data: bytes, kind: str = "jpeg") -> str:
    """A picture as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _thinks(asked: Asked) -> str:
    """What the head says of the photo, and why it is asked about."""
    if asked.photo is None:
        return ""
    says = "" if asked.score is None else f"it says {unit(asked.score)}"
    if asked.given is not None:
        return f"you said {asked.given.answer}" + (f", {says}" if says else "")
    first = asked.queue.photos[:1] == (asked.photo.digest,)
    if asked.queue.aside:
        why = "picked at random and kept aside: it judges" if first else "kept aside: it judges"
        return ", ".join(part for part in (says, why) if part)
    left = len(asked.queue.photos) - asked.queue.put_off
    if not says:
        return "" if asked.mapped else "one yes and one no, and it begins to learn"
    return f"{says}, the least sure of {left} left" if first and left > 1 else says
