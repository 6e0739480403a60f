"""Sets of photos with masks: `wsis.photo_sets.unpack` and `collect`, `wsis.ground_truth.read`."""

from __future__ import annotations

import io
import random
import shutil
import warnings
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from tests.fuzz.doors.proposals import indices
from wsis import ground_truth, photo_sets

EVIL = (
    "../out.jpg", "/tmp/wsis-out.jpg", "a/../../out.png", "..\\out.jpg", "C:\\out.jpg", "C:out.jpg", "a/../../out.txt",
    "....//out.jpg", "\\\\host\\out.jpg", "a\0b.jpg", "CON.jpg", "x" * 300 + ".jpg", "x/" * 240 + "a.jpg", "~/out.jpg",
    "VOC/JPEGImages/p0.jpg/a.jpg", "VOC", "", ".", "..", "/", "é\u202egpj.txt", "VOC/JPEGImages/p0.JPG", ".hidden.jpg",
)  # fmt: skip


class Zip(Door):
    """A zip to a folder of pairs, or a sentence."""

    name = "zip of photos and masks"
    checked = (
        "nothing may appear outside the folder, no link in it, and each file must hold the bytes that were packed; "
        "a zip with a comment or other compression must give all its pairs"
    )
    count = 1500

    @cached_property
    def _files(self) -> dict[str, bytes]:
        return seeds.devkit()

    def case(self, rng: random.Random) -> Case:
        """A zip, changed: its bytes, or the names in it."""
        what = rng.random()
        if what < 0.15:
            names = rng.sample(list(self._files), len(self._files))
            content = seeds.packed({f"deeper/{name}": self._files[name] for name in names}, rng.random() < 0.5)
            return Case(rng.choice((b"", b"#!/bin/sh\n")) + content, "known files", ("p0", "p1"))
        if what < 0.5:
            return Case(self._odd_names(rng), "odd names")
        whole = seeds.packed(self._files, rng.random() < 0.5)
        return Case(mutate.mutated(whole, rng, [seeds.packed({"a.txt": b"a"})]), "damaged")

    def _odd_names(self, rng: random.Random) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as archive:  # of equal names
            for name, content in self._files.items():
                archive.writestr(zipfile.ZipInfo(name), content)  # ZipInfo: no time of day in it
            for _ in range(rng.choice((1, 2))):
                entry = zipfile.ZipInfo("a.jpg")
                entry.filename = rng.choice(EVIL)  # ZipInfo itself would cut at a zero byte
                if rng.random() < 0.3:
                    entry.external_attr = rng.choice((0o120777, 0o010644, 0o060644, 0o040755)) << 16
                archive.writestr(entry, rng.choice(("../../../etc/passwd", b"", self._files["VOC/JPEGImages/p0.jpg"])))
        return buffer.getvalue()

    def enter(self, content: bytes) -> tuple[Path, tuple[photo_sets.Pair, ...]]:
        """Unpack it into a folder and look for pairs."""
        place = self.home / "place"
        shutil.rmtree(place, ignore_errors=True)
        (place / "deep" / "in").mkdir(parents=True)
        file, folder = place / "set.zip", place / "deep" / "in" / "folder"
        folder.mkdir()
        file.write_bytes(content)
        try:
            photo_sets.unpack(file, folder)
            return folder, photo_sets.collect(folder)
        finally:
            outside = [one for one in place.rglob("*") if not one.is_relative_to(folder)]
            if len(outside) != 3:
                raise AssertionError(f"files outside the folder: {outside}")

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Every file against what was packed."""
        folder, pairs = answer
        if any(one.is_symlink() for one in folder.rglob("*")):
            return "a link was made", True
        known = {*self._files.values(), b"", b"a", b"../../../etc/passwd"}
        strange = [one.name for one in folder.rglob("*") if one.is_file() and one.read_bytes() not in known]
        if strange:
            return f"{strange[0]} holds other bytes than were packed", True
        files = [file for pair in pairs for file in (pair.photo, pair.classes)]
        if not all(file.is_file() and file.is_relative_to(folder) for file in files):
            return "a pair names files that are not there", True
        if case.expected is not UNKNOWN and tuple(pair.name for pair in pairs) != case.expected:
            return f"found {[pair.name for pair in pairs]}", True
        return "", True


class Masks(Door):
    """Index PNGs to masks, or a sentence."""

    name = "ground-truth masks"
    checked = (
        "known masks must come back; of any other that are read, classes are compared with OpenCV's decoder, and "
        "masks and classes with a count pixel by pixel"
    )
    count = 1500

    @cached_property
    def _files(self) -> list[bytes]:
        files = seeds.devkit()
        some = [files["VOC/SegmentationClass/p0.png"], files["VOC/SegmentationObject/p0.png"]]
        return [*some, seeds.index_png(np.full((20, 24), 300, np.uint16)), seeds.encoded(seeds.scene(20, 24), "PNG")]

    def case(self, rng: random.Random) -> Case:
        """Classes and instances; one or both changed."""
        pair = [self._files[0], self._files[1] if rng.random() < 0.7 else None]
        if rng.random() < 0.1:
            return Case(tuple(pair), "known masks", True)
        for place in rng.choice(((0,), (1,), (0, 1))):
            if (content := pair[place]) is not None:
                pair[place] = mutate.mutated(content, rng, self._files)
        return Case(tuple(pair), "damaged")

    def enter(self, content: tuple[bytes, bytes | None]) -> ground_truth.GroundTruth:
        """Read them from files."""
        for name, data in zip(("classes.png", "instances.png"), content, strict=True):
            (self.home / name).write_bytes(data or b"")
        return ground_truth.read(self.home / "classes.png", self.home / "instances.png" if content[1] else None, 20)

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Semantic map, then masks."""
        semantic, masks = answer.semantic, answer.masks
        if semantic.dtype != np.uint8 or masks.dtype != bool or masks.shape[1:] != semantic.shape:
            return f"{masks.shape} {masks.dtype} masks for {semantic.shape} {semantic.dtype}", False
        seen = indices(case.content[0])
        if seen is not None and not np.array_equal(seen, semantic):
            return "other classes than OpenCV sees", True
        objects = indices(case.content[1]) if case.content[1] else _areas(semantic)
        if objects is None:
            return "", seen is not None
        expected = []
        for number in np.unique(objects):
            inside = objects == number
            votes = [int((semantic[inside] == c + 1).sum()) for c in range(20)]
            if number and not (objects.dtype == np.uint8 and number == 255) and any(votes):
                expected.append((votes.index(max(votes)), inside.tobytes()))
        found = [(int(c), mask.tobytes()) for c, mask in zip(answer.categories, masks, strict=True)]
        same = sorted(found) == sorted(expected) and (case.expected is UNKNOWN or len(found) == 2)
        return ("" if same else f"{len(found)} masks instead of {len(expected)}, or others"), True


def _areas(semantic: np.ndarray) -> np.ndarray:
    """Connected areas of each class by SciPy; OpenCV makes the reader's."""
    result, count = np.zeros(semantic.shape, np.int64), 0
    for category in np.unique(semantic[(semantic > 0) & (semantic < 255)]):
        areas, found = ndimage.label(semantic == category, np.ones((3, 3)))
        result[areas > 0] = areas[areas > 0] + count
        count += found
    return result
