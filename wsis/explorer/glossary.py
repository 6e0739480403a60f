"""The key to the numbers on the screen, and the shortcuts: one source for the dialog behind `?` and for hover help."""

from __future__ import annotations

from typing import NamedTuple

from wsis.explorer import words
from wsis.matching import LEAST_RATE


class Number(NamedTuple):
    """A kind of number that the screen shows.

    Attributes:
        name: what it is called.
        symbol: how formulas and captions write it; empty where they do not.
        span: between which ends it lies, in words.
        meaning: what it says, one sentence.
        where: selector of what shows it, which says the same under the pointer; empty for none.
    """

    name: str
    symbol: str
    span: str
    meaning: str
    where: str


class Shortcut(NamedTuple):
    """Keys, and what they do."""

    keys: tuple[str, ...]
    does: str


NUMBERS = (
    Number(
        "class score", "", "0 to 1", "How likely the class is somewhere in the photo, as the classifier says.",
        "#classes .chip",
    ),
    Number(
        "peak value", "", "any; higher is surer",
        "The class map where it is highest around a place (Eq. 1), a logit and no probability.", "#peaks .peak",
    ),
    Number(
        "mask score", "", "0 to 1",
        "Class score, times how well the peak’s map and the mask agree, times how likely the mask is one whole object: "
        "the one number to sort and filter masks by.",
        "#peaks .peak",
    ),
    Number(
        "Eq. 5 score", "S(P)", "0 to α + β + γ",
        "Three terms, each times its weight: it ranks proposals of one peak and says nothing across peaks.",
        "#ranking .proposal",
    ),
    Number(
        "rate", "r", f"{words.unit(LEAST_RATE)} to 1",
        "By how much a proposal’s Eq. 5 score counts: 1 where it surely is one whole object. Ours, not the paper’s.",
        ".formula i",
    ),
    Number(
        "firmness", "", "0 to 100%",
        "Share of the weights at which the same proposal wins: sensitivity to weights, not correctness.",
        "#firmness .firm",
    ),
    Number("binary map", "V", "pixels", "What of the map counts for the match: the pixels above Otsu’s threshold.",
           ".film button[data-view=match]"),
    Number("Otsu’s threshold", "Otsu", "0 to 1", "The cut that parts the map’s values best into dark and bright.",
           ".film button[data-view=match]"),
    Number("last step", "T", "0 to 8", "How often the map is grown in all.", ".stage .steps"),
    Number("step", "t", "0 to T", "How often the map on the stage has been grown; t = 0 is the map as it begins.",
           ".stage .steps"),
)  # fmt: skip
"""Every kind, in the order in which the method makes them."""
SHORTCUTS = (
    Shortcut(("F",), "present: full screen, five pages"),
    Shortcut(("?",), "this list"),
    Shortcut(("←", "→"), "on the stage: the peak before, the next; presenting: pages"),
    Shortcut(("↑", "↓"), "on the stage as ← →; presenting: pictures"),
    Shortcut(("+", "−", "0"), "on the stage: larger, smaller, the whole photo"),
    Shortcut(("K",), "a click places a peak; peaks can be dragged"),
    Shortcut(("R",), "paint regions in and out"),
    Shortcut(("B", "X"), "brush, eraser"),
    Shortcut(("[", "]"), "a part, the group; of a brush: its size"),
    Shortcut(("S", "M", "G"), "split, merge, draw the edge to the photo"),
    Shortcut(("Delete",), "remove the picked peak"),
    Shortcut(("Ctrl", "Z"), "undo; with Shift: do it again"),
    Shortcut(("Ctrl", "V"), "paste a photo"),
    Shortcut(("Esc",), "leave what is open"),
)
"""What keys do wherever no text field has the focus."""


def hovered() -> list[dict[str, str]]:
    """What hovering says, by the selector of what is hovered over; for the page's `help.js`."""
    texts: dict[str, list[str]] = {}
    for number in NUMBERS:
        if number.where:
            name = f"{number.name} {number.symbol}".strip()
            texts.setdefault(number.where, []).append(f"{name}, {number.span}: {number.meaning}")
    return [{"where": where, "text": "\n".join(told)} for where, told in texts.items()]
