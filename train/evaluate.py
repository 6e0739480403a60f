"""Evaluate a checkpoint on photos with masks: classification, pointing, proposals, instances and semantics.

`python -m train.evaluate --voc KIT --split val`, or `--coco ANNOTATIONS.json --photos FOLDER` for classes of any kind:
one row for every enhancer, step and preset, and how far lists are filled with offers. With `--instances FILE` it scores
what `python -m wsis segment` writes instead of a model: `instances.json`, or `coco.json` for what pictures show.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from scipy.sparse import csr_array

from train import data, masked_sets, results_file, scripts, workers
from train.masked_sets import MaskedSet
from wsis import cli, devices, files, image, index_image, instances, matching, metrics
from wsis.analysis import Analysis, Evidence, Settings
from wsis.choices import Enhancer, Naive, Reading
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth, Overlaps, of_pair, overlaps
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.proposals import sources
from wsis.results import titles
from wsis.shared_classes import SharedClasses, shared

FILLS = (0, cli.FILL)
"""Up to how many masks a photo rows are filled with offers."""


@dataclass(frozen=True)
class Row:
    """One line of the table: how instances were made from the same photos."""

    enhancer: Enhancer
    steps: int
    preset: str
    fill: int

    @property
    def reading(self) -> Reading:
        """How the preset reads Eq. 5."""
        return matching.PRESETS[self.preset].reading


@dataclass(frozen=True)
class PhotoScores:
    """What one photo contributes, in the S classes that the photos and the model share.

    Attributes:
        scores: (S,) class probabilities.
        present: (S,) bool, classes with an instance.
        pointed: (S,) bool, the class map's maximum lies on the class.
        best: (G,) IoU of the best proposal with each instance.
        categories: (G,) class of each instance.
        rows: for every row its matches and confusion of semantic pixels, (S + 1, S + 1) and nearly empty where there
            are many classes.
    """

    scores: np.ndarray
    present: np.ndarray
    pointed: np.ndarray
    best: np.ndarray
    categories: np.ndarray
    rows: dict[Row, tuple[metrics.ImageResult, csr_array]]


def table_rows(enhancers: Iterable[Enhancer], steps: Iterable[int], default_step: int) -> list[Row]:
    """Every step with the paper's preset, the peaks' masks alone and with offers; every preset at the default step."""
    rows = []
    for enhancer in enhancers:
        taken = [0] if enhancer == "none" else [1] if enhancer == "spread" else [step for step in steps if step]
        rows += [Row(enhancer, step, "paper", fill) for step in taken for fill in FILLS]
        shown = default_step if default_step in taken else taken[-1]
        rows += [Row(enhancer, shown, preset, 0) for preset in matching.PRESETS if preset != "paper"]
    return rows


def photo_figures(
    pipeline: Pipeline,
    pair: Pair,
    rows: list[Row],
    settings: Settings,
    proposals: Path | None = None,
    evidence: Evidence | None = None,
) -> PhotoScores:
    """Analyse a photo once per enhancer and score every row.

    Args:
        pipeline: of the model.
        pair: photo and masks.
        rows: what is scored.
        settings: of the analysis, but for enhancer and steps.
        proposals: as `wsis.proposals.sources` reads them; None generates them.
        evidence: what is known of the photo already.
    """
    common = shared(pair.names, pipeline.classes, pipeline.name)
    truth = of_pair(pair, common)
    photo = image.read(pair.photo)
    size = (photo.shape[0], photo.shape[1])
    if size != truth.semantic.shape:
        raise WsisError(
            f"{pair.photo.name} has {size[1]} x {size[0]} pixels, its masks "
            f"{truth.semantic.shape[1]} x {truth.semantic.shape[0]}. Save both in one size."
        )
    foreign = None if proposals is None else sources.read(proposals, pair.name, pair.photo, size)
    evidence = evidence or pipeline.observe(photo, proposals=foreign)
    overlap = overlaps(evidence.source.resized(evidence.size), truth)
    results = {}
    for enhancer in dict.fromkeys(row.enhancer for row in rows):
        grown = [row for row in rows if row.enhancer == enhancer]
        steps = max(row.steps for row in grown)
        analysis = pipeline.analyse(evidence, replace(settings, enhancer=enhancer, steps=steps))
        for row in grown:
            results[row] = score(analysis.at(row.steps, row.reading), row, overlap, truth, common)
    present = np.bincount(truth.categories, minlength=len(common.names)) > 0
    best = overlap.iou.max(0, initial=0)
    maps = evidence.class_maps
    every = [np.flatnonzero(common.of_model == place) for place in range(len(common.names))]
    if all(len(own) == 1 for own in every):
        found = np.concatenate(every)
        scores, pointed = maps.scores[found], pointing(maps.maps[found], truth)
    else:
        scores = np.array([maps.scores[own].max() for own in every])
        pointed = pointing(np.stack([maps.maps[own].max(0) for own in every]), truth)
    return PhotoScores(scores, present, pointed, best, truth.categories, results)


def score(
    analysis: Analysis, row: Row, overlap: Overlaps, truth: GroundTruth, common: SharedClasses
) -> tuple[metrics.ImageResult, csr_array]:
    """Matches and confusion of the instances that a row's preset picks, of the classes in common."""
    listed = [
        replace(instance, category=int(common.of_model[instance.category]))
        for instance in analysis.instances(matching.PRESETS[row.preset].weights, fill=row.fill)
        if common.of_model[instance.category] >= 0
    ]
    painted = instances.semantic(listed, analysis.proposals, analysis.evidence.size, len(common.names))
    judged = [instance for instance in listed if overlap.judged[instance.proposal]]
    chosen = np.array([instance.proposal for instance in judged], np.int64)
    result = metrics.image_result(
        overlap[chosen].iou,
        np.array([instance.category for instance in judged], np.int64),
        np.array([instance.score for instance in judged], np.float32),
        truth.categories,
        covered=overlap[chosen].covered,
        touching=truth.touching,
    )
    return result, csr_array(metrics.confusion(painted, truth.semantic, len(common.names) + 1))


