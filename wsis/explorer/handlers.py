"""What happens on a click: fetch the analysis, ask the core, hand the view to Gradio. No maths here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from wsis.errors import WsisError
from wsis.explorer import pictures, view
from wsis.explorer.files import Folder
from wsis.explorer.store import Store
from wsis.explorer.view import BEST, Choice, Scene
from wsis.image import read, resized
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Analysis, Enhancer, Evidence, Pipeline, Settings
from wsis.proposals import readers

MAX_STEPS = 4
STAGES = {
    "read": "Reading the photo",
    "classes": "Which classes are there",
    "contours": "Where things end",
    "proposals": "Proposing masks",
    "peaks": "Finding peaks",
    "enhance": "Growing the maps",
    "match": "Measuring every proposal",
}
RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "prm-2018": ((2.0, 0.01), (2.0, 0.01), (4e-5, 1e-7)),
}
"""Maximum and step of the three sliders, where a reading needs others than (1.5, 0.01)."""


@dataclass(frozen=True)
class Controls:
    """The advanced settings as they stand on the screen, in the order of the components."""

    enhancer: str
    naive: str
    mode: str
    threshold: float
    window: float
    sigma: float
    limit: float

    def settings(self, **others: Any) -> Settings:
        """As the core wants them."""
        chosen: dict[str, Any] = {
            "enhancer": self.enhancer,
            "naive": self.naive,
            "mode": self.mode,
            "class_threshold": float(self.threshold),
            "window": int(self.window),
            "sigma": float(self.sigma),
            "max_peaks": int(self.limit),
            "steps": MAX_STEPS,
        }
        return Settings(**chosen, **others)


class Handlers:
    """The explorer's behaviour over one pipeline; every method is one event."""

    def __init__(self, pipeline: Pipeline, examples: dict[str, Path], store: Store | None = None) -> None:
        """Remember the pipeline.

        Args:
            pipeline: a loaded checkpoint.
            examples: photos by the name they are shown with; may be empty.
            store: where analyses are kept.
        """
        self.pipeline, self.examples, self.store = pipeline, examples, store or Store()
        self.defaults = Settings(enhancer=self.enhancer, steps=MAX_STEPS)
        self.files = Folder()
        self._finished: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def enhancer(self) -> Enhancer:
        """The enhancer to start with: the design's default where the checkpoint has it."""
        wanted = Settings().enhancer
        return wanted if wanted in self.pipeline.enhancers else "spread"

    # --- a new analysis ----------------------------------------------------------------------------------------------

    def warm(self) -> threading.Thread:
        """Analyse the first example in the background, so that the first page can show it."""
        thread = threading.Thread(target=lambda: self.first(Choice()), daemon=True)
        thread.start()
        return thread

    def first(self, choice: Choice) -> tuple:
        """The first paint: the first example, finished."""
        if not self.examples:
            return self._idle(choice)
        return self._example(next(iter(self.examples)), choice)

    def example(self, event: gr.EventData, choice: Choice, progress: Callable = gr.Progress(), *controls: Any) -> tuple:
        """An example was clicked."""
        name = str(_data(event, "example"))
        if name not in self.examples:
            return self._notice("There is no such example.")
        if Controls(*controls).settings(reading=PRESETS[choice.preset].reading) == self.defaults:
            return self._example(name, self._fitted(choice, self.defaults), progress)
        return self._guarded(
            lambda: self._photo(self.examples[name], self.examples[name].name, choice, controls, progress)
        )

    def upload(self, event: gr.EventData, choice: Choice, progress: Callable = gr.Progress(), *controls: Any) -> tuple:
        """A photo was uploaded, dropped, pasted or taken."""
        path = Path(str(_data(event, "path")))
        name = str(_data(event, "name") or "photo")[:80]
        return self._guarded(lambda: self._photo(uploaded(path), name, choice, controls, progress))

    def classes(self, event: gr.EventData, choice: Choice, progress: Callable = gr.Progress()) -> tuple:
        """A class was switched on or off."""
        name, on = str(_data(event, "name")), bool(_data(event, "on"))

        def work() -> tuple:
            analysis = self.store.get(choice.token).analysis
            maps, settings = analysis.evidence.class_maps, analysis.settings
            names = list(settings.classes or ()) if settings.classes is not None else settings_names(analysis)
            names = [n for n in names if n != name] + ([name] if on and name in maps.classes else [])
            chosen = replace(settings, classes=tuple(names))
            fresh = self.pipeline.analyse(analysis.evidence, chosen, progress=_told(progress))
            peak = next((k for k, c in enumerate(fresh.peaks.classes) if maps.classes[c] == name), BEST) if on else BEST
            return self._keep(fresh, replace(choice, peak=peak))

        return self._guarded(work)

    def adjust(self, choice: Choice, progress: Callable = gr.Progress(), *controls: Any) -> tuple:
        """An advanced setting was changed: look again at what was seen."""

        def work() -> tuple:
            analysis = self.store.get(choice.token).analysis
            settings = Controls(*controls).settings(reading=analysis.settings.reading)
            if settings.class_threshold == analysis.settings.class_threshold:
                settings = replace(settings, classes=analysis.settings.classes)
            return self._keep(self._analyse(analysis.evidence, settings, progress), self._fitted(choice, settings))

        return self._guarded(work)

    def proposals(self, choice: Choice, file: str | None, progress: Callable = gr.Progress()) -> tuple:
        """A file of proposals was chosen, or taken away again (None: the built-in ones)."""

        def work() -> tuple:
            old = self.store.get(choice.token).analysis
            image = old.evidence.image
            foreign = readers.read(file, image.shape[:2], Path(choice.photo).stem) if file else None
            evidence = self.pipeline.observe(image, proposals=foreign, progress=_told(progress))
            return self._keep(self._analyse(evidence, old.settings, progress), replace(choice, peak=BEST))

        return self._guarded(work)

    def preset(self, choice: Choice, event: gr.EventData) -> tuple:
        """A preset was chosen: its weights and its reading of Eq. 5."""
        name = str(_data(event, "preset"))
        if name not in PRESETS:
            return self._notice("There is no such preset.")
        preset = PRESETS[name]
        choice = replace(choice, preset=name, weights=preset.weights)

        def work() -> tuple:
            entry = self.store.get(choice.token)
            if entry.analysis.settings.reading == preset.reading:
                return self._screen(Scene(entry, choice), choice)
            settings = replace(entry.analysis.settings, reading=preset.reading)
            return self._keep(self.pipeline.analyse(entry.analysis.evidence, settings), choice)

        return self._guarded(work)

    # --- the same analysis, seen differently -------------------------------------------------------------------------

    def rank(self, choice: Choice, alpha: float, beta: float, gamma: float, step: float) -> tuple:
        """A slider moved."""
        return self._again(replace(choice, weights=Weights(alpha, beta, gamma), step=int(step)), view.ranked)

    def pick(self, choice: Choice, event: gr.EventData) -> tuple:
        """A peak was picked, on the stage, in the list or in the table; or a step in the bar over the stage."""
        step, peak = _data(event, "step"), _data(event, "peak")
        if step is not None:
            return self._again(replace(choice, step=int(step)), view.ranked)
        return self._again(replace(choice, peak=int(peak or 0)), view.picked)

    # --- files -------------------------------------------------------------------------------------------------------

    def download(self, kind: str, choice: Choice) -> str:
        """A download button was clicked; see `files.WRITERS`."""
        try:
            return str(self.files.write(kind, Scene(self.store.get(choice.token), choice), self.pipeline.checkpoint))
        except WsisError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _example(self, name: str, choice: Choice, progress: Callable | None = None) -> tuple:
        """A finished example, computed once for everybody: it is nobody's photo."""

        def work() -> tuple:
            with self._lock:
                if name not in self._finished:
                    image = read(self.examples[name])
                    self._finished[name] = self.store.put(self._analyse(image, self.defaults, progress), pinned=True)
            if choice.token not in self._finished.values():
                self.store.drop(choice.token)
            fresh = replace(choice, token=self._finished[name], photo=self.examples[name].name, peak=BEST)
            return self._screen(Scene(self.store.get(fresh.token), fresh), fresh)

        return self._guarded(work)

    def _photo(self, path: Path, name: str, choice: Choice, controls: tuple, progress: Callable | None) -> tuple:
        if progress:
            progress(0, desc=STAGES["read"])
        image = read(path)
        settings = Controls(*controls).settings(reading=PRESETS[choice.preset].reading)
        fresh = replace(self._fitted(choice, settings), photo=name, peak=BEST)
        return self._keep(self._analyse(image, settings, progress), fresh)

    def _analyse(self, photo: Any, settings: Settings, progress: Callable | None) -> Analysis:
        evidence = photo if isinstance(photo, Evidence) else self.pipeline.observe(photo, progress=_told(progress))
        return self.pipeline.analyse(evidence, settings, progress=_told(progress))

    def _fitted(self, choice: Choice, settings: Settings) -> Choice:
        """The choice at the published T where the enhancer changes; a scene shows the last step if there are fewer."""
        try:
            same = self.store.get(choice.token).analysis.settings.enhancer == settings.enhancer
        except WsisError:
            same = False
        return choice if same else replace(choice, step=Settings().steps)

    def _keep(self, analysis: Analysis, choice: Choice) -> tuple:
        fresh = replace(choice, token=self.store.put(analysis, replacing=choice.token))
        return self._screen(Scene(self.store.get(fresh.token), fresh), fresh)

    def _screen(self, scene: Scene, choice: Choice) -> tuple:
        """Everything, in the order of `layout.build`; what was picked stays picked when the weights move."""
        choice = replace(choice, peak=scene.peak)
        photo = {
            "name": choice.photo,
            "src": pictures.jpeg(resized(scene.analysis.evidence.image, 560), 84),
            "example": next((name for name, token in self._finished.items() if token == choice.token), ""),
        }
        return (
            choice, view.stage(scene), photo, view.chips(scene), *_panels(scene), view.timings(scene),
            view.weights_head(choice), *_sliders(scene),
        )  # fmt: skip

    def _again(self, choice: Choice, stage: Callable[[Scene], dict]) -> tuple:
        """What a click on the same analysis changes, in the order of `layout.build`."""
        try:
            scene = Scene(self.store.get(choice.token), choice)
        except WsisError as error:
            gr.Warning(escape(str(error)))
            return (gr.skip(),) * AGAIN
        return (
            choice, stage(scene), *_panels(scene), view.weights_head(choice),
            gr.Slider(value=scene.step),
        )  # fmt: skip

    def _guarded(self, work: Callable[[], tuple]) -> tuple:
        """Run it; what the user can mend is said in one sentence, and the screen stays as it was."""
        try:
            return work()
        except WsisError as error:
            return self._notice(str(error))

    def _notice(self, sentence: str) -> tuple:
        gr.Warning(escape(sentence), duration=6)
        stage = {"kind": "notice", "notice": sentence}
        return (gr.skip(), stage) + (gr.skip(),) * (SCREEN - 2)

    def _idle(self, choice: Choice) -> tuple:
        empty = {"title": "Drop a photo here", "text": "Or upload, paste or take one with the buttons on the left."}
        stage = {"kind": "idle", "empty": empty, "peaks": [], "steps": []}
        return (choice, stage) + (gr.skip(),) * (SCREEN - 2)


