from __future__ import annotations

import gc
import weakref
from functools import partial

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from wsis.backbone import Backbone, evaluating
from wsis.errors import WsisError
from wsis.icn import ICN, Fuse, LastPhoto, enhance, gaussians, normalised, prepare

SMALL = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def small() -> ICN:
    torch.manual_seed(0)
    return ICN(SMALL, width=8, size=64).eval()


def inputs(count: int = 3):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    maps = rng.random((count, 48, 64), np.float32) * 7 - 2
    return image, maps, rng.random((count, 3, 4), np.float32), rng.random((count, 2), np.float32)


@pytest.mark.parametrize("options", [{}, {"fusion": False}, {"use_map": False}, {"fusion": False, "use_map": False}])
@pytest.mark.parametrize("join", ["decoder", "input"])
def test_every_switch_gives_one_logit_map_a_hint(join, options):
    icn = ICN(SMALL, join=join, width=8, size=64, **options).eval()
    logits = icn(torch.rand(2, 3, 64, 96), torch.rand(2, 3, 3, 16, 24))
    assert logits.shape == ((2, 3, 16, 24) if join == "decoder" else (2, 3, 64, 96))
    assert torch.isfinite(logits).all()


def test_vgg16_with_the_map_as_a_fourth_channel_works_at_input_size():
    icn = ICN("vgg16", join="input", width=8, size=64).eval()
    assert icn.encoder.levels[0][0].weight.shape == (64, 4, 3, 3)
    with torch.no_grad():
        assert icn(torch.rand(1, 3, 64, 64), torch.rand(1, 1, 3, 64, 64)).shape == (1, 1, 64, 64)


def test_without_the_map_hints_change_nothing_and_with_it_they_do(small):
    image, one, two = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 3, 16, 16), torch.rand(1, 1, 3, 16, 16)
    blind = ICN(SMALL, width=8, size=64, use_map=False).eval()
    assert torch.equal(blind(image, one), blind(image, two))
    assert not torch.allclose(small(image, one), small(image, two))


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_map_class_map_and_peak_all_count(small, channel):
    image, hints = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 3, 16, 16)
    other = hints.clone()
    other[:, :, channel] = 1 - other[:, :, channel]
    assert not torch.allclose(small(image, hints), small(image, other))


@pytest.mark.parametrize("join", ["decoder", "input"])
def test_maps_of_a_batch_do_not_touch_each_other(join):
    icn = ICN(SMALL, join=join, width=8, size=64).eval()
    image, hints = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 3, 16, 16)
    with torch.no_grad():
        together = icn(image, hints)
        for b in range(2):
            for m in range(3):
                alone = icn(image[b : b + 1], hints[b : b + 1, m : m + 1])
                torch.testing.assert_close(together[b, m], alone[0, 0], atol=1e-5, rtol=1e-4)


def test_fuse_is_a_convolution_of_the_concatenation():
    torch.manual_seed(0)
    fuse = Fuse((4, 5, 3), 6).eval()
    shared, other, own = torch.rand(2, 4, 8, 8), torch.rand(2, 5, 8, 8), torch.rand(6, 3, 8, 8)
    whole = torch.cat([shared.repeat_interleave(3, 0), other.repeat_interleave(3, 0), own], 1)
    weight = torch.cat([conv.weight for conv in fuse.first], 1)
    expected = fuse.second(F.relu(fuse.norm(F.conv2d(whole, weight, padding=1))))
    torch.testing.assert_close(fuse(shared, other, own), expected)


def test_given_features_equal_own_ones(small):
    image, hints = torch.rand(1, 3, 64, 64), torch.rand(1, 2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(small(image, hints), small(image, hints, small.encode(image)))


def test_a_new_channel_starts_without_effect():
    icn = ICN(SMALL, join="input", width=8, size=64).eval()
    source = Backbone(SMALL)
    icn.load_encoder(source)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad(), evaluating(source):
        for own, given in zip(icn.encoder(torch.cat([image, torch.rand(1, 1, 64, 64)], 1)), source(image), strict=True):
            torch.testing.assert_close(own, given, atol=1e-4, rtol=1e-4)


def test_enhance_returns_every_step_normalised(small):
    image, maps, own, peaks = inputs()
    steps = enhance(small, image, maps, own, peaks, 3)
    assert steps.shape == (4, 3, 16, 16)
    assert steps.dtype == np.float32
    assert steps.min() == 0
    assert steps.max() == 1
    np.testing.assert_allclose(steps.min((2, 3)), 0)
    np.testing.assert_allclose(steps.max((2, 3)), 1)


def test_enhance_ignores_range_and_chunks(small):
    image, maps, own, peaks = inputs(5)
    one = enhance(small, image, maps, own, peaks, 2)
    np.testing.assert_allclose(one, enhance(small, image, maps * 100 + 7, own * 3, peaks, 2), atol=1e-4)
    np.testing.assert_allclose(one, enhance(small, image, maps, own, peaks, 2, chunk=2), atol=1e-4)


def test_a_photo_is_encoded_once_while_it_is_the_last(small, monkeypatch):
    image, maps, own, peaks = inputs()
    other, encoded, encode, last = image[::-1].copy(), [], ICN.encode, LastPhoto()
    monkeypatch.setattr(ICN, "encode", lambda icn, pixels: encoded.append(icn) or encode(icn, pixels))
    second = ICN(SMALL, width=8, size=64).eval()
    for photo, net, times in ((image, small, 1), (image, small, 1), (image, second, 2), (image, small, 2),
                              (other, small, 3), (image, small, 4), (image.copy(), small, 5)):  # fmt: skip
        found = enhance(net, photo, maps, own, peaks, 2, encode=partial(last.encode, net, photo))
        assert len(encoded) == times
        before = len(encoded)
        np.testing.assert_array_equal(found, enhance(net, photo, maps, own, peaks, 2))
        del encoded[before:]


def test_the_last_photo_is_not_kept_alive(small):
    image, maps, own, peaks = inputs()
    last, gone = LastPhoto(), weakref.ref(image)
    enhance(small, image, maps, own, peaks, 1, encode=partial(last.encode, small, image))
    del image
    gc.collect()
    assert gone() is None


def test_half_precision_changes_little(small, monkeypatch):
    """What a GPU does; a processor has only bfloat16 for it, which is coarser."""
    image, maps, own, peaks = inputs(3)
    whole = enhance(small, image, maps, own, peaks, 2)
    monkeypatch.setattr("wsis.icn.HALF", {"cpu": torch.bfloat16})
    half = enhance(small, image, maps, own, peaks, 2)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).mean() < 0.02


