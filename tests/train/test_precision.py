"""In which precision a run computes on which machine."""

from __future__ import annotations

import pytest
import torch

from tests.helpers import trainers
from train import checkpoint, precision

CAPABLE, OLD = {"avx512_bf16": True, "amx_bf16": False, "avx2": True}, {"avx512_bf16": False, "avx2": True}


@pytest.mark.parametrize("capabilities", [CAPABLE, OLD], ids=["capable", "old"])
@pytest.mark.parametrize("asked", ["bf16-mixed", "32-true", "64-true", 32, None])
@pytest.mark.parametrize("accelerator", ["cpu", "gpu", "auto"])
def test_bfloat16_is_for_those_who_compute_it(asked, accelerator, capabilities, monkeypatch, capsys):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(precision.devices, "find", lambda: "cpu")
    slow = asked == "bf16-mixed" and accelerator != "gpu" and capabilities is OLD
    assert precision.usable(asked, accelerator) == ("32-true" if slow else asked)
    assert capsys.readouterr().err.count("This processor does not compute bfloat16 itself") == slow


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: OLD)
    monkeypatch.setattr(precision.devices, "find", lambda: "cuda:0")
    assert precision.usable("bf16-mixed", "auto") == "bf16-mixed"


@pytest.mark.parametrize(("capabilities", "kept"), [(CAPABLE, "bf16-mixed"), (OLD, "32-true")], ids=["capable", "old"])
def test_a_run_keeps_the_precision_it_was_trained_in(
    capabilities, kept, monkeypatch, tmp_path, tiny_checkpoint, quiet_lightning
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.chdir(tmp_path)
    trainers.write_data(tmp_path / "photos")
    words = trainers.words("objectness", tmp_path / "photos", tiny_checkpoint, tmp_path, precision="bf16-mixed")
    trainers.run("objectness", [*words, "--trainer.max_epochs=1"])
    (config,) = tmp_path.glob("lightning_logs/*/config.yaml")
    assert f"precision: {kept}" in config.read_text()
    assert checkpoint.read_run(tmp_path / "last.ckpt")["global_step"] == 3
