"""The Results tab: what was measured of a checkpoint beside the tables of the paper.

`wsis.paper` says which of our rows (`results.json`, by `python -m train.ablate`) answers which row of the paper; the
rows of `metrics.json` (by `python -m train.evaluate`) stand folded below.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from wsis import paper, results
from wsis.checkpoints import Checkpoint
from wsis.explorer import words
from wsis.results import NAMES, Figure, Measured, Results

KEYS = ("enhancer", "steps", "preset", "per_peak")
SHOWN, BASE = ("icn-saliency, T = 3, with agreement and objectness", "icn-saliency, T = 3"), "class map"
"""The row that bars show first, the explorer's own settings as both files call it, and what they are compared with."""
CHART = (("3", "map50"), ("2", "miou"))
"""Tables and their figures that the chart draws."""
SIGNS = {1: ("up", "▲", "above the paper’s"), -1: ("down", "▼", "below the paper’s")}


def html(checkpoint: Checkpoint) -> str:
    """The whole tab.

    Args:
        checkpoint: what is loaded; its `card` holds `results` and `metrics`, the content of the files, or empty.
    """
    found = results.read(checkpoint.card.get("results"))
    metrics = checkpoint.card.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    rows = [row for row in metrics.get("rows") or [] if {*KEYS, *NAMES} <= row.keys()]
    parts = [
        _lead(found) if found else _empty(checkpoint),
        _beside(found),
        _differences(checkpoint) if found else "",
        _tiles(metrics) if rows else "",
        _bars([(_titled(row), row.ap50_by_class) for row in found.rows])
        if found
        else _bars([(_told(row), row.get("ap50_by_class") or {}) for row in rows]),
        _measured(found) if found else "",
        _evaluated(rows) if rows else "",
    ]
    return f'<article class="res">{"".join(parts)}</article>'


def percent(share: float) -> float:
    """A share in [0, 1] as a percentage with one decimal."""
    return round(100 * share, 1)


def _lead(found: Results) -> str:
    """One sentence and one picture."""
    return (
        '<section class="res-lead"><h3>How good are the masks?</h3>'
        f'<p>{escape(paper.sentence(found))}</p>{_chart(found)}<p class="res-note">{found.photos:,} photos · '
        f"{found.instances:,} instances · rebuilt masks · one seed · figures in percent. Bars end at the figure; the "
        f"line over an end holds 95% of {found.resamples:,} bootstrap resamples of the photos. The paper measured "
        "other photos and masks with another backbone and other proposals: a guide, not a contest.</p></section>"
    )


def _chart(found: Results) -> str:
    """Bars with intervals: the paper, as published and ours, of the rows that both tables of `CHART` answer."""
    tables = [paper.tables()[number] for number, _ in CHART]
    names = [row.name for row in tables[0].rows if all(row.name in (other.name for other in t.rows) for t in tables)]
    panels = []
    for table, (_, key) in zip(tables, CHART, strict=True):
        groups = []
        for row in map(table.row, names):
            for answer in paper.answers(table, row, found)[:1]:
                bars = {"paper": Figure(row.values[key])}
                own = {paper.PUBLISHED: answer.published, "with ours": answer.ours}
                groups.append((row.name, bars | {kind: one.figures[key] for kind, one in own.items() if one}))
        panels.append((NAMES[key], groups))
    ends = [figure.high or figure.value for _, groups in panels for _, bars in groups for figure in bars.values()]
    if not ends:
        return ""
    top = 10 * math.ceil(max(ends) / 10)
    shown = "".join(
        f'<table class="res-chart"><caption>{name}</caption>{"".join(_group(*group, top) for group in groups)}</table>'
        for name, groups in panels
    )
    return f'<div class="res-pair">{shown}</div>'


def _group(name: str, bars: Mapping[str, Figure], top: float) -> str:
    """The bars of one row of the paper."""
    body = "".join(
        f'<tr class="res-{kind.split()[-1]}"><th scope="row">{kind}</th>{_lane(figure, top)}</tr>'
        for kind, figure in bars.items()
    )
    return f'<tbody><tr><th scope="rowgroup" colspan="3">{escape(name)}</th></tr>{body}</tbody>'


