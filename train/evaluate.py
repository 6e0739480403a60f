"""Evaluate a checkpoint on a VOC split: classification, pointing, proposals, instances and semantics.

`python -m train.evaluate --voc KIT --split val`: one row for every enhancer, step, preset and number of proposals a
peak. With `--instances FILE` it scores a COCO results file, such as the one `python -m wsis segment` writes, instead
of a model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from train import data, results_file
from wsis import devices, image, instances, matching, metrics, streams, voc
from wsis.errors import WsisError
from wsis.ground_truth import overlaps
from wsis.pipeline import Analysis, Pipeline, Settings
from wsis.proposals import sources

THRESHOLDS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Row:
    """One line of the table: how instances were made from the same photos."""

    enhancer: str
    steps: int
    preset: str
    per_peak: int


@dataclass(frozen=True)
class PhotoFigures:
    """What one photo contributes; sums and lists of these give every number.

    Attributes:
        scores: (C,) class probabilities.
        present: (C,) bool, classes with an instance.
        pointed: (C,) bool, the class map's maximum lies on the class.
        best: (G,) IoU of the best proposal with each instance.
        categories: (G,) class of each instance.
        rows: for every row its matches and (21, 21) confusion of semantic pixels.
    """

    scores: np.ndarray
    present: np.ndarray
    pointed: np.ndarray
    best: np.ndarray
    categories: np.ndarray
    rows: dict[Row, tuple[metrics.ImageResult, np.ndarray]]


def table_rows(enhancers: Iterable[str], steps: Iterable[int], default_step: int) -> list[Row]:
    """Every step with the paper's preset, with one and three proposals a peak; every preset at the default step."""
    rows = []
    for enhancer in enhancers:
        own = [0] if enhancer == "none" else [1] if enhancer == "spread" else [s for s in steps if s]
        rows += [Row(enhancer, step, "paper", count) for step in own for count in (1, 3)]
        shown = default_step if default_step in own else own[-1]
        rows += [Row(enhancer, shown, preset, 1) for preset in matching.PRESETS if preset != "paper"]
    return rows


def photo_figures(
    pipeline: Pipeline, kit: Path, identity: str, rows: list[Row], settings: Settings, proposals: Path | None = None
) -> PhotoFigures:
    """Analyse a photo once per enhancer and score every row; `proposals` as `wsis.proposals.sources` reads them."""
    truth, path = data.voc_ground_truth(kit, identity), data.voc_photo(kit, identity)
    photo = image.read(path)
    size = (photo.shape[0], photo.shape[1])
    foreign = None if proposals is None else sources.read(proposals, identity, path, size)
    evidence = pipeline.observe(photo, proposals=foreign)
    overlap = overlaps(evidence.source.resized(evidence.size), truth)
    results = {}
    for enhancer in dict.fromkeys(row.enhancer for row in rows):
        own = [row for row in rows if row.enhancer == enhancer]
        analysis = pipeline.analyse(evidence, replace(settings, enhancer=enhancer, steps=max(row.steps for row in own)))
        for row in own:
            results[row] = score(at_step(analysis, row), row, overlap, truth)
    present = np.bincount(truth.categories, minlength=len(pipeline.classes)) > 0
    best = overlap.max(0) if len(overlap) else np.zeros(len(truth.categories))
    pointed = pointing(evidence.class_maps.maps, truth)
    return PhotoFigures(evidence.class_maps.scores, present, pointed, best, truth.categories, results)


def at_step(analysis: Analysis, row: Row) -> Analysis:
    """The analysis cut to a row's step, with the terms of its preset's reading."""
    keep = [row.steps]
    reading = matching.PRESETS[row.preset].reading
    cut = replace(
        analysis,
        maps=analysis.maps[keep],
        binary=analysis.binary[keep],
        thresholds=analysis.thresholds[keep],
        terms=analysis.terms[keep],
        overlaps=analysis.overlaps[keep],
    )
    if reading == analysis.settings.reading or not len(analysis.peaks):
        return cut
    terms = matching.terms(cut.maps[0], cut.proposals, reading, class_maps=analysis.own_class_maps)
    return replace(cut, terms=terms[None], settings=replace(analysis.settings, reading=reading))


