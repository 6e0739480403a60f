"""The score landscape and the sensitivity of a choice: plotly figures, and the tables that say the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from wsis import matching
from wsis.explorer import firmness
from wsis.explorer.firmness import AXES, Region, Switch
from wsis.explorer.pictures import FADED, TINTS, colour, tints
from wsis.explorer.scene import Scene
from wsis.explorer.theme import COLOURS, FONTS
from wsis.explorer.words import MEANING, SYMBOLS, TERMS, short, weight

SHOWN = 600
"""At most so many proposals are drawn: more markers make the page slow and the picture no clearer."""
ROWS = 25
LABELLED = 0.12
"""Least width and height, as a share of the plane's, that a region needs to carry its number."""
NO_PEAK = "There is no peak yet. Switch a class on at the left, or choose another photo."
SAME_AXES = "Choose two different weights to see who wins between them."


@dataclass(frozen=True)
class Plane:
    """Who wins over two weights of a scene's picked peak.

    Attributes:
        x: the weight drawn to the right, 0..2 for alpha, beta, gamma.
        y: the weight drawn upwards.
        span: largest values of the two.
        point: their present values.
        regions: who wins where, the largest first.
        winner: index of the proposal that wins now.
        switch: where the nearest other one takes over; None where nobody else can win.
        places: (N,) int64, the present rank of every proposal, from 1.
        tints: which of `pictures.TINTS` each proposal that can win wears where it does not.
    """

    x: int
    y: int
    span: tuple[float, float]
    point: tuple[float, float]
    regions: tuple[Region, ...]
    winner: int
    switch: Switch | None
    places: np.ndarray
    tints: dict[int, int]

    @property
    def share(self) -> float:
        """Part of the plane that the winner holds, in [0, 1]."""
        return sum(region.share for region in self.regions if region.proposal == self.winner)


def plane(scene: Scene, x: str = "alpha", y: str = "gamma", peak: int | None = None) -> Plane:
    """Who wins over two weights, for the picked peak of a scene that has one, or for another peak.

    Args:
        scene: not empty.
        x: `alpha`, `beta` or `gamma`.
        y: another of these.
        peak: index of a peak; None takes the picked one.
    """
    first, second = AXES.index(x), AXES.index(y)
    peak = scene.peak if peak is None else peak
    terms = scene.analysis.terms[scene.step, peak]
    largest = firmness.spans(scene.analysis.settings.reading, scene.weights)
    span, point = (largest[first], largest[second]), (getattr(scene.weights, x), getattr(scene.weights, y))
    found = firmness.regions(terms, scene.weights, first, second, span)
    places = _places(terms, scene)
    winner = int(places.argmin())
    front = matching.pareto(terms)
    wears = dict(zip(front.tolist(), tints(terms[front], peak).tolist(), strict=True))
    return Plane(first, second, span, point, found, winner, firmness.nearest(found, winner, point, span), places, wears)