SCREEN = 15
"""How many outputs a new analysis has."""
AGAIN = 9
"""How many outputs a click on the same analysis has."""


def uploaded(path: Path) -> Path:
    """A path that the browser named, only if it is a file that was uploaded here.

    Raises:
        WsisError: it is anything else.
    """
    folder = Path(get_upload_folder()).resolve()
    resolved = path.resolve()
    if not resolved.is_relative_to(folder) or not resolved.is_file():
        raise WsisError("The upload did not arrive. Choose the photo again.")
    return resolved


def settings_names(analysis: Analysis) -> list[str]:
    """Names of the classes that pass the threshold."""
    maps = analysis.evidence.class_maps
    return [n for n, score in zip(maps.classes, maps.scores, strict=True) if score >= analysis.settings.class_threshold]


def _panels(scene: Scene) -> tuple[str, str, str, str, str]:
    return view.peaks(scene), view.proposals(scene), view.firm(scene), view.table(scene), view.status(scene)


def _sliders(scene: Scene) -> tuple:
    reading = scene.analysis.settings.reading
    ranges = RANGES.get(reading, ((1.5, 0.01),) * 3)
    weights = scene.choice.weights
    values = (weights.alpha, weights.beta, weights.gamma)
    updates = [
        gr.Slider(
            value=value, maximum=top, step=step, label=f"{symbol} {name}", info=meaning, interactive=name != "unused"
        )
        for value, (top, step), symbol, (name, meaning) in zip(
            values, ranges, view.SYMBOLS, view.MEANING[reading], strict=True
        )
    ]
    return (*updates, gr.Slider(value=scene.step, maximum=max(1, scene.analysis.steps)))


def _told(progress: Callable | None) -> Callable[[str, float], None] | None:
    if progress is None:
        return None
    return lambda stage, share: progress(share, desc=STAGES.get(stage, stage))


def _data(event: gr.EventData, name: str) -> Any:
    """A field of what a panel sent; None where it is missing."""
    return event._data.get(name) if isinstance(event._data, dict) else None
