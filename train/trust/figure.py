"""The reliability diagram: what ratings say, and what is right, on photos that had no part in them."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from train.trust import calibrate
from train.trust.calibrate import Curves
from train.trust.fitting import GROUPS
from train.trust.records import Masks
from wsis import render
from wsis.trust import RIGHT

DPI = 150
WIDTH, HEIGHT = 10.0, 3.9
"""Inches."""
SHOWN = ("all masks", "shown in pictures", "offers")
LEVEL = 1.96
"""Standard errors on each side of a point that hold 95%."""


def reliability(curves: Curves, masks: Masks) -> bytes:
    """A PNG: for three groups of masks the share that is right over the share that was predicted, one point a range.

    Args:
        curves: counted on other photos.
        masks: of the photos that check; those of the published weights are drawn.
    """
    own = masks[masks.triples == 0]
    figure = Figure((WIDTH, HEIGHT), layout="constrained")
    for place, (axes, name) in enumerate(zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True)):
        chosen = own[GROUPS[name](own)]
        shares, right = calibrate.predicted(curves, chosen), chosen.ious >= RIGHT
        points = calibrate.bins(shares, right)
        tint = np.array(render.colour(place)) / 255
        x, y = np.array([one.predicted for one in points]), np.array([one.right for one in points])
        counts = np.array([one.count for one in points])
        spread = LEVEL * np.sqrt(y * (1 - y) / np.maximum(counts, 1))
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        axes.errorbar(x, y, np.minimum([spread, spread], [y, 1 - y]), fmt="none", ecolor=tint, alpha=0.6, capsize=3)
        axes.scatter(x, y, s=14 + 160 * np.sqrt(counts / max(counts.max(initial=1), 1)), color=tint, zorder=3)
        for one in points:
            axes.annotate(
                f"{one.count:,}", (one.predicted, one.right), (6, -11), textcoords="offset points", fontsize=8
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="rated: share right among masks like it", aspect="equal")
        error = f"{calibrate.error(shares, right):.3f}".removeprefix("0")
        axes.set_title(f"{name}: {len(chosen):,}, calibration error {error}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    figure.axes[0].set_ylabel("share of them that is right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
