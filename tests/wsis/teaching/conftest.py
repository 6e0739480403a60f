"""A tiny base, and photos of two colours that stand for two classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from wsis.teaching import features

COLOURS = {"red": (40, 40, 200), "blue": (200, 60, 30)}


@pytest.fixture(scope="session")
def base(tiny_checkpoint):
    return features.load_base(str(tiny_checkpoint))


@pytest.fixture
def small(monkeypatch):
    """Networks look at small photos, which is fast."""
    monkeypatch.setattr(features, "SIZES", (96, 64))


@pytest.fixture(scope="session")
def coloured(tmp_path_factory):
    """Folders red, blue and background, eight photos each, with a disc of the colour where it is not background."""
    root = tmp_path_factory.mktemp("coloured")
    rng = np.random.default_rng(0)
    for name in (*COLOURS, "background"):
        (root / name).mkdir()
        for number in range(8):
            pixels = rng.integers(90, 150, (72, 96, 3)).astype(np.uint8)
            if name in COLOURS:
                centre = tuple(int(x) for x in rng.integers(30, 50, 2))
                cv2.circle(pixels, centre, 22, COLOURS[name], -1)
            cv2.imwrite(str(root / name / f"{name}{number}.png"), pixels)
    return root
