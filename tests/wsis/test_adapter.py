from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from wsis import adapter, peaks, response
from wsis.backbone import evaluating
from wsis.errors import WsisError

THREE = adapter.Labels(("cat", "dog", "bird"))
GREY = (0.5, 0.5, 0.5)


def _wrap(library: str, name: str, labels: adapter.Labels = THREE) -> tuple[nn.Module, adapter.HeadMaps]:
    net, mean, std = adapter.build(library, name, len(labels.classes), pretrained=False)
    return net.eval(), adapter.HeadMaps(net, labels, mean, std).eval()


@pytest.mark.parametrize(
    ("library", "name", "grid"),
    [
        ("timm", "resnet18", 14),
        ("timm", "tf_efficientnet_lite0", 14),
        ("timm", "densenet121", 7),
        ("timm", "regnety_004", 14),
        ("torchvision", "resnet18", 7),
        ("torchvision", "mobilenet_v2", 7),
        ("torchvision", "shufflenet_v2_x0_5", 7),
    ],
)
def test_mean_of_the_class_maps_is_the_networks_own_answer(library: str, name: str, grid: int) -> None:
    net, wrapped = _wrap(library, name)
    image = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        maps = wrapped(image)
        assert maps.shape == (2, 3, grid, grid)
        torch.testing.assert_close(maps.mean((2, 3)), net(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("library", "name"), [("timm", "vgg11"), ("torchvision", "alexnet")])
def test_window_layers_slide_over_the_whole_photo(library: str, name: str) -> None:
    _, wrapped = _wrap(library, name)
    with torch.no_grad():
        assert wrapped(torch.randn(1, 3, 320, 320)).shape[2:] == (10, 10)


def test_middle_cell_of_a_window_network_is_its_own_answer() -> None:
    net = torchvision.models.alexnet(num_classes=3).eval()
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        own = net(image)  # before it is taken over: padding changes what an average sees
        maps = adapter.HeadMaps(net, THREE, GREY, GREY).eval()(image)
        torch.testing.assert_close(maps[:, :, 3, 3], own, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("timm", "vit_tiny_patch16_224"),
        ("timm", "convnext_atto"),
        ("timm", "mobilenetv3_small_050"),
        ("torchvision", "mobilenet_v3_small"),
        ("torchvision", "squeezenet1_1"),
    ],
)
def test_heads_that_are_not_linear_are_refused(library: str, name: str) -> None:
    with pytest.raises(WsisError, match="gives no class maps"):
        _wrap(library, name)


def test_levels_stop_where_the_backbones_do() -> None:
    _, wrapped = _wrap("timm", "resnet18")
    trunk = wrapped.backbone
    assert trunk.strides == (2, 4, 8, 16, 16)
    with torch.no_grad():
        features = trunk(torch.randn(1, 3, 64, 64), stop=3)
    assert [f.shape[2] for f in features] == [32, 16, 8]
    assert tuple(f.shape[1] for f in features) == trunk.channels[:3]


@pytest.mark.parametrize(("library", "name"), [("timm", "resnet18"), ("torchvision", "mobilenet_v2")])
def test_peaks_respond_through_a_foreign_network(library: str, name: str, photo: np.ndarray) -> None:
    _, wrapped = _wrap(library, name)
    maps = wrapped.class_maps(photo, sizes=(128,))
    found = peaks.find(maps.maps, maps.scores, classes=[0, 1])
    responses = response.respond(wrapped, wrapped.prepare(photo, 128), found, mode="excitation", stop=0)
    assert responses.shape == (len(found), 96, 128)
    assert (responses.max((1, 2)) > 0).all()


