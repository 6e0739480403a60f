"""The rows of our Tables 1, 3 and 4 (sections 4.3, 4.5 and 4.6 of the paper): how each makes instances from a photo."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, get_args

from train import evaluate
from train.ablate.cam import Shape
from wsis import paper
from wsis.analysis import Settings

STEPS = (1, 2, 3, 4)
STEP = 3
"""T wherever steps are not compared, as published."""
UNSCORED = (("objectness", False), ("semantic_threshold", 0.2))
"""Without the objectness learned from masks outside VOC; scores and the threshold are then about twice as high."""
PUBLISHED = (("agreement", False), *UNSCORED)
"""An ICN's maps as they are, too; by default they are held back where `wsis.agreement` says so."""
LABELS, CONTOURS, MASKS = "labels", "labels, contours", "labels, contours, masks"
"""What networks learned from, as `wsis.results.LEARNED_FROM` explains it."""
WITHOUT = {"icn-no-fusion": " without CFM and DFM", "icn-no-map": " without input map"}
"""What a variant lacks (`train.ablate.variants`), after the name of what it stands in for."""
MATCHINGS = {"paper": "", "prm-2018": ", matching of 2018"}
"""Presets after the name of a row."""


@dataclass(frozen=True)
class AblationRow(evaluate.Row):
    """How instances are made from a photo: enhancer, T, preset, offers, and what departs from the usual.

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
        return Settings(enhancer=self.enhancer, steps=self.steps, **dict(self.changes))

    @property
    def name(self) -> str:
        """What tables call the row: maps, T, matching, and what of ours it uses; all but what masks are filled to."""
        matched = MATCHINGS.get(self.preset, f", {self.preset}")
        if self.shape:
            return f"CAM, {self.shape}"
        settings = self.settings
        ours = ["objectness"] * settings.objectness
        if self.enhancer == "none":
            base = ("response (Eq. 2)" if settings.naive == "response" else "class map") + matched
        elif self.enhancer == "spread":
            base = f"spread{matched}"
        else:
            base = f"{self.enhancer}{WITHOUT.get(self.network, '')}, T = {self.steps}{matched}"
            ours = ["agreement"] * settings.agreement + ours
            if not ours:
                return f"{base}, {paper.PUBLISHED}"
        return f"{base}, with {' and '.join(ours)}" if ours else base

    @property
    def learned_from(self) -> str:
        """What the networks learned from that the row's instances follow from."""
        if self.enhancer in ("icn-saliency", "icn-instances") or self.settings.objectness:
            return MASKS
        return LABELS if self.shape in ("rectangle", "ellipse") else CONTOURS

    @property
    def analysis(self) -> tuple[str, Settings]:
        """What rows share whose instances follow from one analysis: network, and the settings that shape its maps."""
        return self.network, replace(self.settings, steps=0, objectness=True, semantic_threshold=0.0)


NAIVE = AblationRow("none", 0, "paper", 0, UNSCORED)
SPREAD = AblationRow("spread", 1, "paper", 0)
PROPOSAL = AblationRow("icn-proposal", STEP, "paper", 0)
SALIENCY = AblationRow("icn-saliency", STEP, "paper", 0)
INSTANCES = AblationRow("icn-instances", STEP, "paper", 0)
"""By default: regions of `icn-saliency`, with the objects under the peaks."""
RESPONSE = replace(NAIVE, changes=(("naive", "response"), *UNSCORED))
PRM = replace(RESPONSE, preset="prm-2018")


def ablations(variants: Collection[str], changes: tuple[tuple[str, Any], ...] = UNSCORED) -> list[AblationRow]:
    """Table 1: the full model first, then without each of its parts.

    Args:
        variants: names of the ICNs that are there; a row whose ICN is missing is left out.
        changes: of the settings of every row.
    """
    full = replace(PROPOSAL, changes=changes)
    rows = [
        full,
        NAIVE,
        *(replace(full, network=network) for network in WITHOUT if network in variants),
        replace(full, preset="prm-2018"),
    ]
    if changes != PUBLISHED:  # what the agreement adds by itself, and so may hide of what the ICN lost
        rows.append(replace(SPREAD, changes=changes))
    return rows


def comparison() -> list[AblationRow]:
    """Table 3, and filled with offers."""
    enhanced = [
        NAIVE,
        replace(SPREAD, changes=UNSCORED),
        replace(PROPOSAL, changes=UNSCORED),
        replace(SALIENCY, changes=UNSCORED),
        SPREAD,
        PROPOSAL,
        SALIENCY,
        INSTANCES,
    ]
    return [
        *(replace(NAIVE, shape=shape) for shape in get_args(Shape)),
        PRM,
        RESPONSE,
        replace(PROPOSAL, changes=PUBLISHED),
        replace(SALIENCY, changes=PUBLISHED),
        *(replace(row, fill=fill) for fill in evaluate.FILLS for row in enhanced),
    ]


def iterations() -> list[list[AblationRow]]:
    """Table 4: for each ICN, as published and by default, its rows by T."""
    return [
        [replace(row, steps=step, changes=changes) for step in STEPS]
        for row in (PROPOSAL, SALIENCY)
        for changes in (PUBLISHED, ())
    ]


def differences(variants: Collection[str]) -> list[tuple[AblationRow, AblationRow]]:
    """Rows to be compared: each with what it improves on."""
    parts = [(full, row) for full, *others in (ablations(variants, PUBLISHED), ablations(variants)) for row in others]
    naive, spread, proposal, saliency = NAIVE, *(replace(row, changes=UNSCORED) for row in (SPREAD, PROPOSAL, SALIENCY))
    enhanced = [
        (spread, naive),
        (proposal, naive),
        (proposal, spread),
        (saliency, naive),
        (saliency, spread),
        (SALIENCY, saliency),
        (INSTANCES, SALIENCY),
    ]
    several = [(replace(row, fill=n), replace(less, fill=n)) for n in evaluate.FILLS for row, less in enhanced]
    grown = [(rows[STEP - 1], rows[0]) for rows in iterations()]
    return list(dict.fromkeys([*parts, *several, *grown]))


def every(variants: Collection[str]) -> list[AblationRow]:
    """All rows of the tables, each once."""
    tables = (ablations(variants, PUBLISHED), ablations(variants), comparison(), *iterations())
    return list(dict.fromkeys(row for rows in tables for row in rows))
