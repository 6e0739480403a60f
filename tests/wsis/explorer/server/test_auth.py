"""Who may enter: right and wrong guesses, lines, and that every guess is compared with every user."""

from __future__ import annotations

import asyncio
import hmac
import inspect

import pytest

from wsis.explorer.server import auth
from wsis.explorer.server.auth import Door

PAIRS = [("anna", "one:two"), ("ben", "drei"), ("büşra", "şifre")]


def asked(door: Door, *guesses: tuple[str, str]) -> list[bool]:
    async def together() -> list[bool]:
        return list(await asyncio.gather(*(door.enter(*guess) for guess in guesses)))

    return asyncio.run(together())


@pytest.mark.parametrize("pair", PAIRS)
def test_a_user_enters(pair):
    assert asked(Door(PAIRS), pair) == [True]


@pytest.mark.parametrize(
    "guess",
    [
        ("anna", "drei"), ("ben", "one:two"), ("anna", ""), ("", ""), ("", "drei"), ("Anna", "one:two"),
        ("anna", "one:two "),
        ("anna:one", "two"), ("annaone:two", ""), ("an", "naone:two"), ("carl", "drei"), ("anna", "one:two\0"),
        ("busra", "sifre"), ("anna", "x" * 10**6), ("\ud800", "\udfff"),
    ],
)  # fmt: skip
def test_nobody_else_does(guess):
    door = Door(PAIRS, pause=0)
    assert asked(door, guess) == [False]
    assert door.refused == 1


def test_nobody_enters_where_there_is_no_user():
    assert asked(Door([], pause=0), ("", "")) == [False]


@pytest.mark.parametrize("guess", [PAIRS[0], PAIRS[2], ("anna", "wrong"), ("carl", "wrong")])
def test_every_guess_is_compared_with_every_user_at_one_length(guess, monkeypatch):
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    asked(Door(PAIRS, pause=0), guess)
    assert compared == [(32, 32)] * len(PAIRS)


def test_names_and_passwords_are_not_kept():
    door = Door(PAIRS)
    kept = repr(vars(door))
    assert not any(text in kept for pair in PAIRS for text in pair)
    assert door._known != Door(PAIRS)._known  # each process has its own key


def test_guesses_for_one_name_stand_in_line_and_too_many_are_refused_unseen(monkeypatch):
    """However many ask at once, one at a time is looked at, and each wrong one takes its pause."""
    door, slept, busy = Door(PAIRS, pause=7), [], []
    sleep = asyncio.sleep

    async def asleep(seconds: float) -> None:
        if seconds != 7:  # an explorer that other tests of this process visit
            return await sleep(seconds)
        busy.append(seconds)
        assert len(busy) == 1
        slept.append(seconds)
        await sleep(0)
        return busy.clear()

    monkeypatch.setattr(asyncio, "sleep", asleep)
    wrong = [("anna", str(number)) for number in range(50)]
    assert asked(door, *wrong, PAIRS[0]) == [False] * 51  # the right one came too late to be looked at
    assert slept == [7] * auth.MOST_WAITING
    assert door.refused == 51
    assert asked(door, PAIRS[0]) == [True]


def test_a_right_guess_does_not_wait():
    assert asked(Door(PAIRS, pause=3600), *[PAIRS[0]] * 3) == [True] * 3


def test_others_are_not_held_up():
    door = Door([(f"user{number}", "pass") for number in range(500)], pause=0)
    lines = {int.from_bytes(door._digest(f"user{number}")[:8]) % auth.LINES for number in range(500)}
    assert len(lines) > auth.LINES // 2


def test_gradio_waits_for_it():
    from gradio.routes import App

    assert inspect.iscoroutinefunction(Door(PAIRS).enter)
    assert "await app.auth(username, password)" in inspect.getsource(App.create_app)
