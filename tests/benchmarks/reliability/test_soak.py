"""The soak: that it sees memory, files, descriptors and threads that stay, what counts as flat, and a short one."""

from __future__ import annotations

import json
import mmap
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio")
if not Path("/proc/self/smaps_rollup").exists():
    pytest.skip("memory is read from Linux's /proc", allow_module_level=True)

from benchmarks.reliability import soak
from benchmarks.reliability.soak import Sample, draw, rows, sample, verdict

CALM = Sample(rss=1_500_000, pss=1_450_000, uss=1_400_000, heap=200_000, objects=900_000, files=0, fds=12, threads=4)


def series(slope: float, noise: float = 3000, count: int = 200) -> list[Sample]:
    """kB an analysis, with noise of so many kB and now and then a large photo."""
    rng = np.random.default_rng(0)
    found = CALM.rss + slope * np.arange(count) + rng.normal(0, noise, count)
    found[rng.random(count) < 0.05] += 300_000
    return [replace(CALM, rss=round(one)) for one in found]


def figures(samples: list[Sample], warm: int = 20, left: int = 0) -> dict:
    made = {"samples": [vars(one) for one in samples], "analyses": 300, "answers": {"analysis": 300}, "seconds": 60}
    return {**made, **verdict(samples, warm), "warm": warm, "left": [], "files_left": left}


def test_what_stays_is_seen(tmp_path):
    before = sample(tmp_path)
    with mmap.mmap(-1, 2**26) as pages:  # not from the heap, which may have as much to spare after other tests
        for _ in range(64):
            pages.write(b"1" * 2**20)
        mapped = sample(tmp_path)
    for name in ("rss", "pss", "uss"):
        assert 60_000 < getattr(mapped, name) - getattr(before, name) < 80_000, name
    before = sample(tmp_path)
    ballast = np.ones((64, 2**20), np.uint8)
    stop, at_work = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (at_work.set(), stop.wait()))
    thread.start()
    at_work.wait()
    with (tmp_path / "left").open("w"):
        after = sample(tmp_path)
    stop.set()
    thread.join()
    assert 60_000 < after.heap - before.heap < 80_000
    assert after.files - before.files == 1
    assert after.fds - before.fds == 1
    assert after.threads - before.threads == 1
    assert ballast.size


@pytest.mark.parametrize(("slope", "held"), [(0, True), (10, True), (-50, True), (60, False), (500, False)], ids=str)
def test_flat_is_a_slope_within_noise_or_below_a_hundredth(slope, held):
    found = figures(series(slope))
    assert found["low"] < slope < found["high"]
    memory, files, others = rows(found)
    assert memory.held == held
    assert files.held
    assert others.held
    assert f"of {found['resident'] / 1024:.0f} MB" in memory.got


def test_much_noise_and_no_slope_is_flat():
    assert rows(figures(series(0, noise=100_000)))[0].held


@pytest.mark.parametrize("key", ["fds", "threads"])
def test_a_descriptor_or_thread_more_is_told(key):
    grown = [*series(0), replace(CALM, **{key: getattr(CALM, key) + 1})]
    memory, files, others = rows(figures(grown))
    assert memory.held
    assert files.held
    assert not others.held
    assert "+1" in others.got


def test_a_file_left_is_told():
    assert not rows(figures(series(0), left=1))[1].held


def test_the_figure_is_drawn(tmp_path):
    made = {**figures(series(0)), "samples": [list(vars(one).values()) for one in series(0)]}
    draw(made, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_short_soak_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(soak, "FIGURE", tmp_path / "soak.png")
    found = soak.run(None, quick=True)
    json.dumps(found)
    assert len(found["samples"]) == soak.QUICK[0] <= found["analyses"]
    assert {"glance", "analysis", "peak", "settled"} <= set(found["answers"])
    _, files, others = rows(found)
    assert files.held, found["left"]
    assert others.held, found["left"]
    assert "soak.png" in soak.details(found)
    assert not (tmp_path / "soak.png").exists()
