"""Options of a job, understood: which settings and weights they mean for a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wsis import edits, replay
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline


def weights(preset: str, alpha: float | None = None, beta: float | None = None, gamma: float | None = None) -> Weights:
    """A preset's weights of Eq. 5, with those replaced that are given."""
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    return replace(PRESETS[preset].weights, **{name: value for name, value in given.items() if value is not None})


def chosen(
    pipeline: Pipeline,
    enhancer: str | None = None,
    preset: str = "paper",
    classes: Sequence[str] | None = None,
    quiet: bool = True,
    **others: Any,
) -> Settings:
    """Settings that the model can follow.

    Args:
        pipeline: the loaded model.
        enhancer: None takes `pipeline.default_enhancer`.
        preset: whose reading of Eq. 5 counts.
        classes: as of `Settings`; None leaves it to the threshold.
        quiet: do not say on stdout that another enhancer than the default is taken.
        others: further fields of `Settings`.

    Raises:
        WsisError: the model lacks the enhancer or a class.
    """
    if enhancer is None:
        enhancer = pipeline.default_enhancer
        if enhancer != Settings.enhancer and not quiet:
            print(f"{pipeline.name} has no {Settings.enhancer}; maps grow by '{enhancer}'.")
    settings = Settings(
        enhancer=enhancer,  # type: ignore[arg-type]
        classes=None if classes is None else tuple(classes),
        reading=PRESETS[preset].reading,
        **others,
    )
    return pipeline.checked(settings)


SHAPING = ("enhancer", "steps", "naive", "mode", "preset", "alpha", "beta", "gamma", "fill", "threshold", "classes")
"""Options that a file of edits decides."""


def edited(file: Path, photos: int, given: Collection[str]) -> edits.EditedPhoto:
    """What was done by hand to one photo.

    Args:
        file: see `wsis.edits.EditedPhoto`.
        photos: how many there are to be segmented.
        given: names of the options that stand on the command line.

    Raises:
        WsisError: it is no such file, there is not one photo, or an option would say what the file says.
    """
    found = edits.read(_content(file))
    if photos != 1:
        raise WsisError(f"A file of edits is of one photo, and here are {photos}. Name the photo {found.photo.name}.")
    clash = [f"--{'class' if name == 'classes' else name}" for name in SHAPING if name in given]
    if clash:
        raise WsisError(f"The file of edits says how its photo was looked at; leave out {', '.join(clash)}.")
    return found


def of_edits(pipeline: Pipeline, file: edits.EditedPhoto) -> tuple[Settings, Weights]:
    """Settings and weights of a file of edits.

    Raises:
        WsisError: the model lacks the enhancer or a class, or the file says something else than settings.
    """
    return pipeline.checked(replay.settings_of(file)), Weights(*file.made.weights)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WsisError(f"The file of edits {file} cannot be read: {error.strerror}.") from error
