"""A checkpoint with all six networks, untrained, on the smallest tested backbone, for when results do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from wsis import checkpoints
from wsis.classifier import Classifier
from wsis.icn import ICN
from wsis.proposals.contours import ContourNet
from wsis.proposals.objectness import LEVELS, ObjectnessNet
from wsis.voc import CLASSES

BACKBONE = "tf_efficientnet_lite0"
PRESENT = ("cat", "dog", "person")
"""Of VOC's classes, what it takes every photo for; random weights are unsure of all 20, which would cost many peaks."""
SIZES, CONTOUR_SIZE = (224, 160), 256
"""Long sides that it looks at photos with: shorter than those of others, which is a good deal less work."""


def save(folder: Path, classes: Sequence[str] = CLASSES, sizes: Sequence[int] = SIZES) -> Path:
    """Write the checkpoint, of these classes and sizes; the same at every call."""
    torch.manual_seed(0)
    options = {"backbone": BACKBONE}
    own = {**options, "classes": list(classes), "sizes": list(sizes)}
    classifier = Classifier(BACKBONE, classes, sizes=sizes)
    bias = classifier.head.bias
    if bias is not None and set(PRESENT) <= set(classes):
        with torch.no_grad():
            bias[[name not in PRESENT for name in classes]] = -4.0
    checkpoints.save_module(classifier, folder, "classifier", own)
    net = ContourNet(BACKBONE, size=CONTOUR_SIZE)
    checkpoints.save_module(net, folder, "contours", net.options)
    scorer = ObjectnessNet(channels=[net.backbone.channels[level] for level in LEVELS], widths=(8, 8), hidden=16)
    checkpoints.save_module(scorer, folder, "objectness", scorer.options)
    for name in checkpoints.ICNS:
        checkpoints.save_module(ICN(BACKBONE, width=8), folder, name, {**options, "width": 8})
    (folder / "README.md").write_text("# tiny\n\nRandom weights, for tests.\n")
    (folder / "metrics.json").write_text("{}\n")
    return folder
