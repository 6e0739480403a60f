"""Photos of touching objects of one kind with exact masks: an object cut out of one photo, pasted into another.

Photos with masks of several instances of one class that touch are few, and they are what tells an ICN that a class map
shared by two objects is not one object. Cut-and-paste as in Dwibedi et al. (2017) and Ghiasi et al. (2021), but only
beside, over and behind an object of the same class: which class that is, the classifier says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from train.data import InstanceMasks, read_rgb
from wsis import files, index_image
from wsis.errors import WsisError

CACHE = Path(".cache/composites")
VERSION = 1
"""Changes with the recipe, so that photos made by an older one are not read."""
SIZES = (0.015, 0.6)
"""Share of its photo that an object may fill: smaller ones are blurred when pasted, larger ones leave no room."""
LEAST_PROBABILITY = 0.4
"""From which the classifier's likeliest class counts as what a photo shows."""
LEAST_PHOTOS = 6
"""A class with fewer photos would paste the same few objects again and again."""
TRIES = 40


@dataclass(frozen=True, eq=False)
class Cutout:
    """A photo with the objects that are known on it.

    Attributes:
        image: (H, W, 3) float32 RGB, 0..255.
        masks: (N, H, W) bool instances, none of which overlap.
        void: (H, W) bool, pixels of which nobody knows what they show.
    """

    image: np.ndarray
    masks: np.ndarray
    void: np.ndarray

    @property
    def index(self) -> np.ndarray:
        """(H, W) uint8: 0 background, 1..N instances, 255 unknown."""
        index = np.where(self.void & ~self.masks.any(0), index_image.VOID, 0).astype(np.uint8)
        for number, mask in enumerate(self.masks, 1):
            index[mask] = number
        return index


def ensure(
    items: Sequence[InstanceMasks], maps: Sequence[Path], count: int, *, seed: int = 0, cache: Path | None = None
) -> list[InstanceMasks]:
    """Composites on disk, making those that are not there yet; the same arguments give the same photos.

    Args:
        items: photos with masks; those with exactly one instance, of a size within `SIZES`, are cut and pasted.
        maps: each photo's class maps and scores, see `train.maps.ensure`.
        count: how many.
        seed: fixes what is pasted where.
        cache: folder, `CACHE` by default.

    Raises:
        WsisError: no class has enough photos with one object.
    """
    groups = by_class(items, maps)
    if not groups:
        raise WsisError(
            f"Composites need {LEAST_PHOTOS} photos of one class with a single object each; there are none. Give more "
            "masks, or --data.init_args.composites 0."
        )
    digest = hashlib.sha256(repr((VERSION, seed)).encode())
    for group in groups:
        for item in group:
            digest.update(f"{item.image.parent.name}/{item.image.name}".encode())
            digest.update(item.index.read_bytes() if item.index else repr(item.rles).encode())
    folder = Path(cache or CACHE) / digest.hexdigest()[:12]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    share = (
        np.array([len(group) for group in groups], float) ** 0.7
    )  # a class of many photos leaves the rest their part
    composites = []
    for number in range(count):
        photo, index = folder / "images" / f"{number:05}.jpg", folder / "masks" / f"{number:05}.png"
        if not (photo.exists() and index.exists()):
            if number % 200 == 0:
                print(f"composites: {number} of {count}", flush=True)
            rng = np.random.default_rng((seed, 13, number))
            _write(_any(groups, share / share.sum(), rng), photo, index, rng)
        composites.append(InstanceMasks(photo, index))
    return composites


def is_composite(photo: Path) -> bool:
    """Whether a photo is one of `ensure`."""
    return photo.parent.parent.parent.name == CACHE.name


def by_class(items: Sequence[InstanceMasks], maps: Sequence[Path]) -> list[list[InstanceMasks]]:
    """Photos with one object of a suitable size, by the class that the classifier sees; classes with enough photos."""
    groups: dict[int, list[InstanceMasks]] = {}
    for item, file in zip(items, maps, strict=True):
        masks = item.masks()
        if len(masks) == 1 and SIZES[0] <= masks.mean() <= SIZES[1]:
            with np.load(file) as content:
                scores = content["scores"]
            if scores.max() > LEAST_PROBABILITY:
                groups.setdefault(int(scores.argmax()), []).append(item)
    return [groups[category] for category in sorted(groups) if len(groups[category]) >= LEAST_PHOTOS]


def paste(base: Cutout, other: Cutout, rng: np.random.Generator) -> Cutout | None:
    """Paste the object of one photo beside, over or behind one of another's.

    Args:
        base: what is pasted onto.
        other: whose first mask is pasted.
        rng: what draws.

    Returns:
        The new photo; None where this draw found no good place.
    """
    anchor = base.masks[rng.integers(len(base.masks))]
    pixels, mask = _cut(other)
    scale = float(np.sqrt(anchor.sum() / max(mask.sum(), 1)) * np.exp(rng.uniform(-0.4, 0.35)))
    height, width = (round(side * scale) for side in mask.shape)
    if scale > 2.2 or min(height, width) < 16 or height > 1.5 * anchor.shape[0] or width > 1.5 * anchor.shape[1]:
        return None
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels, mask = (cv2.resize(part, (width, height), interpolation=how) for part in (pixels, mask))
    if rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.7:
        pixels = _toned(pixels, mask, base, anchor, rng)
    for _ in range(12):
        layer, soft = _placed(pixels, mask, _corner(anchor, mask.shape, rng), anchor.shape)
        if _suits(soft, mask, anchor):
            return _blended(base, layer, soft, rng)
    return None


