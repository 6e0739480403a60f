"""The tab *Why*: a part of the photo is erased, curves say which map is faithful, and a place is looked for elsewhere.

`events` holds what visitors ask, `view` what is shown, `screen` the component.
"""

from __future__ import annotations

from wsis.explorer.tabs.why.screen import build

__all__ = ["build"]
