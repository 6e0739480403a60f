"""Checkpoints of training runs: written whole or not at all, read without running code, checked byte by byte."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from wsis import files, voc
from wsis.classifier import SIZES, own_sizes
from wsis.errors import WsisError


class Checkpoints(ModelCheckpoint):
    """`last.ckpt` and a twin with epoch and step in its name: every epoch, or every so many steps, and at the end."""

    def __init__(self, folder: str = ".", every_n_train_steps: int | None = None) -> None:
        """Say where and how often.

        Args:
            folder: the run's folder; a run that goes on after an interruption must name the same one.
            every_n_train_steps: steps between two checkpoints; an epoch by default.
        """
        super().__init__(
            folder,
            save_last=True,
            every_n_train_steps=every_n_train_steps,
            save_on_train_epoch_end=True,
            enable_version_counter=False,  # what an interrupted run wrote is replaced, not put aside as last-v1.ckpt
        )

    @property
    def state_key(self) -> str:
        """The same for every interval, so that a run may go on with another one."""
        return type(self).__qualname__

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Save what the last whole interval left over; Lightning would drop it."""
        if not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoint files that a killed process or a full disk cannot leave half-written.

    Lightning's own writes to the folder for temporary files and moves from there, which is a copy where that lies on
    another disk, and never waits for the disk.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ARG002 - Lightning's signature
    ) -> None:
        """Write beside the target, wait for the disk, then put it in the target's place.

        Raises:
            WsisError: it could not be written; the target is as it was.
        """
        path = Path(path)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            with files.writing(path, fsync=True) as temporary:
                temporary.write_bytes(content.getbuffer())
        except WsisError as error:
            reason = getattr(error.__cause__, "strerror", None)
            raise WsisError(
                f"The checkpoint {path} could not be written ({reason}); those before it are whole: mend that, "
                "then go on with --ckpt_path last."
            ) from error.__cause__

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,  # noqa: ARG002 - Lightning's signature
        weights_only: bool | None = None,  # noqa: ARG002 - the same
    ) -> dict[str, Any]:
        """See `read_run`; `map_location` and `weights_only` change nothing."""
        return read_run(Path(path))


def read_run(file: Path) -> dict[str, Any]:
    """The content of a training run's `.ckpt`, on the CPU.

    Raises:
        WsisError: it is missing, damaged, or holds more than tensors and settings; the newest whole one of the same
            folder is named.
    """
    file = Path(file)
    try:
        return _read(file)
    except Exception as error:
        fault = "does not exist" if not file.exists() else "is damaged or not the checkpoint of a training run"
        others = sorted(file.parent.glob("*.ckpt"), key=lambda other: other.stat().st_mtime, reverse=True)
        whole = next((other for other in others if other != file and _is_whole(other)), None)
        hint = f"the newest whole one there is {whole}" if whole else "there is no whole one beside it"
        raise WsisError(f"{file} {fault}; {hint}.") from error


def weights_of(content: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    """The weights of one module of a run, without its name: `weights_of(content, "net.")`."""
    return {
        name.removeprefix(prefix): value for name, value in content["state_dict"].items() if name.startswith(prefix)
    }


def classifier_options(content: dict[str, Any]) -> dict[str, Any]:
    """What builds the classifier of a stage 1 run again: `backbone`, `classes`, `whole` and `sizes` if it has them."""
    known = content["hyper_parameters"]
    # runs did not say their classes while VOC's were the only ones
    whole, sizes = {"whole": True} if known.get("whole") else {}, own_sizes(known.get("sizes", SIZES))
    return {"backbone": known["backbone"], "classes": list(known.get("classes", voc.CLASSES)), **whole, **sizes}


def _read(file: Path) -> dict[str, Any]:
    # Torch's reader ignores the checksums that its writer stores, and would take a damaged tensor for a whole one.
    with zipfile.ZipFile(file) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged}: wrong checksum")
    content = torch.load(file, weights_only=True, map_location="cpu")
    if not isinstance(content, dict) or not {"state_dict", "hyper_parameters"} <= set(content):
        raise ValueError("no state_dict and hyper_parameters")
    return content


def _is_whole(file: Path) -> bool:
    try:
        _read(file)
    except Exception:  # whatever a damaged file raises
        return False
    return True
