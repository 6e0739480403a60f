"""Tiny trainings of all four networks, by their own command line, and runs that are stopped and go on."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import lightning as L
import torch

from tests.helpers import ROOT
from train import command, scenes
from train.checkpoint import AtomicCheckpoints, Checkpoints
from wsis import checkpoints

SMALL = "tf_efficientnet_lite0"
NAMES = ("classifier", "contours", "objectness", "icn")


def write_data(root: Path) -> None:
    """Photos with partial labels, so that no two photos weigh the same, and photos with masks."""
    scenes.write_voc(root / "kit", 6)
    (root / "kit" / "JPEGImages").rename(root / "kit" / "images")
    rows = ["bottle,,", "car,,bird", "bird,bottle,car dog cat", ",,person", "car bird,,bus", "bottle,,train sofa sheep"]
    lines = [f"{number:06}.jpg,{row}\n" for number, row in enumerate(rows)]
    (root / "kit" / "labels.csv").write_text("image,present,hinted,annotated\n" + "".join(lines))
    scenes.write_masks(root / "masks", 25)  # three of them validate: two processes cannot share them equally


def words(name: str, data: Path, model: Path, folder: Path, *, batch: int = 4, precision: str = "32-true") -> list[str]:
    """`fit` with the trainer's own configuration, made small: nine steps in three epochs, validated after each.

    Args:
        name: one of `NAMES`.
        data: what `write_data` wrote.
        model: a checkpoint folder on the small backbone.
        folder: the run's.
        batch: photos a step, all processes together.
        precision: Lightning's name of it.
    """
    config = {"classifier": "classifier-lite", "icn": "icn-saliency-lite"}.get(name, name)
    own = {
        "trainer.max_epochs": 3,
        "trainer.precision": precision,
        "trainer.log_every_n_steps": 1,
        "trainer.check_val_every_n_epoch": 1,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "trainer.default_root_dir": folder,
        "trainer.logger.init_args.save_dir": folder,
    }
    given = {"batch_size": batch, "per_epoch": 3 * batch, "workers": 1}
    if name == "objectness":
        net = checkpoints.load(str(model)).objectness
        own |= {"model.channels": net.options["channels"], "model.widths": "[4,8]", "model.hidden": 16}
        given |= {"contours": model, "masks": f"[{data / 'masks'}]", "most": 60}
    else:
        own |= {"model.backbone": SMALL, "model.weights": "none"}
    if name == "classifier":
        given |= {"splits": "[]", "csv_folders": f"[{data / 'kit'}]", "size": 64}
    if name == "contours":
        given |= {"masks": f"[{data / 'masks'}]", "size": 64}
    if name == "icn":
        own |= {"model.width": 4, "model.size": 64}
        given |= {"classifier": model, "folders": f"[{data / 'masks'}]", "sizes": "[64]", "size": 64, "grid": 16}
        given |= {"held_out": 3}
    own |= {f"data.{'init_args.' * (name == 'icn')}{key}": value for key, value in given.items()}
    return ["fit", "--config", str(ROOT / f"train/configs/{config}.yaml"), *(f"--{k}={v}" for k, v in own.items())]


def run(name: str, arguments: list[str]) -> None:
    """A trainer's command line in this process."""
    module = import_module(f"train.{name}")
    modules = {"classifier": "Stage1", "contours": "Contours", "objectness": "Objectness", "icn": "Stage2"}
    data = {"classifier": "PartialLabels", "contours": "Boundaries", "objectness": "ObjectProposals"}
    options = {"subclass_mode_data": True} if name == "icn" else {}
    pairs = getattr(module, data[name]) if name in data else L.LightningDataModule
    command.main(getattr(module, modules[name]), pairs, module.export, args=arguments, **options)


def run_in(place: Path, name: str, arguments: list[str]) -> None:
    """A trainer's command line in a forked process: caches and what it says go to `place`.

    It leads a group of processes, so that whoever kills it can end the workers that read its photos as well. These are
    forked, as in a process that a user starts; a fork server of its own would take them seconds.
    """
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)
    os.chdir(place)
    torch.set_num_threads(1)
    sys.argv = sys.argv[:1]
    with Path("output.txt").open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        run(name, arguments)


def start(name: str, arguments: list[str], place: Path, *, processes: int = 1) -> subprocess.CompletedProcess:
    """A trainer's command line in processes of its own, by `torchrun` where there are several; caches go to `place`."""
    return _start(["-m", f"train.{name}", *arguments], place, processes)


def start_all(runs: list[tuple[str, list[str]]], place: Path, *, processes: int) -> subprocess.CompletedProcess:
    """The command lines of several trainers, each with its name, one after the other in the same processes."""
    return _start(["-m", "tests.helpers.trainers", json.dumps(runs)], place, processes)


def _start(program: list[str], place: Path, processes: int) -> subprocess.CompletedProcess:
    place.mkdir(parents=True, exist_ok=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    program = [sys.executable, *(launcher if processes > 1 else []), *program]
    # As many threads as here: on their number hang the last bits of what networks say of a photo, and what is rounded.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.run(program, cwd=place, env=environment, capture_output=True, text=True, check=False)


def logged(folder: Path) -> list[dict[str, float]]:
    """Everything that a run logged, a row a call."""
    (file,) = folder.glob("lightning_logs/*/metrics.csv")
    with file.open(newline="") as content:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(content)]


def fit(
    module: L.LightningModule,
    data: L.LightningDataModule,
    folder: Path,
    epochs: int,
    *,
    stop: int | None = None,
    resume: Path | None = None,
) -> tuple[L.LightningModule, L.Trainer]:
    """Train to `stop` of `epochs` epochs; the schedule is that of the whole run."""
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[Checkpoints(str(folder)), *([Stop(stop)] if stop else [])],
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data, ckpt_path=resume)
    return module, trainer


class Steps(L.Callback):
    """Writes the number and the loss of every step to a file that outlives the process, killed or not."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: dict, *_: object) -> None:
        with self.file.open("a") as file:
            file.write(f"{trainer.global_step} {outputs['loss'].item().hex()}\n")


class Stop(L.Callback):
    """Ends the run as an interruption between two epochs would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Every tensor, bit by bit."""
    assert set(first) == set(second)
    assert not [name for name, value in first.items() if not torch.equal(value, second[name])]


if __name__ == "__main__":
    for trainer, line in json.loads(sys.argv.pop()):
        run(trainer, line)
