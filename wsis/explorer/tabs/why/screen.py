"""The component of the tab *Why*, and which event each of its requests calls."""

from __future__ import annotations

from typing import Any

import gradio as gr

from wsis.explorer.handlers import Handlers
from wsis.explorer.tabs.why import view
from wsis.explorer.tabs.why.events import Events

SCRIPT = "wsis.why(element, props, trigger, watch, upload)"
"""See `why.js`."""


def build(handlers: Handlers) -> Events:
    """Make the tab's component in the block that is open, and wire it to what the page's photos are kept by."""
    events, desk = Events(handlers), handlers.desk
    # The template does not mention `value`: its DOM stays, and the script fills it from what Python sends.
    page = gr.HTML(
        None, html_template=str(view.page(list(handlers.examples.photos))), js_on_load=SCRIPT,
        apply_default_css=False, padding=False, elem_id="why",
    )  # fmt: skip
    quiet: dict[str, Any] = {
        "show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private", "trigger_mode": "multiple",
    }  # fmt: skip
    failed = {"fn": None, "js": "() => wsis.whyFailed()", "api_visibility": "private"}
    look = desk.heavy(events.act, events.look, refused=events.refused)
    known = desk.light("why", events.known, refused=events.refused)
    page.edit(look, None, page, **quiet).failure(**failed)
    page.select(known, None, page, **quiet).failure(**failed)
    return events
