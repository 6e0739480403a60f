from __future__ import annotations

from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch

from tests.helpers import ROOT, trainers
from train import objectness as training
from train import scenes
from train.data import InstanceMasks, mask_folder, read_rgb
from train.objectness import GOOD, Objectness, ObjectProposals, RatedProposals, describe, ensure, nameless_iou, sample
from wsis import checkpoints
from wsis.checkpoints import save_module
from wsis.errors import WsisError
from wsis.proposals import contours, generate, objectness, proposal_set
from wsis.proposals.contours import ContourNet

SMALL = "tf_efficientnet_lite0"
PHOTOS = 14
EMPTY = 5
"""The number of a photo without instances."""


pytestmark = pytest.mark.usefixtures("quiet_lightning")


@pytest.fixture(scope="module")
def masks(tmp_path_factory) -> Path:
    """A mask folder, one photo of which shows nothing."""
    folder = tmp_path_factory.mktemp("masks")
    scenes.write_masks(folder, PHOTOS)
    cv2.imwrite(str(folder / "masks" / f"{EMPTY:04}.png"), np.zeros((96, 128), np.uint8))
    return folder


@pytest.fixture(scope="module")
def net(tiny_checkpoint) -> ContourNet:
    return checkpoints.load(tiny_checkpoint).contours


@pytest.fixture(scope="module")
def channels(net) -> list[int]:
    maps = contours.look(net, np.zeros((64, 64, 3), np.uint8))[1]
    return [len(m) for m in maps]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def caches(kept, monkeypatch):
    monkeypatch.setattr(training, "CACHE", kept)


def test_overlaps_are_those_of_masks_and_ignored_pixels_count_for_nobody():
    left, right = np.zeros((2, 4, 8), bool)
    left[:, :4], right[:, 4:] = True, True
    proposals = proposal_set.from_masks(np.stack([left, right, left | right]))
    instances = np.zeros((2, 4, 8), bool)
    instances[0, :, :2], instances[1, :, 4:] = True, True
    found = nameless_iou(proposals, instances, np.zeros((4, 8), bool))
    np.testing.assert_allclose(found, [[0.5, 0], [0, 1], [0.25, 0.5]], atol=1e-6)
    ignored = np.zeros((4, 8), bool)
    ignored[:, 2:6] = True
    found = nameless_iou(proposals, instances, ignored)
    np.testing.assert_allclose(found, [[1, 0], [0, 1], [0.5, 0.5]], atol=1e-6)
    assert found.dtype == np.float32
    assert nameless_iou(proposals, instances[:0], ignored).shape == (3, 0)


def test_what_is_kept_of_a_photo_is_what_the_network_sees(tmp_path, net):
    """A photo above the working size, with a smaller mask that ignores some pixels."""
    made = scenes.scene(3, size=(480, 600))
    index = made.index[::2, ::2].copy()
    index[:40] = 255
    cv2.imwrite(str(tmp_path / "a.png"), made.image[..., ::-1])
    cv2.imwrite(str(tmp_path / "index.png"), index)
    item = InstanceMasks(tmp_path / "a.png", tmp_path / "index.png")
    found = describe(item, net)

    work = cv2.resize(read_rgb(item.image), (448, 358), interpolation=cv2.INTER_AREA)
    edges, maps = contours.look(net, work)
    proposals = generate.generate(work, edges)
    small = proposal_set.resized_labels(index.astype(np.int32), (358, 448))
    valid, every = small != 255, proposals.masks(range(len(proposals)))
    for g, number in enumerate(i for i in np.unique(small) if i not in (0, 255)):
        common = (every & (small == number)).sum((1, 2))
        union = (valid & (every | (small == number))).sum((1, 2))
        np.testing.assert_allclose(found["iou"][:, g], common / np.maximum(union, 1), atol=1e-3)
    assert found["iou"].max() > GOOD

    means, areas, members, touching, shape = objectness.inputs(maps, proposals, edges)
    regions = len(areas)
    for i, own in enumerate(means):
        np.testing.assert_allclose(found[f"features_{i}"], own, rtol=2e-3, atol=1e-4)
        assert found[f"features_{i}"].dtype == np.float16
    assert (np.unpackbits(found["members"], axis=1, count=regions) == members).all()
    assert (np.unpackbits(found["touching"], axis=1, count=regions) == touching).all()
    assert (found["areas"] == areas).all()
    assert (found["shape"] == shape).all()


