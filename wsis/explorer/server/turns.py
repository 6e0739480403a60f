"""Whose turn it is: the networks serve one request at a time, addresses in turn, and no more wait than fit."""

from __future__ import annotations

import asyncio
import math
import time
from bisect import insort
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from wsis.errors import WsisError

MINUTE = 60.0


@dataclass(frozen=True)
class Limits:
    """How much is taken on.

    Attributes:
        waiting: most requests that wait for the networks at once.
        page: of these, most from one page (or one session of a program).
        address: of these, most from one address.
        minute: most requests to the networks from one address in a minute; None for any number.
        beside: most requests at once from one address that need no network, such as `rank`.
    """

    waiting: int = 40
    page: int = 8
    address: int = 20
    minute: int | None = 120
    beside: int = 16


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        page: an open page, or a session of a program.
        address: where the request comes from; the page again where addresses tell nothing, behind a proxy.
    """

    page: str
    address: str


class RefusedError(WsisError):
    """A request that was not taken on.

    Attributes:
        reason: which limit: `full`, `page`, `address`, `minute`, `beside`, `uploads`, `disk`, or `left` for a page that
            was closed while it waited.
        seconds: when another try may succeed, about.
    """

    def __init__(self, reason: str, text: str, seconds: float = 1.0) -> None:
        """Say why, in one sentence for people."""
        super().__init__(text)
        self.reason, self.seconds = reason, math.ceil(seconds)


@dataclass(frozen=True)
class Place:
    """Where a request stands.

    Attributes:
        place: 1 for the next; 0 for one that does not wait.
        waiting: how many wait.
        seconds: until its turn, about.
    """

    place: int
    waiting: int
    seconds: int


@dataclass(order=True)
class _Ticket:
    round: int
    number: int
    visitor: Visitor = field(compare=False)
    name: str = field(compare=False)
    called: asyncio.Future[None] = field(compare=False)


class Turns:
    """The queue for the networks. All methods belong to one event loop.

    Fair between addresses: each request belongs to a round, an address has one request in a round, and rounds are
    served one after the other. So somebody who asks once never waits behind all that another has asked for before.
    """

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody waits yet; `clock` gives seconds that never go back."""
        self.limits, self._clock = limits or Limits(), clock
        self._waiting: list[_Ticket] = []
        self._running: _Ticket | None = None
        self._since = 0.0
        self._mean = 1.0
        self._number = self._round = 0
        self._rounds: dict[str, int] = {}
        self._recent: dict[str, deque[float]] = {}
        self._beside: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def busy_for(self) -> float:
        """Seconds since the request that is being served got its turn; 0 where none is."""
        return self._clock() - self._since if self._running else 0.0

    @asynccontextmanager
    async def take(self, visitor: Visitor, name: str = "") -> AsyncIterator[float]:
        """Wait for a turn and hold it; the seconds waited.

        Args:
            visitor: who asks.
            name: what `place` finds it by.

        Raises:
            RefusedError: a limit is reached, or the page was closed meanwhile.
        """
        asked = self._clock()
        ticket = self._join(visitor, name)
        try:
            await ticket.called
            yield self._clock() - asked
        finally:
            self._done(ticket)

    @contextmanager
    def beside(self, visitor: Visitor) -> Iterator[None]:
        """Count a request that needs no network.

        Raises:
            RefusedError: too many of them come from this address.
        """
        if self._beside[visitor.address] >= self.limits.beside:
            raise RefusedError("beside", "Too many requests come from your address at once. Try again in a second.")
        self._beside[visitor.address] += 1
        try:
            yield
        finally:
            self._beside[visitor.address] -= 1
            if not self._beside[visitor.address]:
                del self._beside[visitor.address]

    def place(self, name: str) -> Place:
        """Where the request of this name stands."""
        at = next((i for i, ticket in enumerate(self._waiting, 1) if name and ticket.name == name), 0)
        return Place(at, self.waiting, math.ceil(self._left(at)) if at else 0)

    def knows(self, name: str) -> bool:
        """Whether the request of this name waits or is being served."""
        return bool(name) and any(one.name == name for one in (self._running, *self._waiting) if one)

    def leave(self, page: str) -> None:
        """A page was closed: what waits for it is given up."""
        for ticket in [one for one in self._waiting if one.visitor.page == page]:
            self._waiting.remove(ticket)
            ticket.called.set_exception(RefusedError("left", "The page was closed."))

    def _join(self, visitor: Visitor, name: str) -> _Ticket:
        self._check(visitor)
        turn = max(self._round, self._rounds.get(visitor.address, -1) + 1)
        self._number += 1
        ticket = _Ticket(turn, self._number, visitor, name, asyncio.get_running_loop().create_future())
        self._rounds[visitor.address] = turn
        if self.limits.minute is not None:
            self._recent.setdefault(visitor.address, deque(maxlen=self.limits.minute)).append(self._clock())
        insort(self._waiting, ticket)
        if self._running is None:
            self._call()
        return ticket

    def _check(self, visitor: Visitor) -> None:
        limits, now = self.limits, self._clock()
        self._recent = {address: times for address, times in self._recent.items() if now - times[-1] < MINUTE}
        times = self._recent.get(visitor.address, deque[float]())
        if limits.minute is not None and len(times) >= limits.minute and now - times[0] < MINUTE:
            left = math.ceil(MINUTE - (now - times[0]))
            text = f"Your address may ask for {limits.minute} analyses a minute. Try again in {_seconds(left)}."
            raise RefusedError("minute", text, left)
        if self._running is None:
            return
        soon = self._left(self.waiting)
        if sum(one.visitor.page == visitor.page for one in self._waiting) >= limits.page:
            raise RefusedError(
                "page", f"This page has {limits.page} requests waiting already. Try again when one is done.", soon
            )
        if sum(one.visitor.address == visitor.address for one in self._waiting) >= limits.address:
            text = f"{limits.address} requests from your address are waiting already."
            raise RefusedError("address", f"{text} Try again in about {_seconds(soon)}.", soon)
        if self.waiting >= limits.waiting:
            text = f"The server is busy: {self.waiting} are waiting, and it takes no more."
            raise RefusedError("full", f"{text} Try again in about {_seconds(soon)}.", soon)

    def _left(self, ahead: int) -> float:
        """Seconds until so many turns are over, the one that runs counted."""
        return self._mean * max(0, ahead - 1) + max(self._mean - self.busy_for, self._mean / 4)

    def _call(self) -> None:
        """The next one's turn."""
        self._running = self._waiting.pop(0) if self._waiting else None
        self._since = self._clock()
        if self._running is not None:
            self._round = self._running.round
            self._rounds = {address: last for address, last in self._rounds.items() if last >= self._round}
            self._running.called.set_result(None)
        else:
            self._round = 0
            self._rounds.clear()

    def _done(self, ticket: _Ticket) -> None:
        if ticket is self._running:
            self._mean += 0.2 * (self.busy_for - self._mean)
            self._call()
        elif ticket in self._waiting:  # its task was cancelled
            self._waiting.remove(ticket)
            ticket.called.cancel()


def _seconds(number: float) -> str:
    whole = max(1, math.ceil(number))
    return "a second" if whole == 1 else f"{whole} seconds"
