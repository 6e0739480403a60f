from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsis import names


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"cat", "cat"),
        (b"caf\xe9", "caf%E9"),
        ("é猫😀".encode(), "é猫😀"),
        (b"50%\xff\xfe", "50%%FF%FE"),
        (b"a\nb", "a\nb"),
    ],
)
def test_text(raw: bytes, text: str) -> None:
    assert names.text(raw.decode("utf-8", "surrogateescape")) == text
    assert names.text(raw.decode("ascii", "surrogateescape")) == text  # as under LC_ALL=C
    assert names.path(text) == os.fsdecode(text.encode())


def test_half_of_a_letter_of_utf_16() -> None:
    assert names.text("a\ud83d") == "a%uD83D"


@given(st.binary(max_size=400))
def test_names_of_results_fit_and_are_unicode(raw: bytes) -> None:
    name = names.result(raw.decode("utf-8", "surrogateescape"))
    assert len(name.encode()) <= names.LONGEST


def test_long_names_stay_apart() -> None:
    one, other = names.result("é" * 200 + "1"), names.result("é" * 200 + "2")
    assert one != other
    assert one.startswith("é" * 100)
    assert names.result("x" * 251) == "x" * 251


def test_printable() -> None:
    assert names.printable("a\nb\x1b[0m \u202ec é😀") == "a\\nb\\x1b[0m \\u202ec é😀"
