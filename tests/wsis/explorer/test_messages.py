"""What Python says, against the types and the cases of the page's scripts."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from wsis.explorer import messages

STAGE = Path(messages.__file__).parent / "stage"
TYPES = "".join((STAGE / f"{name}.d.ts").read_text(encoding="utf-8") for name in ("packed", "messages"))
ENVELOPE = {"kind", "serial"}
QUIET = {"stale", "shared"}
"""Nothing is done about these."""


def interface(name: str) -> dict[str, bool]:
    """Fields of an interface and of those that it extends, and whether each may be missing."""
    head, body = re.search(rf"^interface {name}\b([^{{]*){{\n(.*?)^}}", TYPES, re.M | re.S).groups()
    known: dict[str, bool] = {}
    for partial, of, whole in re.findall(r"(Partial)<(\w+)>|(\w+)", head.replace("extends", "")):
        known |= {field: bool(partial) or optional for field, optional in interface(of or whole).items()}
    return known | {field: bool(mark) for field, mark in re.findall(r"^  (\w+)(\??):", body, re.M)}


def declared(kind: type[messages.Message]) -> dict[str, bool]:
    """What the page's types say of a kind, without what every message has."""
    name = "QuietMessage" if kind.kind in QUIET else f"{kind.__name__}Message"
    return {field: optional for field, optional in interface(name).items() if field not in ENVELOPE}


def sample(kind: type[messages.Message], **values: object) -> messages.Message:
    """A message with something in every field that must be there."""
    named = {part.name for part in fields(kind)} - kind.optional
    return kind(**dict.fromkeys(named, 1) | values)


@pytest.mark.parametrize("kind", messages.KINDS, ids=lambda kind: kind.kind)
def test_every_message_has_the_fields_that_the_page_takes(kind):
    always = sample(kind).wire(7)
    whole = sample(kind, **dict.fromkeys(kind.optional, 1)).wire(7)
    assert (always["kind"], always["serial"]) == (kind.kind, 7)
    said = declared(kind)
    assert whole.keys() - ENVELOPE <= said.keys()
    assert {field for field, optional in said.items() if not optional} <= always.keys() - ENVELOPE
    assert {field for field in always.keys() - ENVELOPE if said[field]} <= {"example", "other"}


def test_the_page_has_a_case_for_every_kind():
    cases = re.findall(r"case '(\w+)':", (STAGE / "receive.js").read_text(encoding="utf-8"))
    assert {*cases} == {kind.kind for kind in messages.KINDS} - QUIET
    assert len(cases) == len({*cases})
    assert {*re.findall(r"kind: '(\w+)'", TYPES)} | QUIET == {kind.kind for kind in messages.KINDS}


def test_what_says_nothing_is_left_out_and_the_rest_may_be_null():
    said = sample(messages.Analysis, other_token=None).wire(0)
    assert "expired" not in said
    assert said["otherToken"] is None
    assert "other_token" not in said
