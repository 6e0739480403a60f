"""Photos with masks that measurements are made on: a VOC split, or a COCO data set of classes of any kind."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from train import data
from wsis import coco_masks, photo_sets, voc
from wsis.errors import WsisError
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.shared_classes import SharedClasses, shared


@dataclass(frozen=True)
class MaskedSet:
    """Photos and masks that number the same classes.

    Attributes:
        pairs: photos and masks.
        ids: name of each class by its number in COCO files, as text.
    """

    pairs: tuple[Pair, ...]
    ids: Mapping[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the masks."""
        return tuple(dict.fromkeys(self.ids.values()))

    def shared(self, pipeline: Pipeline) -> SharedClasses:
        """The classes that the photos and a model share; stderr says which are left out."""
        common = shared(self.classes, pipeline.classes, pipeline.name)
        for sentence in common.left_out():
            print(sentence, file=sys.stderr)
        return common


def find(
    voc_kit: Path | None,
    coco: Path | None,
    photos: Path | None,
    split: str,
    half: data.Half = "all",
    limit: int | None = None,
) -> MaskedSet:
    """Photos and masks; of those that a COCO data set names and that are not there stderr says how many.

    Args:
        voc_kit: devkit folder (`.../VOC2012`), or None.
        coco: JSON of a COCO data set, or None.
        photos: folder of its photos; None takes the JSON's.
        split: of a devkit.
        half: every other photo by name, see `train.data.voc_ids`.
        limit: only the first so many.

    Raises:
        WsisError: there are neither or both, or no photo with masks.
    """
    if (voc_kit is None) == (coco is None):
        raise WsisError("Give photos with masks: either --voc KIT, or --coco ANNOTATIONS.json with --photos FOLDER.")
    if coco is None:
        if photos is not None:
            raise WsisError("--photos goes with --coco; a devkit has its own.")
        assert voc_kit is not None
        ids = data.voc_ids(voc_kit, split, half)[:limit]
        names = {str(number): name for number, name in enumerate(voc.CLASSES, 1)}
        return MaskedSet(tuple(data.voc_pair(voc_kit, identity) for identity in ids), names)
    folder = photos or coco.parent
    found = coco_masks.read(coco, folder, evaluating=True)
    every = photo_sets.of_coco(found)
    if not every:
        raise WsisError(f"None of the {len(found.photos)} photos that {coco.name} names lies in {folder}.")
    if len(every) < len(found.photos):
        missing = len(found.photos) - len(every)
        print(f"{coco.name}: {missing} of {len(found.photos)} photos are not in {folder}: left out", file=sys.stderr)
    if found.maskless:
        print(found.left_out(), file=sys.stderr)
    chosen = every if half == "all" else every[0 if half == "even" else 1 :: 2]
    return MaskedSet(chosen[:limit], found.ids)
