"""COCO results files, such as `python -m wsis segment` writes, for evaluation."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from wsis import coco_listing, shapes
from wsis.coco_listing import short
from wsis.errors import WsisError
from wsis.shared_classes import shared


@dataclass(frozen=True, eq=False)
class ListedInstances:
    """The instances of a results file by photo.

    Attributes:
        listing: the file's entries, each with a class and a finite score.
        numbers: of the entries of each photo, by falling score; those of classes that do not count are left out.
        categories: class of each entry, an index from 0; -1 where it does not count.
    """

    listing: coco_listing.Listing
    numbers: dict[str, list[int]]
    categories: Sequence[int] = ()

    def of(self, photo: str, size: shapes.Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks (D, H, W) bool, categories (D,) int64 from 0 and scores (D,) float32, by falling score.

        Raises:
            WsisError: a mask is missing, damaged or of another size.
        """
        numbers = self.numbers.get(photo, [])
        entries = [self.listing.entries[number] for number in numbers]
        shares = shapes.in_shares(entry.get("segmentation") for entry in entries)
        masks = np.zeros((len(entries), *size), bool)
        for mask, number, entry in zip(masks, numbers, entries, strict=True):
            place = f"{_place(number, self.listing.file)} for photo {photo}"
            try:
                mask[:] = shapes.mask(entry.get("segmentation"), size, shares)
            except shapes.OtherSizeError as error:
                raise WsisError(
                    f"{place} has the size {short(list(error.found))}; the photo has {list(size)} (height, width)."
                ) from error
            except ValueError as error:
                raise WsisError(f"{place} has no readable 'segmentation': {short(error)}.") from error
        categories = np.array([self.categories[number] for number in numbers], np.int64)
        return masks, categories, np.array([entry["score"] for entry in entries], np.float32)


def read(file: Path, photos: Iterable[str], ids: Mapping[str, str]) -> ListedInstances:
    """Read a results file.

    Args:
        file: a list of COCO results; `image_id` as `wsis.coco_listing.Listing` matches it. An entry's class is its
            `category_name`, else what the file's own `categories` call its `category_id`, else the number itself.
        photos: names of those that count. Entries of others are left out, and stderr says how many.
        ids: name of each class that counts by its number; entries of others are left out too, and stderr says so.

    Raises:
        WsisError: it is no such file; an entry has no image, class or finite score; or none belongs to these photos.
    """
    content = coco_listing.load(file)
    if content == []:
        return ListedInstances(coco_listing.Listing(file, []), {})
    listing = coco_listing.Listing.of(file, content)
    if listing is None:
        raise WsisError(f"{file.name} is no list of COCO results ('image_id', 'category_id', 'segmentation', 'score').")
    own = _names(content)
    names = [_checked(_place(number, file), entry, own, ids) for number, entry in enumerate(listing.entries)]
    classes, distinct = tuple(dict.fromkeys(ids.values())), tuple(dict.fromkeys(names))
    common = shared(classes, distinct, file.name)
    number_of = {place: classes.index(name) for place, name in enumerate(common.names)} | {-1: -1}
    category = {name: number_of[place] for name, place in zip(distinct, common.of_model.tolist(), strict=True)}
    if common.model_only:
        unknown = short(", ".join(common.model_only))
        print(f"{file.name}: entries of classes that the photos have no masks of left out: {unknown}", file=sys.stderr)
    owners: dict[str, str] = {}
    for photo in photos:
        image = listing.image_of(photo)
        if image is not None and owners.setdefault(image, photo) != photo:
            raise WsisError(
                f"The image {short(image)} of {file.name} may be {owners[image]} or {photo}. Name it as the photo."
            )
    numbers = {photo: _ranked(listing, listing.by_image.get(image, [])) for image, photo in owners.items()}
    others = len(listing.entries) - sum(map(len, numbers.values()))
    if others == len(listing.entries):
        raise WsisError(
            f"No entry of {file.name} belongs to a photo of the split: its images are "
            f"{short(', '.join(listing.ids[:5]))}. An image_id is the photo's name without ending."
        )
    if others:
        print(f"{file.name}: {others} of {len(listing.entries)} entries belong to other photos", file=sys.stderr)
    categories = [category[name] for name in names]
    counting = {photo: [number for number in own if categories[number] >= 0] for photo, own in numbers.items()}
    return ListedInstances(listing, counting, categories)


def _names(content: Any) -> dict[str, str]:
    """What a data set's own categories are called, by id."""
    listed = content.get("categories") if isinstance(content, dict) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {coco_listing.text(one.get("id")): one["name"] for one in entries if isinstance(one.get("name"), str)}


def _ranked(listing: coco_listing.Listing, numbers: Sequence[int]) -> list[int]:
    return sorted(numbers, key=lambda number: -listing.entries[number]["score"])


def _checked(place: str, entry: dict, own: Mapping[str, str], ids: Mapping[str, str]) -> str:
    """The name of an entry's class."""
    if entry.get("image_id") is None:
        raise WsisError(f"{place} has no 'image_id'.")
    name, category, score = entry.get("category_name"), entry.get("category_id"), entry.get("score")
    if not _is_number(score):
        raise WsisError(f"{place} has the score {short(score)}; expected a finite number.")
    if isinstance(name, str) and name.strip():
        return name
    number = coco_listing.text(category) if _is_number(category) else ""
    found = own.get(number) or ids.get(number)
    if found is None:
        known = short(", ".join(f"{identity} ({name})" for identity, name in ids.items()))
        raise WsisError(f"{place} has the category_id {short(category)}; expected 1 of {len(ids)}: {known}.")
    return found


def _is_number(value: Any) -> TypeGuard[float]:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # JSON has integers of any length
        return False


def _place(number: int, file: Path) -> str:
    return f"Entry {number} (from 0) of {file.name}"
