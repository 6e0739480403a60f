"""Benchmarks: wrong names and a missing browser are told in a sentence."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("skimage")
from benchmarks import browser
from benchmarks.__main__ import main


def test_an_unknown_benchmark_is_refused_and_the_known_are_named():
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["speed"])
    assert result.exit_code == 2 and "no benchmark 'speed'" in result.output and "explorer" in result.output


def test_without_a_browser_it_says_what_is_missing(monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.delenv("WSIS_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="needs Chromium: install it"), browser.chromium():
        pass
