"""Instance masks of a COCO data set, as RLEs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from wsis import coco_listing, photo_names, shapes
from wsis.errors import WsisError


def by_photo(annotations: Path, images: Path) -> list[tuple[Path, tuple[dict, ...]]]:
    """Photos and masks of a COCO instances JSON, by id of the image.

    Crowds are left out, and so are annotations without a mask, of which stderr says how many.

    Args:
        annotations: a JSON file with `images` and `annotations`; their masks as `wsis.shapes.mask` reads them.
        images: folder of the photos.

    Raises:
        WsisError: it is no such file, or an annotation is damaged, of another size or of no image; or no mask is left.
    """
    content = coco_listing.load(annotations)
    parts = [content.get(key) if isinstance(content, dict) else None for key in ("images", "annotations")]
    for part in parts:
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            raise WsisError(f"{annotations.name} is no COCO data set: expected lists of 'images' and 'annotations'.")
    photos = {coco_listing.text(one.get("id")): one for one in parts[0]}
    whole = [(i, entry) for i, entry in enumerate(parts[1]) if not entry.get("iscrowd")]
    shares = shapes.in_shares(entry.get("segmentation") for _, entry in whole)
    found: dict[str, list[dict]] = {}
    missing = 0
    for number, entry in whole:
        place = f"Annotation {number} (from 0) of {annotations.name}"
        image = coco_listing.text(entry.get("image_id"))
        if entry.get("image_id") is None or image not in photos:
            raise WsisError(f"{place} belongs to the image {coco_listing.short(image)}, which 'images' does not list.")
        shape = entry.get("segmentation")
        try:
            found.setdefault(image, []).append(_rle(shape, _size(photos[image], shape, place), shares))
        except shapes.NoMaskError:
            missing += 1
        except shapes.OtherSizeError as error:
            raise WsisError(f"{place} has the size {coco_listing.short(error.found)}, its image another.") from error
        except ValueError as error:
            raise WsisError(f"{place} has no readable mask: {coco_listing.short(error)}.") from error
    if missing:
        print(f"{annotations.name}: {missing} of {len(whole)} annotations without a mask left out", file=sys.stderr)
    if not any(found.values()):
        raise WsisError(f"{annotations.name} holds no mask to learn from.")
    kept = [image for image, rles in found.items() if rles]
    order = sorted(kept, key=lambda image: (not image.isdigit(), int(image) if image.isdigit() else 0, image))
    return [(_photo(images, photos[image], annotations), tuple(found[image])) for image in order]


def _size(image: dict, shape: Any, place: str) -> shapes.Size:
    size = [image.get("height"), image.get("width")]
    if None in size and isinstance(shape, dict) and isinstance(shape.get("size"), list):
        size = shape["size"]
    sides = [int(side) for side in size if type(side) in (int, float) and 0 < side < 2**16 and side % 1 == 0]
    if len(size) != 2 or len(sides) != 2:
        if not shape:
            raise shapes.NoMaskError("it has no mask")
        raise WsisError(f"{place}: its image has no 'height' and 'width' in pixels.")
    return sides[0], sides[1]


def _rle(shape: Any, size: shapes.Size, shares: bool) -> dict:
    """COCO's compressed RLE; polygons and packed RLEs are not unpacked for it, since a data set has very many."""
    if isinstance(shape, dict) and shape:
        runs = shapes.runs(shape, size)
        if not runs[1::2].any():
            raise shapes.NoMaskError("it covers no pixel")
        if isinstance(shape["counts"], str):
            return shape
        return coco_mask.frPyObjects({"size": list(size), "counts": runs.tolist()}, *size)
    if not isinstance(shape, list) or not shape:
        shapes.mask(shape, size)  # says what is wrong
    pixels = shapes.rows(shape, size)
    if pixels is None:
        rle = coco_mask.merge(coco_mask.frPyObjects(shapes.polygons(shape, size, shares), *size))
    else:
        rle = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    if not coco_mask.area(rle):
        raise shapes.NoMaskError("it covers no pixel")
    return rle


def _photo(images: Path, image: dict, annotations: Path) -> Path:
    name = image.get("file_name")
    if not isinstance(name, str) or not name.strip():
        raise WsisError(f"The image {coco_listing.short(image.get('id'))} of {annotations.name} has no 'file_name'.")
    return photo_names.below(images, name)
