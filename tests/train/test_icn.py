from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from tests.helpers import trainers
from tests.helpers.scenes import scene_maps
from train import maps as naive_maps
from train import pseudo_labels, scenes
from train.data import ImageLabels
from train.hints import ORDER
from train.icn import Stage2, export, mask_loss
from train.icn_run import load_icn
from train.maps import NaiveMaps
from train.pairs import Pairs, SaliencyPairs
from wsis import checkpoints, voc
from wsis.classifier import Classifier
from wsis.errors import WsisError

SMALL = "tf_efficientnet_lite0"


pytestmark = pytest.mark.usefixtures("quiet_lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A mask folder, a devkit and a stage 1 checkpoint of a random classifier."""
    root = tmp_path_factory.mktemp("data")
    scenes.write_masks(root / "masks", 5)
    scenes.write_voc(root / "kit", 4)
    torch.manual_seed(0)
    state = {f"classifier.{k}": v for k, v in Classifier(SMALL, voc.CLASSES).state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": {"backbone": SMALL}}, root / "stage1.ckpt")
    return root


@pytest.fixture(autouse=True)
def caches(data, monkeypatch):
    monkeypatch.setattr(naive_maps, "CACHE", data / "cache" / "maps")
    monkeypatch.setattr(pseudo_labels, "CACHE", data / "cache" / "labels")


def test_what_is_fed_back_is_the_output_over_its_whole_range_beside_the_other_hints():
    logits, hints = torch.randn(2, 3, 8, 8), torch.rand(2, 3, 3, 8, 8)
    found = Stage2._next(logits, hints)
    output = torch.sigmoid(logits)
    least, most = output.amin((2, 3), keepdim=True), output.amax((2, 3), keepdim=True)
    torch.testing.assert_close(found[:, :, 0], (output - least) / (most - least))
    assert torch.equal(found[:, :, 1:], hints[:, :, 1:])
    finer = Stage2._next(logits, torch.rand(2, 3, 3, 16, 16))
    grown = torch.nn.functional.interpolate(found[:, :, 0], (16, 16), mode="bilinear")
    torch.testing.assert_close(finer[:, :, 0], grown)


def test_class_maps_are_cached_by_checkpoint(data, tmp_path):
    photos = sorted((data / "masks" / "images").iterdir())[:2]
    files = naive_maps.ensure(photos, data / "stage1.ckpt", sizes=(64,), cache=tmp_path)
    times = [file.stat().st_mtime_ns for file in files]
    assert naive_maps.ensure(photos, data / "stage1.ckpt", sizes=(64,), cache=tmp_path) == files
    assert [file.stat().st_mtime_ns for file in files] == times
    content = torch.load(data / "stage1.ckpt", weights_only=True)
    content["state_dict"]["classifier.head.bias"] += 1
    torch.save(content, tmp_path / "other.ckpt")
    assert naive_maps.ensure(photos, tmp_path / "other.ckpt", sizes=(64,), cache=tmp_path)[0].parent != files[0].parent
    naive = naive_maps.load(files[0], classes=[3])
    assert set(naive.classes.tolist()) == {3}
    assert naive.maps.min() >= 0
    assert naive.maps.max() <= 1
    assert ((naive.peaks > 0) & (naive.peaks < 1)).all()


def test_a_missing_or_foreign_checkpoint_is_named(tmp_path):
    with pytest.raises(WsisError, match="No classifier found"):
        naive_maps.fingerprint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(WsisError, match=r"text\.ckpt"):
        naive_maps.load_classifier(tmp_path / "text.ckpt")


def train(data, folder, epochs, *, stop=None, resume=None, join="decoder", hints=ORDER):
    """Train to `stop` of `epochs` epochs; the schedule is that of the whole run."""
    L.seed_everything(0, verbose=False)
    grid = 16 if join == "decoder" else 64
    module = Stage2(
        SMALL, weights="none", join=join, width=4, size=64, frozen_levels=4 if join == "decoder" else 0,
        schedule="one-cycle", dice=0.5, feed_back=(0.5, 0.6), hints=hints,
    )  # fmt: skip
    pairs = SaliencyPairs(
        str(data / "stage1.ckpt"), folders=(str(data / "masks"),), sizes=(64,), size=64, grid=grid,
        maps_per_photo=2, batch_size=2, per_epoch=4, held_out=1, workers=0,
        responses="response" in hints, start="response", neighbours=2.0,
    )  # fmt: skip
    return trainers.fit(module, pairs, folder, epochs, stop=stop, resume=resume)


def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path):
    whole, _ = train(data, tmp_path / "a", 4)
    with pytest.raises(SystemExit):
        train(data, tmp_path / "b", 4, stop=2)
    resumed, trainer = train(data, tmp_path / "b", 4, resume=tmp_path / "b" / "last.ckpt")
    assert trainer.global_step == 8
    trainers.assert_same_weights(whole.state_dict(), resumed.state_dict())


def test_frozen_levels_and_the_encoders_batch_norm_stay(data, tmp_path):
    L.seed_everything(0, verbose=False)
    module, trainer = train(data, tmp_path, 1)
    L.seed_everything(0, verbose=False)
    before = Stage2(SMALL, weights="none", width=4, size=64, frozen_levels=4).state_dict()
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("icn.encoder.levels.4.") for name in changed)
    assert {"icn.cfm.0.second.0.weight", "icn.dfm.3.second.0.weight", "icn.logit.bias"} <= changed
    assert not any(name.startswith(f"icn.encoder.levels.{i}.") for i in range(4) for name in changed)
    assert not any(name.startswith("icn.encoder") and "running" in name for name in changed)
    assert {f"iou_{step}" for step in range(4)} <= set(trainer.callback_metrics)


