"""How a result was made: model, settings, weights of Eq. 5 and the versions of what shapes results."""

from __future__ import annotations

import importlib.util
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from wsis.analysis import Analysis
from wsis.matching import Weights

FORMAT = 1
LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "numpy",
    "scipy": "scipy",
    "opencv-python-headless": "cv2",
    "scikit-image": "skimage",
    "higra": "higra",
    "pycocotools": "pycocotools",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
}
"""What shapes results, as packages and the modules they are imported by: caches are believed while none has changed."""


class Described(Protocol):
    """What is known of a model: a `wsis.checkpoints.Checkpoint`, or what is left of one without its networks."""

    @property
    def name(self) -> str:
        """What it was loaded by."""

    @property
    def folder(self) -> Path | None:
        """Where it lies; None for `timm:` and `torchvision:` models."""

    @property
    def card(self) -> Mapping[str, Any]:
        """See `wsis.checkpoints.Checkpoint`."""


def manifest(analysis: Analysis, *, model: str | Described, weights: Weights | None = None) -> dict[str, Any]:
    """How a result was made: model, settings, weights of Eq. 5 and versions.

    Args:
        analysis: the result.
        model: its name, or what is known of it, such as the checkpoint itself, which adds the SHA-256 of every network.
        weights: of Eq. 5; None where the list of instances was not made with one triple.
    """
    return {
        **header(model),
        "settings": asdict(analysis.settings),
        "weights": None if weights is None else asdict(weights),
        "proposals": analysis.proposals.source,
    }


def header(model: str | Described) -> dict[str, Any]:
    """The part of a manifest that is the same for every photo: format, model, versions."""
    own: dict[str, Any] = {"name": model if isinstance(model, str) else model.name}
    if not isinstance(model, str):
        modules = model.card.get("modules", {})
        own["files"] = {
            key: {name: entry.get(name) for name in ("from" if "from" in entry else "file", "sha256")}
            for key, entry in modules.items()
        }
    return {"format": FORMAT, "model": own, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that shape results."""
    found = {"wsis": version(), "python": platform.python_version()}
    for name, module in LIBRARIES.items():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional one, or another build, as OpenCV has several
            there = importlib.util.find_spec(module) is not None
            found[name] = str(getattr(importlib.import_module(module), "__version__", "unknown")) if there else "none"
    return found


def version() -> str:
    """This package's version: of the clone it lies in, else of the installed package."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    try:
        if project.is_file():
            return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
        return metadata.version("wsis")
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return "unknown"
