"""*Save as model*: the session's heads as a checkpoint folder among the server's taught models."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
from pathlib import Path

import numpy as np

from wsis.errors import WsisError
from wsis.explorer.models import Models
from wsis.explorer.tabs.teach.lesson import Lesson
from wsis.teaching import asking, card, export, figures
from wsis.teaching.head import FOLDS, SEED, fit
from wsis.teaching.review import FEWEST
from wsis.teaching.session import State, as_csv

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}")
LABELS = "labels.csv"


def ready(state: State) -> tuple[list[str], list[str]]:
    """Classes that can be saved, and those that were begun but have too few answers yet."""
    enough: list[str] = []
    waiting: list[str] = []
    for name in state.classes:
        known = list(state.known(name, held_out=False).values())
        fits = min(sum(known), len(known) - sum(known)) >= FEWEST
        (enough if fits else waiting).append(name)
    return enough, waiting


def save(lesson: Lesson, name: str, models: Models, *, keep: bool) -> str:
    """Write the model; it is whole in the folder of taught models or not there.

    Args:
        lesson: with a base, and every answered photo looked at.
        name: of the folder.
        models: of the server; one of this name is replaced only where this session saved it.
        keep: whether the base's own classes stay.

    Returns:
        The name.

    Raises:
        WsisError: the name cannot be a folder's or is taken, too little was answered, or nothing can be written.
    """
    name, state = name.strip(), lesson.session.state()
    assert models.folder is not None, "checked by the event"
    assert lesson.cache is not None, "checked by the event"
    if not NAME.fullmatch(name) or name.endswith("."):
        raise WsisError("Give the model a name of letters, digits, spaces, dots and dashes, such as: my-parts.")
    own = lesson.session.note("saved") or []
    if name not in own and (name in models.known() or (models.folder / name).exists()):
        raise WsisError(f"There is a model '{name}' already. Choose another name.")
    classes, _ = ready(state)
    if not classes:
        raise WsisError(f"Too little to save: a class needs at least {FEWEST} yes and {FEWEST} no that are taught.")
    photos = [photo for photo in state.photos if photo in lesson.cells]
    target, weight = np.zeros((2, len(photos), len(classes)), np.float32)
    for column, class_ in enumerate(classes):
        known = state.known(class_, held_out=False)
        for row, photo in enumerate(photos):
            target[row, column], weight[row, column] = known.get(photo, False), photo in known
    rows = (weight > 0).any(1)
    answered = {photo for class_ in classes for photo in state.known(class_)}
    if not rows.any() or answered & set(lesson.left(state)):
        raise WsisError("The photos are still being looked at. Save again in a moment.")
    place = models.folder / name
    cells = np.stack([lesson.cells[photo] for photo in np.array(photos)[rows]])
    fitted, base = fit(cells, target[rows], weight[rows], classes), lesson.cache.base
    numbers = figures.summary(fitted.held_out, target[rows], weight[rows], classes)
    about = {
        "base": Path(base.name).name,
        "kept": len(set(base.head.classes) - set(classes)) if keep else 0,
        "photos": int(rows.sum()),
        "folds": FOLDS,
        "seed": SEED,
        "command": shlex.join(
            [
                *("python", "-m", "wsis", "teach", "PHOTOS", "--labels", str(place / LABELS), "--out", str(place)),
                *("--base", base.name, "--keep" if keep else "--no-keep"),
            ]
        ),
        "stages": "on the page, a head on the frozen backbone of",
    }
    aside = {class_: _aside(lesson, state, class_) for class_ in classes}
    text = card.text(place, about, numbers, [*_understood(state, classes), *aside.values()])
    head = base.head + fitted.head if keep else fitted.head
    thresholds = {class_: one["threshold"] for class_, one in numbers["classes"].items()}
    metrics = {"held_out": numbers, export.TAUGHT: {**about, "thresholds": thresholds, "kept_aside": aside}}
    hidden = models.folder / f".{secrets.token_hex(8)}"  # a name that begins with a dot is not looked at
    try:
        export.save(hidden, base, head, card=text, metrics=metrics)
        (hidden / LABELS).write_text(as_csv(state), encoding="utf-8")
        _replace(hidden, place)
    except OSError as error:
        raise WsisError(f"The model cannot be written: {error.strerror or error}. Answers are kept.") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    lesson.session.note("saved", sorted({*own, name}))
    lesson.session.note("saved_at", state.answers)
    return name


def _replace(new: Path, place: Path) -> None:
    """Put a folder in another one's place."""
    old = new.with_name(f"{new.name}-old")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _understood(state: State, classes: list[str]) -> list[str]:
    """What was answered, a line a class."""
    lines = [
        f"Answered on the page: {len(state.photos):,} photos, {len(classes)} of {len(state.classes)} classes ready."
    ]
    for class_ in classes:
        taught, every = state.known(class_, held_out=False), state.known(class_)
        yes = sum(taught.values())
        lines.append(f"  {class_}: {yes} yes and {len(taught) - yes} no taught, {len(every) - len(taught)} kept aside")
    return lines


def _aside(lesson: Lesson, state: State, class_: str) -> str:
    """How the class does on the answers that were kept aside, which no head of the session saw."""
    held = asking.judged(state.known(class_, held_out=True), lesson.scores.get(class_, {}))
    if not held.photos:
        return f"  {class_}: nothing was kept aside"
    counted, span = asking.verdict(class_, held)
    return f"  {counted} {span} Right about {held.correct} of {held.photos} in all."
