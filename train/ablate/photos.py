"""What the rows of the ablations make of each photo, measured once and kept on disk.

The unit on disk is one analysis of one photo: all rows that differ in step, preset or number of proposals only. Its
file is named after everything it follows from, so what changed is measured again and the rest is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from train import evaluate, workers
from train.ablate import cam, variants
from train.ablate.rows import AblationRow
from wsis import files, image, provenance, voc
from wsis.analysis import Analysis, Evidence, Settings
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth, Overlaps, overlaps, voc_ground_truth
from wsis.metrics import ImageResult
from wsis.pipeline import Pipeline
from wsis.shared_classes import shared

FORMAT = 4
"""Of the files; a new number makes old ones be measured again."""
Scored = tuple[ImageResult, np.ndarray]
"""Matches of a photo's instances, and the (21, 21) confusion of its pixels."""
Group = tuple[AblationRow, ...]
"""Rows of one analysis."""
Job = tuple[str, dict[Group, Path]]
"""A photo, and where the analyses go that it lacks."""


@dataclass(frozen=True)
class Networks:
    """What the rows are made with.

    Attributes:
        model: an embedded checkpoint or a folder.
        variants: files of the ICNs that lack a part, by name.
        device: where they run.
    """

    model: str
    variants: Mapping[str, Path]
    device: str = "cpu"

    def load(self) -> dict[str, Pipeline]:
        """A pipeline for each variant; the model's own has the empty name."""
        whole = Pipeline.load(self.model, device=self.device)
        if whole.classes != voc.CLASSES:
            raise WsisError(
                f"These tables are of VOC's classes, which the model '{self.model}' does not have. Measure it with "
                "python -m train.evaluate: --coco takes photos of any classes."
            )
        others = {name: variants.checkpoint(whole.checkpoint, name, file) for name, file in self.variants.items()}
        return {"": whole, **{name: Pipeline(checkpoint, self.device) for name, checkpoint in others.items()}}

    def fingerprint(self, network: str = "") -> dict[str, str]:
        """What results of a variant, or of the model's own networks, follow from: versions, and SHA-256 of files."""
        followed = [*variants.model_files(self.model), *([self.variants[network]] if network else [])]
        return provenance.versions() | {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in followed}


def groups(rows: Iterable[AblationRow]) -> list[Group]:
    """Rows by the analysis that they share."""
    by_analysis: dict[tuple[str, Settings], list[AblationRow]] = {}
    for row in rows:
        by_analysis.setdefault(row.analysis, []).append(row)
    return [tuple(group) for group in by_analysis.values()]


def measure(
    pipelines: Mapping[str, Pipeline], evidence: Evidence, overlap: Overlaps, truth: GroundTruth, group: Group
) -> list[Scored]:
    """Analyse a photo once, up to the largest T of a group, and score its rows.

    Args:
        pipelines: from `Networks.load`.
        evidence: of the photo, by a model of VOC's classes.
        overlap: what its proposals have in common with the masks, see `wsis.ground_truth.overlaps`.
        truth: its masks.
        group: rows of one analysis.
    """
    settings = replace(group[0].settings, steps=max(row.steps for row in group))
    analysis = pipelines[group[0].network].analyse(evidence, settings)
    return [
        cam.score(evidence, row.shape, truth, row.settings)
        if row.shape
        else _scored(replace(analysis, settings=row.settings), row, overlap, truth)
        for row in group
    ]


def _scored(analysis: Analysis, row: AblationRow, overlap: Overlaps, truth: GroundTruth) -> Scored:
    every = shared(None, analysis.classes)
    result, confusion = evaluate.score(analysis.at(row.steps, row.reading), row, overlap, truth, every)
    return result, confusion.toarray()


def measured(
    kit: Path, ids: Sequence[str], rows: Sequence[AblationRow], networks: Networks, cache: Path, processes: int
) -> list[dict[AblationRow, Scored]]:
    """Every row of every photo, from the disk where it was measured before; else no network is loaded.

    Args:
        kit: devkit folder.
        ids: photos with masks.
        rows: each once.
        networks: what they are made with.
        cache: folder of the files.
        processes: how many, one thread each; 1 is this process.
    """
    shared = groups(rows)
    prints = {network: networks.fingerprint(network) for network in {row.network for row in rows}}
    targets = {identity: _files(kit, identity, shared, prints, cache) for identity in ids}
    kept = {(identity, group): load(file) for identity in ids for group, file in targets[identity].items()}
    missing = {
        identity: {group: file for group, file in targets[identity].items() if kept[identity, group] is None}
        for identity in ids
    }
    jobs: list[Job] = [(identity, lacking) for identity, lacking in missing.items() if lacking]
    if jobs:
        for _ in workers.over(jobs, partial(_measure_missing, kit=kit), networks.load, processes):
            pass
    for identity, lacking in jobs:
        kept |= {(identity, group): load(file) for group, file in lacking.items()}
    return [
        {row: scored for group in shared for row, scored in zip(group, kept[identity, group] or (), strict=True)}
        for identity in ids
    ]


def save(file: Path, scored: Sequence[Scored]) -> None:
    """Write the rows of one analysis whole or not at all."""
    results = [result for result, _ in scored]
    arrays: dict[str, Any] = {
        "truth": results[0].truth,
        "touching": results[0].touching,
        "merged": np.stack([result.merged for result in results]),
        "counts": np.array([len(result.scores) for result in results]),
        "categories": np.concatenate([result.categories for result in results]),
        "scores": np.concatenate([result.scores for result in results]),
        "overlaps": np.concatenate([result.overlaps for result in results]),
        "confusion": np.stack([confusion for _, confusion in scored]),
    }
    with files.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load(file: Path) -> list[Scored] | None:
    """What `save` wrote; None where nothing is or it is damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            ends = np.cumsum(content["counts"])[:-1]
            parts = (np.split(content[name], ends) for name in ("overlaps", "categories", "scores"))
            truth, touching = content["truth"], content["touching"]
            columns = zip(*parts, content["merged"], content["confusion"], strict=True)
            return [
                (ImageResult(overlap, categories, scores, truth, touching, merged), matrix)
                for overlap, categories, scores, merged, matrix in columns
            ]
    except Exception:  # a damaged zip or header raises any of a dozen types; the photo is measured again
        return None


def _files(
    kit: Path, identity: str, shared: Sequence[Group], prints: Mapping[str, dict[str, str]], cache: Path
) -> dict[Group, Path]:
    """Where each analysis of a photo is kept: named after photo, masks, networks, versions, settings and rows."""
    digest = hashlib.sha256()
    for folder, kind in (("JPEGImages", "jpg"), ("SegmentationClass", "png"), ("SegmentationObject", "png")):
        file = kit / folder / f"{identity}.{kind}"
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error
    targets = {}
    for group in shared:
        how = [FORMAT, prints[group[0].network], [[asdict(row), asdict(row.settings)] for row in group]]
        of_group = digest.copy()
        of_group.update(json.dumps(how, sort_keys=True).encode())
        targets[group] = cache / f"{of_group.hexdigest()}.npz"
    return targets


def _measure_missing(pipelines: Mapping[str, Pipeline], job: Job, *, kit: Path) -> None:
    """Measure what a photo lacks; it is on the disk as soon as it is done."""
    identity, targets = job
    truth = voc_ground_truth(kit, identity)
    evidence = pipelines[""].observe(image.read(kit / "JPEGImages" / f"{identity}.jpg"))
    overlap = overlaps(evidence.source.resized(evidence.size), truth)
    for group, file in targets.items():
        save(file, measure(pipelines, evidence, overlap, truth, group))