def test_excitation_is_refused_where_activations_can_be_negative(photo: np.ndarray) -> None:
    _, wrapped = _wrap("torchvision", "efficientnet_b0")
    maps = wrapped.class_maps(photo, sizes=(64,))
    found = peaks.find(maps.maps, maps.scores, classes=[0])
    with pytest.raises(WsisError, match="gradient"):
        response.respond(wrapped, wrapped.prepare(photo, 64), found, mode="excitation")
    assert np.isfinite(response.respond(wrapped, wrapped.prepare(photo, 64), found, mode="gradient")).all()


def test_wrapping_leaves_the_mode_of_the_network_alone() -> None:
    net = torchvision.models.resnet18(num_classes=3).train()
    net.layer1.eval()
    adapter.HeadMaps(net, THREE, GREY, GREY)
    assert net.training
    assert not net.layer1.training


def test_number_of_labels_must_match_the_head() -> None:
    net = timm.create_model("resnet18", num_classes=5)
    with pytest.raises(WsisError, match="3 labels, but the network puts out 5"):
        adapter.HeadMaps(net, THREE, GREY, GREY)


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
def test_scores_are_the_networks_own(scoring: str, photo: np.ndarray) -> None:
    net, wrapped = _wrap("timm", "resnet18", adapter.Labels(THREE.classes, scoring))
    found = wrapped.class_maps(photo, sizes=(160,), flip=False)
    with torch.no_grad(), evaluating(net):
        logits = net(wrapped.prepare(photo, 160))[0]
    expected = logits.softmax(0) if scoring == "softmax" else logits.sigmoid()
    np.testing.assert_allclose(found.scores, expected.numpy(), atol=1e-4)


def test_photos_are_normalised_as_the_labels_say() -> None:
    labels = adapter.Labels(THREE.classes, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    _, wrapped = _wrap("timm", "resnet18", labels)
    white = wrapped.prepare(np.full((64, 64, 3), 255, np.uint8), 64)
    torch.testing.assert_close(white, torch.full_like(white, 2.0))


def test_imagenet_names_are_distinct() -> None:
    names = adapter.imagenet_labels().classes
    assert len(names) == len(set(names)) == 1000
    assert names[0] == "tench"
    assert names[281] == "tabby"


def test_labels_file_with_headers(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("# my birds\n# scoring: sigmoid\n# mean: .1, .2, .3\nrobin\n\n  wren \n", encoding="utf-8-sig")
    assert adapter.read_labels(file) == adapter.Labels(("robin", "wren"), "sigmoid", mean=(0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no name in it"),
        (b"cat\ncat\n", "'cat' appears twice"),
        (b"\xff\xfe\x00cat", "UTF-8"),
        (b"# scoring: best\ncat\n", "scoring 'best'"),
        (b"# std: 1 2\ncat\n", "three numbers"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(WsisError, match=sentence):
        adapter.read_labels(file)


def test_one_class_alone_is_scored_by_a_sigmoid(photo: np.ndarray) -> None:
    for scoring in ("softmax", "sigmoid"):
        _, wrapped = _wrap("timm", "resnet18", adapter.Labels(("cat",), scoring))
        torch.nn.init.constant_(wrapped.head.weight, 0)
        torch.nn.init.constant_(wrapped.head.bias, -5)
        assert wrapped.class_maps(photo, sizes=(64,)).scores == pytest.approx([1 / (1 + np.exp(5))], rel=1e-4)


def test_hub_weights_of_another_number_of_classes_are_told_before_they_are_fetched() -> None:
    with pytest.raises(WsisError, match="There are 3 labels, but the weights of timm:resnet18 are of 1000 classes"):
        adapter.build("timm", "resnet18", 3, pretrained=True)


def test_missing_labels(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="cannot be read"):
        adapter.read_labels(tmp_path / "no.txt")


@pytest.mark.parametrize("library", adapter.LIBRARIES)
def test_without_a_network_the_hub_fails_in_one_sentence(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(adapter, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WsisError, match=rf"ImageNet weights of {library}:resnet18 could not be downloaded"):
        adapter.build(library, "resnet18", 1000, pretrained=True)
    assert socket.getdefaulttimeout() is None
