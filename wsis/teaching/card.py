"""The card of a taught model: what it learned from, how good it is on held-out photos, and how to use it."""

from __future__ import annotations

import html
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsis.labels.listing import short
from wsis.teaching.figures import THRESHOLD
from wsis.teaching.review import FEW


def text(folder: Path, about: Mapping[str, Any], figures: Mapping[str, Any], understood: Sequence[str]) -> str:
    """`README.md` of a taught folder.

    Args:
        folder: where the model lies.
        about: `base`, `kept` (classes of the base that stayed), `photos`, `folds`, `seed`, `command`, and `stages`:
            how it was taught, in words.
        figures: see `wsis.teaching.figures.summary`.
        understood: lines of `wsis.teaching.review.Review`.
    """
    classes = figures["classes"]
    kept = f" Its own {about['kept']} classes stayed as they were." if about["kept"] else ""
    lines = [
        f"# {folder.name}",
        "",
        f"{_and([*map(_cell, classes)])}, taught from image-level labels of {about['photos']} photos: "
        f"{about['stages']} `{about['base']}`.{kept} No mask and no box was looked at.",
        "",
        "```sh",
        about["command"],
        "```",
        "",
        "## What it learned from",
        "",
        "```",
        *understood,
        "```",
        "",
        "## Held-out figures",
        "",
        _held_out(about),
        "",
        f"Mean average precision {_number(figures['map'])}. `yes from` is the probability from which on a yes was most "
        f"often right and complete (best F1); a class is looked for from {_number(THRESHOLD)} on, which `--threshold` "
        "changes.",
        "",
        "| class | show it | do not | AP | yes from | then right | then found | "
        f"right from {_number(THRESHOLD)} | found |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one, row in classes.items():
        numbers = [
            row[key] for key in ("ap", "threshold", "precision", "recall", "precision_default", "recall_default")
        ]
        lines.append(f"| {_cell(one)} | {row['shown']} | {row['lacking']} | {' | '.join(map(_number, numbers))} |")
    few = [one for one, row in classes.items() if min(row["shown"], row["lacking"]) < FEW]
    if few:
        lines += [
            "",
            f"Fewer than {FEW} photos show, or lack, {_and([*map(_cell, few)])}: these figures say little. Give more.",
        ]
    names = figures["confusion_names"]
    lines += [
        "",
        "## What was taken for what",
        "",
        "Photos that show one class or none, by the class that a head which had not seen them found likeliest.",
        "",
        f"| shown | {' | '.join(map(_cell, names))} |",
        f"|---{'|---' * len(names)}|",
    ]
    lines += [
        f"| {_cell(one)} | {' | '.join(map(str, row))} |"
        for one, row in zip(names, figures["confusion"], strict=True)
        if any(row)
    ]
    lines += [
        "",
        "## Use",
        "",
        "```sh",
        f"python -m wsis segment PHOTOS --model {shlex.quote(str(folder))} --out results",
        f'make app ARGS="--model {folder}"',
        "```",
        "",
        "Contours, proposals, objectness and enhancers know no class: they are the embedded model's.",
        "",
    ]
    return "\n".join(lines)


def _held_out(about: Mapping[str, Any]) -> str:
    """What was held out: each part of the photos in turn, or one part of them from a training, which takes long."""
    if "head_alone" not in about:
        return (
            f"Every photo was held out once: {about['folds']} heads were each fitted without a part of them (dealt "
            f"out by class, seed {about['seed']}) and judged on it. The head in this folder was then fitted on all of "
            "them and should be a little better. Probabilities are calibrated on the same held-out photos."
        )
    return (
        f"One photo in {about['folds']} (dealt out by class, seed {about['seed']}) was held out for good: the model in "
        "this folder has not seen it. The head alone, on the frozen backbone, has a mean average precision of "
        f"{_number(about['head_alone'])} there. Probabilities are calibrated on these photos."
    )


def _number(value: float) -> str:
    """Three decimals without a leading zero, as everywhere in this project."""
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.0f}"


def _cell(name: str) -> str:
    """A name that Markdown takes for nothing else."""
    return html.escape(short(name), quote=False).replace("|", "\\|")


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
