"""A line of the table in docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was asked of a check, what a run gave, and whether that holds.

    Attributes:
        what: what was tried, in a few words.
        asked: the bound, in words.
        got: the figures, in words.
        held: whether they are within the bound.
    """

    what: str
    asked: str
    got: str
    held: bool
