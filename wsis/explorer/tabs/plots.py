"""The score landscape and the sensitivity of a choice: plotly figures, and the tables that say the same in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from wsis import matching
from wsis.explorer import markup, sensitivity, words
from wsis.explorer.pictures import FADED, colour
from wsis.explorer.scene import Scene
from wsis.explorer.sensitivity import NO_PEAK, Plane
from wsis.explorer.theme import COLOURS, FONTS
from wsis.explorer.words import AXES, SYMBOLS, short, weight

SHOWN = 600
"""At most so many proposals are drawn: more markers make the page slow and the picture no clearer."""
ROWS = 25


def landscape(scene: Scene, dark: bool) -> go.Figure:
    """Score and weighted terms of the picked peak's proposals against their share of the photo.

    Every proposal that can win is drawn, in the colour that it has everywhere, and the best five that differ; of the
    others an even choice by area, `SHOWN` in all. The last of a dot's `customdata` is the proposal's index, for
    `plots.js`.
    """
    if scene.empty:
        return _nothing(NO_PEAK, dark)
    tint = _theme(dark)
    terms = scene.analysis.ranked_terms[scene.step, scene.peak]
    scores, ranks, area = matching.total(terms, scene.weights), sensitivity.places(terms, scene), _area(scene)
    parts = terms.astype(np.float64) * (scene.weights.alpha, scene.weights.beta, scene.weights.gamma)
    front, rest = _thinned(terms, area, scene.best)
    both = np.concatenate([rest, front])
    wears = sensitivity.worn(terms, front, int(ranks.argmin()), scene.peak)
    figure = _figure(dark)
    used = words.terms(scene.analysis.settings.reading)
    for term in used:
        figure.add_scatter(
            x=_light(area[both]),
            y=_light(parts[both, term.index]),
            mode="markers",
            marker={"size": 3, "color": tint[term.key], "opacity": 0.45},
            name=f"{term.symbol}·{term.name}",
            customdata=np.stack([ranks[both], both], 1).tolist(),
            hovertemplate=f"#%{{customdata[0]}}<br>{term.symbol}·{term.name} %{{y:.3~g}}<extra></extra>",
        )
    hover = "<b>#%{customdata[0]}</b> score %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}"
    for index, name, marker in (
        (rest, "S(P), cannot win", {"size": 4, "color": tint["quiet"], "opacity": 0.4}),
        (front, "S(P), can win", {"size": 7, "color": wears, "line": {"color": tint["ink"], "width": 0.8}}),
    ):
        figure.add_scatter(
            x=_light(area[index]),
            y=_light(scores[index]),
            mode="markers",
            marker=marker,
            name=name,
            customdata=[
                (int(ranks[i]), short(float(scores[i])), _sum(parts[i], used), f"{area[i]:.2g}% of the photo", int(i))
                for i in index
            ],
            hovertemplate=f"{hover}<extra></extra>",
        )
    best = scene.best
    figure.add_scatter(
        x=_light(area[best[:1]]),
        y=_light(scores[best[:1]]),
        mode="markers",
        marker={"size": 16, "symbol": "circle-open", "color": colour(scene.peak), "line": {"width": 3}},
        name="winner",
        hoverinfo="skip",
    )
    for group in _together(area[best], scores[best]):
        figure.add_annotation(
            x=float(np.log10(area[best][group].mean())),
            y=float(scores[best][group].max()),
            text=f"<b>{' '.join(str(ranks[best[i]]) for i in group)}</b>",
            showarrow=False,
            yshift=18,
            font={"color": tint["ink"], "size": 12},
        )
    figure.update_xaxes(type="log", title_text="area, % of the photo", **_ticks(area[both]))
    figure.update_yaxes(title_text="score", zeroline=True, zerolinecolor=tint["line"])
    return figure


def landscape_table(scene: Scene) -> Markup:
    """The same for the eyes and ears that a plot does not reach: the proposals that can win, best first, as a table."""
    if scene.empty:
        return markup.part("plots.html", "hint", NO_PEAK)
    terms = scene.analysis.ranked_terms[scene.step, scene.peak]
    scores, ranks, area = matching.total(terms, scene.weights), sensitivity.places(terms, scene), _area(scene)
    parts = terms.astype(np.float64) * (scene.weights.alpha, scene.weights.beta, scene.weights.gamma)
    front = matching.pareto(terms)
    can_win = set(front.tolist())
    listed = sorted({*can_win, *scene.best}, key=lambda i: ranks[i])[:ROWS]
    used = words.terms(scene.analysis.settings.reading)
    rows = [
        [
            f"#{ranks[i]}",
            short(float(scores[i])),
            *(short(float(parts[i, term.index])) for term in used),
            f"{area[i]:.1f}%",
            "yes" if i in can_win else "no",
        ]
        for i in listed
    ]
    note = (
        f"{len(front):,} of {len(terms):,} proposals are beaten by no other in every term, so only they can win. "
        f"The plot draws these and {len(_thinned(terms, area, scene.best)[1]):,} of the others"
        f"{'' if len(listed) >= len(can_win) else f'; the table lists the best {len(listed)}'}."
    )
    head = ["rank", "score", *(markup.part("plots.html", "term", term) for term in used), "area", "can win"]
    return markup.part("plots.html", "table", head, rows, note)


def sensitivity_figure(scene: Scene, x: str, y: str, dark: bool) -> go.Figure:
    """Which proposal wins where over two weights, where the present point lies, and the nearest change.

    Args:
        scene: what is looked at; the third weight keeps its value.
        x: `alpha`, `beta` or `gamma`, drawn to the right.
        y: another of these, drawn upwards.
        dark: theme.
    """
    if text := sensitivity.missing(scene, x, y):
        return _nothing(text, dark)
    tint, plane = _theme(dark), sensitivity.plane(scene, x, y)
    figure = _figure(dark)
    for region, fill in zip(plane.regions, sensitivity.fills(plane, scene.peak), strict=True):
        corners = np.concatenate([region.corners, region.corners[:1]])
        figure.add_scatter(
            x=_light(corners[:, 0]),
            y=_light(corners[:, 1]),
            mode="lines",
            fill="toself",
            fillcolor=_see_through(fill, 1 if region.proposal == plane.winner else FADED),
            line={"color": tint["panel"], "width": 1.5},
            hoveron="fills",
            hoverinfo="text",
            meta=region.proposal,
            text=f"#{plane.places[region.proposal]} wins {words.about(region.share)} of this plane",
            showlegend=False,
        )
        if sensitivity.roomy(region, plane):
            middle = sensitivity.centre(region.corners)
            figure.add_annotation(
                x=middle[0],
                y=middle[1],
                text=f"<b>#{plane.places[region.proposal]}</b>",
                showarrow=False,
                font={"color": tint["ink"], "size": 12},
            )
    if plane.switch is not None:
        there = plane.switch.point
        figure.add_scatter(
            x=[plane.point[0], there[0]],
            y=[plane.point[1], there[1]],
            mode="lines",
            line={"color": tint["ink"], "width": 1.5, "dash": "4px,3px"},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=[there[0]],
            y=[there[1]],
            mode="markers",
            marker={"size": 8, "symbol": "x-thin", "line": {"color": tint["ink"], "width": 2}},
            meta=plane.switch.proposal,
            hovertemplate=f"{sensitivity.switch_words(plane, plane.switch)}<extra></extra>",
            showlegend=False,
        )
    figure.add_scatter(
        x=[plane.point[0]],
        y=[plane.point[1]],
        mode="markers",
        marker={"size": 13, "color": "#ffffff", "line": {"color": "#16191f", "width": 3}},
        meta=plane.winner,
        hovertemplate=f"now: {sensitivity.point_words(plane, plane.point)}<extra></extra>",
        showlegend=False,
    )
    for update, axis, limit in (
        (figure.update_xaxes, plane.x, plane.span[0]),
        (figure.update_yaxes, plane.y, plane.span[1]),
    ):
        update(
            title_text=sensitivity.axis_title(scene, axis),
            range=[0, limit],
            showgrid=False,
            ticks="outside",
            ticklen=4,
            exponentformat="power",
        )
    figure.update_xaxes(constrain="domain")
    figure.update_yaxes(scaleanchor="x", scaleratio=plane.span[0] / plane.span[1], constrain="domain")
    return figure


def sensitivity_table(scene: Scene, x: str, y: str) -> Markup:
    """The regions of the plane as a table, the largest first."""
    if text := sensitivity.missing(scene, x, y):
        return markup.part("plots.html", "hint", text)
    plane, area = sensitivity.plane(scene, x, y), _area(scene)
    rows = []
    for region in plane.regions:
        borders = sorted({int(plane.places[rival]) for rival in region.rivals if rival >= 0})
        (left, bottom), (right, top) = region.corners.min(0), region.corners.max(0)
        rows.append(
            [
                f"#{plane.places[region.proposal]}{' (now)' if region.proposal == plane.winner else ''}",
                words.about(region.share),
                f"{weight(left, plane.span[0])} to {weight(right, plane.span[0])}",
                f"{weight(bottom, plane.span[1])} to {weight(top, plane.span[1])}",
                f"{area[region.proposal]:.1f}%",
                ", ".join(f"#{rank}" for rank in borders) or "none",
            ]
        )
    head = ["proposal", "wins", f"{SYMBOLS[plane.x]} within", f"{SYMBOLS[plane.y]} within", "area", "borders on"]
    return markup.part("plots.html", "table", head, rows, _plane_note(scene, plane), unfolded=True)


def _plane_note(scene: Scene, plane: Plane) -> str:
    third = 3 - plane.x - plane.y
    stays = f"{SYMBOLS[third]} stays at {weight(getattr(scene.weights, AXES[third]), 1)}"
    now = sensitivity.point_words(plane, plane.point)
    return f"Numbers are present ranks; now: {now}; {stays}."


def sensitivity_words(scene: Scene, x: str, y: str) -> Markup:
    """What the plane says in sentences, and its table."""
    said = markup.part("plots.html", "said", sensitivity.summary(scene, x, y))
    return said + sensitivity_table(scene, x, y)


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


def _sum(parts: np.ndarray, used: Sequence[words.Used]) -> str:
    return " + ".join(f"{term.name} {short(float(parts[term.index]))}" for term in used)


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