def test_later_steps_take_the_output_of_earlier_ones(small):
    image, maps, own, peaks = inputs(1)
    steps = enhance(small, image, maps, own, peaks, 2)
    again = enhance(small, image, steps[1], own, peaks, 1)
    np.testing.assert_allclose(steps[2], again[1], atol=1e-4)


def test_enhance_of_nothing_and_of_no_steps(small):
    image, maps, own, peaks = inputs(2)
    assert enhance(small, image, maps[:0], own[:0], peaks[:0], 3).shape == (4, 0, 16, 16)
    assert enhance(small, image, maps, own, peaks, 0).shape == (1, 2, 16, 16)
    flat = enhance(small, image, np.zeros_like(maps), np.zeros_like(own), peaks, 1)
    assert (flat[0] == 0).all()
    assert np.isfinite(flat).all()


def test_enhance_asks_for_one_class_map_and_peak_a_map(small):
    image, maps, own, peaks = inputs(2)
    with pytest.raises(ValueError, match="got 2, 2, 1"):
        enhance(small, image, maps, own, peaks[:1])


def test_options_rebuild_the_network(small):
    again = ICN(**small.options)
    again.load_state_dict(small.state_dict())
    image, maps, own, peaks = inputs(1)
    np.testing.assert_array_equal(
        enhance(small, image, maps, own, peaks), enhance(again.eval(), image, maps, own, peaks)
    )


def test_an_unknown_join_is_refused():
    with pytest.raises(WsisError, match="decoder, input"):
        ICN(SMALL, join="middle")


def test_peak_maps_are_highest_at_the_peak():
    maps = gaussians(torch.tensor([[0.26, 0.51], [0.9, 0.1]]), (20, 40))
    assert maps.shape == (2, 20, 40)
    assert np.unravel_index(int(maps[0].argmax()), (20, 40)) == (5, 20)
    assert np.unravel_index(int(maps[1].argmax()), (20, 40)) in {(17, 3), (17, 4), (18, 3), (18, 4)}


def test_normalised_turns_a_constant_into_zero():
    maps = normalised(torch.stack([torch.full((2, 2), 3.0), torch.tensor([[1.0, 2.0], [3.0, 5.0]])]))
    assert maps[0].eq(0).all()
    torch.testing.assert_close(maps[1], torch.tensor([[0, 0.25], [0.5, 1]]))


@pytest.mark.parametrize(
    ("shape", "expected"), [((300, 400), (192, 256)), ((20, 500), (64, 256)), ((64, 64), (256, 256))]
)
def test_prepare_rounds_sides_to_multiples_of_32(shape, expected):
    pixels = prepare(np.full((*shape, 3), 255, np.uint8), 256)
    assert pixels.shape == (1, 3, *expected)
    assert pixels.min() == pixels.max() == 1


def test_a_fusion_starts_as_one_layer_of_all_its_parts():
    torch.manual_seed(0)
    weights = torch.cat([conv.weight.flatten() for conv in Fuse((8, 8, 3), 32).first]).detach()
    bound = (6 / (9 * 19)) ** 0.5
    assert weights.abs().max() <= bound
    assert abs(float(weights.mean())) < 0.01 * bound * 5
    assert abs(float(weights.std()) - bound / 3**0.5) < 0.02 * bound


def test_the_detail_path_starts_from_the_shallowest_level(small):
    features = [torch.rand(1, c, s, s) for c, s in zip(small.encoder.channels, (16, 16, 8, 4, 2), strict=True)]
    cue = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        _, detail = small._fuse(features, cue, (16, 16))
        # All but the shallowest level stays: only a path that carries it on can tell.
        others = [features[0] + 1, *features[1:]]
        assert not torch.allclose(small._fuse(others, cue, (16, 16))[1], detail)
        parts = {}
        hook = small.dfm[0].register_forward_pre_hook(lambda _, given: parts.update(given=given))
        small._fuse(features, cue, (16, 16))
        hook.remove()
        torch.testing.assert_close(parts["given"][1], small.lateral[0](features[0]))


def test_photos_are_averaged_where_they_have_fewer_pixels_after():
    """The area decides, not a side: of a tall photo the square of its new height is more than its area."""
    tall = np.random.default_rng(0).integers(0, 256, (130, 65, 3), np.uint8)
    found = prepare(tall, 128)[0].permute(1, 2, 0).numpy() * 255
    expected = cv2.resize(tall, (64, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_peaks_gaussian_falls_by_its_deviation():
    grid, sigma = (160, 160), 160 / 16
    (map_,) = gaussians(torch.tensor([[80.5 / 160, 80.5 / 160]]), grid)
    assert map_[80, 80] == 1
    torch.testing.assert_close(map_[80, 90], torch.exp(torch.tensor(-0.5 * (10 / sigma) ** 2)))
    torch.testing.assert_close(map_[70, 90], torch.exp(torch.tensor(-1.0 * (10 / sigma) ** 2)))
