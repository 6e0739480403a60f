"""The figure of the data flow on the Method tab: one set of nodes, drawn wide and, for a phone, as a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PICTURE = (96, 68)
PITCH, TALL = 138, 84
TITLE = "From a photo to its masks"
DESCRIPTION = (
    "On the server, once a photo: a classifier gives class maps, their peaks stand for instances, each peak starts a "
    "naive map, and an ICN or spreading grows it over steps t = 1 to T; cut, it is V with its contour E(V). Beside "
    "that, a contour network, superpixels and region trees give proposals. In the browser, at every move of a slider: "
    "maps and proposals are matched by Eq. 5, each peak keeps its best proposal, non-maximum suppression removes "
    "doubles, and the instances are painted into a semantic map. Image-level labels train the classifier and the "
    "ICN of proposals; class-agnostic masks of photos outside VOC train the contour network and the ICN of saliency."
)
LABELS, MASKS = "labels", "masks"
TRAINED = {LABELS: "learned from image-level labels", MASKS: "learned from class-agnostic masks outside VOC"}


@dataclass(frozen=True)
class Node:
    """One picture with its caption.

    Attributes:
        picture: symbol in `method.svg`.
        title, note: the caption's two lines.
        column, row: place in the wide figure.
        trained: what trained the network behind it, any keys of `TRAINED`.
    """

    picture: str
    title: str
    note: str
    column: int
    row: float
    trained: Sequence[str] = ()


SERVER = (
    Node("photo", "photo", "RGB", 0, 0.5),
    Node("map", "class maps", "classifier", 1, 0, (LABELS,)),
    Node("peaks", "peaks", "Eq. 1", 2, 0),
    Node("naive", "naive map", "t = 0, Eq. 2", 3, 0),
    Node("grown", "enhanced map", "ICN or spread, t = 1..T", 4, 0, (LABELS, MASKS)),
    Node("binary", "V and E(V)", "cut, contour band", 5, 0),
    Node("contours", "contours", "contour network", 1, 1, (MASKS,)),
    Node("regions", "superpixels", "about 400", 2, 1),
    Node("trees", "trees", "five ways to merge", 3, 1),
    Node("proposals", "proposals P", "at most 3,000", 4, 1),
)
BROWSER = (
    Node("match", "matching", "α, β, γ of Eq. 5", 0, 2),
    Node("best", "best of each peak", "the winner by score", 1, 2),
    Node("nms", "NMS", "doubles of a class go", 2, 2),
    Node("instances", "instances", "one mask each", 3, 2),
    Node("semantic", "semantic map", "best on top", 4, 2),
)


def figure() -> str:
    """Both drawings with the pictures they use; the stylesheet shows the one that fits."""
    parts = (Path(__file__).parent / "method.svg").read_text(encoding="utf-8")
    legend = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true">{_badge(key, 7, 7)}</svg>{said}</li>'
        for key, said in TRAINED.items()
    )
    return f'{parts}{_wide()}{_column()}<ul class="mth-legend">{legend}<li>no mark: nothing is learned</li></ul>'


def _wide() -> str:
    """Two branches on the server, then left to right again in the browser."""
    width, row, top = 8 + 5 * PITCH + PICTURE[0] + 8, 134, 30
    middle = PICTURE[1] // 2
    places = {node.picture: (8 + node.column * PITCH, top + int(node.row * row)) for node in SERVER}
    band = top + 2 * row + 4
    places |= {node.picture: (20 + node.column * (PITCH - 4), band + 46) for node in BROWSER}
    right, lane = width - 4, band - 2
    arrows = [_across(places, a, b) for a, b in (*_chain(SERVER[1:6]), *_chain(SERVER[6:]), *_chain(BROWSER))]
    x, y = places["photo"][0] + PICTURE[0], places["photo"][1] + middle
    for name in ("map", "contours"):
        to_x, to_y = places[name][0], places[name][1] + middle
        arrows.append(_arrow(f"M{x + 4} {y}h12V{to_y}H{to_x - 7}"))
    # V and the proposals meet on the right, and go down to the browser together.
    x, y = places["proposals"][0] + PICTURE[0], places["proposals"][1] + middle
    v_x, v_y = places["binary"][0] + middle, places["binary"][1] + PICTURE[1] + 40
    m_x = places["match"][0] + PICTURE[0] // 2
    arrows.append(f'<path d="M{x + 4} {y}H{v_x}M{v_x} {v_y}V{lane}"/>')
    arrows.append(_arrow(f"M{v_x} {lane}H{m_x}V{band + 39}"))
    loop_x, loop_y = places["grown"][0] + PICTURE[0] // 2, places["grown"][1]
    arrows.append(_arrow(f"M{loop_x + 26} {loop_y - 4}c0-20-52-20-52-2"))
    texts = (
        _text(8, 14, "on the server, once a photo", "mth-place")
        + _text(m_x + 14, band + 30, "in the browser, at every move of a slider", "mth-place")
        + _text(v_x - 8, lane - 8, "sent once: three terms for every map and proposal that can win", "mth-end")
    )
    height = band + 46 + PICTURE[1] + 48
    box = f'<rect class="mth-band" x="1" y="{band + 10}" width="{right}" height="{height - band - 12}" rx="12"/>'
    nodes = "".join(_node(node, *places[node.picture]) for node in (*SERVER, *BROWSER))
    return _svg("wide", width, height, box + _lines(arrows) + texts + nodes)


def _column() -> str:
    """The same nodes one below the other, with rails for the two lines that skip some."""
    width, x, nodes, arrows = 344, 26, [], []
    places: dict[str, int] = {}
    y, starts = 30, {"map": 0, "contours": 18, "match": 54}
    for node in (*SERVER, *BROWSER):
        y += starts.get(node.picture, 0)
        places[node.picture] = y
        nodes.append(_node(node, x, y, beside=True))
        y += TALL
    names = [node.picture for node in (*SERVER, *BROWSER)]
    for a, b in pairwise(names):
        if a != "binary":
            arrows.append(_arrow(f"M{x + 48} {places[a] + PICTURE[1] + 2}V{places[b] - 5}"))
    middle = PICTURE[1] // 2
    arrows.append(_arrow(f"M{x - 3} {places['photo'] + middle}H10V{places['contours'] + middle}H{x - 6}"))
    right = width - 10
    arrows.append(_arrow(f"M{x + 232} {places['binary'] + middle}H{right}V{places['match'] + middle}H{x + 232}"))
    band = places["match"] - 34
    height = y + 4
    box = f'<rect class="mth-band" x="1" y="{band}" width="{width - 2}" height="{height - band - 2}" rx="12"/>'
    texts = _text(x, 16, "on the server, once a photo", "mth-place") + _text(
        x + 62, band + 20, "in the browser, at every move of a slider", "mth-place"
    )
    return _svg("tall", width, height, box + _lines(arrows) + texts + "".join(nodes))


def _svg(name: str, width: int, height: int, content: str) -> str:
    return (
        f'<svg class="mth-figure mth-{name}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="mth-{name}-title mth-{name}-said"><title id="mth-{name}-title">{TITLE}</title>'
        f'<desc id="mth-{name}-said">{DESCRIPTION}</desc><defs><marker id="mth-{name}-tip" viewBox="0 0 8 8" refX="6" '
        f'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0l8 4-8 4z"/></marker></defs>'
        f"{content.replace('#tip', f'#mth-{name}-tip')}</svg>"
    )


def _node(node: Node, x: int, y: int, *, beside: bool = False) -> str:
    width, height = PICTURE
    marks = "".join(_badge(key, x + width - 10 - 17 * i, y + 10) for i, key in enumerate(node.trained))
    text_x, text_y = (x + width + 12, y + 30) if beside else (x, y + height + 16)
    return (
        f'<use href="#mth-{node.picture}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
        f'<rect class="mth-frame" x="{x - 1}" y="{y - 1}" width="{width + 2}" height="{height + 2}" rx="7"/>{marks}'
        f"{_text(text_x, text_y, node.title, 'mth-title')}{_text(text_x, text_y + 15, node.note, 'mth-said')}"
    )


def _badge(key: str, x: int, y: int) -> str:
    """A disc for image-level labels, a square for masks: told apart without colour."""
    shape = (
        f'<circle cx="{x}" cy="{y}" r="5.5"/>'
        if key == LABELS
        else f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10" rx="1.5"/>'
    )
    return f'<g class="mth-badge mth-{key}">{shape}</g>'


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{text}</text>'


def _chain(nodes: Sequence[Node]) -> list[tuple[str, str]]:
    return [(a.picture, b.picture) for a, b in pairwise(nodes)]


def _across(places: dict[str, tuple[int, int]], a: str, b: str) -> str:
    y = places[a][1] + PICTURE[1] // 2
    return _arrow(f"M{places[a][0] + PICTURE[0] + 4} {y}H{places[b][0] - 7}")


def _arrow(path: str) -> str:
    return f'<path d="{path}" marker-end="url(#tip)"/>'


def _lines(paths: Sequence[str]) -> str:
    return f'<g class="mth-arrows">{"".join(paths)}</g>'
