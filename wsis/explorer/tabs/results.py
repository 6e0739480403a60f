"""The Results tab: what was measured of a checkpoint, beside the tables of the paper where it knows VOC's classes.

`wsis.paper` says which of our rows (`results.json`, by `python -m train.ablate`) answers which row of the paper; the
rows of `metrics.json` (by `python -m train.evaluate`) stand folded below, and what `python -m wsis teach` held out in
tables. How it looks is in `templates/results.html`.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from wsis import paper, results
from wsis.explorer import markup, words
from wsis.provenance import Described
from wsis.results import NAMES, SEPARATION, Figure, Measured, Results

CONFUSED = 25
"""Names up to which a table of what is taken for what can be read."""
KEYS = ("enhancer", "steps", "preset", "fill")
SHOWN = (
    paper.LATER,
    "icn-saliency, T = 3, with agreement and objectness",
    "icn-saliency, T = 3",
)
BASE = "class map"
"""Rows that bars show first if they are there, the explorer's own settings and what was before, as both files call
them, and what they are compared with."""
CHART = (("3", "map50"), ("2", "miou"))
"""Tables and their figures that the chart draws."""
ORDER = ("3", "1", "2", "4")
"""The paper's tables as they stand below each other; what each part of the second is worth stands behind it."""
TILES = (
    ("classification_map", "Classification mAP", "how well it says what is in a photo"),
    ("pointing", "Pointing", "class maps whose maximum lies on their class"),
    ("proposals_abo", "Best proposals", "ABO if every instance got the best there is: the ceiling"),
)
"""Figures of the classifier and the proposals, with their names and what they say."""


class Sign(NamedTuple):
    """On which side of our interval the paper's figure lies."""

    kind: str
    mark: str
    told: str


SIGNS = {1: Sign("up", "▲", "above the paper’s"), -1: Sign("down", "▼", "below the paper’s")}


class Shown(NamedTuple):
    """A figure as text: its value, its interval in brackets or nothing, a sign, and whether 0 is within it."""

    value: str
    interval: str
    sign: Sign | None = None
    within_noise: bool = False


class Cell(NamedTuple):
    """A cell of a table that headings sort: what it is sorted by, and its text or figure; names are set apart."""

    value: str
    text: str = ""
    figure: Shown | None = None
    name: bool = False


def html(checkpoint: Described) -> Markup:
    """The whole tab.

    Args:
        checkpoint: what is loaded; its `card` holds `results` and `metrics`, the content of the files, or empty.
    """
    measured = results.read(checkpoint.card.get("results"))
    metrics = checkpoint.card.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    rows = [row for row in metrics.get("rows") or [] if {*KEYS, *NAMES} <= row.keys()]
    if measured:
        by_class: list[tuple[str, Mapping[str, float]]] = [(_titled(row), row.ap50_by_class) for row in measured.rows]
    else:
        by_class = [(_told(row), row.get("ap50_by_class") or {}) for row in rows]
    held_out = _held_out(metrics.get("held_out"))
    classes = _options(checkpoint).get("classes") or ()
    of_paper = measured is not None or not classes or paper.of_classes(classes)
    return markup.render(
        "results.html",
        lead=_lead(measured) if measured else None,
        empty=_empty(checkpoint) if of_paper else None,
        own=None if of_paper else _own(checkpoint, metrics, rows),
        held_out=held_out,
        beside=_beside(measured) if of_paper else None,
        differences=_differences(checkpoint) if measured else None,
        apart=_apart(measured) if measured else None,
        tiles=_tiles(metrics) if rows else None,
        bars=_bars(by_class),
        every_row=[*([_measured(measured)] if measured else []), *([_evaluated(rows)] if rows else [])],
    )


def percent(share: float) -> float:
    """A share in [0, 1] as a percentage with one decimal."""
    return round(100 * share, 1)


def _lead(measured: Results) -> dict[str, Any]:
    """One sentence and one picture."""
    return {
        "sentence": paper.sentence(measured),
        "panels": _chart(measured),
        "photos": f"{measured.photos:,}",
        "instances": f"{measured.instances:,}",
        "resamples": f"{measured.resamples:,}",
    }


