"""What teaching makes of labels before it works: what can be taught, what is left out, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from wsis import image
from wsis.errors import WsisError
from wsis.labels import folders
from wsis.labels.listing import short
from wsis.labels.read import ImageLabels, firsts

FEWEST = 3
"""Photos that show a class, and that lack it, below which it is not taught."""
FEW = 10
"""Photos below which figures of a class say little."""
MOST_PHOTOS = 10_000
"""Photos whose features are held in memory at once: a gigabyte, twice that for a moment."""
SHOWN, LONGEST = 5, 300
"""Of many names or sentences, so many are told, of so many characters at most."""


@dataclass(frozen=True, eq=False)
class Review:
    """Labels that can be taught, and sentences about them and about what cannot.

    Attributes:
        labels: of readable photos and of the classes that are taught.
        lines: what was understood, a line each.
    """

    labels: ImageLabels
    lines: tuple[str, ...]


def reviewed(labels: ImageLabels, background: Path | None = None) -> Review:
    """What of the labels can be taught.

    Args:
        labels: as they were read.
        background: a folder of photos that show none of the classes.

    Raises:
        WsisError: nothing can.
    """
    kind, classes = labels.kind, labels.classes
    if background is not None:
        labels = _with_background(labels, background)
    if len(labels.paths) > MOST_PHOTOS:
        raise WsisError(
            f"These are {len(labels.paths):,} photos; at most {MOST_PHOTOS:,} are taught at once. Take fewer, or "
            "train: python -m train.classifier."
        )
    labels, unreadable = _readable(labels)
    shown, lacking = _counts(labels)
    fits = (shown >= FEWEST) & (lacking >= FEWEST)
    lines = [f"Understood: {kind}, {_many(len(labels.paths), 'photo')}, {_many(len(classes), 'class', 'classes')}."]
    for name, yes, no, fit in zip(classes, shown, lacking, fits, strict=True):
        unknown = len(labels.paths) - yes - no
        more = f", of {unknown} nobody knows" if unknown else ""
        few = " - too few, left out" if yes < FEWEST else "" if fit else " - too few without it, left out"
        few = f" - few: below {FEW} the figures say little" if not few and yes < FEW else few
        lines.append(f"  {short(name)}: {yes} show it, {no} do not{more}{few}")
    known = labels.weight > 0
    none, unknown = int(((labels.target < 0.5) & known).all(1).sum()), int((~known).all(1).sum())
    lines += [f"  none of them: {_many(none, 'photo')}"] if none else []
    lines += [f"  nothing is known of {_many(unknown, 'photo')}"] if unknown else []
    lines += _left_out(labels, unreadable)
    if not fits.any():
        raise WsisError(_hopeless(labels, shown, unreadable))
    return Review(_columns(labels, fits), tuple(lines))


def left(labels: ImageLabels, gone: set[int]) -> tuple[ImageLabels, tuple[str, ...]]:
    """What can still be taught after photos of some rows proved unreadable, and a sentence for each class that cannot.

    Raises:
        WsisError: nothing can.
    """
    rest = without(labels, gone)
    shown, lacking = _counts(rest)
    fits = (shown >= FEWEST) & (lacking >= FEWEST)
    if not fits.any():
        raise WsisError(f"{_many(len(gone), 'photo')} could not be read. {_hopeless(rest, shown, [])}")
    are = "is" if len(gone) == 1 else "are"
    lines = [f"{_many(len(gone), 'photo')} could not be read to the end, and {are} left out."] if gone else []
    lines += [
        f"{short(name)}: {yes} of the others show it, {no} do not - too few, left out"
        for name, yes, no, fit in zip(rest.classes, shown, lacking, fits, strict=True)
        if not fit
    ]
    return _columns(rest, fits), tuple(lines)


def _columns(labels: ImageLabels, kept: np.ndarray) -> ImageLabels:
    """The labels of some of the classes, by a mask of bool."""
    classes = tuple(name for name, fit in zip(labels.classes, kept, strict=True) if fit)
    return replace(labels, target=labels.target[:, kept], weight=labels.weight[:, kept], classes=classes)


def without(labels: ImageLabels, gone: set[int]) -> ImageLabels:
    """The labels of all photos but those of these rows."""
    rows = [row for row in range(len(labels.paths)) if row not in gone]
    return replace(
        labels, paths=tuple(labels.paths[row] for row in rows), target=labels.target[rows], weight=labels.weight[rows]
    )


def _with_background(labels: ImageLabels, folder: Path) -> ImageLabels:
    """The labels and photos that show none of the classes; one that has labels already, or its copy has, keeps them."""
    known = {path.resolve() for path in labels.paths}
    photos = [photo for photo in folders.photos_below(folder) if photo.resolve() not in known]
    first = firsts([*labels.paths, *photos])
    copies = tuple((photo, first[photo]) for photo in photos if first[photo] != photo)
    photos = [photo for photo in photos if first[photo] == photo]
    if not photos:
        raise WsisError(f"The folder of background photos {folder} holds no photo beside those with labels.")
    absent = np.zeros((len(photos), len(labels.classes)), np.float32)
    return replace(
        labels, paths=(*labels.paths, *photos), target=np.concatenate([labels.target, absent]),
        weight=np.concatenate([labels.weight, absent + 1]), doubles=labels.doubles + copies,
    )  # fmt: skip


def _readable(labels: ImageLabels) -> tuple[ImageLabels, list[str]]:
    """The labels of files that begin like photos, and why others do not; what is cut short shows later."""
    gone: dict[int, str] = {}
    for row, path in enumerate(labels.paths):
        try:
            with Image.open(path, formats=image.FORMATS) as opened:
                opened.verify()
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
            try:
                image.read(path)  # it reads more kinds, and says what is wrong
            except WsisError as error:
                gone[row] = str(error)
    return without(labels, set(gone)), list(gone.values())


def _counts(labels: ImageLabels) -> tuple[np.ndarray, np.ndarray]:
    """(C,) photos known to show each class, and to lack it."""
    known = labels.weight > 0
    return ((labels.target >= 0.5) & known).sum(0), ((labels.target < 0.5) & known).sum(0)


def _left_out(labels: ImageLabels, unreadable: list[str]) -> Iterator[str]:
    if unreadable:
        yield f"Left out, {_many(len(unreadable), 'photo')} that cannot be read: {_some(unreadable, ' ')}"
    if labels.missing:
        yield f"Left out, {_many(len(labels.missing), 'photo')} with labels but no file: {_some(labels.missing)}"
    if labels.doubles:
        pairs = [f"{file.name} is {first.name}" for file, first in labels.doubles]
        yield f"Double, {_many(len(pairs), 'photo')} with the content of another, taken once: {_some(pairs)}"
    if labels.contradicting:
        pairs = [f"'{name}' of {photo}" for photo, name in labels.contradicting]
        yield f"Contradicting, {_many(len(pairs), 'label')} both yes and no, taken for unknown: {_some(pairs)}"
    yield from labels.notes


def _hopeless(labels: ImageLabels, shown: np.ndarray, unreadable: list[str]) -> str:
    if not labels.paths:
        return f"None of the {len(unreadable)} photos can be read: {_some(unreadable, ' ')}"
    if shown.max(initial=0) >= FEWEST:
        name = short(labels.classes[int(shown.argmax())])
        return (
            f"All photos show '{name}', or nobody knows which do not. A head needs at least {FEWEST} photos without "
            "it: give some with --background FOLDER, or a second class."
        )
    most = f"at most {shown.max()} a class" if len(shown) else "none of any class"
    return f"There are too few photos to teach from, {most}; at least {FEWEST} must show a class, better 20."


def _some(parts: list[str] | tuple[str, ...], sign: str = ", ") -> str:
    more = f"{sign}and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return sign.join(short(part, LONGEST) for part in parts[:SHOWN]) + more


def _many(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
