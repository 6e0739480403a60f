"""What the browser gets is what the analysis holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.page_data import decoded, unpacked
from tests.helpers.small_analysis import CAT, DOG, empty_scene, small_analysis, with_class_maps, with_objects
from wsis import matching
from wsis.explorer import payload, pictures
from wsis.matching import Weights


@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "f4", "f8"])
def test_numbers_arrive_as_they_are(kind):
    values = np.arange(12).reshape(3, 4).astype(kind)
    packed = payload.pack(values, kind)
    assert packed["t"] == kind
    np.testing.assert_array_equal(unpacked(packed), values.ravel())


def test_outlines_lie_on_the_edges_of_masks_and_nowhere_else():
    masks = np.zeros((2, 300, 200), bool)
    masks[0, 40:160, 20:120], masks[1, 200:280, 100:180] = True, True
    drawn = decoded(pictures.outlines(masks, 150))
    assert drawn.shape == (150, 100, 4)
    white = (drawn == 255).all(-1)
    for y, x in ((20, 30), (50, 10), (100, 70), (120, 89)):
        assert white[y - 1 : y + 2, x - 1 : x + 2].any()
    assert not drawn[50, 35].any()
    assert not drawn[90, 20].any()
    assert not drawn[drawn[..., 3] == 0].any()


def test_the_partition_arrives_with_its_areas():
    evidence = small_analysis().evidence
    sent = payload.photo(evidence, "a.jpg")
    image = decoded(sent["labels"])
    np.testing.assert_array_equal(image[..., 2] + 256 * image[..., 1].astype(int), evidence.proposals.labels)
    np.testing.assert_array_equal(unpacked(sent["areas"]), evidence.proposals.region_areas)
    bits = np.unpackbits(unpacked(sent["bits"]).reshape(3, -1), axis=1, bitorder="little")
    membership = evidence.proposals.membership
    np.testing.assert_array_equal(bits[:, : membership.shape[1]].astype(bool), membership)
    assert sent["size"] == [128, 96]
    assert sent["work"] == [64, 48]
    assert sent["total"] == 3


def test_a_partition_of_many_regions_fits():
    labels = np.arange(70 * 100, dtype=np.int32).reshape(70, 100)

    image = decoded(pictures.png_16(labels))
    np.testing.assert_array_equal(image[..., 2] + 256 * image[..., 1].astype(int), labels)


def test_a_field_holds_what_can_win():
    made = small_analysis()
    cells = [(step, k) for step in range(2) for k in range(2)]
    assert payload.analysis(made)["match"] == payload.field(made, cells, 1)
    pairs = {name: unpacked(packed) for name, packed in payload.field(made, cells, 2).items()}
    for i, cell in enumerate(cells):
        ids = pairs["ids"][pairs["slots"][slice(*pairs["offsets"][i : i + 2])]]
        for weights in (Weights(1, 0.2, 0.5), Weights(0, 0, 1), Weights(0.95, 0.1, 0.8)):
            assert set(matching.rank(made.terms[cell], weights, 2)) <= set(ids)
    sent = {name: unpacked(packed) for name, packed in payload.field(made, cells, 1).items()}
    terms = sent["terms"].reshape(-1, 3)
    assert sent["offsets"][0] == 0
    assert sent["offsets"][-1] == len(sent["slots"]) == len(terms)
    for i, cell in enumerate(cells):
        part = slice(*sent["offsets"][i : i + 2])
        ids = sent["ids"][sent["slots"][part]]
        np.testing.assert_array_equal(ids, matching.pareto(made.terms[cell]))
        np.testing.assert_array_equal(terms[part], made.terms[cell][ids])
        np.testing.assert_array_equal(sent["fits"][part], made.fits[cell][ids])
        np.testing.assert_array_equal(sent["tints"][part], pictures.tints(made.terms[cell][ids], cell[1]))
        assert matching.rank(made.terms[cell], Weights(1, 0.2, 0.5), 1)[0] in ids
    regions = made.proposals.membership.shape[1]
    bits = np.unpackbits(sent["bits"].reshape(len(sent["ids"]), -1), axis=1, bitorder="little")[:, :regions]
    np.testing.assert_array_equal(bits.astype(bool), made.proposals.membership[sent["ids"]])


def test_peaks_and_classes():
    sent = payload.analysis(small_analysis())
    assert [(p["name"], p["category"]) for p in sent["peaks"]] == [("cat", CAT), ("dog", DOG)]
    assert sent["peaks"][0]["x"] == pytest.approx(2.5 / 8)
    assert sent["peaks"][0]["y"] == pytest.approx(3.5 / 6)
    assert sent["on"] == ["cat", "dog"]
    assert sent["empty"] is None
    assert sent["steps"] == 1
    assert sent["peaks"][0]["probability"] == float(np.float32(0.9))


def test_a_peak_brings_its_maps_and_the_second_side_brings_less():
    made = small_analysis()
    sent = payload.peak(made, 1)
    np.testing.assert_allclose(decoded(sent["maps"][0]) / 255, made.maps[0, 1], atol=1 / 255)
    np.testing.assert_array_equal(decoded(sent["binary"][1]) > 0, made.binary[1, 1])
    assert sent["grid"] == [8, 6]
    assert (sent["runners"]["count"], sent["runners"]["steps"]) == (3, 2)
    np.testing.assert_array_equal(unpacked(sent["runners"]["terms"]).reshape(2, 3, 3), made.terms[:, 1])
    for own, row in zip(made.terms[:, 1], unpacked(sent["runners"]["tints"]).reshape(2, 3), strict=True):
        front = matching.pareto(own)
        np.testing.assert_array_equal(row[front], pictures.tints(own[front], 1))
        assert set(np.delete(row, front)) <= {pictures.GREY}
    assert (unpacked(sent["runners"]["rates"]) == 1).all()
    objectness = np.array([0.0, 0.5, 1.0], np.float32)
    rated = payload.peak(replace(made, evidence=replace(made.evidence, objectness=objectness)), 1)["runners"]
    np.testing.assert_allclose(unpacked(rated["rates"]), matching.rates(objectness))
    expected = made.terms[:, 1] * matching.rates(objectness)[:, None]
    np.testing.assert_allclose(unpacked(rated["terms"]).reshape(2, 3, 3), expected, rtol=1e-6)
    assert payload.peak(made, 1, runners=False)["runners"] is None
    said = {"compare", "enhancer", "steps", "objects", "least", "peaks", "match", "hands"}
    assert set(payload.other(made, "spread")) == said


def test_maps_of_objects_are_one_step_more():
    plain, made = small_analysis(), with_objects()
    sent, cells = payload.analysis(made), [(step, k) for step in range(3) for k in range(2)]
    assert sent["objects"]
    assert sent["steps"] == 1
    assert not payload.analysis(plain)["objects"]
    assert sent["match"] == payload.field(made, cells, 1)
    match = {name: unpacked(packed) for name, packed in sent["match"].items()}
    for k in range(2):
        part = slice(*match["offsets"][4 + k : 6 + k])
        ids = match["ids"][match["slots"][part]]
        np.testing.assert_array_equal(ids, matching.pareto(made.objects.terms[k]))
        np.testing.assert_array_equal(match["terms"].reshape(-1, 3)[part], made.objects.terms[k][ids])
        np.testing.assert_array_equal(match["fits"][part], made.object_fits[k][ids])
    part, before = payload.peak(made, 1), payload.peak(plain, 1)
    assert (part["maps"][:2], part["binary"][:2], part["thresholds"][:2]) == (
        before["maps"], before["binary"], before["thresholds"]
    )  # fmt: skip
    np.testing.assert_allclose(decoded(part["maps"][2]) / 255, made.objects.maps[1], atol=1 / 255)
    np.testing.assert_array_equal(decoded(part["binary"][2]) > 0, made.objects.binary[1])
    assert part["thresholds"][2] == 0.4
    assert part["runners"] == before["runners"]


def test_a_kind_that_is_on_brings_what_it_may_be():
    plain = small_analysis()
    members = {"cat": (("Egyptian cat", 0.75), ("tabby", 0.25)), "bird": (("hen", 1.0),)}
    made = replace(plain, evidence=with_class_maps(plain.evidence, members=members))
    told = {one["name"]: one for one in payload.analysis(made)["classes"]}
    assert told["cat"]["members"] == [{"name": "Egyptian cat", "share": 0.75}, {"name": "tabby", "share": 0.25}]
    assert "members" not in told["dog"]
    assert "members" not in told["bird"]  # of those that are off nobody asks


def test_where_there_is_no_peak_the_five_likeliest_are_offered_best_first():
    told = payload.empty(empty_scene().analysis)
    assert [one["name"] for one in told["likeliest"]][:2] == ["cat", "dog"]
    assert len(told["likeliest"]) == payload.LIKELIEST
    assert told["name"] == "cat"


def test_offers_arrive_as_they_are():
    small = small_analysis()
    evidence = replace(small.evidence, objectness=np.array([0.7, 0.9, 0.95], np.float32))
    made = replace(small, evidence=with_class_maps(evidence, maps=small.evidence.class_maps.maps * 9))
    sent = {name: unpacked(packed).tolist() for name, packed in payload.analysis(made)["offers"].items()}
    offered = made.offers
    assert offered
    assert sent == {
        "peaks": [one.peak for one in offered],
        "ids": [one.proposal for one in offered],
        "scores": [one.score for one in offered],
    }
    assert payload.analysis(empty_scene().analysis)["offers"] is None