def _chart(measured: Results) -> list[dict[str, Any]]:
    """Bars with intervals: the paper, as published and ours, of the rows that both tables of `CHART` answer."""
    tables = [paper.tables()[number] for number, _ in CHART]
    names = [row.name for row in tables[0].rows if all(row.name in (other.name for other in t.rows) for t in tables)]
    panels: list[tuple[str, list[tuple[str, dict[str, Figure]]]]] = []
    for table, (_, key) in zip(tables, CHART, strict=True):
        groups = []
        for row in map(table.row, names):
            for answer in paper.answers(table, row, measured)[:1]:
                answers = {paper.PUBLISHED: answer.published, "with ours": answer.ours}
                figures = {kind: ours.figures[key] for kind, ours in answers.items() if ours}
                groups.append((row.name, {"paper": Figure(row.values[key]), **figures}))
        panels.append((NAMES[key], groups))
    ends = [figure.high or figure.value for _, groups in panels for _, bars in groups for figure in bars.values()]
    if not ends:
        return []
    top = 10 * math.ceil(max(ends) / 10)
    return [
        {
            "name": name,
            "groups": [(row, [_chart_bar(kind, figure, top) for kind, figure in bars.items()]) for row, bars in groups],
        }
        for name, groups in panels
    ]


def _chart_bar(kind: str, figure: Figure, top: float) -> dict[str, Any]:
    """A bar with the line of its interval, in percent of the longest, and the numbers."""
    line = None
    if figure.low is not None and figure.high is not None:
        line = f"{100 * figure.low / top:.2f}", f"{100 * (figure.high - figure.low) / top:.2f}"
    return {"kind": kind, "width": f"{100 * figure.value / top:.2f}", "line": line, "shown": _shown(figure)}


def _beside(measured: Results | None) -> dict[str, Any]:
    """The paper's tables with our figures in columns beside theirs."""
    said = "As printed, in percent. Figures of your own would stand beside the row that they answer to."
    if measured:
        said = (
            "Published: the paper’s method and nothing of ours. Ours: with what we added. ▲ ▼: the paper’s figure lies "
            f"outside our interval; without a sign it lies within or there is no interval. {results.LEARNED_FROM}"
        )
    return {
        "said": said,
        "tables": [_paper_table(paper.tables()[number], measured) for number in ORDER],
        "worth": _worth(measured) if measured else None,
        "source": paper.source(),
    }


def _paper_table(table: paper.Table, measured: Results | None) -> dict[str, Any]:
    """A table of the paper; by each figure's column those of our rows."""
    wide = len(table.figures) > 1
    kinds = ["paper", "published", "ours"] if wide else ["paper", paper.PUBLISHED, table.ours]
    return {
        "number": table.number,
        "title": f"{table.title} · ours: {table.ours}" if measured and wide else table.title,
        "wide": wide,
        "figures": [NAMES[figure] for figure in table.figures],
        "kinds": kinds if measured else [],
        "rows": [line for row in table.rows for line in _paper_rows(table, row, measured)],
        "after": words.minus(paper.steps(measured)) if measured and table.number == "4" else None,
    }


def _paper_rows(table: paper.Table, row: paper.Printed, measured: Results | None) -> list[dict[str, Any]]:
    """A row of the paper with its first answer, and a row for every other answer."""
    printed = [words.short(row.values[figure], 1) for figure in table.figures]
    if measured is None:
        return [{"name": row.name, "printed_alone": printed}]
    answers: list[paper.Answer | None] = [*paper.answers(table, row, measured)] or [None]
    lines = []
    for place, answer in enumerate(answers):
        sides = (answer.published, answer.ours) if answer else (None, None)
        shown = [
            [_shown(side.figures[figure], row.values[figure]) if side else None for side in sides]
            for figure in table.figures
        ]
        first = place == 0
        lines.append(
            {
                "printed_alone": None,
                "name": row.name if first else "",
                "answer": answer,
                "cells": list(zip(printed if first else [""] * len(printed), shown, strict=True)),
                "kind": "res-none" if answer is None else "res-above" if place + 1 < len(answers) else "res-last",
            }
        )
    return lines


def _shown(figure: Figure, beside: float | None = None) -> Shown:
    """A figure with its interval, and a sign where the paper's lies outside of it."""
    side = 0 if beside is None else figure.compare(beside)
    value, _, interval = figure.text().partition(" ")
    return Shown(value.removeprefix("0"), interval, SIGNS[side] if side else None)


