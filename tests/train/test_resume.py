"""Runs that are killed go on as if nothing had happened; checkpoints are whole, or are said not to be."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.reliability import forks
from tests.helpers import trainers
from train import checkpoint
from wsis.errors import WsisError

STEPS, INTERVAL = 20, 2
"""Four epochs of five steps: every second checkpoint falls inside an epoch, one on the end of one."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    trainers.write_data(root)
    return root


def _words(name, photos, model, folder):
    kept = trainers.words(name, photos, model, folder, batch=2)
    data = "data.init_args." if name == "icn" else "data."
    steps = [f"--{data}per_epoch=10", "--trainer.max_epochs=4", f"--checkpoint.every_n_train_steps={INTERVAL}"]
    log = ["--trainer.callbacks+=tests.helpers.trainers.Steps", f"--trainer.callbacks.file={folder / 'steps.txt'}"]
    return [*kept, *steps, *log, "--ckpt_path=last"]


def _steps(folder):
    """(number, loss) of the steps that were finished, in order."""
    file = folder / "steps.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(number), loss) for number, loss in map(str.split, lines)]


def _wait(process, condition):
    """Until the condition holds or the process has ended."""
    limit = time.monotonic() + 120
    while not condition() and process.is_alive():
        assert time.monotonic() < limit
        time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.parametrize("name", trainers.NAMES)
def test_a_killed_run_goes_on_to_the_same_end(name, photos, tiny_checkpoint, tmp_path):
    """Killed after random steps and in the middle of writing checkpoints, with photos read by a worker."""

    def start(folder):
        folder.mkdir(exist_ok=True)
        own = (tmp_path, name, _words(name, photos, tiny_checkpoint, folder))
        process = forks.context().Process(target=trainers.run_in, args=own)
        process.start()
        return process

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = start(whole)
    process.join()
    assert process.exitcode == 0, (tmp_path / "output.txt").read_text()[-3000:]
    assert [number for number, _ in _steps(whole)] == list(range(1, STEPS + 1))

    rng, kills, repeated = np.random.default_rng(len(name)), [], 0
    while True:
        before = _steps(broken)
        process = start(broken)
        if len(kills) < (5 if name == "classifier" else 3):
            more = int(rng.integers(1, 4))
            _wait(process, lambda before=before, more=more: len(_steps(broken)) >= len(before) + more)
            if len(kills) % 2:
                _wait(process, lambda: list(broken.glob("*.part")))
            else:
                time.sleep(rng.uniform(0, 0.05))
            writing = bool(list(broken.glob("*.part")))
            process.kill()
        process.join()
        with suppress(ProcessLookupError):  # its workers, which belong to a server of their own
            os.killpg(process.pid, signal.SIGKILL)
        after = _steps(broken)
        if before and len(after) > len(before):
            lost = before[-1][0] - (after[len(before)][0] - 1)
            assert 0 <= lost <= INTERVAL
            repeated += lost
        for file in broken.glob("*.ckpt"):
            checkpoint.read_run(file)
        if process.exitcode == 0:
            break
        assert process.exitcode < 0, (tmp_path / "output.txt").read_text()[-3000:]
        kills.append(writing)
    assert len(kills) >= 2
    assert any(kills)
    assert set(_steps(broken)) == set(_steps(whole))  # a repeated step has, bit by bit, the loss of the first time
    assert len(_steps(broken)) == STEPS + repeated
    first, second = (checkpoint.read_run(folder / "last.ckpt") for folder in (whole, broken))
    assert first["global_step"] == second["global_step"] == STEPS
    trainers.assert_same_weights(first["state_dict"], second["state_dict"])
    names = [f"epoch=3-step={STEPS}.ckpt", "last.ckpt"]
    assert sorted(file.name for file in broken.glob("*.ckpt*")) == names


@pytest.fixture(scope="module")
def run_folder(photos, tiny_checkpoint, tmp_path_factory):
    """A finished run whose last interval is shorter than the others."""
    folder = tmp_path_factory.mktemp("run")
    here = Path.cwd()
    os.chdir(folder)
    words = trainers.words("objectness", photos, tiny_checkpoint, folder)
    trainers.run("objectness", [*words, "--checkpoint.every_n_train_steps=4"])
    os.chdir(here)
    return folder


@pytest.fixture
def folder(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    return tmp_path / "run"


def test_the_end_of_a_run_is_kept_where_no_interval_ends(run_folder):
    assert checkpoint.read_run(run_folder / "last.ckpt")["global_step"] == 9


def _cut(file):
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)


def _flip(file):
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 2)
        byte = content.read(1)[0]
        content.seek(-1, 1)
        content.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_damaged_checkpoint_names_the_whole_one_beside_it(folder, damage):
    last, other = folder / "last.ckpt", folder / "epoch=3-step=9.ckpt"
    damage(last)
    with pytest.raises(WsisError, match=rf"last\.ckpt (is damaged|does not exist).*whole one there is {other}\.$"):
        checkpoint.read_run(last)
    _cut(other)
    with pytest.raises(WsisError, match="there is no whole one beside it"):
        checkpoint.read_run(last)


@pytest.mark.slow
def test_the_command_says_which_checkpoint_to_use(folder, photos, tiny_checkpoint):
    _cut(folder / "last.ckpt")
    words = trainers.words("objectness", photos, tiny_checkpoint, folder)
    for given in ("last", str(folder / "last.ckpt")):
        with pytest.raises(SystemExit, match=r"last\.ckpt is damaged.*the newest whole one there is .*step=9\.ckpt\.$"):
            trainers.run("objectness", [*words, f"--ckpt_path={given}"])
    with pytest.raises(SystemExit, match=r"last\.ckpt is damaged"):
        trainers.run("objectness", ["export", str(folder / "last.ckpt"), str(folder / "out")])
    with pytest.raises(SystemExit, match="export takes 2 words: RUN FOLDER"):
        trainers.run("objectness", ["export"])


class _Touch:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("name", trainers.NAMES)
def test_a_checkpoint_that_would_run_code_is_refused(name, tmp_path):
    content = {"state_dict": {}, "hyper_parameters": {"backbone": _Touch(tmp_path / "ran")}}
    torch.save(content, tmp_path / "own.ckpt")
    words = ["export", str(tmp_path / "own.ckpt"), str(tmp_path / "out"), *(["icn-saliency"] * (name == "icn"))]
    with pytest.raises(SystemExit, match=r"own\.ckpt is damaged or not the checkpoint of a training run"):
        trainers.run(name, words)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_last_checkpoint_whole(call, tmp_path, monkeypatch):
    writer, file = checkpoint.AtomicCheckpoints(), tmp_path / "run" / "last.ckpt"
    content = {"state_dict": {"a": torch.arange(5)}, "hyper_parameters": {}}
    writer.save_checkpoint(content, file)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        WsisError, match=r"last\.ckpt could not be written \(No space left on device\).*--ckpt_path last"
    ):
        writer.save_checkpoint({**content, "state_dict": {}}, file)
    monkeypatch.undo()
    assert checkpoint.read_run(file)["state_dict"]["a"].tolist() == [0, 1, 2, 3, 4]
    assert [other.name for other in file.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.slow
def test_no_run_is_needed_for_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        trainers.run("objectness", ["fit", "--help"])
    assert "--checkpoint.every_n_train_steps" in capsys.readouterr().out
