"""CVAT's exports: `CVAT for images` (XML), Datumaro's JSON, and ImageNet's lists. Shapes only count as their labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from wsis import photo_names
from wsis.errors import WsisError
from wsis.labels.listing import Entry, Listing, listing, short, tidy


def read_xml(content: bytes) -> Listing:
    """Labels of an `annotations.xml`: the `tag` elements of each `image`, and the labels of its shapes.

    Raises:
        WsisError: it is damaged, of a video, or no export of CVAT.
    """
    if re.search(rb"<!(DOCTYPE|ENTITY)", content[:10_000]):
        raise WsisError("The XML defines entities, which no export of CVAT does, so it is refused.")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise WsisError(f"The XML is damaged: {error}. Export it again.") from error
    if root.tag != "annotations":
        raise WsisError(f"The XML is no export of CVAT: it begins with <{short(root.tag)}>, expected <annotations>.")
    images = root.findall("image")
    if not images and root.find("track") is not None:
        raise WsisError("The XML is of a video, whose frames have no names. Export it as 'CVAT for images'.")
    classes = [tidy(label.findtext("name") or "") for label in root.iterfind("./meta/*/labels/label")]
    entries = [
        Entry((image.get("name", ""),), frozenset(tidy(part.get("label", "")) for part in image if part.get("label")))
        for image in images
    ]
    return listing("CVAT's XML", entries, filter(None, classes))


def read_datumaro(content: Mapping[str, Any]) -> Listing:
    """Labels of a Datumaro JSON: the `label_id` of each item's annotations, of whatever type.

    Raises:
        WsisError: it is not as Datumaro writes it.
    """
    try:
        classes = [tidy(label["name"]) for label in content["categories"]["label"]["labels"]]
        entries = []
        for item in content["items"]:
            numbers = {part["label_id"] for part in item["annotations"] if part.get("label_id") is not None}
            media = item.get("image") or item.get("media") or {}
            names = tuple(dict.fromkeys(filter(None, (media.get("path"), str(item["id"])))))
            if any(number < 0 for number in numbers):
                raise IndexError("no class has a number below 0")
            entries.append(Entry(names, frozenset(classes[number] for number in numbers)))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise WsisError("The JSON is damaged: Datumaro's items or labels are not as it writes them.") from error
    return listing("Datumaro's JSON", entries, classes)


def read_imagenet(synsets: bytes, lists: Mapping[str, bytes]) -> Listing:
    """Labels of ImageNet's lists: `synsets.txt` names the classes, a line of another list is `NAME NUMBER NUMBER`.

    A name with spaces stands in quotes, its ending after them.

    Args:
        synsets: content of the file of classes.
        lists: content of the others, by their name.

    Raises:
        WsisError: a line is no name with numbers of classes.
    """
    classes = [tidy(line) for line in photo_names.text(synsets).splitlines() if line.strip()]
    entries = []
    for name, content in lists.items():
        for line in filter(str.strip, photo_names.text(content).splitlines()):
            found = re.fullmatch(r'\s*(?:"([^"]*)"(\S*)|(\S+))((?:\s+\d+)*)\s*', line)
            numbers = [int(number) for number in (found[4].split() if found else ())]
            if not found or any(number >= len(classes) for number in numbers):
                raise WsisError(f"{name}: expected a photo and numbers below {len(classes)}, got '{short(line)}'.")
            photo = found[3] or found[1] + found[2]
            entries.append(Entry((photo,), frozenset(classes[number] for number in numbers)))
    return listing("ImageNet's lists", entries, classes)