@pytest.mark.parametrize(("good", "rest", "instances"), [(30, 900, 2), (600, 900, 30), (5, 40, 1), (0, 900, 1)])
def test_a_sample_is_bounded_and_balanced(rng, good, rest, instances):
    iou = rng.uniform(0, GOOD, (good + rest, instances)).astype(np.float32)
    iou[np.arange(good), rng.integers(0, instances, good)] = rng.uniform(GOOD + 0.01, 1, good)
    picked = sample(iou, np.random.default_rng(1))
    shown = (iou[picked].max(1) > GOOD).sum()
    assert len(set(picked.tolist())) == len(picked)
    assert shown <= min(good, 320, 24 * instances + 80)
    assert shown >= min(good, 80)
    assert len(picked) - shown == min(rest, max(320 - shown, 160))
    assert (sample(iou, np.random.default_rng(1)) == picked).all()


def test_every_instance_has_its_share_of_a_sample(rng):
    iou = rng.uniform(0, GOOD, (2000, 2)).astype(np.float32)
    iou[:1000, 0], iou[1000:1020, 1] = 0.9, 0.9
    picked = sample(iou, rng)
    assert np.isin(np.arange(1000, 1020), picked).all()
    assert (picked < 1000).sum() <= 24 + 80


def test_items_are_the_same_in_every_pass(masks, net):
    files = ensure(mask_folder(masks), net)
    photos = RatedProposals(files, most=40, seed=1)
    (features, areas, members, touching, shape), target = photos[0, 3]
    regions, count = len(areas), len(target)
    assert [len(f) for f in features] == [regions, regions]
    assert members.shape == (count, regions)
    assert touching.shape == (regions, regions)
    assert shape.shape == (count, 13)
    assert 0 < count <= 60
    assert target.min() >= 0
    assert target.max() <= 1
    assert torch.equal(photos[0, 99][1], target)
    assert torch.equal(photos[0][0][2], members)
    assert len(RatedProposals(files, most=None)[0][1]) > count


def test_a_second_run_computes_nothing(masks, net, monkeypatch):
    files = ensure(mask_folder(masks), net)
    monkeypatch.setattr(contours, "look", None)
    assert ensure(mask_folder(masks), net) == files
    torch.manual_seed(1)
    with pytest.raises(TypeError):
        ensure(mask_folder(masks)[:1], ContourNet(SMALL).eval())


def test_new_masks_are_read_again(masks, tmp_path, net):
    item = mask_folder(masks)[0]
    index = cv2.imread(str(item.index), cv2.IMREAD_UNCHANGED)
    other = tmp_path / item.index.name
    cv2.imwrite(str(other), np.where(index == 1, 255, index).astype(np.uint8))
    first, second = ensure([item, InstanceMasks(item.image, other)], net)
    with np.load(first) as before, np.load(second) as after:
        assert before["iou"].shape[1] == after["iou"].shape[1] + 1


def train(tiny_checkpoint, masks, channels, folder, epochs, *, stop=None, resume=None):
    """Train to `stop` of `epochs` epochs; the schedule is that of the whole run."""
    L.seed_everything(0, verbose=False)
    module = Objectness(channels, (4, 8), 16, lr=1e-2)
    proposals = ObjectProposals(
        str(tiny_checkpoint), masks=(str(masks),), most=60, batch_size=4, per_epoch=8, workers=0
    )
    return trainers.fit(module, proposals, folder, epochs, stop=stop, resume=resume)