def landscape(scene: Scene, dark: bool) -> go.Figure:
    """Score and weighted terms of the picked peak's proposals against their share of the photo.

    Every proposal that can win is drawn, and the five best; of the others an even choice by area, `SHOWN` in all.
    """
    if scene.empty:
        return _nothing(NO_PEAK, dark)
    tint = _theme(dark)
    terms = scene.analysis.terms[scene.step, scene.peak]
    scores, places, area = matching.total(terms, scene.weights), _places(terms, scene), _area(scene)
    parts = terms.astype(np.float64) * (scene.weights.alpha, scene.weights.beta, scene.weights.gamma)
    front, rest = _thinned(terms, area, scene.top)
    both = np.concatenate([rest, front])
    figure = _figure(dark)
    names = [name for name, _ in MEANING[scene.analysis.settings.reading]]
    for term, (key, symbol, name) in enumerate(zip(TERMS, SYMBOLS, names, strict=True)):
        if name == "unused":
            continue
        figure.add_scatter(
            x=_light(area[both]),
            y=_light(parts[both, term]),
            mode="markers",
            marker={"size": 3, "color": tint[key], "opacity": 0.45},
            name=f"{symbol}·{name}",
            customdata=places[both].tolist(),
            hovertemplate=f"#%{{customdata}}<br>{symbol}·{name} %{{y:.3~g}}<extra></extra>",
        )
    told = "<b>#%{customdata[0]}</b> score %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}"
    for index, name, marker in (
        (rest, "S(P), cannot win", {"size": 4, "color": tint["quiet"], "opacity": 0.4}),
        (front, "S(P), can win", {"size": 6, "color": tint["ink"]}),
    ):
        figure.add_scatter(
            x=_light(area[index]),
            y=_light(scores[index]),
            mode="markers",
            marker=marker,
            name=name,
            customdata=[
                (int(places[i]), short(float(scores[i])), _sum(parts[i], names), f"{area[i]:.2g}% of the photo")
                for i in index
            ],
            hovertemplate=f"{told}<extra></extra>",
        )
    best = scene.top
    figure.add_scatter(
        x=_light(area[best[:1]]),
        y=_light(scores[best[:1]]),
        mode="markers",
        marker={"size": 15, "symbol": "circle-open", "color": colour(scene.peak), "line": {"width": 3}},
        name="winner",
        hoverinfo="skip",
    )
    for group in _together(area[best], scores[best]):
        figure.add_annotation(
            x=float(np.log10(area[best][group].mean())),
            y=float(scores[best][group].max()),
            text=f"<b>{' '.join(str(i + 1) for i in group)}</b>",
            showarrow=False,
            yshift=18,
            font={"color": tint["ink"], "size": 12},
        )
    figure.update_xaxes(type="log", title_text="area, % of the photo", **_ticks(area[both]))
    figure.update_yaxes(title_text="score", zeroline=True, zerolinecolor=tint["line"])
    return figure


def landscape_table(scene: Scene) -> str:
    """The same for the eyes and ears that a plot does not reach: the proposals that can win, best first, as a table."""
    if scene.empty:
        return _hint(NO_PEAK)
    terms = scene.analysis.terms[scene.step, scene.peak]
    scores, places, area = matching.total(terms, scene.weights), _places(terms, scene), _area(scene)
    parts = terms.astype(np.float64) * (scene.weights.alpha, scene.weights.beta, scene.weights.gamma)
    front = matching.pareto(terms)
    shown = sorted({*front.tolist(), *scene.top}, key=lambda i: places[i])[:ROWS]
    used = [
        (term, key, symbol, name)
        for term, (key, symbol, (name, _)) in enumerate(
            zip(TERMS, SYMBOLS, MEANING[scene.analysis.settings.reading], strict=True)
        )
        if name != "unused"
    ]
    head = ["rank", "score", *(f'<span class="{key}">{symbol}·{name}</span>' for _, key, symbol, name in used), "area"]
    winning = set(front.tolist())
    rows = [
        [
            f"#{places[i]}",
            short(float(scores[i])),
            *(short(float(parts[i, term])) for term, *_ in used),
            f"{area[i]:.1f}%",
            "yes" if i in winning else "no",
        ]
        for i in shown
    ]
    note = (
        f"{len(front):,} of {len(terms):,} proposals are beaten by no other in every term, so only they can win. "
        f"The plot draws these and {len(_thinned(terms, area, scene.top)[1]):,} of the others"
        f"{'' if len(shown) >= len(winning) else f'; the table lists the best {len(shown)}'}."
    )
    return _table([*head, "can win"], rows, note)


