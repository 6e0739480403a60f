"""Generated scenes, written as a set of photos with their masks, and the maps of a perfect classifier."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from train import maps as naive_maps
from train.maps import NaiveMaps
from train.scenes import Scene, scene
from wsis import metrics
from wsis.maps import ClassMaps

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


def scene_maps(made: Scene) -> NaiveMaps:
    """A map and a peak for every instance of a scene, as from a perfect classifier on a coarse grid."""
    coarse = np.stack([m.reshape(24, 4, 32, 4).mean((1, 3)) for m in made.masks]).astype(np.float32)
    peaks = np.stack([(np.argwhere(m)[m.sum() // 2] + 0.5) / m.shape for m in made.masks]).astype(np.float32)
    return NaiveMaps(coarse, made.categories, peaks)


def save_scene_maps(made: Scene, file) -> None:
    """The class maps of a scene from a perfect classifier of 20 classes, as `train.maps.ensure` keeps them."""
    maps = scene_maps(made)
    logits = np.full((20, 24, 32), -1, np.float32)
    for c in set(maps.classes.tolist()):
        logits[c] = maps.maps[maps.classes == c].max(0)
    scores = np.isin(np.arange(20), maps.classes).astype(np.float32)
    naive_maps.save(ClassMaps(logits, scores, tuple(map(str, range(20)))), file)
