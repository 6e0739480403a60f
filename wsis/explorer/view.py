"""What the screen says: an analysis and a choice to the stage's data and the panels' HTML. Pure, no Gradio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from json import dumps
from typing import Any

import numpy as np

from wsis import matching, render
from wsis.explorer import firmness, pictures
from wsis.explorer.store import Entry
from wsis.image import resized
from wsis.instances import Instance
from wsis.matching import PRESETS, PUBLISHED, Weights
from wsis.pipeline import Analysis

PHOTO_SIZE = 1400
TOP = 5
BEST = -1
MAIN_PRESETS = ("paper", "prm-2018")
TERMS = ("precision", "contour", "recall")
SYMBOLS = ("α", "β", "γ")

MEANING: dict[str, tuple[tuple[str, str], tuple[str, str], tuple[str, str]]] = {
    "cover": (
        ("precision", "share of the proposal that the map covers"),
        ("contour", "share of the map's contour that it reaches"),
        ("recall", "share of the map that it captures"),
    ),
    "no-rebalance": (
        ("coverage", "share of the map that it captures, not divided by its own area"),
        ("contour", "share of the map's contour that it reaches"),
        ("recall", "share of the map that it captures"),
    ),
    "penalty": (
        ("precision", "share of the proposal that the map covers"),
        ("contour", "share of the map's contour that it reaches"),
        ("background", "share of the background that it takes, subtracted"),
    ),
    "literal": (
        ("precision", "share of the proposal that the map covers, at most 1"),
        ("contour", "pixels of the map's contour that it reaches"),
        ("background", "pixels of background that it takes, as printed"),
    ),
    "prm-2018": (
        ("response", "sum of the map inside the proposal"),
        ("edge", "sum of the map along the proposal's own contour"),
        ("background", "background inside the proposal, subtracted"),
    ),
    "iou": (
        ("overlap", "overlap of the binary map and the proposal"),
        ("unused", "not part of this reading"),
        ("unused", "not part of this reading"),
    ),
}
"""What the three terms are called in each reading, and what they say in plain words."""


@dataclass(frozen=True)
class Choice:
    """Where one visitor stands; kept in the session, never shared.

    Attributes:
        token: of the analysis in the store; None before the first.
        photo: what the photo is called.
        peak: the picked peak; `BEST` is the one with the best instance.
        step: which map is looked at and matched, 0..T.
        preset: name of the preset, whose reading of Eq. 5 is in use.
        weights: alpha, beta, gamma.
    """

    token: str | None = None
    photo: str = ""
    peak: int = BEST
    step: int = 3
    preset: str = "paper"
    weights: Weights = PUBLISHED


@dataclass(frozen=True)
class Scene:
    """An analysis seen with one choice: everything below follows from these two."""

    entry: Entry
    choice: Choice
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def analysis(self) -> Analysis:
        """The analysis."""
        return self.entry.analysis

    @cached_property
    def step(self) -> int:
        """The chosen step, at most what was computed."""
        return max(0, min(self.choice.step, self.analysis.steps))

    @cached_property
    def peak(self) -> int:
        """The picked peak, one that exists."""
        if self.choice.peak == BEST and self.found:
            return self.found[0].peak
        return max(0, min(self.choice.peak, len(self.analysis.peaks) - 1))

    @cached_property
    def empty(self) -> bool:
        """Whether no peak was found."""
        return len(self.analysis.peaks) == 0

    @cached_property
    def found(self) -> tuple[Instance, ...]:
        """The instances."""
        return () if self.empty else self.analysis.instances(self.choice.weights, self.step)

    @cached_property
    def by_peak(self) -> dict[int, Instance]:
        """The instance of each peak that kept one."""
        return {instance.peak: instance for instance in self.found}

    @cached_property
    def top(self) -> list[int]:
        """The best proposals of the picked peak."""
        if self.empty:
            return []
        return [int(i) for i in self.analysis.top(self.peak, self.choice.weights, self.step, TOP)]

    @cached_property
    def best(self) -> list[int]:
        """The best proposal of every peak, whether or not NMS kept it."""
        if self.empty:
            return []
        scores = matching.total(self.analysis.terms[self.step], self.choice.weights)
        return [int(i) for i in scores.argmax(1)]

    def name(self, peak: int) -> str:
        """A peak's class."""
        return self.analysis.classes[int(self.analysis.peaks.classes[peak])]

    def thumbnail(self, peak: int, proposal: int) -> str:
        """A small picture of a proposal in the peak's colour, drawn once."""
        key = (peak, proposal)
        drawn = self.entry.drawn
        if key not in drawn:
            mask = self.analysis.proposals.mask(proposal)
            drawn[key] = pictures.thumbnail(self.analysis.evidence.work, mask, peak)
        return drawn[key]


