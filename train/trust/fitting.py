"""Which curves, and how far weights may move: chosen on one half alone; then what they are worth on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from train.ablate.bootstrap import Interval
from train.trust import calibrate
from train.trust.calibrate import Curves
from train.trust.records import DISTANCES, EACH, HYPOTHESES, Masks
from wsis.instances import Hypothesis
from wsis.trust import RIGHT

MOST_DRIFT = 0.05
"""Expected calibration error, of all masks and of those that pictures show, up to which ratings hold for weights."""
GROUPS: dict[str, Callable[[Masks], np.ndarray]] = {
    "all masks": lambda masks: np.ones(len(masks), bool),
    "shown in pictures": lambda masks: masks.painted,
    "regions": lambda masks: masks.kinds == HYPOTHESES.index("region"),
    "objects": lambda masks: masks.kinds == HYPOTHESES.index("object"),
    "offers": lambda masks: masks.kinds == HYPOTHESES.index("offer"),
}
"""Which masks figures are given for."""


@dataclass(frozen=True)
class Counted:
    """What was chosen on the half that was counted.

    Attributes:
        curves: counts by kind of instance.
        least: how few masks a range may hold, by kind.
        reach: how far weights may be from the published ones, see `wsis.trust.distance`.
        drift: by distance, expected calibration error of masks of photos that had no part in the curves: all, and those
            that pictures show.
    """

    curves: Curves
    least: Mapping[Hypothesis, int]
    reach: float
    drift: Mapping[float, tuple[float, float]]


@dataclass(frozen=True)
class Worth:
    """What curves are worth on masks that had no part in them.

    Attributes:
        error: expected calibration error with its bootstrap interval over photos.
        chance: what it would be, on average, if every rating were true: so few masks are never rated perfectly.
        count: masks.
        right: share of them that is right.
        predicted: mean of their ratings.
    """

    error: Interval
    chance: float
    count: int
    right: float
    predicted: float


def count(masks: Masks) -> Counted:
    """Curves from the masks of the published weights; how far others may be away, by cross-validation over photos.

    Args:
        masks: of all weights tried, of the photos that are counted.
    """
    published = masks.triples == 0
    own = masks[published]
    least = calibrate.chosen_least(own)
    shares, right = calibrate.crossed(masks, least, published), masks.ious >= RIGHT
    drift: dict[float, tuple[float, float]] = {}
    for place, away in enumerate((0.0, *DISTANCES)):
        here = _at(masks, place)
        every, shown = (here & group(masks) for group in (GROUPS["all masks"], GROUPS["shown in pictures"]))
        drift[away] = _error(shares, right, every), _error(shares, right, shown)
    reach = 0.0
    for away in DISTANCES:
        if max(drift[away]) > MOST_DRIFT:
            break
        reach = away
    return Counted(calibrate.fit_each(own, least), least, reach, drift)


def check(counted: Counted, masks: Masks, photos: int) -> dict[str, Any]:
    """What the curves are worth on the masks of other photos, as JSON has it.

    Args:
        counted: on photos of their own.
        masks: of all weights tried, of the photos that check.
        photos: how many these are.

    Returns:
        `worth`, by group of masks made with the published weights; `within_reach`, the same with other weights within
        the reach; `drift`, by distance, the error of all masks and of those that pictures show.
    """
    reached = sum(away <= counted.reach for away in DISTANCES)
    near = (masks.triples > 0) & (masks.triples <= EACH * reached)
    own = masks[masks.triples == 0]
    drift = {}
    for place, away in enumerate((0.0, *DISTANCES)):
        here = masks[_at(masks, place)]
        shares = calibrate.predicted(counted.curves, here)
        drift[str(away)] = [
            round(calibrate.error(shares[chosen], here.ious[chosen] >= RIGHT), 4)
            for chosen in (GROUPS["all masks"](here), GROUPS["shown in pictures"](here))
        ]
    return {
        "worth": {name: _rounded(worth(counted.curves, own[group(own)], photos)) for name, group in GROUPS.items()},
        "within_reach": {
            name: _rounded(worth(counted.curves, masks[near & group(masks)], photos)) for name, group in GROUPS.items()
        },
        "drift": drift,
    }


def worth(curves: Curves, masks: Masks, photos: int) -> Worth:
    """What curves are worth on masks of so many photos."""
    shares, right = calibrate.predicted(curves, masks), masks.ious >= RIGHT
    return Worth(
        calibrate.error_interval(shares, right, masks.photos, photos),
        calibrate.by_chance(shares),
        len(masks),
        float(right.mean()) if len(right) else 0.0,
        float(shares.mean()) if len(shares) else 0.0,
    )


def markdown(counted: Counted, checked: Mapping[str, Any]) -> str:
    """Figures as tables."""
    lines = ["| masks | number | right | rated | expected calibration error | by chance alone |", "|---" * 6 + "|"]
    for title, groups in (("", checked["worth"]), (", weights within reach", checked["within_reach"])):
        for name, one in groups.items():
            low, high = (_bare(one["error"][end]) for end in ("low", "high"))
            lines.append(
                f"| {name}{title} | {one['count']:,} | {_bare(one['right'])} | {_bare(one['predicted'])} "
                f"| {_bare(one['error']['value'])} [{low}, {high}] | {_bare(one['chance'])} |"
            )
    lines += ["", "| weights away by | counted half, all | shown | other half, all | shown |", "|---" * 5 + "|"]
    for away, (every, shown) in counted.drift.items():
        others = checked["drift"][str(away)]
        lines.append(f"| {_bare(away, 2)} | " + " | ".join(_bare(one) for one in (every, shown, *others)) + " |")
    lines += ["", f"Reach {_bare(counted.reach, 2)}; masks a range at least {dict(counted.least)}.", ""]
    for kind, curve in counted.curves.items():
        each = zip(curve.starts, curve.right, curve.counts, strict=True)
        lines.append(f"{kind}: " + ", ".join(f"from {_bare(start)} {r} of {n}" for start, r, n in each))
    return "\n".join(lines)


def _error(shares: np.ndarray, right: np.ndarray, chosen: np.ndarray) -> float:
    """Mean over deals of the expected calibration error of the (M,) bool chosen masks; `shares` (DEALS, M)."""
    return float(np.mean([calibrate.error(deal[chosen], right[chosen]) for deal in shares]))


def _at(masks: Masks, place: int) -> np.ndarray:
    """(M,) bool: masks at the published weights (0), or at a distance of `DISTANCES` (from 1)."""
    places: np.ndarray = (masks.triples + EACH - 1) // EACH
    return places == place


def _rounded(worth: Worth) -> dict[str, Any]:
    """To four digits, the interval without the mean of its resamples."""
    told = asdict(worth)
    told["error"] = {name: round(worth.error.__dict__[name], 4) for name in ("value", "low", "high")}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in told.items()}


def _bare(value: float, digits: int = 3) -> str:
    """Without a leading zero."""
    return f"{value:.{digits}f}".removeprefix("0")
