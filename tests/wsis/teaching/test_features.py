"""Features of a frozen backbone: those that a classifier's maps are made of, kept on disk."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.labelled_photos import write
from wsis.errors import WsisError
from wsis.teaching import features
from wsis.teaching.features import GRID, Cache


def test_a_head_on_features_gives_the_classifiers_maps(base, photo):
    found = features.compute(base, photo)
    own = base.classifier.class_maps(photo)
    maps = features.class_maps(found, base.head)
    assert maps.classes == own.classes
    np.testing.assert_allclose(maps.maps, own.maps, atol=2e-3 * np.abs(own.maps).max())
    # Those of the mean map, against the mean of four views' scores: far apart only for random weights.
    np.testing.assert_allclose(maps.scores, own.scores, atol=0.06)


def test_cells_are_means_over_areas(base, photo):
    found = features.compute(base, photo)
    channels, height, width = found.whole.shape
    assert found.cells.shape == (GRID * GRID, channels)
    assert found.cells.dtype == found.whole.dtype == np.float16
    assert (height, width) == (4, 6)
    first = found.whole[:, :1, :1].astype(np.float32).mean((1, 2))
    np.testing.assert_allclose(found.cells[0], first, rtol=1e-2, atol=1e-3)


def test_a_photo_is_looked_at_once(base, tmp_path, monkeypatch):
    photo = write(tmp_path, "a.png") / "a.png"
    cache = Cache(base, tmp_path / "cache")
    cells = cache.cells(photo)
    whole = cache.features(photo)
    monkeypatch.setattr(features, "compute", None)
    np.testing.assert_array_equal(cache.cells(photo), cells)
    np.testing.assert_array_equal(cache.features(photo.read_bytes()).whole, whole.whole)


def test_what_is_damaged_or_of_another_base_is_looked_at_again(base, tmp_path):
    photo = write(tmp_path, "a.png") / "a.png"
    cache = Cache(base, tmp_path / "cache")
    cells = cache.cells(photo)
    file = next((tmp_path / "cache").iterdir())
    file.write_bytes(file.read_bytes()[:-9])
    np.testing.assert_array_equal(cache.cells(photo), cells)
    other = features.Base(base.name, base.classifier, base.options, "another fingerprint")
    Cache(other, tmp_path / "cache").cells(photo)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_longest_unused_go_first(base, tmp_path):
    write(tmp_path, "a.png", "b.png")
    cache = Cache(base, tmp_path / "cache", most=0)
    cache.cells(tmp_path / "a.png")
    cache.tidy()
    assert not list((tmp_path / "cache").iterdir())


def test_what_cannot_be_read_or_taught_is_told(base, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(WsisError, match=r"a\.jpg is not an image"):
        Cache(base, tmp_path / "cache").cells(tmp_path / "a.jpg")
    with pytest.raises(WsisError, match=r"gone\.jpg cannot be opened"):
        Cache(base, tmp_path / "cache").cells(tmp_path / "gone.jpg")
    with pytest.raises(WsisError, match="There is no model 'nothing'"):
        features.load_base("nothing")