def _worth(measured: Results) -> dict[str, Any]:
    """What each part is worth, with intervals."""
    return {
        "kinds": ("paper", paper.PUBLISHED, paper.tables()["1"].ours),
        "rows": [
            {
                "part": worth.part,
                "label": worth.label,
                "paper": words.minus(f"{worth.paper:+.1f}"),
                "published": _gain(worth.published),
                "ours": _gain(worth.ours),
            }
            for worth in paper.worth(measured)
        ],
    }


def _gain(figure: Figure | None) -> Shown | None:
    if figure is None:
        return None
    value, _, interval = words.minus(figure.text("+")).partition(" ")
    return Shown(value, interval, within_noise=not figure.compare(0))


def _empty(checkpoint: Described) -> dict[str, Any]:
    """Why there are no figures, and how to make them."""
    name = "checkpoints/mine" if checkpoint.folder is None else checkpoint.name
    folder = shlex.quote(name if "/" in name or "\\" in name else f"checkpoints/{name}")
    voc, model = "--voc VOCdevkit/VOC2012 --split val", f"--model {shlex.quote(name)}"
    command = (
        f"python -m train.ablate {voc} {model} --out {folder}\n"
        f"python -m train.evaluate {voc} {model} --json {folder}/metrics.json\npython app.py {model}"
    )
    return {"name": checkpoint.name, "has_folder": checkpoint.folder is not None, "command": command}


