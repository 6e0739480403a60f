"""Analyses kept between clicks: few, for a while, and only for whoever made them."""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wsis.analysis import Analysis, Glance, Settings
from wsis.edits import Edit
from wsis.errors import WsisError
from wsis.explorer.origin import Key, Origin
from wsis.explorer.scene import Followed

PAST = 4
"""How many analyses that a session has left are kept for its way back."""


class GoneError(WsisError):
    """What is asked for, an analysis or a set of photos, is no longer kept."""

    def __init__(self, text: str = "This analysis is no longer kept here. Choose the photo again.") -> None:
        """Say what to do."""
        super().__init__(text)


@dataclass(eq=False)
class Entry:
    """An analysis and who looks at it.

    Attributes:
        analysis: the analysis.
        size: bytes of memory that it held when it was last looked at.
        photo: what the photo is called, with its ending.
        origin: the model that made it; None where it stands beside another, or is the server's first.
        until: when it goes unless somebody asks for it before, in seconds of the store's clock.
        owners: sessions (tabs) that look at it.
        shared: somebody holds a link to it, so it stays its full time whatever its tabs do.
        pinned: never dropped; for examples, which are nobody's photo.
        maker: the session that asked for it; None where there is none.
        left: nobody looks at it, but its maker may come back to it.
        followed: curves that somebody asked for in the tab *Why*, by peak and step, then by map.
    """

    analysis: Analysis
    size: int
    photo: str
    origin: Origin | None
    until: float
    owners: set[str] = field(default_factory=set)
    shared: bool = False
    pinned: bool = False
    maker: str | None = None
    left: bool = False
    followed: Followed = field(default_factory=dict)


