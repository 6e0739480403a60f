"""COCO results files, such as `python -m wsis segment` writes, for evaluation."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsis import coco_listing, shapes
from wsis.coco_listing import short
from wsis.errors import WsisError


@dataclass(frozen=True, eq=False)
class Results:
    """Found instances by photo.

    Attributes:
        listing: the file's entries, each with a class and a finite score.
        numbers: of the entries of each photo, by falling score.
    """

    listing: coco_listing.Listing
    numbers: dict[str, list[int]]

    def of(self, photo: str, size: shapes.Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks (D, H, W) bool, categories (D,) int64 from 0 and scores (D,) float32, by falling score.

        Raises:
            WsisError: a mask is missing, damaged or of another size.
        """
        numbers = self.numbers.get(photo, [])
        found = [self.listing.entries[number] for number in numbers]
        shares = shapes.in_shares(entry.get("segmentation") for entry in found)
        masks = np.zeros((len(found), *size), bool)
        for mask, number, entry in zip(masks, numbers, found, strict=True):
            place = f"{_place(number, self.listing.file)} for photo {photo}"
            try:
                mask[:] = shapes.mask(entry.get("segmentation"), size, shares)
            except shapes.OtherSizeError as error:
                raise WsisError(
                    f"{place} has the size {short(list(error.found))}; the photo has {list(size)} (height, width)."
                ) from error
            except ValueError as error:
                raise WsisError(f"{place} has no readable 'segmentation': {short(error)}.") from error
        categories = np.array([int(entry["category_id"]) - 1 for entry in found], np.int64)
        return masks, categories, np.array([entry["score"] for entry in found], np.float32)


def read(file: Path, photos: Iterable[str], classes: int) -> Results:
    """Read a results file.

    Args:
        file: a list of COCO results, `category_id` from 1; `image_id` as `wsis.coco_listing.Listing` matches it.
        photos: names of those that count. Entries of others are left out, and stderr says how many.
        classes: how many there are.

    Raises:
        WsisError: it is no such file; an entry has no image, class or finite score; or none belongs to these photos.
    """
    content = coco_listing.load(file)
    if content == []:
        return Results(coco_listing.Listing(file, []), {})
    listing = coco_listing.Listing.of(file, content)
    if listing is None:
        raise WsisError(f"{file.name} is no list of COCO results ('image_id', 'category_id', 'segmentation', 'score').")
    for number, entry in enumerate(listing.entries):
        _check(_place(number, file), entry, classes)
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
    return Results(listing, numbers)


def _ranked(listing: coco_listing.Listing, numbers: Sequence[int]) -> list[int]:
    return sorted(numbers, key=lambda number: -listing.entries[number]["score"])


def _check(place: str, entry: dict, classes: int) -> None:
    if entry.get("image_id") is None:
        raise WsisError(f"{place} has no 'image_id'.")
    category, score = entry.get("category_id"), entry.get("score")
    if not _is_number(category) or category != int(category) or not 1 <= category <= classes:
        raise WsisError(
            f"{place} has the category_id {short(category)}; expected 1 to {classes}, numbered as VOC's classes."
        )
    if not _is_number(score):
        raise WsisError(f"{place} has the score {short(score)}; expected a finite number.")


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # JSON has integers of any length
        return False


def _place(number: int, file: Path) -> str:
    return f"Entry {number} (from 0) of {file.name}"
