"""The Method & model card tab: the data flow, the equations as we read them, and the card of the loaded model."""

from __future__ import annotations

import re
from dataclasses import astuple
from html import escape
from itertools import count
from pathlib import Path

from markdown_it import MarkdownIt

from wsis.checkpoints import Checkpoint
from wsis.explorer import words
from wsis.explorer.tabs import method_figure
from wsis.matching import BAND_SHARE, OTSU_RANGE, PRESETS
from wsis.pipeline import Settings

HERE = Path(__file__).parent
OPEN = ("data", "limits")
"""Parts of a card that are not folded."""


def html(checkpoint: Checkpoint) -> str:
    """The whole tab.

    Args:
        checkpoint: what is loaded; `card["text"]` is its card in Markdown, or empty.
    """
    settings = Settings()
    fills = {
        "figure": method_figure.figure(),
        "sigma": f"{settings.sigma:g}",
        "window": str(settings.window),
        "naive": escape(settings.naive),
        "least": words.unit(settings.semantic_threshold),
        "otsu": " to ".join(words.unit(value) for value in OTSU_RANGE),
        "band": f"{BAND_SHARE:.0%}",
        "count": str(len(PRESETS)),
        "readings": _readings(),
        "card": card(str(checkpoint.card.get("text") or "")),
    }
    template = (HERE / "method.html").read_text(encoding="utf-8")
    return re.sub(r"{{(\w+)}}", lambda found: fills[found[1]], template)


def card(text: str) -> str:
    """A model's card as HTML: its parts fold, data and limits stand open.

    Raw HTML in the card is shown as text, and neither links nor images are made, so that the page asks no other host.

    Args:
        text: Markdown.
    """
    if not text.strip():
        return (
            "<p>This model brings no card. Write README.md beside its config.json: data, labels, commands, limits.</p>"
        )
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink", "reference"])
    )
    first, *rest = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    intro = re.sub(r"\A\s*# +(.+)$", r"**\1**", first, flags=re.MULTILINE)
    parts = [markdown.render(intro)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        is_open = " open" if title.strip().lower() in OPEN else ""
        shown = markdown.render(body)
        parts.append(f"<details{is_open}><summary>{escape(title.strip())}</summary>{shown}</details>")
    return _framed("".join(parts))


def _framed(html: str) -> str:
    """Headings one level below the tab's, wide tables in a frame that scrolls."""
    html = re.sub(r"<(/?)h[1-6]>", r"<\1h4>", html)
    number = count(1)
    frame = '<div class="mth-scroll" tabindex="0" role="region" aria-label="Table {} of the card"><table>'
    html = re.sub("<table>", lambda _: frame.format(next(number)), html)
    return html.replace("</table>", "</table></div>")


def _readings() -> str:
    return "".join(
        f'<tr><th scope="row">{escape(preset.title)} <small>{escape(name)}</small></th>'
        f'<td class="mth-formula">{_coloured(preset.formula)}</td>'
        f"<td>{', '.join(words.short(value, 2) for value in astuple(preset.weights))}</td>"
        f"<td>{escape(preset.note)}</td></tr>"
        for name, preset in PRESETS.items()
    )


def _coloured(formula: str) -> str:
    """A formula with each weight in its term's colour."""
    html = escape(formula)
    for symbol, term in zip(words.SYMBOLS, words.TERMS, strict=True):
        html = html.replace(symbol, f'<b class="{term}">{symbol}</b>')
    return html
