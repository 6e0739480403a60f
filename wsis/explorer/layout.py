"""The screen: which component stands where, and what its page has in the head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, get_args

import cv2
import gradio as gr

from wsis import changes, instances
from wsis.analysis import Settings
from wsis.choices import Mode, Naive
from wsis.errors import WsisError
from wsis.explorer import alike, api, glossary, markup, pictures, rated, theme, travel, words
from wsis.explorer.files import GROWTH, WRITERS
from wsis.explorer.handlers import Handlers
from wsis.explorer.server.uploads import Shelf, fetch_nothing
from wsis.explorer.server.web import app_options
from wsis.explorer.tabs import method, results, teach, tune, why
from wsis.explorer.tabs.teach.lesson import Lessons
from wsis.explorer.visit import FIELDS, MOST_FILLED, Controls
from wsis.explorer.whole import wholes
from wsis.explorer.wiring import PRIVATE, PROPOSALS, Plot, Screen, wire
from wsis.image import read
from wsis.matching import PRESETS

HERE = Path(__file__).parent
SCRIPTS = (
    *("stage/markup", "stage/dom", "stage/match", "stage/offers", "stage/alike", "stage/travel", "stage/words"),
    "stage/unpack",
    *("stage/page", "stage/presets", "stage/link", "stage/arrival", "stage/wire", "stage/receive"),
    *("stage/models", "stage/acts", "stage/paint", "stage/search", "stage/classes", "stage/peaks"),
    *("stage/changes", "stage/simplex", "stage/triangle", "stage/weights", "stage/ranking", "stage/rating"),
    *("stage/trust", "stage/firmness", "stage/table", "stage/measure", "stage/touch", "stage/draft"),
    *("stage/panels", "stage/correction", "stage/camera", "stage/gestures", "stage/pointer", "stage/tools"),
    *("stage/player", "stage/controls", "stage/swipe", "stage/layers", "stage/captions", "stage/marks"),
    *("stage/film", "stage/grid", "stage/hover", "stage/notices", "stage/stage"),
    *("stage/whole", "stage/keys", "stage/chapters", "stage/present", "stage/help", "stage/code"),
    *("stage/shelf", "stage/webcam", "stage/photos"),
    *("tabs/results", "tabs/plots", "tabs/tune", "tabs/dropped", "tabs/teach"),
    *("tabs/easel", "tabs/brush", "tabs/likeness", "tabs/why", "stage/api"),
)
"""What the page runs: one script, in pieces that each give it one name, after those that they need at once."""
STYLES = (
    *("stage/looking", "style", "stage/photo", "stage/stage", "stage/film", "stage/grid", "stage/panels"),
    *("stage/below", "stage/advanced", "stage/models", "stage/search", "stage/touch", "stage/present", "stage/help"),
    *("sizes", "tabs/method", "tabs/plots", "tabs/results", "tabs/tune", "tabs/teach", "tabs/why"),
)
"""What it looks like: of rules that weigh the same the last holds."""
BACKSTOP = 1000
"""Most events under way at all; the desk refuses far earlier, with a sentence."""
UPLOAD = 100 * 2**20
"""Bytes of the largest upload, unless the operator says otherwise."""
SPREADS = (0.005, 0.2)
"""Least and most of the strength of spreading."""
THUMBNAIL = 104
"""Side of an example's picture, in pixels."""
piece = partial(markup.part, "screen.html")


