"""The screen: which component stands where, and which handler it calls."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import cv2
import gradio as gr

from wsis.errors import WsisError
from wsis.explorer import api, pictures, theme
from wsis.explorer.files import WRITERS
from wsis.explorer.handlers import Controls, Handlers
from wsis.explorer.payload import Message
from wsis.explorer.scene import TOP
from wsis.explorer.tabs import method, plots, results, tune
from wsis.explorer.turns import RefusedError
from wsis.explorer.uploads import Shelf
from wsis.explorer.web import app_options
from wsis.explorer.words import MEANING
from wsis.image import read
from wsis.matching import PRESETS
from wsis.pipeline import Settings

HERE = Path(__file__).parent
SCRIPTS = ("match", "words", "session", "paint", "panels", "stage")
LOGO = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.2" fill="none" stroke="currentColor"/>'
    '<circle cx="12" cy="12" r="6.6" fill="none" stroke="currentColor" stroke-width="1.6"/>'
    '<circle cx="12" cy="12" r="3.2" fill="currentColor"/></svg>'
)
ENHANCERS = {
    "none": ("nothing: the naive map", "naive"),
    "spread": ("spreading over superpixels", "spread"),
    "icn-proposal": ("ICN, trained on proposals", "ICN proposals"),
    "icn-saliency": ("ICN, trained on saliency", "ICN saliency"),
}
"""Title and short name of each enhancer."""
MAIN_PRESETS = {"paper": "Paper", "prm-2018": "PRM 2018"}
SLIDERS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "prm-2018": ((2.0, 0.01), (2.0, 0.01), (4e-5, 1e-7)),
}
"""Maximum and step of the three sliders, where a reading needs others than (1.5, 0.01)."""
BACKSTOP = 1000
"""Most events under way at all; the desk refuses far earlier, with a sentence."""
UPLOAD = 100 * 2**20
"""Bytes of the largest upload, unless the operator says otherwise."""
BUILT_IN = "built-in"
"""What `wsis.proposals` calls its own."""
PROPOSALS = "Proposals: built-in, or drop a file (.mat, .json, .png)"
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def build(handlers: Handlers, *, local: bool = False) -> gr.Blocks:
    """The explorer's page, not yet served.

    Args:
        handlers: what happens on a click.
        local: whether only people at this machine can reach the page, who may name its folders.
    """
    with gr.Blocks(title="wsis explorer", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        _html(_header(handlers), elem_id="top")
        with gr.Row(elem_id="screen"):
            with gr.Column(elem_id="left", min_width=0):
                _scripted("photo", "wsis.photos(element, upload)", __EXAMPLES__=_examples(handlers.examples))
                _card("classes", "<h2>Classes</h2>", 2)
                _card("peaks", PEAKS_HEAD, 2)
                with gr.Accordion("Advanced", open=False, elem_id="advanced", elem_classes="card"):
                    controls, file = _advanced(handlers)
            with gr.Column(elem_id="centre", min_width=0):
                stage = _scripted("stage", "wsis.stage(element, props, trigger, watch)")
                with gr.Column(elem_id="below", elem_classes="card"), gr.Tabs(elem_id="tabs"):
                    with _tab("instances", "Instances"):
                        _host("table", 2)
                        with gr.Row(elem_id="files"):
                            _host("status", 0)
                            _html(_buttons([kind for kind in WRITERS if kind != "Report"]), elem_id="downloads")
                    with _tab("landscape", "Score landscape"):
                        landscape = _plot("landscape")
                    with _tab("sensitivity", "Sensitivity"):
                        _html(AXES_HEAD, elem_id="axes")
                        sensitivity = _plot("sensitivity")
                    with _tab("tune", "Tune on a data set"):
                        tuning = tune.build(handlers.pipeline, handlers.desk, allow_folder=local)
                    with _tab("results", "Results"):
                        _html(
                            results.html(handlers.pipeline.checkpoint),
                            elem_id="results",
                            js_on_load=_read("tabs/results.js"),
                        )
                    with _tab("method", "Method and model"):
                        _html(method.html(handlers.pipeline.checkpoint), elem_id="method")
            with gr.Column(elem_id="right", min_width=0):
                _card("weights", "", 4)
                _card("ranking", "", 5)
                _card("firmness", "", 1)
        made = gr.DownloadButton("Made", elem_id="made", visible="hidden")
        api.register(handlers)  # first, so that its names are as documented
        _wire(page, handlers, stage, [*controls, file], made, [*landscape, *sensitivity], tuning)
    return page


def _wire(
    page: gr.Blocks,
    handlers: Handlers,
    stage: gr.HTML,
    controls: list,
    made: gr.DownloadButton,
    drawn: list,
    tuning: Any,
) -> None:
    """Events to handlers. The stage's component is the one wire between the page's scripts and Python."""
    desk = handlers.desk

    def settled(state: Any, event: gr.EventData, request: gr.Request) -> tuple:
        """What only Python draws, for the tab that is open."""
        now, scene, message = handlers.settle(event, request)
        rest: list[Any] = [gr.skip()] * (len(drawn) + len(tuning.outputs))
        if now is not None and scene is not None:
            if now.tab == "landscape":
                rest[:2] = plots.landscape(scene, now.dark), plots.landscape_table(scene)
            elif now.tab == "sensitivity":
                said = f'<p class="plot-said">{escape(plots.sensitivity_summary(scene, *now.axes))}</p>'
                told = said + plots.sensitivity_table(scene, *now.axes)
                rest[2:4] = plots.sensitivity(scene, *now.axes, now.dark), told
            elif now.tab == "tune":
                rest[4:] = tuning.moved(state, now.weights, now.step, now.reading)
        return message, *rest

    def looked(event: gr.EventData, request: gr.Request, *given: Any) -> tuple:
        """The answer, and the controls as they stand for the analysis that it brings."""
        message = handlers.look(event, request, *given)
        return message, *_standing(message, given)

    def opened(state: Any, event: gr.EventData, request: gr.Request, *given: Any) -> tuple:
        """A photo of the data set, opened in the explorer."""
        message = handlers.tuned(partial(tuning.photo_path, state), event, request, *given)
        return message, *_standing(message, given)

    def turned_away(error: RefusedError, event: gr.EventData | None = None, *_: Any) -> tuple:
        return handlers.refused(error, event), *[gr.skip()] * len(controls)

    def untouched(error: RefusedError, *_: Any) -> tuple:
        return handlers.refused(error), *[gr.skip()] * (len(drawn) + len(tuning.outputs))

    # The desk lets them wait, not Gradio, which knows no visitors.
    event = {**PRIVATE, "trigger_mode": "always_last", "concurrency_limit": None}
    heavy = {**event, "outputs": [stage, *controls], "show_progress": "full", "show_progress_on": stage}
    # Of two at once Gradio would send the first again in the place of the second, unless it may send both.
    light = {**event, "show_progress": "hidden", "trigger_mode": "multiple"}
    look = desk.heavy(handlers.act, looked, refused=turned_away, ready=handlers.ready)
    stage.edit(look, controls, **heavy).failure(None, js="() => wsis.failed()", **PRIVATE)
    stage.select(desk.light("ask", handlers.ask, refused=handlers.refused), None, stage, **light)
    settle = desk.light("settle", settled, refused=untouched)
    stage.release(settle, tuning.state, [stage, *drawn, *tuning.outputs], **light)
    stage.download(desk.light("download", handlers.download), None, made, **light).success(None, js=FETCH, **PRIVATE)
    *sliders, file = controls
    for one in sliders:
        changed = one.release if isinstance(one, gr.Slider) else one.input
        changed(None, js="() => wsis.look('adjust')", **PRIVATE)
    gr.on([file.upload, file.clear], None, js="() => wsis.look('proposals', {}, 'Reading proposals')", **PRIVATE)
    tuned = desk.heavy("tuned", opened, refused=lambda error, *_: turned_away(error))
    tuning.opener.select(tuned, [tuning.state, *controls], **heavy)
    page.load(None, js="() => wsis.open()", **PRIVATE)
    page.unload(desk.closing(handlers.closed))


def _standing(message: Message, given: tuple) -> list[Any]:
    """The controls and the proposals file, as the analysis on the screen has them; what they show already stays."""
    *shown, file = given
    settings, photo = message.get("settings"), message.get("photo")
    *wanted, _ = settings.values() if settings else given
    controls = [gr.skip() if value == has else value for has, value in zip(shown, wanted, strict=True)]
    if not photo:
        return [*controls, gr.skip()]
    built_in = photo["source"] == BUILT_IN
    label = PROPOSALS if built_in else f"Proposals: from {photo['source']}; another file, or clear for the built-in"
    return [*controls, gr.update(label=label, **({"value": None} if built_in and file else {}))]


def launch_options(handlers: Handlers) -> dict[str, Any]:
    """What `launch` needs for the page to look and behave as it should."""
    # In the head, because Gradio rewrites the selectors of `css=` and breaks those with `:is(a, b)`.
    styles = "".join(path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.css")))
    scripts = f"globalThis.wsis = {{config: {_json(config(handlers))}}};" + "".join(
        _read(f"stage/{name}.js") for name in (*SCRIPTS, "photo")
    )
    head = f"<style>{theme.variables()}{styles}</style><script>{scripts}</script>"
    return {
        "theme": theme.theme(), "head": head, "footer_links": [], "ssr_mode": False, "max_threads": BACKSTOP,
        "max_file_size": f"{UPLOAD // 2**20}mb", "app_kwargs": app_options(handlers.desk, Shelf(), most=UPLOAD),
    }  # fmt: skip


def config(handlers: Handlers) -> dict[str, Any]:
    """What the page's scripts know from the start: presets, enhancers, colours."""
    presets = {
        name: {
            "reading": preset.reading,
            "weights": [preset.weights.alpha, preset.weights.beta, preset.weights.gamma],
            "title": preset.title,
            "short": MAIN_PRESETS.get(name, preset.title),
            "formula": preset.formula,
            "note": preset.note,
            "meaning": MEANING[preset.reading],
            "ranges": SLIDERS.get(preset.reading, ((1.5, 0.01),) * 3),
        }
        for name, preset in PRESETS.items()
    }
    return {
        "presets": presets,
        "main": list(MAIN_PRESETS),
        "enhancers": {
            name: {"title": t, "short": s} for name, (t, s) in ENHANCERS.items() if name in handlers.pipeline.enhancers
        },
        "enhancer": handlers.enhancer,
        "step": Settings().steps,
        "steps": handlers.defaults.steps,
        "top": TOP,
        "tints": pictures.TINTS,
        "faded": pictures.FADED,
        "settings": asdict(Controls.of(handlers.defaults)),
        "inferno": pictures.inferno(),
    }


