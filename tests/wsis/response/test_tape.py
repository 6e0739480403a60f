"""Many gradients at once against autograd's, one at a time."""

from __future__ import annotations

import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsis.peaks import Peaks
from wsis.response import respond
from wsis.response.convolution import Convolution
from wsis.response.tape import Tape


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def cells(output: Tensor, count: int = 9) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Photos and places: all corners and some between."""
    batch, channels, height, width = output.shape
    corners = list(itertools.product((0, height - 1), (0, width - 1)))
    rows, columns = map(torch.tensor, zip(*corners, strict=True))
    rows = torch.cat([rows, torch.randint(height, (count - 4,))])
    columns = torch.cat([columns, torch.randint(width, (count - 4,))])
    return torch.randint(batch, (count,)), (torch.randint(channels, (count,)), rows, columns)


def check(network, source: Tensor, *, atol: float = 1e-5) -> Tensor:
    """Compare, and return what was found."""
    with torch.no_grad(), Tape(source) as tape:
        output = network(source)
    photos, places = cells(output)
    with torch.no_grad():
        found = tape.back(output, photos, places, 4, torch.clone)
    assert found.shape == (len(photos), *source.shape[1:])
    leaf = source.clone().requires_grad_()
    value = network(leaf * 1)
    torch.testing.assert_close(output, value.detach())
    for one, photo, channel, row, column in zip(found, photos, *places, strict=True):
        (expected,) = torch.autograd.grad(value[photo, channel, row, column], leaf, retain_graph=True)
        torch.testing.assert_close(one, expected[photo], atol=atol, rtol=1e-4)
    return found


OPTIONS = [
    {"kernel_size": 1},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 4},
    {"kernel_size": 5, "padding": 4, "dilation": 2},
    {"kernel_size": (1, 3), "padding": (0, 4), "dilation": (1, 4)},
    {"kernel_size": 3, "padding": 2, "dilation": (2, 1)},
    {"kernel_size": 2, "padding": 1},
    {"kernel_size": 4, "padding": "same", "dilation": 2},
    {"kernel_size": 2, "padding": "same"},
    {"kernel_size": 3, "padding": "valid"},
    {"kernel_size": 3, "padding": 1, "groups": 2},
    {"kernel_size": 5, "padding": 4, "dilation": 2, "groups": 4},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 1, "stride": 2, "groups": 4},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 4},
    {"kernel_size": 5, "stride": 2, "groups": 4},
    {"kernel_size": 5, "stride": 2, "padding": 3, "groups": 2},
    {"kernel_size": 4, "stride": (3, 2), "padding": (2, 1), "groups": 4},
    {"kernel_size": 3, "stride": 3, "groups": 4},
    {"kernel_size": 3, "stride": (1, 2), "padding": 1, "groups": 4},
    {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2, "groups": 4},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [(11, 14), (12, 9), (7, 7)])
def test_a_convolution_between_others(options, size):
    """Above a dilated one, whose cells are every other one, and below one that mixes neighbours."""
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 4, **options),
        nn.Conv2d(4, 6, 3, padding=2, dilation=2),
        nn.Conv2d(6, 5, 1),
    )
    check(layers, torch.randn(2, 3, *size))


@pytest.mark.parametrize("pads", [(1, 2, 1, 2), (2, 2, 0, 1), (0, 3, 2, 0)])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_filled_up_input(pads, groups, stride):
    first, second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, stride=stride, groups=groups)
    check(lambda x: second(F.pad(first(x), pads)), torch.randn(2, 3, 9, 12))
    check(lambda x: second(F.pad(F.relu(first(x)), pads, mode="replicate")), torch.randn(1, 3, 9, 12))
    check(lambda x: second(F.pad(first(x), [-1, 0, 2, 0])), torch.randn(1, 3, 9, 12))


def test_the_last_layers_stay_on_the_cells_that_they_can_reach():
    wide = Convolution.of(torch.randn(4, 1, 5, 5), padding=4, dilation=2, groups=4)
    assert wide.spread == 2
    assert Convolution.of(torch.randn(4, 4, 1, 1)).spread == 0
    for options in ({"stride": 2, "padding": 4, "dilation": 2}, {"padding": 3, "dilation": 2}, {"padding": 0}):
        assert Convolution.of(torch.randn(4, 1, 5, 5), groups=4, **options).spread is None
    seen = []

    class Watched(Tape):
        def on_conv2d(self, func, input, weight, *args, **kwargs):
            layer = super().on_conv2d(func, input, weight, *args, **kwargs)
            inner = layer.back

            def back(flow, cells):
                seen.append((*flow.values.shape[2:], cells.step))
                return inner(flow, cells)

            object.__setattr__(layer, "back", back)
            return layer

    layers = [nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 5, padding=4, dilation=2), nn.Conv2d(4, 4, 3, padding=2, dilation=2)]
    source = torch.randn(1, 4, 20, 28)
    with torch.no_grad(), Watched(source) as tape:
        output = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), *layers, nn.Conv2d(4, 4, 1))(source)
    tape.back(output, *cells(output), 16, torch.clone)
    assert seen == [(1, 1, 2), (1, 1, 2), (3, 3, 2), (7, 7, 2), (20, 28, 1)]


class Block(nn.Module):
    """A shortcut around an expansion, as in MobileNet."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.expand, self.project = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation, groups=8)
        self.norm = nn.BatchNorm2d(8)
        nn.init.normal_(self.norm.running_mean)
        nn.init.normal_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self.norm(self.depthwise(F.relu(self.expand(x), inplace=True))) * 3, inplace=True)
        return x + self.project(hidden)


