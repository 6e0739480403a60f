"""Tuning the weights of Eq. 5 on photos with masks: analyse each photo once, then any weights in milliseconds.

What a photo's analysis says about every choice of weights is small: for each reading of Eq. 5, step and peak the Pareto
front of the proposals, with their terms and their overlaps with the map and with the masks. `measure` keeps that as a
`Record`; `figures` follows `wsis.instances.assemble` and `wsis.metrics` from there and gives the numbers that
`train.evaluate` reports for one proposal a peak.
"""

from __future__ import annotations

from wsis.tuning.cache import Cache
from wsis.tuning.photo_record import Record, measure, record
from wsis.tuning.search import VALUES, Grid, best, grid
from wsis.tuning.set_figures import FIGURES, Figures, PhotoFigures, Records, Rules, figures

__all__ = [
    "FIGURES",
    "VALUES",
    "Cache",
    "Figures",
    "Grid",
    "PhotoFigures",
    "Record",
    "Records",
    "Rules",
    "best",
    "figures",
    "grid",
    "measure",
    "record",
]
