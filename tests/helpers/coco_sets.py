"""Generated scenes as a COCO data set of classes of one's own, its masks in all of COCO's writings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from train.scenes import SHAPES, scene
from wsis import voc

NAMES = ("teapot", "bolt", "cup")
"""What the three shapes of the scenes are called."""


def write(root: Path, seeds: Sequence[int] = range(3), names: Sequence[str] = NAMES, crowd: bool = False) -> Path:
    """Photos in `root/photos` and `root/instances.json`.

    Args:
        root: made if missing.
        seeds: of the scenes, one a photo.
        names: of the three shapes; their ids are 7, 11 and 15.
        crowd: whether the first instance of each photo is a crowd.

    Returns:
        The JSON.
    """
    (root / "photos").mkdir(parents=True, exist_ok=True)
    categories = [{"id": 4 * place + 7, "name": name} for place, name in enumerate(names)]
    images, annotations = [], []
    for number, seed in enumerate(seeds, 1):
        made = scene(seed)
        cv2.imwrite(str(root / "photos" / f"s{seed}.png"), made.image[..., ::-1])
        height, width = made.image.shape[:2]
        images.append({"id": number, "file_name": f"s{seed}.png", "height": height, "width": width})
        for place, (mask, category) in enumerate(zip(made.masks, made.categories, strict=True)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 4 * SHAPES.index(voc.CLASSES[category]) + 7,
                    "segmentation": runs(mask) if place % 2 else compressed(mask),
                    "iscrowd": int(crowd and place == 0),
                }
            )
    file = root / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


def compressed(mask: np.ndarray) -> dict:
    """COCO's compressed RLE of a (H, W) bool mask."""
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def runs(mask: np.ndarray) -> dict:
    """The same as an uncompressed RLE."""
    flat = mask.ravel(order="F")
    counts = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}
