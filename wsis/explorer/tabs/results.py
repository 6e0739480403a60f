"""The Results tab: a checkpoint's own figures beside the tables of the paper.

`paper.json` holds the paper's Tables 1 to 4 in percent. A row that has a counterpart names it under `ours`: together
with its column it says which row and figure of `metrics.json`, one proposal a peak, stands opposite.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from wsis.checkpoints import Checkpoint
from wsis.explorer import words

HERE = Path(__file__).parent
FULL = ("Ours-proposal", "Ours-saliency")
"""The paper's own rows of Tables 2 and 3."""
KEYS = ("enhancer", "steps", "preset", "per_peak")
METRICS = {"map25": "mAP .25", "map50": "mAP .5", "map75": "mAP .75", "abo": "ABO", "miou": "mIoU"}
ALONE, SHOWN = ("none", 0, "paper", 1), ("icn-saliency", 3, "paper", 1)
"""The row that bars are compared with, and the one that they show first: the explorer's own settings."""
WIDE_GAP = 5
"""Points of mIoU from which on an ablation that costs more here than in the paper is not the paper's ablation."""


@dataclass(frozen=True)
class Pair:
    """A figure of the paper and ours, both in percent with one decimal; ours is None where it was not measured."""

    method: str
    column: str
    paper: float
    ours: float | None
    enhancer: str = ""

    @property
    def difference(self) -> float | None:
        """Ours less the paper's, of the rounded figures, so that what is shown adds up."""
        return None if self.ours is None else round(self.ours - self.paper, 1)


@cache
def paper() -> dict[str, Any]:
    """The content of `paper.json`."""
    return json.loads((HERE / "paper.json").read_text(encoding="utf-8"))


def pairs(table: str, rows: Iterable[Mapping[str, Any]]) -> list[list[Pair]]:
    """One table of the paper, row by row, with our figures opposite.

    Args:
        table: `1` to `4`.
        rows: the rows of `metrics.json`, shares in [0, 1].
    """
    printed = paper()["tables"][table]
    own = {tuple(row[key] for key in KEYS): row for row in rows}
    result = []
    for line in printed["rows"]:
        cells = []
        for column, value in zip(printed["columns"], line["values"], strict=True):
            wanted = {"per_peak": 1, **column, **line.get("ours", {})}
            row = own.get(tuple(wanted.get(key) for key in KEYS))
            ours = None if row is None else percent(row[wanted["metric"]])
            cells.append(Pair(line["name"], column["name"], value, ours, wanted.get("enhancer", "")))
        result.append(cells)
    return result


def percent(share: float) -> float:
    """A share in [0, 1] as a percentage with one decimal."""
    return round(100 * share, 1)


def signed(points: float) -> str:
    """A difference with its sign: +7.4, −.7, ±0."""
    if not points:
        return "±0"
    return ("+" if points > 0 else "−") + words.short(abs(points), 1)


