"""Which photo is asked about next, and how good a class is on photos that were held out. Pure functions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wsis.teaching.head import Head
from wsis.teaching.session import EVERY, Kept, State

YES = 0.5
"""Probability from which on a head says yes."""
SURE = 1.959964
"""Standard deviations on both sides that hold 95% of a normal distribution."""
POINTS = 40
"""Most points of a learning curve."""


@dataclass(frozen=True)
class Queue:
    """Photos that are not answered yet, the next first.

    Attributes:
        photos: digests.
        put_off: how many of them, the last, were put off.
        aside: whether the answer to the next will be held out; then it is a random one, so that what judges the head is
            a fair sample and not the photos that the head finds hardest.
    """

    photos: tuple[str, ...]
    put_off: int
    aside: bool


@dataclass(frozen=True)
class Held:
    """A head's answers on held-out photos.

    Attributes:
        said, right: its yes, and how many of them are right.
        correct, photos: photos whose answer is right, and all.
        wrong: digests of the others with the head's probability, the surest first.
    """

    said: int
    right: int
    correct: int
    photos: int
    wrong: tuple[tuple[str, float], ...]

    @property
    def precision(self) -> float | None:
        """Share of its yes that is right; None where it says none."""
        return self.right / self.said if self.said else None


@dataclass(frozen=True)
class Point:
    """A point of a learning curve: held-out precision after so many answers, with its 95% interval."""

    answers: int
    precision: float
    low: float
    high: float


def queue(state: State, class_: str, scores: Mapping[str, float]) -> Queue:
    """The photos to ask about, least sure first; every fourth question is a random photo.

    Args:
        state: of the session.
        class_: that is asked about.
        scores: probability by digest, of photos that were looked at; without one a photo comes after the others.
    """
    given = state.given[class_]
    left = [photo for photo in state.photos if photo not in given]
    later = [photo for photo, one in given.items() if one.answer == "later"]
    by_chance = {photo: _chance(class_, photo) for photo in left}
    left.sort(key=lambda photo: (abs(scores[photo] - YES) if photo in scores else 1.0, by_chance[photo]))
    aside = len(state.known(class_)) % EVERY == EVERY - 1
    if aside and left:
        drawn = min(left, key=by_chance.__getitem__)
        left.remove(drawn)
        left.insert(0, drawn)
    return Queue((*left, *later), len(later), aside)


def judged(known: Mapping[str, bool], scores: Mapping[str, float]) -> Held:
    """How a head's probabilities fit held-out answers.

    Args:
        known: whether a photo shows the class, by digest.
        scores: probability by digest; photos without one are left out.
    """
    rows = [(photo, shown, scores[photo]) for photo, shown in known.items() if photo in scores]
    said = [shown for _, shown, score in rows if score >= YES]
    wrong = [(photo, score) for photo, shown, score in rows if (score >= YES) != shown]
    wrong.sort(key=lambda one: -abs(one[1] - YES))
    return Held(len(said), sum(said), len(rows) - len(wrong), len(rows), tuple(wrong))


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share, which keeps within [0, 1] and says much less with few than with many."""
    if not count:
        return 0.0, 1.0
    share, square = right / count, SURE**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    reach = SURE / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def curve(kept: Sequence[Kept], known: Mapping[str, bool], cells: Mapping[str, np.ndarray]) -> tuple[Point, ...]:
    """Held-out precision as answers came: every earlier head on all photos that are held out by now.

    No head has seen any of them, so all points are counted on the same photos and may be compared.

    Args:
        kept: heads, the earliest first.
        known: held-out answers, by digest.
        cells: (P, D) features of photos, by digest.
    """
    photos = [photo for photo in known if photo in cells]
    if not kept or not photos:
        return ()
    chosen = [kept[i] for i in sorted({round(i) for i in np.linspace(0, len(kept) - 1, POINTS)})]
    heads = Head(
        np.concatenate([one.head.weight for one in chosen]), np.concatenate([one.head.bias for one in chosen]),
        tuple(str(one.entry) for one in chosen),
    )  # fmt: skip
    scores = heads.scores(np.stack([cells[photo] for photo in photos]))
    points = []
    for one, column in zip(chosen, scores.T, strict=True):
        held = judged({photo: known[photo] for photo in photos}, dict(zip(photos, map(float, column), strict=True)))
        if held.said:
            points.append(Point(one.answers, held.right / held.said, *interval(held.right, held.said)))
    return tuple(points)


def verdict(class_: str, held: Held) -> tuple[str, str]:
    """How good a class is, in a sentence with the counts, and how far to trust that, in another."""
    if not held.photos:
        return f"{class_}: nothing is held out yet.", "Every fourth answer is: go on."
    if not held.said:
        counted = f"{class_}: it says yes to none of {_photos(held.photos)}."
        return counted, "Answer on: it needs more photos that show it."
    low, high = interval(held.right, held.said)
    whose = "its only “yes”" if held.said == 1 else f"{held.right} of its {held.said} “yes”"
    right = ("is" if held.right else "is not") if held.said == 1 else "are"
    counted = f"{class_}: {whose} on held-out photos {right} right."
    span = f"from {_short(low)} to {_short(high)}"
    if high - low > 0.4:
        return counted, f"So few that it may be anything {span}: answer on."
    return counted, f"With that many it lies {span}, 95 times in 100."


def _chance(class_: str, photo: str) -> str:
    """A random place among the photos, the same whenever it is asked for."""
    return hashlib.sha256(f"{class_} {photo}".encode()).hexdigest()


def _photos(count: int) -> str:
    return "one held-out photo" if count == 1 else f"{count} held-out photos"


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0") if share < 0.995 else "1"
