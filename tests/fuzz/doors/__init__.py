"""The doors through which inputs come in, each with bad inputs for it and a check of what it makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.doors import api, checkpoints, labels, page, photo, proposals, sets
from tests.fuzz.doors.door import Door

DOORS: tuple[type[Door], ...] = (
    photo.Photo, proposals.Mat, proposals.Json, proposals.Png, labels.LabelsFile, sets.Zip, sets.Masks,
    checkpoints.Checkpoints, page.Messages, page.Settings, api.Endpoints,
)  # fmt: skip


def door(name: str, home: Path) -> Door:
    """A door by its name, with a folder of its own for files."""
    kind = next(one for one in DOORS if one.name == name)
    home.mkdir(parents=True, exist_ok=True)
    return kind(home)