class Store:
    """Keeps analyses by unguessable tokens, which are what a session (or a client of the API) holds on to.

    Bounded in number, in bytes and in time: what no tab shows and what was used least recently goes first, and each
    goes after `seconds` without use, or `grace` seconds after the last tab that showed it was closed. The last `past`
    that a session has left for another stay for its way back. Glances, which are photos on their way to an analysis,
    count with them: one a session. A thread looks after that, so memory comes back though nobody asks for anything.
    All methods may be called from any thread.
    """

    def __init__(
        self,
        *,
        limit: int = 200,
        megabytes: int = 2048,
        seconds: float = 1800,
        grace: float = 120,
        past: int = PAST,
        every: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty store.

        Args:
            limit: most analyses kept, pinned ones not counted, and most glances.
            megabytes: most memory they may hold together, pinned ones not counted.
            seconds: how long one is kept without being asked for.
            grace: how long one is kept after its tab was closed, so that a reload finds it.
            past: how many that a session has left are kept for its way back.
            every: pause between two looks for what is due, in seconds of real time.
            clock: seconds that never go back.
        """
        self._limit, self._most, self._clock = limit, megabytes * 2**20, clock
        self._seconds, self._grace, self._past = seconds, grace, past
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._closed: dict[str, float] = {}
        self._lock = threading.Lock()
        stop = threading.Event()
        # The thread knows the store only weakly: a store that nobody needs any more ends it.
        self._stop = weakref.finalize(self, stop.set)
        threading.Thread(target=_sweeping, args=(weakref.ref(self), stop, every), name="store", daemon=True).start()

    def __len__(self) -> int:
        """How many analyses are kept, pinned ones included."""
        return len(self._entries)

    @property
    def held(self) -> int:
        """Bytes of memory that everything kept here holds, pinned ones included."""
        with self._lock:
            return sum(one.size for one in self._entries.values()) + sum(one.size for one in self._begun.values())

    def begin(self, owner: str, ticket: int, glance: Glance, origin: Origin | None = None) -> None:
        """Keep what a session's new photo shows at first, until it is finished; a former one of it goes.

        For a session that was closed while it waited, nothing is kept: nobody will ask for the rest.
        """
        size = held_bytes(glance)
        with self._lock:
            self._begun.pop(owner, None)
            if owner not in self._closed:
                self._begun[owner] = _Begun(glance, origin, size, ticket, self._clock() + self._seconds)
            self._tidy()

    def begun(self, owner: str, ticket: int) -> Glance | None:
        """What `begin` kept; None where the session has begun with another photo since.

        Raises:
            GoneError: it is no longer kept.
        """
        with self._lock:
            found = self._begun.get(owner)
            if found is None:
                raise GoneError
            return found.glance if found.ticket == ticket else None

    def beginner(self, owner: str) -> Origin | None:
        """The model whose glance is kept for a session."""
        with self._lock:
            found = self._begun.get(owner)
            return found.origin if found else None

    def finished(self, owner: str, ticket: int) -> None:
        """The glance became an analysis, or never will."""
        with self._lock:
            found = self._begun.get(owner)
            if found is not None and found.ticket == ticket:
                del self._begun[owner]

    def put(
        self,
        analysis: Analysis,
        *,
        photo: str = "photo",
        origin: Origin | None = None,
        owner: str | None = None,
        replacing: str | None = None,
        pinned: bool = False,
    ) -> str:
        """Keep an analysis.

        Args:
            analysis: what to keep.
            photo: what the photo is called, with its ending.
            origin: the model that made it.
            owner: the session that looks at it; None where there is none (the API). For a session that was closed while
                it waited, the analysis is kept for the grace only.
            replacing: token of what that session looked at so far; see `leave`.
            pinned: keep it whatever happens.

        Returns:
            A new token.
        """
        token, size = secrets.token_urlsafe(16), held_bytes(analysis)
        with self._lock:
            self._leave(replacing, owner)
            entry = Entry(analysis, size, photo, origin, self._clock() + self._seconds, pinned=pinned, maker=owner)
            if owner in self._closed:
                entry.until = self._clock() + self._grace
            elif owner is not None:
                entry.owners.add(owner)
            self._entries[token] = entry
            self._tidy(keep=token)
        return token

    def get(self, token: str | None, owner: str | None = None) -> Entry:
        """The entry behind a token, which from now on is kept its full time again.

        Args:
            token: from `put`.
            owner: the session that asks; it is there, so an earlier `release` of it no longer counts. Do not ask for
                what was just put: that would say so of a session that was closed meanwhile.

        Raises:
            GoneError: it was never there, or is no longer kept.
        """
        with self._lock:
            self._tidy()
            entry = self._entry(token)
            entry.until = self._clock() + self._seconds
            if owner is not None:
                self._closed.pop(owner, None)
                entry.owners.add(owner)
                entry.left = False
            self._entries.move_to_end(token or "")
            return entry

    def same(self, analysis: Analysis, settings: Settings, owner: str) -> str | None:
        """The token under which a session has what looking again at the same photo with `settings` would give.

        Args:
            analysis: of the photo.
            settings: how it is to be looked at.
            owner: the session; what others made is theirs, unless it is pinned.
        """
        with self._lock:
            for token, entry in reversed(self._entries.items()):
                same = entry.analysis.evidence is analysis.evidence and entry.analysis.settings == settings
                if same and entry.analysis.base is None and self._mine(entry, owner):
                    return token
        return None

    def edited(self, base: Analysis, edits: tuple[Edit, ...], owner: str) -> str | None:
        """The token under which a session has an analysis after edits; without edits that of the analysis itself."""
        with self._lock:
            for token, entry in reversed(self._entries.items()):
                one = entry.analysis
                same = one.base is base and one.hands is not None and one.hands.edits == edits if edits else one is base
                if same and self._mine(entry, owner):
                    return token
        return None

    def by_model(self, analysis: Analysis, key: Key, owner: str, settings: Settings | None = None) -> str | None:
        """The token under which a session has the same photo, looked at alike, as another model sees it.

        Args:
            analysis: what is on the screen.
            key: of the other model.
            owner: the session.
            settings: how exactly; None leaves enhancer and classes open, which are the models' own.
        """
        photo, wanted = analysis.evidence, settings or _any_model(analysis.settings)
        with self._lock:
            for token, one in reversed(self._entries.items()):
                seen = one.analysis.evidence
                same = seen.image is photo.image and seen.source.source == photo.source.source
                made = one.origin is not None and one.origin.key == key and self._mine(one, owner)
                how = one.analysis.settings if settings else _any_model(one.analysis.settings)
                if made and same and one.analysis.base is None and how == wanted:
                    return token
        return None

    @staticmethod
    def _mine(entry: Entry, owner: str) -> bool:
        return entry.pinned or (entry.maker == owner and (entry.left or owner in entry.owners))

    def leave(self, token: str | None, owner: str) -> None:
        """A session looks at something else now.

        What it alone looked at stays for its way back, unless it has left `past` others since.
        """
        with self._lock:
            self._leave(token, owner)

    def share(self, token: str | None) -> None:
        """Keep it for the full time though its tab is closed: somebody was given a link.

        Raises:
            GoneError: it is no longer kept.
        """
        with self._lock:
            self._tidy()
            entry = self._entry(token)
            entry.shared, entry.until = True, self._clock() + self._seconds

    def release(self, owner: str | None) -> None:
        """A tab was closed: what no other tab shows goes after the grace, also what is still being analysed for it."""
        if owner is None:
            return
        with self._lock:
            until = self._clock() + self._grace
            # Longer than any request waits, and a few dozen bytes each.
            self._closed = {one: when for one, when in self._closed.items() if when > self._clock()}
            self._closed[owner] = self._clock() + self._seconds
            self._begun.pop(owner, None)
            for entry in self._entries.values():
                if owner in entry.owners or (entry.left and entry.maker == owner):
                    entry.owners.discard(owner)
                    if not entry.owners and not entry.shared:
                        entry.until = min(entry.until, until)

    def drop(self, token: str | None) -> None:
        """Forget an analysis, unless it is pinned, shared, or already gone."""
        with self._lock:
            entry = self._entries.get(token or "")
            if entry is not None and not (entry.pinned or entry.shared):
                del self._entries[token or ""]

    def sweep(self) -> None:
        """Forget what is due, and measure anew what has grown by its caches; the store's own thread calls this."""
        with self._lock:
            for entry in self._entries.values():
                entry.size = held_bytes(entry.analysis)
            self._tidy()

    def close(self) -> None:
        """Forget everything and end the thread."""
        self._stop()
        with self._lock:
            self._entries.clear()
            self._begun.clear()

    def _entry(self, token: str | None) -> Entry:
        entry = self._entries.get(token) if isinstance(token, str) else None
        if entry is None:
            raise GoneError
        return entry

    def _leave(self, token: str | None, owner: str | None) -> None:
        entry = self._entries.get(token or "")
        if entry is None or entry.pinned:
            return
        entry.owners.discard(owner or "")
        if entry.owners or entry.shared:
            return
        entry.left, entry.maker = True, owner
        self._entries.move_to_end(token or "")
        left = [token for token, one in self._entries.items() if one.left and one.maker == owner]
        for old in left[: max(0, len(left) - self._past)]:
            del self._entries[old]

    def _tidy(self, keep: str | None = None) -> None:
        now = self._clock()
        for token in [token for token, entry in self._entries.items() if entry.until <= now and not entry.pinned]:
            del self._entries[token]
        for owner in [owner for owner, glance in self._begun.items() if glance.until <= now]:
            del self._begun[owner]
        while len(self._begun) > self._limit:
            self._begun.popitem(last=False)
        sizes = {token: entry.size for token, entry in self._entries.items() if not entry.pinned}
        held = sum(sizes.values()) + sum(glance.size for glance in self._begun.values())
        # What no tab shows goes first, so that a client of the API never empties somebody's screen.
        for token in sorted(sizes, key=lambda token: bool(self._entries[token].owners)):
            if token != keep and (len(sizes) > self._limit or held > self._most):
                held -= sizes.pop(token)
                del self._entries[token]
        while held > self._most and len(self._begun) > 1:
            held -= self._begun.popitem(last=False)[1].size


@dataclass(eq=False)
class _Begun:
    """A glance: whose it is, the bytes of memory that it holds, the number of its photo, and when it goes."""

    glance: Glance
    origin: Origin | None
    size: int
    ticket: int
    until: float


def held_bytes(thing: Any) -> int:
    """Bytes of all arrays that hang on an object, caches included, each counted once.

    Args:
        thing: an array, or dataclasses, tuples, lists and dicts of arrays, nested as they like.
    """
    arrays: dict[int, int] = {}
    seen: set[int] = set()
    left = [thing]
    while left:
        one = left.pop()
        if isinstance(one, np.ndarray):
            while isinstance(one.base, np.ndarray):  # a view holds on to the whole array
                one = one.base
            arrays[id(one)] = one.nbytes
        elif id(one) not in seen:
            seen.add(id(one))
            if isinstance(one, (tuple, list)):
                left.extend(one)
            else:
                left.extend((one if isinstance(one, dict) else getattr(one, "__dict__", {})).values())
    return sum(arrays.values())


def _any_model(settings: Settings) -> Settings:
    """Without what only some models have."""
    return replace(settings, enhancer="none", classes=None)


def _sweeping(store: weakref.ref[Store], stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        if (one := store()) is not None:
            one.sweep()
        del one
