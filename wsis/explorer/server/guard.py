"""What a browser is told about every answer, and the addresses of Gradio's that this explorer does not need."""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED = re.compile(
    r"/gradio_api/(file[=/][a-z][a-z0-9+.-]+:|proxy=|process_recording|run-history|runs|vibe-|undo-vibe-|dev/)|/monitoring",
    re.IGNORECASE,
)
"""Fetches from other hosts (`file=https://...`, `proxy=`), a video converter, and what is for its developers only."""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Gradio's page and its `js=` need both
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co",  # a Space shows it in a frame
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "referrer-policy": "same-origin",  # a shared link holds the token of an analysis
    "x-content-type-options": "nosniff",
}


class Guard:
    """ASGI middleware: 404 for what is `CLOSED`, `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the address; add headers where the answer has none of that name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if CLOSED.search(scope["path"]):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)
