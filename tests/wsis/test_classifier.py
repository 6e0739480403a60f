"""The classifier: maps linear in features, pooling, averaging over sizes and mirrors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsis import voc
from wsis.backbone import TESTED
from wsis.classifier import SIZES, TOP_SHARE, Classifier, pool, standardise
from wsis.maps import ClassMaps

SMALL = "tf_efficientnet_lite0"


@pytest.mark.parametrize("name", TESTED)
def test_class_maps_have_a_cell_for_16_pixels(name):
    maps = Classifier(name, voc.CLASSES).eval()(torch.zeros(2, 3, 64, 96))
    assert maps.shape == (2, 20, 4, 6)


def test_pool_is_half_mean_half_top_fifth():
    maps = torch.arange(40.0).reshape(1, 1, 5, 8)
    top = torch.arange(40.0)[-int(TOP_SHARE * 40) :].mean()
    assert pool(maps).item() == pytest.approx(0.5 * 19.5 + 0.5 * top.item())
    assert pool(torch.ones(1, 2, 1, 1)).tolist() == [[1, 1]]


def test_averaging_over_the_mirror_makes_the_result_symmetric(photo):
    classifier = Classifier(SMALL, voc.CLASSES).eval()
    own = classifier.class_maps(photo, sizes=(128, 96))
    mirrored = classifier.class_maps(np.ascontiguousarray(photo[:, ::-1]), sizes=(128, 96))
    np.testing.assert_allclose(own.maps, mirrored.maps[..., ::-1], atol=2e-4)
    np.testing.assert_allclose(own.scores, mirrored.scores, atol=1e-4)
    without = classifier.class_maps(photo, sizes=(128,), flip=False)
    assert not np.allclose(without.maps, classifier.class_maps(photo, sizes=(128,)).maps, atol=1e-5)


def test_a_model_looks_at_a_photo_with_its_own_sizes(photo):
    classifier = Classifier(SMALL, voc.CLASSES, sizes=[128, 96]).eval()
    own, told = classifier.class_maps(photo), classifier.class_maps(photo, sizes=(128, 96))
    np.testing.assert_array_equal(own.maps, told.maps)
    np.testing.assert_array_equal(own.scores, told.scores)
    assert own.maps.shape[1:] == (6, 8)
    assert Classifier(SMALL, voc.CLASSES).sizes == SIZES == (448, 320)


@pytest.mark.parametrize("sizes", [(), (448, 0), (-1,)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="expected pixels"):
        Classifier(SMALL, voc.CLASSES, sizes=sizes)


def test_one_size_without_flip_is_the_plain_network(photo):
    classifier = Classifier(SMALL, voc.CLASSES).eval()
    prepared = classifier.prepare(photo, 160)
    assert prepared.shape == (1, 3, 96, 160)
    with torch.inference_mode():
        maps = classifier(prepared)
    result = classifier.class_maps(photo, sizes=(160,), flip=False)
    np.testing.assert_allclose(result.maps, maps[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(result.scores, torch.sigmoid(pool(maps))[0].numpy(), atol=1e-6)
    assert result.classes == voc.CLASSES
    assert result.maps.shape[1:] == (6, 10)


def test_normalise_maps_white_and_black_to_the_ends():
    backbone = Classifier(SMALL, voc.CLASSES).backbone
    values = standardise(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3), backbone)
    np.testing.assert_allclose(values[0, 0, 0].numpy(), [-1, 0, 1], atol=1e-6)


def test_class_maps_check_their_shapes():
    maps, scores = np.zeros((2, 3, 4), np.float32), np.zeros(2, np.float32)
    ClassMaps(maps, scores, ("a", "b"))
    with pytest.raises(ValueError, match=r"\(C, h, w\) float32"):
        ClassMaps(maps.astype(np.float64), scores, ("a", "b"))
    with pytest.raises(ValueError, match="scores"):
        ClassMaps(maps, scores[:1], ("a", "b"))
