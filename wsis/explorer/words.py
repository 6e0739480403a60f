"""Names and numbers as the screen writes them."""

from __future__ import annotations

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
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0") else text


def short(value: float, digits: int = 3) -> str:
    """Any number without a leading zero; large ones in full, tiny ones in three significant digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if 0 < abs(value) < 10**-digits / 2:
        return f"{value:.3g}" if abs(value) < 1e-4 else "0"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
