"""Make the explorer's examples from photos that ship with scikit-image: `python assets/make_examples.py`.

Sources, terms and what was changed are in `assets/examples/SOURCES.md`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data
from skimage.data import data_dir
from skimage.io import imread

HERE = Path(__file__).parent / "examples"
HEIGHT = 420


def upright(image: np.ndarray, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8 scaled to a height in pixels."""
    width = round(image.shape[1] * height / image.shape[0])
    return cv2.resize(image[..., :3], (width, height), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Write all examples as JPEG."""
    cat, astronaut = data.chelsea(), data.astronaut()
    motorcycle = imread(Path(data_dir) / "motorcycle_left.png")
    person = astronaut[:, 20:420]
    examples = {
        "1-astronaut-and-cat": np.hstack([upright(person), upright(cat[:, 60:420])]),
        "2-cat": upright(cat),
        "3-motorcycle": upright(motorcycle),
        "4-astronaut": upright(astronaut),
        "5-two-cats": np.hstack([upright(cat[:, 60:420]), upright(cat[:, 60:420])[:, ::-1]]),
    }
    HERE.mkdir(exist_ok=True)
    for name, image in examples.items():
        Image.fromarray(np.ascontiguousarray(image)).save(HERE / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
