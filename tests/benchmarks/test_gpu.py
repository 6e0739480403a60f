"""The comparison of a GPU with the processor: what it keeps, and that nothing is claimed where there was no card."""

from __future__ import annotations

import json

import pytest
import torch

pytest.importorskip("skimage")
from benchmarks import gpu, page


@pytest.fixture
def quick(monkeypatch):
    """Calls and training steps that take no time."""
    monkeypatch.setattr(gpu, "calls", lambda device: {"a part": lambda: None})
    monkeypatch.setattr(gpu.training, "step_seconds", lambda name, runs, kind: [{"cpu": 3.0}.get(kind, 0.5)] * runs)


def test_without_a_card_nothing_is_measured_and_nothing_kept(monkeypatch, tmp_path, quick):
    monkeypatch.delenv("WSIS_GPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = gpu.gpu(3, tmp_path / "gpu.json")
    assert found["card"] is None
    assert "no CUDA card" in found["note"]
    assert not list(tmp_path.iterdir())


def test_a_rehearsal_goes_the_whole_way_and_keeps_nothing(monkeypatch, tmp_path, quick):
    monkeypatch.setenv("WSIS_GPU", "rehearsal")
    found = gpu.gpu(3, tmp_path / "gpu.json")
    assert found["card"] == "rehearsal on the processor"
    assert found["parts"]["train icn"] == {"gpu_s": 3.0, "cpu_s": 3.0, "times_as_fast": 1.0}
    assert {"a part", "train icn", "train classifier"} == set(found["parts"])
    assert not list(tmp_path.iterdir())


def test_a_card_s_figures_are_kept_with_its_name_and_stand_on_the_page(monkeypatch, tmp_path, quick):
    monkeypatch.delenv("WSIS_GPU", raising=False)
    for name, value in {
        "is_available": True,
        "get_device_name": "A Fast Card",
        "max_memory_reserved": 3 * 2**30,
        "synchronize": None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    found = gpu.gpu(3, tmp_path / "gpu.json")
    assert json.loads((tmp_path / "gpu.json").read_text()) == found
    assert found["parts"]["train icn"] == {"gpu_s": 0.5, "cpu_s": 3.0, "times_as_fast": 6.0}
    text = gpu.section(tmp_path / "gpu.json")
    assert text.startswith("A Fast Card, torch ")
    assert "at most 3072 MB" in text
    assert "| train icn | 500.0 ms | 3000.0 ms | 6.0 |" in text


def test_the_page_says_so_until_it_was_measured(tmp_path):
    assert gpu.section(tmp_path / "nothing.json").startswith("Not yet measured: `make gpu-check`")
    assert f"## On a GPU\n\n{gpu.section()}\n" in page.PAGE.read_text()
