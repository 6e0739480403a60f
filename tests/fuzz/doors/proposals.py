"""Proposal files: `wsis.proposals.readers.read`."""

from __future__ import annotations

import base64
import json
import random
import struct
import warnings
from functools import cached_property
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
import scipy.io
from pycocotools import mask as coco_mask

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from tests.fuzz.seeds import SIZE
from wsis.index_image import palette
from wsis.proposals import ProposalSet
from wsis.proposals.readers import read


class _Proposals(Door):
    """A file to a ProposalSet on the photo's grid, or a sentence."""

    suffix: str

    def enter(self, content: bytes) -> ProposalSet:
        """Read it from a file."""
        path = self.home / f"a{self.suffix}"
        path.write_bytes(content)
        return read(path, SIZE)

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Form, then masks."""
        if not isinstance(answer, ProposalSet) or answer.size != SIZE or not len(answer):
            return f"expected proposals of {SIZE}, got {getattr(answer, 'size', type(answer))}", False
        found = answer.masks(range(len(answer)))
        if not found.any((1, 2)).all():
            return "a proposal covers no pixel", False
        if not np.isfinite(answer.scores).all():
            return "a score is not finite", False
        expected = self.reference(case.content) if case.expected is UNKNOWN else case.expected
        if expected is None:
            return "", False
        return ("" if np.array_equal(found, expected) else "other masks than the file holds"), True

    def reference(self, content: bytes) -> np.ndarray | None:
        """(N, H, W) bool that the file holds, read in another way; None where that way cannot tell."""
        raise NotImplementedError


class Mat(_Proposals):
    """MATLAB files."""

    name = "proposals .mat"
    checked = (
        "a file of known masks in another shape (packed, in a struct, with other variables, other numbers) must give "
        "these masks; any other that is read is compared with its variables, superpixel by superpixel"
    )
    count = 2500
    suffix = ".mat"

    @cached_property
    def _files(self) -> dict[str, bytes]:
        some = seeds.masks()
        mcg = seeds.mcg(some)
        scores = {"scores": np.linspace(1, 0, len(some))[:, None]}
        return {
            "MCG": seeds.mat(mcg),
            "packed MCG": seeds.mat(mcg | scores, packed=True),
            "MCG in a struct": seeds.mat({"candidates": mcg | scores}),
            "masks": seeds.mat({"masks": np.moveaxis(some, 0, 2)}),
            "packed masks": seeds.mat({"masks": np.moveaxis(some, 0, 2).astype(np.float64)}, packed=True),
            "HDF5": b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + bytes(500),
        }

    def case(self, rng: random.Random) -> Case:
        """A file, changed: its bytes, or one of its variables."""
        if rng.random() < 0.15:
            return self._harmless(rng)
        if rng.random() < 0.2:
            return self._odd(rng)
        name = rng.choice(list(self._files))
        return Case(mutate.mutated(self._files[name], rng, list(self._files.values())), f"{name} damaged")

    def _harmless(self, rng: random.Random) -> Case:
        some = seeds.masks(rng.randrange(1000), rng.randrange(1, 40))
        if rng.random() < 0.5:
            kind = rng.choice((bool, np.uint8, np.int16, np.float32, np.float64))
            variables: dict[str, Any] = {"masks": np.moveaxis(some, 0, 2).astype(kind)}
            if rng.random() < 0.2:
                variables["masks"] = np.moveaxis(np.where(some, 0.95, 0.05), 0, 2)
            elif rng.random() < 0.2:
                variables["masks"] = seeds.cells([one.astype(kind) for one in some])
        else:
            variables = seeds.mcg(some)
            variables["superpixels"] = variables["superpixels"].astype(rng.choice((np.uint16, np.int32, np.float64)))
        if rng.random() < 0.5:
            variables["scores"] = np.sort(np.random.default_rng(rng.randrange(1000)).random(len(some)))[::-1]
        if rng.random() < 0.5:
            variables = {"candidates": variables}
        packed = rng.random() < 0.5
        return Case(seeds.mat({"other": np.ones((2, 2)), **variables}, packed), "known masks", some)

    def _odd(self, rng: random.Random) -> Case:
        """A whole file whose variables are not what they should be."""
        variables: dict[str, Any] = seeds.mcg(seeds.masks(rng.randrange(100))) | {
            "scores": np.linspace(1, 0, 5)[:, None]
        }
        if rng.random() < 0.3:
            variables = {"masks": np.moveaxis(seeds.masks(), 0, 2)}
        odd = np.empty((1, 2), object)
        inner = np.empty((1, 1), object)
        inner[0, 0] = np.array([[1]])
        odd[0, 0], odd[0, 1] = np.array([[1, 2]]), rng.choice(("text", np.array([[1j]]), np.array([[np.nan]]), inner))
        name = rng.choice(list(variables))
        variables[name] = rng.choice(
            (
                odd, "text", np.array([[1j]]), np.full((5, 1), np.nan), np.full((5, 1), np.inf), np.zeros((0, 0)),
                np.zeros(SIZE), np.full(SIZE, np.nan), np.zeros((*SIZE, 2, 2)), np.ones(SIZE, "U1"),
                np.full((*SIZE, 2), 1j), np.ones((*SIZE, 0)), {"a": np.ones(3)}, np.full((5, 1), 1e308),
                np.array([[1e308], [-1e308], [0], [1], [2]]), np.ones((*SIZE, 1)) * np.nan,
            )
        )  # fmt: skip
        return Case(seeds.mat(variables), f"'{name}' is something else")

    def reference(self, content: bytes) -> np.ndarray | None:
        """Paint each list of superpixels; order by scores."""
        path = self.home / "reference.mat"
        path.write_bytes(content)
        names = ["superpixels", "labels", "masks", "scores", "candidates"]
        try:
            with warnings.catch_warnings(action="ignore"):
                fields = scipy.io.loadmat(str(path), variable_names=names)
        except Exception:  # takes less than the format allows, e.g. in text that nobody needs
            return None
        for value in list(fields.values()):
            if getattr(value, "dtype", np.dtype(int)).names and value.size == 1:
                fields |= {key: value[key].item() for key in value.dtype.names}
        if "labels" in fields and "superpixels" in fields:
            painted = [np.isin(fields["superpixels"], np.ravel(one)) for one in fields["labels"].ravel()]
        elif "masks" not in fields:
            return None  # in a struct of another name
        else:
            stack = np.atleast_3d(fields["masks"])
            painted = [_cut(stack[..., i]) for i in range(stack.shape[2])]
        return _by_score(painted, fields["scores"].ravel() if isinstance(fields.get("scores"), np.ndarray) else None)


class Json(_Proposals):
    """PRM, COCO, SAM."""

    name = "proposals .json"
    checked = (
        "a file of known masks in another layout, with further keys, must give these masks; any other that is read is "
        "compared with pycocotools (RLE, polygons) or with runs painted pixel by pixel (PRM)"
    )
    count = 3000
    suffix = ".json"

    @cached_property
    def _values(self) -> dict[str, Any]:
        return seeds.proposal_json()

    def case(self, rng: random.Random) -> Case:
        """A file, changed: its bytes, or a value at any depth."""
        if rng.random() < 0.12:
            return self._harmless(rng)
        name = rng.choice(list(self._values))
        if rng.random() < 0.6:
            value = self._values[name]
            for _ in range(rng.choice((1, 1, 2))):
                value = mutate.twisted(value, rng)
            return Case(seeds.text(value), f"{name} with another value")
        others = [seeds.text(value) for value in self._values.values()]
        return Case(mutate.mutated(seeds.text(self._values[name]), rng, others), f"{name} damaged")

    def _harmless(self, rng: random.Random) -> Case:
        some = seeds.masks(rng.randrange(1000), rng.randrange(1, 40))
        if rng.random() < 0.3:
            return Case(json.dumps(seeds.prm(some), indent=rng.choice((None, 1))).encode(), "PRM", some)
        entries = [rng.choice((seeds.rle, seeds.runs))(one) for one in some]
        if rng.random() < 0.3:
            return self._several(rng, entries, some)
        if rng.random() < 0.5:
            entries = [{"id": i, "note": "é", "segmentation": one} for i, one in enumerate(entries)]
        value = {"info": {}, "annotations": entries} if rng.random() < 0.5 else entries
        return Case(b"\n " + json.dumps(value, indent=rng.choice((None, 1))).encode(), "COCO", some)

    @staticmethod
    def _several(rng: random.Random, entries: list[Any], some: np.ndarray) -> Case:
        """A file of three images, named in many ways; the photo's has the id of another by its name."""
        own = rng.choice(("a.jpg", "A.JPG", "x/a.png", "C:\\x\\a.tif", "a"))
        images = [{"id": 1, "file_name": "0.jpg"}, {"id": 3.0, "file_name": own}, {"id": "a1", "file_name": "b.jpg"}]
        rng.shuffle(images)
        others = [{"image_id": rng.choice((1, "a1")), "segmentation": entry} for entry in entries[:2]]
        mine = [
            {"image_id": 3, "segmentation": rng.choice((entry, one.astype(rng.choice((int, bool))).tolist()))}
            for entry, one in zip(entries, some, strict=True)
        ]
        value = {"images": images, "annotations": others + mine}
        return Case(json.dumps(value).encode(rng.choice(("utf-8", "utf-8-sig", "utf-16"))), "one image of three", some)

    def reference(self, content: bytes) -> np.ndarray | None:
        """Decode every entry by itself; None where the file covers several images."""
        value = json.loads(content)
        entries = value["annotations"] if isinstance(value, dict) else value
        if all("data" in entry and "shape" in entry for entry in entries):
            return _by_score([_painted(entry["data"]) for entry in entries], None)
        wanted = _image(value)
        if wanted is not None:
            entries = [entry for entry in entries if _text(entry.get("image_id")) == wanted]
        scores = [entry.get("score", entry.get("predicted_iou")) for entry in entries]
        found = [entry.get("segmentation", entry) for entry in entries]
        values = [v for shape in found if isinstance(shape, list) for v in np.concatenate([*map(np.ravel, shape), []])]
        share = bool(values) and all(-0.001 <= v <= 1.001 for v in values) and any(v % 1 for v in values)
        painted = [_shape(shape, share) for shape in found]
        return _by_score(painted, None if None in scores else np.array(scores, np.float64))


