"""Names and numbers as the screen writes them."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

TERMS = ("precision", "contour", "recall")
"""The three terms of Eq. 5 as the stylesheet calls them: one colour each, everywhere."""
SYMBOLS = ("α", "β", "γ")

MEANING: dict[str, tuple[tuple[str, str], tuple[str, str], tuple[str, str]]] = {
    "cover": (
        ("precision", "share of the proposal that the map covers"),
        ("contour", "share of the map's contour that it reaches"),
        ("recall", "share of the map that it captures"),
    ),
    "no-rebalance": (
        ("coverage", "share of the map that it captures, not divided by its own area"),
        ("contour", "share of the map's contour that it reaches"),
        ("recall", "share of the map that it captures"),
    ),
    "penalty": (
        ("precision", "share of the proposal that the map covers"),
        ("contour", "share of the map's contour that it reaches"),
        ("background", "share of the background that it takes, subtracted"),
    ),
    "literal": (
        ("precision", "share of the proposal that the map covers, at most 1"),
        ("contour", "pixels of the map's contour that it reaches"),
        ("background", "pixels of background that it takes, as printed"),
    ),
    "prm-2018": (
        ("response", "sum of the map inside the proposal"),
        ("edge", "sum of the map along the proposal's own contour"),
        ("background", "background inside the proposal, subtracted"),
    ),
    "iou": (
        ("overlap", "overlap of the binary map and the proposal"),
        ("unused", "not part of this reading"),
        ("unused", "not part of this reading"),
    ),
}
"""What the three terms are called in each reading, and what they say in plain words."""


def unit(value: float) -> str:
    """A number in [0, 1] the short way: .87, 1.00."""
    return _fixed(value, 2).removeprefix("0")


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
