"""Trust on the screen: the page rates and says what Python rates and says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small_analysis import small_analysis
from tests.helpers.trusted import CARD, analysis, counted, instance
from wsis import trust
from wsis.explorer import rated, report
from wsis.explorer.origin import Origin
from wsis.explorer.scene import Scene
from wsis.instances import Instance
from wsis.matching import PUBLISHED, Weights
from wsis.trust import Curve, Rating, Unrated

SCRIPTS = ("words", "rating")
KINDS = {
    "region": Curve((0.0, 0.01, 0.1, 0.62), (0, 1, 40, 199), (18, 20, 80, 200)),
    "object": Curve((0.0,), (1234,), (2500,)),
}


def origin(known: trust.Trust | None) -> Origin:
    card = CARD if known is None else {**CARD, "trust": known.to_json()}
    return Origin("m", "m", ("cat",), ("spread",), "spread", card=card)


SAYS = """([counted, asked]) => asked.map(([hypothesis, score, probability, weights, step]) => {
  const R = rating, found = R.rate(counted, {hypothesis, score}, probability, weights, step);
  if (typeof found === 'string') return [found, R.cell(found), R.why(found, counted)];
  return [R.tenths(found), R.headline(found), R.cell(found), R.sample(found, hypothesis), R.exactly(found, counted)];
})"""


def said(known, made, one, weights, step):
    """What Python says of an instance, in the order of `SAYS`."""
    found = known.rate(made, one, weights, step)
    if isinstance(found, Unrated):
        return [found.reason, rated.cell(found), rated.why(found, known)]
    sample, exact = rated.sample(found, one.hypothesis), rated.exactly(found, known)
    return [rated.tenths(found), rated.headline(found), rated.cell(found), sample, exact]


def test_the_page_rates_and_says_the_same(page):
    rng, made = np.random.default_rng(0), analysis()
    known = counted(curves=KINDS, settings={**counted().settings, "class_threshold": 0.7}, photos=1225)
    asked, expected = [], []
    for n in range(600):
        own = Weights(*(rng.random(3) * 0.3 + [0.95, 0.1, 0.8]).tolist()) if n % 5 else Weights(*rng.random(3).tolist())
        weights = PUBLISHED if n % 3 == 0 else own
        kind = ("region", "region", "object", "offer")[n % 4]
        edges = (0.0, 0.01, 0.1, 0.62, 1.0)
        score, peak, step = edges[n % 5] if n % 2 else float(rng.random()), int(n % 7 == 0), int(n % 11 > 0)
        one = Instance(7, "cat", score, peak, 0, kind)
        probability = float(made.peaks.probabilities[peak])
        asked.append([kind, score, probability, [weights.alpha, weights.beta, weights.gamma], step])
        expected.append(said(known, made, one, weights, step))
    assert page.evaluate(SAYS, [rated.packed(made, origin(known)), asked]) == expected
    assert {one[0] for one in expected} >= {"step", "weights", "class", "model", 0, 5, 10}


@pytest.mark.parametrize("made", [analysis(naive="response", reading="iou"), small_analysis()])
def test_where_nothing_is_rated_both_say_why(page, made):
    known = counted()
    answer = page.evaluate(SAYS, [rated.packed(made, origin(known)), [["region", 0.5, 0.9, [0.95, 0.1, 0.8], 1]]])
    assert answer == [said(known, made, instance(), PUBLISHED, 1)]


def test_a_model_without_counts(page):
    packed = rated.packed(analysis(), origin(None))
    answer = page.evaluate(SAYS, [packed, [["region", 0.5, 0.9, [0.95, 0.1, 0.8], 1]]])
    assert answer == [["model", "not rated", rated.why(Unrated("model"), None)]]


@pytest.mark.parametrize(
    ("right", "count", "dots", "told"),
    [
        (0, 9, 0, "Fewer than 1 in 10 masks like this are right"),
        (1, 20, 1, "1 of 10 masks like this are right"),
        (89, 126, 7, "7 of 10 masks like this are right"),
        (20, 20, 10, "More than 9 in 10 masks like this are right"),
    ],
)
def test_in_words(right, count, dots, told):
    rating = Rating(right, count, 0.34, 0.52)
    assert (rated.tenths(rating), rated.headline(rating)) == (dots, told)
    assert rated.sample(rating, "region") == f"{right} of {count} scoring .34 to .52 on photos it never saw"


def test_the_first_and_the_last_range_have_one_end():
    each = [rated.sample(Rating(1, 2, low, high), "object") for low, high in ((0, 0.02), (0.07, 1), (0, 1))]
    told = ["below .020", ".070 or more", "anything"]
    assert each == [f"1 of 2 single objects scoring {scores} on photos it never saw" for scores in told]


def test_settings_that_differ_are_named_as_on_the_screen():
    made = analysis(naive="response", window=5)
    found = counted().rate(made, instance(), PUBLISHED)
    assert rated.why(found, counted()) == (
        "Not rated: masks were counted with other settings (naive map and peak window)."
    )


def test_files_of_a_scene_carry_the_share():
    scene = Scene(analysis(), origin=origin(counted()))
    assert rated.shares(scene, scene.found) == [0.9, 0.9]
    assert rated.shares(replace(scene, origin=None), scene.found) == [None, None]


def test_the_report_says_it_before_firmness(page):
    card, scene = origin(counted()), Scene(analysis(), chosen_step=1)
    told = report.html(scene, card)
    assert told.count("9 of 10 masks like this are right.") == 2
    assert told.index("18 of 20 scoring .50 or more on photos it never saw") < told.index("How firm is this choice?")
    assert "<td>9 of 10</td>" in told
    assert "Not rated: nothing was counted for this model." in report.html(scene, "another")