@pytest.mark.parametrize("dilations", [(1, 1), (2, 2), (1, 2), (2, 4), (3, 2)])
def test_shortcuts_around_windows(dilations):
    blocks = nn.Sequential(*map(Block, dilations), nn.ReLU6(inplace=True), nn.Conv2d(4, 5, 1)).eval()
    assert check(blocks, torch.randn(2, 4, 13, 10)).abs().max() > 0.01


def other(x: Tensor) -> Tensor:
    """Operations without a rule: views, products, several inputs and results, one in place, a detached branch."""
    left, right = torch.split(x, 2, dim=1)
    gate = torch.sigmoid(F.adaptive_avg_pool2d(left, 1))
    joined = torch.cat([right * gate, F.max_pool2d(left, 3, 1, 1), left.detach()], 1)
    return (joined.flatten(2).tanh().view_as(joined) + 1).mul_(2) + x.mean((1, 2, 3), keepdim=True)


def twice(x: Tensor) -> Tensor:
    return x + x


def test_operations_without_a_rule():
    check(other, torch.randn(2, 4, 6, 7))
    check(lambda x: other(x) + other(x) + 1, torch.randn(1, 4, 6, 7))
    check(lambda x: twice(F.conv2d(x, torch.ones(2, 4, 1, 1))), torch.randn(1, 4, 6, 7))


def test_nothing_reaches_the_source():
    source = torch.randn(1, 3, 4, 5)
    with torch.no_grad(), Tape(source) as tape:
        output = F.conv2d(source.detach() * 2, torch.ones(2, 3, 1, 1)) + 0 * source.mean().detach()
    assert tape.back(output, *cells(output), 16, torch.clone).abs().sum() == 0


def test_what_was_written_down_goes_with_the_tape():
    """Without waiting for the garbage collector: a tape holds hundreds of megabytes."""
    gc.disable()
    try:
        source = torch.randn(1, 4, 9, 9)
        with torch.no_grad(), Tape(source) as tape:
            output = Block(2).eval()(source)
            kept = weakref.ref(tape._layers[0])
        tape.back(output, *cells(output), 16, torch.clone)
        del tape
        assert kept() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("mode", ["excitation", "gradient"])
@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_peaks_of_several_photos_at_once(mode, chunk):
    levels = [nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.ReLU(), Block(2), nn.ReLU()), nn.Sequential(Block(2))]
    net = nn.Module()
    net.backbone = nn.Module()
    net.backbone.levels, net.head = nn.ModuleList(levels), nn.Conv2d(4, 3, 1)
    images = torch.randn(3, 3, 10, 12)
    photos, (classes, rows, columns) = cells(torch.empty(3, 3, 10, 12), 12)
    ones = np.ones(12, np.float32)
    all_peaks = [x.numpy() for x in (classes, rows, columns)]
    found = respond(
        net, images, Peaks(*all_peaks, ones, ones, (1, 1)), photos=photos.numpy(), mode=mode, stop=1, chunk=chunk
    )
    for i in range(3):
        own = (photos == i).numpy()
        peaks = Peaks(*(x[own] for x in all_peaks), ones[own], ones[own], (1, 1))
        np.testing.assert_allclose(found[own], respond(net, images[i : i + 1], peaks, mode=mode, stop=1), atol=1e-5)
    assert found.max() > 0.01
    for wrong in (photos.numpy()[1:], photos.numpy() + 1, photos.numpy() - 1):
        with pytest.raises(ValueError, match="12 indices below 3"):
            respond(net, images, Peaks(*all_peaks, ones, ones, (1, 1)), photos=wrong)
