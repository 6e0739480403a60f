"""A served explorer and visitors with a real browser, who notice every script error and every foreign request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app import examples
from tests.helpers import ROOT
from wsis.explorer.handlers import Handlers
from wsis.explorer.layout import build, launch_options
from wsis.explorer.models import Models
from wsis.explorer.server.desk import Desk
from wsis.explorer.server.turns import Limits, Turns
from wsis.explorer.server.web import stop
from wsis.pipeline import Pipeline

READY = """() => {
  const D = globalThis.wsis?.data;
  return D && !D.busy && (D.empty || D.match && document.querySelector('.film button'));
}"""
PIXELS = """() => {
  const c = document.querySelector('canvas.main'), {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  const numbers = new Int32Array(data.buffer);
  let sum = 0;
  for (const number of numbers) sum = Math.imul(sum, 31) + number | 0;
  return sum;
}"""
STATE = """() => ({
  ...wsis.state, found: wsis.now.right.found.map(one => [one.peak, one.id]), photo: wsis.data.photo?.name,
  peaks: wsis.data.peaks.length, on: wsis.data.on, reading: wsis.data.reading, t: wsis.now.right.step,
})"""

PATIENCE = 90
"""Seconds within which every answer must have come."""
SETTLES = 200
"""Milliseconds after which the page has told Python where the visitor let go."""
STREAM_CUT = ("AbortError", "Connection errored out")
"""What Gradio's script logs when a page goes that has a stream of answers open."""


def photos() -> dict[str, Path]:
    """The app's examples behind one that tests know well: two classes, several peaks, weak and sure masks."""
    first = ROOT / "tests" / "data" / "1-astronaut-and-cat.jpg"
    return {first.stem: first, **examples()}


@dataclass
class Site:
    """A served explorer."""

    address: str
    handlers: Handlers
    blocks: gr.Blocks

    def analysis(self, page: Any) -> Any:
        """What the server keeps for what the page shows."""
        return self.handlers.store.get(page.evaluate("wsis.state.token")).analysis

    def idle(self, session: str) -> bool:
        """Whether Gradio's queue has nothing in hand for a page, and nothing to tell it."""
        queue = self.blocks._queue
        in_hand = any(event.session_hash == session for event in list(queue.event_ids_to_events.values()))
        untold = queue.pending_messages_per_session.get(session)
        return not (in_hand or (untold and untold.qsize()) or queue.pending_event_ids_session.get(session))

    def unanswered(self) -> list[str]:
        """What Gradio's queue has in hand, and what it has not told yet: for a failure's message."""
        queue = self.blocks._queue
        events = [f"{event.fn.api_name} {event.alive=} {event.request}" for event in queue.event_ids_to_events.values()]
        waiting = {name: len(of.queue) for name, of in queue.event_queue_per_concurrency_id.items() if of.queue}
        untold = {name: told.qsize() for name, told in queue.pending_messages_per_session.items() if told.qsize()}
        return [*events, f"waiting {waiting}", f"untold {untold}", f"pending {queue.pending_event_ids_session}"]


@contextmanager
def serve(pipeline: Pipeline | Models, port: int | None = None, limits: Limits | None = None) -> Iterator[Site]:
    """The explorer on a port of this machine, in this process."""
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    handlers = Handlers(pipeline, photos(), desk=Desk(Turns(limits or Limits(minute=None))))
    page = build(handlers, local=True)
    handlers.warm().join()
    page.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_options(handlers)
    )
    try:
        yield Site(f"http://127.0.0.1:{port}/", handlers, page)
    finally:
        stop(page)
        handlers.store.close()


