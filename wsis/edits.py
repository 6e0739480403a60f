"""What a hand may do to an analysis, step by step, and the file that says so.

An edit is one typed, checked thing. Peaks go by their number: 0..K-1 those that were found, K, K+1, ... those that were
placed, in the order of placing; a number is never given twice. Regions and proposals go by their place in the photo's
partition, which the file names by a key, so that edits never land on a partition that they were not made on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from wsis.errors import WsisError

MOST_EDITS = 500
MOST_POINTS = 20_000
"""Of all strokes of a brush in one edit."""

Number = Annotated[int, Field(ge=0, le=10_000)]
"""Of a peak, a region or a proposal."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Pixels = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Regions = Annotated[tuple[Number, ...], Field(max_length=10_000)]
Several = Annotated[tuple[Number, ...], Field(min_length=2, max_length=60)]
Weight = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Source = Literal["region", "object"]
"""Which map of a peak its mask is chosen by: of the region that it stands for, or of the one object that it lies on."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AddPeak(_Frozen):
    """A peak where none was found: `x` and `y` as shares of the photo's width and height."""

    do: Literal["add peak"] = "add peak"
    name: Name
    x: Share
    y: Share


class MovePeak(_Frozen):
    """A peak elsewhere; its maps are computed anew."""

    do: Literal["move peak"] = "move peak"
    peak: Number
    x: Share
    y: Share


class RemovePeak(_Frozen):
    """A peak, and what it found, goes."""

    do: Literal["remove peak"] = "remove peak"
    peak: Number


class SetClass(_Frozen):
    """A peak is of another class; its maps are computed anew."""

    do: Literal["set class"] = "set class"
    peak: Number
    name: Name


class Force(_Frozen):
    """Regions that belong to the object, and such that do not: proposals are measured with them, and ranked anew."""

    do: Literal["force"] = "force"
    peak: Number
    of: Source = "region"
    inside: Regions = ()
    outside: Regions = ()


class Choose(_Frozen):
    """This proposal, with these regions more and those less, whatever the weights say."""

    do: Literal["choose"] = "choose"
    peak: Number
    of: Source = "region"
    proposal: Number
    inside: Regions = ()
    outside: Regions = ()


class Stroke(_Frozen):
    """A line that a round brush drew, in pixels of the photo; a pixel is painted whose centre lies within `radius`."""

    points: Annotated[tuple[tuple[Pixels, Pixels], ...], Field(min_length=1, max_length=MOST_POINTS)]
    radius: Annotated[float, Field(gt=0, le=2000, allow_inf_nan=False)]
    erase: bool = False


class Brush(_Frozen):
    """Pixels more or less, on the mask of a proposal, which stays the chosen one."""

    do: Literal["brush"] = "brush"
    peak: Number
    of: Source = "region"
    proposal: Number
    strokes: Annotated[tuple[Stroke, ...], Field(min_length=1, max_length=200)]


class Snap(_Frozen):
    """The mask's edge is drawn to edges of the photo, by OpenCV's GrabCut or by a guided filter."""

    do: Literal["snap"] = "snap"
    peak: Number
    of: Source = "region"
    proposal: Number
    method: Literal["grabcut", "guided filter"] = "grabcut"


class Split(_Frozen):
    """These peaks are as many objects: they share out the proposals."""

    do: Literal["split"] = "split"
    peaks: Several
    weights: tuple[Weight, Weight, Weight]


class Merge(_Frozen):
    """These peaks are one object: the first stays, with a proposal that holds them all."""

    do: Literal["merge"] = "merge"
    peaks: Several
    weights: tuple[Weight, Weight, Weight]


class Keep(_Frozen):
    """These peaks rightly share a mask: nothing to split is offered for them any more."""

    do: Literal["keep"] = "keep"
    peaks: Several


class AsFound(_Frozen):
    """A found peak as the method left it."""

    do: Literal["as found"] = "as found"
    peak: Number


Edit = Annotated[
    AddPeak | MovePeak | RemovePeak | SetClass | Force | Choose | Brush | Snap | Split | Merge | Keep | AsFound,
    Field(discriminator="do"),
]
_EDITS: TypeAdapter[tuple[Edit, ...]] = TypeAdapter(Annotated[tuple[Edit, ...], Field(max_length=MOST_EDITS)])


class Made(_Frozen):
    """How the analysis was made that the edits are of: as `wsis.provenance` has it, as far as masks depend on it."""

    model: Name
    settings: dict[str, Any]
    weights: tuple[Weight, Weight, Weight]
    step: Annotated[int, Field(ge=0, le=8)]


class Photo(_Frozen):
    """The photo that was edited: its file's name, and its size in pixels."""

    name: str = Field(max_length=1000)
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class EditedPhoto(_Frozen):
    """A file of edits.

    Attributes:
        format: of the file.
        photo: what was edited.
        partition: key of its regions and proposals, see `wsis.hands.key`.
        made: how the analysis was made.
        edits: what was done, in order.
    """

    format: Literal[1] = 1
    photo: Photo
    partition: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    made: Made
    edits: Annotated[tuple[Edit, ...], Field(max_length=MOST_EDITS)]


def read(content: str | bytes) -> EditedPhoto:
    """A file of edits.

    Raises:
        WsisError: it is none, or says something that cannot be; in one sentence.
    """
    try:
        return EditedPhoto.model_validate_json(content)
    except ValidationError as error:
        raise WsisError(f"This is no file of edits: {_said(error)}.") from error


def written(file: EditedPhoto) -> bytes:
    """The file, to be read by people too; equal edits give equal bytes."""
    return (json.dumps(file.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()


def checked(said: object) -> tuple[Edit, ...]:
    """Edits that somebody sent.

    Args:
        said: a list of dicts, as `plain` gives them; anybody can send anything.

    Raises:
        WsisError: it makes no sense.
    """
    try:
        return _EDITS.validate_python(said)
    except ValidationError as error:
        raise WsisError(f"An edit makes no sense: {_said(error)}.") from error


def plain(edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """Edits as JSON has them."""
    return [edit.model_dump(mode="json") for edit in edits]


def _said(error: ValidationError) -> str:
    """The first fault, where it is and what."""
    fault = error.errors(include_url=False, include_input=False)[0]
    where = [str(part) for part in fault["loc"] if not isinstance(part, str) or part not in _KINDS]
    place = ".".join(str(int(part) + 1) if part.isdigit() else part for part in where)
    text = str(fault["msg"]).rstrip(".")
    return f"{place}: {text[:1].lower()}{text[1:]}" if place else text


_KINDS = {
    str(kind.model_fields["do"].default)
    for kind in (AddPeak, MovePeak, RemovePeak, SetClass, Force, Choose, Brush, Snap, Split, Merge, Keep, AsFound)
}
