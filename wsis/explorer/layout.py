"""The screen: which component stands where, and which handler it calls."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import torch

from wsis.errors import WsisError
from wsis.explorer import api, pictures, theme, view
from wsis.explorer.files import WRITERS
from wsis.explorer.handlers import MAX_STEPS, Handlers
from wsis.explorer.view import Choice
from wsis.image import read
from wsis.pipeline import Settings

HERE = Path(__file__).parent
LOGO = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.2" fill="none" stroke="currentColor"/>'
    '<circle cx="12" cy="12" r="6.6" fill="none" stroke="currentColor" stroke-width="1.6"/>'
    '<circle cx="12" cy="12" r="3.2" fill="currentColor"/></svg>'
)
ENHANCERS = {
    "none": "none, the naive map",
    "spread": "spread over superpixels",
    "icn-proposal": "ICN, trained on proposals",
    "icn-saliency": "ICN, trained on saliency",
}
METHOD = """
**What you see.** A classifier that was only ever told *what* is in a photo gives one class map per class. Each peak
of a class map starts a map of its own, an enhancer grows it over T steps, and every proposal is scored against it by
the formula over the sliders. The best proposal of each peak becomes an instance; of two of a class that overlap by more
than .3, the better stays.

**A reading, not a quotation.** The paper leaves open how the terms of its Eq. 5 are scaled. *Paper* is our reading of
it with the published weights; the literal one and others stand under *More* for study.
"""


def build(handlers: Handlers) -> gr.Blocks:
    """The explorer's page, not yet served."""
    with gr.Blocks(title="wsis explorer", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        choice = gr.State(Choice(), time_to_live=7200, delete_callback=lambda gone: handlers.store.drop(gone.token))
        _html(_header(handlers), elem_id="top")
        with gr.Row(elem_id="screen"):
            with gr.Column(elem_id="left", min_width=0):
                photo = _scripted("photo", "photo", __EXAMPLES__=_examples(handlers.examples))
                with gr.Column(elem_id="classes", elem_classes="card"):
                    _html("<h2>Classes</h2>")
                    chips = _panel("chips", _skeleton(2))
                with gr.Column(elem_id="peaks", elem_classes="card"):
                    _html(PEAKS_HEAD, js_on_load=PEAKS_SCRIPT)
                    peaks = _panel("peak-list", _skeleton(2))
                with gr.Accordion("Advanced", open=False, elem_id="advanced", elem_classes="card"):
                    controls, file = _advanced(handlers)
            with gr.Column(elem_id="centre", min_width=0):
                stage = _scripted("stage", "stage", __INFERNO__=pictures.inferno())
                with gr.Column(elem_id="below", elem_classes="card"), gr.Tabs():
                    with gr.Tab("Instances"):
                        table = _panel("table", _skeleton(2))
                        with gr.Row(elem_id="files"):
                            status = _html(elem_id="status")
                            _files(handlers, choice)
                    with gr.Tab("Timings"):
                        timings = _html(elem_id="timings")
                    with gr.Tab("Method"):
                        gr.Markdown(METHOD, elem_classes="reading")
                    with gr.Tab("Model"):
                        gr.Markdown(_card(handlers), elem_classes="reading")
            with gr.Column(elem_id="right", min_width=0):
                with gr.Column(elem_id="weights", elem_classes="card"):
                    head = _panel("presets", view.weights_head(Choice()))
                    sliders = _sliders()
                with gr.Column(elem_id="ranking", elem_classes="card"):
                    proposals = _panel("proposals", _skeleton(5))
                with gr.Column(elem_id="firmness", elem_classes="card"):
                    firm = _panel("firm", _skeleton(1))

        screen = [choice, stage, photo, chips, peaks, proposals, firm, table, status, timings, head, *sliders]
        api.register(handlers)  # first, so that its names are as documented
        _wire(page, handlers, screen, controls, file)
    return page


def _wire(page: gr.Blocks, handlers: Handlers, screen: list, controls: list, file: gr.File) -> None:
    """Events to handlers; `screen` and `again` are the orders in which handlers answer."""
    choice, stage, photo, chips, peaks, proposals, firm, table, status, _, head, *sliders = screen
    again = [choice, stage, peaks, proposals, firm, table, status, head, sliders[-1]]
    # One lane for what uses the networks, so that two visitors never share the accelerator's memory.
    heavy: dict[str, Any] = {
        "outputs": screen, "show_progress": "full", "show_progress_on": [stage], "trigger_mode": "always_last",
        "concurrency_id": "gpu", "concurrency_limit": 1, "api_visibility": "private",
    }  # fmt: skip
    light: dict[str, Any] = {
        "outputs": again, "show_progress": "hidden", "trigger_mode": "always_last", "concurrency_limit": None,
        "api_visibility": "private",
    }  # fmt: skip
    changed = [one.release if isinstance(one, gr.Slider) else one.input for one in controls]
    page.load(handlers.first, choice, **{**heavy, "show_progress": "hidden"})
    photo.select(handlers.example, [choice, *controls], **heavy)
    photo.upload(handlers.upload, [choice, *controls], **heavy)
    gr.on([chips.select, stage.edit], handlers.classes, choice, **heavy)
    gr.on(changed, handlers.adjust, [choice, *controls], **heavy)
    gr.on([file.upload, file.clear], handlers.proposals, [choice, file], **heavy)
    head.select(handlers.preset, choice, **{**heavy, "show_progress": "hidden"})
    gr.on([slider.input for slider in sliders], handlers.rank, [choice, *sliders], **light)
    gr.on([stage.select, peaks.select, table.select], handlers.pick, choice, **light)


def launch_options() -> dict[str, Any]:
    """What `launch` needs for the page to look and behave as it should."""
    # In the head, because Gradio rewrites the selectors of `css=` and breaks those with `:is(a, b)`.
    head = f"<style>{theme.variables()}{_read('style.css')}</style>"
    return {"theme": theme.theme(), "head": head, "footer_links": [], "max_file_size": "100mb", "ssr_mode": False}


def _html(value: str = "", **options: Any) -> gr.HTML:
    """HTML without Gradio's prose styles."""
    return gr.HTML(value, apply_default_css=False, **{"js_on_load": None, **options})


def _panel(elem_id: str, value: str) -> gr.HTML:
    return _html(value, elem_id=elem_id, js_on_load=_read("panel.js"))


def _scripted(elem_id: str, stem: str, **fills: str) -> gr.HTML:
    """A component whose template never changes; its script draws what Python sends as value."""
    template, script = _read(f"{stem}.html"), _read(f"{stem}.js")
    for name, text in fills.items():
        template, script = template.replace(name, text), script.replace(name, text)
    return gr.HTML(
        None, html_template=template, js_on_load=script, elem_id=elem_id, elem_classes="card", apply_default_css=False
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _header(handlers: Handlers) -> str:
    device = handlers.pipeline.device
    if device.startswith("cuda"):
        told = torch.cuda.get_device_name(device)
    else:
        told = f"CPU · {torch.get_num_threads()} thread{'' if torch.get_num_threads() == 1 else 's'}"
    return (
        f'<div class="top"><span class="logo">{LOGO}</span><h1>wsis</h1><p>from a label to a mask, step by step</p>'
        f'<span class="push"></span><span class="pill"><i></i>{escape(told)}</span>'
        f'<span class="pill model" title="The model">{escape(handlers.pipeline.name)} · '
        f"{len(handlers.pipeline.classes)} classes</span></div>"
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
    """The seven controls of `handlers.Controls`, in its order, and the proposals file."""
    start = handlers.defaults
    slider = partial(gr.Slider, elem_classes="weight plain", buttons=[])
    enhancers = [(ENHANCERS[name], name) for name in handlers.pipeline.enhancers]
    controls = [
        gr.Dropdown(enhancers, value=start.enhancer, label="Enhancer", info="what grows the naive map"),
        gr.Dropdown(
            ["class map", "response", "mixed"], value=start.naive, label="Naive map", info="what it grows from"
        ),
        gr.Radio(["excitation", "gradient"], value=start.mode, label="Response", info="how it is propagated back"),
        slider(0, 1, start.class_threshold, step=0.01, label="Class threshold", info="least probability of a class"),
        slider(3, 15, start.window, step=2, label="Peak window", info="cells that a peak must dominate"),
        slider(0.5, 5, start.sigma, step=0.1, label="Peak sigma", info="of the Gaussian in Eq. 1, in cells"),
        slider(1, 60, start.max_peaks, step=1, label="Most peaks", info="followed in one photo"),
    ]
    file = gr.File(
        label="Proposals: built-in, or drop a file (.mat, .json, .png)", file_types=[".mat", ".json", ".png"],
        file_count="single", type="filepath", elem_id="proposal-file", height=92,
    )  # fmt: skip
    return controls, file


def _sliders() -> list[gr.Slider]:
    weights = Choice().weights
    terms = zip(
        view.TERMS, view.SYMBOLS, view.MEANING["cover"], (weights.alpha, weights.beta, weights.gamma), strict=True
    )
    sliders = [
        gr.Slider(
            0,
            1.5,
            value,
            step=0.01,
            label=f"{symbol} {name}",
            info=meaning,
            elem_id=term,
            elem_classes="weight",
            buttons=[],
        )
        for term, symbol, (name, meaning), value in terms
    ]
    steps = gr.Slider(
        0, MAX_STEPS, Settings().steps, step=1, label="T steps", info="which map is matched; 0 is the naive one",
        elem_id="steps", elem_classes="weight", buttons=[],
    )  # fmt: skip
    return [*sliders, steps]


def _files(handlers: Handlers, choice: gr.State) -> None:
    """One button a file; what it makes is put into a hidden download, which then is clicked for the user."""
    made = gr.DownloadButton("Made", elem_id="made", visible="hidden")
    for title in WRITERS:
        button = gr.Button(title, size="sm", elem_classes="fetch", min_width=0)
        button.click(
            partial(handlers.download, title), choice, made, show_progress="hidden", concurrency_limit=4,
            api_visibility="private",
        ).success(None, js=FETCH, api_visibility="private")  # fmt: skip


def _card(handlers: Handlers) -> str:
    """What the checkpoint says about itself."""
    text = handlers.pipeline.checkpoint.card.get("text")
    return str(text) if text else "This model comes without a card."


def _skeleton(rows: int) -> str:
    return f'<div class="skeleton" aria-hidden="true">{"<i></i>" * rows}</div>'


PEAKS_HEAD = (
    '<header><h2>Peaks</h2><span class="walk"><button type="button" data-by="-1" aria-label="Previous peak">←</button>'
    '<button type="button" data-by="1" aria-label="Next peak">→</button></span></header>'
)
PEAKS_SCRIPT = """
for (const b of element.querySelectorAll('[data-by]'))
  b.addEventListener('click', () => document.dispatchEvent(new CustomEvent('wsis:pick', {detail: +b.dataset.by})));
"""
FETCH = """
() => setTimeout(() => {
  const made = document.querySelector('#made');
  (made.matches('a, button') ? made : made.querySelector('a, button')).click();
}, 60)
"""
