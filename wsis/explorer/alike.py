"""Which proposals are alike, and how one differs from another; `stage/alike.js` does the same on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from wsis.proposals import ProposalSet

ALIKE = 0.8
"""Two masks whose intersection over union is above this are of one group."""
GROUPS = 5
"""How many groups of a peak's proposals are listed."""
ASIDE = 0.25
"""Less far from the middle of a mask than this part of its half width or height, a change has no side."""


@dataclass(frozen=True)
class Group:
    """Proposals that are alike.

    Attributes:
        proposals: their indices, best first; all are like the first.
        places: their ranks, from 1.
    """

    proposals: tuple[int, ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """What one mask has and another has not.

    Attributes:
        share: its pixels by those of the mask that it is told against, at least 0.
        side: `left`, `right`, `top` or `bottom` of that mask's box; empty where it is on no side.
    """

    share: float
    side: str


def groups(order: Iterable[int], proposals: ProposalSet, count: int = GROUPS) -> tuple[Group, ...]:
    """Down a ranking, each proposal joins the first group whose best it is like, or leads one of its own.

    Args:
        order: indices, best first, each once; it is followed until one would lead a group too many.
        proposals: all proposals.
        count: most groups.
    """
    areas = proposals.region_areas.astype(np.float64)
    found: list[tuple[list[int], list[int]]] = []
    for place, one in enumerate(order, 1):
        own = proposals.membership[one]
        leaders = proposals.membership[[members[0] for members, _ in found]]
        alike = (leaders & own) @ areas > ALIKE * ((leaders | own) @ areas)
        if alike.any():
            members, places = found[int(alike.argmax())]
        elif len(found) == count:
            break
        else:
            found.append((members := [], places := []))
        members.append(int(one))
        places.append(place)
    return tuple(Group(tuple(members), tuple(places)) for members, places in found)


def difference(proposals: ProposalSet, one: int, other: int) -> tuple[Change, Change]:
    """What a proposal gains and what it loses against another, in shares of the other.

    Args:
        proposals: all proposals.
        one: index of the proposal that is told.
        other: index of the one that it is told against.
    """
    mine, theirs = proposals.membership[one], proposals.membership[other]
    return _change(proposals, mine & ~theirs, theirs), _change(proposals, theirs & ~mine, theirs)


def _change(proposals: ProposalSet, regions: np.ndarray, told: np.ndarray) -> Change:
    """Of some regions against those of a mask, both (R,) bool."""
    rows, columns = np.nonzero(regions[proposals.labels])
    own_rows, own_columns = np.nonzero(told[proposals.labels])
    share = len(rows) / max(len(own_rows), 1)
    if not len(rows) or not len(own_rows):
        return Change(share, "")
    across, down = _aside(columns, own_columns), _aside(rows, own_rows)
    if max(abs(across), abs(down)) < ASIDE:
        return Change(share, "")
    if abs(across) >= abs(down):
        return Change(share, "left" if across < 0 else "right")
    return Change(share, "top" if down < 0 else "bottom")


def _aside(places: np.ndarray, told: np.ndarray) -> float:
    """How far pixels lie from the middle of a mask's box on average, in half widths."""
    low, high = int(told.min()), int(told.max()) + 1
    return (int(places.sum()) / len(places) + 0.5 - (low + high) / 2) / ((high - low) / 2)
