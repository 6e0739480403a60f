"""Heads: new classes as rows of a 1x1 convolution on frozen features, fitted in well under a second.

A row is a logistic regression on the mean of a photo's features, which is convex and, with few photos, ranks photos
better than one fitted through `wsis.classifier.pool` (docs/own-classes.md). But a photo's score is pooled: half of it
counts the strongest fifth of the map alone, so it would be too sure. Pooling commutes with a scale above 0 and with a
bias, so both are fitted to pooled logits of photos that were held out, and a score becomes a probability (Platt, 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wsis.classifier import pool

DECAY = 100.0
"""Strength of the squared penalty on weights of standardised features, in units of a photo's loss."""
FLOOR = 0.1
"""Of the mean deviation; it is added to each channel's own, so that hardly any channel is blown up."""
ITERATIONS = 40
FOLDS = 5
SEED = 0
PRIOR = 5.0
"""How hard the common scale is held at 1, in units of a photo's loss: few photos are easily told apart perfectly."""
CHUNK = 64
"""Photos whose cells are taken from float16 at a time, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class Head:
    """Rows of a 1x1 convolution, one a class.

    Attributes:
        weight: (C, D) float32.
        bias: (C,) float32.
        classes: C names.
    """

    weight: np.ndarray
    bias: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.weight.ndim != 2 or self.bias.shape != (len(self.weight),) or len(self.classes) != len(self.weight):
            raise ValueError(f"head: got {self.weight.shape}, {self.bias.shape} for {len(self.classes)} classes")

    def __add__(self, other: Head) -> Head:
        """The rows of both; a class that both have is the other's, in its old place."""
        rows = {name: (self, i) for i, name in enumerate(self.classes)}
        rows |= {name: (other, i) for i, name in enumerate(other.classes)}
        return Head(
            np.stack([head.weight[i] for head, i in rows.values()]),
            np.array([head.bias[i] for head, i in rows.values()], np.float32),
            tuple(rows),
        )

    def logits(self, cells: np.ndarray) -> np.ndarray:
        """Pooled logits of photos.

        Args:
            cells: (N, P, D), any kind of float.

        Returns:
            (N, C) float32; `wsis.classifier.pool` of the maps over the P cells.
        """
        weight, bias = torch.from_numpy(self.weight), torch.from_numpy(self.bias)
        parts = (torch.from_numpy(cells[i : i + CHUNK]).float() for i in range(0, len(cells), CHUNK))
        pooled = [pool((part @ weight.T).transpose(1, 2)[..., None]) + bias for part in parts]
        return torch.cat(pooled).numpy() if pooled else np.zeros((0, len(self.classes)), np.float32)

    def scores(self, cells: np.ndarray) -> np.ndarray:
        """(N, C) float32 probabilities of (N, P, D) cells."""
        return torch.sigmoid(torch.from_numpy(self.logits(cells))).numpy()


@dataclass(frozen=True, eq=False)
class Fit:
    """A head, and what heads that had not seen a photo said of it.

    Attributes:
        head: fitted on all photos.
        held_out: (N, C) float32 probabilities: of each photo by a head fitted on the folds that it is not in,
            calibrated as `head` is.
    """

    head: Head
    held_out: np.ndarray


