"""The sheet of examples: rows of one width, photos of about one size."""

from __future__ import annotations

import cv2
import numpy as np

from tests.helpers.small_analysis import small_analysis
from train.ablate import figures


def test_a_short_row_of_the_sheet_ends_in_white():
    """Stretched to the width of the others, its one photo was twice as large as they."""
    alone = cv2.imdecode(np.frombuffer(figures.sheet([small_analysis()]), np.uint8), cv2.IMREAD_COLOR)
    many = cv2.imdecode(np.frombuffer(figures.sheet([small_analysis()] * 4), np.uint8), cv2.IMREAD_COLOR)
    assert alone.shape[1] == many.shape[1] == figures.PIXELS
    white = (alone == 255).all((0, 2))
    assert white[-1]
    assert not white[0]
    size = small_analysis().evidence.image.shape
    filled = np.flatnonzero(~white)[-1] + 1
    assert abs(filled / alone.shape[0] - size[1] / size[0]) < 0.02
