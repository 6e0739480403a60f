from __future__ import annotations

import re
from pathlib import Path

from tests.helpers import ROOT
from tests.helpers.markup import Page
from wsis import checkpoints
from wsis.checkpoints import Checkpoint
from wsis.explorer.tabs import method
from wsis.matching import PRESETS

EMBEDDED = ROOT / "checkpoints" / "voc-lite"


def loaded(text: str) -> Checkpoint:
    return Checkpoint("mine", None, card={"text": text, "metrics": {}, "modules": {}})


def test_page_is_whole_and_every_mark_is_filled() -> None:
    page = method.html(loaded((EMBEDDED / "README.md").read_text()))
    Page(page)
    assert "{{" not in page


def drawings(page: str) -> list[str]:
    """The data flow, wide and as a column."""
    return re.findall(r'<svg class="mth-figure.*?</svg>', page, re.DOTALL)


def test_figures_have_a_title_and_their_pictures() -> None:
    html = method.html(loaded(""))
    page = Page(html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    figures = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(figures) == 2
    for attrs in figures:
        for name in attrs["aria-labelledby"].split():
            assert name in ids
    used = {attrs["href"].removeprefix("#") for tag, attrs in page.tags if tag == "use"}
    tips = set(re.findall(r"url\(#([\w-]+)\)", "".join(drawings(html))))
    assert len(tips) == 2
    assert used | tips <= set(ids)
    symbols = {attrs["id"] for tag, attrs in page.tags if tag == "symbol"}
    nodes = [set(re.findall(r'<use href="#([\w-]+)"', drawing)) for drawing in drawings(html)]
    assert len(symbols) >= 15
    assert nodes[0] == nodes[1] == symbols - {"mth-cells"}


def test_both_drawings_show_every_node_within_their_frame() -> None:
    texts = []
    for drawing in drawings(method.html(loaded(""))):
        width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)" role', drawing).groups())
        nodes = re.findall(r'<use [^>]*x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', drawing)
        titles, notes = (
            re.findall(rf'<text class="{kind}"[^>]*>([^<]+)</text>', drawing) for kind in ("mth-title", "mth-said")
        )
        assert len(nodes) == len(titles) == len(notes) == 15
        texts.append((titles, notes))
        for x, y, own_width, own_height in nodes:
            assert int(x) + int(own_width) <= width
            assert int(y) + int(own_height) <= height
    assert texts[0] == texts[1]


def test_every_reading_stands_with_its_formula_weights_and_note() -> None:
    rows = Page(method.html(loaded(""))).rows
    for name, preset in PRESETS.items():
        (row,) = (row for row in rows if row[0] == f"{preset.title} {name}")
        assert row[1] == preset.formula
        assert row[3] == preset.note
        weights = [float(value) for value in row[2].split(", ")]
        assert weights == [preset.weights.alpha, preset.weights.beta, preset.weights.gamma]


def test_card_is_rendered_with_data_and_limits_open() -> None:
    parts = "## Data\n\nx\n\n## Commands\n\ny\n\n## Limits\n\nz\n"
    html = method.card(f"# mine\n\nA *model*.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n{parts}")
    assert "<em>model</em>" in html
    assert ["1", "2"] in Page(html).rows
    assert re.findall(r"<details( open)?><summary>(\w+)", html) == [
        (" open", "Data"),
        ("", "Commands"),
        (" open", "Limits"),
    ]


def test_card_can_neither_run_nor_fetch_anything() -> None:
    text = (
        "# x\n\n<script>alert(1)</script> <img src=http://a.example/x.png>\n\n![p](http://a.example/p.png) "
        "[l](javascript:alert(1)) <http://a.example> [r]\n\n[r]: http://a.example/r\n\n## <b onclick=x>D</b>\n\ny\n"
    )
    tags = Page(method.card(text)).tags
    assert {tag for tag, _ in tags} <= {"p", "strong", "details", "summary", "em"}
    assert not any(name.startswith("on") or name in ("src", "href") for _, attrs in tags for name in attrs)


def test_a_model_without_a_card_is_told_what_to_write() -> None:
    assert "Write README.md beside its config.json" in method.html(loaded("  "))


def test_every_embedded_and_a_new_checkpoint_can_be_shown(tiny_checkpoint: Path) -> None:
    assert "Random weights, for tests." in method.html(checkpoints.load(tiny_checkpoint))


def test_nothing_is_fetched() -> None:
    text = (EMBEDDED / "README.md").read_text()
    pages = [method.html(loaded(text)), (Path(method.__file__).parent / "method.css").read_text()]
    for page in pages:
        assert not re.search(r"https?://|src=|@import|<a |url\((?!#)", page)
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
