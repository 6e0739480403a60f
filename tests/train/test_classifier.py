from __future__ import annotations

import lightning as L
import pytest
import torch

from tests.helpers import trainers
from train import maps, scenes
from train.checkpoint import classifier_options
from train.classifier import PartialLabels, Stage1, export, masked_cross_entropy
from train.freezing import FrozenDepthwise, freeze
from wsis import checkpoints, voc
from wsis.backbone import TESTED, Backbone

SMALL = "tf_efficientnet_lite0"


pytestmark = pytest.mark.usefixtures("quiet_lightning")


def train(kit, folder, epochs, *, stop=None, resume=None, schedule="one-cycle"):
    """Train to `stop` of `epochs` epochs; the schedule is that of the whole run."""
    L.seed_everything(0, verbose=False)
    net = {"backbone": SMALL, "weights": "none", "frozen_levels": 4, "dropout": 0.0, "classes": voc.CLASSES}
    module = Stage1(**net, lr=1e-3, head_lr=1e-2, schedule=schedule)
    data = PartialLabels(str(kit), splits=("train",), size=64, batch_size=2, per_epoch=4, workers=0)
    return trainers.fit(module, data, folder, epochs, stop=stop, resume=resume)


@pytest.mark.parametrize("schedule", ["one-cycle", "step"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, schedule):
    scenes.write_voc(tmp_path / "kit", 5)
    whole, _ = train(tmp_path / "kit", tmp_path / "a", 3, schedule=schedule)
    with pytest.raises(SystemExit):
        train(tmp_path / "kit", tmp_path / "b", 3, stop=1, schedule=schedule)
    resumed, trainer = train(
        tmp_path / "kit", tmp_path / "b", 3, resume=tmp_path / "b" / "last.ckpt", schedule=schedule
    )
    assert trainer.global_step == 6
    trainers.assert_same_weights(whole.state_dict(), resumed.state_dict())


def test_frozen_levels_stay_and_the_rest_learns(tmp_path):
    scenes.write_voc(tmp_path / "kit", 4)
    L.seed_everything(0, verbose=False)
    before = dict(Stage1(SMALL, weights="none", frozen_levels=4, classes=voc.CLASSES).named_parameters())
    after = dict(train(tmp_path / "kit", tmp_path / "run", 1)[0].named_parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("classifier.backbone.levels.4.") for name in changed)
    assert {"classifier.head.weight", "classifier.head.bias"} <= changed
    assert not any(name.startswith(f"classifier.backbone.levels.{i}.") for i in range(4) for name in changed)


def test_classes_of_ones_own_are_learned_exported_and_never_mixed_up(tmp_path, monkeypatch):
    """What the labels name becomes the checkpoint's classes, and a run goes on with those alone."""
    monkeypatch.chdir(tmp_path)
    trainers.write_data(tmp_path)
    labels = tmp_path / "kit" / "labels.csv"
    rows = [f"{number:06}.jpg,{'teapot' if number % 2 else 'bolt'},,teapot bolt\n" for number in range(6)]
    labels.write_text("image,present,hinted,annotated\n" + "".join(rows))
    words = [*trainers.words("classifier", tmp_path, tmp_path, tmp_path / "run"), "--trainer.max_epochs=1"]
    trainers.run("classifier", words)
    run = tmp_path / "run" / "last.ckpt"
    export(run, tmp_path / "model")
    assert checkpoints.load(tmp_path / "model").classifier.classes == ("bolt", "teapot")
    assert maps.load_classifier(run).classes == ("bolt", "teapot")
    trainers.run("classifier", [*words, f"--ckpt_path={run}"])
    labels.write_text(labels.read_text().replace("teapot", "cup"))
    with pytest.raises(SystemExit, match=r"learned 2 classes \(bolt, teapot\), the labels are of 2 \(bolt, cup\)"):
        trainers.run("classifier", [*words, "--ckpt_path=last"])


def test_runs_that_did_not_say_their_classes_are_of_vocs():
    known = {"hyper_parameters": {"backbone": SMALL, "lr": 1}}
    assert classifier_options(known) == {"backbone": SMALL, "classes": list(voc.CLASSES)}


@pytest.mark.parametrize("backbone", TESTED)
def test_freezing_changes_no_feature(backbone):
    torch.manual_seed(0)
    net, image = Backbone(backbone).eval(), torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        expected = net(image)
        freeze(net.levels, 1)
        torch.testing.assert_close(net(image), expected)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (3, 2)])
def test_the_quick_depthwise_gradient_is_exact(kernel, dilation):
    torch.manual_seed(0)
    padding = dilation * (kernel - 1) // 2
    conv = torch.nn.Conv2d(6, 6, kernel, padding=padding, dilation=dilation, groups=6, bias=False).double()
    conv.requires_grad_(False)
    x = torch.rand(2, 6, 9, 11, dtype=torch.double, requires_grad=True)
    weight = torch.rand(2, 6, 9, 11, dtype=torch.double)
    (expected,) = torch.autograd.grad((conv(x) * weight).sum(), x)
    conv.__class__ = FrozenDepthwise
    (found,) = torch.autograd.grad((conv(x) * weight).sum(), x)
    torch.testing.assert_close(found, expected)


def test_unknown_classes_do_not_enter_the_loss():
    logits = torch.tensor([[2.0, -3.0, 50.0]], requires_grad=True)
    target, weight = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    loss = masked_cross_entropy(logits, target, weight)
    loss.backward()
    assert logits.grad[0, 2] == 0
    torch.testing.assert_close(loss.item(), (0.126928 + 0.048587) / 2, atol=1e-5, rtol=0)
    assert masked_cross_entropy(logits, target, torch.zeros(1, 3)).item() == 0


def test_five_levels_at_stride_16():
    backbone = Backbone(SMALL)
    assert backbone.strides == (2, 4, 8, 16, 16)
    assert len(backbone(torch.zeros(1, 3, 64, 96))) == 5
