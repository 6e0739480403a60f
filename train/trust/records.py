"""Every instance of photos with masks, with what it overlaps: what ratings are fitted and checked on; kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from train import workers
from wsis import files, ground_truth, image, provenance
from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth
from wsis.instances import Hypothesis
from wsis.matching import PUBLISHED, Weights
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.shared_classes import SharedClasses, shared
from wsis.trust import distance, in_all

FORMAT = 2
"""Of the files; a new number makes photos be measured again."""
HYPOTHESES: tuple[Hypothesis, ...] = get_args(Hypothesis)
DISTANCES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
"""From the published weights, see `wsis.trust.distance`: how far away ratings are tried."""
EACH = 8
"""Triples of weights at each of these distances."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Masks:
    """M masks of any photos, one made by any weights an entry.

    Attributes:
        triples: (M,) int64 index into `weights_tried()`; 0 is the published triple.
        kinds: (M,) int64 index into `HYPOTHESES`.
        painted: (M,) bool, whether pictures show it.
        scores: (M,) float64 in [0, 1].
        ious: (M,) float64 in [0, 1], with the instance of its class that it overlaps most.
        photos: (M,) int64 place of its photo.
    """

    triples: np.ndarray
    kinds: np.ndarray
    painted: np.ndarray
    scores: np.ndarray
    ious: np.ndarray
    photos: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Masks:
        """Those of a mask, (M,) bool, or of indices."""
        return Masks(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.scores)


def joined(each: Sequence[Masks]) -> Masks:
    """Those of all photos; the place of a photo is its place among these."""
    numbered = [np.full(len(one), place) for place, one in enumerate(each)]
    parts = {field.name: np.concatenate([getattr(one, field.name) for one in each]) for field in fields(Masks)}
    return Masks(**{**parts, "photos": np.concatenate(numbered)})


def weights_tried(seed: int = SEED) -> tuple[Weights, ...]:
    """The published weights, then `EACH` random triples at each of `DISTANCES`, each with the sum of the published."""
    rng, triples = np.random.default_rng(seed), [PUBLISHED]
    own = np.array([PUBLISHED.alpha, PUBLISHED.beta, PUBLISHED.gamma])
    for away in DISTANCES:
        found = 0
        while found < EACH:
            move = rng.normal(size=3)
            move -= move.mean()
            shares = own / own.sum() + away * move / np.abs(move).max()
            if shares.min() >= 0:
                triples.append(Weights(*(shares * own.sum()).tolist()))
                found += 1
    assert all(abs(distance(one) - DISTANCES[i // EACH]) < 1e-9 for i, one in enumerate(triples[1:]))
    return tuple(triples)


def measured(
    pairs: Sequence[Pair], pipeline: Pipeline, settings: Settings, fill: int, cache: Path, processes: int
) -> tuple[Masks, ...]:
    """The masks of every photo; those that were measured before are read, and what is done is kept at once.

    Args:
        pairs: photos with masks.
        pipeline: of the model; every process loads its own.
        settings: of the analysis.
        fill: up to how many masks a photo gets offers.
        cache: folder of the files.
        processes: how many, one thread each.
    """
    load = partial(Pipeline.load, pipeline.name, device=pipeline.device)
    how = _how(pipeline, settings, fill)
    places = [cache / f"{_key(how, pair)}.npz" for pair in pairs]
    jobs = [(pair, file) for pair, file in zip(pairs, places, strict=True) if _load(file) is None]
    if jobs:
        work = partial(_measure_missing, settings=settings, fill=fill)
        for _ in workers.over(jobs, work, load, processes):
            pass
    found = [_load(file) for file in places]
    return tuple(one for one in found if one is not None)


def of_analysis(analysis: Analysis, truth: GroundTruth, common: SharedClasses, fill: int) -> Masks:
    """Every instance of a photo, at every triple of weights, with its best overlap; those among crowds are left out.

    Args:
        analysis: of the photo.
        truth: its masks, in the classes of `common`.
        common: classes that count.
        fill: up to how many masks offers are added.
    """
    overlaps = ground_truth.overlaps(analysis.evidence.source.resized(analysis.evidence.size), truth)
    rows: list[tuple[int, int, bool, float, float]] = []
    for triple, weights in enumerate(weights_tried()):
        for one in analysis.instances(weights, fill=fill):
            category = int(common.of_model[one.category])
            if category >= 0 and overlaps.judged[one.proposal]:
                same = overlaps.iou[one.proposal, truth.categories == category]
                best = float(same.max(initial=0))
                rows.append((triple, HYPOTHESES.index(one.hypothesis), one.painted, one.score, best))
    triples, kinds, painted, scores, ious = zip(*rows, strict=True) if rows else ((),) * 5
    return Masks(
        np.array(triples, np.int64),
        np.array(kinds, np.int64),
        np.array(painted, bool),
        np.array(scores, np.float64),
        np.array(ious, np.float64),
        np.zeros(len(rows), np.int64),
    )


def _measure_missing(pipeline: Pipeline, job: tuple[Pair, Path], *, settings: Settings, fill: int) -> None:
    pair, file = job
    common = shared(pair.names, pipeline.classes, pipeline.name)
    truth = ground_truth.of_pair(pair, common)
    masks = of_analysis(pipeline.analyse(image.read(pair.photo), settings), truth, common, fill)
    with files.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **{field.name: getattr(masks, field.name) for field in fields(masks)})


def _load(file: Path) -> Masks | None:
    """None where there is none or it is damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            return Masks(*(content[field.name] for field in fields(Masks)))
    except Exception:  # a damaged zip or header raises any of a dozen types; the photo is measured again
        return None


def _how(pipeline: Pipeline, settings: Settings, fill: int) -> bytes:
    """What masks follow from beside their photo."""
    header, tried = provenance.header(pipeline.checkpoint), [in_all(one) for one in weights_tried()]
    return json.dumps([FORMAT, header, asdict(settings), fill, tried], sort_keys=True).encode()


def _key(how: bytes, pair: Pair) -> str:
    digest = hashlib.sha256(how)
    for file in (pair.photo, pair.classes, pair.instances):
        try:
            digest.update(hashlib.sha256(file.read_bytes() if file else b"").digest())
        except OSError as error:
            raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()