class Png(_Proposals):
    """Index PNGs."""

    name = "proposals .png"
    checked = (
        "a known index image with or without a palette, in 8 or 16 bits, with a comment, must give its masks; any "
        "other that is read is compared with OpenCV's decoder, to which palettes are shown as grey"
    )
    count = 1500
    suffix = ".png"

    @cached_property
    def _files(self) -> dict[str, bytes]:
        index = seeds.index_map()
        return {
            "palette": seeds.index_png(index),
            "grey": seeds.index_png(index, palette=False),
            "16 bits": seeds.index_png(index.astype(np.uint16) * 200),
            "4 bits": seeds.encoded(seeds.Image.fromarray(index % 8).convert("P").quantize(8), "PNG", bits=4),
            "2 grey bits": seeds.grey_png(index % 4, 2),
            "VOC's colours": seeds.encoded(palette()[index], "PNG"),
            "1 bit": seeds.encoded(seeds.Image.fromarray(index > 1), "PNG"),
            "colour": seeds.encoded(seeds.scene(*SIZE), "PNG"),
        }

    def case(self, rng: random.Random) -> Case:
        """A file, changed."""
        if rng.random() < 0.12:
            index = seeds.index_map(rng.randrange(1000))
            deep = rng.random() < 0.3
            content = seeds.index_png(index.astype(np.uint16) * 7 if deep else index, rng.random() < 0.5)
            if not deep and rng.random() < 0.5:
                bits = rng.choice((1, 2, 4))
                index = index % (1 << bits)
                content = seeds.grey_png(index, bits)
            elif not deep and rng.random() < 0.3:
                content = seeds.encoded(palette()[index], "PNG")
            parts = mutate.chunks(content)
            parts.insert(1, (b"tEXt", b"Comment\0made by hand"))
            numbers = [n for n in np.unique(index) if n and (deep or n != 255)]
            if numbers:
                return Case(mutate.png(parts), "known indices", np.stack([index == n for n in numbers]))
        name = rng.choice(list(self._files))
        return Case(mutate.mutated(self._files[name], rng, list(self._files.values())), f"{name} damaged")

    def reference(self, content: bytes) -> np.ndarray | None:
        """The indices as OpenCV reads them."""
        index = indices(content)
        if index is None or index.shape != SIZE:
            return None
        void = index.dtype == np.uint8  # of fewer than 8 bits none is as high as 255
        numbers = [n for n in np.unique(index) if n and not (void and n == 255)]
        return np.stack([index == n for n in numbers]) if numbers else None


