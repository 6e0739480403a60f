"""Peak responses against references that are dense, slow and one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.peaks import Peaks
from wsis.response import respond


def peaks_at(*cells: tuple[int, int, int]) -> Peaks:
    classes, rows, columns = np.array(cells, np.int64).reshape(-1, 3).T
    ones = np.ones(len(cells), np.float32)
    return Peaks(classes, rows, columns, ones, ones, (1, 1))


class Bottleneck(nn.Module):
    """Depthwise, ReLU6, linear projection, shortcut: may put out negative values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU6(inplace=True)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.project(self.act(self.bn1(self.depthwise(x)))))


class Toy(nn.Module):
    """What `respond` needs of a classifier."""

    def __init__(self, levels: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.levels = nn.ModuleList(levels)
        self.dropout = nn.Dropout2d(0.5)
        self.head = head


@pytest.fixture
def toy() -> Toy:
    torch.manual_seed(0)
    net = Toy(
        [
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
            nn.MaxPool2d(2),
            Bottleneck(4),
            nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU6(inplace=True)),
        ],
        nn.Conv2d(6, 3, 1),
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Negative scales turn the sign of a folded weight.
            nn.init.normal_(module.weight, 0.3, 1)
            nn.init.normal_(module.bias, 1.0, 0.5)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


IMAGE = torch.randn(1, 3, 16, 12, generator=torch.Generator().manual_seed(1))
CELLS = [(0, 0, 0), (1, 3, 2), (2, 2, 1), (0, 1, 1), (1, 0, 2)]


def forward(net: Toy, x: Tensor, start: int) -> Tensor:
    for level in net.backbone.levels[start:]:
        x = level(x)
    return net.head(x)


def matrix(conv: nn.Conv2d, bn: nn.BatchNorm2d | None, shape: torch.Size) -> Tensor:
    """(inputs, outputs) of the convolution's positive weights, batch norm folded in."""
    weight = conv.weight
    if bn is not None:
        weight = weight * (bn.weight / torch.sqrt(bn.running_var + bn.eps)).view(-1, 1, 1, 1)
    size = int(np.prod(shape[1:]))
    basis = torch.eye(size).view(size, *shape[1:])
    return F.conv2d(basis, weight.clamp(min=0), None, conv.stride, conv.padding, conv.dilation, conv.groups).flatten(1)


def down(probability: Tensor, x: Tensor, weights: Tensor) -> Tensor:
    """One layer of excitation back-propagation, dense: P_i = a_i sum_j w+_ij P_j / sum_k a_k w+_kj."""
    active = x.flatten() - min(0.0, float(x.min()))
    mass = active @ weights
    return active * (weights @ torch.where(mass > 1e-12, probability / mass, 0))


@torch.no_grad()
def excitation_reference(net: Toy, image: Tensor, cell: tuple[int, int, int], stop: int) -> Tensor:
    conv0, bn0, _ = net.backbone.levels[0]
    block = net.backbone.levels[2]
    conv3, bn3, _ = net.backbone.levels[3]
    x1 = net.backbone.levels[0](image.clone())
    x2, winners = F.max_pool2d(x1, 2, return_indices=True)
    inner = block.act(block.bn1(block.depthwise(x2)))
    branch = block.bn2(block.project(inner))
    x3 = x2 + branch
    x4 = net.backbone.levels[3](x3.clone())
    maps = net.head(x4)
    seed = torch.zeros_like(maps)
    seed[0][cell] = 1
    p4 = down(seed.flatten(), x4, matrix(net.head, None, x4.shape))
    p3 = down(p4, x3, matrix(conv3, bn3, x3.shape))
    own = (x2 - x2.min().clamp(max=0)).flatten()
    other = (branch - branch.min().clamp(max=0)).flatten()
    share = torch.where(own + other > 0, p3 / (own + other), 0)
    inside = down(down(share * other, inner, matrix(block.project, block.bn2, inner.shape)), x2,
                  matrix(block.depthwise, block.bn1, x2.shape))  # fmt: skip
    p2 = share * own + inside
    if stop == 2:
        return p2.view_as(x2)[0].sum(0)
    p1 = torch.zeros_like(x1).flatten(2).scatter_add(2, winners.flatten(2), p2.view_as(x2).flatten(2))
    return down(p1.flatten(), image, matrix(conv0, bn0, image.shape)).view_as(image)[0].sum(0)


@pytest.mark.parametrize("stop", [0, 2])
@pytest.mark.parametrize("chunk", [1, 2, 16])
def test_excitation_equals_a_dense_reference_one_peak_at_a_time(toy, stop, chunk):
    found = respond(toy, IMAGE, peaks_at(*CELLS), mode="excitation", stop=stop, chunk=chunk)
    expected = torch.stack([excitation_reference(toy, IMAGE, cell, stop) for cell in CELLS]).numpy()
    assert expected.max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("stop", [0, 2])
@pytest.mark.parametrize("chunk", [1, 2, 16])
def test_gradient_equals_plain_backward_one_peak_at_a_time(toy, stop, chunk):
    found = respond(toy, IMAGE, peaks_at(*CELLS), mode="gradient", stop=stop, chunk=chunk)
    x = IMAGE.clone()
    with torch.no_grad():
        for level in toy.backbone.levels[:stop]:
            x = level(x)
    for one, cell in zip(found, CELLS, strict=True):
        x = x.detach().requires_grad_()
        forward(toy, x * 1, stop)[0][cell].backward()
        np.testing.assert_allclose(one, x.grad[0].sum(0).clamp(min=0).numpy(), atol=1e-5)
    assert found.max() > 0.01


@pytest.mark.parametrize("mode", ["excitation", "gradient"])
@pytest.mark.parametrize("chunk", [1, 2])
def test_chunks_of_windows_change_nothing(toy, mode, chunk, monkeypatch):
    whole = respond(toy, IMAGE, peaks_at(*CELLS), mode=mode)
    monkeypatch.setattr("wsis.response.tape.WINDOWS", 2)
    parts = respond(toy, IMAGE, peaks_at(*CELLS), mode=mode, chunk=chunk)
    assert whole.max() > 0.01
    np.testing.assert_allclose(parts, whole, atol=1e-5)


@pytest.mark.parametrize("mode", ["excitation", "gradient"])
def test_batched_equals_single_on_a_real_architecture(mode):
    torch.manual_seed(3)
    net = Classifier("tf_efficientnet_lite0", [str(i) for i in range(20)]).eval()
    image = torch.randn(1, 3, 96, 64)
    cells = [(0, 0, 0), (7, 5, 3), (7, 2, 2)]
    batched = respond(net, image, peaks_at(*cells), mode=mode)
    single = np.concatenate([respond(net, image, peaks_at(cell), mode=mode) for cell in cells])
    assert batched.shape == (3, 24, 16)
    np.testing.assert_allclose(batched, single, atol=1e-5, rtol=1e-5)
    if mode == "excitation":
        np.testing.assert_allclose(batched.sum((1, 2)), 1, atol=1e-3)  # a probability is handed down whole


def linear(weight: Tensor) -> Toy:
    head = nn.Conv2d(3, len(weight), 3, padding=1)
    with torch.no_grad():
        head.weight.copy_(weight)
    return Toy([nn.Identity()], head).eval()


def test_linear_network_gradient_is_its_weights():
    weight = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    found = respond(linear(weight), torch.randn(1, 3, 6, 7), peaks_at((1, 2, 3), (0, 0, 6)), mode="gradient", stop=0)
    expected = np.zeros((2, 6, 7), np.float32)
    expected[0, 1:4, 2:5] = weight[1].sum(0).clamp(min=0)
    expected[1, 0:2, 5:7] = weight[0].sum(0).clamp(min=0)[1:, :2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_linear_network_excitation_is_positive_contributions():
    weight = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    image = torch.rand(1, 3, 6, 7) + 0.1
    found = respond(linear(weight), image, peaks_at((1, 2, 3)), mode="excitation", stop=0)[0]
    parts = (image[0, :, 1:4, 2:5] * weight[1].clamp(min=0)).sum(0)
    expected = np.zeros((6, 7), np.float32)
    expected[1:4, 2:5] = parts / parts.sum()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def state(net: nn.Module) -> tuple:
    return (
        [module.training for module in net.modules()],
        [p.grad for p in net.parameters()],
        [p.requires_grad for p in net.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in net.modules()],
        [set(vars(m)) for m in net.modules()],
        len(torch.overrides._get_current_function_mode_stack()),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        F.relu(x)
        raise RuntimeError("broken layer")


@pytest.mark.parametrize("mode", ["excitation", "gradient"])
def test_nothing_is_left_behind(toy, mode):
    toy.train()
    toy.backbone.levels[1].eval()
    before, buffers = state(toy), [b.clone() for b in toy.buffers()]
    first = respond(toy, IMAGE, peaks_at(*CELLS), mode=mode)
    assert state(toy) == before
    assert all(torch.equal(a, b) for a, b in zip(buffers, toy.buffers(), strict=True))
    with torch.inference_mode():
        again = respond(toy, IMAGE.clone(), peaks_at(*CELLS), mode=mode)
        assert torch.is_inference_mode_enabled()
    np.testing.assert_array_equal(first, again)

    toy.backbone.levels.append(Broken())
    before = state(toy)
    with pytest.raises(RuntimeError, match="broken layer"):
        respond(toy, IMAGE, peaks_at(*CELLS), mode=mode)
    assert state(toy) == before


@pytest.mark.parametrize(
    "layer", [nn.SiLU(inplace=True), nn.GELU(), nn.Hardswish(), nn.LeakyReLU(0.1), nn.PReLU(), nn.Hardtanh()]
)
def test_signed_activations_are_refused_by_excitation_only(toy, layer):
    toy.backbone.levels[3][2] = layer
    with pytest.raises(WsisError, match=r"at least 0; this model uses .*Choose the mode 'gradient'"):
        respond(toy, IMAGE, peaks_at(*CELLS))
    assert not torch.overrides._get_current_function_mode_stack()
    assert respond(toy, IMAGE, peaks_at(*CELLS), mode="gradient").shape == (5, 8, 6)


def test_saturated_rectifiers_pass_on(toy):
    with torch.no_grad():
        toy.backbone.levels[3][1].bias.fill_(50)  # every ReLU6 at 6, where the chain rule is 0
    assert respond(toy, IMAGE, peaks_at((0, 1, 1)), mode="gradient").max() == 0
    assert respond(toy, IMAGE, peaks_at((0, 1, 1)), mode="excitation").sum() == pytest.approx(1, abs=1e-3)


def test_average_pooling_and_lone_batch_norm():
    torch.manual_seed(0)
    bn = nn.BatchNorm2d(3)
    with torch.no_grad():
        bn.weight.copy_(torch.tensor([2.0, -1.0, 0.5]))
    net = Toy([nn.Sequential(nn.AvgPool2d(2), bn)], nn.Conv2d(3, 1, 1)).eval()
    with torch.no_grad():
        net.head.weight.fill_(1)
    image = torch.rand(1, 3, 4, 4) + 0.1
    found = respond(net, image, peaks_at((0, 0, 1)), stop=0)[0]
    with torch.no_grad():
        pooled = F.avg_pool2d(image, 2)
        out = bn(pooled)[0, :, 0, 1]
        out = out - bn(pooled).min().clamp(max=0)
        at_bn = out / out.sum() * torch.tensor([1.0, 0, 1])  # a channel with a negative scale excites nothing
        patch = image[0, :, :2, 2:]
        expected = (patch / patch.sum((1, 2), keepdim=True) * at_bn[:, None, None]).sum(0)
    np.testing.assert_allclose(found[:2, 2:], expected, atol=1e-6)
    assert found.sum() == pytest.approx(float(expected.sum()), abs=1e-6)


def test_no_peaks_and_wrong_arguments(toy):
    assert respond(toy, IMAGE, peaks_at()).shape == (0, 8, 6)
    with pytest.raises(WsisError, match="Unknown mode 'magic'"):
        respond(toy, IMAGE, peaks_at(*CELLS), mode="magic")
    with pytest.raises(ValueError, match="made at another size"):
        respond(toy, IMAGE, peaks_at((0, 4, 0)))
    with pytest.raises(ValueError, match="expected \\(B, 3, H, W\\)"):
        respond(toy, IMAGE[0], peaks_at(*CELLS))
    with pytest.raises(ValueError, match=r"stop in 0..3"):
        respond(toy, IMAGE, peaks_at(*CELLS), stop=4)
