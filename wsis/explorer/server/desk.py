"""Between the events of pages and programs and what answers them: limits, turns, and what operators get to know."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from typing import Any

import gradio as gr
from anyio import CapacityLimiter, to_thread
from gradio.blocks import Block

from wsis.explorer.server.turns import RefusedError, Turns, Visitor
from wsis.explorer.server.watch import Noted, Watch, sizes

HANDS = 8
"""How many requests that need no network are answered at a time."""
Work = Callable[..., Any]

FAILED = "The server could not do that. Try again, or choose another photo."


def raised(error: RefusedError, *_: Any) -> Any:
    """Refuse a program, or a page where there is nothing to say it with."""
    raise gr.Error(str(error), print_exception=False) from error


class Desk:
    """Takes requests on, by queue and quotas; or refuses them with one sentence.

    Attributes:
        turns: the queue for the networks.
        watch: who counts.
        stopping: whether the server is about to end, for `/health`.
        name: tells this run of the server from one before, for pages that outlive it.
    """

    def __init__(self, turns: Turns | None = None, watch: Watch | None = None, *, by_address: bool = True) -> None:
        """Serve by these limits.

        Args:
            turns: the queue for the networks.
            watch: who counts.
            by_address: whether the address of a request is its visitor's, and not that of a proxy before all of them.
        """
        self.turns, self.watch = turns or Turns(), watch or Watch()
        self._by_address = by_address
        self.stopping = False
        self.name = secrets.token_hex(8)
        # One thread for good: each that has used torch once keeps memory and helpers of its own.
        self._lane, self._hands = ThreadPoolExecutor(1, "lane"), CapacityLimiter(HANDS)
        self.watch.gauge("wsis_queue_waiting", "Requests that wait for the networks", lambda: self.turns.waiting)
        self.watch.gauge("wsis_queue_limit", "Most that may wait", lambda: self.turns.limits.waiting)
        self.watch.gauge("wsis_busy_seconds", "Age of the request being served", lambda: self.turns.busy_for)

    def heavy(
        self, act: str | Callable[..., str], work: Work, *, refused: Work = raised, ready: Work | None = None
    ) -> Work:
        """An event that needs the networks: one at a time, in turn.

        Args:
            act: what it is called in figures and logs, or how to tell from its arguments.
            work: answers it; runs in a thread.
            refused: the answer of the same form to one that is not taken on; gets the error and the arguments.
            ready: whether the answer is there already, so that it needs no turn.
        """

        async def answer(visitor: Visitor, noted: Noted, given: tuple) -> Any:
            if ready is not None and ready(*given):
                return await self._beside(work, visitor, given)
            async with self.turns.take(visitor, ticket(_event(given))) as waited:
                noted.seconds["waited"] = waited
                try:
                    return await self._in_lane(work, given)
                finally:
                    noted.seconds["worked"] = self.turns.busy_for

        return self._event(act, work, refused, answer)

    def light(self, act: str | Callable[..., str], work: Work, *, refused: Work = raised) -> Work:
        """An event that needs no network: at once, but not too many from one address."""

        async def answer(visitor: Visitor, _noted: Noted, given: tuple) -> Any:
            return await self._beside(work, visitor, given)

        return self._event(act, work, refused, answer)

    def closing(self, work: Work) -> Work:
        """The event of a page that was closed: what waits for it is given up first."""

        async def closed(request: gr.Request) -> None:
            self.turns.leave(request.session_hash or "")
            await to_thread.run_sync(work, request, limiter=self._hands)

        return closed

    def visitor(self, request: gr.Request | None) -> Visitor:
        """Who sent a request."""
        page = getattr(request, "session_hash", None) or ""
        return Visitor(page, self.address(request) or page)

    def address(self, request: Any) -> str | None:
        """Where a request, Gradio's or Starlette's, comes from; None where that is not known."""
        client = getattr(request, "client", None)
        return client.host if self._by_address and client else None

    async def _in_lane(self, work: Work, given: tuple) -> Any:
        """Run it in the networks' thread.

        A caller that goes away keeps its turn until the work ends, for a thread cannot be stopped.
        """
        running = asyncio.get_running_loop().run_in_executor(self._lane, copy_context().run, work, *given)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _beside(self, work: Work, visitor: Visitor, given: tuple) -> Any:
        with self.turns.beside(visitor):
            return await to_thread.run_sync(work, *given, limiter=self._hands)

    def _event(self, act: str | Callable[..., str], work: Work, refused: Work, answer: Work) -> Work:
        """`answer` as an event of Gradio's, which passes the request to a parameter of its type."""

        @wraps(work)
        async def taken(visit: gr.Request, *given: Any) -> Any:
            visitor = self.visitor(visit)
            with self.watch.request(act if isinstance(act, str) else act(*given), visitor.page) as noted:
                try:
                    answered = await answer(visitor, noted, given)
                except RefusedError as error:
                    noted.outcome, noted.reason = "refused", error.reason
                    return refused(error, *given)
                except gr.Error:
                    noted.outcome = "mistake"
                    raise
                except Exception as error:  # its own words may name folders of the server; the log has them
                    noted.outcome = "failed"
                    raise gr.Error(FAILED) from error
                message = _message(answered)
                noted.sizes = sizes(message)
                if isinstance(message, dict) and message.get("kind") in ("notice", "gone"):
                    noted.outcome = "mistake"
                return answered

        visit = inspect.Parameter("visit", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
        signature = inspect.signature(work)
        taken.__signature__ = signature.replace(parameters=[visit, *signature.parameters.values()])  # type: ignore[attr-defined]
        taken.__annotations__ = {"visit": gr.Request, **taken.__annotations__}
        return taken


def sent(event: gr.EventData) -> dict[str, Any]:
    """What the page sent with an event; anybody can send anything there."""
    data = vars(event).get("_data")  # Gradio shows single values of it only
    return data if isinstance(data, dict) else {}


def ticket(event: gr.EventData | None) -> str:
    """What the page calls its request; empty where it says nothing."""
    return "" if event is None else str(sent(event).get("ticket") or "")[:64]


def _event(arguments: tuple) -> gr.EventData | None:
    return next((argument for argument in arguments if isinstance(argument, gr.EventData)), None)


def _message(answered: Any) -> Any:
    """What an answer says: itself, or what one of the components that it changes gets for a message."""
    if isinstance(answered, dict) and all(isinstance(component, Block) for component in answered):
        return next((value for value in answered.values() if isinstance(value, dict) and "kind" in value), None)
    return answered
