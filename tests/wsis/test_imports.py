"""Imports without the collector."""

from __future__ import annotations

import gc
import importlib
import sys

import pytest

from wsis.imports import uncollected


@pytest.fixture
def frozen(monkeypatch):
    """What was asked to be left alone, without doing so: these tests have imported everything long ago."""
    calls = []
    monkeypatch.setattr("gc.freeze", lambda: calls.append(gc.isenabled()))
    return calls


def test_the_collector_waits_for_imports_and_leaves_them_alone(frozen, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with uncollected():
        assert not gc.isenabled()
        assert not frozen
    assert gc.isenabled()
    assert frozen == [False]  # before it runs again


def test_it_goes_on_after_an_import_that_fails(frozen, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(ImportError), uncollected():
        importlib.import_module("wsis.nothing_of_this_name")
    assert gc.isenabled()


def test_where_everything_is_imported_nothing_is_changed(frozen):
    with uncollected():
        assert gc.isenabled()
    assert not frozen