def score(
    analysis: Analysis, row: Row, overlap: np.ndarray, truth: data.GroundTruth
) -> tuple[metrics.ImageResult, np.ndarray]:
    """Matches and confusion of the instances that a row's preset picks."""
    found = analysis.instances(matching.PRESETS[row.preset].weights, per_peak=row.per_peak)
    chosen = np.array([instance.proposal for instance in found], np.int64)
    result = metrics.image_result(
        overlap[chosen],
        np.array([instance.category for instance in found], np.int64),
        np.array([instance.score for instance in found], np.float32),
        truth.categories,
    )
    return result, metrics.confusion(analysis.semantic(found), truth.semantic)


def pointing(maps: np.ndarray, truth: data.GroundTruth) -> np.ndarray:
    """(C,) bool: the centre of a class map's strongest cell lies on a pixel of that class."""
    height, width = truth.semantic.shape
    hit = np.zeros(len(maps), bool)
    for category in set(truth.categories.tolist()):
        row, column = np.unravel_index(maps[category].argmax(), maps.shape[1:])
        y, x = int((row + 0.5) / maps.shape[1] * height), int((column + 0.5) / maps.shape[2] * width)
        hit[category] = truth.semantic[y, x] == category + 1
    return hit


def summary(photos: list[PhotoFigures]) -> dict:
    """All figures of a split, percentages as shares in [0, 1]."""
    present = np.stack([photo.present for photo in photos])
    pointed = np.stack([photo.pointed for photo in photos])
    seen = present.any(0)
    categories, best = np.concatenate([p.categories for p in photos]), np.concatenate([p.best for p in photos])
    rows = []
    for row in photos[0].rows:
        results = [photo.rows[row][0] for photo in photos]
        rows.append({**asdict(row), **instance_figures(results, sum(photo.rows[row][1] for photo in photos))})
    return {
        "photos": len(photos),
        "instances": len(categories),
        "classification_map": metrics.classification_map(np.stack([p.scores for p in photos]), present),
        "pointing": float(np.mean((pointed.sum(0) / np.maximum(present.sum(0), 1))[seen])),
        "proposals_abo": float(np.mean([best[categories == c].mean() for c in np.unique(categories)])),
        "rows": rows,
    }


def instance_figures(results: list[metrics.ImageResult], confusion: np.ndarray) -> dict:
    """Figures of one row: mAP at each threshold, ABO, mIoU, masks a photo, AP of each class at IoU .5."""
    by_class = metrics.average_precision(results, 0.5)
    return {
        **{f"map{round(100 * t)}": metrics.mean_ap(results, t) for t in THRESHOLDS},
        "abo": metrics.abo(results),
        "miou": metrics.mean_iou(confusion),
        "masks_per_photo": float(np.mean([len(result.scores) for result in results])),
        "ap50_by_class": {voc.CLASSES[category]: value for category, value in by_class.items()},
    }