def unit(value: float) -> str:
    """A number in [0, 1] the short way: .87, 1.00."""
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0") else text


def short(value: float, digits: int = 3) -> str:
    """Any number without a leading zero; large ones in full, tiny ones in three significant digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if 0 < abs(value) < 10**-digits / 2:
        return f"{value:.3g}" if abs(value) < 1e-4 else "0"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


# --- the stage -------------------------------------------------------------------------------------------------------


def stage(scene: Scene) -> dict[str, Any]:
    """Everything the stage draws, for a new analysis."""
    evidence = scene.analysis.evidence
    height, width = evidence.size
    return {
        "kind": "photo",
        "photo": pictures.jpeg(resized(evidence.image, PHOTO_SIZE)),
        "name": scene.choice.photo,
        "size": [width, height],
        "work": [evidence.work.shape[1], evidence.work.shape[0]],
        "empty": _empty(scene),
        **picked(scene),
    }


def picked(scene: Scene) -> dict[str, Any]:
    """What changes on the stage with the picked peak, matching included."""
    analysis, peak = scene.analysis, scene.peak
    if scene.empty:
        return {"peaks": [], "picked": -1, "classmap": None, "steps": [], "binary": [], **ranked(scene)}
    maps = analysis.evidence.class_maps.maps
    own = maps[int(analysis.peaks.classes[peak])]
    span = float(np.ptp(own)) or 1.0
    return {
        "picked": peak,
        "classmap": pictures.grey((own - own.min()) / span),
        "range": [round(float(own.min()), 1), round(float(own.max()), 1)],
        "grid": [own.shape[1], own.shape[0]],
        "steps": [pictures.grey(step[peak]) for step in analysis.maps],
        "binary": [pictures.png(step[peak].astype(np.uint8) * 255) for step in analysis.binary],
        "thresholds": [round(float(t), 3) for t in analysis.thresholds[:, peak]],
        "enhancer": analysis.settings.enhancer,
        "naive": analysis.settings.naive,
        **ranked(scene),
    }


def ranked(scene: Scene) -> dict[str, Any]:
    """What changes on the stage with the weights and the step."""
    analysis = scene.analysis
    return {
        "step": scene.step,
        "peaks": [_peak(scene, k) for k in range(len(analysis.peaks))],
        "total": len(analysis.proposals),
        "summary": summary(scene),
        **_masks(scene),
    }


def _peak(scene: Scene, k: int) -> dict[str, Any]:
    x, y = places(scene.analysis)[k]
    instance = scene.by_peak.get(k)
    return {
        "x": x,
        "y": y,
        "name": scene.name(k),
        "score": unit(instance.score) if instance else "",
        "colour": pictures.colour(k),
    }


def places(analysis: Analysis) -> list[tuple[float, float]]:
    """Where each peak lies, (x, y) as shares of the photo's width and height."""
    rows, columns = analysis.evidence.class_maps.maps.shape[1:]
    found = analysis.peaks
    return [
        ((float(column) + 0.5) / columns, (float(row) + 0.5) / rows)
        for row, column in zip(found.rows, found.columns, strict=True)
    ]


def _masks(scene: Scene) -> dict[str, Any]:
    """Instances as one image of numbers, best on top; the top proposals as one image of bits."""
    if scene.empty:
        return {"instances": None, "colours": [], "tags": [], "bits": None, "crop": None, "top": []}
    proposals = scene.analysis.proposals
    labels = np.zeros(proposals.size, np.uint8)
    for instance in sorted(scene.found, key=lambda one: one.score):
        labels[proposals.mask(instance.proposal)] = instance.peak + 1
    bits = np.zeros(proposals.size, np.uint8)
    for i, proposal in enumerate(scene.top):
        bits |= proposals.mask(proposal).astype(np.uint8) << i
    classes = [int(c) for c in scene.analysis.peaks.classes]
    first = {c: k for k, c in reversed(list(enumerate(classes)))}
    return {
        "instances": pictures.png(labels),
        "colours": [pictures.colour(k) for k in range(len(classes))],
        "classes": [pictures.colour(first[c]) for c in classes],
        "bits": pictures.png(bits),
        "crop": pictures.square((bits & 1).astype(bool), 0.25),
        "top": scene.top,
    }


