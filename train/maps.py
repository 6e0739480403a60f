"""Naive maps of training photos: class maps are computed once per classifier and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from train.checkpoint import classifier_options, read_run, weights_of
from train.data import read_rgb, save_arrays
from wsis import checkpoints, peaks, response
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.maps import ClassMaps, normalised
from wsis.peaks import Peaks

CACHE = Path(".cache/maps")
RESPONSE_CELLS = 64
"""Long side of kept responses; the working maps are no finer."""
THRESHOLD = 0.1
"""Least probability of a class whose peaks are followed; the likeliest class is always followed."""
MOST_PEAKS = 12
"""Of a photo."""


@dataclass(frozen=True)
class NaiveMaps:
    """The naive maps of one photo: each peak's class map, min-max normalised, on the classifier's grid.

    Attributes:
        maps: (K, h, w) float32 in [0, 1].
        classes: (K,) int64.
        peaks: (K, 2) float32 relative (y, x) in [0, 1].
        responses: (K, h', w') float32 response of each peak (Eq. 2), at least 0; None where nobody asked for them.
    """

    maps: np.ndarray
    classes: np.ndarray
    peaks: np.ndarray
    responses: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.maps.ndim != 3 or self.maps.dtype != np.float32:
            raise ValueError(f"maps: expected (K, h, w) float32, got {self.maps.shape} {self.maps.dtype}")
        if self.peaks.shape != (len(self.maps), 2) or self.classes.shape != (len(self.maps),):
            raise ValueError(
                f"expected {len(self.maps)} peaks and classes, got {self.peaks.shape}, {self.classes.shape}"
            )
        if self.responses is not None and len(self.responses) != len(self.maps):
            raise ValueError(f"expected {len(self.maps)} responses, got {len(self.responses)}")


def load_classifier(source: Path) -> Classifier:
    """A trained classifier in evaluation mode, from a checkpoint folder or a stage 1 run's `.ckpt`."""
    source = Path(source)
    if source.is_dir():
        return checkpoints.load(str(source)).classifier
    content = read_run(source)
    classifier = Classifier(**classifier_options(content))
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


def ensure_responses(
    photos: Sequence[Path],
    maps: Sequence[Path],
    source: Path,
    *,
    sizes: Sequence[int] = (320,),
    device: str = "cpu",
) -> list[Path]:
    """Responses (Eq. 2) of the peaks that `load` finds, computing those that are not on disk yet.

    Args:
        photos: files.
        maps: their class maps, as `ensure` with the same `source` and `sizes` returned them.
        source: the classifier.
        sizes: long sides that the class maps were made at; responses go back at the first.
        device: where the classifier runs.

    Returns:
        One file a photo, to be given to `load`.
    """
    files = [file.with_name(f"{file.stem}-responses.npz") for file in maps]
    missing = [parts for parts in zip(photos, maps, files, strict=True) if not parts[2].exists()]
    if missing:
        classifier = load_classifier(source).to(device)
        for number, (photo, file, target) in enumerate(missing):
            if number % 200 == 0:
                print(f"responses: {number} of {len(missing)}", flush=True)
            save_arrays(target, responses=responses(photo, file, classifier, size=sizes[0]).astype(np.float16))
    return files


def responses(
    photo: Path, file: Path, classifier: Classifier, *, size: int = 320, classes: Sequence[int] | None = None
) -> np.ndarray:
    """Responses (Eq. 2) of a photo's peaks, each with a maximum of 1.

    Args:
        photo: its file.
        file: its class maps.
        classifier: that made them.
        size: long side that the first of them were made at.
        classes: see `load`.

    Returns:
        (K, h, w) float32, `RESPONSE_CELLS` on the long side.
    """
    whole = response.respond(classifier, classifier.prepare(read_rgb(photo), size), _peaks(file, classes)[0])
    height, width = whole.shape[1:]
    scale = min(1.0, RESPONSE_CELLS / max(height, width))
    cells = round(width * scale), round(height * scale)
    small = [cv2.resize(map_ / max(float(map_.max()), 1e-12), cells, interpolation=cv2.INTER_AREA) for map_ in whole]
    return np.array(small, np.float32).reshape(len(whole), cells[1], cells[0])


def save(class_maps: ClassMaps, file: Path) -> None:
    """Write one photo's class maps as float16; the file appears whole or not at all."""
    save_arrays(file, maps=class_maps.maps.astype(np.float16), scores=class_maps.scores)


def load(
    file: Path, *, classes: Sequence[int] | None = None, limit: int = MOST_PEAKS, responses: Path | None = None
) -> NaiveMaps:
    """The naive maps of a photo's peaks, from what `save` wrote.

    Args:
        file: one of the files that `ensure` returned.
        classes: the classes to follow; by default those with a probability of `THRESHOLD`, or the likeliest.
        limit: at most so many peaks.
        responses: the photo's file of `ensure_responses`, which are those of the default classes and limit.
    """
    followed, class_maps = _peaks(file, classes, limit)
    maps = normalised(class_maps[followed.classes])
    of_peaks = None
    if responses is not None:
        with np.load(responses) as content:
            of_peaks = content["responses"].astype(np.float32)
    return NaiveMaps(maps, followed.classes.astype(np.int64), followed.places.astype(np.float32), of_peaks)


def _peaks(file: Path, classes: Sequence[int] | None = None, limit: int = MOST_PEAKS) -> tuple[Peaks, np.ndarray]:
    """The peaks of kept class maps, and these, (C, h, w) float32."""
    with np.load(file) as content:
        class_maps, scores = content["maps"].astype(np.float32), content["scores"]
    if classes is None:
        classes = np.flatnonzero(scores >= THRESHOLD).tolist() or [int(scores.argmax())]
    return peaks.find(class_maps, scores, classes=classes, limit=limit), class_maps


def _file(folder: Path, photo: Path) -> Path:
    # Photos of two data sets may share a name.
    place = hashlib.sha256(str(Path(photo).resolve().parent).encode()).hexdigest()[:8]
    return folder / f"{place}-{Path(photo).stem}.npz"
