"""The explorer under load, without a browser: turns and limits, uploads, figures, logs, and what operators ask."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import threading
from types import SimpleNamespace

import anyio
import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from gradio.utils import get_upload_folder
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.reliability import visitors
from tests.helpers.bad_files import encoded, picture
from wsis.errors import WsisError
from wsis.explorer import uploads, web
from wsis.explorer.auth import Door
from wsis.explorer.desk import FAILED, Desk
from wsis.explorer.turns import Limits, Place, RefusedError, Turns, Visitor
from wsis.explorer.watch import Watch, sizes, watched


def who(name: str, page: str = "") -> Visitor:
    return Visitor(page or name, name)


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
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
        return caught.value

    async def end(self) -> list[str]:
        self._go_on.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.turns.waiting == 0 and self.turns.busy_for == 0
        return self.served


# --- turns ----------------------------------------------------------------------------------------------------------


def test_one_at_a_time_in_the_order_of_asking():
    async def go():
        crowd = Crowd()
        for name in "abcd":
            await crowd.ask(who(name), name)
        assert crowd.served == ["a"] and crowd.turns.waiting == 3
        assert [crowd.turns.place(name).place for name in "abcd"] == [0, 1, 2, 3]
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
    assert before == [0, 1, 2] and late == [0, 1, 2]
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
        assert error.reason == reason and sentence in str(error) and error.seconds >= 1
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
        assert isinstance(gone.exception(), RefusedError) and gone.exception().reason == "left"
        assert cut.cancelled() and running.cancelled() and last.done()
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


# --- the desk -------------------------------------------------------------------------------------------------------


def request(page="tab", host="10.0.0.1"):
    return SimpleNamespace(session_hash=page, client=SimpleNamespace(host=host))


def figures(watch: Watch) -> dict[str, float]:
    families = text_string_to_metric_families(watch.text().decode())
    return {
        one.name + "".join(f"/{value}" for value in one.labels.values()): one.value
        for family in families
        for one in family.samples
    }


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
    assert first["kind"] == "analysis" and notice["kind"] == "notice" and late["kind"] == "busy"
    assert (failed, mistake) == (FAILED, "secret token")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["outcome"] for line in lines] == ["ok", "mistake", "failed", "mistake", "refused"]
    assert lines[0]["sizes"] == {"width": 64, "height": 48, "peaks": 2, "proposals": 7}
    assert set(lines[0]["seconds"]) == {"waited", "worked"} and lines[4]["reason"] == "minute"
    assert set(lines[0]) == {"time", "act", "outcome", "seconds", "sizes", "visitor"}
    assert len({line["visitor"] for line in lines}) == 1 and len(lines[0]["visitor"]) == 12
    told = figures(desk.watch)
    assert "secret" not in log.getvalue() and "10.0.0.1" not in log.getvalue() and "tab" not in log.getvalue()
    assert told["wsis_requests_total/upload/ok"] == told["wsis_requests_total/upload/refused"] == 1
    assert told["wsis_requests_total/upload/mistake"] == 2 and told["wsis_refused_total/minute"] == 1
    assert told["wsis_seconds_count/worked"] == 4 and told["wsis_visitors"] == 1 and told["wsis_queue_limit"] == 40
    assert told["process_resident_memory_bytes"] > 10**7


def test_two_processes_give_one_visitor_two_names():
    def line():
        log = io.StringIO()
        with Watch(log).request("ask", "tab"):
            pass
        return json.loads(log.getvalue())["visitor"]

    assert line() != line()


def test_stages_of_the_pipeline_count_once():
    """An analysis from evidence that was there already took no time for the evidence."""
    evidence = SimpleNamespace(seconds={"classes": 9.0})
    analyse = watched(lambda given: SimpleNamespace(seconds={**given.seconds, "match": 0.5}))

    async def go():
        desk = Desk()
        await desk.heavy("class", lambda: analyse(evidence) and {})(request())
        return figures(desk.watch)

    told = asyncio.run(go())
    assert told["wsis_seconds_sum/match"] == 0.5 and "wsis_seconds_sum/classes" not in told
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
        assert not cut.done() and not after.done() and desk.turns.waiting == 1
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


def test_sizes_of_anything():
    assert sizes("text") == sizes(None) == sizes([{}]) == sizes({}) == {}
    assert sizes({"size": [3, 2], "peaks": [{}], "proposals": 9}) == {
        "width": 3, "height": 2, "peaks": 1, "proposals": 9
    }  # fmt: skip


# --- uploads --------------------------------------------------------------------------------------------------------


def put(folder, name, size, age=0.0):
    path = folder / name / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


def test_the_oldest_uploads_go_and_the_young_stay(tmp_path):
    shelf = uploads.Shelf(1, tmp_path)
    oldest, old, young = (put(tmp_path, name, 400_000, age) for name, age in (("c", 9000), ("a", 8000), ("b", 10)))
    assert shelf.bytes == 1_200_000
    with shelf.arrival("anna", 200_000):
        assert not oldest.parent.exists() and old.exists() and young.exists()
        with pytest.raises(RefusedError, match="as many uploads as it can"), shelf.arrival("ben", 250_000 * 2 // 2):
            put(tmp_path, "d", 500_000)
            with shelf.arrival("cleo", 200_000):
                pytest.fail("there is no room")
    assert young.exists()


def test_one_address_fills_no_more_than_its_share(tmp_path):
    shelf = uploads.Shelf(4, tmp_path)
    with shelf.arrival("anna", 2**20 - 10), pytest.raises(RefusedError, match="Your address has uploaded much"):
        shelf.arrival("anna", 100).__enter__()
    with shelf.arrival("ben", 2**20), shelf.arrival(None, 2**20 + 5):
        pass


def test_a_full_disk_takes_no_upload(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda folder: SimpleNamespace(free=uploads.FREE + 50))
    shelf = uploads.Shelf(4, tmp_path)
    with shelf.arrival("anna", 40), pytest.raises(RefusedError, match="no room for uploads"):
        shelf.arrival("ben", 20).__enter__()


def test_many_tiny_files_go_too(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "FILES", 3)
    files = [put(tmp_path, str(number), 1, 100 - number) for number in range(5)]
    with uploads.Shelf(1, tmp_path).arrival("anna", 1):
        assert [file.exists() for file in files] == [False, False, True, True, True]


def test_a_photo_with_too_many_pixels_is_refused_from_its_header(monkeypatch):
    from pathlib import Path

    folder = Path(get_upload_folder()) / "wsis-tests"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "large.png"
    path.write_bytes(encoded(picture(300, 400), "PNG"))
    assert uploads.photo(path, 120_000).shape == (300, 400, 3)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(WsisError, match=r"400 x 300 pixels; at most 0\.1 megapixels are taken here"):
        uploads.photo(path, 100_000)


# --- beside the page ------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    def serve(desk=None, host="127.0.0.1", **options):
        desk = desk or Desk()
        shelf = uploads.Shelf(1, tmp_path)
        app = FastAPI(**web.app_options(desk, shelf, most=1000, model="tiny", **options))
        app.post("/gradio_api/upload")(lambda: "arrived")
        transport = httpx.ASGITransport(app, client=(host, 5000))

        def ask(method, path, **more):
            async def go():
                async with httpx.AsyncClient(transport=transport, base_url="http://wsis") as client:
                    return await client.request(method, path, **more)

            return anyio.run(go)

        return ask

    return serve


def test_health_is_ok_stuck_or_stopping(served):
    now = SimpleNamespace(seconds=0.0)
    desk = Desk(Turns(clock=lambda: now.seconds))
    ask = served(desk, door=Door([("anna", "secret")], pause=0), host="10.1.1.1")
    assert ask("GET", "/health").json() == {"status": "ok", "model": "tiny", "waiting": 0}

    async def hang():
        async with desk.turns.take(who("a")):
            await asyncio.sleep(60)

    async def go():
        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0)
        now.seconds = web.STUCK + 1
        answer = await asyncio.to_thread(ask, "GET", "/health")
        hanging.cancel()
        return answer

    stuck = asyncio.run(go())
    assert stuck.status_code == 503 and stuck.json()["status"] == "stuck"
    assert ask("GET", "/health").status_code == 200
    desk.stopping = True
    assert ask("GET", "/health").status_code == 503


@pytest.mark.parametrize(
    ("host", "by_address", "headers", "status"),
    [
        ("127.0.0.1", True, {}, 200),
        ("::1", True, {}, 200),
        ("10.1.1.1", True, {}, 401),
        ("127.0.0.1", False, {}, 401),  # a proxy on this machine passes everybody on
        ("127.0.0.1", True, {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("10.1.1.1", True, {"Authorization": "Basic YW5uYTpzZWNyZXQ="}, 200),  # anna:secret
        ("10.1.1.1", True, {"Authorization": "Basic YW5uYTpndWVzcw=="}, 401),  # anna:guess
        ("10.1.1.1", True, {"Authorization": "Basic ?"}, 401),
        ("10.1.1.1", True, {"Authorization": "Bearer YW5uYTpzZWNyZXQ="}, 401),
    ],
)
def test_metrics_are_for_this_machine_and_for_who_may_enter(served, host, by_address, headers, status):
    ask = served(Desk(by_address=by_address), host, door=Door([("anna", "secret")], pause=0))
    answer = ask("GET", "/metrics", headers=headers)
    assert answer.status_code == status and ("wsis_queue_waiting" in answer.text) == (status == 200)


def test_without_passwords_metrics_are_for_this_machine_only(served):
    assert served(host="10.1.1.1")("GET", "/metrics").status_code == 403


def test_uploads_are_refused_before_they_arrive(served):
    desk = Desk()
    ask = served(desk)
    upload = {"method": "POST", "path": "/gradio_api/upload"}
    assert ask(**upload, content=b"x" * 900).json() == "arrived"
    large = ask(**upload, content=b"x" * (web.ROOM + 1001))
    assert large.status_code == 413 and large.text.endswith("Make it smaller.")
    assert ask(**upload, headers={"Content-Length": ""}).status_code == 411
    full = [ask(**upload, content=b"x" * 60_000) for _ in range(6)][-1]
    assert full.status_code == 503 and "Your address has uploaded much" in full.text and full.headers["Retry-After"]
    assert figures(desk.watch)["wsis_refused_total/size"] == 1
    assert figures(desk.watch)["wsis_refused_total/uploads"] >= 1


def test_the_place_is_told_to_whom_the_ticket_belongs(served):
    assert served()("GET", "/place?ticket=mine").json() == {"place": 0, "waiting": 0, "seconds": 0}


# --- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_more_visitors_than_fit_are_all_served_and_see_their_own_photo(tiny_checkpoint):
    photos = list(itertools.islice(visitors._photos(None), 4))
    options = ("--model", str(tiny_checkpoint), "--device", "cpu", "--queue", "1")
    with visitors.served(*options, "--memory", "1024") as address:
        figures = asyncio.run(visitors._all(address, photos, guesses=3))
    assert figures["errors"] == [] and figures["mixed_up"] == figures["guessed"] == 0
    assert figures["served"] == figures["distinct"] == 4 and figures["refused"] and figures["most_waiting"] <= 1
    assert all(row.held for row in visitors.rows(figures)) and "| first map |" in visitors.details(figures)
    assert figures["analyses"] >= 4 and figures["analyses_mb"] > 1
    wrong = {**figures, "mixed_up": 1}
    assert [row.held for row in visitors.rows(wrong)] == [False, True]
