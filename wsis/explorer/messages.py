"""What Python says to the page, one class a kind: `stage/receive.js` takes them, `stage/messages.d.ts` types them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import ClassVar

from wsis.explorer.payload import Packed

GONE = "This analysis is no longer kept: they go after half an hour, and when the server starts anew."


@dataclass(frozen=True, kw_only=True)
class Message:
    """Any of them.

    Attributes:
        kind: by which the page knows what to do.
        optional: fields that it gets only where they say something; the others may be null.
    """

    kind: ClassVar[str]
    optional: ClassVar[frozenset[str]] = frozenset()

    def wire(self, serial: int) -> Packed:
        """As JSON has it; `serial` makes sure that the page notices two equal ones."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        sent = {_camel(name): value for name, value in values.items() if value is not None or name not in self.optional}
        return {"kind": self.kind, "serial": serial, **sent}


@dataclass(frozen=True, kw_only=True)
class Glance(Message):
    """The first map of a new photo, see `payload.glance`.

    Attributes:
        finish: to be sent back for the rest.
        busy: what is said meanwhile.
        truth: outlines of the masks that people drew, where the photo is one of a set that has them.
        text, expired: as in `Analysis`, for what follows.
    """

    kind: ClassVar[str] = "glance"
    optional: ClassVar[frozenset[str]] = frozenset({"picked", "classmap", "range", "grid", "truth", "text", "expired"})
    name: str
    src: str
    size: list[int]
    peaks: list[Packed]
    busy: str
    finish: Packed
    picked: int | None = None
    classmap: str | None = None
    range: list[float] | None = None
    grid: list[int] | None = None
    truth: str | None = None
    text: str | None = None
    expired: str | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis(Message):
    """Everything that the page needs to go on without Python, see `payload.analysis`.

    Attributes:
        token: of the analysis in the store.
        model: that made it, and `enhancers` that it can run.
        text: what people should know of it.
        trust: how often the model's masks are right, see `rated.packed`.
        pristine: whether it is a finished example, which a link names without a token.
        settings: the controls as they stand for it.
        part: maps of the picked peak.
        other, other_token: the analysis on the other side of the swipe.
        offers: what may fill up the list, see `payload.offers`.
        hands, edits: what was done by hand, of each peak and in order; see `wsis.edits`.
        partition: what the edits are of, see `wsis.hands.key`; None where there are none.
        photo: the photo, where it is another one.
        expired: token of a link that led to nothing.
    """

    kind: ClassVar[str] = "analysis"
    optional: ClassVar[frozenset[str]] = frozenset({"expired"})
    token: str
    model: str
    enhancers: list[str]
    text: str
    pristine: bool
    classes: list[Packed]
    on: list[str]
    named: list[str] | None
    enhancer: str
    reading: str
    steps: int
    objects: bool
    least: float
    peaks: list[Packed]
    seconds: dict[str, float]
    trust: Packed
    match: Packed | None
    offers: Packed | None
    empty: Packed | None
    hands: list[Packed] | None
    edits: list[Packed]
    partition: str | None
    settings: Packed
    part: Packed | None
    other: Packed | None
    other_token: str | None
    photo: Packed | None
    expired: str | None = None


@dataclass(frozen=True, kw_only=True)
class Peak(Message):
    """The maps of another peak, see `payload.peak`."""

    kind: ClassVar[str] = "peak"
    token: str | None
    peak: int
    classmap: str
    range: list[float]
    grid: list[int]
    maps: list[str]
    response: str | None
    binary: list[str]
    bands: list[str]
    thresholds: list[float]
    runners: Packed | None
    other: Packed | None


@dataclass(frozen=True, kw_only=True)
class Levels(Message):
    """Masks around a peak, from its part to its group, see `payload.levels`."""

    kind: ClassVar[str] = "levels"
    token: str | None
    peak: int
    proposal: int
    ids: list[int]