def sensitivity(scene: Scene, x: str, y: str, dark: bool) -> go.Figure:
    """Which proposal wins where over two weights, where the present point lies, and the nearest change.

    Args:
        scene: what is looked at; the third weight keeps its value.
        x: `alpha`, `beta` or `gamma`, drawn to the right.
        y: another of these, drawn upwards.
        dark: theme.
    """
    if scene.empty or x == y:
        return _nothing(NO_PEAK if scene.empty else SAME_AXES, dark)
    tint, seen = _theme(dark), plane(scene, x, y)
    figure = _figure(dark)
    for region, fill in zip(seen.regions, fills(seen, scene.peak), strict=True):
        corners = np.concatenate([region.corners, region.corners[:1]])
        own = region.proposal == seen.winner
        figure.add_scatter(
            x=_light(corners[:, 0]),
            y=_light(corners[:, 1]),
            mode="lines",
            fill="toself",
            fillcolor=_see_through(fill, 1 if own else FADED),
            line={"color": tint["panel"], "width": 1.5},
            hoveron="fills",
            hoverinfo="text",
            text=f"#{seen.places[region.proposal]} wins {_percent(region.share)} of this plane",
            showlegend=False,
        )
        if _roomy(region, seen):
            middle = centre(region.corners)
            figure.add_annotation(
                x=middle[0],
                y=middle[1],
                text=f"<b>#{seen.places[region.proposal]}</b>",
                showarrow=False,
                font={"color": tint["ink"], "size": 12},
            )
    if seen.switch is not None:
        point, other = seen.switch.point, seen.switch.point
        figure.add_scatter(
            x=[seen.point[0], other[0]],
            y=[seen.point[1], other[1]],
            mode="lines",
            line={"color": tint["ink"], "width": 1.5, "dash": "4px,3px"},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=[point[0]],
            y=[point[1]],
            mode="markers",
            marker={"size": 8, "symbol": "x-thin", "line": {"color": tint["ink"], "width": 2}},
            hovertemplate=f"{_switch_words(seen)}<extra></extra>",
            showlegend=False,
        )
    figure.add_scatter(
        x=[seen.point[0]],
        y=[seen.point[1]],
        mode="markers",
        marker={"size": 13, "color": "#ffffff", "line": {"color": "#16191f", "width": 3}},
        hovertemplate=f"now: {_point(seen, seen.point)}<extra></extra>",
        showlegend=False,
    )
    for update, axis, limit in (
        (figure.update_xaxes, seen.x, seen.span[0]),
        (figure.update_yaxes, seen.y, seen.span[1]),
    ):
        update(
            title_text=axis_title(scene, axis),
            range=[0, limit],
            showgrid=False,
            ticks="outside",
            ticklen=4,
            exponentformat="power",
        )
    figure.update_xaxes(constrain="domain")
    figure.update_yaxes(scaleanchor="x", scaleratio=seen.span[0] / seen.span[1], constrain="domain")
    return figure


def sensitivity_summary(scene: Scene, x: str, y: str) -> str:
    """Two plain sentences, as text: what changes the choice, and how far away the nearest change is."""
    if scene.empty or x == y:
        return NO_PEAK if scene.empty else SAME_AXES
    seen = plane(scene, x, y)
    terms = scene.analysis.terms[scene.step, scene.peak]
    moves = [
        (abs(found[2] - at) / limit, found)
        for axis, at, limit in ((seen.x, seen.point[0], seen.span[0]), (seen.y, seen.point[1], seen.span[1]))
        if (found := firmness.handover(terms, scene.weights, axis, limit)) is not None
    ]
    if seen.switch is None:
        return (
            f"Proposal #1 wins everywhere in this plane. No {SYMBOLS[seen.x]} up to {weight(seen.span[0], 1)} and no "
            f"{SYMBOLS[seen.y]} up to {weight(seen.span[1], 1)} changes the choice."
        )
    if seen.switch.distance == 0:
        return f"{_switch_words(seen)}."
    if moves:
        _, (symbol, side, value, other) = min(moves)
        axis = SYMBOLS.index(symbol)
        limit = seen.span[0] if axis == seen.x else seen.span[1]
        first = (
            f"Proposal #1 keeps winning until {symbol} {'falls' if side == 'below' else 'rises'} to "
            f"{weight(value, limit)}, then #{seen.places[other]} takes over."
        )
    else:
        first = f"Moving {SYMBOLS[seen.x]} or {SYMBOLS[seen.y]} alone never changes the choice."
    return f"{first} {_switch_words(seen)}."


def sensitivity_table(scene: Scene, x: str, y: str) -> str:
    """The regions of the plane as a table, the largest first."""
    if scene.empty or x == y:
        return _hint(NO_PEAK if scene.empty else SAME_AXES)
    seen = plane(scene, x, y)
    area = _area(scene)
    rows = []
    for region in seen.regions:
        borders = sorted({int(seen.places[rival]) for rival in region.rivals if rival >= 0})
        (left, bottom), (right, top) = region.corners.min(0), region.corners.max(0)
        rows.append(
            [
                f"#{seen.places[region.proposal]}{' (now)' if region.proposal == seen.winner else ''}",
                _percent(region.share),
                f"{weight(left, seen.span[0])} to {weight(right, seen.span[0])}",
                f"{weight(bottom, seen.span[1])} to {weight(top, seen.span[1])}",
                f"{area[region.proposal]:.1f}%",
                ", ".join(f"#{place}" for place in borders) or "none",
            ]
        )
    head = ["proposal", "wins", f"{SYMBOLS[seen.x]} within", f"{SYMBOLS[seen.y]} within", "area", "borders on"]
    others = [axis for axis in range(3) if axis not in (seen.x, seen.y)]
    third = f"{SYMBOLS[others[0]]} stays at {weight(getattr(scene.weights, AXES[others[0]]), 1)}"
    return _table(head, rows, f"Numbers are present ranks; now: {_point(seen, seen.point)}; {third}.", unfolded=True)