def _lane(figure: Figure, top: float) -> str:
    """A bar with its interval, and the numbers."""
    line = ""
    if figure.low is not None and figure.high is not None:
        line = f'<u style="left:{100 * figure.low / top:.2f}%;width:{100 * (figure.high - figure.low) / top:.2f}%"></u>'
    return (
        f'<td class="res-track" aria-hidden="true"><span><i style="width:{100 * figure.value / top:.2f}%"></i>{line}'
        f"</span></td><td>{_figure(figure)}</td>"
    )


def _beside(found: Results | None) -> str:
    """The paper's tables with our figures in columns beside theirs."""
    tables = [_paper_table(paper.tables()[number], found) for number in ("3", "1", "2", "4")]
    said = "As printed, in percent. Figures of your own would stand beside the row that they answer to."
    if found:
        tables.insert(2, _worth(found))
        said = (
            "Published: the paper’s method and nothing of ours. Ours: with what we added. ▲ ▼: the paper’s figure lies "
            f"outside our interval; without a sign it lies within or there is no interval. {results.LEARNED_FROM}"
        )
    return (
        f'<section><h3>Beside the paper</h3><p class="res-note">{escape(said)}</p>'
        f'<div class="res-pair">{"".join(tables)}</div>'
        f'<p class="res-note">Paper: {escape(paper.source())}</p></section>'
    )


def _paper_table(table: paper.Table, found: Results | None) -> str:
    """A table of the paper; by each figure's column those of our rows."""
    wide = len(table.figures) > 1
    kinds = ["paper", "published", "ours"] if wide else ["paper", paper.PUBLISHED, table.ours]
    span = len(kinds) if found else 1
    top = "".join(f'<th scope="colgroup" colspan="{span}">{NAMES[figure]}</th>' for figure in table.figures)
    head = f"<tr><td></td>{top}</tr>"
    title, after = table.title, ""
    if found:
        columns = "".join(f'<th scope="col">{kind}</th>' for kind in kinds)
        head += f"<tr><td></td>{columns * len(table.figures)}</tr>"
        title += f" · ours: {table.ours}" * wide
        after = f'<p class="res-note">{_minus(paper.steps(found))}</p>' * (table.number == "4")
    body = "".join(_paper_row(table, row, found) for row in table.rows)
    box = _scroll(
        f"Table {table.number} of the paper and our figures",
        f'<table class="res-paper-table"><thead>{head}</thead><tbody>{body}</tbody></table>',
    )
    heading = f"<h4>Table {table.number} <span>{escape(title)}</span></h4>"
    return f"<div{' class=res-wide' * wide}>{heading}{box}{after}</div>"


def _paper_row(table: paper.Table, row: paper.Printed, found: Results | None) -> str:
    """A row of the paper with its first answer, and a row for every other answer."""
    if found is None:
        values = "".join(f"<td>{words.short(row.values[figure], 1)}</td>" for figure in table.figures)
        return f'<tr><th scope="row">{escape(row.name)}</th>{values}</tr>'
    lines = []
    answers: list[paper.Answer | None] = [*paper.answers(table, row, found)] or [None]
    for place, answer in enumerate(answers):
        name = f"{escape(row.name)} " if place == 0 else ""
        if answer:
            name += f"<small>{escape(answer.label)} <q>{escape(answer.learned_from)}</q></small>"
        cells = ""
        for figure in table.figures:
            printed = words.short(row.values[figure], 1) if place == 0 else ""
            cells += f'<td class="res-first">{printed}</td>'
            for one in (answer.published, answer.ours) if answer else (None, None):
                shown = _figure(one.figures[figure], row.values[figure]) if one else "–" if answer else ""
                cells += f'<td class="res-own">{shown}</td>'
        kind = "res-none" if answer is None else "res-above" if place + 1 < len(answers) else "res-last"
        lines.append(f'<tr class="{kind}"><th scope="row">{name}</th>{cells}</tr>')
    return "".join(lines)


def _figure(figure: Figure, beside: float | None = None) -> str:
    """A figure with its interval in small type, and a sign where the paper's lies outside of it."""
    sign = ""
    if beside is not None and (side := figure.compare(beside)):
        kind, mark, told = SIGNS[side]
        sign = f'<i class="res-is-{kind}" title="{told}">{mark}</i>'
    value, *ends = figure.text().split(" ", 1)
    return f"<b>{value.removeprefix('0')}</b>{sign}{_small(ends)}"


