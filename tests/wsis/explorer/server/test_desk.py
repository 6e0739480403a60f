"""Requests at the desk: turns, counting, logs, and who is cut off."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from types import SimpleNamespace

import gradio as gr
import pytest

from tests.helpers.visits import figures, request, who
from wsis.explorer.server.desk import FAILED, Desk
from wsis.explorer.server.turns import Limits, Turns
from wsis.explorer.server.watch import Watch, watched


def test_outcomes_are_counted_and_logged_without_content():
    log = io.StringIO()
    desk = Desk(Turns(Limits(minute=4)), Watch(log))

    def work(event: gr.EventData, wish: str, photo="secret.jpg"):
        if wish == "fail":
            raise ZeroDivisionError("/secret/folder")
        if wish == "mistake":
            raise gr.Error("secret token")
        return {"kind": wish, "size": [64, 48], "peaks": [1, 2], "photo": {"total": 7}, "name": "secret.jpg"}

    async def go():
        taken = desk.heavy("upload", work, refused=lambda error, *_: {"kind": "busy", "text": str(error)})
        said = []
        for wish in ("analysis", "notice", "fail", "mistake", "late"):
            try:
                said.append(await taken(request(), gr.EventData(None, {"ticket": "secret"}), wish))
            except gr.Error as error:
                said.append(error.message)
        return said

    first, notice, failed, mistake, late = asyncio.run(go())
    assert first["kind"] == "analysis"
    assert notice["kind"] == "notice"
    assert late["kind"] == "busy"
    assert (failed, mistake) == (FAILED, "secret token")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["outcome"] for line in lines] == ["ok", "mistake", "failed", "mistake", "refused"]
    assert lines[0]["sizes"] == {"width": 64, "height": 48, "peaks": 2, "proposals": 7}
    assert set(lines[0]["seconds"]) == {"waited", "worked"}
    assert lines[4]["reason"] == "minute"
    assert set(lines[0]) == {"time", "act", "outcome", "seconds", "sizes", "visitor"}
    assert len({line["visitor"] for line in lines}) == 1
    assert len(lines[0]["visitor"]) == 12
    told = figures(desk.watch)
    assert "secret" not in log.getvalue()
    assert "10.0.0.1" not in log.getvalue()
    assert "tab" not in log.getvalue()
    assert told["wsis_requests_total/upload/ok"] == told["wsis_requests_total/upload/refused"] == 1
    assert told["wsis_requests_total/upload/mistake"] == 2
    assert told["wsis_refused_total/minute"] == 1
    assert told["wsis_seconds_count/worked"] == 4
    assert told["wsis_visitors"] == 1
    assert told["wsis_queue_limit"] == 40
    assert told["process_resident_memory_bytes"] > 10**7


def test_stages_of_the_pipeline_count_once():
    """An analysis from evidence that was there already took no time for the evidence."""
    evidence = SimpleNamespace(seconds={"classes": 9.0})
    analyse = watched(lambda given: SimpleNamespace(seconds={**given.seconds, "match": 0.5}))

    async def go():
        desk = Desk()
        await desk.heavy("class", lambda: analyse(evidence) and {})(request())
        return figures(desk.watch)

    told = asyncio.run(go())
    assert told["wsis_seconds_sum/match"] == 0.5
    assert "wsis_seconds_sum/classes" not in told
    assert analyse(evidence).seconds["match"] == 0.5  # also where nobody counts


def test_what_is_there_already_needs_no_turn():
    async def go():
        desk = Desk(Turns(Limits(waiting=1)))
        free = asyncio.Event()

        async def hold():
            async with desk.turns.take(who("a")):
                await free.wait()

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)
        taken = desk.heavy("open", lambda wish: wish, ready=lambda wish: wish == "there")
        assert await taken(request(), "there") == "there"
        waits = asyncio.create_task(taken(request(), "new"))
        await asyncio.sleep(0)
        assert desk.turns.waiting == 1
        free.set()
        await holding
        return await waits

    assert asyncio.run(go()) == "new"


def test_who_is_cut_off_holds_the_turn_until_the_work_is_over():
    async def go():
        desk, order, go_on = Desk(), [], threading.Event()
        slow = desk.heavy("slow", lambda: go_on.wait(30) and order.append("slow"))
        cut = asyncio.create_task(slow(request()))
        while not desk.turns.busy_for:
            await asyncio.sleep(0)
        after = asyncio.create_task(desk.heavy("after", lambda: order.append("after"))(request("other")))
        await asyncio.sleep(0.05)
        cut.cancel()
        await asyncio.sleep(0.05)
        assert not cut.done()
        assert not after.done()
        assert desk.turns.waiting == 1
        go_on.set()
        await after
        assert cut.cancelled()
        return order

    assert asyncio.run(go()) == ["slow", "after"]


@pytest.mark.parametrize("by_address", [True, False])
def test_behind_a_proxy_that_says_nothing_a_page_is_its_own_address(by_address):
    visitors = {Desk(by_address=by_address).visitor(request(page)) for page in "ab"}
    assert len({one.address for one in visitors}) == (1 if by_address else 2)
    assert {one.page for one in visitors} == {"a", "b"}
