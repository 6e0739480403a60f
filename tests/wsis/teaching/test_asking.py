"""Which photo is asked about next, held-out figures with their intervals, and the learning curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsis.teaching import asking
from wsis.teaching.head import Head
from wsis.teaching.session import Given, Kept, Photo, State


def state(answers=(), photos="abcdefgh"):
    """Photos a to h of one class; answers as (photo, answer) in their order."""
    aside, given = {}, {}
    for number, (photo, answer) in enumerate(answers, 1):
        if answer != "later":
            aside.setdefault(photo, len(aside) % 4 == 3)
        given[photo] = Given(answer, aside.get(photo, False), number)
    return State(("spoon",), {one: Photo(one, f"{one}.jpg", Path(one)) for one in photos}, {"spoon": given}, 9)


def test_the_least_sure_photo_is_next_and_those_put_off_are_last():
    scores = dict(zip("abcdefgh", [0.9, 0.52, 0.1, 0.45, 0.99, 0.3, 0.5, 0.7], strict=True))
    queue = asking.queue(state([("a", "yes"), ("g", "later")]), "spoon", scores)
    assert queue.photos == ("b", "d", "h", "f", "c", "e", "g")
    assert (queue.put_off, queue.aside) == (1, False)


def test_photos_that_nobody_looked_at_come_after_the_others():
    queue = asking.queue(state(), "spoon", {"c": 0.99, "d": 0.6})
    assert queue.photos[:2] == ("d", "c")


def test_every_fourth_question_is_a_random_photo_that_is_held_out():
    scores = dict.fromkeys("abcdefgh", 0.99) | {"e": 0.5}
    first = [("a", "yes"), ("b", "no"), ("c", "no")]
    assert not asking.queue(state(first[:2]), "spoon", scores).aside
    drawn = set()
    for name in ("spoon", "fork", "cup", "pan", "pot", "jug"):
        one = state(first)
        one = State((name,), one.photos, {name: one.given["spoon"]}, 3)
        queue = asking.queue(one, name, scores)
        assert queue.aside
        assert queue == asking.queue(one, name, scores)
        drawn.add(queue.photos[0])
    assert len(drawn) > 1


def test_held_out_answers_judge_the_head():
    known = {"a": True, "b": False, "c": True, "d": False, "e": True}
    held = asking.judged(known, {"a": 0.9, "b": 0.6, "c": 0.2, "d": 0.1})
    assert (held.said, held.right, held.correct, held.photos) == (2, 1, 2, 4)
    assert held.wrong == (("c", 0.2), ("b", 0.6))
    assert held.precision == 0.5
    assert asking.judged({"a": True}, {"a": 0.1}).precision is None


@pytest.mark.parametrize(
    ("right", "count", "expected"),
    [(4, 5, (0.376, 0.964)), (0, 10, (0.0, 0.278)), (10, 10, (0.722, 1.0)), (50, 100, (0.404, 0.596)), (0, 0, (0, 1))],
)
def test_wilsons_interval(right, count, expected):
    assert asking.interval(right, count) == pytest.approx(expected, abs=6e-4)


def test_the_curve_judges_every_earlier_head_on_the_same_photos():
    cells = {"a": np.full((4, 2), 1, np.float16), "b": np.full((4, 2), -1, np.float16)}
    rows = [[-1, -1], [0, 0], [1, 1]]  # wrong about both, says yes to both, right about both
    kept = [
        Kept(i, 10 * i, Head(np.array([row], np.float32), np.zeros(1, np.float32), ("spoon",)))
        for i, row in enumerate(rows, 1)
    ]
    points = asking.curve(kept, {"a": True, "b": False}, cells)
    assert [(one.answers, one.precision) for one in points] == [(10, 0.0), (20, 0.5), (30, 1.0)]
    assert all(one.low <= one.precision <= one.high for one in points)
    assert asking.curve([], {"a": True}, cells) == asking.curve(kept, {}, cells) == ()


def test_a_long_curve_keeps_its_ends():
    head = Head(np.ones((1, 2), np.float32), np.zeros(1, np.float32), ("spoon",))
    points = asking.curve([Kept(i, i, head) for i in range(1000)], {"a": True}, {"a": np.ones((4, 2), np.float16)})
    assert len(points) == asking.POINTS
    assert (points[0].answers, points[-1].answers) == (0, 999)


@pytest.mark.parametrize(
    ("said", "right", "counted", "trust"),
    [
        (5, 4, "4 of its 5 “yes” on held-out photos are right.", "So few that it may be anything from .38 to .96"),
        (1, 1, "its only “yes” on held-out photos is right.", "So few"),
        (100, 90, "90 of its 100 “yes” on held-out photos are right.", "With that many it lies from .83 to .94"),
        (0, 0, "it says yes to none of 100 held-out photos.", "more photos that show it"),
    ],
)
def test_the_verdict_says_how_little_it_knows(said, right, counted, trust):
    first, second = asking.verdict("spoon", asking.Held(said, right, right, 100, ()))
    assert first == f"spoon: {counted}"
    assert trust in second


def test_before_anything_is_held_out_the_verdict_says_that():
    assert "nothing is held out" in asking.verdict("spoon", asking.judged({}, {}))[0]
