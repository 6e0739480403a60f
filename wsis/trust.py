"""How often masks like this one are right: counted on photos with masks that the model never saw, kept beside it.

A checkpoint's `trust.json` says, for each kind of instance and range of scores, how many masks were counted and how
many of these were right: they overlapped an instance of their class by an IoU of at least `RIGHT`.
`python -m train.trust` writes it. A count holds for what it was made with: other networks, settings, steps or
proposals, or weights too far from those that were counted, have no rating, and `Unrated` says why.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.instances import Hypothesis, Instance
from wsis.matching import PUBLISHED, Weights

FORMAT = 1
RIGHT = 0.5
"""IoU with an instance of its class from which a mask counts as right."""
FREE = ("classes", "class_threshold", "semantic_threshold", "steps")
"""Settings that may differ: what is looked for, what is painted, and T, of which only the matched step counts."""
BUILT_IN = "built-in"
"""What proposals are called that were counted."""
Reason = Literal["model", "settings", "proposals", "step", "weights", "class", "hand"]


@dataclass(frozen=True)
class Rating:
    """What was counted of masks like this one.

    Attributes:
        right: how many were right.
        count: how many there were, at least 1.
        low, high: their scores, from `low` to below `high`; 1 is the end.
    """

    right: int
    count: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of these masks, how many were right, in [0, 1]."""
        return self.right / self.count


