"""From peaks to maps: what naive maps start from, and how each enhancer grows them (Algorithm 1, lines 4 to 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wsis.agreement import agreed, class_share
from wsis.analysis import REGIONS, Evidence, Settings
from wsis.maps import normalised, upsample
from wsis.peaks import Peaks
from wsis.spread import spread

Grow = Callable[[str, np.ndarray, int], np.ndarray]
"""Applies a network of the checkpoint: its name, K maps to start from and T to (T, K, h, w) float32 in [0, 1], those
of `Seeds.rows`."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """What the maps of a photo's K peaks grow from.

    Attributes:
        evidence: what the photo shows.
        settings: how to look.
        peaks: K peaks.
        class_maps: (K, h, w) float32 class map of each peak's class at work size, in logits.
        respond: gives `responses`, or waits until they are there.
        rows: indices of the peaks whose maps are asked for; the others are company. None asks for all.
    """

    evidence: Evidence
    settings: Settings
    peaks: Peaks
    class_maps: np.ndarray
    respond: Callable[[], np.ndarray | None]
    rows: np.ndarray | None = None

    @property
    def responses(self) -> np.ndarray | None:
        """(K, h', w') float32 response of each peak (Eq. 2); None where there is none."""
        return self.respond()

    def chosen(self, maps: np.ndarray) -> np.ndarray:
        """Of (K, ...) those of the peaks that are asked for."""
        return maps if self.rows is None else maps[self.rows]

    def at_work_size(self, responses: np.ndarray) -> np.ndarray:
        """(K, h, w) float32 in [0, 1] of (K, h', w') responses."""
        return normalised(upsample(responses, self.evidence.proposals.size))


def naive_maps(seeds: Seeds) -> np.ndarray:
    """(K, h, w) float32 in [0, 1]: class maps, responses, or what the two and the classes' responses give."""
    class_maps, peaks = normalised(seeds.class_maps), seeds.peaks
    if seeds.settings.naive == "class map" or not len(peaks) or seeds.responses is None:
        return class_maps
    responses = seeds.at_work_size(seeds.responses)
    if seeds.settings.naive == "response":
        return responses
    same_class = peaks.classes[:, None] == peaks.classes[None]
    of_class = normalised(np.einsum("kj,jhw->khw", same_class.astype(np.float32), responses))
    return normalised(np.sqrt(responses) + np.sqrt(of_class) + class_maps)


def region_maps(seeds: Seeds, naive: np.ndarray, grow: Grow) -> np.ndarray:
    """The region that each peak stands for, step by step.

    Args:
        seeds: what the maps grow from.
        naive: (K, h, w) float32 in [0, 1], from `naive_maps`.
        grow: applies a network.

    Returns:
        (T+1, K, h, w) float32 in [0, 1], K of `seeds.rows`; step 0 is the naive map.
    """
    enhancer, steps, first = seeds.settings.enhancer, seeds.settings.steps, seeds.chosen(naive)
    if enhancer == "none":
        return first[None]
    if enhancer == "spread":
        return np.stack([first, _spread(seeds, first)])
    if not len(first):
        return np.repeat(first[None], steps + 1, axis=0)
    grown = grow(REGIONS.get(enhancer, enhancer), naive, steps)
    if seeds.settings.agreement:
        share = seeds.chosen(class_share(seeds.class_maps, seeds.peaks.classes))
        grown = agreed(grown, share, None if enhancer in REGIONS else _spread(seeds, first))
    return np.concatenate([first[None], grown])


def object_maps(seeds: Seeds, grow: Grow) -> np.ndarray | None:
    """(K, h, w) float32 in [0, 1]: the object under each peak, grown from its response; None if not asked for."""
    settings = seeds.settings
    if settings.enhancer not in REGIONS or not settings.steps or seeds.responses is None:
        return None
    if not len(seeds.chosen(seeds.peaks.classes)):
        return np.zeros((0, *seeds.evidence.proposals.size), np.float32)
    grown = grow(settings.enhancer, seeds.at_work_size(seeds.responses), 1)
    if settings.agreement:
        grown = agreed(grown, seeds.chosen(class_share(seeds.class_maps, seeds.peaks.classes)))
    return grown[0]


def _spread(seeds: Seeds, naive: np.ndarray) -> np.ndarray:
    """(K, h, w) float32 in [0, 1]: the naive maps, spread over the superpixels."""
    evidence = seeds.evidence
    return spread(naive, evidence.proposals.labels, evidence.contours, strength=seeds.settings.spread_strength)
