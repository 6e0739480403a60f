"""Many photos to files: what `python -m wsis segment` does once its options are understood."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wsis import coco_dataset, export, image, render
from wsis.errors import WsisError
from wsis.instances import Instance
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Analysis, Pipeline, Settings
from wsis.proposals import sources

__all__ = ["Batch", "Job", "Outcome", "Pipeline", "chosen", "collect", "outcome", "run", "weights"]

MOST_WORKERS = 8
"""Photos at a time where nobody says how many: each takes a few hundred megabytes."""
FOR_GOOD = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""What an operating system says of a file that will not be readable the next moment either."""


@dataclass(frozen=True)
class Batch:
    """What to work on.

    Attributes:
        photos: paths by stem, in the order of work.
        doubles: (path, reason) of photos whose results would overwrite another's.
        skipped: files of folders that are no photos by their ending.
    """

    photos: dict[str, Path]
    doubles: list[tuple[Path, str]] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)


def collect(paths: Iterable[Path]) -> Batch:
    """Photos as given, and those that lie in the given folders, by name; sub-folders and hidden files are left out.

    Raises:
        WsisError: there is none.
    """
    paths = list(paths)
    if not any(path.exists() for path in paths):
        raise WsisError(f"There is no file or folder {', '.join(map(str, paths))}.")
    batch = Batch({})
    for path in paths:
        if not path.is_dir():
            found = [path]
        else:
            files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
            found = [file for file in files if file.suffix.lower() in image.SUFFIXES]
            batch.skipped.extend(file for file in files if file.suffix.lower() not in image.SUFFIXES)
        for file in found:
            first = batch.photos.setdefault(file.stem, file)
            if first.absolute() != file.absolute():
                reason = f"{file} would overwrite the results of {first}, which has the same name. Rename one."
                batch.doubles.append((file, reason))
    if not batch.photos:
        raise WsisError(f"There is no photo in {', '.join(map(str, paths))}.")
    return batch


@dataclass(frozen=True)
class Job:
    """What is the same for every photo.

    Attributes:
        pipeline: a loaded checkpoint.
        settings: of the analysis.
        weights: of Eq. 5.
        per_peak: how many proposals a peak may offer, see `wsis.instances.assemble`.
        out: folder of the results.
        proposals: folder with STEM.mat, .json or .png, or a COCO file; None generates proposals.
        overlays: whether pictures are written too.
    """

    pipeline: Pipeline
    settings: Settings
    weights: Weights
    per_peak: int
    out: Path
    proposals: Path | None
    overlays: bool


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


def run(job: Job, batch: Batch, quiet: bool, workers: int | None = None) -> int:
    """Work through the photos, then write instances.json, coco.json and manifest.json.

    Each photo's files are written when it is done; what goes wrong with one is reported on stderr and in the manifest.
    Several photos are worked on at a time, each in a thread, which keeps all cores busier than one photo can.

    Args:
        job: what is the same for every photo.
        batch: the photos.
        quiet: no line a photo on stdout.
        workers: how many photos at a time; None takes as many as there are cores, at most `MOST_WORKERS`.

    Returns:
        How many failed.
    """
    results: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []

    def report(path: Path, reason: str) -> None:
        print(reason if path.name in reason else f"{path}: {reason}", file=sys.stderr)
        failed.append({"file_name": path.name, "path": str(path), "reason": reason})

    for path, reason in batch.doubles:
        report(path, reason)
    with _several(workers or min(os.cpu_count() or 1, MOST_WORKERS), len(batch.photos)) as pool:
        outcomes = pool.map(partial(_written, job), batch.photos, batch.photos.values())
        for number, (path, outcome) in enumerate(zip(batch.photos.values(), outcomes, strict=True), start=1):
            if outcome.record is None:
                report(path, outcome.reason)
                continue
            results += outcome.entries
            done.append(outcome.record)
            for note in outcome.record.get("notes", ()):
                print(f"{path.name}: {note}", file=sys.stderr)
            if not quiet:
                count, seconds = outcome.record["instances"], outcome.record["seconds"]
                what = f"{count} instance{'' if count == 1 else 's'}" if count else "nothing recognised"
                print(f"[{number}/{len(batch.photos)}] {path.name}: {what}, {seconds:.1f} s", flush=True)
    if batch.skipped and not quiet:
        print(f"Left out, no photo by its ending: {', '.join(file.name for file in batch.skipped[:5])}", end="")
        print(f" and {len(batch.skipped) - 5} more" if len(batch.skipped) > 5 else "")
    manifest = {
        **export.header(job.pipeline.checkpoint),
        "device": job.pipeline.device,
        "settings": asdict(job.settings),
        "weights": asdict(job.weights),
        "per_peak": job.per_peak,
        "photos": done,
        "failed": failed,
        "skipped": [file.name for file in batch.skipped],
    }
    try:
        export.write(job.out / "instances.json", export.as_json(results))
        with export.writing(job.out / "coco.json") as part, part.open("wb") as stream:
            numbers = {record["image_id"]: number for number, record in enumerate(done, 1)}
            coco_dataset.write(
                stream,
                job.pipeline.classes,
                coco_dataset.image_rows(done),
                coco_dataset.annotation_rows(results, numbers),
            )
        export.write(job.out / "manifest.json", export.as_json(manifest))
    except WsisError as error:
        print(f"Error: {error}", file=sys.stderr)
        return len(failed) + 1
    if not quiet:
        print(f"Done: {len(done)}, failed: {len(failed)}, instances: {len(results)}, {job.out / 'instances.json'}")
    return len(failed)


