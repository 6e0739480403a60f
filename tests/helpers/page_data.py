"""What the page makes of a payload, in Python."""

from __future__ import annotations

import base64
import zlib

import cv2
import numpy as np


def decoded(url: str) -> np.ndarray:
    """A `data:` URL of a PNG or JPEG as an array, colours blue first."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_UNCHANGED)


def unpacked(packed: dict[str, str]) -> np.ndarray:
    """Numbers from `payload.pack`."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed["z"])), f"<{packed['t']}")
