"""What the server answers beside Gradio's page, on the same port: `/health`, `/metrics`, `/place`; and uploads bounded.

`health` and `place` ask for no password: the one is for whoever keeps the server running, the other tells only a number
to the page that drew it.
"""

from __future__ import annotations

import base64
import ipaddress
import logging
from typing import Any

import gradio as gr
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wsis.explorer.server.auth import Door
from wsis.explorer.server.desk import Desk
from wsis.explorer.server.guard import Guard
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.server.uploads import Shelf

PATIENCE = 2
"""Seconds that answers under way may still take when the server is stopped; an open page's heartbeat never ends."""
STUCK = 120.0
"""Seconds after which a request that is being served counts as stuck."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
ROOM = 64 * 2**10
"""Bytes that an upload may have beside its file."""


def app_options(
    desk: Desk,
    shelf: Shelf,
    *,
    most: int,
    model: str = "",
    door: Door | None = None,
) -> dict[str, Any]:
    """What `launch` needs as `app_kwargs`.

    Args:
        desk: whose queue and figures are shown.
        shelf: the folder of uploads.
        most: bytes of the largest upload.
        model: its name, for `/health`.
        door: who may enter, and so read `/metrics`; None where everybody may enter.
    """

    async def health(_: Request) -> Response:
        stuck = desk.turns.busy_for > STUCK
        status = "stopping" if desk.stopping else "stuck" if stuck else "ok"
        told = {"status": status, "model": model, "waiting": desk.turns.waiting}
        return JSONResponse(told, 200 if status == "ok" else 503)

    async def metrics(request: Request) -> Response:
        if not _local(request, desk.address(request)) and not await _known(request, door):
            refusal = {"WWW-Authenticate": 'Basic realm="wsis"'} if door else {}
            text = "Figures are for callers on this machine, and for those who may enter by --auth."
            return PlainTextResponse(text, 401 if door else 403, refusal)
        return Response(desk.watch.text(), media_type=CONTENT_TYPE_LATEST)

    async def place(request: Request) -> Response:
        ticket = request.query_params.get("ticket", "")
        at, known = desk.turns.place(ticket), desk.turns.knows(ticket)
        told = {"place": at.place, "waiting": at.waiting, "seconds": at.seconds}
        return JSONResponse({**told, "known": known, "server": desk.name})

    return {
        "routes": [Route("/health", health), Route("/metrics", metrics), Route("/place", place)],
        "middleware": [Middleware(Guard), Middleware(Uploads, desk=desk, shelf=shelf, most=most)],
    }


def stop(page: gr.Blocks) -> None:
    """End what `page.launch` began, and with it the connections of pages that are open."""
    page.server.config.timeout_graceful_shutdown = PATIENCE
    said = logging.getLogger("uvicorn.error")  # it would print a traceback for each answer cut off
    was, said.disabled = said.disabled, True
    try:
        page.close(verbose=False)
    finally:
        said.disabled = was


class Uploads:
    """ASGI middleware that refuses an upload before it arrives: too large, or no room for it."""

    def __init__(self, app: ASGIApp, *, desk: Desk, shelf: Shelf, most: int) -> None:
        """Stand before `app`."""
        self._app, self._desk, self._shelf, self._most = app, desk, shelf, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at POST requests to Gradio's upload address; everything else passes."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/gradio_api/upload"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            text = "An upload must say how long it is (Content-Length)."
            await PlainTextResponse(text, 411)(scope, receive, send)
            return
        if int(length) > self._most + ROOM:
            self._desk.watch.refused("size")
            text = f"The file is too large: at most {self._most / 2**20:g} MB are taken. Make it smaller."
            await PlainTextResponse(text, 413)(scope, receive, send)
            return
        try:
            with self._shelf.arrival(self._desk.address(request), int(length)):
                await self._app(scope, _unbroken(receive), send)
        except RefusedError as error:
            self._desk.watch.refused(error.reason)
            while (await receive()).get("more_body"):  # browsers that are cut off show no answer
                pass
            wait = {"Retry-After": str(error.seconds)}
            await PlainTextResponse(str(error), 503, wait)(scope, receive, send)


def _unbroken(receive: Receive) -> Receive:
    """Messages of an upload; one that breaks off is an error for which Gradio deletes what has arrived."""
    left = True

    async def part() -> Message:
        nonlocal left
        message = await receive()
        if left and message["type"] == "http.disconnect":
            raise MultiPartException("The upload broke off.")
        left = left and message.get("more_body", False)
        return message

    return part


def _local(request: Request, address: str | None) -> bool:
    """Whether a request comes from this machine, and no proxy has passed it on."""
    try:
        here = ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        here = False
    return here and not any(name in request.headers for name in FORWARDED)


async def _known(request: Request, door: Door | None) -> bool:
    """Whether a request carries a name with its password; guesses stand in the same lines as those of the login."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if door is None or kind.lower() != "basic":
        return False
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except ValueError:
        return False
    return await door.enter(user, password)