def indices(content: bytes) -> np.ndarray | None:
    """(H, W) of an index PNG as OpenCV sees it when its palette is taken away; None where it cannot.

    OpenCV spreads greys of fewer than 8 bits over 0..255, which is undone.
    """
    parts = mutate.chunks(content)
    if not parts or parts[0][0] != b"IHDR" or len(parts[0][1]) != 13:
        return None
    header = parts[0][1]
    width, height, depth, kind = struct.unpack(">IIBB", header[:10])
    if kind not in (0, 3) or width * height > 10**6:
        return None
    grey = [(b"IHDR", header[:9] + b"\0" + header[10:]), *(p for p in parts[1:] if p[0] not in (b"PLTE", b"tRNS"))]
    seen = cv2.imdecode(np.frombuffer(mutate.png(grey), np.uint8), cv2.IMREAD_UNCHANGED)
    if seen is None or seen.ndim != 2:
        return None
    return seen // (255 // ((1 << depth) - 1)) if depth < 8 else seen


def _text(identity: Any) -> str:
    return str(int(identity)) if isinstance(identity, float) and identity.is_integer() else str(identity)


def _image(value: Any) -> str | None:
    """Id of the image that the file (`a.json`) is named after; None where it holds only one, or names none."""
    entries = value["annotations"] if isinstance(value, dict) else value
    images = value.get("images", []) if isinstance(value, dict) else []
    images = [one for one in images if isinstance(one, dict)] if isinstance(images, list) else []
    said = [one.get("id") for one in images] + [entry.get("image_id") for entry in entries]
    if len({_text(one) for one in said if one is not None}) <= 1:
        return None
    names = [one for one in images if PurePath(str(one.get("file_name", ""))).stem.lower() == "a"]
    return _text(names[0].get("id")) if names else "a"


