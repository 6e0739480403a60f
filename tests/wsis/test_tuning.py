"""Tuning: records give the figures that the pixels give, for any weights; folders, zips and the cache."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pickled import Boom
from tests.helpers.random_analysis import random_analysis, random_truth
from tests.helpers.scenes import SEEDS, write_scenes
from train.scenes import scene
from wsis import ground_truth, image, matching, metrics, photo_sets, tuning, voc
from wsis.errors import WsisError
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline, Settings


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    root = tmp_path_factory.mktemp("kit")
    write_scenes(root, *photo_sets.LAYOUTS[0])
    return root


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def settings():
    return Settings(enhancer="icn-saliency", classes=("bottle", "car", "bird"), window=3)


@pytest.fixture(scope="module")
def pairs(kit):
    return photo_sets.collect(kit)


@pytest.fixture(scope="module")
def records(pipeline, pairs, settings):
    return tuning.Records([tuning.measure(pipeline, pair, settings) for pair in pairs], pipeline.classes)


def from_pixels(analysis, truth, weights, step):
    """The same figures the long way: masks at the photo's size, pixel by pixel."""
    found = analysis.instances(weights, step)
    masks = np.zeros((len(found), *truth.semantic.shape), bool)
    for mask, instance in zip(masks, found, strict=True):
        mask[:] = analysis.mask(instance)
    categories = np.array([one.category for one in found], np.int64)
    scores = np.array([one.score for one in found], np.float32)
    void = truth.semantic == metrics.VOID
    result = metrics.match_image(masks, categories, scores, truth.masks, truth.categories, void)
    return result, metrics.confusion(analysis.semantic(found), truth.semantic)


def compare(analyses, truths, records, choices, step, reading):
    """Figures from records and from pixels must be the same."""
    for weights in choices:
        parts = [from_pixels(a, t, weights, step) for a, t in zip(analyses, truths, strict=True)]
        results = [result for result, _ in parts]
        found = tuning.figures(records, weights, step, reading)
        assert found.masks_per_photo == np.mean([len(result.scores) for result in results]) > 1
        assert found.miou == metrics.mean_iou(sum(confusion for _, confusion in parts))
        expected = [*(metrics.mean_ap(results, threshold) for threshold in tuning.THRESHOLDS), metrics.abo(results)]
        np.testing.assert_allclose(found.values()[:4], expected, atol=1e-6)


@pytest.mark.parametrize("reading", matching.READINGS)
def test_figures_equal_those_of_the_pixels(reading, rng):
    analyses, truths = [random_analysis(seed, reading) for seed in range(4)], [random_truth(seed) for seed in range(4)]
    covers = [random_analysis(seed, "cover") for seed in range(4)]
    records = tuning.Records([tuning.record(a, t) for a, t in zip(covers, truths, strict=True)], voc.CLASSES)
    preset = next(preset for preset in PRESETS.values() if preset.reading == reading)
    choices = [
        preset.weights,
        Weights(0, 0, 0),
        Weights(1, 0, 0),
        *(Weights(*rng.uniform(0, 1.5, 3)) for _ in range(20)),
    ]
    for step in (0, 1):
        compare(analyses, truths, records, choices, step, reading)
    peaks = sum(len(analysis.peaks) for analysis in analyses)
    assert tuning.figures(records).masks_per_photo * len(records) < peaks  # some were doubles


def test_figures_of_scenes_equal_those_of_the_pixels(pipeline, pairs, settings, records):
    truths = [ground_truth.read(pair.classes, pair.instances) for pair in pairs]
    preset = PRESETS["prm-2018"]
    settings = replace(settings, steps=4, reading=preset.reading)
    analyses = [pipeline.analyse(image.read(pair.photo), settings) for pair in pairs]
    for step in (0, 4):
        compare(analyses, truths, records, [preset.weights], step, preset.reading)


def test_photo_figures_add_up(records):
    found = tuning.figures(records)
    truth = sum(found.counts.values())
    assert sum(photo.found + photo.missed for photo in found.photos) == truth == sum(len(scene(s).masks) for s in SEEDS)
    assert all(0 <= photo.quality <= 1 and photo.wrong >= 0 for photo in found.photos)
    assert found.map25 >= found.map50 >= found.map75 and found.abo > 0 and set(found.ap50) == set(found.counts)


