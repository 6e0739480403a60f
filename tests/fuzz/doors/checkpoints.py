"""Checkpoint folders: `wsis.checkpoints.load`."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from wsis import checkpoints
from wsis.classifier import Classifier
from wsis.proposals.objectness import ObjectnessNet

BACKBONE = "tf_efficientnet_lite0"
TYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
"""Of a safetensors file's tensors, in NumPy's words."""


class Checkpoints(Door):
    """A folder to networks, or a sentence."""

    name = "checkpoint folder"
    checked = (
        "every tensor of the loaded networks is compared with the file's bytes, read without the safetensors library; "
        "a folder with a changed card must load"
    )
    count = 400

    def __init__(self, home: Path) -> None:
        """Write a whole checkpoint with random weights."""
        super().__init__(home)
        self._whole, self._folder = home / "whole", home / "folder"
        torch.manual_seed(0)
        options = {"backbone": BACKBONE, "classes": ["cat", "dog"]}
        checkpoints.save_module(Classifier(BACKBONE, ("cat", "dog")), self._whole, "classifier", options)
        small = ObjectnessNet(channels=(4, 6), widths=(3, 3), hidden=5)
        checkpoints.save_module(small, self._whole, "objectness", small.options)
        (self._whole / "README.md").write_text("# tiny\n")
        (self._whole / "metrics.json").write_text("{}\n")
        self._files = {file.name: file.read_bytes() for file in sorted(self._whole.iterdir())}
        config = json.loads(self._files["config.json"])
        for entry in config["modules"].values():  # the library writes headers in another order every time
            content = self._files[entry["file"]] = _ordered(self._files[entry["file"]])
            entry["sha256"] = hashlib.sha256(content).hexdigest()
        self._files["config.json"] = seeds.text(config)

    def case(self, rng: random.Random) -> Case:
        """Files that differ from the whole checkpoint's; None is a file that is missing."""
        config, name = json.loads(self._files["config.json"]), "objectness.safetensors"
        if rng.random() < 0.05:
            card = "".join(rng.choices("äb#\n💥 ", k=40)).encode()
            return Case({"README.md": card, "metrics.json": b'{"a": [1]}'}, "another card", True)
        what = rng.random()
        if what < 0.5:  # the network's file, with a checksum that is right again for half of them
            content = self._files[name]
            content = self._header(content, rng) if rng.random() < 0.5 else mutate.mutated(content, rng)
            if rng.random() < 0.7:
                config["modules"]["objectness"]["sha256"] = hashlib.sha256(content).hexdigest()
            return Case({name: content, "config.json": seeds.text(config)}, "another file of weights")
        if what < 0.8:
            return Case({"config.json": seeds.text(mutate.twisted(config, rng))}, "another value in config.json")
        damaged = rng.choice(list(self._files))
        return Case({damaged: rng.choice((None, mutate.mutated(self._files[damaged], rng)))}, f"{damaged} damaged")

    def _header(self, content: bytes, rng: random.Random) -> bytes:
        """A safetensors file whose header says something else."""
        header, data = _parts(content)
        return _joined(mutate.twisted(header, rng), data)

    def enter(self, content: dict[str, bytes | None]) -> checkpoints.Checkpoint:
        """Write the folder and load it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, data in {**self._files, **content}.items():
            if data is not None:
                (self._folder / name).write_bytes(data)
        return checkpoints.load(str(self._folder))

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Networks against files."""
        for name, module in (("classifier", answer.classifier), ("objectness", answer.objectness)):
            if module is None:
                if name == "classifier" or case.expected is not UNKNOWN:
                    return f"no {name}", True
                continue
            entry = answer.card["modules"][name]
            stored = _tensors((self._folder / entry["file"]).read_bytes())
            own = {key: value.numpy() for key, value in module.state_dict().items()}
            if own.keys() != stored.keys():
                return f"{name} has other tensors than its file", True
            for key, value in own.items():
                if not np.array_equal(value, stored[key].astype(value.dtype), equal_nan=value.dtype.kind == "f"):
                    return f"{key} of {name} differs from its file", True
        return "", True


def _tensors(content: bytes) -> dict[str, np.ndarray]:
    """Tensors of a safetensors file by their places in it."""
    header, data = _parts(content)
    return {
        key: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
        for key, entry in header.items()
        if key != "__metadata__"
    }


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _joined(header: Any, data: bytes) -> bytes:
    text = seeds.text(header)
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def _ordered(content: bytes) -> bytes:
    header, data = _parts(content)
    return _joined(json.loads(json.dumps(header, sort_keys=True)), data)
