"""A teaching session on disk, kept as it happens: classes, photos, and every answer in the order it was given.

What was said is a log: undoing is an entry too, nothing is overwritten, and what holds now follows from reading it from
the start. An entry is on the disk before `answer` returns, so whoever kills the server takes back nothing that was
confirmed. Heads are kept beside the answer they were fitted after: learning curves and earlier maps need no second fit.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np

from wsis import files
from wsis.errors import WsisError
from wsis.labels import tables
from wsis.teaching.head import Head

Answer = Literal["yes", "no", "later", "open"]
"""`later` puts a photo off; `open` takes an answer back long after it was given."""
EVERY = 4
"""Of so many photos that are answered for a class the last is held out: it judges the class and is never taught."""
MOST_PHOTOS = 2000
MOST_CLASSES = 100
LONGEST = 60
"""Characters of a class."""
FILE = "session.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS photo(id INTEGER PRIMARY KEY, digest TEXT UNIQUE, name TEXT, file TEXT);
CREATE TABLE IF NOT EXISTS class(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS entry(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, class TEXT, photo TEXT, answer TEXT, undoes INTEGER);
CREATE TABLE IF NOT EXISTS head(
  entry INTEGER, class TEXT, base TEXT, answers INTEGER, weight BLOB, bias REAL, PRIMARY KEY(class, base, entry));
CREATE TABLE IF NOT EXISTS note(key TEXT PRIMARY KEY, value TEXT);
"""


@dataclass(frozen=True)
class Entry:
    """A line of the log: an answer, or the number of the one that it undoes."""

    number: int
    class_: str
    photo: str
    answer: Answer
    undoes: int | None = None


@dataclass(frozen=True)
class Given:
    """What holds for a photo and a class.

    Attributes:
        answer: yes, no or later.
        held_out: whether it judges and is never taught; this stays when the answer is changed.
        number: of the entry that said so.
    """

    answer: Answer
    held_out: bool
    number: int


@dataclass(frozen=True)
class Photo:
    """A photo of the session: SHA-256 of its content, the name it came with (unlike all others), its file."""

    digest: str
    name: str
    file: Path


@dataclass(frozen=True)
class State:
    """All that holds now.

    Attributes:
        classes: in the order they were named.
        photos: by digest, in the order they came.
        given: by class, then by the photo's digest, in the order of the latest entries.
        last: number of the latest entry.
    """

    classes: tuple[str, ...]
    photos: dict[str, Photo]
    given: dict[str, dict[str, Given]]
    last: int

    def known(self, class_: str, *, held_out: bool | None = None) -> dict[str, bool]:
        """Whether a photo shows the class, by digest, where that was answered.

        Args:
            class_: one of `classes`.
            held_out: only those that are held out, or only those that are not.
        """
        return {
            photo: one.answer == "yes"
            for photo, one in self.given[class_].items()
            if one.answer in ("yes", "no") and held_out in (None, one.held_out)
        }

    @property
    def answers(self) -> int:
        """How many yes and no hold."""
        return sum(len(self.known(name)) for name in self.classes)


@dataclass(frozen=True, eq=False)
class Kept:
    """A head as it was after an entry, and how many answers of its class held then."""

    entry: int
    answers: int
    head: Head


def replay(entries: Sequence[Entry], classes: Sequence[str]) -> dict[str, dict[str, Given]]:
    """What follows from a log, see `State.given`.

    Every fourth photo that is answered yes or no for a class is held out for it. Only the latest entry is ever undone,
    so what is held out once stays so.
    """
    undone = {entry.undoes for entry in entries if entry.undoes is not None}
    given: dict[str, dict[str, Given]] = {name: {} for name in classes}
    aside: dict[str, dict[str, bool]] = {name: {} for name in classes}
    for entry in entries:
        if entry.undoes is not None or entry.number in undone or entry.class_ not in given:
            continue
        now, first = given[entry.class_], aside[entry.class_]
        now.pop(entry.photo, None)
        if entry.answer in ("yes", "no"):
            first.setdefault(entry.photo, len(first) % EVERY == EVERY - 1)
        if entry.answer != "open":
            now[entry.photo] = Given(entry.answer, first.get(entry.photo, False), entry.number)
    return given