def _painted(data: str) -> np.ndarray:
    """PRM's runs, pixel by pixel."""
    numbers = struct.unpack(f"<{len(base64.b64decode(data)) // 4}i", base64.b64decode(data))
    flat = [False] * (SIZE[0] * SIZE[1])
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for place in range(start - 1, start - 1 + length):
            flat[place] = True
    return np.array(flat).reshape(SIZE)


def _cut(values: np.ndarray) -> np.ndarray:
    """A layer of `masks`: probabilities are cut at one half."""
    return values >= 0.5 if values.dtype.kind == "f" and values.max() <= 1 else values > 0


def _shape(shape: Any, share: bool) -> np.ndarray:
    """A shape as pycocotools decodes it; nothing where there is none."""
    if not shape or (isinstance(shape, dict) and not {"size", "counts"} & set(shape)):
        return np.zeros(SIZE, bool)
    if isinstance(shape, list):
        shape = shape if isinstance(shape[0], list) else [shape]
        if all(len(pair) == 2 for pair in shape):
            shape = [np.ravel(shape).tolist()]
        rings = [ring for ring in shape if len(ring) > 5]
        if not rings:
            return np.zeros(SIZE, bool)
        if share:
            rings = [[v * SIZE[1 - i % 2] for i, v in enumerate(ring)] for ring in rings]
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *SIZE))).astype(bool)
    if isinstance(shape["counts"], list):
        shape = coco_mask.frPyObjects(shape, *SIZE)
    return coco_mask.decode(shape).astype(bool)


def _by_score(painted: list[np.ndarray], scores: np.ndarray | None) -> np.ndarray:
    order = range(len(painted)) if scores is None else np.argsort(-scores.astype(np.float64), kind="stable")
    return np.stack([painted[i] for i in order if painted[i].any()])
