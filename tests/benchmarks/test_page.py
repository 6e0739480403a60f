"""The page of figures: what stands on it is what was measured, and the kept one is the one in the repository."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("skimage")
from benchmarks import curves, page, reference, suite
from wsis.pipeline import Pipeline


def test_the_pages_in_the_repository_are_made_from_the_kept_figures():
    found = json.loads(page.DATA.read_text())
    assert page.PAGE.read_text() == page.page(found)
    readme = (page.ROOT / "README.md").read_text()
    assert readme == page.between(readme, page.summary(found))


def test_the_table_says_what_was_measured():
    one = {"median_s": 0.2, "spread_s": 0.0123, "ratio_to_reference": 3.456, "ratio_to_floor": 12.3, "peak_mb": 1234.5}
    plain = {**one, "ratio_to_reference": None, "ratio_to_floor": None}
    found = {name: one if name == "prm" else plain for name in page.WHAT}
    rows = page.table(found).splitlines()
    assert len(rows) == 2 + len(page.WHAT)
    assert rows[2] == "| PRM, 10 peaks | 0.20 s | 12.3 ms | 3.46 | one backward pass a peak | 12 | 1234 |"
    assert rows[3].count("|") == 8
    assert rows[3].split("|")[4:7] == ["  ", "  ", "  "]


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_is_that_of_the_larger_half(power):
    x = [1.0, 2, 5, 10, 20, 40]
    assert page.exponent(x, [9, 9, 9, *(3 * v**power for v in x[3:])]) == pytest.approx(power)


def test_what_stands_around_the_marks_stays():
    text = f"before\n{page.START}\nold\n{page.END}\nafter"
    once = page.between(text, "new")
    assert once == f"before\n{page.START}\nnew\n{page.END}\nafter" == page.between(once, "new")


def test_sized_photos_and_folders(tmp_path):
    for wanted in (0.1, 1.0):
        height, width, _ = curves.sized(wanted).shape
        assert height * width / 1e6 == pytest.approx(wanted, rel=0.02)
        assert width / height == pytest.approx(4 / 3, rel=0.02)
    files = sorted(suite.write_photos(tmp_path / "new", 3).iterdir())
    assert len({file.read_bytes() for file in files}) == 3


def test_the_benchmark_photo_has_as_many_peaks_as_asked_for():
    pipeline = Pipeline.load(device="cpu")
    evidence = curves.busy(pipeline.observe(suite.photo()))
    for count in curves.PEAKS:
        assert len(pipeline.peaks(evidence.class_maps, suite.many_peaks(pipeline, count))) == count


def test_selective_search_needs_its_own_environment(monkeypatch):
    monkeypatch.delenv("WSIS_CONTRIB_PYTHON", raising=False)
    assert reference.selective_search(np.zeros((4, 4, 3), np.uint8)) is None
