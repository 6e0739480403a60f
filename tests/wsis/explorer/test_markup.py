"""Templates: what a line break in them becomes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wsis.explorer import markup

TEMPLATES = Path(markup.__file__).parent / "templates"
INLINE = "a|b|code|em|i|kbd|q|s|small|span|strong|sub|sup"
SWALLOWED = re.compile(
    rf"[\w.,;:!?)’”]\s*\n\s*(?:<(?:{INLINE})\b|{{{{(?!-? *\"))|(?:</(?:{INLINE})>|}}}})\s*\n\s*[\w(]"
)
"""A word and an inline tag or value on two lines: the break counts for nothing, and the words run together."""
ICON = "aria-hidden"


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.html")), ids=lambda file: file.name)
def test_no_words_run_together(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    spans = (text[text.rfind("\n", 0, found.start()) + 1 : found.end() + 30] for found in SWALLOWED.finditer(text))
    assert [span for span in spans if ICON not in span] == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("the score of\n  <b>x</b>", "the score\n  of <b>x</b>"), ("is {{ x }}\n  here", 'is\n  {{ " " ~ x }} here')],
)
def test_what_runs_together_is_seen(wrong: str, right: str) -> None:
    assert SWALLOWED.search(wrong)
    assert not SWALLOWED.search(right)


def test_the_class_stands_apart_in_the_words_of_the_curves() -> None:
    from types import SimpleNamespace

    said = markup.part("why.html", "curves", SimpleNamespace(rows=[], name="bird"), None)
    assert "the score of <b>bird</b> is watched" in said
