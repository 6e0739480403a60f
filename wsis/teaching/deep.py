"""`--deep`: the last level of the backbone and the head are trained on, by the project's trainer, as its own process.

It starts from the fitted head; on a backbone with the end that its ImageNet head reads from, that end is left out, for
a class's peaks lie beside the object there (see `wsis.backbone.Backbone`), and a new head learns with the last level. A
part of the photos, dealt out by class, is held out for good: it says what the training was worth beside the head alone,
and calibrates the probabilities.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wsis import checkpoints, devices, files, image
from wsis.classifier import SIZES, Classifier
from wsis.errors import WsisError
from wsis.labels import tables
from wsis.labels.read import ImageLabels
from wsis.teaching.head import FOLDS, SEED, calibration, dealt

HELD_OUT = 0
"""The fold that is held out."""
ENOUGH = 600
"""Photos in it at most: more would tell little more, and are missed in the training."""
PASSES, LEAST = 4.5, 4000
"""How often every photo is seen, as in the training of `voc-lite`; and photos seen at least."""
PER_EPOCH = 480
"""Photos between two checkpoints: less than a minute's work is lost where a run is interrupted."""
SIZE = 320
RECIPE = 2
"""A new number makes runs that were begun by older code begin anew."""


def check() -> Path:
    """The folder that holds the training code.

    Raises:
        WsisError: it is not here, or what it needs is not installed.
    """
    code = importlib.util.find_spec("train")
    if code is None or not code.origin or not Path(code.origin).with_name("classifier.py").is_file():
        raise WsisError(
            "--deep needs the training code, which an installed package has not: work in a clone of the project, after "
            "make setup-dev. Without --deep it works here."
        )
    if importlib.util.find_spec("lightning") is None:
        raise WsisError("--deep needs what training needs: pip install -r train/requirements.txt, or make setup-dev.")
    return Path(code.origin).parents[1]


def folds(count: int) -> int:
    """Into how many parts so many photos are dealt, of which one is held out."""
    return max(FOLDS, math.ceil(count / ENOUGH))


def held_out(labels: ImageLabels) -> np.ndarray:
    """(N,) bool: the photos that are not trained on."""
    return dealt(labels.target, labels.weight, folds(len(labels.paths))) == HELD_OUT


def train(folder: Path, labels: ImageLabels, base: str, device: str, say: Callable[[str], None]) -> None:
    """Train the classifier in a checkpoint folder on; the same call goes on where a stopped one was.

    Args:
        folder: with a classifier of the labels' classes; its run lies in `deep/` there.
        labels: of all photos.
        base: fingerprint of the base. A fitted head's own may differ in its last bits from start to start, and a run
            goes on from the head that it began with.
        device: `cpu` or a card.
        say: takes a line of what begins.

    Raises:
        WsisError: the training failed; what it printed says why.
        KeyboardInterrupt: it was stopped.
    """
    root = check()
    kept = ~held_out(labels)
    paths = [str(path.absolute()) for path, own in zip(labels.paths, kept, strict=True) if own]
    text = tables.write(paths, labels.target[kept], labels.weight[kept], labels.classes)
    about = f"{text}{base}{RECIPE}"
    run = folder.absolute() / "deep" / hashlib.sha256(about.encode()).hexdigest()[:12]
    files.write(run / "labels.csv", text)
    start = run / "start"
    if not start.is_dir():
        _start(folder, start)
    last = run / "last.ckpt"
    epochs = math.ceil(max(LEAST, PASSES * len(paths)) / PER_EPOCH)
    say(
        f"Training the last level on {len(paths)} photos, {epochs} rounds of {PER_EPOCH}"
        + (", from where it was:" if last.exists() else "; stopped, the same command goes on:")
    )
    for words in (fit_words(root, run, labels.classes, epochs, device), ["export", str(last), str(folder.absolute())]):
        resume = ["--ckpt_path", str(last)] if words[0] == "fit" and last.exists() else []
        command = [sys.executable, "-m", "train.classifier", *words, *resume]
        ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
        if ended.returncode:
            raise WsisError(f"The training ended with exit code {ended.returncode}; what is above says why.")