def plane_svg(seen: Plane, peak: int, pixels: int = 200) -> str:
    """A plane as an inline picture without text: for a small place, and for print. It needs no script.

    Args:
        seen: from `plane`.
        peak: whose colour the winner wears.
        pixels: side of the square.
    """
    scale = np.array([pixels / seen.span[0], -pixels / seen.span[1]])

    def place(points: np.ndarray) -> np.ndarray:
        return np.round(points * scale + (0, pixels), 1)

    shapes = []
    for region, fill in zip(seen.regions, fills(seen, peak), strict=True):
        own = region.proposal == seen.winner
        points = " ".join(f"{a:g},{b:g}" for a, b in place(region.corners))
        shapes.append(f'<polygon points="{points}" fill="{fill}" fill-opacity="{1 if own else FADED}"/>')
        if _roomy(region, seen):
            (a, b), rank = place(np.array(centre(region.corners))), seen.places[region.proposal]
            shapes.append(f'<text x="{a:g}" y="{b:g}">{rank}</text>')
    here = place(np.array(seen.point))
    if seen.switch is not None:
        there = place(np.array(seen.switch.point))
        shapes.append(f'<line x1="{here[0]:g}" y1="{here[1]:g}" x2="{there[0]:g}" y2="{there[1]:g}"/>')
    shapes.append(f'<circle cx="{here[0]:g}" cy="{here[1]:g}" r="{pixels / 32:g}"/>')
    return (
        f'<svg class="plane" viewBox="0 0 {pixels} {pixels}" width="{pixels}" height="{pixels}" role="img" '
        f'aria-label="#1 wins {_percent(seen.share)} of this plane">{"".join(shapes)}</svg>'
    )


def fills(seen: Plane, peak: int) -> list[str]:
    """A colour for each region: the winner in its peak's, the others in theirs, see `pictures.tints`."""
    return [colour(peak) if one.proposal == seen.winner else TINTS[seen.tints[one.proposal]] for one in seen.regions]


def centre(corners: np.ndarray) -> tuple[float, float]:
    """Centre of gravity of a convex polygon with (M, 2) corners: always inside it."""
    after = np.roll(corners, -1, 0)
    cross = corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]
    middle = ((corners + after) * cross[:, None]).sum(0) / (3 * cross.sum())
    return float(middle[0]), float(middle[1])


def _roomy(region: Region, seen: Plane) -> bool:
    """Whether a region's number fits, beside the ring that marks the present weights too."""
    apart = np.abs(np.array(centre(region.corners)) - seen.point) / seen.span
    return bool((np.ptp(region.corners, axis=0) / seen.span).min() >= LABELLED and apart.max() > LABELLED / 2)


def axis_title(scene: Scene, axis: int) -> str:
    """A weight as its slider calls it: "α precision"."""
    name = MEANING[scene.analysis.settings.reading][axis][0]
    return SYMBOLS[axis] if name == "unused" else f"{SYMBOLS[axis]} {name}"


def _switch_words(seen: Plane) -> str:
    """How far the nearest change is, without a full stop."""
    assert seen.switch is not None
    rival = seen.places[seen.switch.proposal]
    if seen.switch.distance == 0:
        return f"Proposal #1 is tied with #{rival} now, so any move of a weight may decide"
    # One length for both axes only makes sense where they have one scale.
    even = seen.span[0] == seen.span[1]
    length = weight(seen.switch.distance * seen.span[0], seen.span[0]) if even else None
    far = f"{length} away" if even else f"{_percent(seen.switch.distance)} of the shown range away"
    return f"The nearest change is {far}, at {_point(seen, seen.switch.point)}, to #{rival}"


