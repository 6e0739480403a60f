"""Built-in proposals: they find objects, in little time, whatever the photo."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from wsis import image
from wsis.ground_truth import voc_ground_truth
from wsis.proposals import ProposalSet
from wsis.proposals import generate as generate_room
from wsis.proposals.contours import colour_edges
from wsis.proposals.generate import generate, superpixels


def scene(rng: np.random.Generator, height: int = 180, width: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Noisy discs, one of them in two colours, and their (3, H, W) masks."""
    y, x = np.mgrid[:height, :width]
    masks = np.stack([(y - b) ** 2 + (x - a) ** 2 < r * r for a, b, r in ((60, 60, 35), (170, 110, 45), (200, 30, 15))])
    photo = np.full((height, width, 3), (90, 140, 90), np.float64)
    for mask, colour in zip(masks, ((200, 40, 40), (40, 60, 190), (230, 220, 60)), strict=True):
        photo[mask] = colour
    photo[masks[1] & (y > 110)] = (60, 90, 120)
    return np.clip(photo + rng.normal(0, 8, photo.shape), 0, 255).astype(np.uint8), masks


def best_iou(proposals: ProposalSet, masks: np.ndarray) -> np.ndarray:
    shared = proposals.sums(masks) @ proposals.membership_f32.T
    return (shared / (proposals.areas + masks.sum((1, 2))[:, None] - shared)).max(axis=1)


def test_objects_are_among_the_first_proposals(rng: np.random.Generator) -> None:
    photo, masks = scene(rng)
    assert (best_iou(generate(photo, limit=100), masks) > 0.85).all()


def test_given_contours_decide_where_colour_says_nothing(rng: np.random.Generator) -> None:
    _, masks = scene(rng)
    grey = rng.integers(100, 140, (180, 240, 3)).astype(np.uint8)
    contours = colour_edges((masks.any(axis=0)[..., None] * 255).repeat(3, axis=2).astype(np.uint8))
    assert (best_iou(generate(grey, contours, limit=300), masks) > 0.7).all()
    assert (best_iou(generate(grey, limit=300), masks) < 0.7).any()


def test_proposals_are_distinct_and_limited(photo: np.ndarray) -> None:
    proposals = generate(photo, limit=700)
    assert len(proposals) == 700
    assert len(np.unique(proposals.membership, axis=0)) == 700
    assert (proposals.areas >= 0.0004 * photo[..., 0].size).all()
    assert (proposals.region_areas > 0).all()
    few = generate(photo, limit=50)
    assert (few.membership == proposals.membership[:50]).all()


def test_unions_of_neighbours_fill_what_the_trees_leave(rng: np.random.Generator) -> None:
    photo, _ = scene(rng)
    full = generate(photo, limit=3000, regions=60)
    assert 300 < len(full) <= 3000  # five trees of 60 regions have at most 355 nodes, many of them shared or tiny
    assert len(np.unique(full.membership, axis=0)) == len(full)


def test_the_same_photo_gives_the_same_proposals(photo: np.ndarray) -> None:
    first, second = generate(photo), generate(photo.copy())
    assert (first.labels == second.labels).all()
    assert (first.membership == second.membership).all()


@pytest.mark.parametrize("size", [(16, 16), (17, 400), (400, 17), (64, 64)])
@pytest.mark.parametrize("content", ["black", "noise", "halves"])
def test_any_photo_has_proposals(size: tuple[int, int], content: str, rng: np.random.Generator) -> None:
    photo = np.zeros((*size, 3), np.uint8)
    if content == "noise":
        photo = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    elif content == "halves":
        photo[:, size[1] // 2 :] = 255
    proposals = generate(photo, None if content != "black" else np.zeros(size, np.float32))
    assert len(proposals) >= 1
    assert proposals.size == size
    if content == "halves":
        assert best_iou(proposals, photo[None, ..., 0] > 0)[0] > 0.9


def test_superpixels_keep_to_contours(rng: np.random.Generator) -> None:
    photo, masks = scene(rng)
    labels = superpixels(photo, colour_edges(photo), 150)
    inside = np.bincount(labels.ravel(), masks[0].ravel()) / np.bincount(labels.ravel())
    assert labels.max() < 160
    assert np.minimum(inside, 1 - inside).mean() < 0.03


def test_wrong_arguments_say_what_was_expected(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\) uint8"):
        generate(photo / 255)
    with pytest.raises(ValueError, match="contours: expected"):
        generate(photo, np.zeros((5, 5), np.float32))


def test_a_work_image_takes_well_under_a_second(photo: np.ndarray) -> None:
    work = np.ascontiguousarray(np.pad(photo, ((0, 36), (0, 0), (0, 0)), mode="reflect")[:, :448])
    generate(work)
    start = time.process_time()
    generate(work)
    assert time.process_time() - start < 2  # 0.3 s on one thread; a loop over nodes or pixels takes far longer


@pytest.mark.realdata
def test_real_instances_are_covered(voc: Path) -> None:
    from train import data
    from train.evaluate import overlaps

    best = []
    for identity in data.voc_ids(voc, "val")[::40]:
        truth = voc_ground_truth(voc, identity)
        work = image.resized(image.read(voc / "JPEGImages" / f"{identity}.jpg"), 448)
        best += overlaps(generate(work).resized(truth.semantic.shape), truth).iou.max(axis=0).tolist()
    assert np.mean(best) > 0.55  # colour edges alone


def test_regions_are_described_by_means_over_their_pixels() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    labels = np.repeat(np.arange(4, dtype=np.int32), 300).reshape(30, 40)
    strength = rng.random((30, 40), np.float32)
    graph = generate_room._describe(image, labels, strength)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float64) / 100
    rows, columns = np.indices(labels.shape)
    for region in range(4):
        mine = labels == region
        np.testing.assert_allclose(graph.colour[region], lab[mine].mean(0), rtol=1e-5)
        np.testing.assert_allclose(graph.position[region] * 40, [rows[mine].mean(), columns[mine].mean()], rtol=1e-6)
        assert graph.areas[region] == mine.sum()
    np.testing.assert_allclose(graph.texture.std(0), 1, rtol=1e-4)


def test_the_spectrum_parts_what_strong_contours_part_and_has_a_column_an_eigenvector() -> None:
    labels = np.arange(144, dtype=np.int32).reshape(12, 12).repeat(5, 0).repeat(5, 1)
    strength = np.zeros((60, 60), np.float32)
    strength[:, 29:31] = 1
    graph = generate_room._describe(np.full((60, 60, 3), 90, np.uint8), labels, strength)
    spectrum = generate_room._spectrum(graph)
    assert spectrum.shape == (144, generate_room.EIGENVECTORS)
    left = np.tile(np.arange(12) < 6, 12)
    first = spectrum[:, 0]
    assert (np.sign(first[left]) == np.sign(first[0])).all()
    assert (np.sign(first[~left]) == -np.sign(first[0])).all()
    np.testing.assert_array_equal(spectrum, generate_room._spectrum(graph))
