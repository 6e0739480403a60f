"""A visitor's session with what follows from it: features in memory, a head for each class, what it says of photos."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from wsis import files, peaks
from wsis.errors import WsisError
from wsis.explorer.tabs.teach import view
from wsis.image import read, resized
from wsis.maps import ClassMaps
from wsis.teaching.features import Base, Cache, Features, class_maps
from wsis.teaching.head import Head, fit
from wsis.teaching.session import FILE, Kept, Session, State

OPEN = 4
"""Sessions whose features stay in memory, those used last: up to 200 MB each."""
SIDES = {"small": 180, "large": 1000}
"""Longer side of the pictures that the page shows, in pixels."""
LEAST = 0.05
"""Value of the weakest peak that is shown; it is told in one decimal."""
NAME = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Lesson:
    """A session and what was fitted to it. Whoever calls a method holds `lock`.

    Attributes:
        token: by which its visitor's page knows it.
        session: what is on disk.
        cells: (P, D) float16 features by digest, of photos that were looked at.
        heads: by class, once it has a yes and a no that are taught.
        scores: what the head says of each photo that was looked at, by class and digest.
        failed: why photos could not be looked at, by digest.
        seconds: that the last fit took.
    """

    _held: tuple[str, Features | None]

    def __init__(self, token: str, folder: Path) -> None:
        """Open the session in a folder."""
        self.token, self.session, self.lock = token, Session(folder), threading.RLock()
        self.failed: dict[str, str] = {}
        self.cache: Cache | None = None
        self.seconds = 0.0
        self._forget()

    def on(self, base: Base, folder: Path) -> None:
        """Look at photos through this base from now on; features of another are forgotten."""
        with self.lock:
            if self.cache is None or self.cache.base.fingerprint != base.fingerprint:
                self.cache = Cache(base, folder)
                self._forget()

    def off(self) -> None:
        """Look at all photos again, through the base that comes next."""
        self.cache = None
        self._forget()

    def look(self, photos: list[str], seconds: float) -> None:
        """Features of photos that have none yet, at least of one, and of more for so long; then fit what they change.

        The lock is taken only when they are there, so that answers are not kept waiting.

        Args:
            photos: digests, the most wanted first.
            seconds: after which no further photo is begun.
        """
        files_of, cache, end = self.session.state().photos, self.cache, time.monotonic() + seconds
        assert cache is not None, "a base comes first"
        new: dict[str, np.ndarray] = {}
        failed: dict[str, str] = {}
        for digest in photos:
            try:
                new[digest] = cache.features(files_of[digest].file).cells
            except WsisError as error:
                failed[digest] = str(error).replace(str(files_of[digest].file), files_of[digest].name)
            if time.monotonic() > end:
                break
        with self.lock:
            if cache is not self.cache:  # another base was chosen meanwhile
                return
            self.cells |= new
            self.failed |= failed
            state = self.session.state()
            for name in state.classes:
                if new.keys() & state.known(name, held_out=False).keys():
                    self.fit(name)
                elif name in self.heads:
                    self._score(name, set(new))

    def fit(self, class_: str) -> None:
        """Fit the head of a class to its answers again; those that are held out are not looked at."""
        state, begun = self.session.state(), time.perf_counter()
        known = {photo: yes for photo, yes in state.known(class_, held_out=False).items() if photo in self.cells}
        self.scores.pop(class_, None)
        self.heads.pop(class_, None)
        if len(set(known.values())) == 2:
            target = np.array(list(known.values()), np.float32)[:, None]
            cells = np.stack([self.cells[photo] for photo in known])
            head = fit(cells, target, np.ones_like(target), (class_,)).head
            self.heads[class_] = head
            self.session.keep_head(state.last, len(state.known(class_)), self.fingerprint, head)
            self._score(class_, set(self.cells))
        self.seconds = time.perf_counter() - begun

    @property
    def fingerprint(self) -> str:
        """Of the base's weights."""
        return self.cache.base.fingerprint if self.cache else ""

    def kept(self, class_: str) -> list[Kept]:
        """The earlier heads of a class."""
        return self.session.heads(class_, self.fingerprint) if self.cache else []

    def maps(self, photo: str, heads: list[Head]) -> ClassMaps | None:
        """A photo's class maps, one for each head; None until it was looked at."""
        features = self._features(photo)
        if features is None or not heads:
            return None
        weight, bias = np.concatenate([one.weight for one in heads]), np.concatenate([one.bias for one in heads])
        return class_maps(features, Head(weight, bias, tuple(str(i) for i in range(len(heads)))))

    def picture(self, digest: str, size: str) -> str:
        """A photo as the address of a JPEG, `small` or `large`; empty where its file is gone."""
        file = self.session.folder / "pictures" / f"{digest}-{size}.jpg"
        with suppress(OSError):
            return view.address(file.read_bytes())
        try:
            return view.address(self.draw(digest, read(self.session.state().photos[digest].file), size))
        except (WsisError, KeyError):
            return ""

    def draw(self, digest: str, photo: np.ndarray, size: str) -> bytes:
        """Keep a picture of a photo, (H, W, 3) uint8 RGB, at hand."""
        bgr = cv2.cvtColor(resized(photo, SIDES[size]), cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 86])[1].tobytes()
        with suppress(WsisError):  # it is drawn again next time
            files.write(self.session.folder / "pictures" / f"{digest}-{size}.jpg", data)
        return data

    def left(self, state: State) -> list[str]:
        """Photos that were not looked at yet."""
        return [photo for photo in state.photos if photo not in self.cells and photo not in self.failed]

    def _features(self, digest: str) -> Features | None:
        if digest != self._held[0]:
            photo = self.session.state().photos.get(digest)
            ready = self.cache is not None and photo is not None and digest in self.cells
            self._held = (digest, self.cache.known(photo.file) if ready else None)  # type: ignore[union-attr]
            if self._held[1] is None:
                self._held = ("", None)
        return self._held[1]

    def _score(self, class_: str, photos: set[str]) -> None:
        if photos:
            wanted = [photo for photo in self.cells if photo in photos]
            found = self.heads[class_].scores(np.stack([self.cells[photo] for photo in wanted]))[:, 0]
            self.scores.setdefault(class_, {}).update(zip(wanted, map(float, found), strict=True))

    def _forget(self) -> None:
        self.cells: dict[str, np.ndarray] = {}
        self.heads: dict[str, Head] = {}
        self.scores: dict[str, dict[str, float]] = {}
        self._held = ("", None)


