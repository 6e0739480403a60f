"""OpenCV's decoder, for what Pillow's cannot do."""

from __future__ import annotations

import cv2
import numpy as np

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # what it finds wrong with a file is said in a sentence, not on the terminal


def decoded(content: bytes) -> np.ndarray | None:
    """The pixels of a file as they lie, blue first; None where it is damaged."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