@dataclass(frozen=True)
class Unrated:
    """Why a mask has no rating.

    Attributes:
        reason: see `Trust.unrated` and `Trust.rate`; `model`: nothing was counted of it.
        what: the settings that differ, where these are the reason.
    """

    reason: Reason
    what: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """Counts by score, of one kind of instance; the share that is right never falls with the score.

    Attributes:
        starts: (B,) scores at which ranges begin, ascending; the first is 0.
        right: (B,) masks of each range that were right.
        counts: (B,) masks of each range.
    """

    starts: tuple[float, ...]
    right: tuple[int, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that every score has a range, with masks, and that shares do not fall."""
        if not len(self.starts) == len(self.right) == len(self.counts) > 0 or self.starts[0] != 0:
            raise ValueError(f"expected as many starts, from 0 on, as counts, got {self}")
        if any(b <= a for a, b in pairwise(self.starts)):
            raise ValueError(f"starts: expected to ascend, got {self.starts}")
        if any(not 0 <= right <= count or count < 1 for right, count in zip(self.right, self.counts, strict=True)):
            raise ValueError(f"expected 0 <= right <= counts >= 1, got {self.right} of {self.counts}")
        each = list(zip(self.right, self.counts, strict=True))
        if any(r * n > s * m for (r, m), (s, n) in pairwise(each)):
            raise ValueError(f"expected shares that do not fall, got {self.right} of {self.counts}")

    def rating(self, score: float) -> Rating:
        """Of the range that a score in [0, 1] lies in."""
        at = max(bisect_right(self.starts, score) - 1, 0)
        high = self.starts[at + 1] if at + 1 < len(self.starts) else 1.0
        return Rating(self.right[at], self.counts[at], self.starts[at], high)


@dataclass(frozen=True)
class Trust:
    """A model's counts, and what they hold for.

    Attributes:
        networks: SHA-256 of each network of the model.
        settings: of the analysis, as `dataclasses.asdict` gives them.
        weights: of Eq. 5 that the counts were made with.
        reach: how far other weights may be from these, see `distance`.
        source: the photos, in words.
        photos: how many.
        curves: counts by kind of instance; without those of which there was none.
        checked: what the counts are worth on other photos, see `train.trust`; any JSON.
    """

    networks: Mapping[str, str]
    settings: Mapping[str, Any]
    weights: Weights
    reach: float
    source: str
    photos: int
    curves: Mapping[Hypothesis, Curve]
    checked: Mapping[str, Any]

    @property
    def step(self) -> int:
        """T that was counted."""
        return int(self.settings["steps"])

    def unrated(self, analysis: Analysis) -> Unrated | None:
        """Why no mask of an analysis is rated: `settings` or `proposals` are others; None where masks are."""
        own, counted = asdict(analysis.settings), {**asdict(Settings()), **self.settings}
        others = tuple(name for name, value in own.items() if name not in FREE and counted[name] != value)
        if others:
            return Unrated("settings", others)
        return None if analysis.evidence.source.source == BUILT_IN else Unrated("proposals")

    def rate(self, analysis: Analysis, instance: Instance, weights: Weights, step: int = -1) -> Rating | Unrated:
        """What was counted of masks like an instance.

        Args:
            analysis: where it comes from.
            instance: from `analysis.instances(weights, step)`.
            weights: of Eq. 5.
            step: which map was matched, 0..T; -1 is the last.

        Returns:
            Its rating; or why there is none: `settings` and `proposals` as `unrated`; it was made by `hand`; the map is
            of another `step`; the `weights` are too far away; or of its `class` no mask was counted at so low a
            probability.
        """
        whole = self.unrated(analysis)
        if whole is not None:
            return whole
        if instance.by_hand:
            return Unrated("hand")
        if (analysis.steps if step < 0 else step) != self.step:
            return Unrated("step")
        if not distance(weights, self.weights) <= self.reach:
            return Unrated("weights")
        if float(analysis.peaks.probabilities[instance.peak]) < self.settings["class_threshold"]:
            return Unrated("class")
        curve = self.curves.get(instance.hypothesis)
        return Unrated("model") if curve is None else curve.rating(instance.score)

    def to_json(self) -> dict[str, Any]:
        """As `trust.json` has it."""
        return {"format": FORMAT, **asdict(self)}


def distance(weights: Weights, other: Weights = PUBLISHED) -> float:
    """How far two triples are from each other: most that alpha, beta or gamma differ as a share of their sum.

    Returns:
        In [0, 1]; 0 for weights that choose alike, infinity where all three are 0.

    Examples:
        >>> distance(Weights(0.475, 0.05, 0.4))
        0.0
    """
    own, there = in_all(weights), in_all(other)
    if own is None or there is None:
        return float("inf")
    return max(abs(a - b) for a, b in zip(own, there, strict=True))


def in_all(weights: Weights) -> tuple[float, float, float] | None:
    """Alpha, beta and gamma as shares of their sum; None where that is 0."""
    total = weights.alpha + weights.beta + weights.gamma
    return (weights.alpha / total, weights.beta / total, weights.gamma / total) if total > 0 else None


def of(card: Mapping[str, Any]) -> Trust | None:
    """A model's counts from its card.

    Args:
        card: see `wsis.checkpoints.Checkpoint`.

    Returns:
        None where there are none, where they are of other networks than the card's, or cannot be understood.
    """
    told = card.get("trust")
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        return None
    try:
        curves = {
            kind: Curve(**{key: tuple(values) for key, values in told["curves"][kind].items()})
            for kind in KINDS
            if kind in told["curves"]
        }
        made = Trust(
            networks=dict(told["networks"]),
            settings=dict(told["settings"]),
            weights=Weights(**told["weights"]),
            reach=float(told["reach"]),
            source=str(told["source"]),
            photos=int(told["photos"]),
            curves=curves,
            checked=dict(told["checked"]),
        )
        whole = {"steps", "class_threshold"} <= made.settings.keys()
    except (KeyError, TypeError, ValueError, AttributeError, WsisError):
        return None
    return made if whole and made.networks == networks(card) else None


def networks(card: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each network of a model."""
    return {name: str(entry.get("sha256")) for name, entry in card.get("modules", {}).items()}


def shares(
    trust: Trust | None, analysis: Analysis, instances: Sequence[Instance], weights: Weights, step: int = -1
) -> list[float | None]:
    """For each instance the share of masks like it that are right, in [0, 1]; None for those without a rating."""
    rated = [None if trust is None else trust.rate(analysis, one, weights, step) for one in instances]
    return [one.share if isinstance(one, Rating) else None for one in rated]


KINDS: tuple[Hypothesis, ...] = get_args(Hypothesis)
"""The kinds of instances that are counted apart."""
