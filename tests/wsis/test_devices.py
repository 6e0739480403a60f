from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch
import typer
from typer.testing import CliRunner

import app
from wsis import checkpoints, cli, devices
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.matching import PUBLISHED
from wsis.pipeline import Pipeline


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine with so many devices of each kind."""

    def made(cuda: int = 0, xpu: int = 0, mps: int = 0) -> None:
        for kind, count in (("cuda", cuda), ("xpu", xpu)):
            there = SimpleNamespace(is_available=lambda n=count: n > 0, device_count=lambda n=count: n)
            monkeypatch.setattr(torch, kind, there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))

    return made


@pytest.mark.parametrize(
    ("there", "names", "found"),
    [
        ({}, (None, "", "auto", "AUTO", "cpu", " CPU ", "cpu:0", torch.device("cpu")), "cpu"),
        ({"cuda": 2}, (None, "auto", "cuda", "CUDA", "gpu", "GPU"), "cuda"),
        ({"cuda": 2}, ("1", "cuda:1", "gpu:1", "Cuda:01", torch.device("cuda", 1)), "cuda:1"),
        ({"cuda": 1, "mps": 1}, ("gpu",), "cuda"),
        ({"mps": 1}, ("mps", "MPS", "gpu", "mps:0"), "mps"),
        ({"mps": 1, "xpu": 1}, (None, "auto"), "cpu"),
        ({"xpu": 2}, ("xpu:1", "gpu:1"), "xpu:1"),
    ],
)
def test_devices_as_people_name_them(machine, there: dict, names: tuple, found: str) -> None:
    machine(**there)
    assert [devices.find(name).removesuffix(":0") for name in names] == [found] * len(names)


@pytest.mark.parametrize(
    "name", ["cuda:2", "2", "gpu:9", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "mps", "xpu", "tpu", "²", "9" * 5000, "-1"]
)
def test_what_is_not_there_is_one_sentence_that_lists_what_is(machine, name: str) -> None:
    machine(cuda=2)
    with pytest.raises(WsisError, match=r"is not there: this machine has cpu, cuda:0, cuda:1\. Use one") as caught:
        devices.find(name)
    assert name[:80] in str(caught.value)
    assert len(str(caught.value)) < 200


def _train(module: str):
    return lambda device: CliRunner().invoke(_typer(module), ["--voc", "nowhere", "--device", device])


def _typer(module: str) -> typer.Typer:
    import importlib

    made = typer.Typer(pretty_exceptions_enable=False)
    made.command()(importlib.import_module(module).main)
    return made


@pytest.mark.parametrize("module", ["train.evaluate", "train.tune", "train.ablate.__main__"])
def test_training_tells_an_unknown_device_before_any_work(machine, module: str) -> None:
    machine()
    result = _train(module)("mps")
    assert result.exit_code == 2
    assert re.search(r"'mps' is not there: this machine has cpu", " ".join(result.output.replace("│", " ").split()))


@pytest.mark.parametrize("device", ["gpu", "0", "mps", "xpu", "cuda:99", "magic"])
def test_programs_leave_with_2(machine, device: str, tmp_path, capsys: pytest.CaptureFixture) -> None:
    machine()
    (tmp_path / "a.png").write_bytes(b"")
    for command in ("segment", "batch"):
        words = [command, str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--device", device]
        result = CliRunner().invoke(cli.app, words)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"'{device}' is not there: this machine has cpu" in result.stderr
    assert app.main(["--device", device]) == 2
    assert f"'{device}' is not there" in capsys.readouterr().err


def test_the_model_lies_on_the_device_by_its_usual_name(tiny_checkpoint) -> None:
    assert Pipeline.load(str(tiny_checkpoint), device="CPU").device == "cpu"
    with pytest.raises(WsisError, match="is not there"):
        checkpoints.load(tiny_checkpoint, device="tpu")


@pytest.mark.parametrize(("cores", "threads"), [(8, 4), (3, 1), (1, 1)])
def test_what_an_analysis_does_at_once_shares_the_cores(cores: int, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        devices.use_cores(cores)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_actors_of_a_batch_take_the_gpu_that_they_are_given(machine) -> None:
    plan = pytest.importorskip("wsis.jobs.cluster.plan")

    def planned(device: str | None) -> str | None:
        checkpoint = SimpleNamespace(folder=None)
        pipeline = SimpleNamespace(name="tiny", checkpoint=checkpoint, device=devices.find(device))
        return plan.Plan.of(pipeline, Settings(), PUBLISHED, device=device).device

    machine(cuda=1)
    assert [planned(name) for name in (None, "auto", "gpu", "0", "CPU")] == [None, None, "cuda", "cuda", "cpu"]
    machine(cuda=2)
    with pytest.raises(WsisError, match=r"cannot take cuda:1\. Say --device cuda"):
        planned("1")
