"""What a frozen backbone says of photos: computed once a photo, kept on disk, and all that heads are fitted on.

A head is a 1x1 convolution, so class maps are linear in the features and may be averaged before or after it: the
features of a photo are the mean over the sizes and mirror images that `Classifier.class_maps` looks at, and a head on
them gives that classifier's maps.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from wsis import checkpoints, files, image
from wsis.checkpoints import Checkpoint
from wsis.classifier import Classifier, pool
from wsis.errors import WsisError
from wsis.maps import ClassMaps
from wsis.teaching.head import Head

GRID = 6
"""Areas a side that a photo is cut into for fitting: their means take a fifteenth of the room of all cells."""
MOST_CACHED = 4 * 2**30
FORMAT = 1
"""Of the features on disk; a new number makes old ones be computed again."""
DEFAULT = "imagenet-lite"


@dataclass(frozen=True, eq=False)
class Base:
    """A frozen backbone to teach on, and the classes that it has a head for already.

    Attributes:
        name: what it was loaded by.
        classifier: backbone and head, in evaluation mode.
        options: the keyword arguments that build the classifier again.
        fingerprint: SHA-256 of the classifier's file; features of other weights are other features.
    """

    name: str
    classifier: Classifier
    options: dict
    fingerprint: str

    @property
    def keeps(self) -> bool:
        """Whether its own classes can stay beside taught ones: they are scored each for itself."""
        return type(self.classifier) is Classifier

    @cached_property
    def head(self) -> Head:
        """The base's own head: what stays where one teaches on top of it.

        Raises:
            WsisError: its classes are not rows that are scored each for itself.
        """
        if not self.keeps:
            raise WsisError(
                f"The classes of '{self.name}' are scored together, so they cannot stay beside taught ones. Teach on "
                "its features alone (--no-keep), or on top of voc-lite."
            )
        weight, bias = self.classifier.head.weight, self.classifier.head.bias
        flat = weight.detach().float().flatten(1).cpu().numpy()
        return Head(
            flat, np.zeros(len(flat), np.float32) if bias is None else bias.detach().float().cpu().numpy(),
            self.classifier.classes,
        )  # fmt: skip


def load_base(name: str = DEFAULT, *, device: str | torch.device = "cpu") -> Base:
    """Load the checkpoint whose backbone is taught on.

    Args:
        name: an embedded checkpoint or a folder, see `wsis.checkpoints.load`.
        device: where the backbone computes.

    Raises:
        WsisError: there is none of that name, or it is somebody else's network, which cannot be written as a folder.
    """
    return base_of(str(name), checkpoints.load(name, device=device))


def base_of(name: str, checkpoint: Checkpoint) -> Base:
    """The base that a loaded checkpoint is. Raises as `load_base`."""
    if checkpoint.folder is None:
        raise WsisError(
            f"'{name}' cannot be taught: a taught model is a folder with a classifier of this project. Choose one of: "
            f"{', '.join(checkpoints.names())}; or give a folder made by training or teaching."
        )
    entry = checkpoint.card["modules"]["classifier"]
    return Base(name, checkpoint.classifier, dict(entry["options"]), entry["sha256"])


@dataclass(frozen=True, eq=False)
class Features:
    """What the backbone says of one photo.

    Attributes:
        cells: (GRID * GRID, D) float16 means over areas of the photo, row by row: what heads are fitted on.
        whole: (D, h, w) float16 on the grid of class maps; None where only the cells were asked for.
    """

    cells: np.ndarray
    whole: np.ndarray | None = None


@torch.inference_mode()
def compute(base: Base, photo: np.ndarray) -> Features:
    """Features of a photo, computed now.

    Args:
        base: what looks at it.
        photo: (H, W, 3) uint8 RGB.
    """
    net = base.classifier
    grid: tuple[int, int] | None = None
    total: torch.Tensor | None = None
    for size in net.sizes:
        batch = net.prepare(photo, size)
        straight, mirrored = (net.backbone(view)[-1] for view in (batch, batch.flip(-1)))
        both = (straight + mirrored.flip(-1)) / 2
        grid = grid or (both.shape[-2], both.shape[-1])
        both = F.interpolate(both, size=grid, mode="bilinear", align_corners=False) / len(net.sizes)
        total = both if total is None else total + both
    assert total is not None
    cells = F.adaptive_avg_pool2d(total, GRID)[0].flatten(1).T
    return Features(_half(cells), _half(total[0]))


def class_maps(features: Features, head: Head) -> ClassMaps:
    """Class maps of a photo under a head, as the taught classifier will make them.

    Args:
        features: of the photo, `whole`.
        head: any head on the same base.

    Returns:
        Its maps on the grid of the features; scores are those of the mean map.
    """
    if features.whole is None:
        raise ValueError("class maps need the whole features")
    whole = torch.from_numpy(features.whole).float()
    maps = (
        torch.einsum("cd,dhw->chw", torch.from_numpy(head.weight), whole) + torch.from_numpy(head.bias)[:, None, None]
    )
    scores = torch.sigmoid(pool(maps[None]))[0]
    return ClassMaps(maps.numpy(), scores.numpy(), head.classes)


class Cache:
    """Features on disk by what they follow from: the backbone's weights and the photo's bytes. Holds no photo."""

    def __init__(self, base: Base, folder: Path | None = None, most: int = MOST_CACHED) -> None:
        """Use a folder, `$XDG_CACHE_HOME/wsis/teach` if None; at most `most` bytes, the longest unused go first."""
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        self.base, self.folder, self.most = base, folder or root / "wsis" / "teach", most

    def cells(self, photo: Path | bytes) -> np.ndarray:
        """(GRID * GRID, D) float16 of a photo's file, from the disk where it was looked at before.

        Raises:
            WsisError: the photo cannot be read, see `wsis.image.read`.
        """
        content = photo if isinstance(photo, bytes) else _bytes(photo)
        known = self._load(content, "cells")
        return self._computed(photo, content).cells if known is None else known

    def features(self, photo: Path | bytes) -> Features:
        """Cells and whole features of a photo's file, from the disk where it was looked at before.

        Raises:
            WsisError: the photo cannot be read, see `wsis.image.read`.
        """
        return self.known(photo) or self._computed(
            photo, photo if isinstance(photo, bytes) else _bytes(photo), whole=True
        )

    def known(self, photo: Path | bytes) -> Features | None:
        """The same, of a photo that was looked at before; None where it was not. Needs no network."""
        content = photo if isinstance(photo, bytes) else _bytes(photo)
        cells, whole = self._load(content, "cells"), self._load(content, "whole")
        return None if cells is None or whole is None else Features(cells, whole)

    def tidy(self) -> None:
        """Delete what was unused longest where the folder holds too much."""
        with suppress(OSError):  # another process may tidy at the same time
            oldest_first = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self.folder.iterdir())
            held = sum(size for _, size, _ in oldest_first)
            for _, size, file in oldest_first:
                if held > self.most:
                    file.unlink(missing_ok=True)
                    held -= size

    def _computed(self, photo: Path | bytes, content: bytes, *, whole: bool = False) -> Features:
        found = compute(self.base, image.read(photo))
        with suppress(WsisError):  # a full or read-only disk only means that the next run takes longer
            self._save(content, "cells", found.cells)
            if whole and found.whole is not None:
                self._save(content, "whole", found.whole)
        return found

    def _file(self, content: bytes, kind: str) -> Path:
        digest = hashlib.sha256(f"{FORMAT} {GRID} {self.base.classifier.sizes} {self.base.fingerprint} ".encode())
        digest.update(content)
        return self.folder / f"{digest.hexdigest()}-{kind}.npy"

    def _save(self, content: bytes, kind: str, values: np.ndarray) -> None:
        with files.writing(self._file(content, kind)) as part, part.open("wb") as stream:
            np.save(stream, values, allow_pickle=False)

    def _load(self, content: bytes, kind: str) -> np.ndarray | None:
        file = self._file(content, kind)
        if not file.is_file():  # what is no file might never end
            return None
        try:
            found = np.load(file, allow_pickle=False)
            os.utime(file)
        except Exception:  # a damaged header raises any of a dozen types; the photo is looked at again
            return None
        fits = found.dtype == np.float16 and found.ndim == (2 if kind == "cells" else 3)
        return found if fits and np.isfinite(found).all() else None


def _half(values: torch.Tensor) -> np.ndarray:
    """As float16, which the activations of every tested backbone keep well within."""
    return values.clamp(-65000, 65000).half().cpu().contiguous().numpy()


def _bytes(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except OSError as error:
        raise WsisError(f"{photo} cannot be opened: {error.strerror or error}.") from error
