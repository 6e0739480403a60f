"""ZeroGPU: nothing happens without the package `spaces`, and with it only what can be pickled travels."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace

import pytest

from tests.helpers.small_analysis import small_analysis
from wsis.explorer.server import accelerator


def test_without_the_package_work_stays_as_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)  # how Python marks a module that is not there
    assert accelerator.spaces() is None
    assert accelerator.lane(len) is len


def test_on_a_space_with_a_gpu_of_its_own_work_stays_as_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lambda duration: lambda work: work))
    assert accelerator.lane(len) is len


def test_with_the_package_work_is_lent_a_gpu_and_progress_stays_behind(monkeypatch):
    lent = []

    def gpu(duration):
        def decorate(work):
            def run(*given, **named):
                lent.append((duration, named))
                return work(*pickle.loads(pickle.dumps(given)), **pickle.loads(pickle.dumps(named)))

            return run

        return decorate

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))

    def analyse(photo, settings=None, *, progress=None):
        """Look at a photo."""
        return photo, settings, progress

    lane = accelerator.lane(analyse)
    assert lane("photo", settings=3, progress=lambda stage, share: None) == ("photo", 3, None)
    assert lent == [(accelerator.SECONDS, {"settings": 3})]
    assert lane.__doc__ == "Look at a photo."


def test_a_package_that_is_there_but_broken_says_so(monkeypatch, tmp_path):
    (tmp_path / "spaces.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        accelerator.spaces()


def test_an_analysis_survives_the_way_to_the_gpu_and_back():
    analysis = small_analysis()
    again = pickle.loads(pickle.dumps(analysis))
    assert again.instances() == analysis.instances()
    assert again.settings == analysis.settings
