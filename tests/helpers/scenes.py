"""Generated scenes, written as a set of photos with their masks."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from train.scenes import scene
from wsis import metrics

SEEDS = range(3)


def write_scenes(root, photos, classes, instances):
    """Generated scenes in three folders, with a void stripe."""
    for folder in (photos, classes, instances):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        made = scene(seed)
        semantic = np.zeros(made.image.shape[:2], np.uint8)
        for mask, category in zip(made.masks, made.categories, strict=True):
            semantic[mask] = category + 1
        index = made.index
        index[:2] = semantic[:2] = metrics.VOID
        cv2.imwrite(str(root / photos / f"s{seed}.jpg"), made.image[..., ::-1])
        Image.fromarray(semantic).save(root / classes / f"s{seed}.png")
        Image.fromarray(index).save(root / instances / f"s{seed}.png")
