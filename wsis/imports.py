"""Imports at the start of a program, without Python's garbage collector walking through all that comes in."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """For the block that imports what takes seconds: the collector neither runs, nor walks through any of it later.

    PyTorch and Gradio bring a million objects that stay as long as the program. Where PyTorch is there already, nothing
    is changed: what else is in memory by then may be garbage.

    Example:
        >>> with uncollected():
        ...     import json
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        leave_alone()


def leave_alone() -> None:
    """Let the collector run, but never look at what is in memory now."""
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # or some libraries call it leaked
