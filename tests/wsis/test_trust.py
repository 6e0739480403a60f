"""How often masks like one are right: ratings from counts, what they hold for, and their file."""

from __future__ import annotations

import json

import pytest

from tests.helpers import ROOT
from tests.helpers.small_analysis import small_analysis
from tests.helpers.trusted import CARD, REGION, analysis, counted, instance
from wsis import checkpoints, export, trust
from wsis.analysis import Settings
from wsis.coco_dataset import dataset
from wsis.matching import PUBLISHED, Weights
from wsis.trust import Curve, Rating, Unrated, distance


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.0, (1, 10, 0, 0.2)), (0.2, (6, 12, 0.2, 0.5)), (0.4999, (6, 12, 0.2, 0.5)), (1.0, (18, 20, 0.5, 1))],
)
def test_a_score_has_the_counts_of_its_range(score, expected):
    assert REGION.rating(score) == Rating(*expected)
    assert REGION.rating(score).share == expected[0] / expected[1]


@pytest.mark.parametrize(
    "wrong",
    [
        ((), (), ()),
        ((0.1,), (1,), (2,)),
        ((0.0, 0.0), (1, 2), (3, 3)),
        ((0.0,), (3,), (2,)),
        ((0.0,), (0,), (0,)),
        ((0.0, 0.5), (2, 1), (3, 3)),
    ],
)
def test_counts_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Curve(*wrong)


def test_what_was_counted_like_this_is_rated():
    assert counted().rate(analysis(), instance(), PUBLISHED) == Rating(6, 12, 0.2, 0.5)
    double = Weights(2 * PUBLISHED.alpha, 2 * PUBLISHED.beta, 2 * PUBLISHED.gamma)
    assert isinstance(counted(reach=1e-12).rate(analysis(), instance(), double), Rating)
    for looked in ({"classes": ("cat",)}, {"class_threshold": 0.5}, {"semantic_threshold": 0.2}):
        assert isinstance(counted().rate(analysis(**looked), instance(), PUBLISHED, 1), Rating)


@pytest.mark.parametrize(
    ("changes", "one", "weights", "step", "expected"),
    [
        ({"enhancer": "none"}, {}, PUBLISHED, 1, Unrated("settings", ("enhancer",))),
        ({"naive": "response", "window": 5}, {}, PUBLISHED, 1, Unrated("settings", ("naive", "window"))),
        ({"reading": "iou"}, {}, PUBLISHED, 1, Unrated("settings", ("reading",))),
        ({}, {}, PUBLISHED, 0, Unrated("step")),
        ({}, {}, Weights(1.5, 0, 0.1), 1, Unrated("weights")),
        ({}, {}, Weights(0, 0, 0), 1, Unrated("weights")),
        ({}, {"hypothesis": "offer"}, PUBLISHED, 1, Unrated("model")),
    ],
)
def test_where_something_differs_there_is_no_rating(changes, one, weights, step, expected):
    assert counted().rate(analysis(**changes), instance(**one), weights, step) == expected


def test_foreign_proposals_and_unlikely_classes_are_not_rated():
    assert counted().rate(small_analysis(), instance(), PUBLISHED) == Unrated("proposals")
    settings = {**counted().settings, "class_threshold": 0.7}
    found = [counted(settings=settings).rate(analysis(), instance(peak=k), PUBLISHED) for k in (0, 1)]
    assert found == [Rating(6, 12, 0.2, 0.5), Unrated("class")]  # the dog's probability is .6


def test_a_setting_that_the_counts_do_not_know_yet_is_rated_as_it_begins():
    settings = {name: value for name, value in counted().settings.items() if name != "window"}
    known = counted(settings=settings)
    assert known.unrated(analysis()) is None
    assert known.unrated(analysis(window=5)) == Unrated("settings", ("window",))


def test_distance_is_in_shares_of_the_sum():
    assert distance(Weights(1, 1, 0), Weights(1, 0, 0)) == 0.5
    assert distance(Weights(3, 3, 3), Weights(1, 1, 1)) == 0
    assert distance(Weights(0, 0, 0)) == float("inf")


def test_from_the_file_and_back():
    card = {**CARD, "trust": json.loads(json.dumps(counted().to_json()))}
    assert trust.of(card) == counted()


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        {"format": 99},
        {**counted().to_json(), "networks": {"classifier": "another"}},
        {**counted().to_json(), "curves": {"region": {"starts": [0.5], "right": [1], "counts": [2]}}},
        {**counted().to_json(), "weights": {"alpha": -1, "beta": 0, "gamma": 0}},
        {**counted().to_json(), "settings": {}},
        {"format": 1},
    ],
)
def test_what_is_of_other_networks_or_not_understood_rates_nothing(told):
    assert trust.of({**CARD, "trust": told}) is None
    assert trust.of({"text": ""}) is None


def test_results_and_data_set_carry_the_share_where_there_is_one():
    made = analysis()
    found = made.instances()
    shares = trust.shares(counted(), made, found, PUBLISHED)
    assert all(share is not None for share in shares)
    entries = export.coco_results(made, found, trust=[shares[0], None])
    assert entries[0]["trust"] == round(shares[0], 3)
    assert "trust" not in entries[1]
    photo = {"image_id": "photo", "file_name": "photo.jpg", "width": 128, "height": 96}
    annotations = json.loads(dataset(made.classes, [photo], entries))["annotations"]
    assert [one.get("trust") for one in annotations] == [entries[0]["trust"], None]
    assert trust.shares(None, made, found, PUBLISHED) == [None, None]


def test_the_embedded_model_is_rated_and_its_ratings_hold_on_the_other_half():
    folder = ROOT / "checkpoints/voc-lite"
    told = json.loads((folder / "trust.json").read_text(encoding="utf-8"))
    known = trust.of({"modules": checkpoints.config(folder)["modules"], "trust": told})
    assert known is not None
    assert known.settings == json.loads(json.dumps(Settings().__dict__))
    assert known.checked["source"].endswith("odd half")
    for name in ("all masks", "shown in pictures"):
        assert known.checked["worth"][name]["error"]["value"] <= 0.05
        assert known.checked["within_reach"][name]["error"]["value"] <= 0.05
