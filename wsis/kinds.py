"""A classifier of very many classes as one of the kinds that people name: `dog` for its 118 breeds of dog.

Two things make the class maps of a head with a thousand rows useful. Rows of one kind are put together, so that an
object has one map and not a dozen that share its peak. And a kind's score does not compete with those of other objects:
a softmax over a whole photo, which such heads are trained with, seldom gives anything a tenth where there are two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit, log_softmax, logit
from torch import Tensor

from wsis.classifier import SIZES, VIEWS, Classifier
from wsis.maps import ClassMaps

SHOWN = 5
"""Members of a kind that are told, the likeliest."""
LEAST = 1e-6
"""Probabilities nearer to 0 and 1 count as being so near."""


@dataclass(frozen=True)
class Calibration:
    """From logits of single classes to maps and scores of kinds.

    A kind's probability, of a cell or a photo, is the sum of its members' softmax. Its score is the logistic function
    of `slope x (e - discount x log(members)) + bias`, with e the mean of the log-odds of two of these: that of the
    cells where it is likeliest (softmax of a cell, which objects elsewhere have no part in), and that of mean logits.

    Attributes:
        temperature: factor of logits before a cell's softmax; below 1 it is less sure.
        top: share of the cells that count as those where a kind is likeliest.
        discount: what a kind of many members loses: without evidence it has the sum of their chances.
        slope, bias: of the logistic function.
        least: logit of a kind (the log of the sum of its members' exponentials) from which on a cell speaks for it; the
            maps are the logits less this, for Eq. 1 counts what is above 0.
    """

    temperature: float = 1.0
    top: float = 0.1
    discount: float = 0.0
    slope: float = 1.0
    bias: float = 0.0
    least: float = 5.0


class Kinds(Classifier):
    """A `Classifier` whose head has a row a class, and whose class maps are of kinds.

    Attributes:
        classes: names of the G kinds.
        names: names of the R rows of the head.
        synonyms: other words for kinds, those of their members among them.
        members: for each kind its rows.
    """

    def __init__(
        self,
        backbone: str,
        classes: Sequence[str],
        *,
        kinds: Sequence[Mapping[str, Any]],
        calibration: Mapping[str, float],
        whole: bool = False,
        pretrained: bool = False,
        dropout: float = 0.0,
        sizes: Sequence[int] = SIZES,
    ) -> None:
        """Build the network.

        Args:
            backbone: see `Classifier`.
            classes: names of the head's rows.
            kinds: for each kind its `name`, `members` (rows) and `synonyms`. Every row is in exactly one.
            calibration: fields of `Calibration`.
            whole: see `wsis.backbone.Backbone`.
            pretrained: see `Classifier`.
            dropout: see `Classifier`.
            sizes: see `Classifier`.

        Raises:
            ValueError: a row is in no kind or in several, or a name is used twice.
        """
        super().__init__(backbone, classes, whole=whole, pretrained=pretrained, dropout=dropout, sizes=sizes)
        self.names = tuple(classes)
        self.classes = tuple(kind["name"] for kind in kinds)
        self.synonyms = {kind["name"]: tuple(kind["synonyms"]) for kind in kinds}
        self.members = tuple(tuple(kind["members"]) for kind in kinds)
        self.calibration = Calibration(**calibration)
        rows = [row for members in self.members for row in members]
        if sorted(rows) != list(range(len(self.names))) or len(set(self.classes)) != len(kinds):
            raise ValueError("kinds: expected every row of the head in exactly one, and names that differ")
        self._order = np.array(rows)
        self._starts = np.cumsum([0, *map(len, self.members[:-1])])
        self._sizes = np.array([len(members) for members in self.members])

    def class_maps(
        self, image: np.ndarray, *, sizes: Sequence[int] | None = None, flip: bool = True, chunk: int = VIEWS
    ) -> ClassMaps:
        """Maps, scores and likeliest members of kinds, see `Classifier.class_maps` and `Calibration`."""
        logits, _ = self.head_maps(image, sizes or self.sizes, flip=flip, chunk=chunk)
        how, flat = self.calibration, logits.reshape(len(logits), -1)
        cells = self._together(log_softmax(how.temperature * flat, 0))  # (G, n) log-probabilities
        count = max(1, int(how.top * cells.shape[1]))
        likeliest = np.argpartition(-cells, count - 1, 1)[:, :count]
        top = np.exp(np.take_along_axis(cells, likeliest, 1)).mean(1)
        whole = np.exp(self._together(log_softmax(flat.mean(1, keepdims=True), 0)))[:, 0]
        evidence = (_log_odds(top) + _log_odds(whole)) / 2 - how.discount * np.log(self._sizes)
        scores = expit(how.slope * evidence + how.bias)
        maps = self._together(flat).reshape(-1, *logits.shape[1:]) - how.least
        members = {
            name: self._likeliest(rows, flat[np.array(rows)[:, None], cells_of])
            for name, rows, cells_of in zip(self.classes, self.members, likeliest, strict=True)
            if len(rows) > 1
        }
        return ClassMaps(maps.astype(np.float32), scores.astype(np.float32), self.classes, members)

    def shares(self, maps: Tensor, photos: Tensor, classes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Which of its members a kind is where its peak is: a response (Eq. 2) begins at these.

        Args:
            maps: (B, R, h, w) what the head puts out.
            photos: (K,) int64, on which photo each peak is.
            classes: (K,) int64, of which kind.
            rows: (K,) int64, in which row of cells.
            columns: (K,) int64, in which column.

        Returns:
            (K, R) shares of the head's rows, which add up to 1; 0 for those of other kinds.
        """
        cells = maps[photos, :, rows, columns]
        own = torch.zeros(len(self.members), len(self.names), dtype=torch.bool, device=maps.device)
        for kind, members in enumerate(self.members):
            own[kind, list(members)] = True
        return cells.masked_fill(~own[classes], -torch.inf).softmax(1)

    def _together(self, logs: np.ndarray) -> np.ndarray:
        """(R, n) logits or log-probabilities of rows to (G, n) of kinds: the log of the sum of the exponentials."""
        highest = logs.max(0)
        sums = np.add.reduceat(np.exp(logs - highest)[self._order], self._starts)
        return np.log(np.maximum(sums, np.finfo(np.float32).tiny)) + highest

    def _likeliest(self, rows: Sequence[int], logits: np.ndarray) -> tuple[tuple[str, float], ...]:
        """Names and shares of some rows, from their (members, cells) logits where the kind is likeliest."""
        shares = np.exp(log_softmax(logits, 0)).mean(1)
        return tuple((self.names[rows[i]], float(shares[i])) for i in np.argsort(-shares, kind="stable")[:SHOWN])


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    return logit(np.clip(probabilities, LEAST, 1 - LEAST))
