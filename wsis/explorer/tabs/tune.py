"""The tab *Tune on a data set*: photos with masks in, figures that follow the sliders, the best weights out.

Photos are measured one event at a time, each event starting the next, so that other visitors' analyses come in between
and stopping takes no longer than one photo.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import gradio as gr
import numpy as np

from wsis import photo_sets, tuning
from wsis.errors import WsisError
from wsis.explorer.desk import Desk
from wsis.explorer.tabs import tune_view as view
from wsis.explorer.turns import RefusedError
from wsis.image import read
from wsis.matching import PRESETS, PUBLISHED, Weights
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline, Settings
from wsis.tuning import FIGURES, Cache, Figures, Grid, Records

HERE = Path(__file__).parent
PREFIX = "wsis-tune-"
"""Of temporary folders."""
LIMITS = (20, 50, 100, 200, 500)
BATCH_SECONDS = 1.0
"""One event measures photos for so long, at least one; those that were measured before take milliseconds."""
SPANS = {"prm-2018": (2.0, 2.0, 4e-5)}
"""How far a search goes with each weight, where a reading needs another scale than 1.5."""
POINTS = 16
AXES = {"α and γ": ("alpha", "gamma"), "α and β": ("alpha", "beta"), "β and γ": ("beta", "gamma")}
GONE = "This set is no longer kept here. Choose it again; what was measured is remembered."
SAVE = """name => {
  const plane = document.querySelector('.tune-plane');
  if (!plane) return '<p class="tune-error" role="alert">Search first, then the best weights can be saved.</p>';
  if (!name.trim()) return '<p class="tune-error" role="alert">Give the preset a name first.</p>';
  if (!window.wsis?.presets) return '<p class="tune-error" role="alert">This page cannot keep presets. Reload it.</p>';
  if (!window.wsis.presets.save(name.trim().slice(0, 40), JSON.parse(plane.dataset.preset)))
    return '<p class="tune-error" role="alert">This name is taken, or this browser keeps none. Try another name.</p>';
  return '<p class="hint" role="status">Saved in this browser; it stands with the presets now.</p>';
}"""


@dataclass(frozen=True)
class Tune:
    """What a visitor's page remembers: which set, and what the sliders and lists say.

    Attributes:
        token: of the set; empty before there is one.
        weights: on the sliders.
        step: T.
        reading: of Eq. 5.
        figure: one of `wsis.tuning.FIGURES`, which the heat map shows.
    """

    token: str = ""
    weights: Weights = PUBLISHED
    step: int = 3
    reading: str = "cover"
    figure: str = "map50"


@dataclass
class Session:
    """One visitor's set.

    Attributes:
        pairs: photos and masks.
        settings: how they are looked at.
        folder: where a zip was unpacked; goes with the session.
        records: what was measured, by the number of its pair.
        failed: names and reasons of the others.
        seconds: how long the last photos took.
        stopped: whether the visitor stopped it.
        found: the last search, and whether it saw every other photo only.
        thumbs: small pictures by stem.
        used: when it was last asked for.
        lock: held while photos are measured.
    """

    pairs: tuple[Pair, ...]
    settings: Settings
    folder: TemporaryDirectory | None = None
    records: dict[int, tuning.Record] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: bool = False
    found: tuple[Grid, bool] | None = None
    thumbs: dict[str, str] = field(default_factory=dict)
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _table: Records | None = None

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

    def table(self, classes: tuple[str, ...]) -> Records:
        """The records as one set."""
        if self._table is None or len(self._table) != len(self.records):
            self._table = Records(list(self.records.values()), classes)
        return self._table

    def progress(self) -> view.Progress:
        """How far it has come."""
        last = self.seconds[-10:]
        left = sum(last) / len(last) * (len(self.pairs) - self.done) if last else None
        return view.Progress(self.done, len(self.pairs), left, self.stopped, tuple(self.failed))


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
            WsisError: it was never there, or is no longer kept.
        """
        with self._lock:
            self._tidy()
            session = self._held.get(token)
            if session is None:
                raise WsisError(GONE)
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


@dataclass(frozen=True)
class Tab:
    """What the page needs of the tab.

    Attributes:
        state: the visitor's `Tune`.
        outputs: components that `moved` refreshes, the state first.
        opener: its `select` event carries {"tune": token, "photo": stem} where a photo is to be opened.
        moved: (Tune, weights, step, reading) to the values of `outputs`.
        photo_path: (Tune, stem) to the photo's file, or a `WsisError` where it is not in the visitor's own set.
    """

    state: gr.State
    outputs: list[Any]
    opener: gr.HTML
    moved: Callable[[Tune, Weights, int, str], tuple]
    photo_path: Callable[[Tune, str], Path]


