"""The components of the tab *Tune on a data set*, and which event each calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from wsis.explorer.models import Models
from wsis.explorer.origin import Origin
from wsis.explorer.server.desk import Desk
from wsis.explorer.tabs.tune import view
from wsis.explorer.tabs.tune.events import LIMITS, Events, Shown, offered
from wsis.explorer.tabs.tune.sessions import Tune
from wsis.explorer.words import PAIRS
from wsis.matching import Weights
from wsis.pipeline import Pipeline
from wsis.results import NAMES
from wsis.tuning import FIGURES

SCRIPT = "wsis.tune(element, trigger)"
"""See `tune.js`."""
RESULTS = ("state", "figures", "plane", "bars", "worst")
MOVED = (*RESULTS, "enhancer", "head")
"""What `moved` changes, the last two with the model."""
BUTTONS = ("stop", "resume", "results")


@dataclass(frozen=True)
class Tab:
    """What the page needs of the tab.

    Attributes:
        state: the visitor's `Tune`.
        outputs: components that `moved` changes.
        opener: its `select` event carries {"tune": token, "photo": stem} where a photo is to be opened.
        moved: (Tune, weights, step, reading, model) to the new value of each component that changes.
        model: name of the model that looks at the visitor's set.
        photo: (Tune, stem) to the photo's file and masks, or a `WsisError` where it is not in the visitor's own set.
    """

    state: gr.State
    outputs: list[Any]
    opener: gr.HTML
    moved: Callable[[Tune, Weights, int, str, Origin | None], dict[Any, Any]]
    model: Callable[[Tune], str | None]
    photo: Callable[[Tune, str], tuple[Path, np.ndarray | None]]


def build(models: Models | Pipeline, desk: Desk | None = None, *, allow_folder: bool = False) -> Tab:
    """Make the tab's components in the block that is open, and wire them.

    Args:
        models: for which weights are tuned.
        desk: limits and turns; the usual ones by default.
        allow_folder: offer folders of this machine too, where visitor and server share it.
    """
    events, desk = Events(models), desk or Desk()
    state = gr.State(Tune(), time_to_live=7200, delete_callback=lambda gone: events.sessions.drop(gone.token))
    with gr.Column(elem_classes="tune"):
        source = _source(events.first, allow_folder)
        head = _html(view.intro(events.first.classes))
        with gr.Row(elem_classes="tune-source"):
            stop = gr.Button("Stop", visible=False, elem_classes="tune-button")
            resume = gr.Button("Go on", visible=False, elem_classes="tune-button")
        results = _results()
    tick = gr.State(0)
    parts: dict[str, Any] = {
        "state": state, "tick": tick, "head": head, "stop": stop, "resume": resume, "results": results.column,
        "enhancer": source.enhancer,
        "figures": results.figures, "plane": results.plane, "bars": results.bars, "worst": results.worst,
    }  # fmt: skip

    def on(event: Callable[..., Shown]) -> Callable[..., Any]:
        """An event of the tab as Gradio wants it."""

        @wraps(event)
        def changed(*given: Any) -> Any:
            return _update(parts, event(*given)) or gr.skip()

        return changed

    def outputs(*names: str) -> list[Any]:
        return [parts[name] for name in names]

    light: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    start = {**light, "outputs": outputs("state", "tick", "head", *BUTTONS), "show_progress": "minimal"}
    chosen = [source.enhancer, source.most]
    source.upload.upload(desk.light("tune-zip", on(events.zip)), [state, source.upload, *chosen], **start)
    if source.path is not None and source.take is not None:
        folder = desk.light("tune-folder", on(events.folder))
        gr.on([source.take.click, source.path.submit], folder, [state, source.path, *chosen], **start)
    step = desk.heavy("tune-step", on(events.step), refused=on(events.refused))
    drawn = outputs("tick", "head", *BUTTONS, *RESULTS[1:])
    tick.change(step, [state, tick], drawn, trigger_mode="multiple", **light)
    stop.click(desk.light("tune-stop", on(events.stop)), state, drawn[1:], **light)
    resume.click(
        desk.light("tune-resume", on(events.resume)), [state, tick], outputs("tick", "head", *BUTTONS), **light
    )
    results.search.click(
        desk.light("tune-search", on(events.search)), [state, results.axes, results.split], results.plane,
        api_visibility="private", concurrency_id="tune-search",
        concurrency_limit=1, trigger_mode="once",
    )  # fmt: skip
    figure = desk.light("tune-figure", on(events.figure))
    results.figure.input(figure, [state, results.figure], outputs("state", "plane"), **light)
    results.save.click(None, results.name, results.note, js="name => wsis.saveTuned(name)", **light)

    def moved(*given: Any) -> dict[Any, Any]:
        return _update(parts, events.moved(*given))

    return Tab(state, outputs(*MOVED), results.worst, moved, events.model, events.photo)


@dataclass(frozen=True)
class _Source:
    """What a set is chosen with; a folder of this machine only where that is allowed."""

    upload: gr.UploadButton
    path: gr.Textbox | None
    take: gr.Button | None
    enhancer: gr.Dropdown
    most: gr.Dropdown


@dataclass(frozen=True)
class _Results:
    """What is there once photos are measured."""

    column: gr.Column
    figures: gr.HTML
    figure: gr.Dropdown
    axes: gr.Dropdown
    search: gr.Button
    split: gr.Checkbox
    plane: gr.HTML
    name: gr.Textbox
    save: gr.Button
    note: gr.HTML
    bars: gr.HTML
    worst: gr.HTML


def _source(origin: Origin, allow_folder: bool) -> _Source:
    path = take = None
    names, usual = offered(origin)
    with gr.Row(elem_classes="tune-source"):
        upload = gr.UploadButton("Upload a zip", file_types=[".zip"], variant="primary", elem_classes="tune-button")
        if allow_folder:
            path = gr.Textbox(placeholder="or a folder on this machine", show_label=False, container=False)
            take = gr.Button("Take it", elem_classes="tune-button")
        enhancer = gr.Dropdown(names, value=usual, label="maps grown by", elem_classes="tune-list")
        most = gr.Dropdown(
            [(f"at most {n}", n) for n in LIMITS], value=LIMITS[2], label="photos", elem_classes="tune-list"
        )
    return _Source(upload, path, take, enhancer, most)


def _results() -> _Results:
    with gr.Column(visible=False, elem_classes="tune-results") as column:
        figures = _html()
        with gr.Row(elem_classes="tune-columns"):
            with gr.Column(min_width=280):
                _html(view.piece("heading", "Search over two weights"))
                with gr.Row(elem_classes="tune-source"):
                    named = [(NAMES[figure], figure) for figure in FIGURES]
                    figure = gr.Dropdown(named, value="map50", label="maximise", elem_classes="tune-list")
                    axes = gr.Dropdown(list(PAIRS), value=next(iter(PAIRS)), label="over", elem_classes="tune-list")
                    search = gr.Button("Search", elem_classes="tune-button")
                split = gr.Checkbox(False, label="Tune on every other photo, report on the rest", container=False)
                plane = _html(view.before_search(), js_on_load=SCRIPT)
                with gr.Row(elem_classes="tune-source"):
                    name = gr.Textbox(
                        placeholder="name of the preset", show_label=False, container=False, max_length=40
                    )
                    save = gr.Button("Save best as preset", elem_classes="tune-button")
                note = _html()
            with gr.Column(min_width=280):
                bars = _html()
        worst = _html(js_on_load=SCRIPT)
    return _Results(column, figures, figure, axes, search, split, plane, name, save, note, bars, worst)


def _update(parts: dict[str, Any], shown: Shown) -> dict[Any, Any]:
    """The new value of each component; whether something is there at all, or may be chosen, is an update of it."""

    def new(name: str, value: Any) -> Any:
        if name == "enhancer":
            names, usual = value
            return gr.update(choices=names, value=usual)
        return gr.update(visible=value) if isinstance(value, bool) else value

    return {parts[name]: new(name, value) for name, value in shown.items()}


def _html(value: str = "", **options: Any) -> gr.HTML:
    return gr.HTML(str(value), apply_default_css=False, padding=False, **{"js_on_load": None, **options})
