"""A tiny base, and photos of two colours that stand for two classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.reliability import small_model
from wsis.teaching import features

COLOURS = {"red": (40, 40, 200), "blue": (200, 60, 30)}


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The tiny checkpoint, but it looks at small photos, which is fast."""
    return small_model.save(tmp_path_factory.mktemp("checkpoints") / "tiny", sizes=(96, 64))


@pytest.fixture(scope="session")
def base(tiny_checkpoint):
    return features.load_base(str(tiny_checkpoint))


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
