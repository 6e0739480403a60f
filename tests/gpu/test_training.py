"""The four trainers take the processor's steps on a card, also in half precision and on two cards at once."""

from __future__ import annotations

import math

import pytest
import torch

from tests.helpers import trainers

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_lightning")]

MODES = {"cuda": ("32-true", "16-mixed", "bf16-mixed"), "cpu": ("32-true", "bf16-mixed")}
"""Precisions by device; a processor has no float16."""


def losses(name, data, checkpoint, folder, accelerator, precision="32-true"):
    """Of every step of a tiny run."""
    words = trainers.words(name, data, checkpoint, folder, precision=precision)
    alike = {"icn": ["--model.feed_back=[0,0]"]}.get(name, [])  # what is fed back is drawn on the device
    trainers.run(name, [*words, *alike, f"--trainer.accelerator={accelerator}", "--trainer.max_epochs=1"])
    return [row["loss_step"] for row in trainers.logged(folder) if "loss_step" in row]


@pytest.mark.parametrize("name", trainers.NAMES)
def test_steps_are_those_of_the_processor(name, device, training_data, tiny_checkpoint, tmp_path, monkeypatch):
    accelerator = "gpu" if device == "cuda" else device
    given = name, training_data, tiny_checkpoint
    monkeypatch.chdir(training_data)  # what the first run keeps of the photos is there for all
    expected = losses(*given, tmp_path / "here", "cpu")
    assert len(expected) == 3
    for precision in MODES[device]:
        found = losses(*given, tmp_path / precision, accelerator, precision)
        assert all(map(math.isfinite, found))
        assert len(found) == len(expected)
        assert found[0] == pytest.approx(expected[0], rel=1e-2 if precision == "32-true" else 0.1)


def test_two_cards_train_as_one(device, training_data, tiny_checkpoint, tmp_path, monkeypatch):
    if device == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip("there is one card")
    accelerator = "gpu" if device == "cuda" else device
    words = trainers.words("classifier", training_data, tiny_checkpoint, tmp_path)
    more = [f"--trainer.accelerator={accelerator}", "--trainer.max_epochs=1"]
    done = trainers.start("classifier", [*words, *more], tmp_path, processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Starting with 2 processes" in done.stderr
    found = [row["loss_step"] for row in trainers.logged(tmp_path) if "loss_step" in row]
    monkeypatch.chdir(training_data)
    expected = losses("classifier", training_data, tiny_checkpoint, tmp_path / "alone", accelerator)
    assert found == pytest.approx(expected, rel=1e-2)
