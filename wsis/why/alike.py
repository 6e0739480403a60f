"""Alike: which places of photos a backbone takes for the same, before any head has given them a class."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from wsis.classifier import Classifier


@torch.inference_mode()
def features(classifier: Classifier, photo: np.ndarray) -> np.ndarray:
    """What the last level of a backbone says of each cell of a photo, on the grid of its class maps.

    Args:
        classifier: in evaluation mode.
        photo: (H, W, 3) uint8 RGB.

    Returns:
        (D, h, w) float32.
    """
    return classifier.backbone(classifier.prepare(photo, classifier.sizes[0]))[-1][0].float().cpu().numpy()


def similarity(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Cosine of the features of every cell with those of every other, less what the first photo's cells have in common.

    Features are seldom negative, so that by themselves any two cells are somewhat alike; what sets a cell apart from
    its photo's mean is what is compared.

    Args:
        here: (D, h, w) float32.
        there: (D, h', w') float32, of the same backbone.

    Returns:
        (h * w, h' * w') float32 in [-1, 1], row by row; a cell and itself have 1. A cell that nothing sets apart is
        like no other, but like itself.
    """
    common = here.mean((1, 2), keepdims=True)
    one, other = (F.normalize(torch.from_numpy(cells - common).flatten(1), dim=0) for cells in (here, there))
    found = (one.T @ other).clamp(-1, 1).numpy()
    if here is there:
        np.fill_diagonal(found, 1)
    return found
