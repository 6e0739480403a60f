"""A taught head as a checkpoint folder: its own classifier, and the parts that know no class shared with the base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wsis import checkpoints, files
from wsis.backbone import LITE, Backbone
from wsis.classifier import Classifier, own_sizes
from wsis.errors import WsisError
from wsis.teaching.features import Base
from wsis.teaching.head import Head

TAUGHT = "taught"
"""What `metrics.json` of a taught folder has on top: how it was taught."""


def check(folder: Path) -> None:
    """Before minutes of work: the folder can be written to, and holds nothing but what teaching put there.

    Raises:
        WsisError: it cannot, or it does.
    """
    if folder.is_dir() and any(folder.iterdir()) and not _taught(folder):
        raise WsisError(f"{folder} holds something else than a taught model. Name another folder for it, or a new one.")
    files.try_folder(folder)


def build(base: Base, head: Head) -> Classifier:
    """The base's backbone under a head, in evaluation mode.

    Raises:
        WsisError: the base's network cannot carry another head.
    """
    classifier = Classifier(**options(base, head))
    own, given = classifier.backbone.state_dict(), base.classifier.backbone.state_dict()
    if [value.shape for value in own.values()] != [value.shape for value in given.values()]:
        raise WsisError(f"The network of '{base.name}' cannot carry another head. Take another base.")
    # The same layers in the same order, whatever its levels are called.
    classifier.backbone.load_state_dict(dict(zip(own, given.values(), strict=True)))
    rows = {"head.weight": torch.from_numpy(head.weight)[:, :, None, None], "head.bias": torch.from_numpy(head.bias)}
    classifier.load_state_dict({**classifier.state_dict(), **rows})
    return classifier.eval().requires_grad_(False)


def options(base: Base, head: Head) -> dict[str, Any]:
    """The keyword arguments of `Classifier` that build the base's network under a head."""
    backbone, channels = base.options.get("backbone", LITE), base.classifier.backbone.channels[-1]
    whole = {} if channels == Backbone(backbone).channels[-1] else {"whole": True}
    return {"backbone": backbone, "classes": list(head.classes), **whole, **own_sizes(base.classifier.sizes)}


def save(folder: Path, base: Base, head: Head, *, card: str, metrics: Mapping[str, Any]) -> Path:
    """Write a checkpoint folder that app, command line and API take like any other.

    Every file is whole or not there; a model that was taught into the same folder before is replaced.

    Args:
        folder: where it goes; made if missing.
        base: what the head was fitted on.
        head: of all classes of the model. To keep the base's, hand in `base.head + head`.
        card: `README.md`, in Markdown.
        metrics: `metrics.json`; how it was taught is entered under `taught`.

    Returns:
        The folder.

    Raises:
        WsisError: it cannot be written to, or holds something else than a taught model.
    """
    folder = Path(folder)
    check(folder)
    about = {"base": base.name, "base_sha256": base.fingerprint, "classes": list(head.classes)}
    files.write(folder / "metrics.json", files.as_json({**metrics, TAUGHT: {**about, **metrics.get(TAUGHT, {})}}))
    checkpoints.save_module(build(base, head), folder, "classifier", options(base, head))
    _bring_parts(folder, checkpoints.find(base.name))
    files.write(folder / "README.md", card)
    return folder


def _bring_parts(folder: Path, source: Path) -> None:
    """The networks that know no class: an embedded model's by name, any other's as copies, so that it may move."""
    modules = _config(source)["modules"]
    embedded = source.name in checkpoints.names() and checkpoints.find(source.name) == source
    for name, entry in modules.items():
        if name == "classifier":
            continue
        if embedded or "from" in entry:
            checkpoints.share(folder, name, entry.get("from", source.name))
            continue
        with files.writing(folder / entry["file"]) as part:
            shutil.copyfile(source / entry["file"], part)
        config = _config(folder)
        config["modules"][name] = entry
        files.write(folder / "config.json", files.as_json(config))


def _config(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content


def base_of(folder: Path) -> str:
    """What a model was taught on, by the name of its folder; empty where it was not taught."""
    return Path(str(_taught(folder).get("base", ""))).name


def _taught(folder: Path) -> Mapping[str, Any]:
    """How a model was taught; empty where it was not, or nobody knows."""
    try:
        told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[TAUGHT]
    except (OSError, ValueError, TypeError, LookupError):
        return {}
    return told if isinstance(told, Mapping) else {}