class Handlers:
    """The tab's behaviour over one pipeline; every public method is one event."""

    def __init__(self, pipeline: Pipeline, sessions: Sessions | None = None, cache: Cache | None = None) -> None:
        """Remember the pipeline, the visitors' sets and where records are kept."""
        self.pipeline, self.sessions, self.cache = pipeline, sessions or Sessions(), cache or Cache()
        sweep()

    def zip(self, tune: Tune, file: str | None, enhancer: str, most: int) -> tuple:
        """A zip was uploaded."""
        if not file:
            return self._started(tune, WsisError("The upload did not arrive. Try it again."))
        try:
            folder = TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        except OSError:
            return self._started(tune, WsisError("The server has no room for the zip just now. Try again later."))
        try:
            photo_sets.unpack(Path(file), Path(folder.name))
            return self._started(tune, self._session(Path(folder.name), enhancer, most, folder))
        except WsisError as error:
            folder.cleanup()
            return self._started(tune, error)

    def folder(self, tune: Tune, path: str, enhancer: str, most: int) -> tuple:
        """A folder of this machine was named."""
        try:
            if not path.strip():
                raise WsisError("Give the path of a folder first.")
            return self._started(tune, self._session(Path(path.strip()).expanduser(), enhancer, most))
        except WsisError as error:
            return self._started(tune, error)

    def step(self, tune: Tune, tick: int) -> tuple:
        """Measure the next photos; a tick that moved on starts the next event."""
        try:
            session = self.sessions.get(tune.token)
            self._measure(session)
            self.sessions.get(tune.token)
        except WsisError:  # another set has taken its place, and what the page shows is already about that
            return tuple(gr.skip() for _ in range(9))
        at = view.progress(session.progress())
        if session.running:
            return tick + 1, at, *_buttons(session), *_nothing()
        return tick, at, *_buttons(session), *self.moved(tune)[1:]

    def refused(self, error: RefusedError, tune: Tune, tick: int) -> tuple:
        """No turn for the next photos: measuring stops, and *Go on* tries again."""
        try:
            session = self.sessions.get(tune.token)
        except WsisError:
            return tuple(gr.skip() for _ in range(9))
        session.stopped = True
        head = view.notice(str(error)) + view.progress(session.progress())
        return tick, head, *_buttons(session), *_nothing()

    def stop(self, tune: Tune) -> tuple:
        """Measure no further photo; what there is counts."""
        try:
            session = self.sessions.get(tune.token)
        except WsisError as error:
            return view.notice(str(error)), *_buttons(None), *_nothing()
        session.stopped = True
        return view.progress(session.progress()), *_buttons(session), *self.moved(tune)[1:]

    def resume(self, tune: Tune, tick: int) -> tuple:
        """Go on after a stop, or after the connection broke."""
        try:
            session = self.sessions.get(tune.token)
        except WsisError as error:
            return tick, view.notice(str(error)), *_buttons(None)
        session.stopped = False
        return tick + 1, view.progress(session.progress()), *_buttons(session)

    def search(self, tune: Tune, axes: str, split: bool) -> str:
        """Try a grid of weights around those on the sliders; the heat map's HTML."""
        try:
            session = self.sessions.get(tune.token)
            records = session.table(self.pipeline.classes)
            if not len(records) or (split and len(records) < 2):
                raise WsisError("There are not enough measured photos yet. Wait for some, then search.")
            part = records.halves[0] if split else records
            pair = AXES.get(axes, AXES["α and γ"])
            spans = dict(zip(("alpha", "beta", "gamma"), SPANS.get(tune.reading, (1.5,) * 3), strict=True))
            values = tuple(_rounded(np.linspace(0, spans[axis], POINTS)) for axis in pair)
            grid = tuning.grid(part, pair, tune.weights, tune.step, tune.reading, (values[0], values[1]))
            session.found = grid, split
            return self._plane(tune, session)
        except WsisError as error:
            return view.notice(str(error))

    def figure(self, tune: Tune, figure: str) -> tuple[Tune, Any]:
        """Another figure is to be shown and maximised."""
        tune = replace(tune, figure=figure if figure in FIGURES else "map50")
        try:
            return tune, self._plane(tune, self.sessions.get(tune.token))
        except WsisError as error:
            return tune, view.notice(str(error))

    def moved(
        self, tune: Tune, weights: Weights | None = None, step: int | None = None, reading: str | None = None
    ) -> tuple:
        """The sliders moved: state, figures, heat map, classes and worst photos; nothing new where there is no set."""
        tune = replace(
            tune,
            weights=weights or tune.weights,
            step=tune.step if step is None else step,
            reading=reading or tune.reading,
        )
        if not tune.token:
            return tune, *_nothing()
        try:
            session = self.sessions.get(tune.token)
        except WsisError as error:
            return tune, view.notice(str(error)), "", "", ""
        records = session.table(self.pipeline.classes)
        if session.running or not len(records):
            return tune, *_nothing()
        now = self._figures(tune, records)
        published = tuning.figures(records, PUBLISHED, tune.step)
        title = next((preset.title for preset in PRESETS.values() if preset.reading == tune.reading), tune.reading)
        return (
            tune,
            view.big(now, published, step=tune.step, title=title),
            self._plane(tune, session),
            view.bars(now),
            view.worst(now, session.names, tune.token, lambda name: self._thumb(session, name)),
        )

    def photo_path(self, tune: Tune, stem: str) -> Path:
        """The file of a photo of the visitor's own set.

        Raises:
            WsisError: the set is gone, or has no such photo.
        """
        found = [pair.photo for pair in self.sessions.get(tune.token).pairs if pair.name == stem]
        if not found or not found[0].is_file():
            raise WsisError("This photo is no longer there. Choose the set again.")
        return found[0]

    def _session(self, place: Path, enhancer: str, most: int, folder: TemporaryDirectory | None = None) -> Session:
        pairs = photo_sets.spaced(photo_sets.collect(place), int(most) if int(most) in LIMITS else LIMITS[0])
        settings = Settings(enhancer=enhancer if enhancer in self.pipeline.enhancers else "none")  # type: ignore[arg-type]
        return Session(pairs, settings, folder)

    def _started(self, tune: Tune, outcome: Session | WsisError) -> tuple:
        """State, tick, head, buttons and outputs after a set was chosen."""
        if isinstance(outcome, WsisError):
            return gr.skip(), gr.skip(), view.intro(self.pipeline.classes, str(outcome)), *[gr.skip()] * 3
        self.sessions.drop(tune.token)
        tune = replace(tune, token=self.sessions.put(outcome))
        return tune, time.monotonic_ns(), view.progress(outcome.progress()), *_buttons(outcome)

    def _measure(self, session: Session) -> None:
        start = time.monotonic()
        with session.lock:
            while session.running:
                number = session.done
                pair, before = session.pairs[number], time.monotonic()
                try:
                    session.records[number] = self.cache.measure(self.pipeline, pair, session.settings)
                except WsisError as error:
                    session.failed.append((pair.photo.name, str(error)))
                session.seconds.append(time.monotonic() - before)
                if time.monotonic() - start > BATCH_SECONDS:
                    break

    def _figures(self, tune: Tune, records: Records, weights: Weights | None = None) -> Figures:
        return tuning.figures(records, weights or tune.weights, tune.step, tune.reading)

    def _plane(self, tune: Tune, session: Session) -> str:
        if session.found is None:
            return view.before_search()
        grid, split = session.found
        records = session.table(self.pipeline.classes)
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
        third = next(axis for axis in ("alpha", "beta", "gamma") if axis not in grid.axes)
        same = (grid.step, grid.reading, getattr(grid.base, third)) == (
            tune.step,
            tune.reading,
            getattr(tune.weights, third),
        )
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


