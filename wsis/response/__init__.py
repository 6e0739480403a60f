"""Peak response maps (Eq. 2): what in the photo a peak of a class map stems from, for all peaks in one pass."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from torch import Tensor

from wsis.backbone import evaluating
from wsis.choices import Mode
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.peaks import Peaks
from wsis.response.excitation import Excitation
from wsis.response.tape import Tape

MODES: tuple[str, ...] = get_args(Mode)
CHUNK = 5
"""Peaks carried at once where memory allows."""


def respond(
    classifier: Classifier,
    image: Tensor,
    peaks: Peaks,
    *,
    photos: np.ndarray | None = None,
    mode: Mode = "excitation",
    stop: int = 2,
    chunk: int = CHUNK,
) -> np.ndarray:
    """Back-propagate from each peak's cell of its class map, sum over channels, clamp at 0.

    `gradient` is the chain rule. `excitation` (Zhang et al., 2016; Zhou et al., 2018) passes a probability of 1 down:
    each unit hands its share to the units it reads from in proportion to activation x positive weight. Activations
    count from their layer's minimum where that is negative, batch norm is folded into the convolution before it, sums
    split by what each side adds, rectifiers pass everything on, and the strongest of a max pooling takes all.

    Photos run forward once, and all peaks go back in batches, those of several photos together. Nothing is left behind:
    gradients are returned and not stored, training mode is put back, error or not.

    Args:
        classifier: the network.
        image: (B, 3, H, W) standardised, see `Classifier.prepare`, at the size that the peaks' class maps were made at.
        peaks: K peaks.
        photos: (K,) which of the B photos each peak is on; None where there is only one.
        mode: `excitation` or `gradient`.
        stop: after how many levels, seen from the image, to stop: 0 is the image, 2 the output of the second level
            (stride 4 in most networks).
        chunk: how many peaks to carry at once through layers where each covers the whole grid; bounds memory, see
            `Tape.back`.

    Returns:
        (K, h, w) float32, at least 0, h and w those of the level's output.

    Raises:
        WsisError: unknown mode, or `excitation` on a network whose activations can be negative (SiLU, GELU, ...).
        ValueError: a peak outside the class maps, a wrong shape or a level that is not there.
    """
    if mode not in MODES:
        raise WsisError(f"Unknown mode '{mode}' of back-propagation. Choose one of: {', '.join(MODES)}.")
    levels = list(classifier.backbone.levels)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"image: expected (B, 3, H, W), got {tuple(image.shape)}")
    if not 0 <= stop < len(levels) or chunk < 1:
        raise ValueError(f"expected a stop in 0..{len(levels) - 1} and a chunk from 1 on, got {stop} and {chunk}")
    photos = np.zeros(len(peaks), np.int64) if photos is None else photos
    if photos.shape != (len(peaks),) or (len(peaks) and not 0 <= photos.min() <= photos.max() < len(image)):
        raise ValueError(f"photos: expected {len(peaks)} indices below {len(image)}")
    with torch.inference_mode(False), torch.no_grad(), evaluating(classifier):
        features = image.clone(memory_format=torch.channels_last)
        for level in levels[:stop]:
            features = level(features)
        with (Excitation if mode == "excitation" else Tape)(features) as tape:
            maps = features
            for level in levels[stop:]:
                maps = level(maps)
            maps = classifier.head(maps)  # dropout does nothing here
        height, width = maps.shape[2:]
        if len(peaks) and (peaks.rows.max() >= height or peaks.columns.max() >= width):
            raise ValueError(
                f"peaks: expected cells within ({height}, {width}); were the class maps made at another size?"
            )
        where = [torch.from_numpy(x).to(maps.device) for x in (photos, peaks.classes, peaks.rows, peaks.columns)]
        if not len(peaks):
            return np.zeros((0, *features.shape[2:]), np.float32)
        shares = getattr(classifier, "shares", None)  # of one whose classes stand for several maps of the head
        begin = where[1] if shares is None else shares(maps, *where)
        found = tape.back(maps, where[0], (begin, *where[2:]), chunk, lambda grads: grads.sum(1).clamp(min=0))
        return found.cpu().numpy()
