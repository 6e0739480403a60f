"""Small photos for readers of labels, each with its own content."""

from __future__ import annotations

import zlib

import cv2
import numpy as np


def write(folder, *names, size=(24, 32)):
    """Photos of these names, with folders; the same name always has the same content."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 255, (*size, 3), np.uint8)
        ok, encoded = cv2.imencode(file.suffix, pixels)
        assert ok
        file.write_bytes(encoded.tobytes())
    return folder


def shown(labels):
    """What each photo shows, by its name: a set of classes; `?` stands before those of which nobody knows."""
    return {
        path.name: {
            name if known else f"?{name}"
            for name, yes, known in zip(labels.classes, target, weight, strict=True)
            if yes or not known
        }
        for path, target, weight in zip(labels.paths, labels.target, labels.weight, strict=True)
    }