def build(pipeline: Pipeline, desk: Desk | None = None, *, allow_folder: bool = False) -> Tab:
    """Make the tab's components in the block that is open, and wire them.

    Args:
        pipeline: whose weights are tuned.
        desk: limits and turns; the usual ones by default.
        allow_folder: offer folders of this machine too, where visitor and server share it.
    """
    handlers, desk = Handlers(pipeline), desk or Desk()
    state = gr.State(Tune(), time_to_live=7200, delete_callback=lambda gone: handlers.sessions.drop(gone.token))
    tick = gr.State(0)
    with gr.Column(elem_classes="tune"):
        with gr.Row(elem_classes="tune-source"):
            upload = gr.UploadButton("Upload a zip", file_types=[".zip"], variant="primary", elem_classes="tune-button")
            if allow_folder:
                path = gr.Textbox(placeholder="or a folder on this machine", show_label=False, container=False)
                take = gr.Button("Take it", elem_classes="tune-button")
            enhancer = gr.Dropdown(
                [(view.ENHANCERS[name], name) for name in pipeline.enhancers],
                value=pipeline.default_enhancer,
                label="maps grown by",
                elem_classes="tune-list",
            )
            most = gr.Dropdown(
                [(f"at most {n}", n) for n in LIMITS], value=LIMITS[2], label="photos", elem_classes="tune-list"
            )
        head = _html(view.intro(pipeline.classes))
        with gr.Row(elem_classes="tune-source"):
            stop = gr.Button("Stop", visible=False, elem_classes="tune-button")
            resume = gr.Button("Go on", visible=False, elem_classes="tune-button")
        with gr.Column(visible=False, elem_classes="tune-results") as results:
            figures = _html()
            with gr.Row(elem_classes="tune-columns"):
                with gr.Column(min_width=280):
                    _html("<h2>Search over two weights</h2>")
                    with gr.Row(elem_classes="tune-source"):
                        figure = gr.Dropdown(
                            [(view.NAMES[name], name) for name in FIGURES], value="map50", label="maximise",
                            elem_classes="tune-list",
                        )  # fmt: skip
                        axes = gr.Dropdown(list(AXES), value="α and γ", label="over", elem_classes="tune-list")
                        search = gr.Button("Search", elem_classes="tune-button")
                    split = gr.Checkbox(False, label="Tune on every other photo, report on the rest", container=False)
                    plane = _html(view.before_search(), js_on_load=_script())
                    with gr.Row(elem_classes="tune-source"):
                        name = gr.Textbox(
                            placeholder="name of the preset", show_label=False, container=False, max_length=40
                        )
                        save = gr.Button("Save best as preset", elem_classes="tune-button")
                    note = _html()
                with gr.Column(min_width=280):
                    bars = _html()
            opener = _html(js_on_load=_script())
    outputs = [state, figures, plane, bars, opener]
    buttons = [stop, resume, results]
    light: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    start: dict[str, Any] = {**light, "outputs": [state, tick, head, *buttons], "show_progress": "minimal"}
    upload.upload(desk.light("tune-zip", handlers.zip), [state, upload, enhancer, most], **start)
    if allow_folder:
        gr.on(
            [take.click, path.submit],
            desk.light("tune-folder", handlers.folder),
            [state, path, enhancer, most],
            **start,
        )
    step = desk.heavy("tune-step", handlers.step, refused=handlers.refused)
    tick.change(step, [state, tick], [tick, head, *buttons, *outputs[1:]], trigger_mode="multiple", **light)
    stop.click(desk.light("tune-stop", handlers.stop), state, [head, *buttons, *outputs[1:]], **light)
    resume.click(desk.light("tune-resume", handlers.resume), [state, tick], [tick, head, *buttons], **light)
    search.click(
        desk.light("tune-search", handlers.search), [state, axes, split], plane,
        api_visibility="private", concurrency_id="tune-search",
        concurrency_limit=1, trigger_mode="once",
    )  # fmt: skip
    figure.input(desk.light("tune-figure", handlers.figure), [state, figure], [state, plane], **light)
    save.click(None, name, note, js=SAVE, **light)
    return Tab(state, outputs, opener, handlers.moved, handlers.photo_path)


def sweep(prefix: str = PREFIX, seconds: float = 86400) -> None:
    """Delete folders that an explorer left behind when it was killed."""
    for folder in Path(gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder)


def _buttons(session: Session | None) -> tuple[Any, Any, Any]:
    """Whether *Stop*, *Go on* and the results are shown."""
    left = session is not None and session.done < len(session.pairs)
    running = session is not None and session.running
    return (
        gr.update(visible=running),
        gr.update(visible=left and not running),
        gr.update(visible=session is not None and not running and bool(session.records)),
    )


def _nothing() -> list[Any]:
    """Leave every output but the state as it is."""
    return [gr.skip()] * 4


def _rounded(values: np.ndarray) -> list[float]:
    """Numbers as a slider could show them."""
    return [float(f"{value:.3g}") for value in values]


def _html(value: str = "", **options: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, padding=False, **{"js_on_load": None, **options})


def _script() -> str:
    return (HERE / "tune.js").read_text(encoding="utf-8")
