"""What one visitor looks at: an analysis, a picked peak, a step and weights; the whole screen follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from wsis import matching
from wsis.analysis import Analysis
from wsis.explorer.alike import Group, groups
from wsis.explorer.origin import Origin
from wsis.instances import Instance, listed, shown
from wsis.matching import PUBLISHED, Weights
from wsis.why.faithfulness import Curves

BEST = -1
"""Instead of a peak's index: the peak of the best instance."""
Followed = dict[tuple[int, int], dict[str, Curves]]
"""Deletion and insertion curves by peak and step, then by map, see `wsis.why.faithfulness`."""


@dataclass(frozen=True)
class Scene:
    """An analysis seen with one choice of peak, step and weights.

    Attributes:
        analysis: the analysis; its `settings.reading` says how the terms are measured.
        photo: what the photo is called, with its ending.
        chosen_peak: index of a peak, or `BEST`.
        chosen_step: which map is looked at and matched, 0..T; more than T means T.
        preset: name in `wsis.matching.PRESETS` that the weights started from.
        weights: alpha, beta, gamma.
        origin: the model that made the analysis; None where nobody asks.
        followed: curves that somebody asked for.
        fill: up to how many masks offers are added to the unsure ones, see `wsis.instances.assemble`.
        with_unsure: whether lists in files hold what is unsure too.
    """

    analysis: Analysis
    photo: str = "photo"
    chosen_peak: int = BEST
    chosen_step: int = 3
    preset: str = "paper"
    weights: Weights = PUBLISHED
    origin: Origin | None = None
    followed: Followed = field(default_factory=dict)
    fill: int = 0
    with_unsure: bool = False

    @cached_property
    def step(self) -> int:
        """The chosen step, at most what was computed."""
        return max(0, min(self.chosen_step, self.analysis.steps))

    @cached_property
    def peak(self) -> int:
        """The picked peak, one that exists."""
        if self.chosen_peak == BEST and self.found:
            return self.found[0].peak
        return max(0, min(self.chosen_peak, len(self.analysis.peaks) - 1))

    @property
    def empty(self) -> bool:
        """Whether no peak was found."""
        return len(self.analysis.peaks) == 0

    @cached_property
    def found(self) -> tuple[Instance, ...]:
        """The instances that are found, see `wsis.instances.is_found`, best first."""
        return shown(self._made)

    @cached_property
    def unsure(self) -> tuple[Instance, ...]:
        """Those of peaks that are not found, best first: dashed on the stage, apart in lists."""
        return tuple(one for one in self._made if not one.painted and one.hypothesis != "offer")

    @cached_property
    def offered(self) -> tuple[Instance, ...]:
        """What fills the masks up to `fill`, best first: unsure too, but of no peak."""
        return tuple(one for one in self._made if one.hypothesis == "offer")

    @property
    def every(self) -> tuple[Instance, ...]:
        """All in the table's order: what is found, what is unsure, what fills up."""
        return (*self.found, *self.unsure, *self.offered)

    @property
    def listed(self) -> tuple[Instance, ...]:
        """What lists in files hold, best first."""
        return listed(self._made, self.with_unsure)

    @cached_property
    def _made(self) -> tuple[Instance, ...]:
        return () if self.empty else self.analysis.instances(self.weights, self.step, self.fill)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The best proposals of the picked peak by what they are like, best first."""
        if self.empty:
            return ()
        ranked = matching.rank(self.analysis.ranked_terms[self.step, self.peak], self.weights)
        return groups(ranked, self.analysis.proposals_of(self.peak))

    @property
    def best(self) -> list[int]:
        """The best of each group, best first."""
        return [group.proposals[0] for group in self.groups]

    def name(self, peak: int) -> str:
        """A peak's class."""
        return self.analysis.classes[int(self.analysis.peaks.classes[peak])]
