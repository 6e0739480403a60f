"""The masks of a COCO data set, photo by photo, as RLEs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from wsis import coco_listing, photo_names, shapes
from wsis.errors import WsisError


@dataclass(frozen=True)
class Annotated:
    """One photo and its annotations.

    Attributes:
        name: `file_name` of its image.
        photo: its file.
        size: (height, width) in pixels; None where the file does not say and there is no mask.
        rles: N masks, COCO's compressed RLEs.
        categories: class of each, an index into `CocoMasks.classes`; -1 where they were not read.
        crowds: RLEs of the areas that hold several instances without telling them apart.
    """

    name: str
    photo: Path
    size: shapes.Size | None
    rles: tuple[dict[str, Any], ...] = ()
    categories: tuple[int, ...] = ()
    crowds: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class CocoMasks:
    """A COCO instances JSON.

    Attributes:
        file: the JSON.
        ids: name of each category by its id as text, by rising id; none where they were not read.
        photos: images, by rising id; for evaluation those without annotations too.
        maskless: how many annotations have no mask, and are left out.
        annotations: how many there are, without crowds.
    """

    file: Path
    ids: dict[str, str]
    photos: tuple[Annotated, ...]
    maskless: int
    annotations: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, each once, in the order of `ids`."""
        return tuple(dict.fromkeys(self.ids.values()))

    def left_out(self) -> str:
        """A sentence about annotations without a mask; empty where there are none."""
        if not self.maskless:
            return ""
        return f"{self.file.name}: {self.maskless} of {self.annotations} annotations without a mask left out"


def read(annotations: Path, images: Path, *, evaluating: bool = False) -> CocoMasks:
    """Read a COCO instances JSON.

    Args:
        annotations: a JSON file with `images`, `annotations` and perhaps `categories`; masks are polygons, compressed
            or uncompressed RLEs, see `wsis.shapes.mask`.
        images: folder of the photos.
        evaluating: whether categories and areas marked `iscrowd` are read; else nothing is asked of them.

    Raises:
        WsisError: it is no such file, or an annotation is damaged, of another size, of no image or of no category.
    """
    content = coco_listing.load(annotations)
    listed, annotated = (_entries(content, key, annotations) for key in ("images", "annotations"))
    photos = {coco_listing.text(image.get("id")): image for image in listed}
    ids = _categories(content, annotations) if evaluating else {}
    places = {name: place for place, name in enumerate(dict.fromkeys(ids.values()))}
    whole = [(i, entry) for i, entry in enumerate(annotated) if evaluating or not entry.get("iscrowd")]
    shares = shapes.in_shares(entry.get("segmentation") for _, entry in whole)
    found: dict[str, list[tuple[dict, int, bool]]] = {image: [] for image in photos}
    missing = 0
    for number, entry in whole:
        place = f"Annotation {number} (from 0) of {annotations.name}"
        image, crowd = coco_listing.text(entry.get("image_id")), bool(entry.get("iscrowd"))
        if entry.get("image_id") is None or image not in photos:
            raise WsisError(f"{place} belongs to the image {coco_listing.short(image)}, which 'images' does not list.")
        category = places[_category(entry, ids, place)] if evaluating and not crowd else -1
        shape = entry.get("segmentation")
        try:
            found[image].append((_rle(shape, _size(photos[image], shape, place), shares), category, crowd))
        except shapes.NoMaskError:
            missing += not crowd
        except shapes.OtherSizeError as error:
            raise WsisError(f"{place} has the size {coco_listing.short(error.found)}, its image another.") from error
        except ValueError as error:
            raise WsisError(f"{place} has no readable mask: {coco_listing.short(error)}.") from error
    order = sorted(photos, key=_rising)
    each = tuple(
        _annotated(_name(photos[image], annotations), images, photos[image], found[image])
        for image in order
        if found[image] or evaluating
    )
    return CocoMasks(annotations, ids, each, missing, sum(not entry.get("iscrowd") for _, entry in whole))


def is_one(content: Any) -> bool:
    """Whether a JSON's value is of a COCO data set."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def _annotated(name: str, images: Path, image: dict, found: Sequence[tuple[dict, int, bool]]) -> Annotated:
    sides = _sides([image.get("height"), image.get("width")])
    rles = [rle for rle, _, crowd in found if not crowd]
    every = rles or [rle for rle, _, _ in found]
    return Annotated(
        name,
        photo_names.below(images, name),
        sides or (None if not every else (int(every[0]["size"][0]), int(every[0]["size"][1]))),
        tuple(rles),
        tuple(category for _, category, crowd in found if not crowd),
        tuple(rle for rle, _, crowd in found if crowd),
    )


def _entries(content: Any, key: str, file: Path) -> list[dict[str, Any]]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        also = " and of 'categories'" if key == "categories" else ""
        raise WsisError(f"{file.name} is no COCO data set: expected lists of 'images' and 'annotations'{also}.")
    return entries


def _categories(content: dict[str, Any], file: Path) -> dict[str, str]:
    """Names by rising id; two ids of one name are one class."""
    listed = _entries(content, "categories", file)
    names: dict[str, str] = {}
    for entry in listed:
        identity, name = entry.get("id"), entry.get("name")
        if identity is None or not isinstance(name, str) or not name.strip():
            raise WsisError(f"A category of {file.name} has no 'id' or no 'name': {coco_listing.short(entry)}.")
        if names.setdefault(coco_listing.text(identity), name.strip()) != name.strip():
            raise WsisError(f"{file.name} gives the category id {coco_listing.short(identity)} to two names.")
    return {identity: names[identity] for identity in sorted(names, key=_rising)}


def _rising(identity: str) -> tuple[bool, int, str]:
    return not identity.isdecimal(), int(identity) if identity.isdecimal() else 0, identity


def _category(entry: dict, ids: Mapping[str, str], place: str) -> str:
    identity = coco_listing.text(entry.get("category_id"))
    if entry.get("category_id") is None or identity not in ids:
        raise WsisError(f"{place} is of the category {coco_listing.short(identity)}, which 'categories' does not list.")
    return ids[identity]


def _size(image: dict, shape: Any, place: str) -> shapes.Size:
    size: Collection[Any] = [image.get("height"), image.get("width")]
    if None in size and isinstance(shape, dict) and isinstance(shape.get("size"), list):
        size = shape["size"]
    sides = _sides(size)
    if sides is None:
        if not shape:
            raise shapes.NoMaskError("it has no mask")
        raise WsisError(f"{place}: its image has no 'height' and 'width' in pixels.")
    return sides


def _sides(size: Collection[Any]) -> shapes.Size | None:
    sides = [int(side) for side in size if type(side) in (int, float) and 0 < side < 2**16 and side % 1 == 0]
    return (sides[0], sides[1]) if len(size) == len(sides) == 2 else None


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


def _name(image: dict, annotations: Path) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name.strip():
        raise WsisError(f"The image {coco_listing.short(image.get('id'))} of {annotations.name} has no 'file_name'.")
    return name
