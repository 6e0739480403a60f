"""Many photos to files: what `python -m wsis segment` does once its options are understood."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import torch

from wsis import coco_dataset, export, image, names, render, result_folders
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
        photos: paths in the order of work, by what their results are called: `wsis.names.result` of their stem.
        doubles: (path, reason) of photos whose results would overwrite another's, and of folders that cannot be listed.
        skipped: files of folders that are no photos by their ending.
        same: (path, path) of photos that are another under a second name, a link to it for example.
    """

    photos: dict[str, Path]
    doubles: list[tuple[Path, str]] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    same: list[tuple[Path, Path]] = field(default_factory=list)


def collect(paths: Iterable[Path]) -> Batch:
    """Photos as given, and those that lie in the given folders, by name, each once.

    Sub-folders, hidden files and what is in folders of results are left out. Whatever else ends like a photo counts as
    one, also a link that leads nowhere: `outcome` says what is wrong with it.

    Raises:
        WsisError: there is none.
    """
    paths = list(paths)
    if not any(os.path.lexists(path) for path in paths):
        raise WsisError(f"There is no file or folder {', '.join(map(str, paths))}.")
    batch, given, inside = Batch({}), list[Path](), result_folders.Inside(result_folders.read_local)
    for path in paths:
        if not os.path.isdir(path):
            if path.name not in result_folders.FILES or not inside(
                path.absolute().as_posix()
            ):  # as `photos/*` has them
                given.append(path)
            continue
        try:
            files = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
        except OSError as error:
            batch.doubles.append((path, f"{path} cannot be listed: {error.strerror or error}."))
            continue
        files = [file for file in files if not inside(file.absolute().as_posix())]
        given += [file for file in files if file.suffix.lower() in image.SUFFIXES]
        batch.skipped.extend(f for f in files if f.suffix.lower() not in image.SUFFIXES and not os.path.isdir(f))
    owners: dict[str, Path] = {}
    for file in given:
        owner = owners.setdefault(os.path.realpath(file), file)
        if os.path.islink(owner) and not os.path.islink(file):
            owners[os.path.realpath(file)] = file
    for file in given:
        owner = owners[os.path.realpath(file)]
        if owner is file:
            first = batch.photos.setdefault(names.result(file.stem), file)
            if first is not file:
                batch.doubles.append(_overwrites(file, first))
        elif owner.name != file.name:
            batch.same.append((file, owner))
    if not batch.photos:
        raise WsisError(batch.doubles[0][1] if batch.doubles else f"There is no photo in {', '.join(map(str, paths))}.")
    return batch


