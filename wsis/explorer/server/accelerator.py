"""Hugging Face's ZeroGPU, where a GPU is lent to one call at a time; everywhere else nothing changes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

SECONDS = 60
"""How long one call may keep the GPU."""


def spaces() -> ModuleType | None:
    """The package `spaces`, or None where it is not installed; it must be imported before torch."""
    try:
        return importlib.import_module("spaces")
    except ModuleNotFoundError as error:
        if error.name != "spaces":
            raise
        return None


def lane(work: Callable[..., Any]) -> Callable[..., Any]:
    """Work that needs the accelerator, as ZeroGPU wants it.

    There it runs in a process of its own, so arguments and result are pickled; `progress`, a function, cannot be and is
    left out.

    Args:
        work: takes and returns what can be pickled, besides a keyword `progress`.

    Returns:
        `work` itself where there is no ZeroGPU.
    """
    package = spaces()
    if package is None:
        return work
    lent = package.GPU(duration=SECONDS)(work)
    if lent is work:  # a Space without ZeroGPU has the package too
        return work

    @wraps(work)
    def told_nothing(*given: Any, **named: Any) -> Any:
        named.pop("progress", None)
        return lent(*given, **named)

    return told_nothing