def test_a_run_is_exported_and_read_back(data, tmp_path):
    module, _ = train(data, tmp_path / "run", 1, join="input")
    export(tmp_path / "run" / "last.ckpt", tmp_path / "out", "icn-saliency")
    own = {"backbone": SMALL, "classes": list(voc.CLASSES)}
    checkpoints.save_module(Classifier(**own), tmp_path / "out", "classifier", own)
    again = checkpoints.load(str(tmp_path / "out")).icns["icn-saliency"]
    assert again.options == load_icn(tmp_path / "run" / "last.ckpt").options
    written = checkpoints.read_safetensors(tmp_path / "out" / "icn-saliency.safetensors")
    for name, value in module.icn.state_dict().items():
        torch.testing.assert_close(written[name].float(), value.float(), atol=1e-2, rtol=1e-2)
    # What is read is folded, so it has other weights; it must say the same.
    image, hints = torch.rand(1, 3, 64, 64), torch.rand(1, 2, len(again.hints), 16, 16)
    with torch.no_grad():
        expected = module.icn.eval()(image, hints)
        torch.testing.assert_close(again(image, hints), expected, atol=1e-2, rtol=1e-2)


def test_the_loss_is_cross_entropy_plus_dice():
    logits = torch.full((1, 1, 2, 2), -20.0)
    logits[..., 0, :] = 20
    target = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert mask_loss(logits, target, 0.5) < 1e-6
    torch.testing.assert_close(mask_loss(logits, 1 - target, 0).item(), 20.0)
    torch.testing.assert_close(mask_loss(logits, 1 - target, 1).item(), 20.8)


def test_cells_that_nobody_knows_count_for_nothing_and_neighbours_for_more():
    logits, target = torch.randn(1, 2, 4, 4), (torch.rand(1, 2, 4, 4) > 0.5).float()
    weight = torch.ones_like(target)
    torch.testing.assert_close(mask_loss(logits, target, 1, weight), mask_loss(logits, target, 1))
    weight[..., :2] = 0
    other = logits.clone()
    other[..., :2] += 3
    torch.testing.assert_close(mask_loss(other, target, 1, weight), mask_loss(logits, target, 1, weight))
    torch.testing.assert_close(mask_loss(logits, target, 1, weight), mask_loss(logits[..., 2:], target[..., 2:], 1))
    weight[..., 2:] = torch.tensor([1.0, 3.0])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wanted = (entropy[..., 2].sum() + 3 * entropy[..., 3].sum()) / (4 * weight[0, 0, :, 2:].sum() / 2)
    torch.testing.assert_close(mask_loss(logits, target, 0, weight), wanted)
    assert mask_loss(logits, target, 1, weight * 0) <= 1  # a photo that teaches nothing does no harm


def test_a_network_that_wants_responses_says_so_where_there_are_none(data, tmp_path):
    module = Stage2(SMALL, weights="none", width=4, size=64, hints=("map", "response"))
    pairs = SaliencyPairs(
        str(data / "stage1.ckpt"), folders=(str(data / "masks"),), sizes=(64,), size=64, grid=16, batch_size=2,
        workers=0,
    )  # fmt: skip
    with pytest.raises(WsisError, match="responses true"):
        trainers.fit(module, pairs, tmp_path, 1)


def test_a_network_is_told_the_hints_that_it_knows():
    module = Stage2(SMALL, weights="none", width=4, size=64, hints=("map", "rivals"))
    every = torch.rand(2, 3, 5, 16, 16)
    batch = (torch.rand(2, 3, 64, 64), every, torch.rand(2, 3, 16, 16), torch.ones(2, 3, 16, 16))
    assert torch.equal(module._told(batch)[1], every[:, :, [0, 3]])


