"""Analyses kept between clicks: few, for a while, and only for whoever made them."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from wsis.errors import WsisError
from wsis.pipeline import Analysis

GONE = "This analysis is no longer kept here. Choose the photo again."


@dataclass
class Entry:
    """An analysis and what was drawn from it.

    Attributes:
        analysis: the analysis.
        used: when it was last asked for, in seconds of the store's clock.
        drawn: small pictures by what they show, so that moving a slider draws only what changed.
        pinned: never dropped; for examples, which are nobody's photo.
    """

    analysis: Analysis
    used: float
    drawn: dict[tuple, str] = field(default_factory=dict)
    pinned: bool = False


class Store:
    """Keeps analyses by unguessable tokens, which are what a session (or a client of the API) holds on to.

    Bounded in number, in bytes and in time: the least recently used go first, and all go after `seconds` without use.
    """

    def __init__(
        self,
        *,
        limit: int = 32,
        megabytes: int = 1024,
        seconds: float = 1800,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty store.

        Args:
            limit: most analyses kept, pinned ones not counted.
            megabytes: most memory they may hold together, pinned ones not counted.
            seconds: how long one is kept without being asked for.
            clock: seconds that never go back.
        """
        self._limit, self._bytes, self._seconds, self._clock = limit, megabytes * 2**20, seconds, clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many analyses are kept, pinned ones included."""
        return len(self._entries)

    def put(self, analysis: Analysis, *, replacing: str | None = None, pinned: bool = False) -> str:
        """Keep an analysis.

        Args:
            analysis: what to keep.
            replacing: token of an analysis that is not needed any more; pinned ones stay.
            pinned: keep it whatever happens.

        Returns:
            A new token.
        """
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._drop(replacing)
            self._entries[token] = Entry(analysis, self._clock(), pinned=pinned)
            self._tidy(keep=token)
        return token

    def get(self, token: str | None) -> Entry:
        """The entry behind a token.

        Raises:
            WsisError: it was never there, or is no longer kept.
        """
        with self._lock:
            self._tidy(keep=token)
            entry = self._entries.get(token or "")
            if entry is None:
                raise WsisError(GONE)
            entry.used = self._clock()
            self._entries.move_to_end(token or "")
            return entry

    def drop(self, token: str | None) -> None:
        """Forget an analysis, unless it is pinned or already gone."""
        with self._lock:
            self._drop(token)

    def _drop(self, token: str | None) -> None:
        entry = self._entries.get(token or "")
        if entry is not None and not entry.pinned:
            del self._entries[token or ""]

    def _tidy(self, keep: str | None) -> None:
        loose = [(token, entry) for token, entry in self._entries.items() if not entry.pinned]
        held = sum(_bytes(entry.analysis) for _, entry in loose)
        left = len(loose)
        for token, entry in loose:
            stale = self._clock() - entry.used > self._seconds
            if stale or (token != keep and (left > self._limit or held > self._bytes)):
                del self._entries[token]
                held -= _bytes(entry.analysis)
                left -= 1


def _bytes(analysis: Analysis) -> int:
    """What an analysis holds in memory, near enough: its large arrays."""
    arrays = (analysis.maps, analysis.binary, analysis.terms, analysis.overlaps, analysis.evidence.image)
    return sum(np.asarray(array).nbytes for array in arrays)
