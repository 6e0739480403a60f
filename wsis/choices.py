"""Names that people choose from. Nothing else, so that the command line knows them without importing PyTorch."""

from __future__ import annotations

from typing import Literal

Enhancer = Literal["none", "spread", "icn-proposal", "icn-saliency", "icn-instances"]
"""What grows a naive map."""
Naive = Literal["class map", "response", "mixed"]
"""The map of a peak that an enhancer starts from."""
Mode = Literal["excitation", "gradient"]
"""How responses (Eq. 2) are back-propagated."""
Fill = Literal["blur", "mean", "background"]
"""What stands in a photo where a part of it was erased."""
Reading = Literal["cover", "literal", "penalty", "no-rebalance", "prm-2018", "iou"]
"""How the three terms of Eq. 5 are measured."""
PresetName = Literal["paper", "no-rebalance", "penalty", "literal", "prm-2018", "iou"]
"""A reading with weights, see `wsis.matching.PRESETS`."""