def build(handlers: Handlers, *, local: bool = False, lessons: Lessons | None = None) -> gr.Blocks:
    """The explorer's page, not yet served; from now on Gradio fetches nothing from web addresses.

    Args:
        handlers: what happens on a click.
        local: whether only people at this machine can reach the page, who may name its folders.
        lessons: where teaching is kept; in a temporary folder by default.
    """
    fetch_nothing()
    first = handlers.networks.origin
    with gr.Blocks(title="wsis explorer", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        _html(piece("header", handlers.networks.device, handlers.models.first), elem_id="top")
        _html(markup.render("help.html", shortcuts=glossary.SHORTCUTS, numbers=glossary.NUMBERS), elem_id="help")
        _html(markup.render("code.html"), elem_id="code")
        with gr.Row(elem_id="screen"):
            with gr.Column(elem_id="left", min_width=0):
                photo = markup.render("photo.html", examples=_examples(handlers.examples.photos))
                _scripted("photo", photo, "wsis.photos(element, upload)")
                _card("classes", 2, piece("classes_head"))
                _card("peaks", 2, piece("peaks_head"))
                _card("hands", 1, piece("hands_head"))
                with gr.Accordion("Advanced", open=False, elem_id="advanced", elem_classes="card"):
                    _html(piece("host", 2), elem_id="whole", js_on_load="wsis.whole(element)")
                    controls, file = _advanced(handlers.defaults)
            with gr.Column(elem_id="centre", min_width=0):
                stage = _scripted("stage", _read("stage/stage.html"), "wsis.stage(element, props, trigger, watch)")
                with gr.Column(elem_id="below", elem_classes="card"), gr.Tabs(elem_id="tabs"):
                    with _tab("instances", "Instances"):
                        _html(piece("host", 2), elem_id="table")
                        with gr.Row(elem_id="files"):
                            _html(piece("host", 0), elem_id="status")
                            kinds = [kind for kind in WRITERS if kind not in ("Report", "Edits", *GROWTH)]
                            _html(piece("downloads", kinds), elem_id="downloads")
                    with _tab("why", "Why"):
                        why.build(handlers)
                    with _tab("landscape", "Score landscape"):
                        landscape = _plot("landscape")
                    with _tab("sensitivity", "Sensitivity"):
                        _html(piece("axes_head"), elem_id="axes")
                        sensitivity = _plot("sensitivity")
                    with _tab("tune", "Tune on a data set"):
                        tuning = tune.build(handlers.models, handlers.desk, allow_folder=local)
                    with _tab("teach", "Teach"):
                        teach.build(handlers.models, handlers.desk, lessons, most_pixels=handlers.most_pixels)
                    with _tab("results", "Results"):
                        figures = _html(results.html(first), elem_id="results", js_on_load="wsis.results(element)")
                    with _tab("method", "Method and model"):
                        about = _html(method.html(first), elem_id="method")
            with gr.Column(elem_id="right", min_width=0):
                _card("weights", 4)
                _card("ranking", 5)
                _card("firmness", 1)
        made = gr.DownloadButton("Made", elem_id="made", visible="hidden")
        api.register(handlers)  # first, so that its names are as documented
        cards = {"results": (figures, results.html), "method": (about, method.html)}
        carded = gr.State(dict.fromkeys(cards, first.key))
        wire(page, handlers, Screen(stage, controls, file, made, landscape, sensitivity, tuning, cards, carded))
    return page


def launch_options(handlers: Handlers) -> dict[str, Any]:
    """What `launch` needs for the page to look and behave as it should."""
    # In the head, because Gradio rewrites the selectors of `css=` and breaks those with `:is(a, b)`.
    styles = "".join(_read(f"{name}.css") for name in STYLES)
    scripts = "".join(_read(f"{name}.js") for name in SCRIPTS)
    known = f"globalThis.wsis = {{config: {_json(config(handlers))}}};"
    # In a function, so that `wsis` stays the only global name.
    script = f"{known}(() => {{'use strict';\n{scripts}}})();"
    head = f"<style>{theme.variables()}{styles}</style><script>{script}</script>"
    return {
        "theme": theme.theme(), "head": head, "footer_links": [], "ssr_mode": False, "max_threads": BACKSTOP,
        # Gradio would end the program where its first page takes three seconds, as on a busy machine.
        "_frontend": False, "max_file_size": f"{UPLOAD // 2**20}mb",
        "app_kwargs": app_options(handlers.desk, Shelf(), most=UPLOAD),
    }  # fmt: skip


def config(handlers: Handlers) -> dict[str, Any]:
    """What the page's scripts know from the start: presets, names of enhancers, the first model, colours."""
    presets = {
        name: {
            "reading": preset.reading,
            "weights": [preset.weights.alpha, preset.weights.beta, preset.weights.gamma],
            "title": preset.title,
            "short": words.PRESETS.get(name, preset.title),
            "formula": preset.formula,
            "note": preset.note,
            "meaning": words.MEANING[preset.reading],
            "ranges": words.sliders(preset.reading),
        }
        for name, preset in PRESETS.items()
    }
    first = handlers.networks.origin
    return {
        "server": handlers.desk.name,
        "presets": presets,
        "main": list(words.PRESETS),
        "enhancers": {name: {"title": names.title, "short": names.short} for name, names in words.ENHANCERS.items()},
        "enhancer": first.enhancer,
        "model": {"name": first.model, "enhancers": first.enhancers, "classes": len(first.classes)},
        "step": Settings().steps,
        "steps": handlers.defaults.steps,
        "tints": [*pictures.TINTS, pictures.QUIET],
        "faded": pictures.FADED,
        "settings": asdict(Controls.of(handlers.defaults)),
        "whole": {name: whole.packed() for name, whole in wholes(handlers.defaults).items()},
        "mostFilled": MOST_FILLED,
        "inferno": pictures.inferno(),
        **method_config(),
    }


def method_config() -> dict[str, Any]:
    """As much of `config` as is the same for every model: words and rules of the method, for `words.js`, `match.js`."""
    return {
        "terms": words.TERMS,
        "symbols": words.SYMBOLS,
        "unused": words.UNUSED,
        "trust": rated.WORDS,
        "numbers": words.NUMBERS,
        "glossary": glossary.hovered(),
        "rules": {
            "nms": instances.NMS,
            "object": instances.OBJECT,
            "leastObject": instances.LEAST_OBJECT,
            "again": instances.AGAIN,
            "offersApart": instances.OFFERS_APART,
            "settled": changes.SETTLED,
            "alike": alike.ALIKE,
            "groups": alike.GROUPS,
            "aside": alike.ASIDE,
            "flat": travel.FLAT,
            "most": travel.MOST,
            "dull": travel.DULL,
        },
    }


def _html(value: str = "", **options: Any) -> gr.HTML:
    """HTML without Gradio's prose styles."""
    return gr.HTML(str(value), apply_default_css=False, **{"js_on_load": None, **options})


def _card(elem_id: str, rows: int, head: str = "") -> gr.HTML:
    """An empty place that `stage/panels.js` fills."""
    return _html(piece("host", rows, head), elem_id=elem_id, elem_classes="card")


def _tab(name: str, title: str) -> gr.Tab:
    """A tab below the stage; the page's state follows it, and Python draws what it needs."""
    tab = gr.Tab(title, elem_id=f"tab-{name}", render_children=True)
    tab.select(None, js=f"() => wsis.openTab('{name}')", **PRIVATE)
    return tab


def _plot(name: str) -> Plot:
    """A plotly figure and the words that say the same."""
    figure = gr.Plot(show_label=False, container=False, elem_id=f"{name}-plot", buttons=[])
    return Plot(figure, _html(piece("hint", "Drawn as soon as there is a peak."), elem_id=f"{name}-words"))


def _scripted(elem_id: str, template: str, start: str) -> gr.HTML:
    """A component whose template never changes; its script draws what Python sends as value."""
    return gr.HTML(
        None,
        html_template=str(template),
        js_on_load=start,
        elem_id=elem_id,
        elem_classes="card",
        apply_default_css=False,
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _json(content: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(content).replace("</", "<\\/")


def _examples(photos: Mapping[str, Path]) -> list[dict[str, str]]:
    """Name and small picture of each example that can be read; `why` it fails, as a text beside the photo has it."""
    shown = []
    for name, path in photos.items():
        try:
            image = read(path)
        except WsisError:
            continue
        side = min(image.shape[:2])
        y, x = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = image[y : y + side, x : x + side]
        small = cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        why = path.with_suffix(".txt")
        told = why.read_text(encoding="utf-8").strip() if why.is_file() else ""
        shown.append({"name": name, "picture": pictures.jpeg(small, 84), "why": told})
    return shown


def _advanced(start: Settings) -> tuple[dict[str, gr.components.Component], gr.File]:
    """The controls by the fields of `visit.Controls`, in its order, and the proposals file."""
    slider = partial(gr.Slider, elem_classes="knob", buttons=[])
    stand = Controls.of(start)
    controls = {
        "naive": gr.Dropdown(
            list(get_args(Naive)), value=stand.naive, label="Naive map", info="The map of a peak that is grown."
        ),
        "mode": gr.Radio(
            list(get_args(Mode)), value=stand.mode, label="Response", info="How a peak is propagated back (Eq. 2)."
        ),
        "threshold": slider(
            0, 1, stand.threshold, step=0.01, label="Class threshold",
            info="Classes of a lower probability are not looked for.",
        ),
        "window": slider(
            3, 15, stand.window, step=2, label="Peak window", info="A peak is the highest of so many cells across."
        ),
        "sigma": slider(
            0.5, 5, stand.sigma, step=0.1, label="Peak sigma", info="Width of the Gaussian in Eq. 1, in cells."
        ),
        "limit": slider(1, 60, stand.limit, step=1, label="Most peaks", info="At most so many are followed."),
        "spread": slider(
            SPREADS[0], SPREADS[1], stand.spread, step=SPREADS[0], label="Spreading, λ",
            info="By spread, smaller values let a map flow further over superpixels.",
        ),
        "agreement": gr.Checkbox(
            stand.agreement, label="Agreement", info="Holds an ICN back where superpixels or a class disagree."
        ),
        "objectness": gr.Checkbox(
            stand.objectness, label="Objectness",
            info="Counts in Eq. 5 and in a score how likely a proposal is one whole object.",
        ),
        "found": slider(
            0, 1, stand.found, step=0.01, label="Found from",
            info="Masks of a lower score are unsure: pictures and counts leave them out.",
        ),
    }  # fmt: skip
    file = gr.File(
        label=PROPOSALS, file_types=[".mat", ".json", ".png"],
        file_count="single", type="filepath", elem_id="proposal-file", height=92,
    )  # fmt: skip
    return {name: controls[name] for name in FIELDS}, file