def test_a_few_epochs_learn_something_about_held_out_photos(tiny_checkpoint, masks, channels, tmp_path):
    _, first = train(tiny_checkpoint, masks, channels, tmp_path / "a", 1)
    module, last = train(tiny_checkpoint, masks, channels, tmp_path / "b", 12)
    assert len(last.datamodule.val_set) == 2  # numbers 0 and 12
    assert len(last.datamodule.train_set) == PHOTOS - 2 - 1
    assert last.callback_metrics["loss_epoch"] < 0.97 * first.callback_metrics["loss_epoch"]
    found = {name: last.callback_metrics[name].item() for name in ("val_loss", "val_correlation")}
    L.seed_everything(0, verbose=False)
    untrained = last.validate(Objectness(channels, (4, 8), 16), last.datamodule, verbose=False)[0]
    assert found["val_loss"] < 0.97 * untrained["val_loss"]
    assert found["val_correlation"] > 0.3
    module.eval()
    with torch.no_grad():
        items = [last.datamodule.val_set[i] for i in range(2)]
        own = [np.corrcoef(module.net(*inputs), target)[0, 1] for inputs, target in items]
    assert found["val_correlation"] == pytest.approx(np.mean(own), abs=1e-4)
    assert np.mean(own) > 0.3


def test_a_resumed_run_equals_an_uninterrupted_one(tiny_checkpoint, masks, channels, tmp_path):
    whole, _ = train(tiny_checkpoint, masks, channels, tmp_path / "a", 3)
    with pytest.raises(SystemExit):
        train(tiny_checkpoint, masks, channels, tmp_path / "b", 3, stop=1)
    resumed, trainer = train(tiny_checkpoint, masks, channels, tmp_path / "b", 3, resume=tmp_path / "b" / "last.ckpt")
    assert trainer.global_step == 6
    trainers.assert_same_weights(whole.state_dict(), resumed.state_dict())


def test_a_run_is_exported_and_predicts_the_same(tiny_checkpoint, masks, channels, tmp_path, net):
    module, _ = train(tiny_checkpoint, masks, channels, tmp_path / "run", 2)
    whole = checkpoints.load(tiny_checkpoint)
    own = {"backbone": SMALL, "classes": whole.classifier.classes}
    save_module(whole.classifier, tmp_path / "out", "classifier", own)
    training.export(tmp_path / "run" / "last.ckpt", tmp_path / "out")
    again = checkpoints.load(tmp_path / "out").objectness
    assert again.options == module.net.options
    item = mask_folder(masks)[1]
    image = read_rgb(item.image)
    edges, maps = contours.look(net, image)
    proposals = generate.generate(image, edges)
    inputs, _ = RatedProposals(ensure([item], net), most=None)[0]
    with torch.no_grad():
        expected = torch.sigmoid(module.net.eval()(*inputs)).numpy()
    np.testing.assert_allclose(objectness.predict(again, maps, proposals, edges), expected, atol=5e-3)


def test_what_is_missing_is_named(tiny_checkpoint, masks, tmp_path, net):
    with pytest.raises(WsisError, match=r"Too few photos with instances.*--data\.masks"):
        ObjectProposals(str(tiny_checkpoint)).setup("fit")
    classifier = checkpoints.load(tiny_checkpoint).classifier
    save_module(classifier, tmp_path, "classifier", {"backbone": SMALL, "classes": classifier.classes})
    with pytest.raises(WsisError, match="has no contour network"):
        ObjectProposals(str(tmp_path), masks=(str(masks),)).setup("fit")
    with pytest.raises(WsisError, match=r"none\.png is missing"):
        ensure([InstanceMasks(mask_folder(masks)[0].image, tmp_path / "none.png")], net)


def test_features_of_another_backbone_are_named(tiny_checkpoint, masks, channels, tmp_path):
    with pytest.raises(WsisError, match=rf"--model\.channels '\[{channels[0]}, {channels[1]}\]'"):
        train(tiny_checkpoint, masks, [8, 8], tmp_path, 1)


@pytest.mark.slow
def test_the_command_asks_for_the_contours(masks, capsys):
    words = ["fit", "--config", str(ROOT / "train/configs/objectness.yaml"), "--data.masks", f"[{masks}]"]
    with pytest.raises(SystemExit) as ended:
        trainers.run("objectness", words)
    assert ended.value.code
    assert "data.contours" in capsys.readouterr().err
