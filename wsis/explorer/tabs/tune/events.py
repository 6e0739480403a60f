"""What happens in the tab *Tune on a data set*: each event says which of its components show something else now.

Photos are measured one event at a time, each event starting the next, so that other visitors' analyses come in between
and stopping takes no longer than one photo.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

import numpy as np

from wsis import ground_truth, photo_sets, tuning
from wsis.analysis import REGIONS, Settings
from wsis.errors import WsisError
from wsis.explorer import words
from wsis.explorer.models import Models
from wsis.explorer.origin import Origin
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.store import GoneError
from wsis.explorer.tabs.tune import view
from wsis.explorer.tabs.tune.sessions import PREFIX, Session, Sessions, Tune, sweep
from wsis.explorer.words import AXES, PAIRS
from wsis.image import read
from wsis.matching import PRESETS, PUBLISHED, Weights
from wsis.pipeline import Pipeline
from wsis.shared_classes import shared
from wsis.tuning import FIGURES, Cache, Figures, Records

LIMITS = (20, 50, 100, 200, 500)
BATCH_SECONDS = 1.0
"""One event measures photos for so long, at least one; those that were measured before take milliseconds."""
POINTS = 16


class Shown(TypedDict, total=False):
    """What the components show from now on; what is left out stays as it is.

    `state` and `tick` are the page's memory: a tick that moved on starts the next `step`. `enhancer`: those that may be
    chosen, each with its name for people first, and the one that is. `stop`, `resume` and
    `results` say whether these are there at all, the others are HTML.
    """

    state: Tune
    tick: int
    head: str
    stop: bool
    resume: bool
    results: bool
    enhancer: tuple[list[tuple[str, str]], str]
    figures: str
    plane: str
    bars: str
    worst: str


class Events:
    """The tab's behaviour over a server's models; every public method is one event."""

    def __init__(self, models: Models | Pipeline, sessions: Sessions | None = None, cache: Cache | None = None) -> None:
        """Remember the models, the visitors' sets and where records are kept."""
        self.models, self.sessions, self.cache = Models.of(models), sessions or Sessions(), cache or Cache()
        self.first = self.models.get().origin
        sweep()

    def zip(self, tune: Tune, file: str | None, enhancer: str, most: int) -> Shown:
        """A zip was uploaded."""
        if not file:
            return self._not_started(tune, WsisError("The upload did not arrive. Try it again."))
        try:
            folder = TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        except OSError:
            return self._not_started(tune, WsisError("The server has no room for the zip just now. Try again later."))
        try:
            photo_sets.unpack(Path(file), Path(folder.name))
            return self._started(tune, self._session(tune, Path(folder.name), enhancer, most, folder))
        except WsisError as error:
            folder.cleanup()
            return self._not_started(tune, error)

    def folder(self, tune: Tune, path: str, enhancer: str, most: int) -> Shown:
        """A folder of this machine was named."""
        try:
            if not path.strip():
                raise WsisError("Give the path of a folder first.")
            return self._started(tune, self._session(tune, Path(path.strip()).expanduser(), enhancer, most))
        except WsisError as error:
            return self._not_started(tune, error)

    def step(self, tune: Tune, tick: int) -> Shown:
        """Measure the next photos; a tick that moved on starts the next event."""
        try:
            session = self.sessions.get(tune.token)
            if session.tick == tick:
                self._measure(session)
            current = self.sessions.get(tune.token)
        except GoneError:
            return {}
        if current is not session or session.tick != tick:  # what the page shows is already about another set
            return {}
        head = view.progress(session.progress())
        if session.running:
            session.tick = tick + 1
            return {"tick": tick + 1, "head": head, **_buttons(session)}
        return {"tick": tick, "head": head, **_buttons(session), **self._drawn(tune)}

    def refused(self, error: RefusedError, tune: Tune, tick: int) -> Shown:
        """No turn for the next photos: measuring stops, and *Go on* tries again."""
        try:
            session = self.sessions.get(tune.token)
        except GoneError:
            return {}
        session.stopped = True
        head = view.notice(str(error)) + view.progress(session.progress())
        return {"tick": tick, "head": head, **_buttons(session)}

    def stop(self, tune: Tune) -> Shown:
        """Measure no further photo; what there is counts."""
        try:
            session = self.sessions.get(tune.token)
        except GoneError as error:
            return {"head": view.notice(str(error)), **_buttons(None)}
        session.stopped = True
        return {"head": view.progress(session.progress()), **_buttons(session), **self._drawn(tune)}

    def resume(self, tune: Tune, tick: int) -> Shown:
        """Go on after a stop, or after the connection broke."""
        try:
            session = self.sessions.get(tune.token)
        except GoneError as error:
            return {"tick": tick, "head": view.notice(str(error)), **_buttons(None)}
        session.stopped, session.tick = False, tick + 1
        return {"tick": tick + 1, "head": view.progress(session.progress()), **_buttons(session)}

    def search(self, tune: Tune, axes: str, split: bool) -> Shown:
        """Try a grid of weights around those on the sliders, for the heat map."""
        try:
            session = self.sessions.get(tune.token)
            records = session.table
            if not len(records) or (split and len(records) < 2):
                raise WsisError("There are not enough measured photos yet. Wait for some, then search.")
            part = records.halves[0] if split else records
            pair = PAIRS.get(axes) or next(iter(PAIRS.values()))
            spans = dict(zip(AXES, words.spans(tune.reading), strict=True))
            first, second = (_rounded(np.linspace(0, spans[axis], POINTS)) for axis in pair)
            grid = tuning.grid(part, pair, tune.weights, tune.step, tune.reading, (first, second))
            session.searched = grid, split
            return {"plane": self._plane(tune, session)}
        except WsisError as error:
            return {"plane": view.notice(str(error))}

    def figure(self, tune: Tune, figure: str) -> Shown:
        """Another figure is to be shown and maximised."""
        tune.figure = figure if figure in FIGURES else "map50"
        try:
            return {"state": tune, "plane": self._plane(tune, self.sessions.get(tune.token))}
        except GoneError as error:
            return {"state": tune, "plane": view.notice(str(error))}

    def moved(
        self,
        tune: Tune,
        weights: Weights | None = None,
        step: int | None = None,
        reading: str | None = None,
        origin: Origin | None = None,
    ) -> Shown:
        """The sliders moved: figures, heat map, classes and worst photos; nothing new where there is no set.

        Where the page shows another model, the next set is looked at by that one.
        """
        tune.weights, tune.reading = weights or tune.weights, reading or tune.reading
        tune.step = tune.step if step is None else step
        return {"state": tune, **self._drawn(tune), **self._chosen(tune, origin)}

    def model(self, tune: Tune) -> str | None:
        """The model that looked at the visitor's set; None stands for the first, also where there is no set."""
        try:
            return self.sessions.get(tune.token).model
        except GoneError:
            return None

    def photo(self, tune: Tune, stem: str) -> tuple[Path, np.ndarray | None]:
        """A photo of the visitor's own set: its file, and its masks, (G, H, W) bool, if they can be read.

        Raises:
            WsisError: the set is gone, or has no such photo.
        """
        pairs = self.sessions.get(tune.token).pairs
        pair = next((pair for pair in pairs if pair.name == stem), None)
        if pair is None or not pair.photo.is_file():
            raise WsisError("This photo is no longer there. Choose the set again.")
        origin = tune.origin or self.first
        try:
            return pair.photo, ground_truth.of_pair(pair, shared(pairs[0].names, origin.classes, origin.model)).masks
        except WsisError:  # what it says stood beside the photo's name when it was measured
            return pair.photo, None

    def _session(
        self, tune: Tune, place: Path, enhancer: str, most: int, folder: TemporaryDirectory | None = None
    ) -> Session:
        origin = tune.origin or self.first
        pairs = photo_sets.spaced(photo_sets.collect(place), int(most) if int(most) in LIMITS else LIMITS[0])
        settings = Settings(enhancer=enhancer if enhancer in origin.enhancers else "none")  # type: ignore[arg-type]
        common = shared(pairs[0].names, origin.classes, origin.model)
        return Session(pairs, settings, Records((), common.names), folder, origin.model, tuple(common.left_out()))

    def _chosen(self, tune: Tune, origin: Origin | None) -> Shown:
        """What changes with the model that looks at the next set."""
        if origin is None or origin.key == (tune.origin or self.first).key:
            return {}
        tune.origin = origin
        shown: Shown = {"enhancer": offered(origin)}
        return shown if tune.token else {**shown, "head": view.intro(origin.classes)}

    def _started(self, tune: Tune, session: Session) -> Shown:
        """A set was chosen; the one before goes."""
        self.sessions.drop(tune.token)
        session.tick = time.monotonic_ns()
        tune.token = self.sessions.put(session)
        return {"state": tune, "tick": session.tick, "head": view.progress(session.progress()), **_buttons(session)}

    def _not_started(self, tune: Tune, error: WsisError) -> Shown:
        return {"head": view.intro((tune.origin or self.first).classes, str(error))}

    def _measure(self, session: Session) -> None:
        start, pipeline = time.monotonic(), self.models.get(session.model).pipeline
        with session.lock:
            while session.running:
                number = session.done
                pair, before = session.pairs[number], time.monotonic()
                try:
                    session.add(number, self.cache.measure(pipeline, pair, session.settings))
                except WsisError as error:
                    session.failed.append((pair.photo.name, str(error)))
                session.seconds.append(time.monotonic() - before)
                if time.monotonic() - start > BATCH_SECONDS:
                    break

    def _drawn(self, tune: Tune) -> Shown:
        """Figures, heat map, classes and worst photos for the weights on the sliders."""
        if not tune.token:
            return {}
        try:
            session = self.sessions.get(tune.token)
        except GoneError as error:
            return {"figures": view.notice(str(error)), "plane": "", "bars": "", "worst": ""}
        records = session.table
        if session.running or not len(records):
            return {}
        now = self._figures(tune, records)
        published = tuning.figures(records, PUBLISHED, tune.step)
        title = next((preset.title for preset in PRESETS.values() if preset.reading == tune.reading), tune.reading)
        return {
            "figures": view.big(now, published, step=tune.step, title=title),
            "plane": self._plane(tune, session),
            "bars": view.bars(now),
            "worst": view.worst(now, session.names, tune.token, lambda name: self._thumb(session, name)),
        }

    def _figures(self, tune: Tune, records: Records) -> Figures:
        return tuning.figures(records, tune.weights, tune.step, tune.reading)

    def _plane(self, tune: Tune, session: Session) -> str:
        if session.searched is None:
            return view.before_search()
        grid, split = session.searched
        records = session.table
        parts = records.halves if split else (records,)
        best = tuning.best(grid, tune.figure)[0]
        rows = [
            view.Row(
                name,
                weights,
                tuple(getattr(tuning.figures(part, weights, grid.step, reading), tune.figure) for part in parts),
            )
            for name, weights, reading in (
                ("best", best, grid.reading),
                ("now", tune.weights, tune.reading),
                ("published", PUBLISHED, "cover"),
            )
        ]
        third = next(axis for axis in AXES if axis not in grid.axes)
        here = tune.step, tune.reading, getattr(tune.weights, third)
        same = (grid.step, grid.reading, getattr(grid.base, third)) == here
        stale = "" if same else "The sliders have left this plane. Search again to see the one around them."
        return view.plane(grid, tune.figure, tune.weights, rows, halves=tuple(map(len, parts)), stale=stale)

    def _thumb(self, session: Session, name: str) -> str:
        if name not in session.thumbs:
            photo = next(pair.photo for pair in session.pairs if pair.name == name)
            try:
                session.thumbs[name] = view.picture(read(photo))
            except WsisError:  # deleted meanwhile; its figures still count
                return ""
        return session.thumbs[name]


def offered(origin: Origin) -> tuple[list[tuple[str, str]], str]:
    """What may grow the maps that weights are tuned on, each with its name for people first; and what does at first."""
    names = [
        (names.tuned, name)
        for name, names in words.ENHANCERS.items()
        if names.tuned is not None and name in origin.enhancers
    ]
    return names, REGIONS.get(origin.enhancer, origin.enhancer)


def _buttons(session: Session | None) -> Shown:
    """Whether *Stop*, *Go on* and the results are shown."""
    left = session is not None and session.done < len(session.pairs)
    running = session is not None and session.running
    results = session is not None and not running and bool(session.records)
    return {"stop": running, "resume": left and not running, "results": results}


def _rounded(values: np.ndarray) -> list[float]:
    """Numbers as a slider could show them."""
    return [float(f"{value:.3g}") for value in values]
