"""Deletion and insertion curves of a peak, as the tab *Why* and the report show them: see `templates/curves.html`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wsis.explorer import pictures
from wsis.explorer.scene import Scene
from wsis.why.faithfulness import CLASS_MAP, ENHANCED, MAPS, RANDOM, RESPONSE, Curves

WIDE, TALL = 200, 120
"""Size of a curve's plane, without its axes."""
CLASS = {CLASS_MAP: "class-map", RESPONSE: "response", ENHANCED: "enhanced", RANDOM: "random"}
"""What the stylesheets call each map."""


def drawn(found: Mapping[str, Curves], name: str, step: int) -> dict[str, Any]:
    """What the curves' macro shows, in the tab and in the report.

    Args:
        found: curves by map.
        name: of the class.
        step: of the enhanced map.
    """
    titles = {ENHANCED: f"enhanced, t = {step}" if step else "naive, t = 0"}
    both = [
        ("deletion", "pixels gone", "low is faithful", min),
        ("insertion", "pixels back", "high is faithful", max),
    ]
    planes: list[dict[str, Any]] = []
    best: dict[str, str] = {}
    for figure, along, rule, pick in both:
        areas = {each: getattr(found[each], f"{figure}_area") for each in MAPS if each in found}
        real = {each: area for each, area in areas.items() if each != RANDOM}
        best[figure] = pick(real, key=lambda each: real[each]) if len(real) > 1 else ""
        lines = [(CLASS[each], _path(getattr(found[each], figure))) for each in areas]
        planes.append({"title": figure, "along": along, "rule": rule, "lines": lines, "areas": areas})
    rows = [
        {
            "class": CLASS[each],
            "title": titles.get(each, each),
            "areas": [(plane["areas"][each], best[plane["title"]] == each) for plane in planes],
        }
        for each in MAPS
        if each in found
    ]
    return {
        "name": name, "planes": planes, "rows": rows, "size": (WIDE, TALL),
        "pixels": next((one.pixels for one in found.values()), None),
        "start": next((float(one.deletion[0]) for one in found.values()), None),
        "verdict": verdict({figure: titles.get(each, each) for figure, each in best.items()}) if rows else "",
    }  # fmt: skip


def verdict(best: Mapping[str, str]) -> str:
    """Which map is the most faithful, in a sentence; empty while there is nothing to compare."""
    deletion, insertion = best["deletion"], best["insertion"]
    if not deletion:
        return ""
    if deletion == insertion:
        return f"Most faithful map of this peak, by both: {deletion}."
    return f"Most faithful map of this peak: by deletion {deletion}; by insertion {insertion}."


def asked(scene: Scene) -> list[dict[str, Any]]:
    """What the report shows: the curves of every peak that somebody asked for in the tab."""
    peaks = range(len(scene.analysis.peaks))
    return [
        {**drawn(found, scene.name(peak), step), "colour": pictures.colour(peak), "number": peak + 1}
        for (peak, step), found in sorted(scene.followed.items())
        if peak in peaks and found
    ]


def _path(curve: np.ndarray) -> str:
    points = zip(np.linspace(0, WIDE, len(curve)), TALL * (1 - curve), strict=True)
    return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
