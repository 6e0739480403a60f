"""COCO's files: which entries belong to which photo."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wsis import photo_names
from wsis.errors import WsisError


def load(file: Path) -> Any:
    """A JSON file's value, in UTF-8, 16 or 32, with or without a byte order mark.

    Raises:
        WsisError: it cannot be read or is no JSON.
    """
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WsisError(f"{file.name} is not valid JSON: {error}.") from error
    except OSError as error:
        raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error


def short(value: Any) -> str:
    """What a file says, fit for a sentence: one line of at most 80 characters."""
    line = " ".join(str(value).split())
    return line if len(line) <= 80 else f"{line[:77]}..."


@dataclass(frozen=True, eq=False)
class Listing:
    """Entries of a COCO file, and how to find those of a photo.

    **Which image a photo is.** By name first: the image whose `file_name` is the photo's without folders, of either
    system, with or without ending. Of several such images the one counts that shares most folders with the photo, then
    the one whose ending is the same; where that leaves two, the file cannot say which it is and is refused. Letters of
    another case count only where no name fits to the letter. Only if no name fits, by `id`: as text, else as a number
    (139 is 000000000139, 3.0 is 3), unless the image of that id is named by another number. Entries of two images are
    never mixed.

    Attributes:
        file: where they come from, for people.
        entries: annotations or results, objects all.
        images: what the file says of its images, objects all; empty where it says nothing.
    """

    file: Path
    entries: Sequence[dict]
    images: Sequence[dict] = ()

    @classmethod
    def of(cls, file: Path, content: Any) -> Listing | None:
        """The listing of a JSON value; None where it holds no entries."""
        entries = content.get("annotations") if isinstance(content, dict) else content
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            return None
        images = content.get("images") if isinstance(content, dict) else None
        return cls(file, entries, [one for one in images if isinstance(one, dict)] if isinstance(images, list) else ())

    @cached_property
    def by_image(self) -> dict[str, list[int]]:
        """Numbers of the entries of each image, by its id as text; those without an id are in none."""
        found: dict[str, list[int]] = {}
        for number, entry in enumerate(self.entries):
            if entry.get("image_id") is not None:
                found.setdefault(text(entry["image_id"]), []).append(number)
        return found

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of all images as text, each once, those without entries too."""
        known = [text(one["id"]) for one in self.images if one.get("id") is not None]
        return tuple(dict.fromkeys([*known, *self.by_image]))

    def of_photo(self, photo: str | int | None, own: bool = True) -> list[int]:
        """Numbers of a photo's entries.

        Args:
            photo: its name, with or without folders and ending, or the id of its image; None: that of the file.
            own: the file is one photo's. If it is named like it, or no photo is, and it holds one image or says nothing
                of images, all entries are the photo's whatever that image's id and name.

        Raises:
            WsisError: the file does not say which entries these are, or has none for the photo.
        """
        name = self.file.stem if photo is None else photo
        own = own and (photo is None or title(name) == title(self.file.stem) or not self.by_image)
        loose = [number for number, entry in enumerate(self.entries) if entry.get("image_id") is None]
        if loose and (len(self.ids) > 1 or not own):
            raise WsisError(f"Entry {loose[0]} (from 0) of {self.file.name} does not say to which image it belongs.")
        if own and len(self.ids) <= 1:
            return list(range(len(self.entries)))
        image = self.image_of(name)
        if image is None or image not in self.by_image:
            some = short(", ".join([title(self.titles.get(one, [one])[0]) for one in list(self.by_image)[:5]]))
            raise WsisError(
                f"{self.file.name} has no proposals for image '{short(title(name))}'; it has some for "
                f"{len(self.by_image)} ({some}{', ...' if len(self.by_image) > 5 else ''})."
            )
        return self.by_image[image]

    def image_of(self, photo: str | int) -> str | None:
        """Id, as text, of the image that a photo is, see above; None where there is none.

        Raises:
            WsisError: it may be one of several.
        """
        image = self._named(photo) if isinstance(photo, str) else None
        if image is None:
            image = self._numbered(photo)
        if image is not None and len(set(self.titles.get(image, ()))) > 1:
            some = short(" and ".join(self.titles[image][:2]))
            raise WsisError(f"{self.file.name} gives the id {short(image)} to several images: {some}.")
        return image

    @cached_property
    def titles(self) -> dict[str, list[str]]:
        """File names of each image, by its id as text; more than one only in a damaged file."""
        found: dict[str, list[str]] = {}
        for one in self.images:
            if one.get("id") is not None and photo_names.parts(str(one.get("file_name") or "")):
                found.setdefault(text(one["id"]), []).append(str(one["file_name"]))
        return found

    @cached_property
    def _by_title(self) -> dict[str, list[tuple[tuple[str, ...], str]]]:
        """Path and id of the images of each bare file name in small letters."""
        found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for image, titles in self.titles.items():
            for path in map(photo_names.parts, titles):
                for key in {path[-1].casefold(), photo_names.bare(path[-1]).casefold()}:
                    found.setdefault(key, []).append((path, image))
        return found

    @cached_property
    def _by_number(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for image in self.ids:
            if (number := _number(image)) is not None:
                found.setdefault(number, []).append(image)
        return found

    def _named(self, photo: str) -> str | None:
        wanted = photo_names.parts(photo)
        if not wanted:
            return None
        own = {wanted[-1], photo_names.bare(wanted[-1])}
        like = [one for key in {name.casefold() for name in own} for one in self._by_title.get(key, [])]
        same = [(path, image) for path, image in like if own & {path[-1], photo_names.bare(path[-1])}] or like
        ranks = [_likeness(path, wanted) for path, _ in same]
        best = sorted({image for rank, (_, image) in zip(ranks, same, strict=True) if rank == max(ranks)})
        if len(best) > 1:
            some = short(", ".join(self.titles[image][0] for image in best))
            raise WsisError(
                f"{self.file.name} has several images named '{short(title(photo))}' ({some}); the photo may be any. "
                "Give each photo a file of its own."
            )
        return best[0] if best else None

    def _numbered(self, photo: str | int) -> str | None:
        own = title(photo)
        found = [own] if own in self.ids_set else self._by_number.get(-1 if (n := _number(own)) is None else n, [])
        if len(found) > 1:
            raise WsisError(
                f"{self.file.name} has several images whose id is the number {short(own)}. Name them apart."
            )
        if found and isinstance(photo, str):
            named = {_number(title(name)) for name in self.titles.get(found[0], ())} - {None}
            if named and _number(own) not in named:
                return None
        return found[0] if found else None

    @cached_property
    def ids_set(self) -> frozenset[str]:
        """The same as `ids`, to look one up."""
        return frozenset(self.ids)


def text(identity: Any) -> str:
    """An id as text; 3.0 and 3 are one."""
    whole = isinstance(identity, float) and identity.is_integer()
    return str(int(identity) if whole else identity)


def title(photo: str | int) -> str:
    """A photo's name without folders and ending; a number as text."""
    path = photo_names.parts(photo) if isinstance(photo, str) else ()
    return photo_names.bare(path[-1]) if path else text(photo)


def _number(identity: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,18})(\.0+)?", identity)
    return int(found[1]) if found else None


def _likeness(path: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[int, bool, bool]:
    """How many folders an image's path shares with a photo's, whether these are all that it has, same ending."""
    shared = 0
    for mine, theirs in zip(path[-2::-1], wanted[-2::-1], strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared, shared == len(path) - 1, path[-1] == wanted[-1]
