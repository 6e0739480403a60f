"""Naive maps of training photos: class maps are computed once per classifier and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.checkpoint import read_run, weights_of
from train.data import read_rgb, save_arrays
from wsis import checkpoints, peaks
from wsis.classifier import Classifier, ClassMaps
from wsis.errors import WsisError

CACHE = Path(".cache/maps")
THRESHOLD = 0.1
"""Least probability of a class whose peaks are followed; the likeliest class is always followed."""


@dataclass(frozen=True)
class NaiveMaps:
    """The naive maps of one photo: each peak's class map, min-max normalised, on the classifier's grid.

    Attributes:
        maps: (K, h, w) float32 in [0, 1].
        classes: (K,) int64.
        peaks: (K, 2) float32 relative (y, x) in [0, 1].
    """

    maps: np.ndarray
    classes: np.ndarray
    peaks: np.ndarray

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.maps.ndim != 3 or self.maps.dtype != np.float32:
            raise ValueError(f"maps: expected (K, h, w) float32, got {self.maps.shape} {self.maps.dtype}")
        if self.peaks.shape != (len(self.maps), 2) or self.classes.shape != (len(self.maps),):
            raise ValueError(
                f"expected {len(self.maps)} peaks and classes, got {self.peaks.shape}, {self.classes.shape}"
            )


def load_classifier(source: Path) -> Classifier:
    """A trained classifier in evaluation mode, from a checkpoint folder or a stage 1 run's `.ckpt`."""
    source = Path(source)
    if source.is_dir():
        return checkpoints.load(str(source)).classifier
    content = read_run(source)
    classifier = Classifier(content["hyper_parameters"]["backbone"])
    classifier.load_state_dict(weights_of(content, "classifier."))
    return classifier.eval()


def fingerprint(source: Path) -> str:
    """Twelve digits that change whenever the checkpoint does."""
    source = Path(source)
    files = sorted(source.glob("classifier*")) if source.is_dir() else [source]
    if not files or not files[0].exists():
        raise WsisError(f"No classifier found at {source}: expected a checkpoint folder or a stage 1 .ckpt file.")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def ensure(
    photos: Sequence[Path],
    source: Path,
    *,
    sizes: Sequence[int] = (320,),
    cache: Path | None = None,
    device: str = "cpu",
) -> list[Path]:
    """Class maps of every photo, computing those that are not on disk yet.

    Args:
        photos: files.
        source: the classifier, see `load_classifier`.
        sizes: long sides the classifier runs at.
        cache: folder, `CACHE` by default; one sub-folder per classifier and sizes.
        device: where the classifier runs.

    Returns:
        One file a photo, to be opened with `load`.
    """
    folder = Path(cache or CACHE) / "-".join([fingerprint(source), *map(str, sizes)])
    folder.mkdir(parents=True, exist_ok=True)
    files = [_file(folder, photo) for photo in photos]
    missing = [(photo, file) for photo, file in zip(photos, files, strict=True) if not file.exists()]
    if missing:
        classifier = load_classifier(source).to(device)
        for number, (photo, file) in enumerate(missing):
            if number % 200 == 0:
                print(f"class maps: {number} of {len(missing)}", flush=True)
            save(classifier.class_maps(read_rgb(photo), sizes=sizes), file)
    return files


def save(seen: ClassMaps, file: Path) -> None:
    """Write one photo's class maps as float16; the file appears whole or not at all."""
    save_arrays(file, maps=seen.maps.astype(np.float16), scores=seen.scores)


def load(file: Path, *, classes: Sequence[int] | None = None, limit: int = 12) -> NaiveMaps:
    """The naive maps of a photo's peaks, from what `save` wrote.

    Args:
        file: one of the files that `ensure` returned.
        classes: the classes to follow; by default those with a probability of `THRESHOLD`, or the likeliest.
        limit: at most so many peaks.
    """
    with np.load(file) as content:
        every, scores = content["maps"].astype(np.float32), content["scores"]
    if classes is None:
        classes = np.flatnonzero(scores >= THRESHOLD).tolist() or [int(scores.argmax())]
    found = peaks.find(every, scores, classes=classes, limit=limit)
    place = (np.stack([found.rows, found.columns], 1) + 0.5) / np.array(every.shape[1:])
    maps = every[found.classes]
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    maps = (maps - low) / np.maximum(high - low, 1e-6)
    return NaiveMaps(maps.astype(np.float32), found.classes.astype(np.int64), place.astype(np.float32))


def _file(folder: Path, photo: Path) -> Path:
    # Photos of two data sets may share a name.
    place = hashlib.sha256(str(Path(photo).resolve().parent).encode()).hexdigest()[:8]
    return folder / f"{place}-{Path(photo).stem}.npz"
