"""Every network, the peak responses and the explorer's analysis give on a GPU what they give on the processor."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from wsis import icn
from wsis.analysis import Settings
from wsis.explorer.handlers import Handlers
from wsis.maps import normalised
from wsis.matching import PUBLISHED
from wsis.proposals import contours, objectness
from wsis.response import respond

pytestmark = pytest.mark.gpu

FLOAT32 = 5e-3
"""Of the largest value: convolutions of a card round to TF32, ten bits behind the point."""
HALF = 0.05
"""Of maps in [0, 1]: three steps in float16 or bfloat16, each normalised anew."""


def close(found: np.ndarray, expected: np.ndarray, share: float = FLOAT32) -> None:
    """Equal but for a share of the largest value."""
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=share * max(np.abs(expected).max(), 1e-12), rtol=0)


def test_the_networks_are_on_the_device(there, device):
    checkpoint = there.checkpoint
    networks = checkpoint.classifier, checkpoint.contours, checkpoint.objectness, *checkpoint.icns.values()
    assert {parameter.device.type for net in networks for parameter in net.parameters()} == {device}


def test_class_maps_and_scores(here, there, photo):
    expected, found = (side.glance(photo).class_maps for side in (here, there))
    close(found.maps, expected.maps)
    np.testing.assert_allclose(found.scores, expected.scores, atol=FLOAT32)


def test_contours_and_their_features(here, there, photo):
    (edges, features), (expected, expected_features) = (
        contours.look(side.checkpoint.contours, photo) for side in (there, here)
    )
    close(edges, expected, 0.02)
    for level, expected_level in zip(features, expected_features, strict=True):
        close(level, expected_level)


def test_objectness(here, there, photo, evidence):
    _, features = contours.look(here.checkpoint.contours, evidence.work)
    found, expected = (
        objectness.predict(side.checkpoint.objectness, features, evidence.proposals, evidence.contours)
        for side in (there, here)
    )
    close(found, expected)


@pytest.mark.parametrize("mode", ["excitation", "gradient"])
def test_peak_responses(here, there, evidence, busy, mode):
    peaks = here.peaks(evidence.class_maps, busy)
    assert len(peaks) > 3
    classifiers = [side.checkpoint.classifier for side in (there, here)]
    found, expected = (respond(net, net.prepare(evidence.work, net.sizes[0]), peaks, mode=mode) for net in classifiers)
    close(found, expected, 0.02)


@pytest.mark.parametrize("name", ["icn-proposal", "icn-saliency"])
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_icn(here, there, device, evidence, busy, name, precision, monkeypatch):
    peaks = here.peaks(evidence.class_maps, busy)
    place = peaks.places.astype(np.float32)
    maps = normalised(evidence.class_maps.maps[peaks.classes])
    grow = partial(icn.enhance, image=evidence.work, maps=maps, class_maps=maps, peaks=place, steps=3)
    monkeypatch.setattr("wsis.icn.HALF", {})
    expected = grow(here.checkpoint.icns[name])
    if precision != "float32":
        monkeypatch.setattr("wsis.icn.HALF", {device: getattr(torch, precision)})
    found = grow(there.checkpoint.icns[name])
    assert np.abs(found - expected).mean() < (FLOAT32 if precision == "float32" else HALF)
    assert found.min() == 0
    assert found.max() == 1


def test_an_analysis_of_the_explorer(here, there, photo):
    settings = Settings(naive="response", steps=3)
    ours, expected = (Handlers(side, {}).analyse(photo, settings) for side in (there, here))
    for key in ("classes", "rows", "columns"):
        np.testing.assert_array_equal(getattr(ours.peaks, key), getattr(expected.peaks, key))
    assert np.abs(ours.maps - expected.maps).mean() < HALF
    found, wanted = (analysis.instances(PUBLISHED) for analysis in (ours, expected))
    assert len(wanted)
    assert [one.category for one in found] == [one.category for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        mask, truth = ours.mask(one), expected.mask(other)
        assert (mask & truth).sum() / (mask | truth).sum() > 0.9
        assert one.score == pytest.approx(other.score, abs=0.05)
