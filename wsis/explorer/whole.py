"""Settings that one click sets all at once: how the page begins, and what measured best."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from wsis.analysis import Settings
from wsis.choices import PresetName
from wsis.explorer.visit import Controls

BEST_ROW = "icn-instances, T = 3, with agreement and objectness"
"""The row with the highest mAP50 in the README's results, and in docs/results.md."""


@dataclass(frozen=True)
class Whole:
    """Everything that changes results, but for the classes that are looked for and the proposals.

    Attributes:
        title: on its button.
        note: what it is, a sentence.
        settings: how a photo is looked at.
        step: which map is matched.
        fill: up to how many masks offers are added to the list.
        preset: whose reading and weights of Eq. 5.
    """

    title: str
    note: str
    settings: Settings
    step: int = Settings.steps
    fill: int = 0
    preset: PresetName = "paper"

    @property
    def row(self) -> tuple[str, int, str, int, Settings]:
        """What a row of the tables is made of: enhancer, T, preset, what masks are filled to, settings."""
        settings = replace(self.settings, steps=self.step)
        return settings.enhancer, self.step, self.preset, self.fill, settings

    def packed(self) -> dict[str, Any]:
        """As the page gets it."""
        return {
            "title": self.title,
            "note": self.note,
            "enhancer": self.settings.enhancer,
            "settings": {key: value for key, value in asdict(Controls.of(self.settings)).items() if key != "file"},
            "step": self.step,
            "fill": self.fill,
            "preset": self.preset,
        }


def wholes(start: Settings) -> dict[str, Whole]:
    """Both by name.

    Args:
        start: how a photo is looked at first.
    """
    best = Settings(enhancer="icn-instances", steps=start.steps)
    return {
        "default": Whole("Default", "How the page begins: what the peaks give alone.", start),
        "best": Whole("Best measured", f"The best row of our results: {BEST_ROW}, filled to 20 masks.", best, fill=20),
    }
