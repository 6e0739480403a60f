"""A checkpoint with all five networks, untrained, on the smallest tested backbone, for when results do not matter."""

from __future__ import annotations

from pathlib import Path

import torch

from wsis import checkpoints
from wsis.classifier import Classifier
from wsis.icn import ICN
from wsis.proposals.contours import ContourNet
from wsis.proposals.objectness import LEVELS, ObjectnessNet

BACKBONE = "tf_efficientnet_lite0"


def save(folder: Path) -> Path:
    """Write the checkpoint; the same at every call."""
    torch.manual_seed(0)
    options = {"backbone": BACKBONE}
    checkpoints.save_module(Classifier(**options), folder, "classifier", options)
    net = ContourNet(**options)
    checkpoints.save_module(net, folder, "contours", options)
    scorer = ObjectnessNet(channels=[net.backbone.channels[level] for level in LEVELS], widths=(8, 8), hidden=16)
    checkpoints.save_module(scorer, folder, "objectness", scorer.options)
    for name in checkpoints.ICNS:
        checkpoints.save_module(ICN(**options, width=8), folder, name, {**options, "width": 8})
    (folder / "README.md").write_text("# tiny\n\nRandom weights, for tests.\n")
    (folder / "metrics.json").write_text("{}\n")
    return folder
