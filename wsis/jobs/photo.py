"""One photo of a job: what is asked, and what became of it."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wsis import export, image, names, render, replay, trust
from wsis.analysis import Analysis, Settings
from wsis.edits import EditedPhoto
from wsis.errors import WsisError
from wsis.instances import Instance, listed
from wsis.matching import Weights
from wsis.pipeline import Pipeline
from wsis.proposals import sources

LIKELIEST = 5
FOR_GOOD = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""What an operating system says of a file that will not be readable the next moment either."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is the same for every photo.

    Attributes:
        pipeline: a loaded checkpoint.
        settings: of the analysis.
        weights: of Eq. 5.
        fill: up to how many masks a photo gets offers, see `wsis.instances.assemble`.
        out: folder of the results.
        proposals: folder with STEM.mat, .json or .png, or a COCO file; None generates proposals.
        overlays: whether pictures are written too.
        unsure: whether lists hold what is unsure too, see `wsis.instances.listed`.
        edits: what was done by hand to the one photo, whose settings and weights are the job's; None for most jobs.
    """

    pipeline: Pipeline
    settings: Settings
    weights: Weights
    fill: int
    out: Path
    proposals: Path | None
    overlays: bool
    unsure: bool = False
    edits: EditedPhoto | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        entries: its instances, as in COCO's results.
        record: its line in the manifest; None where it failed.
        reason: why it failed.
        files: contents by path in the folder of results, not yet written.
        again: whether the same photo may do better another time: a disk or a network failed it, not its content.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] | None = None
    reason: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    again: bool = False


def outcome(job: Job, stem: str, path: Path) -> Outcome:
    """Look at one photo; whatever goes wrong with it is its outcome.

    Args:
        job: what is the same for every photo; its folder of results is not touched.
        stem: the `image_id`, and what its files are called.
        path: of the photo.
    """
    start = time.perf_counter()
    try:
        analysis, instances = _segment(job, stem, path)
        counted = trust.of(job.pipeline.checkpoint.card)
        chosen = listed(instances, job.unsure)
        rated = trust.shares(counted, analysis, chosen, job.weights)
        entries = export.coco_results(analysis, chosen, stem=stem, file_name=path.name, trust=rated)
        contents = _files(job, stem, analysis, instances)
    except WsisError as error:
        return Outcome(reason=str(error), again=_passing(error))
    except MemoryError:
        return Outcome(reason=f"{path.name} needs more memory than there is. Make it smaller.", again=True)
    except Exception as error:  # one photo must not stop the rest, whatever it is
        return Outcome(reason=f"unexpected {type(error).__name__}: {error}", again=_passing(error))
    height, width = analysis.evidence.size
    record = {
        "image_id": stem,
        "file_name": names.text(path.name),
        "width": width,
        "height": height,
        "instances": sum(instance.painted for instance in instances),
        "proposals": {"source": analysis.proposals.source, "count": len(analysis.proposals)},
        "seconds": round(time.perf_counter() - start, 3),
        **({} if any(instance.painted for instance in instances) else {"likeliest": _likeliest(analysis)}),
        **({"notes": list(analysis.notes)} if analysis.notes else {}),
    }
    return Outcome(entries, record, files=contents)


def _likeliest(analysis: Analysis) -> dict[str, float]:
    """Scores of the classes that may be looked for where nothing is found, the best first."""
    maps = analysis.evidence.class_maps
    order = np.argsort(-maps.scores, kind="stable")[:LIKELIEST]
    return {maps.classes[c]: round(float(maps.scores[c]), 3) for c in order}


def _passing(error: BaseException | None) -> bool:
    """Whether a disk or network failed (EIO, ESTALE, ETIMEDOUT, ...), unlike a file that is missing or damaged."""
    while error is not None:
        if isinstance(error, OSError) and error.errno not in (None, *FOR_GOOD):
            return True
        error = error.__cause__
    return False


def _segment(job: Job, stem: str, path: Path) -> tuple[Analysis, tuple[Instance, ...]]:
    _regular(path)
    photo = image.read(path)
    size = (photo.shape[0], photo.shape[1])
    foreign = None if job.proposals is None else sources.read(job.proposals, names.path(stem), path, size)
    evidence = job.pipeline.observe(photo, proposals=foreign)
    if job.edits is not None:
        analysis = replay.of_file(job.pipeline, evidence, job.edits)
        return analysis, analysis.instances(job.weights, job.edits.made.step)
    analysis = job.pipeline.analyse(evidence, job.settings)
    return analysis, analysis.instances(job.weights, fill=job.fill if job.unsure else 0)  # offers are unsure


def _regular(path: Path) -> None:
    """Refuse what would keep its reader waiting, or is not there though its name is."""
    if os.path.islink(path) and not os.path.exists(path):
        raise WsisError(f"{path} is a link to {os.readlink(path)}, which is not there.")
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise WsisError(f"{path} is a pipe, a socket or a device, not a photo.")


def _files(job: Job, stem: str, analysis: Analysis, instances: tuple[Instance, ...]) -> dict[str, bytes]:
    """Contents by path in the output folder; all are made before the first is written."""
    contents = {
        f"semantic/{stem}.png": export.semantic_png(analysis, instances),
        f"instance/{stem}.png": export.instance_png(analysis, instances),
    }
    if job.overlays:
        contents[f"overlay/{stem}.jpg"] = export.rgb_jpeg(render.instances(analysis, instances))
        contents[f"figure/{stem}.png"] = export.rgb_png(render.sheet(analysis, instances))
    return contents
