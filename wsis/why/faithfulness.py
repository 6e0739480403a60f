"""Which map is faithful: does the class's score go when what the map points at goes, and come when it comes?

Deletion and insertion curves (Petsiuk, Das and Saenko, 2018, RISE): pixels are taken from the photo, or put into a
blurred one, those first that the map is highest at. The score is watched; the area under the curve says it in a number.
Low deletion and high insertion are good. Nobody drew anything for it: it asks the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from wsis import response
from wsis.analysis import Analysis
from wsis.classifier import Classifier, pool
from wsis.errors import WsisError
from wsis.maps import normalised, snapped, upsample
from wsis.why.erase import blurred

STEPS = 20
"""Parts that the photo goes and comes in."""
BLANK = 0.12
"""Sigma of the blur that insertion begins with, as a share of the longer side: by it alone few classes are seen."""
BATCH = 8
"""Photos that are made, and that a GPU looks at, together; a processor is quicker with one after the other."""
CLASS_MAP, RESPONSE, ENHANCED, RANDOM = "class map", "response", "enhanced", "random order"
MAPS = (CLASS_MAP, RESPONSE, ENHANCED, RANDOM)
"""What can be followed: three maps of a peak, and the control."""
Score = Callable[[np.ndarray], np.ndarray]
"""A class's probability, (B,) in [0, 1], in each of (B, h, w, 3) uint8 RGB photos."""


@dataclass(frozen=True, eq=False)
class Curves:
    """A class's score as pixels go and come.

    Attributes:
        deletion: (STEPS + 1,) float32 in [0, 1]; the first is the photo's, the last that of its mean colour.
        insertion: (STEPS + 1,) float32 in [0, 1]; the first is the blurred photo's, the last the photo's.
        pixels: of the longer side of the photo that the network looked at.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    pixels: int

    @property
    def deletion_area(self) -> float:
        """Under the deletion curve, in [0, 1]; low is faithful."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Under the insertion curve, in [0, 1]; high is faithful."""
        return _area(self.insertion)


def curves(score: Score, photo: np.ndarray, values: np.ndarray, *, steps: int = STEPS, seed: int = 0) -> Curves:
    """Watch a score while pixels go and come in the order of a map.

    Args:
        score: of the class.
        photo: (h, w, 3) uint8 RGB at the size that the network looks at, see `prepared`.
        values: (h, w) float, the map; among equal values chance decides.
        steps: parts of equal size.
        seed: of that chance.
    """
    if values.shape != photo.shape[:2]:
        raise ValueError(f"values: expected {photo.shape[:2]}, got {values.shape}")
    ranks = _ranks(values, seed)
    grey = np.broadcast_to(np.rint(photo.mean((0, 1))).astype(np.uint8), photo.shape)
    whole = _scores(score, iter([photo]))
    shares = np.arange(steps + 1) / steps
    gone = _scores(score, _mixed(ranks, shares[1:], photo, grey))
    come = _scores(score, _mixed(ranks, shares[:-1], blurred(photo, BLANK), photo))
    return Curves(np.concatenate([whole, gone]), np.concatenate([come, whole]), max(photo.shape[:2]))


def prepared(photo: np.ndarray, size: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB: a photo at exactly the size that a classifier looks at, so that it does not resize it."""
    height, width = snapped((photo.shape[0], photo.shape[1]), size)
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)


def score_of(classifier: Classifier, category: int) -> Score:
    """A class's probability by a classifier, from one view of each photo at its own size.

    Args:
        classifier: in evaluation mode.
        category: index of the class.
    """

    @torch.inference_mode()
    def together(photos: np.ndarray) -> np.ndarray:
        batch = torch.cat([classifier.prepare(photo, max(photo.shape[:2])) for photo in photos])
        parts = batch.split(1 if batch.device.type == "cpu" else BATCH)
        logits = torch.cat([pool(classifier(part)[:, [category]]) for part in parts])
        return torch.sigmoid(logits)[:, 0].float().cpu().numpy()

    def one_by_one(photos: np.ndarray) -> np.ndarray:
        seen = (classifier.class_maps(photo, sizes=(max(photo.shape[:2]),), flip=False) for photo in photos)
        return np.array([maps.scores[category] for maps in seen], np.float32)

    # Networks of others, and kinds, pool their own way.
    return together if type(classifier) is Classifier else one_by_one


def map_of(name: str, analysis: Analysis, classifier: Classifier, peak: int, step: int = -1) -> np.ndarray:
    """One of a peak's maps.

    Args:
        name: one of `MAPS`.
        analysis: where the peak is.
        classifier: that found it.
        peak: index of the peak.
        step: of the enhanced map, 0..T; -1 is the last.

    Returns:
        (h, w) float32 in [0, 1] at work size; of `random order` all values are equal.

    Raises:
        WsisError: there is no such map or peak, or the network cannot propagate responses back.
    """
    evidence, peaks = analysis.evidence, analysis.peaks
    if not 0 <= peak < len(peaks):
        raise WsisError("This peak is no longer there. Pick another.")
    own, size = peaks[np.array([peak])], evidence.work.shape[:2]
    if name == CLASS_MAP:
        return normalised(upsample(evidence.class_maps.maps[own.classes], size))[0]
    if name == RESPONSE:
        photo = classifier.prepare(evidence.work, classifier.sizes[0])
        return normalised(upsample(response.respond(classifier, photo, own, mode=analysis.settings.mode), size))[0]
    if name == ENHANCED:
        return analysis.maps[step, peak]
    if name == RANDOM:
        return np.zeros(size, np.float32)
    raise WsisError(f"There is no map '{str(name)[:80]}'. Choose one of: {', '.join(MAPS)}.")


def follow(name: str, analysis: Analysis, classifier: Classifier, peak: int, step: int = -1) -> Curves:
    """The curves of one of a peak's maps, for its class. Arguments and errors as `map_of`."""
    values = map_of(name, analysis, classifier, peak, step)
    # The smaller of its sizes, for there are 41 photos a map.
    photo = prepared(analysis.evidence.work, classifier.sizes[-1])
    values = cv2.resize(values, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return curves(score_of(classifier, int(analysis.peaks.classes[peak])), photo, values)


def _ranks(values: np.ndarray, seed: int) -> np.ndarray:
    """(h, w) float64 in [0, 1): the share of the photo that comes before each pixel."""
    chance = np.random.default_rng(seed).random(values.size)
    order = np.lexsort((chance, -values.ravel().astype(np.float64)))
    ranks = np.empty(values.size)
    ranks[order] = np.arange(values.size) / values.size
    return ranks.reshape(values.shape)


def _mixed(ranks: np.ndarray, shares: np.ndarray, below: np.ndarray, above: np.ndarray) -> Iterator[np.ndarray]:
    """One photo with so large a share of another one, for each of the shares."""
    for share in shares:
        yield np.where((ranks < share)[..., None], above, below)


def _scores(score: Score, photos: Iterator[np.ndarray]) -> np.ndarray:
    """(n,) float32 scores, so many photos at a time as the network takes together."""
    found, waiting = list[np.ndarray](), list[np.ndarray]()
    for photo in photos:
        waiting.append(photo)
        if len(waiting) == BATCH:
            found.append(score(np.stack(waiting)))
            waiting.clear()
    if waiting:
        found.append(score(np.stack(waiting)))
    return np.concatenate(found).astype(np.float32)


def _area(curve: np.ndarray) -> float:
    """By the trapezoid rule over a width of 1."""
    return float(np.trapezoid(curve.astype(np.float64), dx=1 / (len(curve) - 1)))
