"""Deletion and insertion curves of scores whose areas are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.pipeline import Pipeline
from wsis.why import faithfulness
from wsis.why.faithfulness import CLASS_MAP, ENHANCED, MAPS, RANDOM, RESPONSE, curves

SHARE = 0.25
"""Of the photo that the object takes."""


@pytest.fixture
def there():
    """(40, 40) bool: the object."""
    found = np.zeros((40, 40), bool)
    found[10:30, 10:30] = True
    return found


@pytest.fixture
def photo(there):
    made = np.zeros((40, 40, 3), np.uint8)
    made[there] = 255
    return made


@pytest.fixture
def score(there):
    """The share of the object that is there as it was: the toy classifier."""
    return lambda photos: (photos[:, there] == 255).all(-1).mean(1)


def test_the_map_of_the_object_has_the_areas_of_the_object(there, photo, score):
    found = curves(score, photo, there.astype(np.float32))
    assert found.deletion_area == pytest.approx(SHARE / 2)
    assert found.insertion_area == pytest.approx(1 - SHARE / 2)
    assert (found.deletion[0], found.deletion[-1], found.insertion[0], found.insertion[-1]) == (1, 0, 0, 1)
    assert found.deletion[5] == 0  # a quarter of twenty steps


def test_a_map_of_everything_else_has_them_the_other_way_round(there, photo, score):
    found = curves(score, photo, (~there).astype(np.float32))
    assert found.deletion_area == pytest.approx(1 - SHARE / 2)
    assert found.insertion_area == pytest.approx(SHARE / 2)


def test_among_equal_values_chance_decides_the_same_each_time(photo, score):
    flat = np.zeros((40, 40), np.float32)
    found, again = curves(score, photo, flat), curves(score, photo, flat)
    assert found.deletion_area == pytest.approx(0.5, abs=0.03)
    assert found.insertion_area == pytest.approx(0.5, abs=0.03)
    np.testing.assert_array_equal(found.deletion, again.deletion)
    assert not np.array_equal(found.deletion, curves(score, photo, flat, seed=1).deletion)


def test_every_photo_is_looked_at_once_and_few_at_a_time(there, photo, score):
    sizes = []

    def counted(photos):
        sizes.append(len(photos))
        return score(photos)

    curves(counted, photo, there.astype(np.float32))
    assert sum(sizes) == 2 * faithfulness.STEPS + 1
    assert max(sizes) == faithfulness.BATCH


def test_a_map_of_another_size_is_a_mistake_of_the_program(photo, score):
    with pytest.raises(ValueError, match="expected"):
        curves(score, photo, np.zeros((4, 4), np.float32))


# --- with a network --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def analysis(pipeline, photo_of_a_cat):
    from wsis.analysis import Settings

    return pipeline.analyse(photo_of_a_cat, Settings(enhancer="spread", classes=("cat",)))


@pytest.fixture(scope="module")
def photo_of_a_cat():
    import skimage.data

    return skimage.data.chelsea()[::3, ::3]


def test_a_score_is_the_classifiers_own(pipeline, rng):
    classifier = pipeline.checkpoint.classifier
    photos = rng.integers(0, 256, (3, 64, 96, 3), np.uint8)
    expected = [classifier.class_maps(one, sizes=(96,), flip=False).scores[3] for one in photos]
    np.testing.assert_allclose(faithfulness.score_of(classifier, 3)(photos), expected, atol=1e-6)


def test_a_network_that_scores_its_own_way_is_asked(pipeline, rng):
    class Sure(Classifier):
        def class_maps(self, image, **how):
            found = super().class_maps(image, **how)
            return replace(found, scores=np.full_like(found.scores, image.mean() / 255))

    classifier = pipeline.checkpoint.classifier
    sure = Sure.__new__(Sure)
    sure.__dict__ = classifier.__dict__
    photos = rng.integers(0, 256, (2, 64, 96, 3), np.uint8)
    np.testing.assert_allclose(faithfulness.score_of(sure, 0)(photos), photos.mean((1, 2, 3)) / 255, rtol=1e-5)


def test_a_photo_is_prepared_as_the_network_takes_it(pipeline, photo_of_a_cat):
    made = faithfulness.prepared(photo_of_a_cat, 160)
    assert max(made.shape) == 160
    batch = pipeline.checkpoint.classifier.prepare(made, max(made.shape[:2]))
    assert tuple(batch.shape[2:]) == made.shape[:2]


def test_the_maps_are_those_of_the_peak(pipeline, analysis):
    classifier, size = pipeline.checkpoint.classifier, analysis.evidence.work.shape[:2]
    maps = {name: faithfulness.map_of(name, analysis, classifier, 0) for name in MAPS}
    assert {found.shape for found in maps.values()} == {size}
    assert all(0 <= found.min() <= found.max() <= 1 for found in maps.values())
    np.testing.assert_array_equal(maps[CLASS_MAP], analysis.maps[0, 0])
    np.testing.assert_array_equal(maps[ENHANCED], analysis.maps[-1, 0])
    assert np.ptp(maps[RANDOM]) == 0
    assert not np.array_equal(maps[RESPONSE], maps[CLASS_MAP])


def test_what_is_not_there_is_told(pipeline, analysis):
    for name, peak in (("saliency", 0), (CLASS_MAP, len(analysis.peaks)), (CLASS_MAP, -1)):
        with pytest.raises(WsisError, match=r"no map|no longer"):
            faithfulness.map_of(name, analysis, pipeline.checkpoint.classifier, peak)


def test_all_maps_begin_and_end_alike(pipeline, analysis):
    classifier = pipeline.checkpoint.classifier
    one, other = (faithfulness.follow(name, analysis, classifier, 0) for name in (CLASS_MAP, RANDOM))
    assert len(one.deletion) == len(one.insertion) == faithfulness.STEPS + 1
    assert one.pixels == other.pixels == classifier.sizes[-1]
    np.testing.assert_allclose(one.deletion[[0, -1]], other.deletion[[0, -1]], atol=1e-6)
    np.testing.assert_allclose(one.insertion[[0, -1]], other.insertion[[0, -1]], atol=1e-6)
    assert one.insertion[-1] == one.deletion[0]