class Session:
    """A session in a folder; made where there is none. All methods may be called from any thread and process.

    Attributes:
        folder: holds the log and, under `photos`, every photo as it came.
    """

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            WsisError: the folder cannot be written to, or holds something else.
        """
        self.folder, self._lock = Path(folder), threading.RLock()
        try:
            self.photos_folder.mkdir(parents=True, exist_ok=True)
            self._log = sqlite3.connect(self.folder / FILE, timeout=10, check_same_thread=False, isolation_level=None)
            # WAL: readers never wait. FULL: an answer is on the disk when it is confirmed.
            self._log.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise WsisError(f"The teaching session cannot be kept on disk: {error}.") from error

    @property
    def photos_folder(self) -> Path:
        """Where photos lie."""
        return self.folder / "photos"

    def close(self) -> None:
        """Let go of the files; what was said is on the disk already."""
        with self._lock:
            self._log.close()

    def state(self) -> State:
        """What holds now."""
        with self._kept() as log:
            classes = tuple(name for (name,) in log.execute("SELECT name FROM class ORDER BY id"))
            photos = [Photo(d, n, self.photos_folder / f) for d, n, f in log.execute(
                "SELECT digest, name, file FROM photo ORDER BY id")]  # fmt: skip
            entries = [Entry(*row) for row in log.execute(
                "SELECT id, class, photo, answer, undoes FROM entry ORDER BY id")]  # fmt: skip
        last = entries[-1].number if entries else 0
        return State(classes, {photo.digest: photo for photo in photos}, replay(entries, classes), last)

    def add_class(self, name: str) -> str:
        """Name a class; one that is there already stays as it is.

        Returns:
            Its name as it is kept.

        Raises:
            WsisError: it is empty or too long, or there are too many.
        """
        name = " ".join(unicodedata.normalize("NFC", name).split())
        if not name or not name.isprintable():
            raise WsisError("Give the class a name first, such as: spoon.")
        if len(name) > LONGEST:
            raise WsisError(f"The name of a class has at most {LONGEST} characters; this one has {len(name)}.")
        with self._kept() as log:
            names = [one for (one,) in log.execute("SELECT name FROM class")]
            if same := next((one for one in names if one.casefold() == name.casefold()), None):
                return same
            if len(names) >= MOST_CLASSES:
                raise WsisError(f"There are {MOST_CLASSES} classes already, the most that one model is taught here.")
            log.execute("INSERT INTO class(name) VALUES (?)", (name,))
        return name

    def add_photo(self, content: bytes, name: str) -> str | None:
        """Keep a photo, which the caller was able to read.

        Args:
            content: of its file.
            name: that it came with.

        Returns:
            Its digest; None where the same content is there already.

        Raises:
            WsisError: there are too many, or the disk is full.
        """
        digest = hashlib.sha256(content).hexdigest()
        with self._kept() as log:
            names = dict(log.execute("SELECT digest, name FROM photo"))
            if digest in names:
                return None
            if len(names) >= MOST_PHOTOS:
                raise WsisError(f"A session holds at most {MOST_PHOTOS:,} photos. For more: python -m wsis teach.")
            base = PurePosixPath(name.replace("\\", "/")).name or "photo.jpg"
            unlike = _unlike(base, set(names.values()))
            file = digest + PurePosixPath(base).suffix.lower()[:8]
            files.write(self.photos_folder / file, content)
            log.execute("INSERT INTO photo(digest, name, file) VALUES (?, ?, ?)", (digest, unlike, file))
        return digest

    def answer(self, class_: str, photo: str, answer: str) -> None:
        """Enter an answer; on the disk when this returns. One that holds already is not entered again.

        Raises:
            WsisError: there is no such class, photo or answer, or the disk is full.
        """
        with self._kept() as log:
            state = self.state()
            if answer not in get_args(Answer) or class_ not in state.classes or photo not in state.photos:
                raise WsisError("This class or photo is not in this session. Reload the page.")
            held = state.given[class_].get(photo)
            if answer == (held.answer if held else "open") and answer != "later":
                return
            log.execute(
                "INSERT INTO entry(at, class, photo, answer) VALUES (?, ?, ?, ?)", (time.time(), class_, photo, answer)
            )

    def undo(self) -> tuple[str, str] | None:
        """Take the latest answer back.

        Returns:
            Its class and its photo's digest; None where there is no answer.
        """
        with self._kept() as log:
            row = log.execute(
                "SELECT id, class, photo FROM entry WHERE undoes IS NULL AND id NOT IN "
                "(SELECT undoes FROM entry WHERE undoes IS NOT NULL) ORDER BY id DESC LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            number, class_, photo = row
            log.execute(
                "INSERT INTO entry(at, class, photo, answer, undoes) VALUES (?, ?, ?, 'open', ?)",
                (time.time(), class_, photo, number),
            )
            log.execute("DELETE FROM head WHERE class = ? AND entry >= ?", (class_, number))
        return class_, photo

    def keep_head(self, entry: int, answers: int, base: str, head: Head) -> None:
        """Keep heads of one class or several as they were after an entry; `base` is what they were fitted on."""
        rows = [
            (entry, name, base, answers, row.astype("<f4").tobytes(), float(bias))
            for name, row, bias in zip(head.classes, head.weight, head.bias, strict=True)
        ]
        with self._kept() as log:
            log.executemany("INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?, ?, ?)", rows)

    def heads(self, class_: str, base: str) -> list[Kept]:
        """The heads of a class on a base, the earliest first."""
        with self._kept() as log:
            rows = log.execute(
                "SELECT entry, answers, weight, bias FROM head WHERE class = ? AND base = ? ORDER BY entry",
                (class_, base),
            ).fetchall()
        return [
            Kept(entry, answers, Head(np.frombuffer(row, "<f4")[None].copy(), np.array([bias], np.float32), (class_,)))
            for entry, answers, row, bias in rows
        ]

    def note(self, key: str, value: Any = None) -> Any:
        """Remember a JSON value under a key, or, without one, what was remembered; None where nothing was."""
        with self._kept() as log:
            if value is not None:
                log.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, json.dumps(value)))
                return value
            row = log.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    @contextmanager
    def _kept(self) -> Iterator[sqlite3.Connection]:
        """The log, for several statements that belong together: all of them are kept or none."""
        with self._lock:
            outer = self._log.in_transaction
            try:
                if not outer:
                    self._log.execute("BEGIN IMMEDIATE")
                yield self._log
                if not outer:
                    self._log.execute("COMMIT")
            except sqlite3.Error as error:
                self._back(outer)
                raise WsisError(
                    f"The answer cannot be kept on disk ({error}), so it does not count. Ask the operator for room."
                ) from error
            except BaseException:
                self._back(outer)
                raise

    def _back(self, outer: bool) -> None:
        if not outer and self._log.in_transaction:
            self._log.execute("ROLLBACK")


def labels(state: State) -> tuple[list[Photo], np.ndarray, np.ndarray]:
    """The answers as labels: the photos (N), and target and weight (N, C) float32, weight 0 where nobody knows."""
    photos = [one for one in state.photos.values() if any(one.digest in state.known(name) for name in state.classes)]
    target = np.zeros((len(photos), len(state.classes)), np.float32)
    weight = np.zeros_like(target)
    for column, name in enumerate(state.classes):
        known = state.known(name)
        for row, photo in enumerate(photos):
            if photo.digest in known:
                target[row, column], weight[row, column] = known[photo.digest], 1
    return photos, target, weight


def as_csv(state: State) -> str:
    """The answers as a table that `python -m wsis teach --labels` takes: a row a photo, a column a class."""
    photos, target, weight = labels(state)
    return tables.write([photo.name for photo in photos], target, weight, state.classes)


def _unlike(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    path, number = PurePosixPath(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name
