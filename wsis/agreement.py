"""Holding a grown map back where superpixels or another class disagree. Ours, not the paper's.

An ICN grows a map over whatever object it sees, also over a neighbour of another class (rider and horse), and its edges
are those of a coarse grid. The geometric mean with the spread map and with the class's share of the class maps keeps
what all three agree on.
"""

from __future__ import annotations

import numpy as np


def class_share(class_maps: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How much of each pixel belongs to each peak's class, among the classes that have a peak: a softmax over them.

    Args:
        class_maps: (K, H, W) float32 logits, the class map of each peak's class.
        classes: (K,) class of each peak.

    Returns:
        (K, H, W) float32 in [0, 1]; 1 everywhere where all peaks are of one class.
    """
    _, first, own = np.unique(classes, return_index=True, return_inverse=True)
    logits = class_maps[first] - class_maps[first].max(0, initial=-np.inf)
    shares = np.exp(logits)
    return (shares / shares.sum(0))[own] if len(class_maps) else class_maps


def agreed(grown: np.ndarray, share: np.ndarray, spread: np.ndarray | None = None) -> np.ndarray:
    """What a grown map, the class maps and, if there is one, its spread map agree on.

    Args:
        grown: (T, K, H, W) float32 in [0, 1].
        share: (K, H, W) float32 in [0, 1], from `class_share`.
        spread: (K, H, W) float32 in [0, 1]; it follows the class map over all objects of a class, so a map of one of
            them does without.

    Returns:
        (T, K, H, W) float32: the square root of the product, each map min-max normalised; a constant one becomes 0.
    """
    product = grown * (share if spread is None else spread * share)[None]
    np.sqrt(product, out=product)  # in place: there may be hundreds of megabytes of maps
    product -= product.min((2, 3), keepdims=True, initial=np.inf)
    span = product.max((2, 3), keepdims=True, initial=-np.inf)
    product /= np.where(span > 0, span, 1)
    return product
