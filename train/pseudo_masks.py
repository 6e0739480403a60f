"""Pseudo labels as a COCO data set: what learns from masks can learn from image-level labels and contours alone.

The labels are those of section 3.2, as `train.pseudo_labels` makes them.
`python -m train.pseudo_masks OUT.json --voc KIT`, then, say,
`python -m train.objectness fit --config train/configs/objectness.yaml --data.coco '[OUT.json, KIT/JPEGImages]'`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pycocotools import mask as coco_mask

from train import scripts
from train.data import all_labels
from train.pseudo_labels import PseudoPairs, PseudoPhoto
from wsis import checkpoints, coco_dataset, files
from wsis.errors import WsisError


def dataset(photos: Iterable[PseudoPhoto], classes: Sequence[str]) -> bytes:
    """The labels of photos, which may overlap, as a COCO data set; photos by their files' names.

    Args:
        photos: whose labels are on disk.
        classes: names, in the order that the labels number them in.

    Returns:
        JSON, see `wsis.coco_dataset`; masks in the pixels of their photo, category ids from 1.
    """
    listed, entries = [], []
    for photo in photos:
        masks, numbers = photo.item().rles, photo.pairs().naive.classes
        height, width = masks[0]["size"]
        listed.append({"image_id": photo.image.stem, "file_name": photo.image.name, "width": width, "height": height})
        entries += [_entry(photo, mask, int(number)) for mask, number in zip(masks, numbers, strict=True)]
    return coco_dataset.dataset(classes, listed, entries)


def _entry(photo: PseudoPhoto, mask: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "image_id": photo.image.stem,
        "category_id": number + 1,
        "segmentation": {"size": list(mask["size"]), "counts": mask["counts"].decode("ascii")},
        "bbox": coco_mask.toBbox(mask).tolist(),
        "area": int(coco_mask.area(mask)),
        "score": 1.0,
        "instance": 1,
    }


@scripts.told
def main(
    out: Annotated[Path, typer.Argument(help="JSON to write")],
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012), whose image-level labels teach")],
    model: Annotated[str, typer.Option(help="checkpoint with classifier and contours")] = "voc-lite",
    split: Annotated[list[str] | None, typer.Option(help="train and train_extra, unless others are named")] = None,
    photos: Annotated[int, typer.Option(min=1, help="so many, balanced over the classes")] = 1200,
    lone: Annotated[
        bool, typer.Option("--lone", help="leave out photos with a label that holds several peaks of its class")
    ] = False,
) -> None:
    """Label photos from what their image-level labels name, and write the masks."""
    splits, folder = tuple(split or ("train", "train_extra")), checkpoints.find(model)
    pairs = PseudoPairs(folder, voc_kit=voc_kit, splits=splits, contours=folder, photos=photos, lone=lone)
    labelled = [example for example in pairs.examples() if isinstance(example, PseudoPhoto)]
    if not labelled:
        raise WsisError(f"No photo of {', '.join(splits)} got a label that its own map agrees with.")
    files.write(out, dataset(labelled, all_labels(voc_kit, splits, ()).classes))
    print(f"{out}: {len(labelled)} photos")


if __name__ == "__main__":
    scripts.run(main)
