"""Eq. 5 in every reading against loops over single pixels, and the rules built on it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from wsis import matching
from wsis.errors import WsisError
from wsis.matching import PRESETS, PUBLISHED, READINGS, Weights
from wsis.proposals import ProposalSet, from_masks
from wsis.proposals.proposal_set import rank_scores

SIZE = (24, 31)
PIXEL_READINGS = [reading for reading in READINGS if reading != "prm-2018"]


def random_masks(seed: int, count: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, *SIZE), bool)
    for mask in masks:
        y, x = rng.integers(0, SIZE[0]), rng.integers(0, SIZE[1])
        mask[y : y + rng.integers(1, 14), x : x + rng.integers(1, 14)] = True
    masks[0] = True  # the whole image
    return masks


def random_maps(seed: int, count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    maps = [np.exp(-((y - rng.uniform(0, 24)) ** 2 + (x - rng.uniform(0, 31)) ** 2) / 60) for _ in range(count)]
    return (np.stack(maps) + rng.uniform(0, 0.05, (count, *SIZE))).astype(np.float32)


def pixel_terms(map_: np.ndarray, class_map: np.ndarray, mask: np.ndarray, reading: str) -> tuple[float, float, float]:
    """Eq. 5 for one map and one proposal, pixel by pixel."""
    low, high = float(map_.min()), float(map_.max())
    cut = float(matching.thresholded(map_[None])[1][0])
    V = (map_ - low) / (high - low) > cut
    height, width = map_.shape
    band = max(1.0, 0.02 * (height * width) ** 0.5)
    distance = distance_transform_edt(V)
    area = mass = both = edge = edge_in = outside = 0
    response = contour = behind = 0.0
    total, level = float(map_.astype(np.float64).sum()), 0.95 * class_map.mean()
    smooth = np.pad(map_.astype(np.float64), 2, mode="reflect")
    for y, x in itertools.product(range(height), range(width)):
        inside, hot = bool(mask[y, x]), bool(V[y, x])
        on_edge = hot and distance[y, x] <= band
        area += inside
        mass += hot
        both += inside and hot
        edge += on_edge
        edge_in += inside and on_edge
        outside += inside and not hot
        response += inside * float(map_[y, x]) / total
        behind += inside and bool(class_map[y, x] < level)
        for v, u in ((y + 1, x), (y, x + 1)):
            if v < height and u < width and mask[v, u] != mask[y, x]:
                boxes = smooth[y : y + 5, x : x + 5].mean() + smooth[v : v + 5, u : u + 5].mean()
                contour += 5 / 2 * boxes / total
    precision, recall, coverage = both / area, both / mass, edge_in / edge
    return {
        "cover": (precision, coverage, recall),
        "no-rebalance": (recall, coverage, recall),
        "penalty": (precision, coverage, -outside / mass),
        "literal": (precision, edge_in, -outside),
        "prm-2018": (response, contour, -behind),
        "iou": (both / (area + mass - both), 0, 0),
    }[reading]


@pytest.mark.parametrize("reading", READINGS)
def test_terms_equal_a_loop_over_pixels(reading):
    masks, maps, class_maps = random_masks(0), random_maps(1), random_maps(2)
    found = matching.terms(maps, from_masks(masks), reading, class_maps=class_maps)
    assert found.shape == (3, 8, 3)
    assert found.dtype == np.float32
    for k, n in itertools.product(range(3), range(8)):
        expected = pixel_terms(maps[k], class_maps[k], masks[n], reading)
        np.testing.assert_allclose(found[k, n], expected, rtol=1e-5, atol=1e-6, err_msg=f"{k}, {n}")


@pytest.mark.parametrize("reading", PIXEL_READINGS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999))
def test_regions_and_masks_agree_exactly(reading, seed):
    masks, maps = random_masks(seed, 12), random_maps(seed + 1)
    # One region per pixel: nothing is left to the partition.
    pixels = np.arange(masks[0].size, dtype=np.int32).reshape(SIZE)
    by_mask = ProposalSet(pixels, masks.reshape(len(masks), -1), rank_scores(len(masks)), "test")
    by_region = from_masks(masks)
    first, second = (matching.terms(maps, proposals, reading) for proposals in (by_mask, by_region))
    assert (first == second).all()
    for weights in (PUBLISHED, Weights(1, 0.5, 0.25)):
        assert (matching.total(first, weights) == matching.total(second, weights)).all()


@pytest.mark.parametrize("name", PRESETS)
def test_total_is_the_weighted_sum(name):
    preset = PRESETS[name]
    maps, proposals = random_maps(3), from_masks(random_masks(4))
    terms = matching.terms(maps, proposals, preset.reading, class_maps=maps)
    weights = preset.weights
    expected = weights.alpha * terms[..., 0] + weights.beta * terms[..., 1] + weights.gamma * terms[..., 2]
    np.testing.assert_allclose(matching.total(terms, weights), expected, rtol=1e-5)
    assert preset.title
    assert preset.note


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[top:bottom, left:right] = True
    return mask


SQUARE = rectangle(20, 40, 30, 50)


@pytest.mark.parametrize("name", ["paper", "penalty", "iou", "literal", "prm-2018"])
def test_the_object_itself_beats_too_much_and_too_little(name):
    # Each sign and each divisor is needed for this: without one, the half, the far or the whole wins.
    masks = np.stack([rectangle(0, 60, 0, 80), rectangle(20, 40, 30, 40), SQUARE, rectangle(0, 15, 0, 15)])
    map_ = SQUARE.astype(np.float32)[None]
    preset = PRESETS[name]
    # Published for real class maps; here the penalty must weigh on 4,400 pixels.
    weights = Weights(0.8, 1.0, 1e-3) if name == "prm-2018" else preset.weights
    terms = matching.terms(map_, from_masks(masks), preset.reading, class_maps=map_)[0]
    assert matching.rank(terms, weights, 1).tolist() == [2]


def test_no_rebalance_cannot_refuse_the_whole_image():
    masks = np.stack([rectangle(0, 60, 0, 80), SQUARE])
    terms = matching.terms(SQUARE.astype(np.float32)[None], from_masks(masks), "no-rebalance")[0]
    assert terms.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_contour_band_lies_inside_and_not_at_the_frame():
    V = np.stack([rectangle(10, 50, 20, 60), rectangle(0, 30, 0, 30), rectangle(0, 60, 0, 80), rectangle(0, 0, 0, 0)])
    bands = matching.contour_bands(V)  # 2% of sqrt(60 x 80) is 1.39 px: one pixel and no diagonal
    ring = rectangle(10, 50, 20, 60) & ~rectangle(11, 49, 21, 59)
    assert (bands[0] == ring).all()
    assert (bands[1] == (rectangle(0, 30, 0, 30) & ~rectangle(0, 29, 0, 29))).all()
    assert not bands[2:].any()


def test_contour_band_width_follows_the_image():
    y, x = np.mgrid[:300, :400]
    V = (y - 140) ** 2 + (x - 190) ** 2 < 100**2
    band = matching.contour_bands(V[None])[0]
    distance = distance_transform_edt(V)
    limit = 0.02 * (300 * 400) ** 0.5
    assert band[V & (distance < limit - 0.25)].all()
    assert not band[~V | (distance > limit + 0.25)].any()


def test_binary_maps_are_cut_by_otsu_within_limits():
    map_ = np.zeros((4, 40, 40), np.float32)
    map_[0, 10:20, 10:20] = 0.3
    map_[0, 12:16, 12:16] = 0.5  # normalised: 0, 0.6 and 1
    map_[1, :] = np.where(np.arange(40) < 20, 0.95, 1.0)  # shift and scale do not matter
    map_[2, :, :30], map_[2, :, 30:] = 0.9, 1.0
    map_[2, 0, 0] = 0  # nearly everything bright: Otsu's threshold is above the limit
    map_[3] = 0.5
    cuts = matching.thresholded(map_)[1]
    binary = matching.binarise(map_)
    assert ((cuts >= np.float32(0.15)) & (cuts <= np.float32(0.6))).all()
    assert (binary[0] == (map_[0] > 0)).all()
    assert (binary[1] == (map_[1] == 1)).all()
    assert cuts[2] == np.float32(0.6)
    assert not binary[3].any()
    np.testing.assert_array_equal(matching.binarise(7 * map_ + 3), binary)


def test_an_empty_binary_map_scores_nothing():
    masks, constant = random_masks(5), np.full((1, *SIZE), 0.5, np.float32)
    for reading in ("cover", "no-rebalance", "penalty", "iou"):
        assert (matching.terms(constant, from_masks(masks), reading) == 0).all(), reading
    none = matching.terms(np.zeros((0, *SIZE), np.float32), from_masks(masks))
    assert none.shape == (0, 8, 3)


def test_iou_is_that_of_the_pixels():
    masks, binary = random_masks(6), matching.binarise(random_maps(7))
    found = matching.iou(binary, from_masks(masks))
    for k, n in itertools.product(range(3), range(8)):
        expected = (binary[k] & masks[n]).sum() / (binary[k] | masks[n]).sum()
        assert found[k, n] == pytest.approx(expected, rel=1e-6)


TRIPLES = arrays(
    np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.sampled_from([-1.0, 0, 0.25, 0.5, 1])
)


@settings(max_examples=200, deadline=None)
@given(TRIPLES)
def test_pareto_front_is_what_nothing_dominates(terms):
    expected = []
    for i, one in enumerate(terms):
        at_least = (terms >= one).all(1)
        better = at_least & (terms > one).any(1)
        twin = at_least & ~better & (np.arange(len(terms)) < i)
        if not (better | twin).any():
            expected.append(i)
    assert matching.pareto(terms).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(TRIPLES, st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])] * 3))
def test_the_winner_is_on_the_front_for_any_weights(terms, weights):
    winner = matching.rank(terms, Weights(*weights), 1)[0]
    assert winner in matching.pareto(terms)
    assert matching.total(terms, Weights(*weights))[winner] == matching.total(terms, Weights(*weights)).max()


@settings(max_examples=60, deadline=None)
@given(TRIPLES, st.integers(0, 50))
def test_rank_is_the_top_of_the_full_ranking(terms, count):
    full = matching.rank(terms, PUBLISHED)
    assert sorted(full.tolist()) == list(range(len(terms)))
    assert (np.diff(matching.total(terms, PUBLISHED)[full]) <= 0).all()
    assert matching.rank(terms, PUBLISHED, count).tolist() == full[:count].tolist()


class TestPseudoLabel:
    """Walk down the ranking; take a proposal unless a selected one contains it; stop at k; unite."""

    V = rectangle(20, 40, 20, 60)
    MASKS = np.stack(
        [
            V,  # 0: best
            rectangle(20, 40, 20, 44),  # inside 0: skipped
            rectangle(18, 42, 18, 62),  # around 0: not inside it, taken
            rectangle(19, 41, 19, 61),  # around 0, inside 2: skipped if 2 stands before it
            rectangle(20, 40, 50, 79),  # sticks out of all: taken
            rectangle(0, 10, 0, 10),  # elsewhere, the worst
        ]
    )

    def chosen(self, masks: np.ndarray, k: int = 3, weights: Weights = PUBLISHED) -> list[int]:
        return matching.pseudo_label_indices(self.V.astype(np.float32), from_masks(masks), weights, k).tolist()

    def test_contained_proposals_are_skipped(self):
        masks = self.MASKS[[0, 1, 2, 4, 5]]
        assert self.chosen(masks) == [0, 2, 3]
        label = matching.pseudo_label(self.V.astype(np.float32), from_masks(masks))
        assert (label == (masks[0] | masks[2] | masks[3])).all()

    def test_what_contains_a_selected_one_is_taken(self):
        assert self.chosen(self.MASKS[[0, 3, 2]]) == [0, 1, 2]

    def test_the_order_of_the_ranking_counts(self):
        # Recall alone ranks 0, 2, 3 level; of equal scores the greater sum of terms goes first: 0, then 3, then 2.
        assert self.chosen(self.MASKS[[2, 3, 0]], weights=Weights(0, 0, 1)) == [2, 1, 0]

    def test_k_limits_and_doubles_do_not_count(self):
        assert self.chosen(self.MASKS, k=1) == [0]
        assert self.chosen(self.MASKS[[0, 0, 1, 1]]) == [0]


def test_wrong_arguments_are_refused():
    proposals, maps = from_masks(random_masks(0)), random_maps(0)
    with pytest.raises(ValueError, match="expected \\(K, 24, 31\\)"):
        matching.terms(maps[:, :5], proposals)
    with pytest.raises(ValueError, match="class_maps: the reading prm-2018 expects"):
        matching.terms(maps, proposals, "prm-2018")
    with pytest.raises(ValueError, match="float32"):
        matching.terms(maps.astype(np.float64), proposals)
    with pytest.raises(WsisError, match="Unknown reading 'best'"):
        matching.terms(maps, proposals, "best")
    with pytest.raises(WsisError, match="weight beta must be"):
        Weights(1, -0.1, 0)
    with pytest.raises(WsisError, match="weight gamma must be"):
        Weights(1, 0, float("nan"))


@settings(max_examples=100, deadline=None)
@given(TRIPLES, st.integers(1, 6), st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])] * 3))
def test_the_best_few_are_in_the_skyband_for_any_weights(terms, depth, weights):
    band = set(matching.skyband(terms, depth).tolist())
    assert set(matching.rank(terms, Weights(*weights), depth).tolist()) <= band
    assert set(matching.pareto(terms).tolist()) <= band


@pytest.mark.parametrize(("scale", "weights"), [(1, PUBLISHED), (1e5, Weights(0.3, 1e-5, 1.1))])
def test_a_score_is_three_products_and_two_sums_in_double_precision(scale, weights):
    terms = (scale * np.random.default_rng(0).random((500, 3))).astype(np.float32)
    expected = [a * weights.alpha + b * weights.beta + c * weights.gamma for a, b, c in terms.tolist()]
    assert matching.total(terms, weights).tolist() == expected  # to the bit


@pytest.mark.parametrize("reading", READINGS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 9999))
def test_terms_equal_a_loop_over_pixels_for_any_masks(reading, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((3, *SIZE)) < rng.random((3, 1, 1))
    masks[:, 0, 0] = True
    maps, class_maps = random_maps(seed, 1), random_maps(seed + 1, 1)
    found = matching.terms(maps, from_masks(masks), reading, class_maps=class_maps)
    for n, mask in enumerate(masks):
        expected = pixel_terms(maps[0], class_maps[0], mask, reading)
        np.testing.assert_allclose(found[0, n], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reading", READINGS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 9999))
def test_order_and_flips_change_no_term(reading, seed):
    masks, maps, class_maps = random_masks(seed), random_maps(seed), random_maps(seed + 1)
    found = matching.terms(maps, from_masks(masks), reading, class_maps=class_maps)
    by_proposal, by_peak = np.random.default_rng(seed).permutation(8), np.random.default_rng(seed).permutation(3)
    mixed = matching.terms(maps[by_peak], from_masks(masks[by_proposal]), reading, class_maps=class_maps[by_peak])
    np.testing.assert_allclose(mixed, found[by_peak][:, by_proposal], rtol=1e-5, atol=1e-6)
    for axis in (1, 2):
        turned = [np.ascontiguousarray(np.flip(values, axis)) for values in (maps, masks, class_maps)]
        flipped = matching.terms(turned[0], from_masks(turned[1]), reading, class_maps=turned[2])
        np.testing.assert_allclose(flipped, found, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(TRIPLES, st.tuples(*[st.floats(0, 1e3)] * 3), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaling_all_weights_keeps_the_ranking(terms, weights, factor):
    scaled = Weights(*(factor * weight for weight in weights))
    first, second = (matching.rank(terms, one) for one in (Weights(*weights), scaled))
    assert first.tolist() == second.tolist()


@settings(max_examples=60, deadline=None)
@given(st.floats() | st.integers())
def test_a_weight_is_in_its_range_or_refused(value):
    if 0 <= value <= matching.MOST_WEIGHT:
        Weights(1, value, 0)
    else:
        with pytest.raises(WsisError):
            Weights(1, value, 0)


@pytest.mark.parametrize("weights", [(1e308, 0, 1e308), (1e308, 1e308, 1e308), (1e13, 1, 1)])
def test_weights_whose_sums_would_overflow_are_refused(weights):
    with pytest.raises(WsisError, match="finite number from 0 to"):
        Weights(*weights)


def test_a_pseudo_label_follows_the_reading_it_is_given():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(6, dtype=np.int32), 20).reshape(6, 20)
    membership = rng.random((12, 6)) < 0.5
    membership[~membership.any(1), 0] = True
    proposals = ProposalSet(labels, membership, np.linspace(1, 0.1, 12, dtype=np.float32), "made")
    map_ = rng.random((6, 20), np.float32)
    tops = set()
    for reading in ("cover", "iou", "literal"):
        first = matching.rank(matching.terms(map_[None], proposals, reading)[0], PUBLISHED, 1)[0]
        assert matching.pseudo_label_indices(map_, proposals, k=1, reading=reading)[0] == first
        tops.add(int(first))
    assert len(tops) > 1