@dataclass(frozen=True, kw_only=True)
class Likely(Message):
    """What the picked peak may be by the class maps where it lies, the likeliest first."""

    kind: ClassVar[str] = "likely"
    token: str | None
    peak: int
    classes: list[Packed]


@dataclass(frozen=True, kw_only=True)
class Grid(Message):
    """Maps of several peaks, or of one peak by several enhancers, side by side; see `payload.grid`.

    Attributes:
        what: `peaks` of the picked peak's class, or `enhancers` of the picked peak.
        peak: the picked peak.
        columns: from left to right.
    """

    kind: ClassVar[str] = "grid"
    token: str | None
    what: str
    peak: int
    columns: list[Packed]


@dataclass(frozen=True, kw_only=True)
class Other(Message):
    """Another enhancer or model on the other side of the swipe; `part` has its maps of the picked peak.

    Attributes:
        text: what people should know of it.
    """

    kind: ClassVar[str] = "other"
    optional: ClassVar[frozenset[str]] = frozenset({"text"})
    token: str | None
    other_token: str | None
    other: Packed | None
    part: Packed | None
    peak: int
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Models(Message):
    """The models that may be chosen.

    Attributes:
        rows: of the menu, see `models.Row`.
        loaded: how many are in memory, and `megabytes` that their weights take.
        chosen: the one that new photos are looked at by from now on.
    """

    kind: ClassVar[str] = "models"
    optional: ClassVar[frozenset[str]] = frozenset({"chosen"})
    rows: list[Packed]
    loaded: int
    megabytes: int
    chosen: str | None = None


@dataclass(frozen=True, kw_only=True)
class Synonyms(Message):
    """Other names of a model's classes, for the search box."""

    kind: ClassVar[str] = "synonyms"
    model: str
    synonyms: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Settled(Message):
    """What Python ranked after the visitor had let go of a control: peak and proposal of each instance."""

    kind: ClassVar[str] = "settled"
    token: str | None
    found: list[list[int]]
    weights: list[float]
    step: int
    fill: int
    tab: str


@dataclass(frozen=True, kw_only=True)
class Notice(Message):
    """A sentence that the visitor can do something about; the screen stays as it is."""

    kind: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True, kw_only=True)
class Gone(Message):
    """The analysis is no longer kept."""

    kind: ClassVar[str] = "gone"
    text: str = GONE
    empty: dict[str, str] = field(
        default_factory=lambda: {
            "title": "This link has expired",
            "text": f"{GONE} Choose the photo again.",
            "offer": "Choose the photo",
        }
    )


@dataclass(frozen=True, kw_only=True)
class Busy(Message):
    """The request was not taken on; the same may be asked again, after so many seconds."""

    kind: ClassVar[str] = "busy"
    text: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Idle(Message):
    """There is nothing to show yet, and what to do."""

    kind: ClassVar[str] = "idle"
    empty: dict[str, str] = field(
        default_factory=lambda: {
            "title": "Drop a photo here",
            "text": "Or upload, paste or take one with the buttons on the left.",
        }
    )


@dataclass(frozen=True, kw_only=True)
class Stale(Message):
    """An answer that nobody waits for any more."""

    kind: ClassVar[str] = "stale"


@dataclass(frozen=True, kw_only=True)
class Shared(Message):
    """A link to the analysis may be sent around."""

    kind: ClassVar[str] = "shared"


@dataclass(frozen=True, kw_only=True)
class Code(Message):
    """What gives exactly what is on the screen, see `again`.

    Attributes:
        python: to be run where wsis is installed.
        command: line for a shell.
        left_out: what of the screen the command line has no option for; empty where it has all.
    """

    kind: ClassVar[str] = "code"
    python: str
    command: str
    left_out: list[str]


KINDS: tuple[type[Message], ...] = (
    Glance, Analysis, Peak, Grid, Other, Levels, Likely, Models, Synonyms, Settled, Notice, Gone, Busy, Idle, Stale,
    Shared, Code,
)  # fmt: skip


def _camel(name: str) -> str:
    """A field as JavaScript spells it."""
    return re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