def pointing(maps: np.ndarray, truth: GroundTruth) -> np.ndarray:
    """(C,) bool: the centre of a class map's strongest cell lies on a pixel of that class."""
    height, width = truth.semantic.shape
    hit = np.zeros(len(maps), bool)
    for category in set(truth.categories.tolist()):
        row, column = np.unravel_index(maps[category].argmax(), maps.shape[1:])
        y, x = int((row + 0.5) / maps.shape[1] * height), int((column + 0.5) / maps.shape[2] * width)
        hit[category] = truth.semantic[y, x] == category + 1
    return hit


def summary(photos: Sequence[PhotoScores], classes: Sequence[str]) -> dict[str, Any]:
    """All figures of a split, percentages as shares in [0, 1]; `classes` are names of the S classes."""
    present = np.stack([photo.present for photo in photos])
    pointed = np.stack([photo.pointed for photo in photos])
    occurring = present.any(0)
    categories, best = np.concatenate([p.categories for p in photos]), np.concatenate([p.best for p in photos])
    rows = []
    for row in photos[0].rows:
        results, confusions = zip(*(photo.rows[row] for photo in photos), strict=True)
        rows.append({**asdict(row), **instance_figures(results, sum(confusions[1:], confusions[0]).toarray(), classes)})
    return {
        "photos": len(photos),
        "instances": len(categories),
        "classification_map": metrics.classification_map(np.stack([p.scores for p in photos]), present),
        "pointing": float(np.mean((pointed.sum(0) / np.maximum(present.sum(0), 1))[occurring])) if len(best) else 0.0,
        "proposals_abo": float(np.mean([best[categories == c].mean() for c in np.unique(categories)] or [0])),
        "rows": rows,
    }


