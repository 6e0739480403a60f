"""Options of a job, understood: which settings and weights they mean for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wsis.analysis import Settings
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
