"""Algorithm 1 from end to end, on random weights: shapes, contracts, errors, and what must not depend on what."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.reliability import small_model
from tests.helpers.small_analysis import small_analysis, with_class_maps, with_objects
from wsis import matching, response
from wsis.analysis import WORK_SIZE, Analysis, Settings
from wsis.classifier import SIZES
from wsis.errors import WsisError
from wsis.folding import folded
from wsis.icn import ICN
from wsis.maps import normalised
from wsis.matching import PUBLISHED, READINGS, Weights
from wsis.pipeline import Pipeline
from wsis.proposals import from_masks


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def evidence(pipeline, photo):
    return pipeline.observe(photo)


def settings(**changes):
    return Settings(classes=("cat", "dog"), steps=2, **changes)


@pytest.mark.parametrize("enhancer", ["none", "spread", "icn-proposal", "icn-saliency"])
def test_shapes_and_ranges(pipeline, evidence, enhancer):
    analysis = pipeline.analyse(evidence, settings(enhancer=enhancer))
    steps = {"none": 1, "spread": 2}.get(enhancer, 3)
    count, total = len(analysis.peaks), len(analysis.proposals)
    assert count >= 2
    assert set(analysis.peaks.classes) == {7, 11}
    assert analysis.maps.shape == (steps, count, *evidence.work.shape[:2])
    assert analysis.terms.shape == (steps, count, total, 3)
    assert analysis.maps.min() >= 0
    assert analysis.maps.max() <= 1
    np.testing.assert_array_equal(analysis.binary[0], matching.binarise(analysis.maps[0]))
    found = analysis.instances()
    assert found
    assert [i.score for i in found] == sorted((i.score for i in found), reverse=True)
    assert analysis.mask(found[0]).shape == evidence.size
    semantic = analysis.semantic(found)
    assert set(np.unique(semantic)) <= {0, 8, 12}
    assert (semantic[analysis.mask(found[0])] == found[0].category + 1).all()


def test_terms_are_eq_5_of_the_maps(pipeline, evidence):
    analysis = pipeline.analyse(evidence, settings(enhancer="spread"))
    np.testing.assert_array_equal(analysis.terms[1], matching.terms(analysis.maps[1], evidence.proposals))
    best = analysis.top(0, Weights(1, 0, 0), step=1, count=1)[0]
    assert analysis.terms[1, 0, best, 0] == analysis.terms[1, 0, :, 0].max()


def test_weights_change_the_pick_and_nothing_else(pipeline, evidence):
    analysis = pipeline.analyse(evidence, settings(enhancer="spread"))
    pure, whole = (analysis.top(0, weights, count=1)[0] for weights in (Weights(1, 0, 0), Weights(0, 0, 1)))
    assert analysis.proposals.areas[pure] < analysis.proposals.areas[whole]


def test_responses_differ_between_peaks_and_class_maps_do_not(pipeline, evidence):
    maps = np.zeros_like(evidence.class_maps.maps)  # untrained maps have one peak, two are wanted
    maps[7, 2, 2], maps[7, 6, 10] = 5, 4
    active = with_class_maps(evidence, maps=maps)
    chosen = Settings(classes=("cat",), enhancer="none")
    by_map = pipeline.analyse(active, chosen)
    by_peak, mixed = (pipeline.analyse(active, replace(chosen, naive=naive)) for naive in ("response", "mixed"))
    same = np.flatnonzero(by_map.peaks.classes == by_map.peaks.classes[0])
    assert len(same) >= 2
    np.testing.assert_array_equal(by_map.maps[0, same[0]], by_map.maps[0, same[1]])
    assert not np.array_equal(by_peak.maps[0, same[0]], by_peak.maps[0, same[1]])
    assert not np.array_equal(mixed.maps, by_map.maps)


def test_every_analysis_has_the_responses_of_its_peaks(pipeline, evidence):
    classifier, chosen = pipeline.checkpoint.classifier, settings(enhancer="none")
    made = pipeline.analyse(evidence, chosen)
    prepared = classifier.prepare(evidence.work, classifier.sizes[0])
    expected = response.respond(folded(classifier), prepared, made.peaks)
    np.testing.assert_array_equal(made.responses, expected)
    trained = response.respond(classifier, prepared, made.peaks)
    np.testing.assert_allclose(made.responses, trained, rtol=1e-4, atol=1e-6 * trained.max())
    assert made.responses.dtype == np.float32
    with pytest.raises(ValueError, match="responses"):
        replace(made, responses=expected[:-1])


@pytest.mark.parametrize(("device", "beside"), [("cpu", True), ("cuda", False)])
def test_responses_are_computed_beside_the_regions_where_processors_do_both(
    pipeline, evidence, monkeypatch, device, beside
):
    expected, threads, responses = pipeline.analyse(evidence, settings()), [], pipeline._responses
    monkeypatch.setattr(pipeline, "device", device)
    monkeypatch.setattr(
        pipeline, "_responses", lambda *given: threads.append(threading.current_thread()) or responses(*given)
    )
    found = pipeline.analyse(evidence, settings())
    assert [thread is not threading.main_thread() for thread in threads] == [beside]
    for name in ("maps", "terms", "responses"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_network_without_responses_lacks_a_picture_and_nothing_else(pipeline, evidence, monkeypatch):
    def refused(*_, **__):
        raise WsisError("this model uses silu")

    monkeypatch.setattr(response, "respond", refused)
    assert pipeline.analyse(evidence, settings(enhancer="none")).responses is None
    with pytest.raises(WsisError, match="silu"):
        pipeline.analyse(evidence, settings(enhancer="none", naive="response"))


def test_the_same_photo_gives_the_same_result(pipeline, photo):
    first, second = (pipeline.analyse(photo, settings()) for _ in range(2))
    np.testing.assert_array_equal(first.terms, second.terms)
    assert first.instances() == second.instances()


def test_another_setting_or_peak_encodes_the_photo_no_second_time(pipeline, photo, monkeypatch):
    evidence, encoded, encode = pipeline.observe(photo), [], ICN.encode
    monkeypatch.setattr(ICN, "encode", lambda network, pixels: encoded.append(network) or encode(network, pixels))
    for changes in ({}, {"agreement": False}, {"max_peaks": 1}):
        chosen = settings(enhancer="icn-saliency", **changes)
        found = pipeline.analyse(evidence, chosen)
        pipeline.follow(evidence, chosen, found.peaks, np.array([0]))
    assert encoded == [pipeline.checkpoint.icns["icn-saliency"]]


def test_an_array_that_is_written_anew_is_another_photo(pipeline, photo):
    """As frames of a video come: into the same memory."""
    frame, chosen = np.ascontiguousarray(photo[:200, :280]), settings(enhancer="icn-saliency")
    pipeline.analyse(frame, chosen)
    frame[:] = photo[100:300, 100:380]
    found, fresh = pipeline.analyse(frame, chosen), pipeline.analyse(frame.copy(), chosen)
    np.testing.assert_array_equal(found.maps, fresh.maps)


def test_work_is_bounded_and_masks_have_the_photos_size(pipeline, photo):
    large = np.tile(photo, (5, 5, 1))
    analysis = pipeline.analyse(large, settings(enhancer="none"))
    assert max(analysis.evidence.work.shape) == WORK_SIZE
    assert analysis.mask(analysis.instances()[0]).shape == large.shape[:2]


def test_foreign_proposals_keep_their_pixels(pipeline, photo):
    masks = np.zeros((2, *photo.shape[:2]), bool)
    masks[0, 37:201, 11:333] = True
    masks[1, 5:9, 5:9] = True
    analysis = pipeline.analyse(pipeline.observe(photo, proposals=from_masks(masks)), settings(enhancer="none"))
    for instance in analysis.instances(fill=3):
        assert any(np.array_equal(analysis.mask(instance), mask) for mask in masks)
    with pytest.raises(WsisError, match="451x300"):
        pipeline.observe(photo, proposals=from_masks(masks[:, :-1]))


def test_objectness_counts_in_scores_and_in_our_reading_of_the_choice(pipeline, evidence):
    analysis = pipeline.analyse(evidence, settings(enhancer="spread"))
    assert evidence.objectness.shape == (len(evidence.proposals),)
    np.testing.assert_array_equal(analysis.fits, analysis.overlaps * evidence.objectness)
    whole = 0.6 + 0.4 * evidence.objectness
    np.testing.assert_allclose(analysis.ranked_terms, analysis.terms * whole[:, None], rtol=1e-6)
    plain = replace(analysis, settings=replace(analysis.settings, objectness=False))
    assert plain.fits is plain.overlaps
    assert plain.ranked_terms is plain.terms
    as_measured, counted = (
        (matching.total(analysis.terms[-1], PUBLISHED) * rates) for rates in (1, whole.astype(np.float64))
    )
    for scores, of in ((as_measured, plain), (counted, analysis)):
        for one in of.instances():
            assert scores[one.peak, one.proposal] == pytest.approx(scores[one.peak].max(), rel=1e-6)
            assert of.top(one.peak, count=1)[0] == one.proposal
    for one in analysis.instances():
        overlap, probability = analysis.overlaps[-1, one.peak, one.proposal], analysis.peaks.probabilities[one.peak]
        assert one.score == pytest.approx(probability * overlap * evidence.objectness[one.proposal], rel=1e-5)


@pytest.mark.parametrize("reading", [reading for reading in READINGS if reading != "cover"])
def test_objectness_leaves_the_readings_of_others_as_they_are(pipeline, evidence, reading):
    analysis = pipeline.analyse(evidence, settings(enhancer="spread", reading=reading))
    assert analysis.ranked_terms is analysis.terms
    assert analysis.at(1, "cover").ranked_terms is not analysis.at(1, "cover").terms


def test_objectness_counts_for_the_objects_under_peaks_too():
    small = with_objects()
    made = replace(small, evidence=replace(small.evidence, objectness=np.array([0.0, 0.5, 1.0], np.float32)))
    expected = small.objects.terms * np.array([0.6, 0.8, 1.0], np.float32)[:, None]
    np.testing.assert_allclose(made.ranked_object_terms, expected, rtol=1e-6)
    assert small.ranked_object_terms is small.objects.terms


def test_a_foreign_model_without_the_network_scores_by_probability_and_overlap(pipeline, photo):
    bare = Pipeline(replace(pipeline.checkpoint, objectness=None))
    analysis = bare.analyse(photo, settings(enhancer="spread"))
    assert analysis.evidence.objectness is None
    assert "objectness" not in analysis.seconds
    assert analysis.fits is analysis.overlaps
    assert analysis.instances(fill=3)


def test_offers_are_objects_that_show_a_followed_class(monkeypatch):
    monkeypatch.setattr("wsis.instances.LEAST_OFFER", 0.15)  # as many as there are
    made = small_analysis()
    objectness = np.array([0.9, 0.8, 0.7], np.float32)
    made = replace(made, evidence=replace(made.evidence, objectness=objectness))
    inside = 1 / (1 + np.exp(-made.peak_class_maps[:, None] * np.ones((1, 3, 1, 1))))
    masks, certainty = made.proposals.masks(range(3)), made.peaks.probabilities[:, None]
    presence = np.array([[one[mask].mean() for one, mask in zip(row, masks, strict=True)] for row in inside])

    def wanted(likely):
        scores = certainty * likely * np.sqrt(presence)
        return {(k, i): 0.03 * scores[k, i] for k in range(2) for i in range(3) if scores[k, i] >= 0.15}

    found = {(one.peak, one.proposal): one.score for one in made.offers}
    assert found == pytest.approx(wanted(objectness), rel=1e-4)
    assert len(found) == 6
    assert [one.score for one in made.offers] == sorted(found.values(), reverse=True)
    ranked = replace(made, settings=replace(made.settings, objectness=False))
    found = {(one.peak, one.proposal): one.score for one in ranked.offers}
    assert found == pytest.approx(wanted(made.proposals.scores / 2), rel=1e-4)


def test_objects_grow_from_responses_and_join_the_regions(tmp_path, photo):
    """Looked at as trained models do, for there are several peaks of a class only then."""
    pipeline = Pipeline.load(str(small_model.save(tmp_path / "usual", sizes=SIZES)), device="cpu")
    evidence = pipeline.observe(photo)
    analysis = pipeline.analyse(evidence, settings(enhancer="icn-instances"))
    plain = pipeline.analyse(evidence, settings(enhancer="icn-saliency"))
    assert plain.objects is None
    assert plain.object_fits is None
    count, size = len(analysis.peaks), analysis.maps.shape[2:]
    assert analysis.objects.maps.shape == analysis.objects.binary.shape == (count, *size)
    assert analysis.objects.terms.shape == (count, len(analysis.proposals), 3)
    np.testing.assert_array_equal(analysis.object_fits, analysis.objects.overlaps * evidence.objectness)
    assert analysis.instances(step=0) == plain.instances(step=0)
    assert {one.hypothesis for one in analysis.instances()} == {"region", "object"}
    published = [replace(settings(enhancer=name), agreement=False) for name in ("icn-instances", "icn-saliency")]
    both, alone = (pipeline.analyse(evidence, one) for one in published)
    np.testing.assert_array_equal(both.maps, alone.maps)
    assert [one for one in both.instances() if one.hypothesis == "region"] == list(alone.instances())
    assert pipeline.analyse(evidence, replace(settings(enhancer="icn-instances"), steps=0)).objects is None


def test_without_settings_a_model_takes_the_best_enhancer_that_it_has(pipeline, evidence):
    icns = pipeline.checkpoint.icns
    for names, enhancer in (
        (("icn-saliency", "icn-instances"), "icn-instances"),
        (("icn-saliency",), "icn-saliency"),
        (("icn-instances",), "spread"),
    ):
        few = Pipeline(replace(pipeline.checkpoint, icns={name: icns[name] for name in names}))
        assert few.analyse(evidence).settings.enhancer == enhancer == few.default_enhancer


def test_nothing_recognisable_is_an_empty_analysis(pipeline, evidence):
    nothing = with_class_maps(evidence, scores=np.zeros(20, np.float32))
    for enhancer in pipeline.enhancers:
        analysis = pipeline.analyse(nothing, Settings(enhancer=enhancer))
        assert len(analysis.peaks) == 0
        assert analysis.instances() == ()
        assert len(analysis.maps) == {"none": 1, "spread": 2}.get(enhancer, 4)
        assert not analysis.semantic(()).any()


def test_a_class_switched_on_that_is_absent_still_answers(pipeline, evidence):
    analysis = pipeline.analyse(evidence, Settings(classes=("aeroplane",), enhancer="spread"))
    assert len(analysis.peaks) >= 1
    assert analysis.instances()[0].name == "aeroplane"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"classes": ("unicorn",)}, "unicorn"),
        ({"steps": 9}, "steps"),
        ({"class_threshold": 2.0}, "class_threshold"),
        ({"enhancer": "magic"}, "magic"),
        ({"naive": "magic"}, "magic"),
        ({"classes": ("airplane",)}, "Did you mean 'aeroplane'"),
    ],
)
def test_wrong_settings_are_one_sentence(pipeline, evidence, changes, part):
    with pytest.raises(WsisError, match=part):
        pipeline.analyse(evidence, Settings(**changes))


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("enhancer", ("magic", None, 3, ["none"]), "Unknown enhancer"),
        ("naive", ("magic", None), "Unknown naive map .* class map, response, mixed"),
        ("mode", ("magic", None), "Unknown mode of back-propagation .* excitation, gradient"),
        ("reading", ("magic", None), "Unknown reading of Eq. 5 .* cover, literal"),
        ("steps", (-1, 9, 1.5, "3", True, None), "steps must be a whole number between 0 and 8, got"),
        ("class_threshold", (-0.1, 1.1, float("nan"), "0.1", None), "class_threshold must be between 0 and 1, got"),
        ("semantic_threshold", (-0.1, 1.1, float("nan"), "0.1", None), "semantic_threshold must be between"),
        ("sigma", (-1, 1000, float("nan"), "2"), "sigma must be a number of cells between 0 and 999"),
        ("window", (1, 4, 1001, 7.0), "window must be an odd number of cells from 3 to 999"),
        ("max_peaks", (0, -1, 1.5, None), "max_peaks must be a whole number of at least 1"),
        ("spread_strength", (0, -1, float("nan"), float("inf")), "spread_strength must be a number above 0"),
        ("agreement", (1, "yes", None), "agreement must be True or False"),
        ("objectness", (0, "no", None), "objectness must be True or False"),
        ("classes", ("cat", (1,), {"cat"}), "classes must be a tuple of names"),
    ],
)
def test_every_field_of_the_settings_is_checked_when_made(field, wrong, words):
    assert {field} <= set(Settings.__dataclass_fields__)
    for value in wrong:
        with pytest.raises(WsisError, match=words) as caught:
            Settings(**{field: value})
        assert len(str(caught.value)) < 300


def test_no_field_of_the_settings_goes_unchecked():
    own = test_every_field_of_the_settings_is_checked_when_made.pytestmark[0].args[1]
    assert {field for field, *_ in own} == set(Settings.__dataclass_fields__)
    taken = Settings(steps=np.int64(2), sigma=0, window=np.int32(3), class_threshold=np.float32(0.5), classes=["cat"])
    assert taken.classes == ("cat",)
    assert hash(taken)


def test_classes_are_found_by_any_spelling_and_told_before_the_networks_run(pipeline, evidence, monkeypatch):
    own = pipeline.analyse(evidence, Settings(classes=("pottedplant", "cat"), enhancer="none"))
    other = pipeline.analyse(evidence, Settings(classes=["Potted plant, CAT"], enhancer="none"))
    assert other.settings == own.settings
    assert np.array_equal(other.terms, own.terms)
    monkeypatch.setattr(pipeline, "observe", lambda *_, **__: pytest.fail("the networks ran"))
    with pytest.raises(WsisError, match="unicorn"):
        pipeline.analyse(evidence.image, Settings(classes=("unicorn",)))


def test_no_class_and_no_choice_of_classes_are_two_things(pipeline, evidence):
    from wsis.jobs import options

    for chosen in (Settings(classes=[], enhancer="none"), options.chosen(pipeline, "none", classes=[])):
        assert chosen.classes == ()
        assert not len(pipeline.analyse(evidence, chosen).peaks)
    assert options.chosen(pipeline, "none", classes=None).classes is None


@pytest.mark.parametrize("part", ["maps", "scores"])
def test_a_network_that_puts_out_nan_is_one_sentence(pipeline, evidence, photo, part):
    broken = replace(evidence.class_maps, **{part: getattr(evidence.class_maps, part) * np.float32("nan")})
    classifier = SimpleNamespace(class_maps=lambda *_, **__: broken, classes=broken.classes)
    with pytest.raises(WsisError, match="puts out NaN or infinity for this photo"):
        Pipeline(replace(pipeline.checkpoint, classifier=classifier)).glance(photo)


def test_progress_names_every_stage_in_order(pipeline, photo):
    told = []
    analysis = pipeline.analyse(photo, settings(), progress=lambda stage, share: told.append((stage, share)))
    assert [stage for stage, _ in told] == [
        "classes", "contours", "proposals", "objectness", "peaks", "enhance", "match",
    ]  # fmt: skip
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert set(analysis.seconds) == {"responses", *(stage for stage, _ in told)}


def test_an_analysis_checks_its_parts(pipeline, evidence):
    analysis = pipeline.analyse(evidence, settings(enhancer="none"))
    with pytest.raises(ValueError, match="terms: expected"):
        replace(analysis, terms=analysis.terms[..., :2])
    with pytest.raises(ValueError, match="overlaps"):
        replace(analysis, overlaps=analysis.overlaps[:, :, :-1])
    assert isinstance(analysis, Analysis)


def test_normalised():
    maps = np.stack([np.arange(6.0).reshape(2, 3), np.full((2, 3), 4.0)]).astype(np.float32)
    np.testing.assert_allclose(normalised(maps)[0], np.arange(6).reshape(2, 3) / 5)
    assert not normalised(maps)[1].any()
    assert normalised(maps[:0]).shape == (0, 2, 3)


def test_named_classes_are_painted_however_unsure():
    made = small_analysis()
    sure = replace(made, settings=replace(made.settings, semantic_threshold=1.0))
    assert made.semantic(made.instances()).any()
    assert not sure.semantic(sure.instances()).any()
    assert [(one.proposal, one.score) for one in sure.instances()] == [
        (one.proposal, one.score) for one in made.instances()
    ]
    named = replace(made, settings=replace(made.settings, semantic_threshold=1.0, classes=("cat", "dog")))
    assert (named.semantic(named.instances()) == made.semantic(made.instances())).all()


def test_agreement_holds_an_icn_back_and_leaves_the_rest_alone(pipeline, evidence):
    for enhancer in ("icn-saliency", "spread", "none"):
        free, held = (pipeline.analyse(evidence, settings(enhancer=enhancer, agreement=own)) for own in (False, True))
        np.testing.assert_array_equal(free.maps[0], held.maps[0])
        same = np.array_equal(free.maps, held.maps)
        assert same == (enhancer != "icn-saliency")