def _point(seen: Plane, point: tuple[float, float]) -> str:
    return f"{SYMBOLS[seen.x]} {weight(point[0], seen.span[0])} and {SYMBOLS[seen.y]} {weight(point[1], seen.span[1])}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"


def _places(terms: np.ndarray, scene: Scene) -> np.ndarray:
    """(N,) int64 rank of every proposal, from 1."""
    places = np.empty(len(terms), np.int64)
    places[matching.rank(terms, scene.weights)] = np.arange(1, len(terms) + 1)
    return places


def _area(scene: Scene) -> np.ndarray:
    """(N,) float64 area of every proposal in percent of the photo."""
    proposals = scene.analysis.proposals
    return np.asarray(proposals.areas / proposals.labels.size * 100)


def _thinned(terms: np.ndarray, area: np.ndarray, top: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Indices that must be drawn (the front, the best), and an even choice by area of the others."""
    front = np.unique(np.concatenate([matching.pareto(terms), np.array(top, np.int64)]))
    rest = np.setdiff1d(np.argsort(area, kind="stable"), front)
    rest = rest[np.argsort(area[rest], kind="stable")]
    room = max(0, SHOWN - len(front))
    if len(rest) > room:
        rest = rest[np.linspace(0, len(rest) - 1, room).round().astype(np.int64)]
    return front, rest


def _together(area: np.ndarray, scores: np.ndarray) -> list[list[int]]:
    """Groups of the best proposals that lie too close for labels of their own."""
    groups: list[list[int]] = []
    for i in range(len(area)):
        near = [group for group in groups if abs(np.log10(area[i] / area[group[0]])) < 0.12]
        near = [group for group in near if abs(scores[i] - scores[group[0]]) < 0.1 * abs(scores[0])]
        if near:
            near[0].append(i)
        else:
            groups.append([i])
    return groups


def _sum(parts: np.ndarray, names: list[str]) -> str:
    return " + ".join(
        f"{name} {short(float(part))}" for name, part in zip(names, parts, strict=True) if name != "unused"
    )


def _ticks(area: np.ndarray) -> dict[str, list]:
    """Round shares of the photo along the logarithmic axis."""
    low, high = float(area.min()), float(area.max())
    values = [v for v in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if low * 0.7 <= v <= high * 1.4]
    return {"tickvals": values, "ticktext": [f"{v:g}%" for v in values]}


def _light(values: np.ndarray) -> list[float]:
    """Numbers of five digits: the page carries no more than a screen can show."""
    return [float(f"{value:.5g}") for value in np.asarray(values, np.float64)]


def _see_through(hexadecimal: str, opacity: float) -> str:
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _theme(dark: bool) -> dict[str, str]:
    return {name: pair[dark] for name, pair in COLOURS.items()}


def _figure(dark: bool) -> go.Figure:
    tint = _theme(dark)
    axis = {
        "gridcolor": tint["line"], "linecolor": tint["line"], "tickcolor": tint["line"], "zeroline": False,
        "title_standoff": 8, "fixedrange": True, "automargin": True,
    }  # fmt: skip
    return go.Figure(
        layout=go.Layout(
            template="none",
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            font={"size": 12, "color": tint["quiet"], "family": ", ".join(FONTS)},
            margin={"l": 48, "r": 12, "t": 12, "b": 40},
            height=300,
            autosize=True,
            hovermode="closest",
            hoverlabel={
                "bgcolor": tint["panel"],
                "bordercolor": tint["line"],
                "font": {"color": tint["ink"], "size": 12},
            },
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
            xaxis=axis,
            yaxis=axis,
        )
    )


def _nothing(text: str, dark: bool) -> go.Figure:
    figure = _figure(dark)
    figure.add_annotation(text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 13})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _hint(text: str) -> str:
    return f'<p class="hint">{escape(text)}</p>'


def _table(head: list[str], rows: list[list[str]], note: str, unfolded: bool = False) -> str:
    """A table under a fold; cells are HTML already."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return (
        f'<details class="plot-table"{" open" if unfolded else ""}><summary>as a table</summary><p>{note}</p>'
        '<div class="plot-scroll" tabindex="0" role="region" aria-label="Proposals in numbers">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )
