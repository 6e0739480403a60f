"""How good a taught head is on photos that were held out: precision, thresholds, what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsis import metrics

NOTHING = "nothing"
"""What a model says first where no class passes the threshold, and what a photo shows that shows none."""
THRESHOLD = 0.1
"""`wsis.analysis.Settings.class_threshold` by default."""


@dataclass(frozen=True)
class ClassFigures:
    """Of one class, on photos of which it is known whether they show it.

    Attributes:
        shown, lacking: how many photos do, and do not.
        ap: average precision of the ranking; chance is the share that show it.
        threshold: probability from which on a "yes" is most often right and complete (the best F1).
        precision, recall: at that threshold.
        precision_default, recall_default: at `THRESHOLD`, from which on the class is looked for.
    """

    shown: int
    lacking: int
    ap: float
    threshold: float
    precision: float
    recall: float
    precision_default: float
    recall_default: float


def of_class(scores: np.ndarray, target: np.ndarray, weight: np.ndarray) -> ClassFigures:
    """Figures of one class from (N,) held-out probabilities, targets and weights."""
    known = weight > 0
    scores, shown = scores[known], target[known] >= 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(shown[order])
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / max(1, shown.sum())
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    # Between the last score that counts as yes and the next one, so that neither depends on rounding.
    following = scores[order[best + 1]] if best + 1 < len(order) else 0.0
    threshold = float((scores[order[best]] + following) / 2)
    said = scores >= THRESHOLD
    return ClassFigures(
        int(shown.sum()), int((~shown).sum()), metrics.classification_map(scores[:, None], shown[:, None]), threshold,
        float(precision[best]), float(recall[best]),
        float(shown[said].mean()) if said.any() else 0.0, float(said[shown].mean()) if shown.any() else 0.0,
    )  # fmt: skip


def confusion(scores: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What photos show against what the model says first.

    Args:
        scores: (N, C) held-out probabilities.
        target: (N, C) in [0, 1].
        weight: (N, C), 0 where nobody knows; photos of which something is unknown are left out.

    Returns:
        (C + 1, C + 1) int64: a row is what a photo shows, where that is one class or none (the last row); a column is
        the likeliest class, or nothing (the last) where none reaches `THRESHOLD`.
    """
    classes = target.shape[1]
    shown = target >= 0.5
    sure = (weight > 0).all(1) & (shown.sum(1) <= 1)
    rows = np.where(shown.any(1), shown.argmax(1), classes)
    columns = np.where((scores >= THRESHOLD).any(1), scores.argmax(1), classes)
    table = np.zeros((classes + 1, classes + 1), np.int64)
    np.add.at(table, (rows[sure], columns[sure]), 1)
    return table


def summary(scores: np.ndarray, target: np.ndarray, weight: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """All of it as JSON values: `classes` by name, `map`, `confusion` and `confusion_names`."""
    each = [of_class(scores[:, i], target[:, i], weight[:, i]) for i in range(len(classes))]
    return {
        "map": float(np.mean([one.ap for one in each])),
        "classes": {name: asdict(one) for name, one in zip(classes, each, strict=True)},
        "confusion_names": [*classes, NOTHING],
        "confusion": confusion(scores, target, weight).tolist(),
    }
