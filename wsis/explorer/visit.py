"""What the page says with every event: where its visitor stands, the advanced settings, and what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.explorer.scene import BEST
from wsis.explorer.words import AXES
from wsis.matching import PRESETS, PUBLISHED, READINGS, Weights

START = Settings(steps=4)
"""How a photo is looked at unless a control says otherwise."""
MODEL = "model:"
"""Before a model's name where an enhancer's might stand: what the left of the swipe shows."""
MOST_FILLED = 50
"""Masks a photo that offers may fill up to, see `wsis.instances.assemble`."""
AS_PUBLISHED = "published"
"""Where an enhancer's name might stand: the maps as `published.published` has them."""


@dataclass(frozen=True)
class Now:
    """Where a visitor stands, as the page says it.

    Attributes:
        token: of the analysis in the store; None before the first.
        other: of the analysis on the other side of the swipe, if there is one.
        peak: the picked peak.
        step: which map is looked at and matched, 0..T.
        preset: name of the published preset that the weights started from.
        reading: of Eq. 5.
        weights: alpha, beta, gamma.
        fill: up to how many masks offers are added to the list, see `wsis.instances.assemble`.
        enhancer: what grows the maps.
        compare: what the left of the swipe shows: `naive`, an enhancer, `AS_PUBLISHED`, or a model as `MODEL` has it.
        model: that new photos are looked at by; None stands for the server's first.
        tab: the open tab below the stage.
        axes: the two weights of the sensitivity plot.
        dark: whether the page is dark.
    """

    token: str | None = None
    other: str | None = None
    peak: int = BEST
    step: int = Settings.steps
    preset: str = "paper"
    reading: str = "cover"
    weights: Weights = PUBLISHED
    enhancer: str = Settings.enhancer
    compare: str = "naive"
    model: str | None = None
    tab: str = "instances"
    axes: tuple[str, str] = ("alpha", "gamma")
    dark: bool = False
    fill: int = 0

    @classmethod
    def of(cls, said: Any) -> Now:
        """Read what the page says; anybody can send anything here.

        Raises:
            WsisError: it makes no sense.
        """
        try:
            first, second = (AXES[int(axis)] for axis in said["axes"])
            return cls(
                token=None if said["token"] is None else str(said["token"]),
                other=None if said["other"] is None else str(said["other"]),
                peak=int(said["peak"]),
                step=int(said["step"]),
                preset=str(said["preset"]) if said["preset"] in PRESETS else "paper",
                reading=str(said["reading"]) if said["reading"] in READINGS else "cover",
                weights=Weights(*(float(weight) for weight in said["weights"])),
                enhancer=str(said["enhancer"]),
                compare=str(said["compare"]),
                model=None if said.get("model") is None else str(said["model"]),
                tab=str(said["tab"]),
                axes=(first, second),
                dark=bool(said["dark"]),
                fill=max(0, min(int(said.get("fill", 0)), MOST_FILLED)),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise WsisError("The page sent something that cannot be read. Reload it.") from error


@dataclass(frozen=True)
class Controls:
    """The advanced settings as they stand on the screen, in the order of the components.

    Attributes:
        naive, mode, threshold, window, sigma, limit, spread, agreement, objectness, found: see `FIELDS` and
            `wsis.analysis.Settings`.
        file: of proposals; None for the built-in ones.
    """

    naive: str
    mode: str
    threshold: float
    window: float
    sigma: float
    limit: float
    spread: float = Settings.spread_strength
    agreement: bool = True
    objectness: bool = True
    found: float = Settings.semantic_threshold
    file: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Controls:
        """As they stand for an analysis with these settings."""
        return cls(**{name: getattr(settings, field) for name, (field, _) in FIELDS.items()})

    def linked(self, said: Any) -> Controls:
        """The same, but for what a link says."""
        return replace(self, **{name: said[name] for name in FIELDS.keys() & said}) if isinstance(said, dict) else self

    def settings(self, base: Settings = START, **others: Any) -> Settings:
        """As the core wants them; what no control shows stays as it is in `base`.

        Raises:
            WsisError: a value makes no sense; anybody can send anything here.
        """
        try:
            chosen: dict[str, Any] = {field: kind(getattr(self, name)) for name, (field, kind) in FIELDS.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise WsisError("A setting is no number. Choose it again.") from error
        return replace(base, **chosen, **others)


def _as_it_is(value: Any) -> Any:
    """Names: `Settings` says which there are."""
    return value


FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "naive": ("naive", _as_it_is),
    "mode": ("mode", _as_it_is),
    "threshold": ("class_threshold", float),
    "window": ("window", int),
    "sigma": ("sigma", float),
    "limit": ("max_peaks", int),
    "spread": ("spread_strength", float),
    "agreement": ("agreement", bool),
    "objectness": ("objectness", bool),
    "found": ("semantic_threshold", float),
}
"""What each control sets: the field of `Settings`, and how it is read."""


@dataclass(frozen=True)
class Visit:
    """One request to the networks.

    Attributes:
        data: what is asked for, as the page sent it; anybody can send anything here.
        now: where the visitor stands.
        controls: the advanced settings.
        owner: the session, one a tab.
    """

    data: dict[str, Any]
    now: Now
    controls: Controls
    owner: str

    @classmethod
    def of(cls, data: dict[str, Any], controls: Sequence[Any], owner: str) -> Visit:
        """Read an event.

        Raises:
            WsisError: where the visitor stands makes no sense.
        """
        return cls(data, Now.of(data.get("now")), Controls(*controls).linked(data.get("linked")), owner)

    @property
    def peak(self) -> int:
        """The peak that is to be picked."""
        return int(self.data.get("peak", BEST))

    @property
    def settings(self) -> Settings:
        """How a new photo is looked at; a link to an example may name classes too.

        Raises:
            WsisError: a setting makes no sense.
        """
        names = self.data.get("classes")
        classes = tuple(dict.fromkeys(map(str, names))) if isinstance(names, list) else None
        return self.controls.settings(enhancer=self.now.enhancer, reading=self.now.reading, classes=classes)

    @property
    def compared(self) -> str | None:
        """The model on the left of the swipe, where there is one."""
        compare = self.now.compare
        return compare.removeprefix(MODEL) if compare.startswith(MODEL) else None

    def at(self, **changes: Any) -> Visit:
        """The same, with the visitor standing elsewhere."""
        return replace(self, now=replace(self.now, **changes))


def controls_of(settings: Settings) -> dict[str, Any]:
    """The controls of an analysis as the page gets them."""
    return asdict(Controls.of(settings))
