"""What happens in the tab *Teach*: an event changes the session, and the page gets all that it shows now.

Answers need no network: they are kept, the head is fitted, and the next photo comes at once, in a thread of their own.
What needs the networks (`heavy`) waits for its turn: looking at new photos, a second or so an event, each event
starting the next; and saving.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import numpy as np

from wsis import checkpoints, photo_sets
from wsis.errors import WsisError
from wsis.explorer.models import Models, foreign
from wsis.explorer.server.desk import sent
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.server.uploads import FREE, uploaded
from wsis.explorer.tabs.teach import saving, view
from wsis.explorer.tabs.teach.lesson import Lesson, Lessons, strongest
from wsis.explorer.tabs.teach.view import Asked, Row
from wsis.image import MAX_PIXELS, SUFFIXES, read
from wsis.pipeline import Pipeline
from wsis.teaching import asking, session
from wsis.teaching.features import DEFAULT, Base, base_of
from wsis.teaching.session import State

NOTHING = "nothing"
"""Taught on top of no class; the frozen backbone is `features.DEFAULT`'s where that is embedded."""
MOST_FILES = 200
"""Most uploads that one event names."""
BATCH_SECONDS = 1.0
"""One event looks at photos for so long, at least at one."""
Packed = dict[str, Any]


class Events:
    """The tab's behaviour; every method of `by_name` is one act of a visitor."""

    def __init__(
        self, models: Models | Pipeline, lessons: Lessons | None = None, *, most_pixels: int = MAX_PIXELS
    ) -> None:
        """Remember models and sessions; `most_pixels` is of a photo."""
        self.models, self.lessons, self.most_pixels = Models.of(models), lessons or Lessons(), most_pixels
        self._bases: dict[str, Base] = {}
        # One thread for good: each that has used torch once keeps memory and helpers of its own.
        self._hand = ThreadPoolExecutor(1, "teach")
        self._serial, self._counting = 0, threading.Lock()
        self.by_name: dict[str, Callable[[Lesson, Packed], Packed | None]] = {
            "open": lambda *_: None,
            "class": self._class,
            "answer": self._answer,
            "undo": self._undo,
            "top": self._top,
            "csv": lambda lesson, _: {"csv": session.as_csv(lesson.session.state())},
        }

    # --- events ------------------------------------------------------------------------------------------------------

    def act(self, event: gr.EventData) -> Packed:
        """Anything that needs no network."""
        data, acts = sent(event), self.by_name
        if data.get("act") == "photos":  # many take a while, in which others may answer
            lesson = self.lessons.get(str(data.get("token"))) or self.lessons.new()
            more = self._photos(lesson, data)
            data, acts = {**data, "token": lesson.token}, {"photos": lambda *_: more}
        return self._hand.submit(self.told, data, acts).result()

    def heavy(self, event: gr.EventData) -> Packed:
        """Anything that needs the networks; while photos are looked at, they are answered beside."""
        data = sent(event)
        lesson = self.lessons.get(str(data.get("token")))
        if data.get("act") == "look" and lesson is not None:
            more = self._look(lesson, data)
            return self.told(data, {"look": lambda *_: more})
        return self.told(data, {"save": self._save})

    def refused(self, error: RefusedError, event: gr.EventData | None = None, *_: Any) -> Packed:
        """The answer to a request that was not taken on."""
        data = {} if event is None else sent(event)
        return {**self._head(data), "fault": ["photos", str(error)], "wait": error.seconds}

    def told(self, data: Packed, acts: dict[str, Callable[[Lesson, Packed], Packed | None]]) -> Packed:
        """Do it, and say all that the page shows then; what the visitor can mend is one sentence where it happened.

        Args:
            data: what the page sent: `act`, `token`, `ticket`, the `class` that it shows, the `photo` that it wants,
                the photo that it `has`; and what the act needs.
            acts: those that may be asked for.
        """
        act, lesson = str(data.get("act")), self.lessons.get(str(data.get("token")))
        if act not in acts or (lesson is None and act in ("answer", "undo", "look", "save", "csv", "top")):
            return {**self._head(data), "fault": ["answer", "This session is not on the server. Reload the page."]}
        if lesson is None and act == "open":
            return {**self._head(data), "token": "", **self._empty()}
        try:
            lesson = lesson or self.lessons.new()
            with lesson.lock:
                more = acts[act](lesson, data) or {}
                told: Packed = {key: more[key] for key in ("csv", "saved", "fault") if key in more}
                return {**self._head(data), "token": lesson.token, **self._shown(lesson, {**data, **more}), **told}
        except WsisError as error:
            place = act if act in ("class", "photos", "save") else "answer"
            return {**self._head(data), "token": lesson.token if lesson else "", "fault": [place, str(error)]}

    # --- acts --------------------------------------------------------------------------------------------------------

    def _class(self, lesson: Lesson, data: Packed) -> Packed:
        return {"class": lesson.session.add_class(str(data.get("name", "")))}

    def _photos(self, lesson: Lesson, data: Packed) -> Packed:
        """Files were uploaded: photos, or zips of photos."""
        faults: list[str] = []
        try:
            for one in data.get("files", [])[:MOST_FILES]:
                path, name = uploaded(Path(str(one.get("path")))), str(one.get("name"))
                zipped = name.lower().endswith(".zip")
                faults += self._unpacked(lesson, path) if zipped else self._added(lesson, path, name)
        except WsisError as error:  # no room, or too many: those before are kept
            faults = [str(error)]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return {"fault": ["photos", faults[0] + more]} if faults else {}

    def _unpacked(self, lesson: Lesson, path: Path) -> list[str]:
        faults = []
        with TemporaryDirectory(prefix="wsis-teach-zip-", ignore_cleanup_errors=True) as folder:
            try:
                photo_sets.unpack(path, Path(folder))
            except WsisError as error:
                return [str(error)]
            found = [file for file in sorted(Path(folder).rglob("*")) if file.suffix.lower() in SUFFIXES]
            for file in found:
                faults += self._added(lesson, file, file.name)
        return faults if found else ["The zip holds no photo."]

    def _added(self, lesson: Lesson, path: Path, name: str) -> list[str]:
        """Keep a photo that can be read; returns why it cannot, or nothing."""
        if shutil.disk_usage(lesson.session.folder).free < FREE:
            raise WsisError("The server has no room for photos. Answers so far are kept; try again later.")
        try:
            photo = read(path, self.most_pixels)
        except WsisError as error:
            return [str(error).replace(str(path), name)]
        digest = lesson.session.add_photo(path.read_bytes(), name)
        if digest is not None:
            for size in ("small", "large"):
                lesson.draw(digest, photo, size)
        return []

    def _answer(self, lesson: Lesson, data: Packed) -> Packed | None:
        class_, photo = str(data.get("class")), str(data.get("of"))
        lesson.session.answer(class_, photo, str(data.get("answer")))
        if data.get("answer") != "later":
            lesson.fit(class_)
        return {"photo": None}

    def _undo(self, lesson: Lesson, _: Packed) -> Packed | None:
        back = lesson.session.undo()
        if back is None:
            raise WsisError("There is no answer to take back.")
        lesson.fit(back[0])
        return {"class": back[0], "photo": back[1]}

    def _top(self, lesson: Lesson, data: Packed) -> None:
        if data.get("top") not in self.tops():
            raise WsisError("This model cannot be taught on. Choose another.")
        lesson.session.note("top", data["top"])
        lesson.off()

    def _look(self, lesson: Lesson, data: Packed) -> Packed:
        try:
            lesson.on(self._base(self._source(lesson)), self.lessons.folder / "features")
            left, first = lesson.left(lesson.session.state()), str(data.get("has"))
            lesson.look(sorted(left, key=lambda photo: photo != first), BATCH_SECONDS)
        except WsisError as error:
            return {"fault": ["photos", str(error)]}
        return {}

    def _save(self, lesson: Lesson, data: Packed) -> Packed:
        if self.models.folder is None:
            raise WsisError("This server keeps no taught models. Take the labels as CSV: python -m wsis teach.")
        base = self._base(self._source(lesson))
        keep = base.keeps and self._chosen(lesson) != NOTHING
        lesson.on(base, self.lessons.folder / "features")
        name = saving.save(lesson, str(data.get("name", "")), self.models, keep=keep)
        return {"saved": name}

    # --- what is taught on -------------------------------------------------------------------------------------------

    def tops(self) -> dict[str, str]:
        """What is taught on top of: the server's first model, the embedded ones, nothing; and how each is called."""
        known = self.models.known()
        names = [name for name in (self.models.first, *checkpoints.names()) if name in known and not known[name].fault]
        found = {name: name for name in names if not foreign(known[name].source)}
        return {**found, NOTHING: "nothing, only what you teach"}

    def _chosen(self, lesson: Lesson) -> str:
        tops, chosen = self.tops(), lesson.session.note("top")
        return chosen if chosen in tops else next(iter(tops))

    def _source(self, lesson: Lesson) -> str:
        """Name of the model whose backbone looks at photos."""
        tops, chosen = self.tops(), self._chosen(lesson)
        return chosen if chosen != NOTHING else DEFAULT if DEFAULT in tops else next(iter(tops))

    def _base(self, name: str) -> Base:
        if name not in self._bases:
            source = self.models.known()[name].source
            self._bases[name] = base_of(source, self.models.get(name).pipeline.checkpoint)
        return self._bases[name]

    # --- what the page shows -----------------------------------------------------------------------------------------

    def _head(self, data: Packed) -> Packed:
        """What tells the page which of its requests is answered, and which answer is newer."""
        with self._counting:
            self._serial += 1
            return {"ticket": data.get("ticket"), "serial": self._serial, "act": data.get("act")}

    def _empty(self) -> Packed:
        """Before there is a session."""
        blank = State((), {}, {}, 0)
        tops = self.tops()
        parts = {
            "classes": view.classes([], "", 0), "question": view.question(None, blank), "answers": view.answers(None),
            "queue": view.queue(None, 0, {}, str), "history": view.history([], ""), "last": view.last(blank, None, str),
            "curve": "", "wrong": view.wrong("", asking.judged({}, {}), str), "photos": view.photos(0, 0, [], False),
            "top": view.top(list(tops.items()), next(iter(tops)), "a session begins with a class or a photo"),
            "save": view.save(0, [], [], "", ""), "since": "", "marks": "",
        }  # fmt: skip
        return {"parts": {name: str(html) for name, html in parts.items()}, "classes": [], "class": "", "asked": "",
                "left": 0, "map": ""}  # fmt: skip

    def _shown(self, lesson: Lesson, data: Packed) -> Packed:
        """All that the page shows: HTML by its places, the photo's picture where the page has another, its map."""
        state = lesson.session.state()
        names, thumb = state.classes, self._thumbs(lesson)
        class_ = str(data.get("class")) if data.get("class") in names else (names[0] if names else "")
        held = {name: self._held(lesson, state, name) for name in names}
        asked = self._asked(lesson, state, class_, data.get("photo")) if class_ else None
        photo = asked.photo.digest if asked and asked.photo else ""
        looked = len(state.photos) - len(lesson.left(state))
        ready, waiting = saving.ready(state)
        own = {name: self._curve(lesson, state, name) for name in names}
        maps = self._maps(lesson, class_, photo)
        since = state.answers - int(lesson.session.note("saved_at") or 0)
        most = max((len(state.known(name)) for name in names), default=0)
        said = f"Saved: {data['saved']} is in the menu of models." if data.get("saved") else ""
        rows = [self._row(state, name, held[name], thumb) for name in names]
        parts = {
            "classes": view.classes(rows, class_, state.answers),
            "question": view.question(asked, state),
            "marks": view.marks(asked) if photo and asked else "",
            "answers": view.answers(asked),
            "queue": view.queue(asked, len(state.known(class_)) if class_ else 0, lesson.scores.get(class_, {}), thumb),
            "history": view.history(maps, thumb(photo) if photo else ""),
            "last": view.last(state, class_, thumb),
            "curve": view.curve(class_, held[class_], own, most) if class_ else "",
            "wrong": view.wrong(class_, held[class_] if class_ else asking.judged({}, {}), thumb),
            "photos": view.photos(len(state.photos), looked, list(lesson.failed.values()), looked < len(state.photos)),
            "top": view.top(list(self.tops().items()), self._chosen(lesson), self._about(lesson, state)),
            "save": view.save(since, ready, waiting, said, ""),
            "since": f"{since} since the last save" if since > 0 else "",
        }  # fmt: skip
        shown: Packed = {
            "parts": {name: str(html) for name, html in parts.items()},
            "classes": list(names), "class": class_, "asked": photo, "left": len(lesson.left(state)),
            "map": maps[-1][1] if maps else "",
        }  # fmt: skip
        if photo and photo != data.get("has"):
            shown["picture"] = lesson.picture(photo, "large")
        return shown

    def _asked(self, lesson: Lesson, state: State, class_: str, wanted: Any) -> Asked:
        scores = lesson.scores.get(class_, {})
        queue = asking.queue(state, class_, scores)
        photo = wanted if wanted in state.photos else next(iter(queue.photos), None)
        kept = lesson.heads.get(class_)
        maps = lesson.maps(photo, [kept]) if photo and kept else None
        return Asked(
            class_, state.photos[photo] if photo else None, scores.get(photo) if photo else None,
            state.given[class_].get(photo) if photo else None, queue, strongest(maps) if maps else None,
            maps is not None, lesson.seconds,
        )  # fmt: skip

    def _maps(self, lesson: Lesson, class_: str, photo: str) -> list[tuple[int, str]]:
        """The photo's maps by a few earlier heads and by the latest: answers then, and the map's picture."""
        kept = lesson.kept(class_) if class_ in lesson.heads and photo else []
        places = sorted({round(i) for i in np.linspace(0, len(kept) - 1, view.HISTORY)}) if kept else []
        maps = lesson.maps(photo, [kept[i].head for i in places])
        return [] if maps is None else [(kept[i].answers, view.picture(maps, n)) for n, i in enumerate(places)]

    def _held(self, lesson: Lesson, state: State, class_: str) -> asking.Held:
        return asking.judged(state.known(class_, held_out=True), lesson.scores.get(class_, {}))

    def _curve(self, lesson: Lesson, state: State, class_: str) -> tuple[asking.Point, ...]:
        return asking.curve(lesson.kept(class_), state.known(class_, held_out=True), lesson.cells)

    def _row(self, state: State, class_: str, held: asking.Held, thumb: view.Thumb) -> Row:
        known = state.known(class_)
        icon = next((photo for photo, yes in known.items() if yes), None)
        yes = sum(known.values())
        return Row(class_, yes, len(known) - yes, len(state.photos) - len(known), held, thumb(icon) if icon else "")

    def _about(self, lesson: Lesson, state: State) -> str:
        """What stays of what is taught on."""
        chosen, source = self._chosen(lesson), self._source(lesson)
        if chosen == NOTHING:
            return f"{source}, frozen, looks at the photos; its own classes do not stay"
        known = self.models.known()[chosen]
        if "kinds" in checkpoints.config(checkpoints.find(known.source))["modules"]["classifier"].get("options", {}):
            return "frozen, features kept; its own classes are scored together and cannot stay beside yours"
        kept = set(known.classes)
        return f"frozen, features kept; its {len(kept):,} classes stay: {len(kept | set(state.classes)):,} in all"

    def _thumbs(self, lesson: Lesson) -> view.Thumb:
        made: dict[str, str] = {}

        def thumb(photo: str) -> str:
            if photo not in made:
                made[photo] = lesson.picture(photo, "small")
            return made[photo]

        return thumb
