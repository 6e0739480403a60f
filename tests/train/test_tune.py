"""`train.tune`: choosing on one half, reporting on the other."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.random_analysis import random_analysis, random_truth
from train import tune
from wsis import instances, metrics, tuning
from wsis.ground_truth import overlaps
from wsis.matching import PUBLISHED
from wsis.tuning import Rules
from wsis.voc import CLASSES

STEP = 1


@pytest.fixture(scope="module")
def scenes():
    return [(random_analysis(seed, "cover"), random_truth(seed)) for seed in range(8)]


@pytest.fixture(scope="module")
def records(scenes):
    return tuning.Records([tuning.record(*scene) for scene in scenes], CLASSES)


@pytest.mark.parametrize("rules", [Rules(nms=0.1), Rules(nms=0.7), Rules(class_threshold=0.5), Rules(0.3, 0.5, 0.0)])
def test_rules_do_what_the_pipeline_does(scenes, records, rules):
    found = tuning.figures(records, PUBLISHED, STEP, rules=rules)
    results, confusion = [], 0
    for analysis, truth in scenes:
        alive = np.flatnonzero(analysis.peaks.probabilities >= rules.class_threshold)
        peaks = analysis.peaks[alive]
        terms, fits = analysis.terms[STEP][alive], analysis.overlaps[STEP][alive]
        least = analysis.least if rules.least is None else rules.least
        own = instances.assemble(
            peaks, instances.Fit(terms, fits), analysis.proposals, CLASSES, nms=rules.nms, least=least
        )
        full = analysis.evidence.source.resized(analysis.evidence.size)
        shared = overlaps(full, truth).iou[[one.proposal for one in own]].reshape(len(own), -1)
        categories, scores = [one.category for one in own], [one.score for one in own]
        results.append(metrics.image_result(shared, categories, scores, truth.categories))
        painted = instances.semantic(own, analysis.evidence.source, size=analysis.evidence.size)
        confusion = confusion + metrics.confusion(painted, truth.semantic, 21)
    expected = [
        *(metrics.mean_ap(results, t) for t in metrics.THRESHOLDS),
        metrics.abo(results),
        metrics.mean_iou(confusion),
    ]
    np.testing.assert_allclose(found.values(), expected, atol=1e-6)


def test_the_best_choice_is_at_least_as_good_as_the_start(records):
    tuned, other = records.halves
    start = tune.Choice(PUBLISHED, Rules())
    chosen = tune.search(tuned, "map50", STEP, start, "cover")
    rows = tune.report(chosen, start, {"even": tuned, "odd": other}, STEP, "cover")
    assert [(row["half"], row["choice"]) for row in rows] == [
        ("even", "published"), ("even", "best"), ("odd", "published"), ("odd", "best"),
    ]  # fmt: skip
    assert rows[1]["map50"] > rows[0]["map50"]
    assert rows[3] == {"half": "odd", "choice": "best", **chosen.figures(other, STEP, "cover")}
    text = tune.markdown(rows, chosen)
    assert f"alpha {chosen.weights.alpha}" in text
    assert f"| {100 * rows[3]['map50']:.1f} |" in text
