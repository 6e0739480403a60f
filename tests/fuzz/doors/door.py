"""What a door is, and what became of one input."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from wsis.errors import WsisError

UNKNOWN: Any = object()
"""Instead of an expected answer: the input is damaged, and nobody knows."""
LONGEST = 1500
"""Characters of a sentence that refuses something, names from the input included."""

Outcome = Literal["refused", "accepted", "wrong", "crashed"]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        content: what is sent in.
        about: what was done to what, for people.
        expected: the answer that must come; `UNKNOWN` where the input is damaged.
    """

    content: Any
    about: str
    expected: Any = UNKNOWN


@dataclass(frozen=True)
class Verdict:
    """What became of an input.

    Attributes:
        outcome: refused with the documented error; accepted, and nothing is wrong with the answer; accepted with a
            wrong answer, or refused though nothing is wrong with it; any other exception.
        compared: the answer was compared with one from elsewhere, and not only checked for its form.
        about: the input, and what is wrong, for people.
    """

    outcome: Outcome
    compared: bool = False
    about: str = ""


class Door:
    """One way in."""

    name: ClassVar[str]
    checked: ClassVar[str]
    """How an answer is checked, in Markdown."""
    count: ClassVar[int]
    """Inputs of a full run."""
    refusals: ClassVar[tuple[type[BaseException], ...]] = (WsisError,)

    def __init__(self, home: Path) -> None:
        """Keep a folder for files."""
        self.home = home

    def case(self, rng: random.Random) -> Case:
        """An input; the same for the same state of `rng`."""
        raise NotImplementedError

    def enter(self, content: Any) -> Any:
        """Send it in; whatever is raised besides `refusals` is a crash."""
        raise NotImplementedError

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """What is wrong with an answer, empty if nothing; and whether it was compared with one from elsewhere."""
        raise NotImplementedError


def judge(door: Door, number: int) -> Verdict:
    """Make an input, send it in and look at what comes out."""
    case = door.case(random.Random(f"{door.name} {number}"))
    about = f"{door.name} {number}: {case.about}"
    try:
        answer = door.enter(case.content)
    except door.refusals as error:
        if fault := _bad_sentence(str(error)):
            return Verdict("wrong", about=f"{about}: {fault}")
        if case.expected is not UNKNOWN:
            return Verdict("wrong", about=f"{about}: refused though nothing is wrong with it ({error})")
        return Verdict("refused")
    except Exception:
        return Verdict("crashed", about=f"{about}: {traceback.format_exc(limit=-2)[-600:]}")
    fault, compared = door.fault(case, answer)
    return Verdict("wrong", compared, f"{about}: {fault}") if fault else Verdict("accepted", compared)


def _bad_sentence(text: str) -> str:
    """What is wrong with the sentence that refuses something, empty if nothing."""
    if not text.strip() or len(text) > LONGEST:
        return f"refused with {len(text)} characters: {text[:200]!r}"
    if "\n" in text or "Traceback" in text:
        return f"refused with more than a sentence: {text[:200]!r}"
    return ""
