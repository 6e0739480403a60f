"""The contour network, colour edges, and the training targets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from train import data
from train.contours import InstanceBoundaries, boundaries, index_map
from wsis.proposals.contours import SIZE, ContourNet, colour_edges, predict

SMALL = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def net() -> ContourNet:
    torch.manual_seed(0)
    return ContourNet(SMALL).eval()


def halves(height: int = 120, width: int = 160) -> np.ndarray:
    photo = np.full((height, width, 3), (30, 80, 160), np.uint8)
    photo[:, width // 2 :] = (200, 160, 40)
    return photo


@pytest.mark.parametrize("size", [(120, 160), (97, 211), (16, 16)])
def test_predictions_have_the_photo_s_size_and_unit_range(net: ContourNet, size: tuple[int, int]) -> None:
    contours = predict(net, np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8), 128)
    assert contours.shape == size
    assert contours.dtype == np.float32
    assert contours.min() >= 0
    assert contours.max() <= 1


def test_a_model_looks_at_a_photo_with_its_own_size(net: ContourNet) -> None:
    torch.manual_seed(0)
    small = ContourNet(SMALL, size=128).eval()
    np.testing.assert_array_equal(predict(small, halves()), predict(net, halves(), 128))
    np.testing.assert_array_equal(predict(net, halves()), predict(net, halves(), SIZE))
    again = ContourNet(**small.options)
    assert (again.size, net.size) == (128, SIZE)
    assert "size" not in net.options  # as models of before are written


def test_the_backbone_stays_as_it_is_in_training(net: ContourNet) -> None:
    net = ContourNet(SMALL).train()
    before = {name: value.clone() for name, value in net.backbone.state_dict().items()}
    net(torch.rand(2, 3, 64, 64)).mean().backward()
    assert all(torch.equal(before[name], value) for name, value in net.backbone.state_dict().items())
    assert all(p.grad is None for p in net.backbone.parameters())
    assert all(p.grad is not None for name, p in net.named_parameters() if not name.startswith("backbone."))


def test_a_decoder_can_learn_a_contour() -> None:
    torch.manual_seed(0)
    net = ContourNet(SMALL).train()
    photo, index = halves(64, 64), np.zeros((64, 64), np.uint8)
    index[:, 32:] = 1
    target, weight = (torch.from_numpy(part)[None, None] for part in boundaries(index))
    pixels = torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.0 - 1
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 2e-2)
    for _ in range(15):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(pixels), target, 1 + 9 * weight * target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = torch.sigmoid(net(pixels))[0, 0].detach().numpy()
    assert found[:, 15:17].mean() > 3 * np.delete(found, range(12, 20), axis=1).mean()


def test_colour_edges_lie_on_the_edge() -> None:
    edges = colour_edges(halves())
    assert edges.dtype == np.float32
    assert edges[:, 79:81].min() > 0.9
    assert edges[:, :60].max() < 0.05
    assert colour_edges(np.full((20, 30, 3), 77, np.uint8)).max() == 0


def test_boundaries_lie_between_instances_and_never_against_void() -> None:
    index = np.zeros((12, 16), np.uint8)
    index[:, 4:8], index[:, 8:12], index[:, 12:] = 1, 2, 255
    target, weight = boundaries(index)
    assert target.shape == weight.shape == (6, 8)
    assert (target == np.array([0, 1, 1, 1, 1, 0, 0, 0], np.float32)).all()
    assert (weight == np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32)).all()


def test_windows_are_reproducible_and_aligned(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    index = np.zeros((90, 120), np.uint8)
    index[20:70, 30:80] = 1
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.repeat(index[..., None] * 200, 3, axis=2))
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), index)
    photos = InstanceBoundaries(data.mask_folder(tmp_path), size=96, zoom=(1.0, 1.7), seed=3)
    for draw in range(6):
        image, target, weight = photos[0, draw]
        assert image.shape == (3, 96, 96)
        assert target.shape == weight.shape == (1, 48, 48)
        gradient = cv2.morphologyEx(image[0].numpy(), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
        strength = gradient.reshape(48, 2, 48, 2).max(axis=(1, 3))
        assert strength[target[0].numpy() > 0].min() > 0.2
        assert torch.equal(image, photos[0, draw][0])
    assert not torch.equal(photos[0, 0][1], photos[0, 1][1])
    assert photos[0][2][0, 0].sum() == 0  # the whole photo in a square window leaves ignored bands


def test_index_map_of_rles_puts_small_instances_on_top() -> None:
    from pycocotools import mask as coco_mask

    small, large = np.zeros((2, 20, 20), np.uint8)
    small[5:9, 5:9], large[2:18, 2:18] = 1, 1
    rles = tuple(coco_mask.encode(np.asfortranarray(m)) for m in (small, large))
    index = index_map(data.InstanceMasks(Path("a.jpg"), rles=rles))
    assert (index[5:9, 5:9] == 1).all()
    assert (index == 2).sum() == 16 * 16 - 16


def test_colour_edges_are_measured_at_two_scales_against_the_98th_percentile() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    total = np.zeros((60, 80))
    for sigma in (1.0, 2.5):
        smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
        across, down = (cv2.Sobel(smooth, cv2.CV_32F, *way) for way in ((1, 0), (0, 1)))
        total += sigma * np.sqrt((across**2 + down**2).sum(2))
    expected = np.clip(total / np.percentile(total, 98), 0, 1)
    np.testing.assert_allclose(colour_edges(image), expected, atol=1e-5)