def _any(groups: Sequence[Sequence[InstanceMasks]], share: np.ndarray, rng: np.random.Generator) -> Cutout:
    """A photo with one or two objects pasted."""
    for _ in range(TRIES):
        group = groups[rng.choice(len(groups), p=share)]
        names = rng.permutation(len(group))[: 2 if rng.random() < 0.65 else 3]
        parts = [_read(group[i]) for i in names]
        result = parts[0]
        for other in parts[1:]:
            result = paste(result, other, rng) or result
        if len(result.masks) > 1:
            return result
    raise WsisError("No two objects of a class could be pasted together: their sizes differ too much.")


def _read(item: InstanceMasks) -> Cutout:
    masks, void, image = item.masks(), item.void(), read_rgb(item.image)
    if image.shape[:2] != void.shape:
        image = cv2.resize(image, void.shape[::-1], interpolation=cv2.INTER_AREA)
    return Cutout(image.astype(np.float32), masks, void)


def _write(composite: Cutout, photo: Path, index: Path, rng: np.random.Generator) -> None:
    """The photo last and whole: where it is, the mask is too."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(82, 96))]
    cv2.imwrite(str(index), composite.index)
    coded = cv2.imencode(".jpg", np.clip(composite.image[..., ::-1], 0, 255).astype(np.uint8), quality)[1]
    files.write(photo, coded.tobytes())


def _cut(photo: Cutout) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and mask (float32 0 or 1) of the first object's box."""
    top, bottom, left, right = _box(photo.masks[0])
    return photo.image[top:bottom, left:right], photo.masks[0, top:bottom, left:right].astype(np.float32)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left, right; the ends lie outside."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _toned(
    pixels: np.ndarray, mask: np.ndarray, base: Cutout, anchor: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Drawn towards the colours of its new photo, or of the object that it comes to stand beside."""
    pull, weight = rng.uniform(0.1, 0.4), mask[..., None]
    mean = (pixels * weight).sum((0, 1)) / weight.sum()
    aim = base.image[anchor].mean(0) if rng.random() < 0.4 else base.image.mean((0, 1))
    contrast = 1 + 0.3 * (base.image.std() / (pixels.std() + 1) - 1)
    return np.clip((pixels - mean) * contrast + mean + pull * (aim - mean), 0, 255).astype(np.float32)


def _corner(anchor: np.ndarray, size: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
    """Where the upper left corner of an object of this size comes: beside the anchor, mostly on the same ground."""
    top, bottom, left, right = _box(anchor)
    height, width = size
    overlap = rng.uniform(-0.02, 0.45) * min(width, right - left)
    x = right - overlap if rng.random() < 0.5 else left - width + overlap
    on_ground = rng.random() < 0.7
    y = bottom - height * (1 + rng.normal(0, 0.08)) if on_ground else (top + bottom - height) / 2
    if not on_ground:
        y += rng.normal(0, 0.15) * height
    if rng.random() < 0.12:  # above it
        x, y = (left + right - width) / 2 + rng.normal(0, 0.2) * width, top - height * (1 - rng.uniform(0.05, 0.4))
    return int(y), int(x)


def _placed(
    pixels: np.ndarray, mask: np.ndarray, corner: tuple[int, int], size: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (H, W, 3) and mask (H, W) float32 on a photo of this size; what lies outside is cut off."""
    move = np.array([[1, 0, corner[1]], [0, 1, corner[0]]], np.float64)
    layer, soft = (cv2.warpAffine(np.ascontiguousarray(part), move, size[::-1]) for part in (pixels, mask))
    return layer, soft


def _suits(soft: np.ndarray, mask: np.ndarray, anchor: np.ndarray) -> bool:
    """Most of the object is in the photo; it touches its anchor, and hides at most two fifths of either."""
    solid = soft > 0.5
    if soft.sum() < 0.6 * mask.sum() or not solid.any():
        return False
    near = cv2.dilate(solid.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return bool((near & anchor).any() and (solid & anchor).sum() <= 0.4 * min(solid.sum(), anchor.sum()))


def _blended(base: Cutout, layer: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> Cutout | None:
    """In front of the others or behind them, with a soft edge; None where hardly anything would be seen."""
    solid, front = soft > 0.5, base.masks.any(0)
    alpha = cv2.GaussianBlur(soft, (0, 0), rng.uniform(0.5, 1.1))
    alpha = np.clip((alpha - 0.1) / 0.9, 0, 1)  # the other photo's background does not shine through
    behind = rng.random() < 0.4
    if behind:
        alpha *= 1 - cv2.GaussianBlur(front.astype(np.float32), (0, 0), 0.7)
        visible = solid & ~front
        if visible.sum() < 0.35 * solid.sum():
            return None
        masks = np.concatenate([base.masks, visible[None]])
    else:
        masks = np.concatenate([base.masks & ~solid, solid[None]])
    if masks.sum((1, 2)).min() < 150:
        return None
    image = base.image * (1 - alpha[..., None]) + layer * alpha[..., None]
    return replace(base, image=image.astype(np.float32), masks=masks, void=base.void & ~solid)
