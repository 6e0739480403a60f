"""Instance masks from a classifier that only knows what is in a photo.

    from wsis import Pipeline, read

    analysis = Pipeline.load().analyse(read("photo.jpg"))
    for instance in analysis.instances():
        print(instance.name, instance.score, analysis.mask(instance).sum())

What is asked for is imported then, so that `import wsis` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsis.analysis import Settings
    from wsis.image import read
    from wsis.matching import Weights
    from wsis.pipeline import Pipeline

__all__ = ["Pipeline", "Settings", "Weights", "read"]

_HOMES = {"Pipeline": "pipeline", "Settings": "analysis", "Weights": "matching", "read": "image"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wsis' has no attribute '{name}'")
    return getattr(import_module(f"wsis.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
