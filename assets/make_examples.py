"""Make the explorer's examples: `python -m assets.make_examples [/usr/share/gcompris-qt/rcc]`.

From photos that ship with scikit-image and with GCompris (Debian's `gcompris-qt-data`, of which the folder of .rcc
files is wanted). Sources, terms and what was changed are in `assets/examples/SOURCES.md`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image
from skimage import data
from skimage.data import data_dir
from skimage.io import imread

from assets.qt_resources import files

HERE = Path(__file__).parent / "examples"
GCOMPRIS = Path("/usr/share/gcompris-qt/rcc")
HEIGHT = 420


def upright(image: np.ndarray, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8 scaled to a height in pixels."""
    width = round(image.shape[1] * height / image.shape[0])
    return cv2.resize(image[..., :3], (width, height), interpolation=cv2.INTER_AREA)


def photo(folder: Path, activity: str, name: str) -> np.ndarray:
    """(H, W, 3) uint8: a photo of an activity of GCompris."""
    for path, content in files(folder / f"{activity}.rcc"):
        if PurePosixPath(path).name == f"{name}.webp":
            return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    raise FileNotFoundError(f"{activity}.rcc in {folder} has no {name}.webp")


def main() -> None:
    """Write all examples as JPEG."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else GCOMPRIS
    sheep, dog = (photo(folder, "explore_farm_animals", name) for name in ("sheep", "dog"))
    examples = {
        "1-spoonbills": upright(photo(folder, "erase", "spoonbills")),
        "2-cat": upright(data.chelsea()),
        "3-motorcycle": upright(imread(Path(data_dir) / "motorcycle_left.png")),
        "4-sheep-and-dog": np.hstack([upright(sheep[:, 120:900]), upright(dog[:, 100:1000])]),
        "5-horse": upright(photo(folder, "erase", "horse")),
        "6-macaw": upright(photo(folder, "explore_world_animals", "scarlet_macaw")),
        "7-meerkats": upright(photo(folder, "erase", "meerkats")),
    }
    HERE.mkdir(exist_ok=True)
    for name, image in examples.items():
        Image.fromarray(np.ascontiguousarray(image)).save(HERE / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