def test_a_few_steps_lower_the_loss(data):
    """Overfits two photos: the whole chain of encoder, fusions and mapping passes gradients."""
    torch.manual_seed(0)
    module = Stage2(SMALL, weights="none", width=8, size=64, dice=0.5)
    image, hints = torch.rand(2, 3, 64, 64), torch.rand(2, 2, 3, 16, 16)
    target = (torch.rand(2, 2, 2, 2) > 0.5).float().repeat_interleave(8, -1).repeat_interleave(8, -2)
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = mask_loss(module.icn(image, hints), target, 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in module.named_parameters() if "icn.cfm" in n)


def test_photos_are_balanced_over_the_classes():
    target = np.zeros((8, 3), np.float32)
    target[:5, 0] = 1
    target[5:7, 1] = 1
    target[7] = 1
    labels = ImageLabels(tuple(f"{i}.jpg" for i in range(8)), target, np.ones_like(target), ("a", "b", "c"))
    chosen = pseudo_labels.balanced(labels, 4)
    assert [int(target[i].argmax()) for i in chosen] == [0, 1, 0, 1]
    assert pseudo_labels.balanced(labels, 100) == [*chosen, 2, 3, 4]  # the photo of three classes is left out


@pytest.mark.parametrize("seed", [3, 7])
def test_pseudo_labels_follow_their_maps_and_agree_with_them(seed):
    made = scenes.scene(seed)
    naive = scene_maps(made)
    kept, labels = pseudo_labels.label(made.image, naive)
    assert len(kept.maps) == len(labels) == 3
    assert labels.shape[1:] == made.image.shape[:2]
    for found, true in zip(labels, made.masks, strict=True):
        assert (found & true).sum() / (found | true).sum() > 0.8
    assert len(pseudo_labels.label(made.image, naive, least_iou=1.0)[1]) == 0


def test_peaks_with_the_same_label_count_once():
    made = scenes.scene(3)
    naive = scene_maps(made)
    twice = NaiveMaps(*(np.concatenate([part, part]) for part in (naive.maps, naive.classes, naive.peaks)))
    assert len(pseudo_labels.label(made.image, twice)[1]) == len(pseudo_labels.label(made.image, naive)[1])


def test_labels_that_hold_several_peaks_of_their_class_are_groups():
    masks = np.zeros((2, 10, 20), bool)
    masks[0, :, :10], masks[1, :, 15:] = True, True
    peaks = np.array([[0.5, 0.25], [0.5, 0.9], [0.2, 0.1], [0.2, 0.8], [0.2, 0.6], [1.0, 0.9]], np.float32)
    classes = np.array([3, 4, 3, 3, 4, 3])  # a second 3 in the first label; in the second two of another class
    several = NaiveMaps(np.zeros((6, 4, 4), np.float32), classes, peaks)
    ours = NaiveMaps(several.maps[:2], classes[:2], peaks[:2])
    labelled = Pairs(Path("photo"), ours, masks, np.zeros((10, 20), bool), np.arange(2))
    assert pseudo_labels.grouped(labelled, several).tolist() == [True, False]
    assert pseudo_labels.grouped(labelled, ours).tolist() == [False, False]


def test_photos_with_groups_may_be_left_out(data, monkeypatch):
    options = {"voc_kit": str(data / "kit"), "splits": ("train",), "least_iou": 0.0, "sizes": (64,)}
    whole = pseudo_labels.PseudoPairs(str(data / "stage1.ckpt"), **options).examples()
    unlike = {photo.image: i % 2 == 0 for i, photo in enumerate(whole)}
    monkeypatch.setattr(pseudo_labels, "grouped", lambda pairs, _: np.array([False, unlike[pairs.image]]))
    lone = pseudo_labels.PseudoPairs(str(data / "stage1.ckpt"), **options, lone=True).examples()
    assert [photo.image for photo in lone] == [photo.image for photo in whole if not unlike[photo.image]]
    assert 0 < len(lone) < len(whole)


def test_pseudo_pairs_train_from_image_labels_alone(data):
    pairs = pseudo_labels.PseudoPairs(
        str(data / "stage1.ckpt"), voc_kit=str(data / "kit"), splits=("train",), least_iou=0.0,
        sizes=(64,), size=64, grid=16, maps_per_photo=2, batch_size=2, workers=0,
    )  # fmt: skip
    pairs.prepare_data()
    pairs.setup("fit")
    found = pairs.train_set.photos[0].pairs()
    assert found.masks.dtype == bool
    assert len(found.masks) == len(found.naive.maps) == len(found.target)
    image, hints, target, weight = next(iter(pairs.train_dataloader()))
    assert image.shape == (2, 3, 64, 64)
    assert hints.shape == (2, 2, 5, 16, 16)
    assert target.shape == weight.shape == (2, 2, 16, 16)
    with pytest.raises(WsisError, match="voc_kit, csv_folders or tables"):
        pseudo_labels.PseudoPairs(str(data / "stage1.ckpt")).examples()
