"""Figures of `imagenet-lite` on VOC, by the table `voc.tsv` from its kinds to VOC's classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import timm

from train import data, workers
from wsis import adapter, checkpoints, image, matching, metrics, voc
from wsis.analysis import Analysis, Settings
from wsis.ground_truth import GroundTruth, overlaps, voc_ground_truth
from wsis.kinds import Kinds
from wsis.pipeline import Pipeline

TABLE = Path(__file__).with_name("voc.tsv")
MODEL = "imagenet-lite"
LIKELIEST = 5
"""Among how many of the classes with the highest scores the right one should be."""
FOUND = 0.5
"""IoU from which a mask shows an instance."""


@dataclass(frozen=True)
class PhotoScores:
    """What one photo contributes.

    Attributes:
        right: whether a class of the photo is among the likeliest; None where it has none with a counterpart.
        shown: classes whose score passes the threshold.
        found: (G,) bool, instances of classes with a counterpart that some mask of their class covers.
        result: its masks and instances, of VOC's classes.
    """

    right: bool | None
    shown: int
    found: np.ndarray
    result: metrics.ImageResult


def table(file: Path = TABLE) -> dict[str, int]:
    """The number of VOC's class for each kind that has one."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {kind: voc.CLASSES.index(name) for name, kinds in rows for kind in kinds.split("; ")}


def raw(pipeline: Pipeline) -> Pipeline:
    """The same network as `--model timm:` reads it: 1,000 class maps, scores from one softmax over a photo."""
    own = pipeline.checkpoint.classifier
    assert isinstance(own, Kinds)
    net = timm.create_model(own.backbone.name, output_stride=16).eval()
    state = own.state_dict().values()
    net.load_state_dict({k: v.view(old.shape) for (k, old), v in zip(net.state_dict().items(), state, strict=True)})
    maps = adapter.HeadMaps(net, adapter.Labels(own.names), own.backbone.mean, own.backbone.std)
    classifier = maps.eval().requires_grad_(False).to(pipeline.device)
    return Pipeline(replace(pipeline.checkpoint, classifier=classifier), pipeline.device)


def load(model: str, plain: bool, device: str) -> Pipeline:
    """The pipeline to evaluate; `plain` takes it as it was before calibration and grouping."""
    pipeline = Pipeline.load(model, device=device)
    return raw(pipeline) if plain else pipeline


def counterparts(pipeline: Pipeline, kinds: Sequence[tuple[str, Sequence[int]]], names: Sequence[str]) -> np.ndarray:
    """(C,) int64 VOC's class for each of the pipeline's, -1 where there is none."""
    own = dict(table())
    own |= {
        names[row]: own[kind] for kind, members in kinds if kind in own for row in members if len(names) > len(kinds)
    }
    return np.array([own.get(name, -1) for name in pipeline.classes], np.int64)


def photo_scores(
    pipeline: Pipeline, identity: str, *, kit: Path, to_voc: np.ndarray, settings: Settings
) -> PhotoScores:
    """Analyse a photo and compare it with its masks, those of classes with a counterpart."""
    whole = voc_ground_truth(kit, identity)
    kept = np.isin(whole.categories, to_voc)
    truth = GroundTruth(whole.masks[kept], whole.categories[kept], whole.semantic)
    analysis = pipeline.analyse(image.read(data.voc_photo(kit, identity)), settings)
    scores = analysis.evidence.class_maps.scores
    likeliest = to_voc[np.argsort(-scores, kind="stable")[:LIKELIEST]]
    result = compare(analysis, truth, to_voc)
    best = result.same_class.max(0, initial=0)
    right = bool(np.isin(truth.categories, likeliest).any()) if kept.any() else None
    return PhotoScores(right, int((scores >= settings.class_threshold).sum()), best >= FOUND, result)


def compare(analysis: Analysis, truth: GroundTruth, to_voc: np.ndarray) -> metrics.ImageResult:
    """The masks of an analysis, one a peak, that are of one of VOC's classes, beside the instances."""
    listed = analysis.instances(matching.PRESETS["paper"].weights)
    listed = tuple(instance for instance in listed if to_voc[instance.category] >= 0)
    chosen = np.array([instance.proposal for instance in listed], np.int64)
    overlap = overlaps(analysis.evidence.source.resized(analysis.evidence.size), truth)
    return metrics.image_result(
        overlap[chosen].iou,
        to_voc[[instance.category for instance in listed]] if listed else np.zeros(0, np.int64),
        np.array([instance.score for instance in listed], np.float32),
        truth.categories,
    )


def figures(photos: Iterable[PhotoScores]) -> dict[str, float]:
    """All figures of a split, shares in [0, 1]."""
    photos = list(photos)
    results = [photo.result for photo in photos]
    return {
        "photos": len(photos),
        "instances": sum(len(photo.found) for photo in photos),
        "right_among_five": float(np.mean([photo.right for photo in photos if photo.right is not None])),
        "classes_per_photo": float(np.mean([photo.shown for photo in photos])),
        "masks_per_photo": float(np.mean([len(result.scores) for result in results])),
        "found": float(np.concatenate([photo.found for photo in photos]).mean()),
        "map50": metrics.mean_ap(results, FOUND),
    }


def evaluate(
    kit: Path, ids: Sequence[str], *, model: str = MODEL, plain: bool = False, processes: int = 2, device: str = "cpu"
) -> list[PhotoScores]:
    """Scores of photos in their order; settings are the model's defaults."""
    classifier = checkpoints.load(model).classifier
    assert isinstance(classifier, Kinds)
    kinds = tuple(zip(classifier.classes, classifier.members, strict=True))
    pipeline = load(model, plain, device)
    to_voc = counterparts(pipeline, kinds, pipeline.classes)
    settings = Settings(enhancer=pipeline.default_enhancer)
    work = partial(photo_scores, kit=kit, to_voc=to_voc, settings=settings)
    return list(workers.over(ids, work, partial(load, model, plain, device), processes))


def markdown(by_half: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of each half as a Markdown table."""
    head = "| photos | instances | right class among five | classes a photo | masks a photo | found at IoU .5 | mAP50 |"
    lines = [f"| | {head[2:]}", "|---" * 8 + "|"]
    for half, row in by_half.items():
        lines.append(
            f"| {half} | {row['photos']} | {row['instances']} | {row['right_among_five']:.1%} "
            f"| {row['classes_per_photo']:.1f} | {row['masks_per_photo']:.1f} | {row['found']:.1%} "
            f"| {row['map50']:.1%} |"
        )
    return "\n".join(lines)