def _empty(scene: Scene) -> dict[str, str] | None:
    """What to say on the stage where there is no peak."""
    if not scene.empty:
        return None
    maps = scene.analysis.evidence.class_maps
    best = int(maps.scores.argmax())
    name = maps.classes[best]
    if scene.analysis.settings.classes == ():
        title = "No class is switched on"
        text = f"The likeliest class in this photo is {name} ({unit(maps.scores[best])})."
    else:
        title = "Nothing here that the model is sure of"
        text = (
            f"Its best guess is {name} ({unit(maps.scores[best])}), below the threshold of "
            f"{unit(scene.analysis.settings.class_threshold)}. Look for it anyway, or choose another photo."
        )
    return {"title": title, "text": text, "name": name, "offer": f"Look for {name}"}


def summary(scene: Scene) -> str:
    """One line for everybody, read out by screen readers: instances, time, proposals."""
    count = len(scene.found)
    spent = sum(scene.analysis.seconds.values())
    total = len(scene.analysis.proposals)
    return f"{count} instance{'' if count == 1 else 's'} · {spent:.2f} s · {total:,} proposals"


# --- panels ----------------------------------------------------------------------------------------------------------


def action(**values: Any) -> str:
    """Attributes of an element that tells Python what was clicked."""
    return f'data-act="{escape(dumps(values), quote=True)}"'


def chips(scene: Scene) -> str:
    """The classes: those looked for, the next likeliest, and a list of all others."""
    maps, settings, peaks = scene.analysis.evidence.class_maps, scene.analysis.settings, scene.analysis.peaks
    order = np.argsort(-maps.scores, kind="stable")
    if settings.classes is None:
        on = [int(c) for c in order if maps.scores[c] >= settings.class_threshold]
    else:
        on = [int(c) for c in order if maps.classes[c] in settings.classes]
    first: dict[int, int] = {}
    for k, c in enumerate(peaks.classes):
        first.setdefault(int(c), k)
    rest = [int(c) for c in order if int(c) not in on]
    parts = [_chip(maps.classes[c], maps.scores[c], True, first.get(c)) for c in on]
    near = [c for c in rest[:2] if maps.scores[c] >= 0.005]
    parts += [_chip(maps.classes[c], maps.scores[c], False, None) for c in near]
    options = "".join(
        f'<option value="{escape(maps.classes[c])}">{escape(maps.classes[c])} {unit(maps.scores[c])}</option>'
        for c in sorted(rest[len(near) :], key=lambda c: maps.classes[c])
    )
    more = (
        '<select class="chip off more" aria-label="Look for another class" data-key="class">'
        f'<option value="">+ class</option>{options}</select>'
    )
    parts += [more] if options else []
    return f'<div class="chips" role="group" aria-label="Classes to look for">{"".join(parts)}</div>'


def _chip(name: str, score: float, on: bool, peak: int | None) -> str:
    dot = f'<i style="background:{pictures.colour(peak)}"></i>' if peak is not None else ""
    hint = "Click to leave it out" if on else "Click to look for it"
    return (
        f'<button type="button" class="chip {"on" if on else "off"}" aria-pressed="{str(on).lower()}" title="{hint}" '
        f"{action(name=name, on=not on)}>{dot}{escape(name)} <b>{unit(float(score))}</b></button>"
    )


def peaks(scene: Scene) -> str:
    """The peaks as a list of buttons: the way to pick one without a mouse."""
    if scene.empty:
        return '<p class="hint">No peaks. Switch a class on above.</p>'
    values = scene.analysis.peaks.values
    rows = []
    for k in range(len(values)):
        instance = scene.by_peak.get(k)
        note = f"mask score {unit(instance.score)}" if instance else "overlaps a better one"
        rows.append(
            f'<button type="button" class="peak{"" if instance else " gone"}" '
            f'aria-pressed="{str(k == scene.peak).lower()}" {action(peak=k)}>'
            f'<img alt="" src="{scene.thumbnail(k, scene.best[k])}">'
            f'<span><b><i style="background:{pictures.colour(k)}"></i>{escape(scene.name(k))}</b> '
            f"peak {short(float(values[k]), 1)}<br>{note}</span></button>"
        )
    return f'<div class="peaks" role="group" aria-label="Peaks">{"".join(rows)}</div>'


