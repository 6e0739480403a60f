"""What `wsis` itself offers, quickly; and that the examples in docstrings show what happens."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import wsis
from tests.helpers import ROOT

MODULES = ("analysis", "image", "matching", "peaks", "pipeline", "proposals.proposal_set")
"""Those with functions that people call first, each with an example."""
QUICK = """
import sys, wsis
assert not {"torch", "numpy"} & set(sys.modules)
wsis.Weights
assert "timm" not in sys.modules
"""


def test_what_is_asked_for_is_imported_then() -> None:
    subprocess.run([sys.executable, "-c", QUICK], cwd=ROOT, check=True)


def test_names_are_those_of_their_modules() -> None:
    from wsis import Pipeline, Settings, Weights, analysis, image, matching, pipeline, read

    assert (Pipeline, Settings, Weights) == (pipeline.Pipeline, analysis.Settings, matching.Weights)
    assert read is image.read
    assert set(wsis.__all__) <= set(dir(wsis))
    with pytest.raises(AttributeError, match="has no attribute 'Pipelines'"):
        wsis.Pipelines  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = doctest.testmod(importlib.import_module(f"wsis.{name}"), optionflags=doctest.ELLIPSIS)
    assert results.attempted
    assert not results.failed