def fit(
    cells: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    classes: Sequence[str],
    *,
    folds: int = FOLDS,
    progress: Callable[[float], None] = lambda _: None,
) -> Fit:
    """Fit a row for each class, each for itself.

    Args:
        cells: (N, P, D) float16 features of photos, see `wsis.teaching.features`.
        target: (N, C) in [0, 1]: whether the photo shows the class.
        weight: (N, C) in [0, 1]: how much that counts; 0 where nobody knows.
        classes: C names.
        folds: parts that photos are dealt into; each is held out once. Fewer are faster.
        progress: called with the share done, in (0, 1].

    Returns:
        A head whose scores are probabilities among photos like these. A class that no photo is known to show, or none
        to lack, gets a row that says just that.
    """
    if cells.ndim != 3 or target.shape != (len(cells), len(classes)) or weight.shape != target.shape:
        raise ValueError(f"cells, target, weight: got {cells.shape}, {target.shape}, {weight.shape}")
    y, importance = torch.from_numpy(np.float32(target)), torch.from_numpy(np.float32(weight))
    parts = (torch.from_numpy(cells[i : i + CHUNK]).float().mean(1) for i in range(0, len(cells), CHUNK))
    means = torch.cat(list(parts))
    whole = _rows(means, y, importance, classes)
    progress(1 / (folds + 1))
    fold, raw = dealt(target, weight, folds), np.zeros(target.shape, np.float32)
    for number in range(folds):
        out, rest = fold == number, torch.from_numpy(fold != number)
        if out.any() and bool(rest.any()):
            head = _rows(means[rest], y[rest], importance[rest], classes, start=whole)
            raw[out] = head.logits(cells[out])
        progress((number + 2) / (folds + 1))
    scale, shift = calibration(raw, target, weight)
    calibrated = Head(whole.weight * scale, whole.bias * scale + shift, whole.classes)
    return Fit(calibrated, torch.sigmoid(torch.from_numpy(raw * scale + shift)).numpy())


def dealt(target: np.ndarray, weight: np.ndarray, folds: int = FOLDS, seed: int = SEED) -> np.ndarray:
    """(N,) fold of each photo: those of every class, rare classes first, are dealt out evenly, the same every time."""
    order = np.random.default_rng(seed).permutation(len(target))
    shown = (target >= 0.5) & (weight > 0)
    fold = np.full(len(target), -1)
    for column in np.argsort(shown.sum(0), kind="stable"):
        counts = np.bincount(fold[shown[:, column] & (fold >= 0)], minlength=folds)
        for photo in order[shown[order, column] & (fold[order] < 0)]:
            fold[photo] = counts.argmin()
            counts[fold[photo]] += 1
    rest = order[fold[order] < 0]
    fold[rest] = np.arange(len(rest)) % folds
    return fold


def _rows(means: Tensor, y: Tensor, importance: Tensor, classes: Sequence[str], start: Head | None = None) -> Head:
    """Logistic regressions on (N, D) means, side by side by L-BFGS, from a head that is near where there is one."""
    centre, scale = means.mean(0), means.std(0, unbiased=False)
    scale = scale + FLOOR * scale.mean().clamp(min=1e-6)
    inputs = (means - centre) / scale
    parameters = torch.zeros(y.shape[1], means.shape[1] + 1)
    if start is not None:
        rows, bias = torch.from_numpy(start.weight), torch.from_numpy(start.bias)
        parameters = torch.cat([rows * scale, (bias + rows @ centre)[:, None]], 1)
    parameters.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-5, tolerance_grad=1e-3
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = inputs @ parameters[:, :-1].T + parameters[:, -1]
        loss = F.binary_cross_entropy_with_logits(logits, y, importance, reduction="sum")
        # The bias is held a little, so that a class which every photo shows has a finite one.
        loss = loss + DECAY / 2 * parameters[:, :-1].square().sum() + 0.05 * parameters[:, -1].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = parameters.detach()
    rows = found[:, :-1] / scale
    return Head(rows.numpy(), (found[:, -1] - rows @ centre).numpy(), tuple(classes))


def calibration(raw: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """What makes held-out logits probabilities.

    Args:
        raw: (N, C) float32 pooled logits of photos that were held out.
        target: (N, C) as for `fit`.
        weight: (N, C) as for `fit`.

    Returns:
        The scale of all classes, above 0, and each one's shift, (C,) float32.
    """
    logits_of = torch.from_numpy(raw)
    y, importance = torch.from_numpy(np.float32(target)), torch.from_numpy(np.float32(weight))
    parameters = torch.zeros(1 + y.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = logits_of * parameters[0].exp() + parameters[1:]
        loss = F.binary_cross_entropy_with_logits(logits, y, importance, reduction="sum")
        loss = loss + PRIOR * parameters[0].square() + 0.05 * parameters[1:].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = parameters.detach()
    return float(found[0].exp()), found[1:].numpy()
