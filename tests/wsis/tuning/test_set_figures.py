"""Records give the figures that the pixels give, for any weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.random_analysis import random_analysis, random_truth
from tests.helpers.scenes import SEEDS
from train.scenes import scene
from wsis import ground_truth, image, matching, metrics, photo_sets, tuning, voc
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline
from wsis.tuning import set_figures


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
    return result, metrics.confusion(analysis.semantic(found), truth.semantic, 21)


def compare(analyses, truths, records, choices, step, reading):
    """Figures from records and from pixels must be the same."""
    for weights in choices:
        parts = [from_pixels(a, t, weights, step) for a, t in zip(analyses, truths, strict=True)]
        results = [result for result, _ in parts]
        found = tuning.figures(records, weights, step, reading)
        assert found.masks_per_photo == np.mean([len(result.scores) for result in results]) > 1
        assert found.miou == metrics.mean_iou(sum(confusion for _, confusion in parts))
        expected = [*(metrics.mean_ap(results, threshold) for threshold in metrics.THRESHOLDS), metrics.abo(results)]
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
    truths = [ground_truth.read(pair.classes, pair.instances, 20) for pair in pairs]
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
    assert found.map25 >= found.map50 >= found.map75
    assert found.abo > 0
    assert set(found.ap50) == set(found.counts)


def test_halves_share_nothing(records):
    first, second = records.halves
    assert len(first) == 2
    assert len(second) == 1
    assert first.records + second.records == (records.records[0], records.records[2], records.records[1])
    assert tuning.figures(second).photos[0] is tuning.figures(records).photos[1]  # what is known is shared


def test_steps_beyond_the_last_mean_the_last(records):
    assert tuning.figures(records, step=9).values() == tuning.figures(records, step=4).values()


def test_unknown_reading_says_which_there_are(records):
    with pytest.raises(WsisError, match="cover, literal"):
        tuning.figures(records, reading="odd")


def test_a_photo_without_peaks_counts(pipeline, pairs, records):
    empty = tuning.measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not len(empty.categories)
    both = tuning.Records([empty, records.records[1]], pipeline.classes)
    found = tuning.figures(both)
    assert found.photos[0].found == found.photos[0].quality == 0
    assert found.photos[0].missed == len(empty.truth)
    alone = tuning.figures(tuning.Records([empty], pipeline.classes))
    assert alone.map25 == alone.abo == alone.masks_per_photo == 0
    assert alone.miou > 0


@pytest.mark.realdata
def test_real_photos_give_what_the_evaluation_gives(request, tmp_path):
    from train import evaluate

    kit = request.getfixturevalue("voc")
    pipeline = Pipeline.load("voc-lite", device="cpu")
    pairs = photo_sets.spaced(photo_sets.collect(kit), 4)
    row = evaluate.Row("icn-saliency", 4, "prm-2018", 0)
    photos = [evaluate.photo_figures(pipeline, pair, [row], Settings()) for pair in pairs]
    expected = evaluate.summary(photos, pipeline.classes)["rows"][0]
    settings = Settings(enhancer=row.enhancer, steps=row.steps)
    measured = [tuning.Cache(tmp_path).measure(pipeline, pair, settings) for pair in pairs]
    records = tuning.Records(measured, pipeline.classes)
    preset = PRESETS[row.preset]
    found = tuning.figures(records, preset.weights, row.steps, preset.reading)
    assert [expected[name] for name in tuning.FIGURES] == list(found.values())
    assert expected["ap50_by_class"] == found.ap50


def test_a_proposal_too_small_for_the_grid_is_suppressed_as_in_the_pipeline():
    members, areas = np.eye(3, dtype=bool)[[0, 0, 1, 2, 2]], np.array([0, 0, 5], np.float32)
    assert np.flatnonzero(set_figures._kept(members, areas, np.zeros(5, np.int64), 0.3)).tolist() == [0, 2, 3]
