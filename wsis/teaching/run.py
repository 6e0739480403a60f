"""What `python -m wsis teach` does once its options are understood: photos and labels in, a checkpoint folder out."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wsis import devices, files, names
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.labels.listing import short
from wsis.labels.read import ImageLabels, read
from wsis.teaching import card, deep, export, figures
from wsis.teaching.features import DEFAULT, Base, Cache, load_base
from wsis.teaching.head import FOLDS, SEED, Fit, fit
from wsis.teaching.review import left, reviewed

EVERY = 25
"""Photos between two lines of progress."""


@dataclass(frozen=True)
class Lesson:
    """What is taught.

    Attributes:
        photos: folder of photos.
        out: folder that the model goes to.
        labels: see `wsis.labels.read.read`.
        base: checkpoint whose frozen backbone is taught on.
        keep: whether the base's own classes stay; None keeps them where they can: those of `imagenet-lite`, which are
            scored together, cannot.
        background: folder of photos that show none of the classes.
        device: where the backbone computes.
        cache: folder of features; None is the usual one.
        deep: whether the last level of the backbone is trained on too, see `wsis.teaching.deep`.
    """

    photos: Path
    out: Path
    labels: Path | None = None
    base: str = DEFAULT
    keep: bool | None = None
    background: Path | None = None
    device: str = "cpu"
    cache: Path | None = None
    deep: bool = False


def teach(lesson: Lesson, say: Callable[[str], None]) -> ImageLabels:
    """Read labels, look at the photos, fit a head, and write the folder with its card.

    Args:
        lesson: what is taught.
        say: takes lines for people: what was understood, before any work; how far it is; how good it became.

    Returns:
        The labels that were taught.

    Raises:
        WsisError: the labels cannot be understood or taught, or the folder cannot be written to.
    """
    start = time.perf_counter()
    export.check(lesson.out)
    if lesson.deep:
        deep.check()
    found = reviewed(read(lesson.photos, lesson.labels), lesson.background)
    for line in found.lines:
        say(line)
    base = load_base(lesson.base, device=lesson.device)
    keep = type(base.classifier) is Classifier if lesson.keep is None else lesson.keep
    if lesson.deep and keep:
        raise WsisError("--deep changes the backbone, which the base's own classes need as it is: add --no-keep.")
    if again := set(found.labels.classes) & set(base.head.classes) if keep else set():
        say(f"{lesson.base} knows {', '.join(sorted(again))} already: taught anew, in the old place.")
    cells, gone = look(base, found.labels.paths, lesson.cache, say)
    labels, lost = left(found.labels, gone)
    for line in lost:
        say(line)
    fitted = fit(cells, labels.target, labels.weight, labels.classes)
    understood = [*found.lines, *lost]
    if lesson.deep:
        return _deep(lesson, base, labels, fitted, understood, say)
    _save(lesson, base, labels, fitted, keep, understood)
    for line in _told(lesson, labels, fitted.held_out):
        say(line)
    say(f"This took {time.perf_counter() - start:.0f} s.")
    return labels


def look(
    base: Base, photos: Sequence[Path], folder: Path | None, say: Callable[[str], None]
) -> tuple[np.ndarray, set[int]]:
    """Features of photos, several at a time, each from the disk where it was looked at before.

    Args:
        base: what looks.
        photos: N files.
        folder: of the features on disk, see `Cache`.
        say: takes lines of progress, and why a photo cannot be read.

    Returns:
        (M, P, D) float16 cells of the M readable ones, and the rows of the others.

    Raises:
        WsisError: none can be read.
    """
    cache, cells, gone = Cache(base, folder), list[np.ndarray](), set[int]()
    start = time.perf_counter()
    with devices.several(None, len(photos)) as pool:
        for row, answer in enumerate(pool.map(partial(_cells, cache), photos)):
            if isinstance(answer, str):
                say(answer)
                gone.add(row)
            else:
                cells.append(answer)
            if (row + 1) % EVERY == 0 or row + 1 == len(photos):
                left = (time.perf_counter() - start) / (row + 1) * (len(photos) - row - 1)
                say(f"[{row + 1}/{len(photos)}] photos looked at" + (f", about {left:.0f} s left" if left > 2 else ""))
    cache.tidy()
    if not cells:
        raise WsisError("None of the photos can be read.")
    return np.stack(cells), gone


def command(lesson: Lesson) -> str:
    """The command that teaches this again."""
    words = ["python", "-m", "wsis", "teach", str(lesson.photos), "--out", str(lesson.out)]
    for option in ("labels", "background"):
        if (value := getattr(lesson, option)) is not None:
            words += [f"--{option}", str(value)]
    words += ["--base", lesson.base] * (lesson.base != DEFAULT)
    words += ["--deep"] * lesson.deep
    words += [] if lesson.keep is None else ["--keep" if lesson.keep else "--no-keep"]
    return shlex.join(words)


def _cells(cache: Cache, photo: Path) -> np.ndarray | str:
    try:
        return cache.cells(photo)
    except WsisError as error:
        return str(error)


def _deep(
    lesson: Lesson, base: Base, labels: ImageLabels, fitted: Fit, understood: Sequence[str], say: Callable[[str], None]
) -> ImageLabels:
    """Save the model of the head alone, which is one already, then train on, and say what that was worth."""
    out = deep.held_out(labels)
    judged = deep.only(labels, out)
    _save(lesson, base, labels, fitted, keep=False, understood=understood)
    deep.train(lesson.out, labels, base.fingerprint, lesson.device, say)
    scores = deep.calibrated(lesson.out, labels, lesson.device)
    numbers = figures.summary(scores, judged.target, judged.weight, judged.classes)
    before = figures.summary(fitted.held_out[out], judged.target, judged.weight, judged.classes)["map"]
    about = {
        **_about(lesson, base, labels, keep=False),
        "folds": deep.folds(len(labels.paths)),
        "stages": "the last level and a head, trained from",
        "head_alone": before,
    }
    _write(lesson, about, numbers, understood)
    for line in _told(lesson, judged, scores):
        say(line)
    say(f"mAP on the {len(judged.paths)} held-out photos {numbers['map']:.2f}, of the head alone {before:.2f}.")
    return labels


def _about(lesson: Lesson, base: Base, labels: ImageLabels, *, keep: bool) -> dict[str, Any]:
    return {
        "base": lesson.base,
        "kept": len(set(base.classifier.classes) - set(labels.classes)) if keep else 0,
        "photos": len(labels.paths),
        "folds": FOLDS,
        "seed": SEED,
        "command": command(lesson),
    }


def _write(lesson: Lesson, about: dict[str, Any], numbers: dict[str, Any], understood: Sequence[str]) -> None:
    """Card and figures into a folder that is a model already."""
    thresholds = {name: one["threshold"] for name, one in numbers["classes"].items()}
    kept = json.loads((lesson.out / "metrics.json").read_text(encoding="utf-8"))[export.TAUGHT]
    content = {"held_out": numbers, export.TAUGHT: {**kept, **about, "thresholds": thresholds}}
    files.write(lesson.out / "metrics.json", files.as_json(content))
    files.write(lesson.out / "README.md", card.text(lesson.out, about, numbers, understood))


def _save(lesson: Lesson, base: Base, labels: ImageLabels, fitted: Fit, keep: bool, understood: Sequence[str]) -> None:
    numbers = figures.summary(fitted.held_out, labels.target, labels.weight, labels.classes)
    head = base.head + fitted.head if keep else fitted.head
    about = {**_about(lesson, base, labels, keep=keep), "stages": "a head on the frozen backbone of"}
    export.save(lesson.out, base, head, card="", metrics={"held_out": numbers})
    _write(lesson, about, numbers, understood)


def _told(lesson: Lesson, labels: ImageLabels, scores: np.ndarray) -> Iterator[str]:
    for i, name in enumerate(labels.classes):
        one = figures.of_class(scores[:, i], labels.target[:, i], labels.weight[:, i])
        chance = one.shown / (one.shown + one.lacking)
        yield (
            f"  {short(name)}: on held-out photos AP {one.ap:.2f} (chance {chance:.2f}); from {one.threshold:.2f} on, "
            f"{one.precision:.0%} of its yes are right and {one.recall:.0%} of the photos found"
        )
    yield f"Taught: {lesson.out}, with its card in README.md. Next:"
    yield f"  python -m wsis segment PHOTOS --model {shlex.quote(str(lesson.out))} --out results"
    yield f'  make app ARGS="--model {lesson.out}"'


def to_stdout(line: str) -> None:
    """Print a line, whatever is in its names."""
    print(names.printable(line), flush=True, file=sys.stdout)