def markdown(figures: dict) -> str:
    """The summary as a Markdown table, percentages with one decimal."""
    lines = []
    if "classification_map" in figures:
        lines += [
            f"{figures['photos']} photos, {figures['instances']} instances (rebuilt masks). Classification mAP "
            f"{figures['classification_map']:.3f}, pointing {figures['pointing']:.3f}, best proposal per instance "
            f"(ABO) {figures['proposals_abo']:.3f}.",
            "",
        ]
    lines += [
        "| enhancer | T | preset | proposals a peak | mAP25 | mAP50 | mAP75 | ABO | mIoU | masks a photo |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        shares = " | ".join(f"{100 * row[key]:.1f}" for key in ("map25", "map50", "map75", "abo", "miou"))
        lines.append(
            f"| {row['enhancer']} | {row['steps']} | {row['preset']} | {row['per_peak']} | {shares} "
            f"| {row['masks_per_photo']:.1f} |"
        )
    return "\n".join(lines)


def results_file_figures(file: Path, kit: Path, ids: Iterable[str], least: float = Settings.semantic_threshold) -> dict:
    """Figures of a COCO results file, see `train.results_file`; what scores at least `least` is painted."""
    ids = list(ids)
    found = results_file.read(file, ids, len(voc.CLASSES))
    results, confusion = [], 0
    for identity in ids:
        truth = data.voc_ground_truth(kit, identity)
        masks, categories, scores = found.of(identity, truth.semantic.shape)
        results.append(
            metrics.match_image(
                masks, categories, scores, truth.masks, truth.categories, truth.semantic == metrics.VOID
            )
        )
        sure = scores >= least
        confusion = confusion + metrics.confusion(instances.paint(masks[sure], categories[sure]), truth.semantic)
    return {
        "photos": len(results),
        "rows": [{**asdict(Row(str(file), 0, "", 0)), **instance_figures(results, confusion)}],
    }


_pipeline: Pipeline | None = None


def _start_worker(model: str, device: str) -> None:
    global _pipeline  # noqa: PLW0603 - one pipeline per worker process
    torch.set_num_threads(1)
    _pipeline = Pipeline.load(model, device=device)


def _in_worker(identity: str, kit: Path, rows: list[Row], settings: Settings, proposals: Path | None) -> PhotoFigures:
    return photo_figures(_pipeline, kit, identity, rows, settings, proposals)


def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N photos")] = None,
    steps: Annotated[int, typer.Option(help="evaluate T = 0..STEPS")] = 4,
    default_step: Annotated[int, typer.Option(help="T at which all presets are compared")] = 3,
    model: Annotated[str, typer.Option(help="checkpoint")] = "voc-lite",
    enhancers: Annotated[str, typer.Option(help="comma-separated; all that the checkpoint has by default")] = "",
    naive: Annotated[str, typer.Option(help="naive map: class map, response or mixed")] = Settings.naive,
    agreement: Annotated[bool, typer.Option(help="hold an ICN's maps back where others disagree")] = True,
    objectness: Annotated[bool, typer.Option(help="count in scores how likely a proposal is one object")] = True,
    semantic_threshold: Annotated[
        float, typer.Option(help="least score of what is painted")
    ] = Settings.semantic_threshold,
    workers: Annotated[int, typer.Option(help="processes, one thread each")] = 2,
    device: Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...; auto: the GPU where there is one")] = "cpu",
    proposals: Annotated[
        Path | None, typer.Option(help="foreign proposals: a folder with ID.mat, .json or .png, or one COCO file")
    ] = None,
    results: Annotated[Path | None, typer.Option("--instances", help="score this COCO results file instead")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures here")] = None,
) -> None:
    """Print the table of a split."""
    try:
        device = devices.find(device)
        ids = data.voc_ids(voc_kit, split, half)[:limit]
        if results:
            figures = results_file_figures(results, voc_kit, ids, semantic_threshold)
        else:
            if proposals is not None:
                sources.check(proposals)
            chosen = enhancers.split(",") if enhancers else Pipeline.load(model, device=device).enhancers
            rows = table_rows(chosen, range(steps + 1), default_step)
            settings = Settings(
                naive=naive, agreement=agreement, objectness=objectness, semantic_threshold=semantic_threshold
            )
            work = partial(_in_worker, kit=voc_kit, rows=rows, settings=settings, proposals=proposals)
            photos = []
            with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (model, device)) as pool:
                for done, photo in enumerate(pool.map(work, ids, chunksize=2), 1):
                    photos.append(photo)
                    if done % 25 == 0:
                        print(f"{done} of {len(ids)} photos", file=sys.stderr, flush=True)
            figures = summary(photos)
    except WsisError as error:
        raise typer.BadParameter(str(error)) from error
    print(markdown(figures))
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    streams.forgive()
    typer.run(main)