def _worth(found: Results) -> str:
    """What each part is worth, with intervals."""
    kinds = ("paper", paper.PUBLISHED, paper.tables()["1"].ours)
    head = "".join(f'<th scope="col">{escape(kind)}</th>' for kind in kinds)
    body = "".join(
        f'<tr><th scope="row">{escape(one.part)} <small>{escape(one.label)}</small></th>'
        f"<td>{_minus(f'{one.paper:+.1f}')}</td>{_gain(one.published)}{_gain(one.ours)}</tr>"
        for one in paper.worth(found)
    )
    table = f'<table class="res-paper-table"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'
    heading = "<h4>What a part is worth <span>mIoU of the full model less the row</span></h4>"
    return f"<div>{heading}{_scroll('What each part is worth', table)}</div>"


def _gain(figure: Figure | None) -> str:
    if figure is None:
        return '<td class="res-own">–</td>'
    value, *ends = _minus(figure.text("+")).split(" ", 1)
    within = "" if figure.compare(0) else " <em>within noise</em>"
    return f'<td class="res-own"><b>{value}</b>{_small(ends)}{within}</td>'


def _small(ends: Sequence[str]) -> str:
    """An interval, if there is one."""
    return "".join(f" <small>{text}</small>" for text in ends)


def _minus(text: str) -> str:
    """With the typographic sign; for texts whose only hyphens are signs."""
    return text.replace("-", "−")


def _scroll(label: str, table: str) -> str:
    """A table that scrolls in a box of its own where it is wider than the tab."""
    return f'<div class="res-scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'


def _empty(checkpoint: Checkpoint) -> str:
    """Why there are no figures, and how to make them."""
    if checkpoint.folder is None:
        said = (
            "It is somebody else's classifier, and figures belong to a checkpoint folder. Train and export one "
            "(<code>make train</code>), evaluate it, and start the explorer with it:"
        )
        name = "checkpoints/mine"
    else:
        said = "Its folder holds no <code>results.json</code>. Evaluate it on VOC and start the explorer again:"
        name = checkpoint.name
    folder = shlex.quote(name if "/" in name or "\\" in name else f"checkpoints/{name}")
    voc, model = "--voc VOCdevkit/VOC2012 --split val", f"--model {shlex.quote(name)}"
    command = (
        f"python -m train.ablate {voc} {model} --out {folder}\n"
        f"python -m train.evaluate {voc} {model} --json {folder}/metrics.json\npython app.py {model}"
    )
    return (
        f"<section><h3>No figures for {escape(checkpoint.name)}</h3><p>{said}</p>"
        f'<pre class="res-code" tabindex="0">{escape(command)}</pre></section>'
    )