@contextmanager
def _several(workers: int, photos: int) -> Iterator[ThreadPoolExecutor]:
    """Threads, at most one a photo, that share the cores; those waiting are called off where one stops."""
    workers, threads = max(1, min(workers, photos)), torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _written(job: Job, stem: str, path: Path) -> Outcome:
    """`outcome`, its files in place."""
    made = outcome(job, stem, path)
    try:
        for name, content in made.files.items():
            export.write(job.out / name, content)
    except WsisError as error:
        return Outcome(reason=str(error))
    return replace(made, files={})  # a folder may be large


def outcome(job: Job, stem: str, path: Path) -> Outcome:
    """Look at one photo; whatever goes wrong with it is its outcome.

    Args:
        job: what is the same for every photo; its folder of results is not touched.
        stem: the `image_id`, and what its files are called.
        path: of the photo.
    """
    start = time.perf_counter()
    try:
        analysis, found = _segment(job, stem, path)
        entries = export.coco_results(analysis, found, stem=stem, file_name=path.name)
        files = _files(job, stem, analysis, found)
    except WsisError as error:
        return Outcome(reason=str(error), again=_passing(error))
    except MemoryError:
        return Outcome(reason=f"{path.name} needs more memory than there is. Make it smaller.", again=True)
    except Exception as error:  # one photo must not stop the rest, whatever it is
        return Outcome(reason=f"unexpected {type(error).__name__}: {error}", again=_passing(error))
    height, width = analysis.evidence.size
    record = {
        "image_id": stem,
        "file_name": path.name,
        "width": width,
        "height": height,
        "instances": len(entries),
        "proposals": {"source": analysis.proposals.source, "count": len(analysis.proposals)},
        "seconds": round(time.perf_counter() - start, 3),
        **({"notes": list(analysis.notes)} if analysis.notes else {}),
    }
    return Outcome(entries, record, files=files)


def _passing(error: BaseException | None) -> bool:
    """Whether a disk or network failed (EIO, ESTALE, ETIMEDOUT, ...), unlike a file that is missing or damaged."""
    while error is not None:
        if isinstance(error, OSError) and error.errno not in (None, *FOR_GOOD):
            return True
        error = error.__cause__
    return False


def _segment(job: Job, stem: str, path: Path) -> tuple[Analysis, tuple[Instance, ...]]:
    photo = image.read(path)
    size = (photo.shape[0], photo.shape[1])
    foreign = None if job.proposals is None else sources.read(job.proposals, stem, path, size)
    analysis = job.pipeline.analyse(job.pipeline.observe(photo, proposals=foreign), job.settings)
    return analysis, analysis.instances(job.weights, per_peak=job.per_peak)


def _files(job: Job, stem: str, analysis: Analysis, found: tuple[Instance, ...]) -> dict[str, bytes]:
    """Contents by path in the output folder; all are made before the first is written."""
    files = {
        f"semantic/{stem}.png": export.semantic_png(analysis, found),
        f"instance/{stem}.png": export.instance_png(analysis, found),
    }
    if job.overlays:
        files[f"overlay/{stem}.jpg"] = export.rgb_jpeg(render.instances(analysis, found))
        files[f"figure/{stem}.png"] = export.rgb_png(render.sheet(analysis, found))
    return files


def weights(preset: str, alpha: float | None = None, beta: float | None = None, gamma: float | None = None) -> Weights:
    """A preset's weights of Eq. 5, with those replaced that are given."""
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    return replace(PRESETS[preset].weights, **{name: value for name, value in given.items() if value is not None})


def chosen(
    pipeline: Pipeline,
    enhancer: str | None = None,
    preset: str = "paper",
    classes: Sequence[str] | None = None,
    quiet: bool = True,
    **others: Any,
) -> Settings:
    """Settings that the model can follow.

    Args:
        pipeline: the loaded model.
        enhancer: None takes `pipeline.default_enhancer`.
        preset: whose reading of Eq. 5 counts.
        classes: as of `Settings`; None leaves it to the threshold.
        quiet: do not say on stdout that another enhancer than the default is taken.
        others: further fields of `Settings`.

    Raises:
        WsisError: the model lacks the enhancer or a class.
    """
    if enhancer is None:
        enhancer = pipeline.default_enhancer
        if enhancer != Settings.enhancer and not quiet:
            print(f"{pipeline.name} has no {Settings.enhancer}; maps grow by '{enhancer}'.")
    settings = Settings(
        enhancer=enhancer,  # type: ignore[arg-type]
        classes=None if classes is None else tuple(classes),
        reading=PRESETS[preset].reading,
        **others,
    )
    return pipeline.checked(settings)