def instance_figures(
    results: Sequence[metrics.ImageResult], confusion: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Figures of one row: mAP at each threshold, ABO, mIoU, masks a photo, separation; AP50 and separation by class."""
    by_class = metrics.average_precision(results, 0.5)
    separation = metrics.separation_by_class(results)
    return {
        **{f"map{round(100 * t)}": metrics.mean_ap(results, t) for t in metrics.THRESHOLDS},
        "abo": metrics.abo(results),
        "miou": metrics.mean_iou(confusion),
        "masks_per_photo": float(np.mean([len(result.scores) for result in results])),
        **metrics.separation(results),
        "separation_by_class": {classes[category]: shares for category, shares in separation.items()},
        "ap50_by_class": {classes[category]: value for category, value in by_class.items()},
    }


def markdown(figures: dict[str, Any]) -> str:
    """The summary as a Markdown table, percentages with one decimal."""
    lines, shown = [], titles(figures["rows"])
    if "classification_map" in figures:
        lines += [
            f"{figures['photos']} photos, {figures['instances']} instances. Classification mAP "
            f"{figures['classification_map']:.3f}, pointing {figures['pointing']:.3f}, best proposal per instance "
            f"(ABO) {figures['proposals_abo']:.3f}.",
            "",
        ]
    lines += [
        f"| enhancer | T | preset | filled to | {' | '.join(shown.values())} | masks a photo |",
        f"|---|---|---|---{'|---' * len(shown)}|---|",
    ]
    for row in figures["rows"]:
        shares = " | ".join(f"{100 * row[key]:.1f}" for key in shown)
        lines.append(
            f"| {row['enhancer']} | {row['steps']} | {row['preset']} | {row['fill']} | {shares} "
            f"| {row['masks_per_photo']:.1f} |"
        )
    return "\n".join(lines)


def results_file_figures(file: Path, photos: MaskedSet, least: float = Settings.semantic_threshold) -> dict[str, Any]:
    """Figures of a COCO results file, see `train.results_file`; what scores at least `least` is painted."""
    classes = photos.classes
    listed = results_file.read(file, [pair.name for pair in photos.pairs], photos.ids)
    every, results = shared(None, classes), []
    total = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for pair in photos.pairs:
        truth = of_pair(pair, every)
        masks, categories, scores = listed.of(pair.name, truth.semantic.shape)
        sure = scores >= least
        painted = instances.paint(masks[sure], categories[sure], len(classes))
        total += metrics.confusion(painted, truth.semantic, len(classes) + 1)
        judged = truth.judged(masks)
        void = ~index_image.labelled(truth.semantic)
        results.append(
            metrics.match_image(
                masks[judged],
                categories[judged],
                scores[judged],
                truth.masks,
                truth.categories,
                void,
                truth.touching,
            )
        )
    how = {"enhancer": str(file), "steps": 0, "preset": "", "fill": 0}
    return {"photos": len(results), "rows": [{**how, **instance_figures(results, total, classes)}]}


def _figures_of(
    pipeline: Pipeline, pair: Pair, *, rows: list[Row], settings: Settings, proposals: Path | None
) -> PhotoScores:
    """`photo_figures` in the order that `workers.over` calls it in."""
    return photo_figures(pipeline, pair, rows, settings, proposals)


@scripts.told
def main(
    voc_kit: Annotated[Path | None, typer.Option("--voc", help="devkit folder (.../VOC2012)")] = None,
    coco: Annotated[Path | None, typer.Option(help="JSON of a COCO data set with masks, instead of a devkit")] = None,
    folder: Annotated[Path | None, typer.Option("--photos", help="folder of its photos; the JSON's by default")] = None,
    split: Annotated[str, typer.Option(help="split with masks, of a devkit")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N photos")] = None,
    steps: Annotated[int, typer.Option(help="evaluate T = 0..STEPS")] = 4,
    default_step: Annotated[int, typer.Option(help="T at which all presets are compared")] = 3,
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    enhancers: Annotated[str, typer.Option(help="comma-separated; all that the checkpoint has by default")] = "",
    naive: Annotated[Naive, typer.Option(help="naive map: class map, response or mixed")] = Settings.naive,
    agreement: Annotated[bool, typer.Option(help="hold an ICN's maps back where others disagree")] = True,
    objectness: Annotated[bool, typer.Option(help="count how likely a proposal is one object")] = True,
    semantic_threshold: Annotated[
        float, typer.Option(help="least score of what is painted")
    ] = Settings.semantic_threshold,
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
    device: Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...; auto: the GPU where there is one")] = "cpu",
    proposals: Annotated[
        Path | None, typer.Option(help="foreign proposals: a folder with ID.mat, .json or .png, or one COCO file")
    ] = None,
    results: Annotated[Path | None, typer.Option("--instances", help="score this COCO results file instead")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures here")] = None,
) -> None:
    """Print the table of a split."""
    device = devices.find(device)
    photos = masked_sets.find(voc_kit, coco, folder, split, half, limit)
    if results:
        figures = results_file_figures(results, photos, semantic_threshold)
    else:
        if proposals is not None:
            sources.check(proposals)
        settings = Settings(
            naive=naive, agreement=agreement, objectness=objectness, semantic_threshold=semantic_threshold
        )
        pipeline = Pipeline.load(model, device=device)
        common = photos.shared(pipeline)
        named = [replace(settings, enhancer=cast(Enhancer, name)).enhancer for name in enhancers.split(",") if name]
        rows = table_rows(named or cast(tuple[Enhancer, ...], pipeline.enhancers), range(steps + 1), default_step)
        work = partial(_figures_of, rows=rows, settings=settings, proposals=proposals)
        scores = workers.over(photos.pairs, work, partial(Pipeline.load, model, device=device), processes)
        figures = summary(list(scores), common.names)
    print(markdown(figures))
    if json_file:
        files.write(json_file, json.dumps({**_kept(json_file), **figures}, indent=1))


def _kept(file: Path) -> dict[str, Any]:
    """What teaching wrote into a model's `metrics.json`: other figures of the same model."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {key: known[key] for key in ("held_out", "taught") if key in known}
    except (OSError, ValueError, TypeError):
        return {}


if __name__ == "__main__":
    scripts.run(main)
