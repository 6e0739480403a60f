from __future__ import annotations

import pytest

from benchmarks.reliability import page
from benchmarks.reliability.row import Row


def test_the_page_says_what_the_runs_gave() -> None:
    assert page.PAGE.read_text() == page.text(page.kept())


def test_all_that_was_run_held() -> None:
    assert "**failed" not in page.PAGE.read_text()


def test_what_failed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Check:
        """A check.

        More of it.
        """

        @staticmethod
        def rows(figures: dict) -> list[Row]:
            return [Row("it", "all", f"{figures['got']}", figures["got"] == "all")]

        @staticmethod
        def details(figures: dict) -> str:
            return "How it went."

    monkeypatch.setattr(page, "import_module", lambda name: Check)
    text = page.text({"soak": {"got": "half", "machine": "this one"}, "unknown": {"machine": "none"}})
    assert "| it | all | **failed:** half |" in text
    assert "## A check\n\nHow it went." in text
    assert "on this one" in text
