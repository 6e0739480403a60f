"""The rows of our Tables 1, 3 and 4 (sections 4.3, 4.5 and 4.6 of the paper): how each makes instances from a photo."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from train import evaluate
from train.ablate.cam import Shape
from wsis.pipeline import Settings

STEPS = (1, 2, 3, 4)
STEP = 3
"""T wherever steps are not compared, as published."""
UNSCORED = (("objectness", False), ("semantic_threshold", 0.2))
"""Without the objectness learned from masks outside VOC; scores and the threshold are then about twice as high."""
PUBLISHED = (("agreement", False), *UNSCORED)
"""An ICN's maps as they are, too; by default they are held back where `wsis.agreement` says so."""
LABELS = "image-level labels"
CONTOURS = f"{LABELS} + class-agnostic contours outside VOC"
MASKS = f"{LABELS} + class-agnostic masks outside VOC"


@dataclass(frozen=True)
class Row(evaluate.Row):
    """How instances are made from a photo: enhancer, T, preset and proposals a peak, and what departs from the usual.

    Attributes:
        changes: fields of `Settings` that are not at their default, with their values.
        network: the variant that stands in for the enhancer (`train.ablate.variants`), empty for the model's own ICN.
        shape: what the boxes of the class maps are filled with (`train.ablate.cam`); None matches proposals with peaks.
    """

    changes: tuple[tuple[str, Any], ...] = ()
    network: str = ""
    shape: Shape | None = None

    @property
    def settings(self) -> Settings:
        """How the photo is looked at."""
        return Settings(enhancer=self.enhancer, steps=self.steps, **dict(self.changes))  # type: ignore[arg-type]

    @property
    def analysis(self) -> tuple[str, Settings]:
        """What rows share whose instances follow from one analysis: network, and the settings that shape its maps."""
        return self.network, replace(self.settings, steps=0, objectness=True, semantic_threshold=0.0)


Rows = dict[str, Row]
"""Rows by title."""

NAIVE = Row("none", 0, "paper", 1, UNSCORED)
SPREAD = Row("spread", 1, "paper", 1)
PROPOSAL = Row("icn-proposal", STEP, "paper", 1)
SALIENCY = Row("icn-saliency", STEP, "paper", 1)
RESPONSE = replace(NAIVE, changes=(("naive", "response"), *UNSCORED))


def ablations(variants: Collection[str], changes: tuple[tuple[str, Any], ...] = UNSCORED) -> Rows:
    """Table 1: the full model first, then without each of its parts.

    Args:
        variants: names of the ICNs that are there; a row whose ICN is missing is left out.
        changes: of the settings of every row.
    """
    full = replace(PROPOSAL, changes=changes)
    rows = {
        "full model (ICN-proposal)": full,
        "w/o ICN: the naive map is matched": NAIVE,
        "w/o CFM and DFM": replace(full, network="icn-no-fusion"),
        "w/o input map": replace(full, network="icn-no-map"),
        "w/o multi-scale rebalance: matching of PRM 2018": replace(full, preset="prm-2018"),
    }
    if changes != PUBLISHED:  # what the agreement adds by itself, and so may hide of what the ICN lost
        rows["w/o ICN: the spread map is matched"] = replace(SPREAD, changes=changes)
    return {title: row for title, row in rows.items() if not row.network or row.network in variants}


def comparison() -> list[tuple[str, Row, str]]:
    """Table 3: titles, rows and what they were trained on."""
    rows = [
        ("CAM, rectangle", replace(NAIVE, shape="rectangle"), LABELS),
        ("CAM, ellipse", replace(NAIVE, shape="ellipse"), LABELS),
        ("CAM, proposal", replace(NAIVE, shape="proposal"), CONTOURS),
        ("PRM: naive response, matching of 2018", replace(RESPONSE, preset="prm-2018"), CONTOURS),
        ("PRM: naive response", RESPONSE, CONTOURS),
    ]
    published = [
        ("ICN-proposal, as published", replace(PROPOSAL, changes=PUBLISHED), CONTOURS),
        ("ICN-saliency, as published", replace(SALIENCY, changes=PUBLISHED), MASKS),
    ]
    enhanced = [
        ("naive class map", NAIVE, CONTOURS),
        ("spread", replace(SPREAD, changes=UNSCORED), CONTOURS),
        ("ICN-proposal", replace(PROPOSAL, changes=UNSCORED), CONTOURS),
        ("ICN-saliency", replace(SALIENCY, changes=UNSCORED), MASKS),
        ("spread + objectness", SPREAD, MASKS),
        ("ICN-proposal + objectness", PROPOSAL, MASKS),
        ("ICN-saliency + objectness (default)", SALIENCY, MASKS),
    ]
    several = [(title, replace(row, per_peak=count), source) for count in (1, 3) for title, row, source in enhanced]
    return rows + published + several


def pairs() -> list[tuple[str, str, int]]:
    """Rows of `comparison` to be compared: the title of one, of what it improves on, and proposals a peak."""
    chosen = [
        ("spread", "naive class map"),
        ("ICN-proposal", "naive class map"),
        ("ICN-proposal", "spread"),
        ("ICN-saliency", "naive class map"),
        ("ICN-saliency", "spread"),
        ("ICN-saliency + objectness (default)", "ICN-saliency"),
    ]
    return [(title, less, count) for count in (1, 3) for title, less in chosen]


def iterations() -> dict[str, Rows]:
    """Table 4: for each ICN, as published and by default, its rows by T."""
    both = {"as published": PUBLISHED, "with agreement and objectness": ()}
    return {
        f"{name}, {kind}": {f"T = {step}": replace(row, steps=step, changes=changes) for step in STEPS}
        for name, row in (("ICN-proposal", PROPOSAL), ("ICN-saliency", SALIENCY))
        for kind, changes in both.items()
    }


def every(variants: Collection[str]) -> list[Row]:
    """All rows of the three tables, each once."""
    tables = (
        ablations(variants, PUBLISHED).values(),
        ablations(variants).values(),
        (row for _, row, _ in comparison()),
        *(rows.values() for rows in iterations().values()),
    )
    return list(dict.fromkeys(row for rows in tables for row in rows))
