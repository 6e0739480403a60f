"""Instances as a COCO data set: one file that `pycocotools.coco.COCO`, annotation tools and trainings open.

COCO has two ways to write a mask. `segmentation` holds polygons, as all tools read them and some (Detectron2's default,
converters to YOLO) read nothing else. They run along the edges of pixels, and a hole hangs on a cut of no width, so
that pycocotools paints exactly the mask, one-pixel lines included. Beside it `rle` has the mask as compressed RLE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import cv2
import numpy as np

from wsis.shapes import decompressed as run_lengths

MOST_CORNERS = 20_000
"""Of a mask that is written as polygons; more would be slow to open everywhere, and COCO allows an RLE instead."""
INFO = {"description": "Instances found by wsis, each with its score; masks are in the photo's own pixels."}


def dataset(classes: Sequence[str], photos: Sequence[Mapping[str, Any]], entries: Iterable[Mapping[str, Any]]) -> bytes:
    """A data set as JSON, see `write`.

    Args:
        classes: names of all the model's classes.
        photos: `image_id`, `file_name`, `width` and `height` of each, those without instances too.
        entries: COCO results of these photos, see `wsis.export.coco_results`.
    """
    numbers = {photo["image_id"]: number for number, photo in enumerate(photos, 1)}
    return b"".join(parts(classes, image_rows(photos), annotation_rows(entries, numbers)))


def write(
    stream: BinaryIO, classes: Sequence[str], images: Iterable[Mapping], annotations: Iterable[Mapping[str, Any]]
) -> None:
    """Write a data set bit by bit, an entry a line, so that none of it must be in memory as a whole.

    Args:
        stream: of bytes.
        classes: names of all the model's classes; the first has `category_id` 1.
        images: from `image_rows`.
        annotations: from `annotation_rows`.
    """
    for part in parts(classes, images, annotations):
        stream.write(part)


def parts(classes: Sequence[str], images: Iterable[Mapping], annotations: Iterable[Mapping]) -> Iterator[bytes]:
    """What `write` writes, in order."""
    categories = ({"id": i, "name": name, "supercategory": "object"} for i, name in enumerate(classes, 1))
    yield b'{"info": ' + json.dumps(INFO).encode() + b', "licenses": []'
    for name, rows in (("categories", categories), ("images", images), ("annotations", annotations)):
        between = f',\n"{name}": [\n'
        for row in rows:  # one a line
            yield (between + json.dumps(row, ensure_ascii=False)).encode()
            between = ",\n"
        yield b"\n]" if between == ",\n" else f"{between}]".encode()
    yield b"}\n"


def image_rows(photos: Iterable[Mapping[str, Any]], first: int = 1) -> Iterator[dict[str, Any]]:
    """`images` of a data set, numbered from `first`; a photo as for `dataset`."""
    for number, photo in enumerate(photos, first):
        yield {"id": number, "file_name": photo["file_name"], "width": photo["width"], "height": photo["height"]}


def annotation_rows(
    entries: Iterable[Mapping[str, Any]], numbers: Mapping[str, int], first: int = 1
) -> Iterator[dict[str, Any]]:
    """`annotations` of a data set; what is unsure, which only lists that were asked for have, says so.

    Args:
        entries: COCO results, see `wsis.export.coco_results`.
        numbers: `id` of each photo's image, by the results' `image_id`.
        first: number of the first annotation.
    """
    for number, entry in enumerate(entries, first):
        rle = dict(entry["segmentation"])
        yield {
            "id": number,
            "image_id": numbers[entry["image_id"]],
            "category_id": entry["category_id"],
            "segmentation": outlines(rle) or rle,
            "rle": rle,
            "bbox": entry["bbox"],
            "area": entry["area"],
            "iscrowd": 0,
            "score": entry["score"],
            **({} if entry["instance"] else {"unsure": True}),
            **({"by_hand": True} if entry.get("by_hand") else {}),
            **({"trust": entry["trust"]} if "trust" in entry else {}),
        }


def outlines(rle: Mapping[str, Any]) -> list[list[int]]:
    """Polygons along the edges of a mask's pixels.

    Args:
        rle: COCO's compressed RLE: `size` [H, W] and `counts` as text.

    Returns:
        For each 4-connected area its outline as x, y, x, y, ... in pixels, with the outlines of its holes, each behind
        a cut there and back; empty where that takes more than `MOST_CORNERS` corners.
    """
    small, rows, columns = _small(run_lengths(rle["counts"].encode("ascii")), *rle["size"])
    padded = np.pad(small, 1).astype(np.int8)
    corners = np.abs(np.diff(np.diff(padded, axis=0), axis=1))
    if corners.sum() > MOST_CORNERS:
        return []
    areas = cv2.connectedComponents(small, connectivity=4)[1]
    paths: dict[int, list[tuple[int, int]]] = {}
    for area, ring in _rings(padded, areas):
        path = paths.setdefault(area, [])  # the first ring, with the topmost edge, is the outline; then come holes
        path += [*ring, ring[0], path[0]] if path else [*ring, ring[0]]
    return [
        [int(side) for row, column in path[:-1] for side in (columns[column], rows[row])] for path in paths.values()
    ]


def _small(counts: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mask without the rows and columns that are like the one before.

    Returns:
        (h, w) uint8, and the photo's rows (h + 1,) and columns (w + 1,) at the edges of its cells.
    """
    ends = np.cumsum(counts)[:-1]  # where the mask changes, column by column
    column, row = np.divmod(ends[ends < height * width], height)
    rows = np.unique([0, *row])
    changes = np.zeros(len(rows) * width, np.uint8)  # bytes: a photo may have 100 megapixels
    np.add.at(changes, column * len(rows) + np.searchsorted(rows, row), 1)
    mask = (
        (np.cumsum(changes, dtype=np.uint8) & 1).reshape(width, len(rows)).T
    )  # a sum that overflows stays odd or even
    columns = np.flatnonzero(np.r_[True, (mask[:, 1:] != mask[:, :-1]).any(0)])
    return np.ascontiguousarray(mask[:, columns]), np.r_[rows, height], np.r_[columns, width]