def _own(checkpoint: Described, metrics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of the masks of a model of one's own classes, and how to measure them."""
    model = shlex.quote(checkpoint.name)
    file = shlex.quote(f"{checkpoint.folder}/metrics.json")
    counts = [f"{metrics[key]:,} {key}" for key in ("photos", "instances") if isinstance(metrics.get(key), int)]
    return {
        "name": checkpoint.name,
        "measured": bool(rows),
        "on": ", ".join(counts),
        "command": f"python -m train.evaluate --coco annotations.json --photos photos --model {model} --json {file}",
    }


def _held_out(figures: Any) -> dict[str, Any] | None:
    """What `wsis.teaching.figures.summary` says of a taught model; None of anything else."""
    try:
        names, table = [str(name) for name in figures["confusion_names"]], figures["confusion"]
        rows = [
            (
                str(name),
                [f"{int(one[key]):,}" for key in ("shown", "lacking")]
                + [words.unit(float(one[key])) for key in ("ap", "threshold", "precision", "recall")],
            )
            for name, one in figures["classes"].items()
        ]
        taken = [(name, [int(count) for count in row]) for name, row in zip(names, table, strict=True)]
        mean = words.unit(float(figures["map"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    few = len(names) <= CONFUSED and all(len(row) == len(names) for _, row in taken)
    return {"map": mean, "rows": rows, "names": names, "taken": taken if few else None}


def _options(checkpoint: Described) -> Mapping[str, Any]:
    """What the classifier is built of; empty where that is not known."""
    return checkpoint.card.get("modules", {}).get("classifier", {}).get("options", {})


def _differences(checkpoint: Described) -> tuple[tuple[str, str, str], ...]:
    """What is not the same on the two sides of the comparison: of what, in the paper, here."""
    options = _options(checkpoint)
    return (
        ("photos and masks", "PASCAL VOC 2012, official masks", "a part of them, masks rebuilt"),
        ("backbone", "VGG-16 in the ICN", str(options.get("backbone", "see the model's card"))),
        ("map that an ICN grows", "peak response (Eq. 2)", "the class map itself; “response (Eq. 2)” rows take Eq. 2"),
        ("proposals", "MCG", "built-in: contours, superpixels, trees; at most 3,000"),
        ("Eq. 5", "as printed, its scale left open", "our reading: precision, contour coverage, recall"),
        ("agreement", "–", "ours: maps held back where superpixels or another class disagree"),
        ("objectness", "–", "ours: Eq. 5 and scores count how likely a proposal is one whole object"),
        ("masks that Ours-saliency learned from", "1,000 photos of salient instances", "see the model's card"),
    )  # fmt: skip


def _apart(measured: Results) -> dict[str, Any] | None:
    """Whether instances are told apart from others of their class, before the ICN and after, where it was measured."""
    chosen = [row for row in measured.rows if row.name in (BASE, *SHOWN) and SEPARATION.keys() <= row.figures.keys()]
    if not chosen:
        return None
    return {
        "said": f"{results.TOLD_APART} {results.MERGED}",
        "head": SEPARATION.values(),
        "rows": [(_titled(row), [_shown(row.figures[key]) for key in SEPARATION]) for row in chosen],
    }


def _tiles(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Three figures of the classifier and the proposals: name, value, what it says."""
    return [(name, words.short(percent(metrics[key]), 1), said) for key, name, said in TILES if key in metrics]


def _bars(choices: Iterable[tuple[str, Mapping[str, float]]]) -> dict[str, Any] | None:
    """AP at IoU .5 of every class for one row, a list to choose the row from, and the class map alone as a mark."""
    choices = [(title, by_class) for title, by_class in choices if by_class]
    if not choices:
        return None
    titles = [title for title, _ in choices]
    names = list(dict.fromkeys(name for _, by_class in choices for name in by_class))
    shares = [[percent(by_class[n]) if n in by_class else None for n in names] for _, by_class in choices]
    base = shares[titles.index(BASE)] if BASE in titles else [None] * len(names)
    chosen = next((titles.index(title) for title in SHOWN if title in titles), len(choices) - 1)
    order = sorted(range(len(names)), key=lambda i: -(shares[chosen][i] or 0))
    return {
        "titles": titles,
        "chosen": chosen,
        "rows": [_bar(names[i], i, shares[chosen][i], base[i]) for i in order],
        "data": json.dumps({"rows": shares, "base": base}, separators=(",", ":")),
    }


def _bar(name: str, index: int, value: float | None, base: float | None) -> dict[str, Any]:
    change = None if value is None or base is None else round(value - base, 1)
    return {"name": name, "index": index, "value": value, "base": base, "change": change}


def _titled(row: Measured) -> str:
    """A row's name, and up to how many masks offers fill a photo, if they do."""
    return f"{row.name}, filled to {row.fill}" if row.fill else row.name


def _told(row: Mapping[str, Any]) -> str:
    """A row of `metrics.json` in words: icn-saliency, T = 3, prm-2018."""
    steps = f", T = {row['steps']}" if row.get("steps") else ""
    preset = "" if row["preset"] == "paper" else f", {row['preset']}"
    several = f", filled to {row['fill']}" if row.get("fill") else ""
    return f"{BASE if row['enhancer'] == 'none' else row['enhancer']}{steps}{preset}{several}"


def _measured(measured: Results) -> dict[str, Any]:
    """Every row of `results.json`, folded; headings sort."""
    titles = results.titles(row.figures for row in measured.rows)
    rows = [
        [
            _name(row.name),
            _number(row.fill, str(row.fill)),
            *(Cell(str(row.figures[key].value), figure=_shown(row.figures[key])) for key in titles),
            _number(row.masks_per_photo, f"{row.masks_per_photo:.1f}"),
            _name(row.learned_from),
        ]
        for row in measured.rows
    ]
    head = ["row", "filled to", *titles.values(), "masks a photo", "learned from"]
    return {"title": f"All {len(rows)} rows, with intervals", "head": head, "rows": rows}


def _evaluated(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every row of `metrics.json`, folded; headings sort."""
    titles = results.titles(rows)
    masks = all("masks_per_photo" in row for row in rows)
    cells = [
        [
            _name(row["enhancer"]),
            _number(row["steps"], str(row["steps"])),
            _name(row["preset"]),
            _number(row["fill"], str(row["fill"])),
            *(_number(row[key], words.short(percent(row[key]), 1)) for key in titles),
            *([_number(row["masks_per_photo"], f"{row['masks_per_photo']:.1f}")] if masks else []),
        ]
        for row in rows
    ]
    title = f"Presets for study and steps, with agreement and objectness: {len(rows)} rows"
    head = ["enhancer", "T", "preset", "filled to", *titles.values(), *(["masks a photo"] if masks else [])]
    return {"title": title, "head": head, "rows": cells}


def _name(name: Any) -> Cell:
    return Cell(str(name), str(name), name=True)


def _number(value: Any, text: str) -> Cell:
    return Cell(str(value), text)
