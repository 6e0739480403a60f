from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch

from tests.helpers import trainers
from train import maps as naive_maps
from train import pseudo_labels, scenes
from train.data import ImageLabels, mask_folder
from train.icn import MaskedPhoto, PairedPhotos, SaliencyPairs, Stage2, export, load_icn, mask_loss, pair
from train.maps import NaiveMaps
from wsis import checkpoints
from wsis.classifier import Classifier, ClassMaps
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
    state = {f"classifier.{k}": v for k, v in Classifier(SMALL).state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": {"backbone": SMALL}}, root / "stage1.ckpt")
    return root


@pytest.fixture(autouse=True)
def caches(data, monkeypatch):
    monkeypatch.setattr(naive_maps, "CACHE", data / "cache" / "maps")
    monkeypatch.setattr(pseudo_labels, "CACHE", data / "cache" / "labels")


def scene_maps(made: scenes.Scene) -> NaiveMaps:
    """A map and a peak for every instance of a scene, as from a perfect classifier on a coarse grid."""
    coarse = np.stack([m.reshape(24, 4, 32, 4).mean((1, 3)) for m in made.masks]).astype(np.float32)
    peaks = np.stack([(np.argwhere(m)[m.sum() // 2] + 0.5) / m.shape for m in made.masks]).astype(np.float32)
    return NaiveMaps(coarse, made.categories, peaks)


def test_maps_are_paired_with_their_instances():
    made = scenes.scene(0)
    assert pair(scene_maps(made), made.masks).tolist() == list(range(len(made.masks)))


def test_peaks_that_share_a_class_map_are_told_apart_by_their_place():
    made = scenes.scene(0)
    own = scene_maps(made)
    shared = NaiveMaps(np.repeat(own.maps.max(0, keepdims=True), len(own.maps), 0), own.classes, own.peaks)
    assert pair(shared, made.masks).tolist() == list(range(len(made.masks)))


def test_a_map_of_the_background_has_no_pair():
    masks = np.zeros((1, 40, 40), bool)
    masks[0, :12, :12] = True
    maps = np.zeros((2, 10, 10), np.float32)
    maps[0, 6:, 6:] = 1
    maps[1, :3, :3] = 1
    peaks = np.array([[0.9, 0.9], [0.35, 0.35]], np.float32)  # the second lies beside the mask that its map covers
    assert pair(NaiveMaps(maps, np.zeros(2, np.int64), peaks), masks).tolist() == [-1, 0]
    assert pair(NaiveMaps(maps, np.zeros(2, np.int64), peaks), masks[:0]).tolist() == [-1, -1]


@pytest.mark.parametrize("made", [0.0, 1.0])
def test_items_point_at_their_targets(tmp_path, made):
    """Where the hint is strong, the target is more often set than elsewhere."""
    scenes.write_masks(tmp_path, 6)
    photos = []
    for number, item in enumerate(mask_folder(tmp_path)):
        file = tmp_path / f"{number}.npz"
        own = scene_maps(scenes.scene(number))
        logits = np.full((20, 24, 32), -1, np.float32)
        for c in set(own.classes.tolist()):
            logits[c] = own.maps[own.classes == c].max(0)
        scores = np.isin(np.arange(20), own.classes).astype(np.float32)
        naive_maps.save(ClassMaps(logits, scores, tuple(map(str, range(20)))), file)
        photos.append(MaskedPhoto(item, file))
    items = PairedPhotos(photos, size=64, grid=16, count=2, made=made, seed=0)
    gaps, at_peak = [], []
    for draw in range(60):
        image, hints, target = items[draw % 6, draw]
        assert image.shape == (3, 64, 64) and hints.shape == (2, 3, 16, 16) and target.shape == (2, 16, 16)
        for values in (image, hints, target):
            assert values.dtype == torch.float32 and values.min() >= 0 and values.max() <= 1
        for hint, wanted in zip(hints, target, strict=True):
            gaps.append((hint[0][wanted > 0.5].mean() - hint[0][wanted < 0.5].mean()).nan_to_num().item())
            at_peak.append(wanted.flatten()[hint[2].flatten().argmax()].item())
    assert np.mean(gaps) > 0.2
    assert np.mean(at_peak) > 0.7
    assert all(torch.equal(a, b) for a, b in zip(items[2, 9], items[2, 9], strict=True))
    assert not torch.equal(items[2, 9][0], items[2, 10][0])


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
    assert naive.maps.min() >= 0 and naive.maps.max() <= 1 and ((naive.peaks > 0) & (naive.peaks < 1)).all()


def test_a_missing_or_foreign_checkpoint_is_named(tmp_path):
    with pytest.raises(WsisError, match="No classifier found"):
        naive_maps.fingerprint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(WsisError, match=r"text\.ckpt"):
        naive_maps.load_classifier(tmp_path / "text.ckpt")


def train(data, folder, epochs, *, stop=None, resume=None, join="decoder"):
    """Train to `stop` of `epochs` epochs; the schedule is that of the whole run."""
    L.seed_everything(0, verbose=False)
    grid = 16 if join == "decoder" else 64
    module = Stage2(
        SMALL, weights="none", join=join, width=4, size=64, frozen_levels=4 if join == "decoder" else 0,
        schedule="one-cycle", dice=0.5, feed_back=(0.5, 0.6),
    )  # fmt: skip
    pairs = SaliencyPairs(
        str(data / "stage1.ckpt"), folders=(str(data / "masks"),), sizes=(64,), size=64, grid=grid,
        maps_per_photo=2, batch_size=2, per_epoch=4, held_out=1, workers=0,
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
    classifier = Classifier(SMALL)
    checkpoints.save_module(classifier, tmp_path / "out", "classifier", {"backbone": SMALL})
    again = checkpoints.load(str(tmp_path / "out")).icns["icn-saliency"]
    assert again.options == load_icn(tmp_path / "run" / "last.ckpt").options
    for name, value in module.icn.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name].float(), value.float(), atol=1e-2, rtol=1e-2)


def test_the_loss_is_cross_entropy_plus_dice():
    logits = torch.full((1, 1, 2, 2), -20.0)
    logits[..., 0, :] = 20
    target = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert mask_loss(logits, target, 0.5) < 1e-6
    torch.testing.assert_close(mask_loss(logits, 1 - target, 0).item(), 20.0)
    torch.testing.assert_close(mask_loss(logits, 1 - target, 1).item(), 20.8)


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
    labels = ImageLabels(tuple(f"{i}.jpg" for i in range(8)), target, np.ones_like(target))
    chosen = pseudo_labels.balanced(labels, 4)
    assert [int(target[i].argmax()) for i in chosen] == [0, 1, 0, 1]
    assert pseudo_labels.balanced(labels, 100) == [*chosen, 2, 3, 4]  # the photo of three classes is left out


@pytest.mark.parametrize("seed", [3, 7])
def test_pseudo_labels_follow_their_maps_and_agree_with_them(seed):
    made = scenes.scene(seed)
    naive = scene_maps(made)
    kept, labels = pseudo_labels.label(made.image, naive)
    assert len(kept.maps) == len(labels) == 3 and labels.shape[1:] == made.image.shape[:2]
    for found, true in zip(labels, made.masks, strict=True):
        assert (found & true).sum() / (found | true).sum() > 0.8
    assert len(pseudo_labels.label(made.image, naive, least_iou=1.0)[1]) == 0


def test_peaks_with_the_same_label_count_once():
    made = scenes.scene(3)
    naive = scene_maps(made)
    twice = NaiveMaps(*(np.concatenate([part, part]) for part in (naive.maps, naive.classes, naive.peaks)))
    assert len(pseudo_labels.label(made.image, twice)[1]) == len(pseudo_labels.label(made.image, naive)[1])


def test_pseudo_pairs_train_from_image_labels_alone(data):
    pairs = pseudo_labels.PseudoPairs(
        str(data / "stage1.ckpt"), voc_kit=str(data / "kit"), splits=("train",), least_iou=0.0,
        sizes=(64,), size=64, grid=16, maps_per_photo=2, batch_size=2, workers=0,
    )  # fmt: skip
    pairs.prepare_data()
    pairs.setup("fit")
    found = pairs.train_set.photos[0].pairs()
    assert found.masks.dtype == bool and len(found.masks) == len(found.naive.maps) == len(found.target)
    image, hints, target = next(iter(pairs.train_dataloader()))
    assert image.shape == (2, 3, 64, 64) and hints.shape == (2, 2, 3, 16, 16) and target.shape == (2, 2, 16, 16)
    with pytest.raises(WsisError, match="voc_kit or csv_folders"):
        pseudo_labels.PseudoPairs(str(data / "stage1.ckpt")).examples()
