"""What of ours is taken away where the page says *as published*."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from wsis.analysis import REGIONS, Settings
from wsis.choices import Enhancer

UNSCORED_THRESHOLD = 0.2
"""Least score of a region on pictures without objectness, whose scores are about twice as high; README's rows too."""
ICNS: tuple[Enhancer, ...] = ("icn-saliency", "icn-proposal")
"""The published networks, the better one first."""


def published(settings: Settings, enhancers: Collection[str]) -> Settings:
    """Settings that add nothing to the paper's method: an ICN alone, grown from the peak's response (Eq. 2).

    Without agreement and objectness, as README's rows *as published*; those start from the class map, which is ours.

    Args:
        settings: how the photo is looked at.
        enhancers: that the model can run; of one without an ICN it is the response itself that is shown.
    """
    own = REGIONS.get(settings.enhancer, settings.enhancer)
    there = [one for one in ICNS if one in enhancers]
    chosen: Enhancer = own if own in there else next(iter(there), "none")
    return replace(
        settings,
        enhancer=chosen,
        naive="response",
        agreement=False,
        objectness=False,
        semantic_threshold=UNSCORED_THRESHOLD,
    )
