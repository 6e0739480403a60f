"""The tab *Tune on a data set*: photos with masks in, figures that follow the sliders, the best weights out.

`sessions` holds visitors' sets, `events` what they do, `view` what is shown, `screen` the components.
"""

from __future__ import annotations

from wsis.explorer.tabs.tune.screen import Tab, build

__all__ = ["Tab", "build"]
