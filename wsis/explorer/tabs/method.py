"""The Method & model card tab: the data flow, the equations as we read them, and the card of the loaded model."""

from __future__ import annotations

import re
from dataclasses import astuple
from itertools import count
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from wsis.analysis import Settings
from wsis.explorer import markup, words
from wsis.matching import BAND_SHARE, LEAST_RATE, OTSU_RANGE, PRESETS
from wsis.provenance import Described

OPEN = ("data", "limits")
"""Parts of a card that are not folded."""


def html(checkpoint: Described) -> Markup:
    """The whole tab.

    Args:
        checkpoint: the model; `card["text"]` is its card in Markdown, or empty.
    """
    settings = Settings()
    return markup.render(
        "method.html",
        sigma=f"{settings.sigma:g}",
        window=settings.window,
        naive=settings.naive,
        least=words.unit(settings.semantic_threshold),
        otsu=" to ".join(words.unit(value) for value in OTSU_RANGE),
        band=f"{BAND_SHARE:.0%}",
        least_rate=words.unit(LEAST_RATE),
        readings=[
            {
                "name": name,
                "preset": preset,
                "formula": _pieces(preset.formula),
                "weights": [words.short(value, 2) for value in astuple(preset.weights)],
            }
            for name, preset in PRESETS.items()
        ],
        card=card(str(checkpoint.card.get("text") or "")),
    )


def card(text: str) -> Markup:
    """A model's card as HTML: its parts fold, data and limits stand open.

    Raw HTML in the card is shown as text, and neither links nor images are made, so that the page asks no other host.

    Args:
        text: Markdown.
    """
    if not text.strip():
        return markup.part("card.html", "missing")
    markdown = _markdown()
    first, *rest = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    intro = re.sub(r"\A\s*# +(.+)$", r"**\1**", first, flags=re.MULTILINE)
    shown = _rendered(markdown, intro)
    for title, body in zip(map(str.strip, rest[::2]), rest[1::2], strict=True):
        shown += markup.part("card.html", "folded", title, _rendered(markdown, body), title.lower() in OPEN)
    return shown


def _markdown() -> MarkdownIt:
    """Markdown with headings one level below the tab's, and wide tables in a frame that scrolls."""
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink", "reference"])
    )
    number = count(1)
    markdown.add_render_rule("table_open", lambda *_: str(markup.part("card.html", "table_open", next(number))))
    markdown.add_render_rule("table_close", lambda *_: str(markup.part("card.html", "table_close")))
    return markdown


def _rendered(markdown: MarkdownIt, text: str) -> Markup:
    environment: dict[str, Any] = {}
    tokens = markdown.parse(text, environment)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4"
    return Markup(markdown.renderer.render(tokens, markdown.options, environment))


def _pieces(formula: str) -> list[tuple[str, str]]:
    """A formula in pieces, each with the term whose colour it wears, or with an empty string."""
    terms = dict(zip(words.SYMBOLS, words.TERMS, strict=True))
    return [(piece, terms.get(piece, "")) for piece in re.split(f"([{''.join(words.SYMBOLS)}])", formula) if piece]