@dataclass
class Visitors:
    """Opens pages of one explorer, each in a browser profile of its own unless told otherwise."""

    browser: Any
    site: Site
    contexts: list[Any] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    forgiven: tuple[str, ...] = ()
    answering: set[Any] = field(default_factory=set)
    """Pages and their requests to Gradio's queue that have no answer yet."""
    heard: float = 0.0
    """When the last of these was sent or answered, s: what Python took on is listened to only then."""

    def context(self, width: int = 1440, height: int = 900, **options: Any) -> Any:
        """A browser profile whose pages are watched."""
        made = self.browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", accept_downloads=True, **options
        )
        made.set_default_timeout(90_000)
        made.on("page", self._watch)
        self.contexts.append(made)
        return made

    def __call__(self, link: str = "", *, wait: str = READY, context: Any = None, **options: Any) -> Any:
        """A page, open and ready; `link` is what follows the address."""
        page = (context or self.context(**options)).new_page()
        page.goto(self.site.address + link)
        wait_until(page, wait)
        return page

    def reload(self, page: Any) -> None:
        """Load it again once Python has answered everything: a reload that cuts off an answer is an error to Gradio."""
        forgiven = self.forgiven
        self.answered(page)
        page.reload()
        wait_until(page, READY)
        self.forgiven = forgiven

    def answered(self, page: Any) -> None:
        """Wait until Python has answered everything that a page asked for.

        What never gets an answer is named, where a test would only hang. A stream of answers that Gradio opened after
        the last one had come by the stream before never ends: nothing is lost with it, and that Gradio complains when
        the page or the server goes is forgiven from here on.
        """
        page.wait_for_timeout(SETTLES)
        until = time.monotonic() + PATIENCE
        while True:
            left = [asked.url for of, asked in self.answering if of is page]
            if not left and time.monotonic() - self.heard > SETTLES / 1000:
                break
            streams = [url.partition("/queue/data?session_hash=")[2] for url in left]
            if left and all(session and self.site.idle(session) for session in streams):
                page.wait_for_timeout(SETTLES)  # a last answer may be on its way
                self.forgiven += STREAM_CUT
                break
            assert time.monotonic() < until, f"no answer within {PATIENCE} s to {left}: {self.site.unanswered()}"
            page.wait_for_timeout(20)

    def _watch(self, page: Any) -> None:
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("console", lambda said: self._note(f"console: {said.text}") if said.type == "error" else None)
        page.on("request", lambda asked: self._asked(page, asked))
        page.on("requestfinished", lambda asked: self._answered(page, asked))
        page.on("requestfailed", lambda asked: self._answered(page, asked))

    def _asked(self, page: Any, asked: Any) -> None:
        if "/queue/" in asked.url:
            self.heard = time.monotonic()
            self.answering.add((page, asked))
        if not asked.url.startswith((self.site.address, "data:", "blob:", "file:")):
            self._note(f"request: {asked.url}")

    def _answered(self, page: Any, asked: Any) -> None:
        if (page, asked) in self.answering:
            self.heard = time.monotonic()
            self.answering.remove((page, asked))

    def _note(self, text: str) -> None:
        if not any(part in text for part in self.forgiven):
            self.wrong.append(text)


def upload(page: Any, name: str, content: bytes, *, wait: bool = True) -> None:
    """Choose a photo through the file input, and wait until its instances are there."""
    serial = page.evaluate("wsis.data.photo?.serial ?? 0")
    page.set_input_files("#photo input.file", {"name": name, "mimeType": "image/*", "buffer": content})
    if wait:
        wait_until(page, f"() => wsis.data.photo?.serial > {serial} && ({READY})()")


def state(page: Any) -> dict[str, Any]:
    """What the page shows."""
    return page.evaluate(STATE)


def changed(page: Any, act: Callable[[], object]) -> None:
    """Do it, and wait until the stage shows other pixels."""
    before = page.evaluate(PIXELS)
    act()
    wait_until(page, f"() => ({PIXELS})() !== {before}")


def wait_until(page: Any, predicate: str, **options: Any) -> None:
    """Wait until it is true in the page; what it reads may not be there yet, which is no error but "not yet"."""
    page.wait_for_function(
        f"""asked => {{
  try {{
    const told = ({predicate});
    return typeof told === 'function' ? told(asked) : told;
  }} catch {{ return false; }}
}}""",
        **options,
    )


def shown(page: Any, condition: str) -> None:
    """Wait until it is so, in terms of what the page knows."""
    wait_until(page, f"() => {{ const S = wsis.state, D = wsis.data, now = wsis.now; return {condition}; }}")


def anew(page: Any, act: Callable[[], object]) -> None:
    """Do it, and wait for the analysis that it makes."""
    before = page.evaluate("wsis.state.token")
    act()
    shown(page, f"!D.busy && S.token && S.token !== {json.dumps(before)} && now.part")


def tab(page: Any, name: str) -> None:
    """Open a tab below the stage, on narrow screens from the menu behind the dots."""
    own = page.locator("#tabs").get_by_role("tab", name=name)
    if not own.count():
        page.get_by_role("button", name="More tabs").click()
        own = page.locator("#tabs .overflow-dropdown button", has_text=name)
    own.click()


def fetched(page: Any, selector: str, folder: Any) -> Any:
    """Click a download; returns the path of the file under the name that the visitor sees."""
    with page.expect_download() as waiting:
        page.locator(selector).first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def until(condition: Callable[[], Any], seconds: float = 45) -> None:
    """Wait for something that happens in this process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


AXE_COLOURS = ("color-contrast", "link-in-text-block")
"""Axe's rules whose outcome depends on colours."""


def violations(page: Any, where: str, context: Any = None, rules: list[str] | tuple[str, ...] | None = None) -> list:
    """What axe finds serious or worse, by these rules or by all."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    result = axe.run(page, context=context, options={"resultTypes": ["violations"], **only})
    return [
        (where, one["id"], len(one["nodes"]), one["nodes"][0]["html"][:160], one["nodes"][0]["failureSummary"][:300])
        for one in result.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
