"""What is answered beside the page: health, figures, bounds of uploads, places."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import anyio
import httpx
import pytest
from fastapi import FastAPI

from tests.helpers.visits import figures, who
from wsis.explorer.server import uploads, web
from wsis.explorer.server.auth import Door
from wsis.explorer.server.desk import Desk
from wsis.explorer.server.turns import Turns


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
    assert stuck.status_code == 503
    assert stuck.json()["status"] == "stuck"
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
    assert answer.status_code == status
    assert ("wsis_queue_waiting" in answer.text) == (status == 200)


def test_without_passwords_metrics_are_for_this_machine_only(served):
    assert served(host="10.1.1.1")("GET", "/metrics").status_code == 403


def test_uploads_are_refused_before_they_arrive(served):
    desk = Desk()
    ask = served(desk)
    upload = {"method": "POST", "path": "/gradio_api/upload"}
    assert ask(**upload, content=b"x" * 900).json() == "arrived"
    large = ask(**upload, content=b"x" * (web.ROOM + 1001))
    assert large.status_code == 413
    assert large.text.endswith("Make it smaller.")
    assert ask(**upload, headers={"Content-Length": ""}).status_code == 411
    full = [ask(**upload, content=b"x" * 60_000) for _ in range(6)][-1]
    assert full.status_code == 503
    assert "Your address has uploaded much" in full.text
    assert full.headers["Retry-After"]
    assert figures(desk.watch)["wsis_refused_total/size"] == 1
    assert figures(desk.watch)["wsis_refused_total/uploads"] >= 1


def test_the_place_is_told_to_whom_the_ticket_belongs(served):
    desk = Desk()
    told = {"place": 0, "waiting": 0, "seconds": 0, "known": False, "server": desk.name}
    assert served(desk)("GET", "/place?ticket=mine").json() == told
    assert Desk().name != desk.name