def proposals(scene: Scene) -> str:
    """The best proposals of the picked peak, each with its three weighted terms as a stacked bar."""
    if scene.empty:
        return '<p class="hint">Proposals are ranked as soon as there is a peak.</p>'
    analysis, weights = scene.analysis, scene.choice.weights
    own = analysis.terms[scene.step, scene.peak, scene.top] * (weights.alpha, weights.beta, weights.gamma)
    totals = own.sum(1)
    scale = max(float(np.clip(own, 0, None).sum(1).max()), 1e-9)
    names = [name for name, _ in MEANING[analysis.settings.reading]]
    rows = []
    for place, (proposal, parts, total) in enumerate(zip(scene.top, own, totals, strict=True)):
        regions = int(analysis.proposals.membership[proposal].sum())
        share = analysis.proposals.areas[proposal] / analysis.evidence.work[..., 0].size
        bar = "".join(
            f'<u class="{term}" style="width:{max(0.0, float(part)) / scale * 100:.2f}%"></u>'
            for term, part in zip(TERMS, parts, strict=True)
        )
        told = ", ".join(f"{name} {short(float(part))}" for name, part in zip(names, parts, strict=True))
        rows.append(
            f'<button type="button" class="proposal" data-preview="{place}" aria-pressed="false" title="{told}" '
            f'aria-label="Proposal {place + 1}, score {short(float(total))}: {told}">'
            f'<em>{place + 1}</em><img alt="" src="{scene.thumbnail(scene.peak, proposal)}">'
            f"<span><b>{short(float(total))}</b><small>{regions} region{'' if regions == 1 else 's'} · "
            f"{share:.0%}{' of photo' if not place else ''}</small><s>{bar}</s></span></button>"
        )
    return (
        f"<header><h2>Best proposals for this peak</h2><small>{len(analysis.proposals):,} scored</small></header>"
        f'<div class="proposals">{"".join(rows)}</div>'
    )


def firm(scene: Scene) -> str:
    """The small picture of weight space, and what it means in two sentences."""
    if scene.empty or scene.analysis.settings.reading == "iou":
        return ""
    weights = scene.choice.weights
    span = (max(1.5, 2 * weights.alpha), max(1.5, 2 * weights.gamma))
    if scene.analysis.settings.reading == "prm-2018":
        span = (max(1.6, 2 * weights.alpha), max(2e-5, 2 * weights.gamma))
    terms = scene.analysis.terms[scene.step, scene.peak]
    plane = firmness.measure(terms, weights, span)
    order = list(np.argsort(-matching.total(terms[None], weights)[0], kind="stable"))
    places = {int(proposal): place + 1 for place, proposal in enumerate(order)}
    lines = [
        f"{symbol} {side} {short(value, 2)}: #{places[proposal]} wins"
        for symbol, side, value, proposal in plane.handovers
    ] or ["No other proposal can take over."]
    x, y = weights.alpha / span[0] * 100, 100 - weights.gamma / span[1] * 100
    text = f"#1 wins {plane.share:.0%} of this plane"
    return (
        f'<header><h2>How firm is this choice?</h2><small>α × γ</small></header><div class="firm">'
        f'<div class="plane" role="img" aria-label="{text}; {"; ".join(lines)}">'
        f"{_plane(plane.winners, order[0], scene.peak)}"
        f'<i style="left:{x:.1f}%;top:{y:.1f}%"></i></div>'
        f"<p><b>{text}</b>{''.join(f'<span>{line}</span>' for line in lines)}"
        f"<span>at most {plane.candidates} of {len(terms):,} can win</span></p></div>"
    )


def _plane(winners: np.ndarray, present: int, peak: int) -> str:
    """The plane as a picture: the present winner in the peak's colour, the others in colours of their own."""
    others = [tint for tint in render.COLOURS if tint != render.colour(peak)]
    image = np.zeros((*winners.shape, 3), np.uint8)
    for i, proposal in enumerate(np.unique(winners)):
        image[winners == proposal] = render.colour(peak) if proposal == present else others[i % len(others)]
    image = image[::-1].repeat(4, 0).repeat(4, 1)  # gamma grows upwards
    return f'<img alt="" src="{pictures.jpeg(image, 95)}">'


