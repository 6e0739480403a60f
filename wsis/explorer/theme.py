"""One Gradio theme: the colours and sizes that `style.css` builds on, light and dark."""

from __future__ import annotations

import gradio as gr

FONTS = ("Inter", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# name: (light, dark); the pairs become CSS variables --NAME in `variables`.
COLOURS: dict[str, tuple[str, str]] = {
    "ground": ("#f6f6f4", "#0e1014"),
    "panel": ("#ffffff", "#16191f"),
    "well": ("#efeeeb", "#1e222a"),
    "line": ("#e4e3df", "#272b34"),
    "ink": ("#1b1d22", "#e9eaee"),
    "quiet": ("#656972", "#9aa0ab"),
    "accent": ("#3457d5", "#8ea6ff"),
    "on-accent": ("#ffffff", "#10131c"),
    "chosen": ("#e8ebf9", "#20284a"),
    "precision": ("#2f6fed", "#5b93ff"),
    "contour": ("#d98a04", "#f2ac3c"),
    "recall": ("#0d9f6e", "#34c795"),
    "bad": ("#c8372d", "#ff7a6b"),
}


def declarations(*, dark: bool) -> str:
    """`COLOURS` as declarations of CSS variables."""
    return "".join(f"--{name}:{pair[dark]};" for name, pair in COLOURS.items())


def variables() -> str:
    """`COLOURS` as a stylesheet: light on the root, dark where Gradio sets the class `dark`."""
    return f":root{{{declarations(dark=False)}}}.dark{{{declarations(dark=True)}}}"


def theme() -> gr.themes.Base:
    """The theme; system fonts only, so nothing is fetched from another host."""
    both = {
        "body_background_fill": "ground",
        "body_text_color": "ink",
        "body_text_color_subdued": "quiet",
        "background_fill_primary": "panel",
        "background_fill_secondary": "well",
        "block_background_fill": "panel",
        "block_border_color": "line",
        "block_label_text_color": "quiet",
        "block_title_text_color": "ink",
        "block_info_text_color": "quiet",
        "border_color_primary": "line",
        "border_color_accent": "accent",
        "color_accent_soft": "chosen",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent",
        "button_primary_text_color": "on-accent",
        "button_secondary_background_fill": "panel",
        "button_secondary_background_fill_hover": "well",
        "button_secondary_text_color": "ink",
        "button_secondary_border_color": "line",
        "input_background_fill": "panel",
        "input_border_color": "line",
        "input_border_color_focus": "accent",
        "slider_color": "accent",
        "loader_color": "accent",
        "link_text_color": "accent",
        "link_text_color_hover": "accent",
    }
    values = {name: COLOURS[colour][0] for name, colour in both.items()}
    values |= {f"{name}_dark": COLOURS[colour][1] for name, colour in both.items()}
    base = gr.themes.Base(
        font=FONTS,
        font_mono=MONO,
        text_size=gr.themes.Size("10px", "11.5px", "12px", "13px", "15px", "18px", "22px"),
        radius_size=gr.themes.Size("2px", "4px", "6px", "8px", "10px", "12px", "16px"),
    )
    return base.set(
        **values,
        block_shadow="none",
        block_border_width="0px",
        block_padding="0px",
        block_radius="8px",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        button_large_radius="8px",
        button_small_radius="8px",
        button_border_width="1px",
        input_radius="8px",
        input_shadow="none",
        layout_gap="12px",
    )
