"""Sixty generated photos to teach from, and the pictures of docs/own-classes.md.

`python -m assets.make_own_classes own` writes `own/photos` (a folder a class) and `own/new` (photos without labels);
with `--pictures docs` it also draws how they look and what a model taught from them finds, once that is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from train import scripts
from train.scenes import scene

CLASSES = ("leaf", "crate", "tent")
"""What the shapes of `train.scenes` go by here: ellipse, box, triangle."""
SHAPES = {4: "leaf", 6: "crate", 2: "tent"}
"""The same by the class that a scene has them as."""
SIZE = (240, 320)
COUNT, NEW = 60, 6
FIRST_NEW = 10_000
"""Seed of the first photo without a label, far from those with one."""


def photos(folder: Path, count: int = COUNT, new: int = NEW) -> None:
    """Write labelled photos into `photos/CLASS+CLASS/` or `photos/background/`, and others into `new/`."""
    for number in range(count):
        generated = scene(number, size=SIZE, instances=number % 4)
        shown = [name for shape, name in SHAPES.items() if shape in generated.categories]
        _write(folder / "photos" / ("+".join(shown) or "background") / f"{number:02}.jpg", generated.image)
    for number in range(new):
        _write(
            folder / "new" / f"{number:02}.jpg", scene(FIRST_NEW + number, size=SIZE, instances=2 + number % 3).image
        )


def sheet(files: list[Path], columns: int, width: int = 160) -> np.ndarray:
    """(H, W, 3) uint8 BGR: pictures side by side, each with the name of its folder where that says what it shows."""
    tiles = []
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        assert picture is not None
        height = round(picture.shape[0] * width / picture.shape[1])
        tile = np.full((height + 18, width, 3), 255, np.uint8)
        tile[:height] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        name = file.parent.name if file.parent.parent.name == "photos" else ""
        cv2.putText(tile, name, (4, height + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (60, 50, 45), 1, cv2.LINE_AA)
        tiles.append(np.pad(tile, ((4, 0), (4, 0), (0, 0)), constant_values=255))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def pictures(folder: Path, docs: Path) -> None:
    """Draw docs/own-classes-photos.jpg and, where `results/overlay` is there, docs/own-classes-masks.jpg."""
    labelled = sorted((folder / "photos").glob("*/*.jpg"))
    _write(docs / "own-classes-photos.jpg", sheet(labelled[:: max(1, len(labelled) // 12)][:12], 6)[..., ::-1])
    found = sorted((folder / "results" / "overlay").glob("*.jpg"))
    if found:
        _write(docs / "own-classes-masks.jpg", sheet(found, 3, 320)[..., ::-1])


def _write(file: Path, picture: np.ndarray) -> None:
    """A picture from (H, W, 3) uint8 RGB."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), picture[..., ::-1])


def main(
    folder: Annotated[Path, typer.Argument(help="where photos go, or are")],
    docs: Annotated[Path | None, typer.Option("--pictures", help="draw the walk-through's pictures here")] = None,
) -> None:
    """Write the photos where they are missing; draw."""
    if not (folder / "photos").is_dir():
        photos(folder)
    if docs is not None:
        pictures(folder, docs)


if __name__ == "__main__":
    scripts.run(main)