def _overwrites(file: Path, first: Path) -> tuple[Path, str]:
    return file, f"{file} would overwrite the results of {first}, which has the same name. Rename one."


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

    Another run with at least the same photos replaces the results; job.json says, from the start, whose they are.

    Args:
        job: what is the same for every photo.
        batch: the photos.
        quiet: no line a photo on stdout.
        workers: how many photos at a time; None takes as many as there are cores, at most `MOST_WORKERS`.

    Returns:
        How many failed.

    Raises:
        WsisError: nothing can be written to the folder of results, another run is at work in it, or it holds results of
            other photos.
    """
    export.try_folder(job.out)  # before hours of work
    with result_folders.locked(job.out):
        batch = _apart(batch, result_folders.alike(job.out))
        about = _begun(job, batch)
        return _run(job, batch, quiet, workers, about)


def _apart(batch: Batch, key: Callable[[str], str]) -> Batch:
    """Photos whose results have names of their own on the disk at hand, too."""
    firsts: dict[str, Path] = {}
    kept = {name: file for name, file in batch.photos.items() if firsts.setdefault(key(name), file) is file}
    others = [(file, firsts[key(name)]) for name, file in batch.photos.items() if name not in kept]
    doubles = [_overwrites(file, first) for file, first in others if not _one_file(file, first)]
    return replace(batch, photos=kept, doubles=[*batch.doubles, *doubles])


def _one_file(file: Path, other: Path) -> bool:
    try:
        return os.path.samefile(file, other)
    except OSError:
        return False


def _begun(job: Job, batch: Batch) -> str:
    """Write down whose the results will be; lists that they will not agree with until the end go.

    Returns:
        The content of job.json.

    Raises:
        WsisError: the folder holds results that this job will not replace.
    """
    own = {
        "format": export.FORMAT,
        "model": job.pipeline.name,
        "networks": export.header(job.pipeline.checkpoint)["model"].get("files"),
        "settings": asdict(job.settings),
        "weights": asdict(job.weights),
        "per_peak": job.per_peak,
        "proposals": None if job.proposals is None else os.path.abspath(job.proposals),
        "overlays": job.overlays,
        "photos": {name: os.path.realpath(file) for name, file in batch.photos.items()},
    }
    text = export.as_json(own)
    own = json.loads(text)  # with paths as they are written
    try:
        before = json.loads((job.out / "job.json").read_bytes())
    except (OSError, ValueError):
        before = {}
    if before == own:
        return text
    photos = before.get("photos", {}) if isinstance(before, dict) else {}
    if not isinstance(photos, dict):
        raise result_folders.another(job.out, "of batch")
    found = {file.stem for kind in ("semantic", "instance") for file in (job.out / kind).glob("*.png")}
    strange = [
        name
        for name in sorted(map(names.text, found))
        if name not in own["photos"] or photos.get(name, own["photos"][name]) != own["photos"][name]
    ]
    if strange:
        some = ", ".join(photos.get(name, name) for name in strange[:3]) + (" and others" if len(strange) > 3 else "")
        raise result_folders.another(job.out, f"photos: {some}", "Name all photos in one command. ")
    for name in ("instances.json", "coco.json", "manifest.json"):
        (job.out / name).unlink(missing_ok=True)
    export.write(job.out / "job.json", text)
    return text


def _run(job: Job, batch: Batch, quiet: bool, workers: int | None, about: str) -> int:
    results: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []

    def report(path: Path, reason: str) -> None:
        _say(reason if path.name in reason else f"{path}: {reason}", sys.stderr)
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
                _say(f"{path.name}: {note}", sys.stderr)
            if not quiet:
                count, seconds = outcome.record["instances"], outcome.record["seconds"]
                what = f"{count} instance{'' if count == 1 else 's'}" if count else "nothing recognised"
                _say(f"[{number}/{len(batch.photos)}] {path.name}: {what}, {seconds:.1f} s")
    if batch.skipped and not quiet:
        more = f" and {len(batch.skipped) - 5} more" if len(batch.skipped) > 5 else ""
        _say(f"Left out, no photo by its ending: {', '.join(file.name for file in batch.skipped[:5])}{more}")
    for path, other in batch.same if not quiet else ():
        _say(f"{path} is {other}, which is worked on once.")
    manifest = {
        **export.header(job.pipeline.checkpoint),
        "device": job.pipeline.device,
        "settings": asdict(job.settings),
        "weights": asdict(job.weights),
        "per_peak": job.per_peak,
        "photos": done,
        "failed": failed,
        "skipped": [file.name for file in batch.skipped],
        **({"same": {str(path): str(other) for path, other in batch.same}} if batch.same else {}),
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
        if not (job.out / "job.json").exists():  # somebody emptied the folder meanwhile
            export.write(job.out / "job.json", about)
    except WsisError as error:
        _say(f"Error: {error}", sys.stderr)
        return len(failed) + 1
    _tidy(job, batch.photos, {one["image_id"] for one in done})
    if not quiet:
        _say(f"Done: {len(done)}, failed: {len(failed)}, instances: {len(results)}, {job.out / 'instances.json'}")
    return len(failed)


def _say(words: str, stream: TextIO | None = None) -> None:
    print(names.printable(words), file=stream, flush=True)


def _tidy(job: Job, photos: Iterable[str], done: Container[str]) -> None:
    """Delete pictures of an earlier run that the lists do not agree with: this one failed there, or made none."""
    for name in photos:
        for kind, ending in result_folders.PICTURES.items():
            made = name in done and (job.overlays or kind in ("semantic", "instance"))
            if not made:
                with suppress(OSError):
                    (job.out / kind / names.path(f"{name}.{ending}")).unlink()


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
            export.write(job.out / names.path(name), content)
    except (WsisError, ValueError) as error:
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
        entries = export.coco_results(analysis, found, stem=stem, file_name=path.name, numbered=job.per_peak > 1)
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
        "file_name": names.text(path.name),
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
    _regular(path)
    photo = image.read(path)
    size = (photo.shape[0], photo.shape[1])
    foreign = None if job.proposals is None else sources.read(job.proposals, names.path(stem), path, size)
    analysis = job.pipeline.analyse(job.pipeline.observe(photo, proposals=foreign), job.settings)
    return analysis, analysis.instances(job.weights, per_peak=job.per_peak)


def _regular(path: Path) -> None:
    """Refuse what would keep its reader waiting, or is not there though its name is."""
    if os.path.islink(path) and not os.path.exists(path):
        raise WsisError(f"{path} is a link to {os.readlink(path)}, which is not there.")
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise WsisError(f"{path} is a pipe, a socket or a device, not a photo.")


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
