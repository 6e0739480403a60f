"""The tab *Teach*: a class is named, photos are answered yes or no, and a head follows every answer.

`lesson` holds a visitor's session with what was fitted, `events` what visitors do, `view` what is shown, `screen` the
component.
"""

from __future__ import annotations

from wsis.explorer.tabs.teach.screen import build

__all__ = ["build"]