def test_halves_share_nothing(records):
    first, second = records.halves
    assert len(first) == 2 and len(second) == 1
    assert first.records + second.records == (records.records[0], records.records[2], records.records[1])
    assert tuning.figures(second).photos[0] is tuning.figures(records).photos[1]  # what is known is shared


def test_steps_beyond_the_last_mean_the_last(records):
    assert tuning.figures(records, step=9).values() == tuning.figures(records, step=4).values()


def test_unknown_reading_says_which_there_are(records):
    with pytest.raises(WsisError, match="cover, literal"):
        tuning.figures(records, reading="odd")


def test_grid_holds_the_figures_of_its_weights(records):
    seen = []
    values = (np.linspace(0, 1.5, 4), np.linspace(0, 1, 3))
    grid = tuning.grid(records, ("alpha", "beta"), Weights(9, 9, 0.3), 2, "penalty", values, seen.append)
    assert grid.figures.shape == (3, 4, 5) and seen[-1] == 1
    for row, column in ((0, 0), (2, 1), (1, 3)):
        weights = Weights(values[0][column], values[1][row], 0.3)
        assert grid.weights(row, column) == weights
        assert tuple(grid.figures[row, column]) == tuning.figures(records, weights, 2, "penalty").values()
    for i, name in enumerate(tuning.FIGURES):
        weights, value = tuning.best(grid, name)
        assert value == grid.figures[..., i].max() == getattr(tuning.figures(records, weights, 2, "penalty"), name)
    with pytest.raises(WsisError, match="two different"):
        tuning.grid(records, ("alpha", "alpha"))


def test_equal_cells_go_to_the_middle_of_their_plateau(records):
    plane = np.zeros((7, 7, 5))
    plane[1:6, 2:7] = 1
    grid = tuning.Grid(("alpha", "gamma"), (np.arange(7), np.arange(7)), matching.PUBLISHED, 3, "cover", plane)
    assert grid.order("abo")[0] == (2, 3)  # the first whose neighbours are all as good
    assert len(set(grid.order("abo"))) == 49


def test_a_photo_without_peaks_counts(pipeline, pairs, records):
    empty = tuning.measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not len(empty.categories)
    both = tuning.Records([empty, records.records[1]], pipeline.classes)
    found = tuning.figures(both)
    assert found.photos[0].found == found.photos[0].quality == 0 and found.photos[0].missed == len(empty.truth)
    alone = tuning.figures(tuning.Records([empty], pipeline.classes))
    assert alone.map25 == alone.abo == alone.masks_per_photo == 0 and alone.miou > 0  # background


def test_cache_measures_once(pipeline, pairs, settings, tmp_path, monkeypatch):
    cache = tuning.Cache(tmp_path / "tune")
    first = cache.measure(pipeline, pairs[0], settings)
    monkeypatch.setattr(tuning, "measure", lambda *_: pytest.fail("measured again"))
    again = cache.measure(pipeline, pairs[0], settings)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
        assert value.dtype == getattr(again, name).dtype


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", None])
def test_damaged_records_are_measured_again(pipeline, pairs, settings, tmp_path, damage):
    cache = tuning.Cache(tmp_path)
    first = cache.measure(pipeline, pairs[0], settings)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    again = cache.measure(pipeline, pairs[0], settings)
    np.testing.assert_array_equal(first.terms, again.terms)


def test_cache_key_follows_everything(pipeline, pairs, settings, tmp_path):
    def key(pair=pairs[0], chosen=settings):
        return tuning._key(pipeline, pair, tuning._whole(chosen))

    other = tmp_path / "other.png"
    other.write_bytes(pairs[0].classes.read_bytes() + b"x")
    keys = [key(), key(pairs[1]), key(chosen=Settings(enhancer="spread"))]
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, other, pairs[0].instances)))
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, pairs[0].classes)))
    assert len(set(keys)) == len(keys)
    assert key(chosen=Settings(**{**vars(settings), "reading": "iou", "steps": 1})) == keys[0]  # measured for all


