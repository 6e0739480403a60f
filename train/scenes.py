"""Generated photos of several instances with known masks: for tests, and to try the training without any download.

Each class is a shape of its own colour and texture on a textured background; instances overlap, and nearer ones hide
farther ones, as in photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from wsis import voc

SHAPES = ("bottle", "car", "bird")
"""The VOC names that the three shapes go by: ellipse, box, triangle."""
_COLOURS = ((60, 170, 70), (200, 60, 50), (60, 90, 210))


@dataclass(frozen=True)
class Scene:
    """One generated photo.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool visible parts of N instances, none empty.
        categories: (N,) int64 VOC class of each.
    """

    image: np.ndarray
    masks: np.ndarray
    categories: np.ndarray

    def __post_init__(self) -> None:
        """Check that all parts are of one size."""
        if self.masks.shape != (len(self.categories), *self.image.shape[:2]) or self.masks.dtype != bool:
            raise ValueError(f"masks: expected (N, {self.image.shape[:2]}) bool, got {self.masks.shape}")

    @property
    def index(self) -> np.ndarray:
        """(H, W) uint8: 0 background, 1..N instances."""
        order = np.arange(1, len(self.masks) + 1, dtype=np.uint8)
        return (self.masks * order[:, None, None]).max(0, initial=0).astype(np.uint8)


def scene(seed: int, *, size: tuple[int, int] = (96, 128), instances: int = 3) -> Scene:
    """Generate a scene.

    Args:
        seed: the same seed gives the same scene.
        size: height and width in pixels.
        instances: how many shapes are drawn; one that is hidden entirely is left out.

    Returns:
        Photo and masks.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    image = _texture(rng, size, rng.integers(90, 170, 3), 18)
    owner = np.full(size, -1)
    kinds = rng.integers(0, len(SHAPES), instances)
    for number, kind in enumerate(kinds):
        half = rng.uniform(0.12, 0.25, 2) * min(size)
        centre = rng.uniform(half, np.array(size) - half)
        shape = _shape(kind, centre, half, size)
        skin = _texture(rng, size, np.array(_COLOURS[kind]), 10)
        image[shape] = skin[shape]
        owner[shape] = number
    visible = [n for n in range(instances) if (owner == n).any()]
    masks = np.stack([owner == n for n in visible]) if visible else np.zeros((0, height, width), bool)
    names = [voc.CLASSES.index(SHAPES[kinds[n]]) for n in visible]
    return Scene(image.astype(np.uint8), masks, np.array(names, np.int64))


def write_masks(folder: Path, count: int, *, seed: int = 0) -> None:
    """Scenes as a mask folder (`images/`, `masks/`), see `train.data.mask_folder`."""
    for name in ("images", "masks"):
        (Path(folder) / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        generated = scene(seed + number)
        cv2.imwrite(str(Path(folder) / "images" / f"{number:04}.jpg"), generated.image[..., ::-1])
        cv2.imwrite(str(Path(folder) / "masks" / f"{number:04}.png"), generated.index)


def write_voc(kit: Path, count: int, *, split: str = "train", seed: int = 0) -> None:
    """Scenes as a VOC devkit with image-level labels only, see `train.data.voc_labels`."""
    kit = Path(kit)
    (kit / "JPEGImages").mkdir(parents=True, exist_ok=True)
    lists = kit / "ImageSets" / "Main"
    lists.mkdir(parents=True, exist_ok=True)
    present: dict[str, set[int]] = {}
    for number in range(count):
        generated = scene(seed + number)
        present[f"{number:06}"] = set(generated.categories.tolist())
        cv2.imwrite(str(kit / "JPEGImages" / f"{number:06}.jpg"), generated.image[..., ::-1])
    (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in present))
    for column, name in enumerate(voc.CLASSES):
        lines = [f"{identity} {1 if column in there else -1}\n" for identity, there in present.items()]
        (lists / f"{name}_{split}.txt").write_text("".join(lines))


def _texture(rng: np.random.Generator, size: tuple[int, int], colour: np.ndarray, strength: float) -> np.ndarray:
    noise = cv2.GaussianBlur(rng.standard_normal((*size, 3)).astype(np.float32), (0, 0), 1.5)
    return np.clip(colour + noise * strength / noise.std(), 0, 255)


def _shape(kind: int, centre: np.ndarray, half: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    y, x = (rows - centre[0]) / half[0], (columns - centre[1]) / half[1]
    if kind == 0:
        return x**2 + y**2 <= 1
    if kind == 1:
        return (abs(x) <= 1) & (abs(y) <= 1)
    return (y <= 1) & (y >= -1) & (abs(x) <= (y + 1) / 2)
