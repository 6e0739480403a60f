"""Many photos to files: what `python -m wsis segment` does once its options are understood."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from wsis import coco_dataset, devices, edits, files, image, names, provenance
from wsis.errors import WsisError
from wsis.jobs import result_folders
from wsis.jobs.photo import Job, Outcome, outcome

SHOWN = 5
"""Of so many masks a photo's line says how often masks like them are right."""


@dataclass(frozen=True)
class Selection:
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


def collect(paths: Iterable[Path]) -> Selection:
    """Photos as given, and those that lie in the given folders, by name, each once.

    Sub-folders, hidden files and what is in folders of results are left out. Whatever else ends like a photo counts as
    one, also a link that leads nowhere: `outcome` says what is wrong with it.

    Raises:
        WsisError: there is none.
    """
    paths = list(paths)
    if not any(os.path.lexists(path) for path in paths):
        raise WsisError(f"There is no file or folder {', '.join(map(str, paths))}.")
    selection, given, inside = Selection({}), list[Path](), result_folders.Inside(result_folders.read_local)
    for path in paths:
        if not os.path.isdir(path):
            if path.name not in result_folders.FILES or not inside(
                path.absolute().as_posix()
            ):  # as `photos/*` has them
                given.append(path)
            continue
        try:
            inner = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
        except OSError as error:
            selection.doubles.append((path, f"{path} cannot be listed: {error.strerror or error}."))
            continue
        inner = [file for file in inner if not inside(file.absolute().as_posix())]
        given += [file for file in inner if file.suffix.lower() in image.SUFFIXES]
        selection.skipped.extend(f for f in inner if f.suffix.lower() not in image.SUFFIXES and not os.path.isdir(f))
    owners: dict[str, Path] = {}
    for file in given:
        owner = owners.setdefault(os.path.realpath(file), file)
        if os.path.islink(owner) and not os.path.islink(file):
            owners[os.path.realpath(file)] = file
    for file in given:
        owner = owners[os.path.realpath(file)]
        if owner is file:
            first = selection.photos.setdefault(names.result(file.stem), file)
            if first is not file:
                selection.doubles.append(_overwrites(file, first))
        elif owner.name != file.name:
            selection.same.append((file, owner))
    if not selection.photos:
        raise WsisError(
            selection.doubles[0][1] if selection.doubles else f"There is no photo in {', '.join(map(str, paths))}."
        )
    return selection


def _overwrites(file: Path, first: Path) -> tuple[Path, str]:
    return file, f"{file} would overwrite the results of {first}, which has the same name. Rename one."


def run(job: Job, selection: Selection, quiet: bool, workers: int | None = None) -> int:
    """Work through the photos, then write instances.json, coco.json and manifest.json.

    Each photo's files are written when it is done; what goes wrong with one is reported on stderr and in the manifest.
    Several photos are worked on at a time, each in a thread, which keeps all cores busier than one photo can.

    Another run with at least the same photos replaces the results; job.json says, from the start, whose they are.

    Args:
        job: what is the same for every photo.
        selection: the photos.
        quiet: no line a photo on stdout.
        workers: how many photos at a time; None takes as many as there are cores, at most `wsis.devices.MOST_WORKERS`.

    Returns:
        How many failed.

    Raises:
        WsisError: nothing can be written to the folder of results, another run is at work in it, or it holds results of
            other photos.
    """
    result_folders.prepare(job.out)
    with result_folders.locked(job.out):
        selection = _apart(selection, result_folders.alike(job.out))
        about = _begun(job, selection)
        return _run(job, selection, quiet, workers, about)


def _apart(selection: Selection, key: Callable[[str], str]) -> Selection:
    """Photos whose results have names of their own on the disk at hand, too."""
    firsts: dict[str, Path] = {}
    kept = {name: file for name, file in selection.photos.items() if firsts.setdefault(key(name), file) is file}
    others = [(file, firsts[key(name)]) for name, file in selection.photos.items() if name not in kept]
    doubles = [_overwrites(file, first) for file, first in others if not _one_file(file, first)]
    return replace(selection, photos=kept, doubles=[*selection.doubles, *doubles])


def _one_file(file: Path, other: Path) -> bool:
    try:
        return os.path.samefile(file, other)
    except OSError:
        return False


def _begun(job: Job, selection: Selection) -> str:
    """Write down whose the results will be; lists that they will not agree with until the end go.

    Returns:
        The content of job.json.

    Raises:
        WsisError: the folder holds results that this job will not replace.
    """
    identity = {
        "format": provenance.FORMAT,
        "model": job.pipeline.name,
        "networks": provenance.header(job.pipeline.checkpoint)["model"].get("files"),
        "settings": asdict(job.settings),
        "weights": asdict(job.weights),
        "fill": job.fill,
        "unsure": job.unsure,
        "proposals": None if job.proposals is None else os.path.abspath(job.proposals),
        "overlays": job.overlays,
        "photos": {name: os.path.realpath(file) for name, file in selection.photos.items()},
    }
    text = files.as_json(identity)
    identity = json.loads(text)  # with paths as they are written
    try:
        before = json.loads((job.out / "job.json").read_bytes())
    except (OSError, ValueError):
        before = {}
    if before == identity:
        return text
    photos = before.get("photos", {}) if isinstance(before, dict) else {}
    if not isinstance(photos, dict):
        raise result_folders.another(job.out, "of batch")
    stems = {file.stem for kind in ("semantic", "instance") for file in (job.out / kind).glob("*.png")}
    strange = [
        name
        for name in sorted(map(names.text, stems))
        if name not in identity["photos"] or photos.get(name, identity["photos"][name]) != identity["photos"][name]
    ]
    if strange:
        some = ", ".join(photos.get(name, name) for name in strange[:3]) + (" and others" if len(strange) > 3 else "")
        raise result_folders.another(job.out, f"photos: {some}", "Name all photos in one command. ")
    for name in ("instances.json", "coco.json", "manifest.json"):
        (job.out / name).unlink(missing_ok=True)
    files.write(job.out / "job.json", text)
    return text