def _html(value: str = "", **options: Any) -> gr.HTML:
    """HTML without Gradio's prose styles."""
    return gr.HTML(value, apply_default_css=False, **{"js_on_load": None, **options})


def _host(elem_id: str, rows: int) -> gr.HTML:
    """An empty place that `stage/panels.js` fills."""
    return _html(f"<div data-host>{_skeleton(rows)}</div>", elem_id=elem_id)


def _card(elem_id: str, head: str, rows: int) -> gr.HTML:
    return _html(f"{head}<div data-host>{_skeleton(rows)}</div>", elem_id=elem_id, elem_classes="card")


def _tab(name: str, title: str) -> gr.Tab:
    """A tab below the stage; the page's state follows it, and Python draws what it needs."""
    tab = gr.Tab(title, elem_id=f"tab-{name}", render_children=True)
    tab.select(None, js=f"() => wsis.openTab('{name}')", **PRIVATE)
    return tab


def _plot(name: str) -> list[gr.components.Component]:
    """A plotly figure and the table that says the same."""
    figure = gr.Plot(show_label=False, container=False, elem_id=f"{name}-plot", buttons=[])
    return [figure, _html('<p class="hint">Drawn as soon as there is a peak.</p>', elem_id=f"{name}-words")]


def _scripted(elem_id: str, start: str, **fills: str) -> gr.HTML:
    """A component whose template never changes; its script draws what Python sends as value."""
    template = _read(f"stage/{elem_id}.html")
    for name, text in fills.items():
        template = template.replace(name, text)
    return gr.HTML(
        None, html_template=template, js_on_load=start, elem_id=elem_id, elem_classes="card", apply_default_css=False
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _json(content: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(content).replace("</", "<\\/")


def _header(handlers: Handlers) -> str:
    return (
        f'<div class="top"><span class="logo">{LOGO}</span><h1>wsis</h1><p>from a label to a mask, step by step</p>'
        f'<span class="push"></span><span class="pill queue" role="status" hidden></span>'
        f'<span class="pill device"><i></i>{escape(handlers.device)}</span>'
        f'<span class="pill model" title="The model">{escape(handlers.pipeline.name)} · '
        f"{len(handlers.pipeline.classes)} classes</span>"
        '<button type="button" class="plain" data-get="Report" title="A page of what you see, to send around">Report'
        '</button><button type="button" class="primary" data-share title="Copy a link to this screen">Share'
        "</button></div>"
    )


def _examples(examples: dict[str, Path]) -> str:
    parts = []
    for name, path in examples.items():
        try:
            image = read(path)
        except WsisError:
            continue
        side = min(image.shape[:2])
        y, x = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        small = cv2.resize(image[y : y + side, x : x + side], (104, 104), interpolation=cv2.INTER_AREA)
        parts.append(
            f'<button type="button" data-example="{escape(name)}" title="{escape(name)}" aria-pressed="false" '
            f'aria-label="Example: {escape(name)}"><img alt="" src="{pictures.jpeg(small, 84)}"></button>'
        )
    return "".join(parts)


def _advanced(handlers: Handlers) -> tuple[list[gr.components.Component], gr.File]:
    """The controls of `handlers.Controls`, in its order, and the proposals file."""
    start = handlers.defaults
    slider = partial(gr.Slider, elem_classes="knob", buttons=[])
    controls = [
        gr.Dropdown(["class map", "response", "mixed"], value=start.naive, label="Naive map", info="what is grown"),
        gr.Radio(["excitation", "gradient"], value=start.mode, label="Response", info="how it is propagated back"),
        slider(0, 1, start.class_threshold, step=0.01, label="Class threshold", info="least probability of a class"),
        slider(3, 15, start.window, step=2, label="Peak window", info="cells that a peak must dominate"),
        slider(0.5, 5, start.sigma, step=0.1, label="Peak sigma", info="of the Gaussian in Eq. 1, in cells"),
        slider(1, 60, start.max_peaks, step=1, label="Most peaks", info="followed in one photo"),
        gr.Checkbox(start.agreement, label="Agreement", info="hold an ICN back where superpixels or a class disagree"),
    ]
    file = gr.File(
        label=PROPOSALS, file_types=[".mat", ".json", ".png"],
        file_count="single", type="filepath", elem_id="proposal-file", height=92,
    )  # fmt: skip
    return controls, file


def _buttons(kinds: list[str]) -> str:
    """Downloads; the files are made by Python when they are asked for."""
    parts = (f'<button type="button" class="fetch" data-get="{kind}">{kind}</button>' for kind in kinds)
    return f'<div class="downloads" role="group" aria-label="Downloads">{"".join(parts)}</div>'


def _skeleton(rows: int) -> str:
    return f'<div class="skeleton" aria-hidden="true">{"<i></i>" * rows}</div>' if rows else ""


PEAKS_HEAD = (
    '<header><h2>Peaks</h2><span class="walk">'
    '<button type="button" data-walk="-1" aria-label="Previous peak">←</button>'
    '<button type="button" data-walk="1" aria-label="Next peak">→</button></span></header>'
)
AXES_HEAD = (
    '<p class="axes">Who wins over <select aria-label="Weight to the right"></select> and '
    '<select aria-label="Weight upwards"></select></p>'
)
FETCH = """
() => setTimeout(() => {
  const made = document.querySelector('#made');
  (made.matches('a, button') ? made : made.querySelector('a, button')).click();
}, 60)
"""