class Lessons:
    """Sessions by unguessable tokens, each in a folder of its own; they outlive the server."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep them in a folder; without one in a temporary one, which ends with the process."""
        self._temporary = tempfile.TemporaryDirectory(prefix="wsis-teach-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else Path(folder)  # type: ignore[arg-type]
        self._open: OrderedDict[str, Lesson] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, token: str) -> Lesson | None:
        """The session behind a token; None where there is none."""
        with self._lock:
            if token not in self._open:
                # Nothing but a token of ours: it becomes a path.
                if len(token) != 22 or set(token) - NAME or not (self.folder / token / FILE).is_file():
                    return None
                self._open[token] = Lesson(token, self.folder / token)
            self._open.move_to_end(token)
            while len(self._open) > OPEN:
                self._open.popitem(last=False)  # closed when its last event lets go of it
            return self._open[token]

    def new(self) -> Lesson:
        """An empty session."""
        with self._lock:
            token = secrets.token_urlsafe(16)
            self._open[token] = lesson = Lesson(token, self.folder / token)
            return lesson

    def sweep(self, days: float) -> int:
        """Delete sessions that nobody touched for so long; returns how many. Only where the operator says so."""
        gone = 0
        for file in self.folder.glob(f"*/{FILE}"):
            with suppress(OSError):
                touched = max(part.stat().st_mtime for part in file.parent.glob(f"{FILE}*"))
                if time.time() - touched > days * 86400:
                    shutil.rmtree(file.parent)
                    gone += 1
        return gone


def strongest(maps: ClassMaps) -> tuple[float, float, float] | None:
    """The strongest peak (Eq. 1) of the last map: x and y in [0, 1], and its value; None where nothing stands out."""
    found = peaks.find(maps.maps[-1:], maps.scores[-1:], classes=[0])
    if not len(found):
        return None
    (y, x), value = found.places[0], float(found.values[0])
    return (float(x), float(y), value) if value >= LEAST else None