def fit_words(root: Path, run: Path, classes: Sequence[str], epochs: int, device: str) -> list[str]:
    """Words of `python -m train.classifier` that train a run."""
    options = json.loads((run / "start" / "config.json").read_text(encoding="utf-8"))["modules"]["classifier"][
        "options"
    ]
    given: dict[str, Any] = {
        "model.backbone": options["backbone"],
        "model.whole": str(options.get("whole", False)).lower(),
        "model.sizes": json.dumps(options.get("sizes", SIZES)),
        "model.weights": f"checkpoint:{run / 'start'}",
        "data.splits": "[]",
        "data.tables": json.dumps([str(run / "labels.csv")]),
        "data.class_names": json.dumps(list(classes)),
        "data.size": SIZE,
        "data.per_epoch": PER_EPOCH,
        "trainer.max_epochs": epochs,
        "trainer.accelerator": "cpu" if device == "cpu" else "gpu",
        "trainer.default_root_dir": run,
        "trainer.logger.init_args.save_dir": run,
    }
    words = ["fit", "--config", str(root / "train" / "configs" / "classifier-lite.yaml")]
    return words + [str(word) for name, value in given.items() for word in (f"--{name}", value)]


def calibrated(folder: Path, labels: ImageLabels, device: str) -> np.ndarray:
    """Calibrate the classifier in a folder on the held-out photos, in place.

    Returns:
        (M, C) float32 probabilities of the M held-out photos.
    """
    classifier = checkpoints.load(folder, device=device).classifier
    rows = np.flatnonzero(held_out(labels))
    with devices.several(None, len(rows)) as pool:
        scores = np.stack(list(pool.map(lambda row: classifier.class_maps(image.read(labels.paths[row])).scores, rows)))
    sure = np.clip(scores, 1e-6, 1 - 1e-6)
    raw = np.log(sure / (1 - sure)).astype(np.float32)
    scale, shift = calibration(raw, labels.target[rows], labels.weight[rows])
    with torch.no_grad():
        classifier.head.weight.mul_(scale)
        assert classifier.head.bias is not None
        classifier.head.bias.mul_(scale).add_(torch.from_numpy(shift).to(classifier.head.bias))
    options = json.loads((folder / "config.json").read_text(encoding="utf-8"))["modules"]["classifier"]["options"]
    checkpoints.save_module(classifier, folder, "classifier", options)
    return np.asarray(torch.sigmoid(torch.from_numpy(raw * scale + shift)))


def only(labels: ImageLabels, rows: np.ndarray) -> ImageLabels:
    """The labels of some photos, by a mask of bool."""
    paths = tuple(path for path, own in zip(labels.paths, rows, strict=True) if own)
    return replace(labels, paths=paths, target=labels.target[rows], weight=labels.weight[rows])


def _start(folder: Path, start: Path) -> None:
    """Keep the classifier that the training starts from; it is written whole or not at all."""
    loaded = checkpoints.load(folder)
    classifier, options = loaded.classifier, dict(loaded.card["modules"]["classifier"]["options"])
    if options.pop("whole", False):
        classifier = _cut(classifier)
    checkpoints.save_module(classifier, start, "classifier", options)


def _cut(classifier: Classifier) -> Classifier:
    """The same backbone without its end, and a head that knows nothing yet."""
    with torch.random.fork_rng([]):
        torch.manual_seed(SEED)
        cut = Classifier(classifier.backbone.name, classifier.classes)
    # Its levels are the beginning of the whole network, layer by layer, so their tensors are too.
    values = classifier.backbone.state_dict().values()
    cut.backbone.load_state_dict(dict(zip(cut.backbone.state_dict(), values, strict=False)))
    return cut
