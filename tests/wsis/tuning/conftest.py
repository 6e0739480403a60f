"""Scenes with masks, and what a tiny model makes of them."""

from __future__ import annotations

import pytest

from wsis import photo_sets, tuning
from wsis.analysis import Settings
from wsis.pipeline import Pipeline


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def settings():
    return Settings(enhancer="icn-saliency", classes=("bottle", "car", "bird"), window=3)


@pytest.fixture(scope="module")
def pairs(kit):
    return photo_sets.collect(kit)


@pytest.fixture(scope="module")
def records(pipeline, pairs, settings):
    return tuning.Records([tuning.measure(pipeline, pair, settings) for pair in pairs], pipeline.classes)