def _rings(padded: np.ndarray, areas: np.ndarray) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Closed ways along the border of a mask, which lies to the right of each.

    Args:
        padded: (h + 2, w + 2) int8, the mask with a border of 0.
        areas: (h, w) number of each pixel's area.

    Yields:
        The number of the area, and the ring's corners (row, column), each the upper left one of a pixel.
    """
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))  # right, down, left, up: the next is a turn to the right
    ways: dict[tuple[int, int, int], tuple[int, int]] = {}
    for row, left, right, sign in _runs(np.diff(padded, axis=0)):  # a top border runs right, a bottom border left
        ways[(row, left, 0) if sign > 0 else (row, right, 2)] = (row, right) if sign > 0 else (row, left)
    for column, top, bottom, sign in _runs(np.diff(padded, axis=1).T):  # a left border runs up, a right one down
        ways[(bottom, column, 3) if sign > 0 else (top, column, 1)] = (top, column) if sign > 0 else (bottom, column)
    while ways:
        row, column, heading = next(iter(ways))
        inside = steps[(heading + 1) % 4]
        step = steps[heading]
        area = int(areas[row + min(0, inside[0] + step[0]), column + min(0, inside[1] + step[1])])
        ring = []
        while (row, column, heading) in ways:
            ring.append((row, column))
            row, column = ways.pop((row, column, heading))
            right = (heading + 1) % 4  # first, so that areas that touch at a corner stay apart
            heading = right if (row, column, right) in ways else (heading - 1) % 4
        yield area, ring


def _runs(change: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Row, first and last corner, and sign, of the runs of 1 and of -1 in rows that begin and end with 0."""
    row, place = np.nonzero(np.diff(change, axis=1))
    sign = change[row, place + 1]
    starts = np.flatnonzero(sign)
    yield from zip(*(x.tolist() for x in (row[starts], place[starts], place[starts + 1], sign[starts])), strict=True)
