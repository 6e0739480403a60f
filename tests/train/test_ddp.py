"""Several processes train as one: same losses, same weights, whatever the batch is shared by."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from torch import multiprocessing

from benchmarks.reliability import forks
from tests.helpers import trainers
from train import checkpoint, endless, parallel
from train.classifier import Stage1

pytestmark = pytest.mark.usefixtures("quiet_lightning")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    trainers.write_data(root)
    return root


def words(name, photos, checkpoint, folder):
    # In double precision nothing is left of the noise that Adam makes of almost no gradient.
    return trainers.words(name, photos, checkpoint, folder, precision="64-true")


@pytest.fixture(scope="module")
def both(photos, tiny_checkpoint, tmp_path_factory):
    """All trainings by two processes, one after the other, for starting these takes longer than training.

    The folder of their runs, and what was said at the end, when the last one is refused.
    """
    root = tmp_path_factory.mktemp("both")
    runs = [(name, words(name, photos, tiny_checkpoint, root / name)) for name in trainers.NAMES]
    odd = trainers.words("classifier", photos, tiny_checkpoint, root / "odd", batch=3)
    done = trainers.start_all([*runs, ("classifier", odd)], root, processes=2)
    assert "Starting with 2 processes" in done.stderr
    assert all((root / name / "last.ckpt").is_file() for name in trainers.NAMES), done.stderr[-3000:]
    return root, done


@pytest.mark.slow
@pytest.mark.parametrize("name", trainers.NAMES)
def test_two_processes_have_the_loss_curve_of_one(name, photos, tiny_checkpoint, tmp_path, monkeypatch, both):
    monkeypatch.chdir(tmp_path)
    trainers.run(name, words(name, photos, tiny_checkpoint, tmp_path))
    shared_run = both[0] / name
    alone, shared = (trainers.logged(folder) for folder in (tmp_path, shared_run))
    assert sum("loss_step" in row for row in alone) == 9
    assert [set(row) for row in alone] == [set(row) for row in shared]
    for one, two in zip(alone, shared, strict=True):
        assert two == pytest.approx(one, rel=1e-5)
    assert len({round(row["loss_step"], 3) for row in alone if "loss_step" in row}) > 4
    first, second = (checkpoint.read_run(folder / "last.ckpt") for folder in (tmp_path, shared_run))
    assert first["lr_schedulers"][0]["last_epoch"] == second["lr_schedulers"][0]["last_epoch"] == 9
    torch.testing.assert_close(second["state_dict"], first["state_dict"], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused_with_a_sentence(both):
    root, done = both
    assert done.returncode != 0
    assert "A batch of 3 cannot be shared equally by 2 processes: choose a batch_size that is a multiple of 2." in (
        done.stderr.replace("\n", " ")
    )
    assert not list((root / "odd").glob("*.ckpt"))


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_the_shares_of_a_batch_are_the_batch(processes):
    whole = list(endless.ShuffledPasses(7, 6, 5, seed=1, done=lambda: 4))
    parts = [
        endless.ShuffledPasses(7, 6, 5, seed=1, done=lambda: 4, rank=r, processes=processes) for r in range(processes)
    ]
    assert [[*chain(*shares)] for shares in zip(*parts, strict=True)] == whole


def test_what_validates_is_shared_without_overlap_or_seen_by_all(monkeypatch):
    items = list(range(5))
    shares = []
    for rank in range(3):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(parallel, "processes", lambda: 3)
        shares.append(parallel.share(items))
        assert parallel.share(items[:2]) == [0, 1]
    assert sorted(chain(*shares)) == items
    assert min(map(len, shares)) > 0


def _batch_norm_worker(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    x, weights, layer, act = torch.load(folder / "inputs.pt", weights_only=False)
    layer.__class__, act.__class__ = parallel._WholeBatchNorm, parallel._WholeBatchNormAct
    own = x[3 * rank : 3 * rank + 3].clone().requires_grad_()
    (act(layer(own)) * weights[3 * rank : 3 * rank + 3]).sum().backward()
    grads = [parallel.total(p.grad) for p in (*layer.parameters(), *act.parameters())]
    torch.save((own.grad, grads, layer.running_mean, act.running_var, layer.num_batches_tracked), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path):
    """Outputs, gradients and running statistics, with and without timm's activation; the shares differ in scale."""
    from timm.layers import BatchNormAct2d

    torch.manual_seed(0)
    layer, act = torch.nn.BatchNorm2d(4).double(), BatchNormAct2d(4, act_layer=torch.nn.ReLU6).double()
    for module in (layer, act):
        torch.nn.init.uniform_(module.weight, 0.5, 2)
    x, weights = (
        torch.randn(6, 4, 5, 3).double() * torch.arange(1, 7)[:, None, None, None],
        torch.randn(6, 4, 5, 3).double(),
    )
    torch.save((x, weights, layer, act), tmp_path / "inputs.pt")
    method = forks.context().get_start_method()
    multiprocessing.start_processes(_batch_norm_worker, (tmp_path,), nprocs=2, start_method=method)
    whole = x.clone().requires_grad_()
    (act(layer(whole)) * weights).sum().backward()
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole.grad, rtol=1e-9, atol=1e-9)
    for part in parts:
        for found, parameter in zip(part[1], (*layer.parameters(), *act.parameters()), strict=True):
            torch.testing.assert_close(found, parameter.grad, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(part[2:], (layer.running_mean, act.running_var, layer.num_batches_tracked))


def test_torchrun_s_numbers_need_no_second_mention(monkeypatch):
    from train.command import _torchrun

    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert _torchrun() == {}
    for key, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}.items():
        monkeypatch.setenv(key, value)
    assert _torchrun() == {"strategy": "ddp", "devices": 2, "num_nodes": 3}


def test_on_a_gpu_layers_become_torch_s_own_and_keep_their_activation(monkeypatch):
    module = Stage1(trainers.SMALL, weights="none", classes=("cat", "dog")).eval()
    module.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cuda")))
    x = torch.rand(1, 3, 64, 64)
    expected, names = module(x), list(module.state_dict())
    monkeypatch.setattr(parallel, "processes", lambda: 2)
    assert parallel.GlobalBatchNorm().apply(module) is module
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(m, torch.nn.SyncBatchNorm) for m in norms)
    assert list(module.state_dict()) == names
    torch.testing.assert_close(module(x), expected)
