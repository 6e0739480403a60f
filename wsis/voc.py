"""The 20 PASCAL VOC classes in their official order: for what reads or writes VOC's own files, and for nothing else."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Class names; VOC's `category_id` of `CLASSES[i]` is `i + 1`, 0 is background."""
