"""The explorer: one Gradio screen over `wsis.pipeline`."""

from __future__ import annotations