def test_cache_drops_the_longest_unused(pipeline, pairs, settings, tmp_path):
    size = 0
    for i, pair in enumerate(pairs):
        tuning.Cache(tmp_path).measure(pipeline, pair, settings)
        new = max(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        size += new.stat().st_size
        os.utime(new, (i, i))
    oldest = min(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime)
    (tmp_path / ".left.part").write_bytes(b"x" * 100)  # by a process that was killed
    os.utime(tmp_path / ".left.part", (0, 0))
    tuning.Cache(tmp_path, most=size + 1).measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not oldest.exists() and not (tmp_path / ".left.part").exists() and len(list(tmp_path.iterdir())) == 3


def test_an_unwritable_cache_only_costs_time(pipeline, pairs, settings, tmp_path):
    (tmp_path / "file").write_text("")
    assert len(tuning.Cache(tmp_path / "file").measure(pipeline, pairs[0], settings).truth)


def test_sizes_must_agree(pipeline, kit, tmp_path):
    small, pair = tmp_path / "small.png", photo_sets.collect(kit)[0]
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(small)
    with pytest.raises(WsisError, match="128 x 96 pixels, its mask 64 x 48"):
        tuning.measure(pipeline, photo_sets.Pair("s0", pair.photo, small))
    with pytest.raises(WsisError, match="different sizes"):
        ground_truth.read(pair.classes, small)


@pytest.mark.realdata
def test_real_photos_give_what_the_evaluation_gives(request, tmp_path):
    from train import evaluate

    kit = request.getfixturevalue("voc")
    pipeline = Pipeline.load("voc-lite", device="cpu")
    pairs = photo_sets.spaced(photo_sets.collect(kit), 4)
    row = evaluate.Row("icn-saliency", 4, "prm-2018", 1)
    photos = [evaluate.photo_figures(pipeline, kit, pair.name, [row], Settings()) for pair in pairs]
    expected = evaluate.summary(photos)["rows"][0]
    records = tuning.Records([tuning.Cache(tmp_path).measure(pipeline, pair) for pair in pairs], pipeline.classes)
    preset = PRESETS[row.preset]
    found = tuning.figures(records, preset.weights, row.steps, preset.reading)
    assert [expected[name] for name in tuning.FIGURES] == list(found.values())
    assert expected["ap50_by_class"] == found.ap50


def test_object_arrays_are_refused_unopened(boom, tmp_path):
    array = np.empty(1, object)
    array[0] = Boom()
    np.savez(tmp_path / "a.npz", **{name: array for name in ("classes", "names")})
    assert tuning._load(tmp_path / "a.npz") is None  # a record from the cache: measured again


def test_a_mask_of_foreground_is_no_photo_without_instances(tmp_path, pipeline, kit):
    photo = photo_sets.collect(kit)[0].photo
    index = np.zeros((96, 128), np.uint8)
    index[2:50, 3:90] = 255
    Image.fromarray(index).save(tmp_path / "a.png")
    Image.fromarray(index // 255).save(tmp_path / "class1.png")
    for instances in (None, tmp_path / "a.png"):
        with pytest.raises(WsisError, match="0 and 255 only: foreground, but no class"):
            tuning.measure(pipeline, photo_sets.Pair("a", photo, tmp_path / "a.png", instances))
    with pytest.raises(WsisError, match="holds no number of an instance, though its classes name 1"):
        ground_truth.read(tmp_path / "class1.png", tmp_path / "a.png")
    Image.fromarray(index * 0).save(tmp_path / "a.png")
    assert not len(ground_truth.read(tmp_path / "a.png", tmp_path / "a.png").masks)  # a photo without instances


def test_a_proposal_too_small_for_the_grid_is_suppressed_as_in_the_pipeline():
    members, areas = np.eye(3, dtype=bool)[[0, 0, 1, 2, 2]], np.array([0, 0, 5], np.float32)
    assert tuning._kept(members, areas, np.zeros(5, np.int64), 0.3) == [0, 2, 3]
