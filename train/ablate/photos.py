"""What the rows of the ablations make of each photo, measured once and kept on disk.

The unit on disk is one analysis of one photo: all rows that differ in step, preset or number of proposals only. Its
file is named after everything it follows from, so what changed is measured again and the rest is read.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from train import data, evaluate
from train.ablate import cam, variants
from train.ablate.rows import Row
from wsis import export, image
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth, overlaps
from wsis.metrics import ImageResult
from wsis.pipeline import Evidence, Pipeline

FORMAT = 1
"""Of the files; a new number makes old ones be measured again."""
Scored = tuple[ImageResult, np.ndarray]
"""Matches of a photo's instances, and the (21, 21) confusion of its pixels."""
Group = tuple[Row, ...]
"""Rows of one analysis."""


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
        own = Pipeline.load(self.model, device=self.device)
        others = {name: variants.checkpoint(own.checkpoint, name, file) for name, file in self.variants.items()}
        return {"": own, **{name: Pipeline(one, self.device) for name, one in others.items()}}

    def fingerprint(self, network: str = "") -> dict[str, str]:
        """What results of a variant, or of the model's own networks, follow from: versions, and SHA-256 of files."""
        files = [*variants.model_files(self.model), *([self.variants[network]] if network else [])]
        return export.versions() | {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def groups(rows: Iterable[Row]) -> list[Group]:
    """Rows by the analysis that they share."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault(row.analysis, []).append(row)
    return [tuple(group) for group in found.values()]


def measure(
    pipelines: Mapping[str, Pipeline], evidence: Evidence, overlap: np.ndarray, truth: GroundTruth, group: Group
) -> list[Scored]:
    """Analyse a photo once, up to the largest T of a group, and score its rows.

    Args:
        pipelines: from `Networks.load`.
        evidence: of the photo.
        overlap: (N, G) IoU of its proposals with the masks, see `wsis.ground_truth.overlaps`.
        truth: its masks.
        group: rows of one analysis.
    """
    settings = replace(group[0].settings, steps=max(row.steps for row in group))
    analysis = pipelines[group[0].network].analyse(evidence, settings)
    return [
        cam.score(evidence, row.shape, truth, row.settings)
        if row.shape
        else evaluate.score(evaluate.at_step(replace(analysis, settings=row.settings), row), row, overlap, truth)
        for row in group
    ]


def collect(
    kit: Path, ids: Sequence[str], rows: Sequence[Row], networks: Networks, cache: Path, workers: int
) -> list[dict[Row, Scored]]:
    """Every row of every photo, from the disk where it was measured before; else no network is loaded.

    Args:
        kit: devkit folder.
        ids: photos with masks.
        rows: each once.
        networks: what they are made with.
        cache: folder of the files.
        workers: processes, one thread each; 1 is this process.
    """
    shared = groups(rows)
    prints = {network: networks.fingerprint(network) for network in {row.network for row in rows}}
    files = {identity: _files(kit, identity, shared, prints, cache) for identity in ids}
    found = {(identity, group): load(file) for identity in ids for group, file in files[identity].items()}
    missing = {
        identity: {group: file for group, file in files[identity].items() if found[identity, group] is None}
        for identity in ids
    }
    jobs = [(identity, left) for identity, left in missing.items() if left]
    _run(jobs, kit, networks, workers)
    for identity, left in jobs:
        found |= {(identity, group): load(file) for group, file in left.items()}
    return [
        {row: one for group in shared for row, one in zip(group, found[identity, group] or (), strict=True)}
        for identity in ids
    ]


def save(file: Path, scored: Sequence[Scored]) -> None:
    """Write the rows of one analysis whole or not at all."""
    results = [result for result, _ in scored]
    arrays = {
        "truth": results[0].truth,
        "counts": np.array([len(result.scores) for result in results]),
        "categories": np.concatenate([result.categories for result in results]),
        "scores": np.concatenate([result.scores for result in results]),
        "overlaps": np.concatenate([result.overlaps for result in results]),
        "confusion": np.stack([confusion for _, confusion in scored]),
    }
    with export.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load(file: Path) -> list[Scored] | None:
    """What `save` wrote; None where nothing is or it is damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            ends = np.cumsum(content["counts"])[:-1]
            parts = (np.split(content[name], ends) for name in ("overlaps", "categories", "scores"))
            truth, confusion = content["truth"], content["confusion"]
            columns = zip(*parts, confusion, strict=True)
            return [(ImageResult(*one, truth), matrix) for *one, matrix in columns]
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
    files = {}
    for group in shared:
        how = [FORMAT, prints[group[0].network], [[asdict(row), asdict(row.settings)] for row in group]]
        own = digest.copy()
        own.update(json.dumps(how, sort_keys=True).encode())
        files[group] = cache / f"{own.hexdigest()}.npz"
    return files


_pipelines: dict[str, Pipeline] = {}


def _run(jobs: Sequence[tuple[str, dict[Group, Path]]], kit: Path, networks: Networks, workers: int) -> None:
    """Measure what is missing; every photo is on the disk as soon as it is done."""
    if not jobs:
        return
    work = partial(_work, kit=kit)
    if workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (networks,)) as pool:
            _count(pool.map(work, jobs), len(jobs))
    else:
        _start_worker(networks)
        _count(map(work, jobs), len(jobs))


def _start_worker(networks: Networks) -> None:
    torch.set_num_threads(1)
    _pipelines.clear()
    _pipelines.update(networks.load())


def _work(job: tuple[str, dict[Group, Path]], kit: Path) -> None:
    identity, files = job
    truth = data.voc_ground_truth(kit, identity)
    evidence = _pipelines[""].observe(image.read(kit / "JPEGImages" / f"{identity}.jpg"))
    overlap = overlaps(evidence.source.resized(evidence.size), truth)
    for group, file in files.items():
        save(file, measure(_pipelines, evidence, overlap, truth, group))


def _count(done: Iterable[None], total: int) -> None:
    for number, _ in enumerate(done, 1):
        if number % 25 == 0:
            print(f"{number} of {total} photos", file=sys.stderr, flush=True)
