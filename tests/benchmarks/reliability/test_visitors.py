"""The drill of many visitors at once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from benchmarks.reliability import visitors


@pytest.mark.slow
def test_more_visitors_than_fit_are_all_served_and_see_their_own_photo(tiny_checkpoint):
    photos = list(itertools.islice(visitors._photos(None), 4))
    options = ("--model", str(tiny_checkpoint), "--device", "cpu", "--queue", "1")
    with visitors.served(*options, "--memory", "1024") as address:
        figures = asyncio.run(visitors._all(address, photos, guesses=3))
    assert figures["errors"] == []
    assert figures["mixed_up"] == figures["guessed"] == 0
    assert figures["served"] == figures["distinct"] == 4
    assert figures["refused"]
    assert figures["most_waiting"] <= 1
    assert all(row.held for row in visitors.rows(figures))
    assert "| first map |" in visitors.details(figures)
    assert figures["analyses"] >= 4
    assert figures["analyses_mb"] > 1
    wrong = {**figures, "mixed_up": 1}
    assert [row.held for row in visitors.rows(wrong)] == [False, True]
