"""A small model that sees something, and a devkit of generated scenes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.scenes import write_scenes
from train import scenes
from wsis import checkpoints, photo_sets, voc
from wsis.classifier import Classifier
from wsis.icn import ICN
from wsis.metrics import ImageResult
from wsis.proposals.contours import ContourNet

SMALL = {"backbone": "tf_efficientnet_lite0"}
ICN_OPTIONS = {**SMALL, "width": 8, "size": 128}


@pytest.fixture(scope="package")
def model(tmp_path_factory):
    """Untrained networks of which the classifier sees the three classes of the scenes in every photo."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    own = {**SMALL, "classes": list(voc.CLASSES)}
    classifier = Classifier(**own)
    with torch.no_grad():
        classifier.head.bias.fill_(-6)
        classifier.head.bias[[voc.CLASSES.index(name) for name in scenes.SHAPES]] = 0.5
    checkpoints.save_module(classifier, folder, "classifier", own)
    checkpoints.save_module(ContourNet(**SMALL), folder, "contours", SMALL)
    for name in checkpoints.ICNS:
        checkpoints.save_module(ICN(**ICN_OPTIONS), folder, name, ICN_OPTIONS)
    return folder


@pytest.fixture(scope="package")
def kit(tmp_path_factory):
    root = tmp_path_factory.mktemp("kit")
    write_scenes(root, *photo_sets.LAYOUTS[0])
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("s0\ns1\ns2\n")
    return root


def random_photos(rows, count=12):
    """What `collect` gives, at random."""
    rng = np.random.default_rng(0)
    photos = []
    for _ in range(count):
        truth = rng.integers(0, 3, rng.integers(1, 4))
        touching = rng.random(len(truth)) < 0.5
        photo = {}
        for row in rows:
            found = int(rng.integers(0, 5))
            overlaps = rng.random((found, len(truth)), np.float32)
            categories, scores = rng.integers(0, 3, found), rng.random(found, np.float32)
            result = ImageResult(overlaps, categories, scores, truth, touching, rng.random(len(truth)) < 0.5)
            photo[row] = result, rng.integers(0, 9, (21, 21))
        photos.append(photo)
    return photos