def _differences(checkpoint: Checkpoint) -> str:
    """What is not the same on the two sides of the comparison."""
    options = checkpoint.card.get("modules", {}).get("classifier", {}).get("options", {})
    lines = (
        ("photos and masks", "PASCAL VOC 2012, official masks", "a part of them, masks rebuilt"),
        ("backbone", "VGG-16 in the ICN", str(options.get("backbone", "see the model's card"))),
        ("map that an ICN grows", "peak response (Eq. 2)", "the class map itself; “response (Eq. 2)” rows take Eq. 2"),
        ("proposals", "MCG", "built-in: contours, superpixels, trees; at most 3,000"),
        ("Eq. 5", "as printed, its scale left open", "our reading: precision, contour coverage, recall"),
        ("agreement", "–", "ours: maps held back where superpixels or another class disagree"),
        ("objectness", "–", "ours: scores count how likely a proposal is one whole object"),
        ("masks that Ours-saliency learned from", "1,000 photos of salient instances", "see the model's card"),
    )  # fmt: skip
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{escape(there)}</td><td>{escape(here)}</td></tr>'
        for what, there, here in lines
    )
    table = (
        '<table class="res-text"><thead><tr><td></td><th scope="col">paper</th><th scope="col">here</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return f"<section><h3>What differs</h3>{_scroll('What differs from the paper', table)}</section>"


def _tiles(metrics: Mapping[str, Any]) -> str:
    """Three figures of the classifier and the proposals."""
    tiles = "".join(
        f"<div><dt>{name}</dt><dd><b>{words.short(percent(metrics[key]), 1)}</b> {said}</dd></div>"
        for key, name, said in (
            ("classification_map", "Classification mAP", "how well it says what is in a photo"),
            ("pointing", "Pointing", "class maps whose maximum lies on their class"),
            ("proposals_abo", "Best proposals", "ABO if every instance got the best there is: the ceiling"),
        )
        if key in metrics
    )
    return f'<section><h3>Before the masks</h3><dl class="res-tiles">{tiles}</dl></section>' if tiles else ""


def _bars(choices: Iterable[tuple[str, Mapping[str, float]]]) -> str:
    """AP at IoU .5 of every class for one row, a list to choose the row from, and the class map alone as a mark."""
    choices = [(title, by_class) for title, by_class in choices if by_class]
    if not choices:
        return ""
    titles = [title for title, _ in choices]
    names = list(dict.fromkeys(name for _, by_class in choices for name in by_class))
    shares = [[percent(by_class[n]) if n in by_class else None for n in names] for _, by_class in choices]
    base = shares[titles.index(BASE)] if BASE in titles else [None] * len(names)
    chosen = next((titles.index(title) for title in SHOWN if title in titles), len(choices) - 1)
    options = "".join(
        f'<option value="{i}"{" selected" if i == chosen else ""}>{escape(title)}</option>'
        for i, title in enumerate(titles)
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


def _change(points: float) -> str:
    """A difference by sign, symbol and colour."""
    kind, symbol = ("up", "▲") if points > 0 else ("down", "▼") if points < 0 else ("even", "=")
    signed = f"{'+' if points > 0 else '−'}{words.short(abs(points), 1)}" if points else "±0"
    return f'<span class="res-{kind}"><i aria-hidden="true">{symbol}</i>{signed}</span>'


def _titled(row: Measured) -> str:
    """A row's name, with the proposals a peak if there are several."""
    return row.name if row.per_peak == 1 else f"{row.name}, {row.per_peak} proposals a peak"


def _told(row: Mapping[str, Any]) -> str:
    """A row of `metrics.json` in words: icn-saliency, T = 3, prm-2018."""
    steps = f", T = {row['steps']}" if row.get("steps") else ""
    preset = "" if row["preset"] == "paper" else f", {row['preset']}"
    several = f", {row['per_peak']} proposals a peak" if row.get("per_peak", 1) > 1 else ""
    return f"{BASE if row['enhancer'] == 'none' else row['enhancer']}{steps}{preset}{several}"


def _measured(found: Results) -> str:
    """Every row of `results.json`, folded; headings sort."""
    head = ["row", "proposals a peak", *NAMES.values(), "masks a photo", "learned from"]
    rows = [
        [
            _name_cell(row.name),
            _number_cell(row.per_peak, str(row.per_peak)),
            *(_number_cell(row.figures[key].value, _figure(row.figures[key])) for key in NAMES),
            _number_cell(row.masks_per_photo, f"{row.masks_per_photo:.1f}"),
            _name_cell(row.learned_from),
        ]
        for row in found.rows
    ]
    return _sortable(f"All {len(rows)} rows, with intervals", head, rows)


def _evaluated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every row of `metrics.json`, folded; headings sort."""
    head = ["enhancer", "T", "preset", "proposals a peak", *NAMES.values()]
    masks = all("masks_per_photo" in row for row in rows)
    cells = [
        [
            _name_cell(row["enhancer"]),
            _number_cell(row["steps"], str(row["steps"])),
            _name_cell(row["preset"]),
            _number_cell(row["per_peak"], str(row["per_peak"])),
            *(_number_cell(row[key], words.short(percent(row[key]), 1)) for key in NAMES),
            *([_number_cell(row["masks_per_photo"], f"{row['masks_per_photo']:.1f}")] if masks else []),
        ]
        for row in rows
    ]
    title = f"Presets for study and steps, with agreement and objectness: {len(rows)} rows"
    return _sortable(title, [*head, *(["masks a photo"] if masks else [])], cells)


def _sortable(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" data-sort="{i}">{escape(name)}</button></th>'
        for i, name in enumerate(head)
    )
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    table = f'<table class="res-all"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f"<details><summary>{escape(title)}</summary>{_scroll(title, table)}</details>"


def _name_cell(name: Any) -> str:
    return f'<td class="res-name" data-value="{escape(str(name))}">{escape(str(name))}</td>'


def _number_cell(value: Any, shown: str) -> str:
    return f'<td data-value="{escape(str(value))}">{shown}</td>'
