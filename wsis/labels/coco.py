"""Labels of a COCO data set: the categories of a photo's annotations. Masks and boxes are never looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from wsis.errors import WsisError
from wsis.labels.listing import Entry, Listing, listing, tidy


def read(content: Mapping[str, Any]) -> Listing:
    """Labels of a data set: what a photo has no annotation of, it does not show.

    In LVIS only what `neg_category_ids` names is known to be absent.

    Raises:
        WsisError: an annotation belongs to no photo or class, or the lists are not as COCO writes them.
    """
    try:
        classes = {category["id"]: tidy(category["name"]) for category in content["categories"]}
        shown = defaultdict[Any, set[Any]](set)
        for annotation in content["annotations"]:
            shown[annotation["image_id"]].add(annotation["category_id"])
        for number in set[Any]().union(*shown.values()) - classes.keys():
            raise WsisError(f"An annotation of the COCO data set is of the category {number!r}, which it lacks.")
        images = {image["id"]: image for image in content["images"]}
        for number in shown.keys() - images.keys():
            raise WsisError(f"An annotation of the COCO data set belongs to the image {number!r}, which it lacks.")
        entries = []
        for number, image in images.items():
            absent = image.get("neg_category_ids")
            known = None if absent is None else frozenset(classes[category] for category in absent)
            name = image.get("file_name") or image.get("coco_url")
            if not name:
                raise WsisError(f"The image {number!r} of the COCO data set names no file.")
            entries.append(Entry((name,), frozenset(classes[category] for category in shown[number]), known))
    except (KeyError, TypeError, AttributeError) as error:
        raise WsisError(
            "The COCO data set is damaged: its categories, annotations or images are not as COCO writes them."
        ) from error
    return listing("a COCO data set", entries, classes.values())
