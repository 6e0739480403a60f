"""Names and numbers as the screen writes them: each word is said here, and nowhere else.

What the page's scripts need of it they get from `wsis.explorer.layout.config`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from wsis.matching import Weights

AXES = ("alpha", "beta", "gamma")
"""The weights of Eq. 5, as fields of `wsis.matching.Weights`."""
SYMBOLS = ("α", "β", "γ")
"""The weights as they are printed."""
TERMS = ("precision", "contour", "recall")
"""The three terms of Eq. 5 as the stylesheet calls them: one colour each, everywhere."""
PAIRS = {"α and γ": ("alpha", "gamma"), "α and β": ("alpha", "beta"), "β and γ": ("beta", "gamma")}
"""Every two weights that a plane shows, the usual ones first."""
UNUSED = "unused"
"""Name of a term that a reading does not have."""


class Term(NamedTuple):
    """What a term is called in a reading of Eq. 5, and what it says in plain words."""

    name: str
    meaning: str


class Slider(NamedTuple):
    """The largest value of a weight's slider, and the least move of it."""

    limit: float
    step: float


class EnhancerNames(NamedTuple):
    """What an enhancer is called: in a list of its own, in few words, and where maps are grown by it for tuning.

    Weights are tuned on the maps of regions alone, so there an enhancer that grows others too has no name.
    """

    title: str
    short: str
    tuned: str | None = None


MEANING: dict[str, tuple[Term, Term, Term]] = {
    "cover": (
        Term("precision", "share of the proposal that the map covers"),
        Term("contour", "share of the map's contour that it reaches"),
        Term("recall", "share of the map that it captures"),
    ),
    "no-rebalance": (
        Term("coverage", "share of the map that it captures, not divided by its own area"),
        Term("contour", "share of the map's contour that it reaches"),
        Term("recall", "share of the map that it captures"),
    ),
    "penalty": (
        Term("precision", "share of the proposal that the map covers"),
        Term("contour", "share of the map's contour that it reaches"),
        Term("background", "share of the background that it takes, subtracted"),
    ),
    "literal": (
        Term("precision", "share of the proposal that the map covers, at most 1"),
        Term("contour", "pixels of the map's contour that it reaches"),
        Term("background", "pixels of background that it takes, as printed"),
    ),
    "prm-2018": (
        Term("response", "sum of the map inside the proposal"),
        Term("edge", "sum of the map along the proposal's own contour"),
        Term("background", "background inside the proposal, subtracted"),
    ),
    "iou": (
        Term("overlap", "overlap of the binary map and the proposal"),
        Term(UNUSED, "not part of this reading"),
        Term(UNUSED, "not part of this reading"),
    ),
}
"""The three terms of each reading."""

SLIDERS = {"prm-2018": (Slider(2.0, 0.01), Slider(2.0, 0.01), Slider(4e-5, 1e-7))}
"""The three sliders, where a reading needs others than `SLIDER`."""
SLIDER = Slider(1.5, 0.01)

ENHANCERS = {
    "none": EnhancerNames("nothing: the naive map", "naive", "nothing, the naive map"),
    "spread": EnhancerNames("spreading over superpixels", "spread", "spread"),
    "icn-proposal": EnhancerNames("ICN, trained on proposals", "ICN proposals", "ICN, proposals"),
    "icn-saliency": EnhancerNames("ICN, trained on saliency", "ICN saliency", "ICN, saliency"),
    "icn-instances": EnhancerNames("ICNs of regions and objects", "regions and objects"),
}
PRESETS = {"paper": "Paper", "prm-2018": "PRM 2018"}
"""Short names of the presets that have a button of their own."""
FIGURES = {
    "map25": "masks that overlap by .25",
    "map50": "masks that overlap by .5",
    "map75": "masks that overlap by .75",
    "abo": "best overlap an instance",
    "miou": "overlap of semantic maps",
}
"""What the figures measure; `wsis.results.NAMES` has their names."""
STAGES = {
    "classes": "class maps", "contours": "contours", "proposals": "proposals", "objectness": "objectness",
    "peaks": "peaks", "responses": "responses", "enhance": "growing the maps", "match": "measuring every proposal",
}  # fmt: skip
"""What seconds were spent on."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Used:
    """A term that a reading has: place in Eq. 5, key for the stylesheet, symbol of its weight, name, meaning."""

    index: int
    key: str
    symbol: str
    name: str
    meaning: str


def terms(reading: str) -> tuple[Used, ...]:
    """The terms that a reading has, in the order of Eq. 5."""
    return tuple(
        Used(i, TERMS[i], SYMBOLS[i], term.name, term.meaning)
        for i, term in enumerate(MEANING[reading])
        if term.name != UNUSED
    )


def sliders(reading: str) -> tuple[Slider, Slider, Slider]:
    """The sliders of alpha, beta and gamma for a reading."""
    return SLIDERS.get(reading, (SLIDER, SLIDER, SLIDER))


def spans(reading: str) -> tuple[float, float, float]:
    """The largest alpha, beta and gamma that sliders reach and searches try."""
    alpha, beta, gamma = sliders(reading)
    return alpha.limit, beta.limit, gamma.limit


def change(verb: str, share: float, side: str) -> str:
    """What one mask gains or loses against another: "adds 12% at the left".

    Args:
        verb: `adds `, `loses `, or a sign.
        share: pixels by those of the other mask.
        side: where, as in `alike.Change`.
    """
    if not share:
        return ""
    whole = math.floor(100 * share + 0.5)
    much = f"{math.floor(share + 0.5)} times its area" if share >= 2 else f"{whole}%" if whole else "less than 1%"
    return f"{verb}{much}{f' at the {side}' if side else ''}"


def unit(value: float) -> str:
    """A number in [0, 1] the short way: .87, 1.00."""
    return _fixed(value, 2).removeprefix("0")


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage with one decimal: 87.0."""
    return f"{100 * share:.1f}"