def table(scene: Scene) -> str:
    """The instances and why each was chosen."""
    if scene.empty:
        return '<p class="hint">No instances yet: switch a class on, lower its threshold, or choose another photo.</p>'
    analysis, weights = scene.analysis, scene.choice.weights
    names = [name for name, _ in MEANING[analysis.settings.reading]]
    head = "".join(f'<th scope="col"><span class="{t}">{n}</span></th>' for t, n in zip(TERMS, names, strict=True))
    rows = []
    for instance in scene.found:
        terms = analysis.terms[scene.step, instance.peak, instance.proposal]
        cells = "".join(f"<td>{short(float(term), 2)}</td>" for term in terms)
        share = analysis.proposals.areas[instance.proposal] / analysis.evidence.work[..., 0].size
        rows.append(
            f"<tr {action(peak=instance.peak)} {'class=now' if instance.peak == scene.peak else ''}>"
            f'<td><button type="button" {action(peak=instance.peak)}>'
            f'<i style="background:{pictures.colour(instance.peak)}"></i>'
            f"{escape(instance.name)}</button></td><td>{short(instance.score)}</td>{cells}<td>{share:.1%}</td>"
            f"<td>{_reason(scene, instance, weights, names)}</td></tr>"
        )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">class</th><th scope="col">score</th>'
        f'{head}<th scope="col">area</th><th scope="col">decided by</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _reason(scene: Scene, instance: Instance, weights: Weights, names: Sequence[str]) -> str:
    analysis = scene.analysis
    first, *others = analysis.top(instance.peak, weights, scene.step, 2)
    if not others:
        return "the only proposal"
    terms = analysis.terms[scene.step, instance.peak]
    term, lead = firmness.decided_by(terms[first], terms[others[0]], weights)
    if lead <= 0:
        return "a tie with #2"
    return f"{names[term]}, {short(lead) if lead >= 0.001 else 'less than .001'} ahead of #2"


def weights_head(choice: Choice) -> str:
    """Presets and the formula in the colours of its terms."""
    preset = PRESETS[choice.preset]
    exact = choice.weights == preset.weights
    titles = {"paper": "Paper", "prm-2018": "PRM 2018"}
    main = "".join(
        f'<button type="button" aria-pressed="{str(exact and name == choice.preset).lower()}" '
        f"{action(preset=name)}>{titles.get(name, name)}</button>"
        for name in MAIN_PRESETS
        if name in PRESETS
    )
    more = "".join(
        f'<option value="{escape(name)}"{" selected" if name == choice.preset else ""}>{escape(other.title)}</option>'
        for name, other in PRESETS.items()
        if name not in MAIN_PRESETS
    )
    chosen = "" if choice.preset not in MAIN_PRESETS else " selected"
    state = " now" if choice.preset not in MAIN_PRESETS else ""
    return (
        f'<header><h2>Weights</h2><div class="segments" role="group" aria-label="Presets">{main}'
        f'<select class="{state}" aria-label="More presets" data-key="preset"><option value=""{chosen}>More</option>'
        f"{more}</select></div></header>"
        f'<p class="formula" title="{escape(preset.formula)} — {escape(preset.note)}">{formula(preset.reading)}</p>'
    )


def formula(reading: str) -> str:
    """The score in plain words, each weight in the colour of its term."""
    parts = [
        f'<b class="{term}">{symbol}</b>·{name}'
        for term, symbol, (name, _) in zip(TERMS, SYMBOLS, MEANING[reading], strict=True)
        if name != "unused"
    ]
    return "S(P) = " + " + ".join(parts)


def status(scene: Scene) -> str:
    """The line under the table."""
    slow = " · ".join(f"{stage} {seconds:.2f} s" for stage, seconds in scene.analysis.seconds.items())
    return f'<p class="status" title="{escape(slow)}" aria-live="polite">{summary(scene)}</p>'


def timings(scene: Scene) -> str:
    """How long each stage took, as bars."""
    spent = scene.analysis.seconds
    most = max(spent.values(), default=1.0) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{escape(stage)}</th><td>{seconds * 1000:,.0f} ms</td>'
        f'<td class="bar"><u style="width:{seconds / most * 100:.1f}%"></u></td></tr>'
        for stage, seconds in spent.items()
    )
    return f'<div class="scroll"><table class="timings"><tbody>{rows}</tbody></table></div>'


def at(choice: Choice, **changes: Any) -> Choice:
    """A choice with some fields changed."""
    return replace(choice, **changes)