def _nothing(record: dict[str, Any]) -> str:
    """What to say of a photo without instances, and which classes it may show all the same."""
    guesses = ", ".join(f"{name} {score:.2f}" for name, score in record.get("likeliest", {}).items())
    return f"nothing recognised; likeliest: {guesses}" if guesses else "nothing recognised"


def _rated(entries: Iterable[dict[str, Any]]) -> str:
    """How many masks like each that pictures show are right, where that was counted; see `wsis.trust`."""
    shown = [one for one in entries if one["instance"] and "trust" in one]
    rated = [f"{one['category_name']} {_about(one['trust'])}" for one in shown]
    more = f" and {len(rated) - SHOWN} more" if len(rated) > SHOWN else ""
    return f"; masks like these that are right: {', '.join(rated[:SHOWN])}{more}" if rated else ""


def _about(share: float) -> str:
    """In whole per cent; few masks were counted, so that nothing is never or always right."""
    return "under 5%" if share < 0.05 else "over 95%" if share > 0.95 else f"{share:.0%}"


def _run(job: Job, selection: Selection, quiet: bool, workers: int | None, about: str) -> int:
    results: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []

    def report(path: Path, reason: str) -> None:
        _say(reason if path.name in reason else f"{path}: {reason}", sys.stderr)
        failed.append({"file_name": path.name, "path": str(path), "reason": reason})

    for path, reason in selection.doubles:
        report(path, reason)
    with devices.several(workers, len(selection.photos)) as pool:
        outcomes = pool.map(partial(_written, job), selection.photos, selection.photos.values())
        for number, (path, result) in enumerate(zip(selection.photos.values(), outcomes, strict=True), start=1):
            if result.record is None:
                report(path, result.reason)
                continue
            results += result.entries
            done.append(result.record)
            for note in result.record.get("notes", ()):
                _say(f"{path.name}: {note}", sys.stderr)
            if not quiet:
                count, seconds = result.record["instances"], result.record["seconds"]
                what = f"{count} instance{'' if count == 1 else 's'}" if count else _nothing(result.record)
                rated = _rated(result.entries)
                _say(f"[{number}/{len(selection.photos)}] {path.name}: {what}, {seconds:.1f} s{rated}")
    if selection.skipped and not quiet:
        more = f" and {len(selection.skipped) - 5} more" if len(selection.skipped) > 5 else ""
        _say(f"Left out, no photo by its ending: {', '.join(file.name for file in selection.skipped[:5])}{more}")
    for path, other in selection.same if not quiet else ():
        _say(f"{path} is {other}, which is worked on once.")
    manifest = {
        **provenance.header(job.pipeline.checkpoint),
        "device": job.pipeline.device,
        "settings": asdict(job.settings),
        "weights": asdict(job.weights),
        "fill": job.fill,
        "unsure": job.unsure,
        **({"edits": edits.plain(job.edits.edits)} if job.edits else {}),
        "photos": done,
        "failed": failed,
        "skipped": [file.name for file in selection.skipped],
        **({"same": {str(path): str(other) for path, other in selection.same}} if selection.same else {}),
    }
    try:
        files.write(job.out / "instances.json", files.as_json(results))
        with files.writing(job.out / "coco.json") as part, part.open("wb") as stream:
            numbers = {record["image_id"]: number for number, record in enumerate(done, 1)}
            coco_dataset.write(
                stream,
                job.pipeline.classes,
                coco_dataset.image_rows(done),
                coco_dataset.annotation_rows(results, numbers),
            )
        files.write(job.out / "manifest.json", files.as_json(manifest))
        if not (job.out / "job.json").exists():  # somebody emptied the folder meanwhile
            files.write(job.out / "job.json", about)
    except WsisError as error:
        _say(f"Error: {error}", sys.stderr)
        return len(failed) + 1
    _tidy(job, selection.photos, {record["image_id"] for record in done})
    if not quiet:
        _say(f"Done: {len(done)}, failed: {len(failed)}, instances: {len(results)}, {job.out / 'instances.json'}")
    return len(failed)


def _say(words: str, stream: TextIO | None = None) -> None:
    print(names.printable(words), file=stream, flush=True)


def _tidy(job: Job, photos: Iterable[str], done: Container[str]) -> None:
    """Delete pictures of an earlier run that the lists do not agree with: this one failed there, or made none."""
    for name in photos:
        for kind, ending in result_folders.PICTURES.items():
            is_new = name in done and (job.overlays or kind in ("semantic", "instance"))
            if not is_new:
                with suppress(OSError):
                    (job.out / kind / names.path(f"{name}.{ending}")).unlink()


def _written(job: Job, stem: str, path: Path) -> Outcome:
    """`outcome`, its files in place."""
    result = outcome(job, stem, path)
    try:
        for name, content in result.files.items():
            files.write(job.out / names.path(name), content)
    except (WsisError, ValueError) as error:
        return Outcome(reason=str(error))
    return replace(result, files={})  # a folder may be large
