"""What a fault is, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        survived: whether everything that was expected held.
        said: what the user was told, in its own words; where it did not survive, first what did not hold.
    """

    survived: bool
    said: str


Fault = Callable[[Path, Path], Outcome]
"""`fault(workdir, photos)`: an empty folder of its own, and one with a few small photos, which it must not change.

Its docstring is what the page says: one line of what is injected, and below it what is expected.
"""


class NotHereError(Exception):
    """This machine does not allow the fault to be injected; the message says what it lacks."""


def judged(said: str, /, **held: object) -> Outcome:
    """Survived if all of `held` is true; else the names of what is not are said first."""
    failed = [name.replace("_", " ") for name, value in held.items() if not value]
    one_line = " ".join(said.split())
    return Outcome(not failed, f"NOT {', NOT '.join(failed)}: {one_line}" if failed else one_line)


def sentence(text: str) -> bool:
    """Whether all that was said is meant for people: something, and no traceback."""
    return bool(text.strip()) and "Traceback" not in text and "Exception ignored" not in text


def first_lines(function: Callable) -> tuple[str, str]:
    """What a fault injects and what is expected of it, from its docstring."""
    what, _, expected = (function.__doc__ or "").partition("\n\n")
    return what.strip().rstrip("."), " ".join(expected.split()).rstrip(".")