def findings(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where our figures lie above the paper's, where below, and what parts are worth: (what, sentence), plain text."""
    rows = list(rows)
    full = [pair for table in ("3", "2") for line in pairs(table, rows) for pair in line if pair.method in FULL]
    above = _listed(pair for pair in full if (pair.difference or 0) > 0)
    below = _listed(pair for pair in full if (pair.difference or 0) < 0)
    if not any(pair.ours is not None for pair in full):
        return []
    return [
        ("Above the paper", above or "Nowhere, of the figures that both have."),
        ("Below the paper", below or "Nowhere, of the figures that both have."),
        *([("Parts left out", told)] if (told := _ablations(rows)) else []),
    ]


def html(checkpoint: Checkpoint) -> str:
    """The whole tab.

    Args:
        checkpoint: what is loaded; its `card["metrics"]` is what `python -m train.evaluate --json` wrote, or empty.
    """
    metrics = checkpoint.card.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    rows = [row for row in metrics.get("rows") or [] if {*KEYS, *METRICS} <= row.keys()]
    tables = "".join(_paper_table(number, rows) for number in ("3", "1", "2", "4"))
    beside = (
        "Marked rows are ours, below the row of the paper that they answer to; triangles show the difference in points."
        if rows
        else "As printed, in percent. Figures of your own would stand below the row that they answer to."
    )
    parts = [
        _head(metrics, rows) if rows else _empty(checkpoint),
        f'<section><h3>Beside the paper</h3><p class="res-note">{beside}</p><div class="res-pair">{tables}</div>'
        f'<p class="res-note">Paper: {escape(paper()["source"])}</p></section>',
    ]
    if rows:
        parts += [_differences(checkpoint, metrics), _bars(rows), _all_rows(rows)]
    return f'<article class="res">{"".join(parts)}</article>'


def _listed(chosen: Iterable[Pair]) -> str:
    """Pairs by enhancer: With icn-proposal mAP .25 +4.1, ...; with icn-saliency ..."""
    by_enhancer: dict[str, list[str]] = {}
    for pair in chosen:
        by_enhancer.setdefault(pair.enhancer, []).append(f"{pair.column} {signed(pair.difference or 0)}")
    told = "; ".join(f"with {enhancer} {', '.join(figures)}" for enhancer, figures in by_enhancer.items())
    return f"W{told[1:]}." if told else ""


def _ablations(rows: list[Mapping[str, Any]]) -> str:
    """What mIoU loses in Table 1, there and here."""
    lines = [pair for (pair,) in pairs("1", rows)]
    full = lines[-1]
    told, wide = [], []
    for pair in lines[:-1]:
        if pair.ours is None or full.ours is None:
            continue
        there, here = round(pair.paper - full.paper, 1), round(pair.ours - full.ours, 1)
        told.append(f"{pair.method} {signed(there)} in the paper, {signed(here)} here")
        if here < there - WIDE_GAP:
            wide.append(pair.method)
    if not told:
        return ""
    doubt = f" So wide a gap means that our “{wide[-1]}” is not what the paper measured." if wide else ""
    return f"mIoU less the full model's: {'; '.join(told)}.{doubt}"


def _empty(checkpoint: Checkpoint) -> str:
    """Why there are no figures, and how to make them."""
    if checkpoint.folder is None:
        said = (
            "It is somebody else's classifier, and figures belong to a checkpoint folder. Train and export one "
            "(<code>make train</code>), evaluate it, and start the explorer with it:"
        )
        name = "checkpoints/mine"
    else:
        said = (
            "Its folder holds no <code>metrics.json</code> with rows. Evaluate it on VOC and start the explorer again:"
        )
        name = checkpoint.name
    folder = name if "/" in name or "\\" in name else f"checkpoints/{name}"
    command = (
        f"python -m train.evaluate --voc VOCdevkit/VOC2012 --split val --model {shlex.quote(name)} "
        f"--json {shlex.quote(folder + '/metrics.json')}\npython app.py --model {shlex.quote(name)}"
    )
    return (
        f"<section><h3>No figures for {escape(checkpoint.name)}</h3><p>{said}</p>"
        f'<pre class="res-code" tabindex="0">{escape(command)}</pre></section>'
    )


def _head(metrics: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    """What the figures are, three of the classifier and the proposals, and what to conclude."""
    about = [
        f"{metrics['photos']:,} photos" if "photos" in metrics else "",
        f"{metrics['instances']:,} instances" if "instances" in metrics else "",
        f"masks {metrics.get('masks', 'rebuilt from semantic masks and boxes')}",
        f"seed {metrics['seed']}" if "seed" in metrics else "one seed",
        str(metrics.get("date", "")),
    ]
    command = (
        f'<pre class="res-code" tabindex="0">{escape(str(metrics["command"]))}</pre>' if "command" in metrics else ""
    )
    tiles = "".join(
        f"<div><dt>{name}</dt><dd><b>{words.short(percent(metrics[key]), 1)}</b> {said}</dd></div>"
        for key, name, said in (
            ("classification_map", "Classification mAP", "how well it says what is in a photo"),
            ("pointing", "Pointing", "class maps whose maximum lies on their class"),
            ("proposals_abo", "Best proposals", "ABO if every instance got the best there is: the ceiling"),
        )
        if key in metrics
    )
    says = "".join(f"<li><b>{what}</b>{escape(sentence)}</li>" for what, sentence in findings(rows))
    return (
        f'<section><h3>How good are the masks?</h3><p class="res-note">{escape(" · ".join(filter(None, about)))} '
        f'· all figures in percent</p>{command}<dl class="res-tiles">{tiles}</dl><ul class="res-says">{says}</ul>'
        '<p class="res-note">Photos and masks differ from the paper’s, so its figures are a guide, not a contest.</p>'
        "</section>"
    )


def _paper_table(number: str, rows: list[Mapping[str, Any]]) -> str:
    """A table of the paper with our rows below the ones they answer to."""
    printed = paper()["tables"][number]
    body = []
    for line, source in zip(pairs(number, rows), printed["rows"], strict=True):
        values = "".join(f"<td>{words.short(pair.paper, 1)}</td>" for pair in line)
        answered = any(pair.ours is not None for pair in line)
        above = ' class="res-above"' if answered else ""
        body.append(f'<tr{above}><th scope="row">{escape(line[0].method)}</th>{values}</tr>')
        if answered:
            values = "".join(_own_cell(pair) for pair in line)
            body.append(f'<tr class="res-own"><th scope="row">{escape(_told(source["ours"]))}</th>{values}</tr>')
    head = "".join(f'<th scope="col">{escape(column["name"])}</th>' for column in printed["columns"])
    best = _best_step(pairs(number, rows)) if number == "4" else ""
    size = "res-wide" if len(printed["columns"]) > 1 else ""
    return (
        f'<div class="{size}"><h4>Table {number} <span>{escape(printed["title"])}</span></h4>'
        f'<div class="res-scroll" tabindex="0" role="region" aria-label="Table {number} of the paper and our figures">'
        f'<table><thead><tr><th scope="col">method</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
        f"{best}</div>"
    )


def _own_cell(pair: Pair) -> str:
    if pair.ours is None or pair.difference is None:
        return '<td title="not measured">–</td>'
    return f"<td>{words.short(pair.ours, 1)} {_change(pair.difference)}</td>"


def _change(points: float) -> str:
    """A difference by sign, symbol and colour."""
    kind, symbol = ("up", "▲") if points > 0 else ("down", "▼") if points < 0 else ("even", "=")
    return f'<span class="res-{kind}"><i aria-hidden="true">{symbol}</i>{signed(points)}</span>'


def _told(row: Mapping[str, Any]) -> str:
    """One of our rows in words: icn-saliency, T = 3, prm-2018."""
    steps = f", T = {row['steps']}" if row.get("steps") else ""
    preset = "" if row["preset"] == "paper" else f", {row['preset']}"
    several = f", {row['per_peak']} proposals a peak" if row.get("per_peak", 1) > 1 else ""
    return f"{row['enhancer']}{steps}{preset}{several}".replace("none", "class map alone")


def _best_step(table: list[list[Pair]]) -> str:
    steps = [pair for pair in table[0] if pair.ours is not None]
    if not steps:
        return ""
    there, here = max(table[0], key=lambda pair: pair.paper), max(steps, key=lambda pair: pair.ours or 0)
    return f'<p class="res-note">Best at {there.column} in the paper, at {here.column} here.</p>'


def _differences(checkpoint: Checkpoint, metrics: Mapping[str, Any]) -> str:
    """What is not the same on the two sides of the comparison."""
    options = checkpoint.card.get("modules", {}).get("classifier", {}).get("options", {})
    lines = (
        ("photos and masks", "PASCAL VOC 2012, official masks",
         f"{metrics.get('photos', '?')} photos, masks {metrics.get('masks', 'rebuilt from semantic masks and boxes')}"),
        ("backbone", "VGG-16 in the ICN", str(options.get("backbone", "see the model's card"))),
        ("naive map", "peak response map (Eq. 2)", "the class map itself"),
        ("proposals", "MCG", "built-in: contours, superpixels, trees; at most 3,000"),
        ("Eq. 5", "as printed, its scale left open", "our reading: precision, contour coverage, recall"),
        ("masks that Ours-saliency learned from", "1,000 photos of salient instances", "see the model's card"),
    )  # fmt: skip
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{escape(there)}</td><td>{escape(here)}</td></tr>'
        for what, there, here in lines
    )
    return (
        '<section><h3>What differs</h3><div class="res-scroll res-text" tabindex="0" role="region" '
        'aria-label="What differs from the paper"><table><thead><tr><td></td><th scope="col">paper</th>'
        f'<th scope="col">here</th></tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def _bars(rows: list[Mapping[str, Any]]) -> str:
    """AP at IoU .5 of every class for one row, a list to choose the row from, and the class map alone as a mark."""
    choices = [row for row in rows if row.get("ap50_by_class")]
    if not choices:
        return ""
    names = list(dict.fromkeys(name for row in choices for name in row["ap50_by_class"]))
    shares = [
        [percent(row["ap50_by_class"][n]) if n in row["ap50_by_class"] else None for n in names] for row in choices
    ]
    places = [tuple(row[key] for key in KEYS) for row in choices]
    base = shares[places.index(ALONE)] if ALONE in places else [None] * len(names)
    best = max(range(len(choices)), key=lambda i: choices[i]["map50"])
    chosen = places.index(SHOWN) if SHOWN in places else best
    options = "".join(
        f'<option value="{i}"{" selected" if i == chosen else ""}>{escape(_told(row))}</option>'
        for i, row in enumerate(choices)
    )
    order = sorted(range(len(names)), key=lambda i: -(shares[chosen][i] or 0))
    body = "".join(_bar(names[i], i, shares[chosen][i], base[i]) for i in order)
    data = escape(json.dumps({"rows": shares, "base": base}, separators=(",", ":")))
    return (
        f'<section class="res-bars" data-bars="{data}"><h3>Class by class</h3><p class="res-note">Average precision at '
        "IoU .5; the paper’s Fig. 5 shows the same at three thresholds. The mark is the class map alone.</p>"
        f'<label>Row <select>{options}</select></label><table><thead><tr><th scope="col">class</th>'
        '<td aria-hidden="true"></td><th scope="col">this row</th><th scope="col">class map</th>'
        f'<th scope="col">difference</th></tr></thead><tbody>{body}</tbody></table></section>'
    )


def _bar(name: str, index: int, value: float | None, base: float | None) -> str:
    mark = "" if base is None else f'<u style="left:{base}%"></u>'
    change = "–" if value is None or base is None else _change(round(value - base, 1))
    shown = ["–" if share is None else words.short(share, 1) for share in (value, base)]
    return (
        f'<tr data-class="{index}"><th scope="row">{escape(name)}</th><td class="res-track" aria-hidden="true"><span>'
        f'<i style="width:{value or 0}%"></i>{mark}</span></td><td>{shown[0]}</td><td>{shown[1]}</td>'
        f"<td>{change}</td></tr>"
    )


def _all_rows(rows: list[Mapping[str, Any]]) -> str:
    """Every row of `metrics.json`, folded; headings sort."""
    head = {"enhancer": "enhancer", "steps": "T", "preset": "preset", "per_peak": "proposals a peak", **METRICS}
    if all("masks_per_photo" in row for row in rows):
        head["masks_per_photo"] = "masks a photo"
    top = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" data-sort="{i}">{escape(name)}</button></th>'
        for i, name in enumerate(head.values())
    )
    body = "".join(f"<tr>{''.join(_cell(key, row[key]) for key in head)}</tr>" for row in rows)
    return (
        f"<details><summary>All {len(rows)} rows</summary>"
        '<div class="res-scroll" tabindex="0" role="region" aria-label="All rows">'
        f'<table class="res-all"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _cell(key: str, value: Any) -> str:
    if isinstance(value, str):
        return f'<td class="res-name" data-value="{escape(value)}">{escape(value)}</td>'
    shown = (
        words.short(percent(value), 1) if key in METRICS else f"{value:.1f}" if key == "masks_per_photo" else str(value)
    )
    return f'<td data-value="{value}">{escape(shown)}</td>'
