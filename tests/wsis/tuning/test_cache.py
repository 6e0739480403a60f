from __future__ import annotations

import os

import numpy as np
import pytest

from tests.helpers.pickled import Boom
from wsis import photo_sets, tuning
from wsis.analysis import Settings
from wsis.tuning import cache, photo_record


def test_cache_measures_once(pipeline, pairs, settings, tmp_path, monkeypatch):
    store = tuning.Cache(tmp_path / "tune")
    first = store.measure(pipeline, pairs[0], settings)
    monkeypatch.setattr(cache, "measure", lambda *_: pytest.fail("measured again"))
    again = store.measure(pipeline, pairs[0], settings)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
        assert value.dtype == getattr(again, name).dtype


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", None])
def test_damaged_records_are_measured_again(pipeline, pairs, settings, tmp_path, damage):
    store = tuning.Cache(tmp_path)
    first = store.measure(pipeline, pairs[0], settings)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    again = store.measure(pipeline, pairs[0], settings)
    np.testing.assert_array_equal(first.terms, again.terms)


def test_cache_key_follows_everything(pipeline, pairs, settings, tmp_path):
    def key(pair=pairs[0], chosen=settings):
        return cache._key(pipeline, pair, photo_record.whole(chosen))

    other = tmp_path / "other.png"
    other.write_bytes(pairs[0].classes.read_bytes() + b"x")
    keys = [key(), key(pairs[1]), key(chosen=Settings(enhancer="spread"))]
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, other, pairs[0].instances)))
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, pairs[0].classes)))
    assert len(set(keys)) == len(keys)
    assert key(chosen=Settings(**{**vars(settings), "reading": "iou", "steps": 1})) == keys[0]  # measured for all


def test_cache_drops_the_longest_unused(pipeline, pairs, settings, tmp_path):
    size = 0
    for i, pair in enumerate(pairs):
        tuning.Cache(tmp_path).measure(pipeline, pair, settings)
        new = max(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        size += new.stat().st_size
        os.utime(new, (i, i))
    oldest = min(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime)
    (tmp_path / ".left.part").write_bytes(b"x" * 100)  # by a process that was killed
    os.utime(tmp_path / ".left.part", (0, 0))
    tuning.Cache(tmp_path, most=size + 1).measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not oldest.exists()
    assert not (tmp_path / ".left.part").exists()
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unwritable_cache_only_costs_time(pipeline, pairs, settings, tmp_path):
    (tmp_path / "file").write_text("")
    assert len(tuning.Cache(tmp_path / "file").measure(pipeline, pairs[0], settings).truth)


def test_object_arrays_are_refused_unopened(boom, tmp_path):
    array = np.empty(1, object)
    array[0] = Boom()
    np.savez(tmp_path / "a.npz", **dict.fromkeys(("classes", "names"), array))
    assert cache._load(tmp_path / "a.npz") is None  # a record from the cache: measured again
