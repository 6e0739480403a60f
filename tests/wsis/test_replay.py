"""Hands on an analysis: what each edit does, that the same edits give the same, and that the rest stays as it was."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from wsis import coco_dataset, export, matching, sharing
from wsis.analysis import Settings
from wsis.edits import (
    AddPeak,
    AsFound,
    Brush,
    Choose,
    Force,
    Keep,
    Merge,
    MovePeak,
    RemovePeak,
    SetClass,
    Snap,
    Split,
    Stroke,
)
from wsis.errors import WsisError
from wsis.hands import key, overlaps
from wsis.matching import PUBLISHED
from wsis.pipeline import Pipeline
from wsis.replay import levels, likely_classes, of_file, record, replay, settings_of

WEIGHTS = (PUBLISHED.alpha, PUBLISHED.beta, PUBLISHED.gamma)


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def found(pipeline, photo):
    """Cats and dogs that an untrained network sees, with maps of objects."""
    return pipeline.analyse(photo[40:240, 60:340], Settings(classes=("cat", "dog"), steps=2, max_peaks=6))


def by_hand(analysis):
    return [instance for instance in analysis.instances() if instance.by_hand]


def same(first, second, *names):
    for name in names:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


@pytest.fixture(scope="module")
def two(pipeline, found):
    """With two cats more, far apart, and their numbers."""
    after = replay(pipeline, found, [AddPeak(name="cat", x=0.2, y=0.3), AddPeak(name="cat", x=0.8, y=0.7)])
    return after, (len(found.peaks), len(found.peaks) + 1)


def regions_under(analysis, rows):
    """The region that each peak lies in."""
    y, x = (analysis.peaks.places[list(rows)] * analysis.proposals.size).astype(int).T
    return analysis.proposals.labels[y, x].tolist()


def test_no_edits_change_nothing(pipeline, found):
    assert replay(pipeline, found, ()) is found


def test_a_new_peak_has_its_maps_and_leaves_all_others(pipeline, found):
    after = replay(pipeline, found, [AddPeak(name="dog", x=0.9, y=0.1)])
    count = len(found.peaks)
    assert len(after.peaks) == count + 1
    same(found, replace_rows(after, slice(0, count)), "maps", "binary", "terms", "overlaps", "thresholds")
    assert after.base is found
    rows, columns = found.peaks.grid
    assert (after.peaks.rows[-1], after.peaks.columns[-1]) == (int(0.1 * rows), int(0.9 * columns))
    assert after.peaks.classes[-1] == after.classes.index("dog")
    (instance,) = by_hand(after)
    assert (instance.peak, instance.name, instance.hypothesis, instance.painted) == (count, "dog", "object", True)
    assert after.objects.maps[-1].max() > 0


def replace_rows(analysis, rows):
    names = ("maps", "binary", "terms", "overlaps", "thresholds")
    return SimpleNamespace(**{name: getattr(analysis, name)[:, rows] for name in names})


def test_a_peak_placed_where_one_was_found_has_its_map(pipeline, found):
    """What is made of a new peak alone is what `analyse` makes of it in the company of the others."""
    row = 1
    y, x = found.peaks.places[row]
    name = found.classes[int(found.peaks.classes[row])]
    moved = replay(pipeline, found, [MovePeak(peak=row, x=float(x), y=float(y))])
    np.testing.assert_allclose(moved.maps[:, row], found.maps[:, row], atol=1e-4)
    np.testing.assert_allclose(moved.objects.maps[row], found.objects.maps[row], atol=1e-4)
    named = replay(pipeline, found, [SetClass(peak=row, name=name)])
    np.testing.assert_allclose(named.maps[:, row], found.maps[:, row], atol=1e-4)


@pytest.mark.parametrize("enhancer", ["none", "spread", "icn-proposal", "icn-saliency"])
@pytest.mark.parametrize("naive", ["class map", "response", "mixed"])
def test_a_new_peak_under_every_enhancer(pipeline, found, enhancer, naive):
    base = pipeline.analyse(found.evidence, replace(found.settings, enhancer=enhancer, naive=naive))
    after = replay(pipeline, base, [AddPeak(name="dog", x=0.5, y=0.5)])
    assert after.maps.shape[1] == len(base.peaks) + 1
    assert by_hand(after)[0].hypothesis == "region"


def test_the_same_edits_give_the_same_bits(pipeline, found):
    edits = [AddPeak(name="dog", x=0.4, y=0.6), Force(peak=0, inside=(3,)), RemovePeak(peak=1)]
    at_once = replay(pipeline, found, edits)
    one_by_one = found
    for edit in edits:
        one_by_one = replay(pipeline, one_by_one, [edit])
    same(at_once, one_by_one, "maps", "terms", "overlaps")
    assert at_once.hands == one_by_one.hands
    assert at_once.instances() == one_by_one.instances()


def test_numbers_stay(pipeline, found):
    count = len(found.peaks)
    after = replay(
        pipeline,
        found,
        [
            AddPeak(name="dog", x=0.4, y=0.6),
            RemovePeak(peak=count),
            AddPeak(name="dog", x=0.2, y=0.2),
            RemovePeak(peak=0),
        ],
    )
    assert [hand.number for hand in after.hands.rows] == [*range(1, count), count + 1]


def test_a_removed_peak_takes_its_instance_along(pipeline, found):
    best = found.instances()[0]
    after = replay(pipeline, found, [RemovePeak(peak=best.peak)])
    assert len(after.peaks) == len(found.peaks) - 1
    assert not by_hand(after)


def test_forced_regions_are_in_every_proposal(pipeline, found):
    inside, outside = 5, 9
    after = replay(pipeline, found, [Force(peak=0, inside=(inside,), outside=(outside,))])
    forced = after.forced_proposals(after.hands.rows[0])
    assert forced.membership[:, inside].all()
    assert not forced.membership[:, outside].any()
    expected = matching.terms(after.maps[-1, :1], forced, binary=after.binary[-1, :1])[0]
    np.testing.assert_array_equal(after.terms[-1, 0], expected)
    np.testing.assert_array_equal(after.terms[-1, 1:], found.terms[-1, 1:])
    (instance,) = by_hand(after)
    assert after.members(instance)[inside]
    assert not after.members(instance)[outside]
    mask = after.mask(instance)
    labels = found.evidence.source.labels
    assert mask[labels == inside].all()
    assert not mask[labels == outside].any()
    other = replay(pipeline, after, [Force(peak=0, outside=(inside,))])
    assert other.hands.rows[0].inside == frozenset()
    assert other.hands.rows[0].outside == {inside, outside}


@pytest.mark.parametrize("reading", ["no-rebalance", "prm-2018", "iou"])
def test_another_reading_keeps_the_forced_regions(pipeline, found, reading):
    forced = replay(pipeline, found, [Force(peak=0, inside=(5, 6, 7))]).at(2, reading)
    base = pipeline.analyse(found.evidence, replace(found.settings, reading=reading))
    again = replay(pipeline, base, [Force(peak=0, inside=(5, 6, 7))])
    np.testing.assert_array_equal(forced.terms[0], again.terms[2])


def test_a_chosen_mask_stays_whatever_the_weights(pipeline, found):
    after = replay(pipeline, found, [Choose(peak=0, proposal=40, inside=(2,), outside=(3,))])
    for weights in (PUBLISHED, matching.Weights(0, 0, 1), matching.Weights(1, 0, 0)):
        (instance,) = [one for one in after.instances(weights) if one.by_hand]
        assert instance.proposal == 40
    members = found.proposals.membership[40].copy()
    members[2], members[3] = True, False
    np.testing.assert_array_equal(after.members(instance), members)
    np.testing.assert_array_equal(after.work_mask(instance), members[found.proposals.labels])


def test_a_double_of_the_methods_gives_way(pipeline, found):
    best = next(one for one in found.instances() if one.painted)
    name = found.classes[best.category]
    added = len(found.peaks)
    edits = [AddPeak(name=name, x=0.5, y=0.5), Choose(peak=added, proposal=best.proposal)]
    after = replay(pipeline, found, edits)
    assert [(one.peak, one.proposal) for one in by_hand(after)] == [(added, best.proposal)]
    others = [one for one in after.instances() if not one.by_hand and one.category == best.category]
    assert all(found.proposals.iou([one.proposal], [best.proposal])[0, 0] <= 0.3 for one in others)
    assert best not in others


def test_pixels_are_painted_and_told(pipeline, found):
    stroke = Stroke(points=((5, 5), (60, 30)), radius=6)
    after = replay(pipeline, found, [Brush(peak=0, proposal=40, strokes=(stroke,))])
    (instance,) = by_hand(after)
    before = found.evidence.source.mask(40, size=found.evidence.size)
    changed = after.mask(instance) & ~before
    assert changed.any()
    assert after.mask(instance)[17, 32]
    assert (after.mask(instance) | ~before).all()
    entries = export.coco_results(after, after.instances())
    entry = next(one for one in entries if one.get("by_hand"))
    decoded = coco_mask.decode({**entry["segmentation"], "counts": entry["segmentation"]["counts"].encode()})
    np.testing.assert_array_equal(decoded > 0, after.mask(instance))
    assert all("by_hand" not in one for one in entries if one is not entry)
    semantic = after.semantic(after.instances())
    assert (semantic[after.mask(instance)] == instance.category + 1).all()
    numbers = {"photo": 1}
    told = [row.get("by_hand") for row in coco_dataset.annotation_rows(entries, numbers)]
    assert told.count(True) == 1


def test_a_snap_comes_after_what_was_painted(pipeline, found):
    edits = [
        Brush(peak=0, proposal=40, strokes=(Stroke(points=((50, 50),), radius=20),)),
        Snap(peak=0, proposal=40),
    ]
    after = replay(pipeline, found, edits)
    assert [type(change) for change in after.hands.rows[0].pixels] == [Stroke, Snap]
    np.testing.assert_array_equal(after.mask(by_hand(after)[0]), replay(pipeline, found, edits).mask(by_hand(after)[0]))


def test_two_objects_share_out_the_proposals(pipeline, two):
    analysis, pair = two
    after = replay(pipeline, analysis, [Split(peaks=pair, weights=WEIGHTS)])
    parts = {one.peak: after.members(one) for one in by_hand(after)}
    first, second = regions_under(after, pair)
    assert parts[pair[0]][first]
    assert parts[pair[1]][second]
    assert not parts[pair[0]][second]
    assert not parts[pair[1]][first]
    assert after.hands.rows[pair[0]].shared == pair


def test_a_peak_without_a_proposal_of_its_own_gets_its_share(pipeline, two):
    """Where every proposal holds both peaks, the mask that they have in common is parted."""
    analysis, pair = two
    here = regions_under(analysis, pair)
    proposals = analysis.proposals
    whole = replace(
        proposals, membership=proposals.membership | np.isin(np.arange(proposals.membership.shape[1]), here)
    )
    for part, other, own in zip(
        sharing.shared_out(
            replace(analysis, evidence=replace(analysis.evidence, proposals=whole)), pair, here, PUBLISHED
        ),
        here[::-1],
        here,
        strict=True,
    ):
        members = part.members(whole.membership)
        assert members[own]
        assert not members[other]


def test_one_object_takes_the_other_in(pipeline, two):
    analysis, pair = two
    after = replay(pipeline, analysis, [Merge(peaks=pair, weights=WEIGHTS)])
    assert len(after.peaks) == len(analysis.peaks) - 1
    (instance,) = by_hand(after)
    assert after.members(instance)[regions_under(analysis, pair)].all()
    assert after.hands.rows[pair[0]].merged == pair[1:]


def test_kept_together_and_as_found(pipeline, found, two):
    analysis, pair = two
    kept = replay(pipeline, analysis, [Keep(peaks=pair)])
    assert kept.hands.kept == {frozenset(pair)}
    assert kept.instances() == analysis.instances()
    moves = [Choose(peak=0, proposal=40), MovePeak(peak=1, x=0, y=0), Force(peak=1, inside=(3,))]
    back = replay(pipeline, found, [*moves, AsFound(peak=0), AsFound(peak=1)])
    same(back, found, "maps", "terms", "overlaps")
    assert back.instances() == found.instances()
    with pytest.raises(WsisError, match="placed by hand"):
        replay(pipeline, analysis, [AsFound(peak=pair[0])])


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (RemovePeak(peak=99), "there is no peak 99"),
        (Force(peak=0, inside=(9999,)), "there is no region 9999"),
        (Choose(peak=0, proposal=9999), "there is no proposal 9999"),
        (AddPeak(name="unicorn", x=0, y=0), "unicorn"),
        (SetClass(peak=0, name="unicorn"), "unicorn"),
        (Split(peaks=(0, 0), weights=WEIGHTS), "named twice"),
        (AsFound(peak=77), "there is no peak 77"),
    ],
)
def test_what_cannot_be_is_told(pipeline, found, edit, said):
    with pytest.raises(WsisError, match=rf"Edit 1 \({edit.do}\): .*{said}"):
        replay(pipeline, found, [edit])


def test_peaks_of_two_classes_are_not_one_object(pipeline, two):
    analysis, (cat, other) = two
    with pytest.raises(WsisError, match="different classes"):
        replay(pipeline, analysis, [SetClass(peak=other, name="dog"), Merge(peaks=(cat, other), weights=WEIGHTS)])


def test_a_file_of_edits_gives_the_same_masks(pipeline, found, photo):
    edits = [
        AddPeak(name="dog", x=0.4, y=0.6),
        Brush(peak=0, proposal=40, strokes=(Stroke(points=((9, 9),), radius=4),)),
    ]
    after = replay(pipeline, found, edits)
    file = record(after, photo="cat.png", model=pipeline.name, weights=PUBLISHED, step=2)
    assert settings_of(file) == found.settings
    fresh = of_file(pipeline, pipeline.observe(photo[40:240, 60:340]), file)
    assert fresh.instances() == after.instances()
    for one in fresh.instances():
        np.testing.assert_array_equal(fresh.mask(one), after.mask(one))


def test_edits_never_land_on_another_photo(pipeline, found, photo):
    file = record(found, photo="cat.png", model=pipeline.name, weights=PUBLISHED, step=2)
    with pytest.raises(WsisError, match="280x200 pixels, this one has 270x200"):
        of_file(pipeline, pipeline.observe(photo[40:240, 60:330]), file)
    with pytest.raises(WsisError, match="other regions and proposals"):
        of_file(pipeline, pipeline.observe(np.ascontiguousarray(photo[40:240, 60:340, ::-1])), file)
    with pytest.raises(WsisError, match="settings that nobody knows"):
        settings_of(file.model_copy(update={"made": file.made.model_copy(update={"settings": {"colour": 1}})}))


def test_levels_are_nested_and_hold_the_peak(found):
    best = found.instances()[0]
    chain = levels(found, best.peak, best.proposal)
    assert best.proposal in chain
    members = found.proposals.membership[chain]
    y, x = (found.peaks.places[best.peak] * found.proposals.size).astype(int)
    assert members[:, found.proposals.labels[y, x]].all()
    for smaller, larger in pairwise(members):
        assert larger[smaller].all()
    areas = found.proposals.areas[chain]
    assert (areas[1:] >= 1.25 * areas[:-1]).all()


def test_the_likeliest_classes_are_those_of_the_maps(found):
    maps = found.evidence.class_maps
    likely = likely_classes(maps, 0.999, 0.0)
    logits = maps.maps[:, 0, -1]
    assert [c for c, _ in likely] == np.argsort(-logits, kind="stable")[:5].tolist()
    assert likely[0][1] == pytest.approx(1 / (1 + np.exp(-logits.max())), rel=1e-5)


def test_overlaps_are_those_of_the_proposals(found):
    indices = np.arange(0, 200, 7)
    members = found.proposals.membership[indices]
    np.testing.assert_allclose(
        overlaps(members, members, found.proposals.region_areas), found.proposals.iou(indices, indices), atol=1e-6
    )


def test_a_key_tells_partitions_apart(found):
    labels, membership = found.proposals.labels, found.proposals.membership
    other = membership.copy()
    other[3, 4] ^= True
    assert key(labels, membership) == key(labels.copy(), membership.copy())
    assert len({key(labels, membership), key(labels, other), key(labels[:, ::-1], membership)}) == 3
