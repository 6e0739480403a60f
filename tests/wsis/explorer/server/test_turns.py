"""Whose turn it is on the networks: order, fairness, bounds, and who leaves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tests.helpers.visits import who
from wsis.explorer.server.turns import Limits, Place, RefusedError, Turns, Visitor


class Crowd:
    """Visitors who take a turn each, hold it until told, and note in which order they were served."""

    def __init__(self, **limits):
        self.now = SimpleNamespace(seconds=0.0)
        self.turns = Turns(Limits(**limits), clock=lambda: self.now.seconds)
        self.served, self.tasks, self._go_on = [], [], asyncio.Event()

    async def ask(self, visitor: Visitor, name: str = "") -> asyncio.Task:
        async def visit():
            async with self.turns.take(visitor, name):
                self.served.append(name or visitor.address)
                await self._go_on.wait()

        self.tasks.append(asyncio.create_task(visit()))
        await asyncio.sleep(0)
        return self.tasks[-1]

    async def refused(self, visitor: Visitor) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            await (await self.ask(visitor))
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)
        return caught.value

    async def end(self) -> list[str]:
        self._go_on.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.turns.waiting == 0
        assert self.turns.busy_for == 0
        return self.served


def test_one_at_a_time_in_the_order_of_asking():
    async def go():
        crowd = Crowd()
        for name in "abcd":
            await crowd.ask(who(name), name)
        assert crowd.served == ["a"]
        assert crowd.turns.waiting == 3
        assert [crowd.turns.place(name).place for name in "abcd"] == [0, 1, 2, 3]
        assert [crowd.turns.knows(name) for name in ("a", "d", "e", "")] == [True, True, False, False]
        return await crowd.end()

    assert asyncio.run(go()) == list("abcd")


def test_who_asks_once_does_not_wait_behind_all_of_another():
    async def go():
        crowd = Crowd()
        for number in range(5):
            await crowd.ask(who("greedy", f"tab {number}"), f"greedy {number}")
        await crowd.ask(who("modest"), "modest")
        await crowd.ask(who("other"), "other")
        assert crowd.turns.place("modest") == Place(1, 6, 1)
        return await crowd.end()

    assert asyncio.run(go()) == ["greedy 0", "modest", "other", "greedy 1", "greedy 2", "greedy 3", "greedy 4"]


def test_the_place_comes_with_the_seconds_until_the_turn():
    async def go():
        crowd = Crowd()
        for name in "abc":
            await crowd.ask(who(name), name)
        before = [crowd.turns.place(name).seconds for name in "abc"]
        crowd.now.seconds = 6.0  # the first takes longer than was thought, and so may the others
        late = [crowd.turns.place(name).seconds for name in "abc"]
        await crowd.end()
        return before, late, crowd.turns._mean

    before, late, mean = asyncio.run(go())
    assert before == [0, 1, 2]
    assert late == [0, 1, 2]
    assert mean == pytest.approx((1 + 0.2 * 5) * 0.8**2)  # one of six seconds, two of none


@pytest.mark.parametrize(
    ("limits", "visitors", "reason", "sentence"),
    [
        ({"waiting": 3}, [who(name) for name in "abcd"], "full", "The server is busy: 3 are waiting"),
        ({"address": 2}, [who("a", page) for page in "123"], "address", "2 requests from your address"),
        ({"page": 2}, [who(name, "same") for name in "abc"], "page", "This page has 2 requests waiting"),
        ({"minute": 3}, [who("a", page) for page in "123"], "minute", "3 analyses a minute. Try again in 60 seconds."),
    ],
)
def test_what_does_not_fit_is_refused_and_nobody_else_is(limits, visitors, reason, sentence):
    async def go():
        crowd = Crowd(**limits)
        for visitor in visitors:
            await crowd.ask(visitor)
        error = await crowd.refused(visitors[-1])
        assert error.reason == reason
        assert sentence in str(error)
        assert error.seconds >= 1
        if reason != "full":
            await crowd.ask(who("somebody else"))
        assert len(await crowd.end()) == len(visitors) + (reason != "full")

    asyncio.run(go())


def test_after_a_minute_there_is_room_again():
    async def go():
        crowd = Crowd(minute=2)
        crowd._go_on.set()
        for _ in range(2):
            await (await crowd.ask(who("a")))
        crowd.now.seconds = 59.0
        assert "in a second." in str(await crowd.refused(who("a")))
        crowd.now.seconds = 60.0
        await (await crowd.ask(who("a")))
        crowd.now.seconds = 200.0
        await (await crowd.ask(who("b")))
        assert set(crowd.turns._recent) == {"b"}  # what is over is forgotten
        return await crowd.end()

    assert len(asyncio.run(go())) == 4


def test_who_leaves_or_is_cut_off_makes_room():
    async def go():
        crowd = Crowd()
        running, gone, cut, last = [await crowd.ask(who(name), name) for name in "abcd"]
        crowd.turns.leave("b")
        cut.cancel()
        await asyncio.sleep(0)
        assert crowd.turns.place("d").place == 1
        running.cancel()  # its turn ends too
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        served = await crowd.end()
        assert isinstance(gone.exception(), RefusedError)
        assert gone.exception().reason == "left"
        assert cut.cancelled()
        assert running.cancelled()
        assert last.done()
        return served

    assert asyncio.run(go()) == ["a", "d"]


def test_work_that_fails_gives_its_turn_back():
    async def go():
        turns = Turns()
        with pytest.raises(ZeroDivisionError):
            async with turns.take(who("a")):
                raise ZeroDivisionError("/secret/folder")
        async with turns.take(who("b")) as waited:
            return waited

    assert asyncio.run(go()) < 1


def test_requests_beside_the_networks_are_bounded_too():
    turns = Turns(Limits(beside=2))
    with turns.beside(who("a")), turns.beside(who("a")), turns.beside(who("b")), pytest.raises(RefusedError) as caught:
        turns.beside(who("a")).__enter__()
    assert str(caught.value).startswith("Too many requests come from your address at once.")
    assert not turns._beside
