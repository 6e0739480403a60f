"""Visitors' sets of photos with masks: few, for a while, each with its unpacked files."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from wsis import tuning
from wsis.analysis import Settings
from wsis.explorer.origin import Origin
from wsis.explorer.store import GoneError
from wsis.explorer.tabs.tune.view import Progress
from wsis.matching import PUBLISHED, Weights
from wsis.photo_sets import Pair
from wsis.tuning import Grid, Records

PREFIX = "wsis-tune-"
"""Of temporary folders."""
GONE = "This set is no longer kept here. Choose it again; what was measured is remembered."


@dataclass
class Tune:
    """What a visitor's page remembers: which set, and what the sliders and lists say.

    One object as long as the page is open, changed in place: events overlap, and with copies one that began before a
    set was chosen would put the choice back.

    Attributes:
        token: of the set; empty before there is one.
        weights: on the sliders.
        step: T.
        reading: of Eq. 5.
        figure: one of `wsis.tuning.FIGURES`, which the heat map shows.
        origin: the model that looks at the photos; None stands for the server's first.
    """

    token: str = ""
    weights: Weights = PUBLISHED
    step: int = 3
    reading: str = "cover"
    figure: str = "map50"
    origin: Origin | None = None


@dataclass
class Session:
    """One visitor's set.

    Attributes:
        pairs: photos and masks.
        settings: how they are looked at.
        model: by which model; None stands for the server's first.
        table: the records as one set. It remembers what it worked out, so it stays the same until a photo is added.
        folder: where a zip was unpacked; goes with the session.
        notes: sentences about classes that are left out.
        records: what was measured, by the number of its pair; `add` adds one.
        failed: names and reasons of the others.
        seconds: how long the last photos took.
        tick: of the event that is to measure its next photos.
        stopped: whether the visitor stopped it.
        searched: the last search, and whether it saw every other photo only.
        thumbs: small pictures by stem.
        used: when it was last asked for.
        lock: held while photos are measured.
    """

    pairs: tuple[Pair, ...]
    settings: Settings
    table: Records
    folder: TemporaryDirectory | None = None
    model: str | None = None
    notes: tuple[str, ...] = ()
    records: dict[int, tuning.Record] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tick: int = 0
    stopped: bool = False
    searched: tuple[Grid, bool] | None = None
    thumbs: dict[str, str] = field(default_factory=dict)
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> int:
        """Photos looked at."""
        return len(self.records) + len(self.failed)

    @property
    def names(self) -> list[str]:
        """Stems of the measured photos, in the order of `table`."""
        return [self.pairs[i].name for i in self.records]

    @property
    def running(self) -> bool:
        """Whether photos are left and nobody stopped."""
        return self.done < len(self.pairs) and not self.stopped

    def add(self, number: int, record: tuning.Record) -> None:
        """A photo was measured; of all events only the one that holds `lock` may say so."""
        self.records[number] = record
        self.table = Records(self.records.values(), self.table.classes)

    def progress(self) -> Progress:
        """How far it has come."""
        last = self.seconds[-10:]
        left = sum(last) / len(last) * (len(self.pairs) - self.done) if last else None
        return Progress(self.done, len(self.pairs), left, self.stopped, tuple(self.failed), self.notes)


class Sessions:
    """Sets by unguessable tokens: few, for a while, each with its unpacked files."""

    def __init__(self, *, limit: int = 16, seconds: float = 7200, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep at most `limit` sets, each for `seconds` after it was last asked for."""
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._held: dict[str, Session] = {}
        self._lock = threading.Lock()

    def put(self, session: Session) -> str:
        """Keep a set; returns its token."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            session.used = self._clock()
            self._held[token] = session
            self._tidy()
        return token

    def get(self, token: str) -> Session:
        """The set behind a token.

        Raises:
            GoneError: it was never there, or is no longer kept.
        """
        with self._lock:
            self._tidy()
            session = self._held.get(token)
            if session is None:
                raise GoneError(GONE)
            session.used = self._clock()
            return session

    def drop(self, token: str) -> None:
        """Forget a set and delete what was unpacked for it."""
        with self._lock:
            self._drop(token)

    def _drop(self, token: str) -> None:
        session = self._held.pop(token, None)
        if session is not None:
            session.stopped = True
            if session.folder is not None:
                session.folder.cleanup()

    def _tidy(self) -> None:
        by_age = sorted(self._held, key=lambda token: self._held[token].used)
        for place, token in enumerate(by_age):
            if self._clock() - self._held[token].used > self._seconds or place < len(by_age) - self._limit:
                self._drop(token)


def sweep(prefix: str = PREFIX, seconds: float = 86400) -> None:
    """Delete folders that an explorer left behind when it was killed."""
    for folder in Path(gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder)