def changed(share: float) -> str:
    """A share in [0, 1] that was gained or lost, in few characters: 41%, .3%, 0%."""
    value = 100 * share
    return "0%" if value < 0.05 else f"{_fixed(value, 0)}%" if value >= 9.95 else f"{_bare(_fixed(value, 1))}%"


def about(share: float) -> str:
    """A share in [0, 1] as a whole percentage: 87%, less than 1%."""
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"


def count(number: int, what: str) -> str:
    """So many of something: 1 photo, 1,200 photos."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def in_words(number: int) -> str:
    """A number up to ten in letters."""
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def with_article(name: str) -> str:
    """A name with its indefinite article."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def duration(seconds: float) -> str:
    """How long something takes, about."""
    return f"about {max(1, round(seconds))} s" if seconds < 90 else f"about {round(seconds / 60)} min"


def joined(parts: Sequence[str]) -> str:
    """A list in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def minus(text: str) -> str:
    """With the typographic sign; for texts whose only hyphens are signs."""
    return text.replace("-", "−")


def short(value: float, digits: int = 3) -> str:
    """Any number without a leading zero; large ones in full, tiny ones in three significant digits."""
    if abs(value) >= 1000:
        return f"{Decimal(_fixed(value, 0)):,}"
    if 0 < abs(value) < 10**-digits / 2:
        return _power(f"{value:.2e}") if abs(value) < 1e-4 else "0"
    return _bare(_fixed(value, digits))


def weight(value: float, limit: float) -> str:
    """A weight of at most `limit`, in as many digits as its range deserves: .58, .0015, 1.2e-5."""
    if value and (limit < 0.01 or abs(value) < 0.005):
        text = f"{value:.1e}"
        return _power(text) if abs(value) < 1e-4 else _bare(f"{float(text):f}".rstrip("0").rstrip("."))
    return f"{value + 0.0:.0f}" if value == int(value) else _bare(_fixed(value, 2))


def compact(value: float) -> str:
    """A weight in few characters, whatever its range: .95, 1.2e-05."""
    return unit(value) if value >= 0.01 else f"{value:.2g}"


def triple(weights: Weights) -> str:
    """Alpha, beta and gamma in few characters."""
    return ", ".join(compact(getattr(weights, axis)) for axis in AXES)


def decided_by(name: str, lead: float | None) -> str:
    """Why a proposal was chosen.

    Args:
        name: the term that decided.
        lead: of the whole score before the runner-up, the best other proposal that can win; None where there is none.
    """
    if lead is None:
        return "no other can win"
    if lead <= 0:
        return "a tie with the runner-up"
    return f"{name}, {short(lead) if lead >= 0.001 else 'less than .001'} ahead of the runner-up"


def _fixed(value: float, digits: int) -> str:
    """As `toFixed` of JavaScript: what lies half way is rounded away from 0, and no zero is negative."""
    return f"{Decimal(value + 0.0).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def _bare(text: str) -> str:
    """Without the zero before the point."""
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _power(text: str) -> str:
    """1.50e-05 as 1.5e-5."""
    mantissa, _, power = text.partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
