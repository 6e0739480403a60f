"""The component of the tab *Teach*, and which event each of its requests calls."""

from __future__ import annotations

from typing import Any

import gradio as gr

from wsis.explorer.models import Models
from wsis.explorer.server.desk import Desk
from wsis.explorer.tabs.teach import view
from wsis.explorer.tabs.teach.events import Events
from wsis.explorer.tabs.teach.lesson import Lessons
from wsis.image import MAX_PIXELS
from wsis.pipeline import Pipeline

SCRIPT = "wsis.teach(element, props, trigger, watch, upload)"
"""See `teach.js`."""


def build(
    models: Models | Pipeline,
    desk: Desk | None = None,
    lessons: Lessons | None = None,
    *,
    most_pixels: int = MAX_PIXELS,
) -> Events:
    """Make the tab's component in the block that is open, and wire it.

    Args:
        models: on top of which people teach, and among which what they teach is saved.
        desk: limits and turns; the usual ones by default.
        lessons: where sessions are kept; in a temporary folder by default.
        most_pixels: of a photo.
    """
    events, desk = Events(models, lessons, most_pixels=most_pixels), desk or Desk()
    # The template does not mention `value`: its DOM stays, and the script fills it from what Python sends.
    page = gr.HTML(
        None, html_template=str(view.piece("page")), js_on_load=SCRIPT, apply_default_css=False, padding=False,
        elem_id="teach",
    )  # fmt: skip
    light: dict[str, Any] = {
        "show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private", "trigger_mode": "multiple",
    }  # fmt: skip
    act = desk.light("teach", events.act, refused=events.refused)
    look = desk.heavy("teach-look", events.heavy, refused=events.refused)
    failed = {"fn": None, "js": "() => wsis.teachFailed()", "api_visibility": "private"}
    page.select(act, None, page, **light).failure(**failed)
    page.edit(look, None, page, **light).failure(**failed)
    return events
