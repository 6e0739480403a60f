"""`stage/match.js` against `wsis.matching` and `wsis.instances`: the same picks, to the last tie, for any weights."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app import examples
from tests.helpers.small_analysis import small_analysis, with_class_maps
from wsis import image, matching
from wsis.analysis import Settings
from wsis.explorer import firmness, layout, payload, words
from wsis.hands import Hand, Hands
from wsis.instances import OFFERS_APART, Fit, Instance, assemble
from wsis.matching import PRESETS, Weights
from wsis.peaks import Peaks
from wsis.pipeline import Pipeline
from wsis.proposals import ProposalSet

SCRIPTS = ("dom", "match", "offers", "words", "unpack")
COUNT, CELLS = 1000, 48
FEWER = 300
"""Weights a generated analysis is compared by, of which there are dozens."""


def weights(seed: int) -> list[list[float]]:
    """Random triples over several magnitudes, with zeros and equals, and the presets' own."""
    rng = np.random.default_rng(seed)
    triples = rng.random((COUNT, 3)) * 10.0 ** rng.integers(-5, 1, (COUNT, 3))
    triples[rng.random((COUNT, 3)) < 0.15] = 0
    triples[::7] = np.round(rng.random((len(triples[::7]), 3)) * 1.5, 2)
    triples[::11] = triples[::11, :1]
    own = [[p.weights.alpha, p.weights.beta, p.weights.gamma] for p in PRESETS.values()]
    return [*own, *triples.tolist()][:COUNT]


PICKS = """async ([field, runners, peaks, areas, step, k, objects, weights, least, hands]) => {
  const M = match, all = await unpack.field(field), few = await unpack.field(runners), cells = all.offsets.length - 1;
  return weights.map(w => [
    M.instances(all, peaks, step, w, areas, objects, least, hands)
      .map(one => [one.peak, one.id, one.score, one.hypothesis, one.byHand, one.painted]),
    M.rank(few, step, w, 5).map(i => few.ids[few.slots[i]]),
    M.score(all, M.best(all, step * peaks.length + k, w), w),
  ]);
}"""


def compare(page, analysis, step: int, k: int, seed: int, count: int = FEWER) -> None:
    """Instances with scores, the five best proposals and the winner's score, over so many weights."""
    peaks = [
        {"category": int(c), "probability": float(p)}
        for c, p in zip(analysis.peaks.classes, analysis.peaks.probabilities, strict=True)
    ]
    match = payload.field(analysis, payload._cells(analysis), 1)
    objects = None if analysis.objects is None else analysis.steps + 1
    runners = payload.field(analysis, [(s, k) for s in range(analysis.steps + 1)], 5)
    areas = analysis.proposals.region_areas.tolist()
    chosen = weights(seed)[:count]
    hands = payload._hands(analysis)
    answers = page.evaluate(PICKS, [match, runners, peaks, areas, step, k, objects, chosen, analysis.least, hands])
    for triple, (found, top, score) in zip(chosen, answers, strict=True):
        own = Weights(*triple)
        expected = [
            [one.peak, one.proposal, one.score, one.hypothesis, one.by_hand, one.painted]
            for one in analysis.instances(own, step)
        ]
        assert found == expected, triple
        assert top == analysis.top(k, own, step, 5).tolist(), triple
        assert score == matching.total(analysis.ranked_terms[step, k], own).max(), triple


def generated(
    seed: int, ties: bool, objects: bool = False, least: float = 0.0, hands: Hands | None = None
) -> SimpleNamespace:
    """An analysis of nothing real: random regions, proposals and terms; with ties, terms of a few values only."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 37, (24, 30)).astype(np.int32)
    membership = rng.random((300, 37)) < rng.random((300, 1))
    membership[:, 0] |= ~membership.any(1)
    proposals = ProposalSet(labels, membership, np.linspace(1, 0, 300, dtype=np.float32), "generated")
    terms = rng.random((4, 6, 300, 3))
    fits = rng.random((4, 6, 300))
    if ties:
        terms, fits = np.round(terms * 4) / 4, np.round(fits * 4) / 4
    terms, fits = terms.astype(np.float32), fits.astype(np.float32)
    classes = np.array([0, 0, 1, 0, 1, 2])
    place = np.arange(6)
    peaks = Peaks(classes, place, place, np.ones(6, np.float32), rng.random(6).astype(np.float32), (6, 8))
    made = SimpleNamespace(proposals=proposals, ranked_terms=terms[:3], fits=fits[:3], peaks=peaks, steps=2)
    made.least, made.hands, made.settings = least, hands, SimpleNamespace(reading="cover")
    rates = rng.uniform(0.6, 1, 300).astype(np.float32)
    made.rates = lambda reading: rates if reading == "cover" else None
    made.objects, made.ranked_object_terms, made.object_fits = (True, terms[3], fits[3]) if objects else (None,) * 3

    def instances(own, step):
        single = Fit(terms[3], fits[3]) if objects and step else None
        return assemble(
            peaks, Fit(terms[step], fits[step]), proposals, "abc", own, objects=single, least=least, hands=hands
        )

    made.instances = instances
    made.top = lambda k, own, step, count: matching.rank(terms[step, k], own, count)
    return made


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("objects", [False, True])
def test_same_picks_on_generated_analyses(page, seed, ties, objects):
    compare(page, generated(seed, ties, objects), step=seed + 1, k=3, seed=seed)


@pytest.mark.parametrize("least", [0.05, 0.3])
def test_the_same_are_left_out_of_pictures(page, least):
    compare(page, generated(3, ties=False, objects=True, least=least), step=2, k=3, seed=3)


HANDS = {
    "a chosen proposal": {1: Hand(1, proposal=250)},
    "forced regions": {0: Hand(0, inside=frozenset({3, 4}), outside=frozenset({7, 8, 9}))},
    "a placed peak, by its object": {3: Hand(3, added=True, of="object"), 4: Hand(4, moved=True)},
    "all at once": {
        0: Hand(0, proposal=11, inside=frozenset(range(30))),
        1: Hand(1, proposal=11),
        3: Hand(3, named=True, outside=frozenset(range(5, 20)), of="object"),
    },
}


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("made", HANDS)
def test_same_picks_with_hands(page, made, objects):
    hands = Hands(tuple(HANDS[made].get(k, Hand(k)) for k in range(6)))
    for step in (0, 2):
        compare(page, generated(4, ties=False, objects=objects, least=0.05, hands=hands), step=step, k=5, seed=4)


FILLED = """async ([field, packed, bits, total, peaks, areas, step, objects, weights, least, hands, fill]) => {
  const all = await unpack.field(field), members = await unpack.array(bits);
  const given = await unpack.offers(packed, members, members.length / total);
  return weights.map(w => {
    const kept = match.instances(all, peaks, step, w, areas, objects, least, hands);
    return [...kept, ...(given ? offers.filled(all, kept, given, fill, peaks, areas) : [])]
      .sort((a, b) => b.score - a.score).map(one => [one.peak, one.id, one.score, one.hypothesis]);
  });
}"""


def offered(seed: int, peaks: Peaks, count: int = 40) -> list[Instance]:
    """Random offers of the peaks' classes, by falling score, some of them equal."""
    rng = np.random.default_rng(seed)
    scores = np.sort(np.round(rng.random(count) * 0.03, 3))[::-1]
    rows = rng.integers(0, len(peaks), count).tolist()
    return [
        Instance(c := int(peaks.classes[k]), "abc"[c], float(score), k, int(rng.integers(300)), "offer", painted=False)
        for k, score in zip(rows, scores, strict=True)
    ]


def compare_filled(page, analysis, made, step: int, fill: int, seed: int) -> int:
    """The whole list, what pictures leave out and what fills it up included; returns the most that was offered."""
    peaks = [
        {"category": int(c), "probability": float(p)}
        for c, p in zip(analysis.peaks.classes, analysis.peaks.probabilities, strict=True)
    ]
    proposals, chosen = analysis.proposals, weights(seed)[:200]
    asked = [
        payload.field(analysis, payload._cells(analysis), 1),
        payload.offers(analysis),
        payload.pack(payload._bits(proposals.membership), "u1"),
        len(proposals), peaks, proposals.region_areas.tolist(), step,
        None if analysis.objects is None else analysis.steps + 1,
        chosen, analysis.least, payload._hands(analysis), fill,
    ]  # fmt: skip
    most = 0
    for triple, found in zip(chosen, page.evaluate(FILLED, asked), strict=True):
        here = made(Weights(*triple), step, fill)
        expected = [[one.peak, one.proposal, one.score, one.hypothesis] for one in here]
        assert found == expected, triple
        most = max(most, sum(one.hypothesis == "offer" for one in here))
    return most


@pytest.mark.parametrize("hands", [None, *HANDS])
@pytest.mark.parametrize("fill", [3, 8, 20])
@pytest.mark.parametrize("objects", [False, True])
def test_the_same_fills_up_the_list(page, objects, fill, hands):
    by_hand = None if hands is None else Hands(tuple(HANDS[hands].get(k, Hand(k)) for k in range(6)))
    made = generated(7, ties=False, objects=objects, least=0.3, hands=by_hand)
    made.offers = offered(8, made.peaks)

    def listed(own, step, fill):
        return assemble(
            made.peaks, Fit(made.ranked_terms[step], made.fits[step]), made.proposals, "abc", own,
            objects=Fit(made.ranked_object_terms, made.object_fits) if objects and step else None,
            least=made.least, hands=by_hand, offers=made.offers, fill=fill,
        )  # fmt: skip

    for step in (0, 2):
        most = compare_filled(page, made, listed, step, fill, seed=7)
        assert most > 0 or fill < 20


@pytest.mark.parametrize("counts", [True, False])
def test_the_same_fills_up_with_and_without_objectness(page, counts):
    small = small_analysis()
    evidence = replace(small.evidence, objectness=np.array([0.7, 0.9, 0.95], np.float32))
    evidence = with_class_maps(evidence, maps=small.evidence.class_maps.maps * 9)
    made = replace(small, evidence=evidence, settings=replace(small.settings, objectness=counts))
    compare(page, made, step=1, k=0, seed=5)
    assert compare_filled(page, made, made.instances, 1, 20, seed=5) == (2 if counts else 0)
    assert layout.method_config()["rules"]["offersApart"] == OFFERS_APART


def test_people_read_the_terms_as_they_were_measured(page):
    small = small_analysis()
    made = replace(small, evidence=replace(small.evidence, objectness=np.array([0.1, 0.5, 0.95], np.float32)))
    read = """async field => {
      const all = await unpack.field(field);
      return Array.from(all.slots, (slot, i) => [all.ids[slot], ...match.terms(all, i)]);
    }"""
    told = page.evaluate(read, payload.field(made, [(1, 0), (1, 1)], 3))
    assert len({one[0] for one in told}) == 3
    for (proposal, *terms), k in zip(told, [0] * 3 + [1] * 3, strict=True):
        np.testing.assert_allclose(terms, made.terms[1, k, int(proposal)], rtol=1e-6)


def test_naive_maps_go_without_objects(page):
    compare(page, generated(2, ties=False, objects=True), step=0, k=3, seed=2)


def test_same_picks_on_the_hand_made_analysis(page):
    compare(page, small_analysis(), step=1, k=0, seed=5)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load("voc-lite", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("reading", ["cover", "literal", "prm-2018"])
def test_same_picks_on_a_real_analysis(page, pipeline, reading):
    photo = next(iter(examples().values()))
    analysis = pipeline.analyse(image.read(photo), Settings(steps=2, reading=reading))
    assert len(analysis.peaks) > 1
    compare(page, analysis, step=2, k=len(analysis.peaks) - 1, seed=9, count=COUNT)


def test_the_plane_of_two_weights_is_the_same(page):
    made = generated(4, ties=True)
    field = payload.field(made, [(0, 0)], 1)
    at = [0.95, 0.1, 0.8]
    asked = """async ([field, w, n]) => {
      const f = await unpack.field(field), p = match.plane(f, 0, w, [0, 2], [1.5, 1.2], n);
      return [...p.winners].map(i => f.ids[f.slots[i]]);
    }"""
    winners = np.reshape(page.evaluate(asked, [field, at, CELLS]), (CELLS, CELLS))
    for row in range(0, CELLS, 5):
        for column in range(CELLS):
            own = Weights(1.5 * (column + 0.5) / CELLS, at[1], 1.2 * (row + 0.5) / CELLS)
            assert winners[row, column] == matching.rank(made.ranked_terms[0, 0], own, 1)[0]


@pytest.mark.parametrize("ties", [False, True])
def test_the_same_reasons_and_handovers(page, ties):
    made = generated(6, ties)
    if ties:
        made.ranked_terms[made.ranked_terms.sum(-1) > 1.5] = 0  # none that is best in every term
    terms, chosen = made.ranked_terms[1, 2], [w for w in weights(8) if max(w) > 0]
    asked = """async ([field, chosen]) => {
      const f = await unpack.field(field), M = match;
      return chosen.map(w => [M.decided(f, 0, w), ...[0, 1, 2].map(axis => {
        const found = M.handover(f, 0, w, axis, Math.max(1.5, w[axis]));
        return found && [found.below ? 'below' : 'above', found.value, f.ids[f.slots[found.entry]]];
      })]);
    }"""
    answers = page.evaluate(asked, [payload.field(made, [(1, 2)], 1), chosen])
    for triple, (why, *handed) in zip(chosen, answers, strict=True):
        own = Weights(*triple)
        assert (why["term"], why["lead"]) == firmness.decided_by(terms, own), triple
        for axis, found in enumerate(handed):
            expected = firmness.handover(terms, own, axis, max(1.5, triple[axis]))
            assert found == (None if expected is None else list(expected[1:])), (triple, axis)


def test_the_same_words(page):
    rng = np.random.default_rng(2)
    numbers = rng.random(3000) * 10.0 ** rng.integers(-9, 6, 3000) * rng.choice([-1, 1], 3000)
    halves = np.arange(-4000, 4000) / 32  # of these, many lie half way between two roundings
    edges = [0.0, -0.0, 5e-5, 1e-4, 5e-4, 0.001, 0.125, 0.9995, 999.5, 999.9996, 1000, 1000.5, 1001.5, 123456.5, 4e-5]
    values = [*numbers.tolist(), *halves.tolist(), *edges]
    asked = """values => { const W = words; return values.map(v => [
      W.unit(v), W.short(v), W.short(v, 2), W.weight(v, 1.5), W.weight(v * 1e-9, 4e-5), W.decidedBy('recall', v)]); }"""
    for value, told in zip(values, page.evaluate(asked, values), strict=True):
        expected = [
            words.unit(value), words.short(value), words.short(value, 2), words.weight(value, 1.5),
            words.weight(value * 1e-9, 4e-5), words.decided_by("recall", value),
        ]  # fmt: skip
        assert told == expected, value
    assert page.evaluate("words.decidedBy('recall', null)") == words.decided_by("recall", None)
    assert (words.short(5e-5), words.unit(0.125), words.short(1234.5)) == ("5e-5", ".13", "1,235")


def test_a_handover_hands_over(page):
    made = generated(6, ties=False)
    field, at = payload.field(made, [(1, 2)], 1), [0.95, 0.1, 0.8]
    asked = """async ([field, w]) => {
      const f = await unpack.field(field), found = [0, 1, 2].map(axis => match.handover(f, 0, w, axis, 3));
      return found.map(h => h && [h.value, f.ids[f.slots[h.entry]], h.below]);
    }"""
    found = page.evaluate(asked, [field, at])
    assert any(found)
    best = matching.rank(made.ranked_terms[1, 2], Weights(*at), 1)[0]
    for axis, handover in enumerate(found):
        if handover is None:
            continue
        value, other, below = handover
        for side, winner in ((-1, other if below else best), (1, best if below else other)):
            moved = [*at]
            moved[axis] = max(0.0, value + side * 1e-6)
            scores = matching.total(made.ranked_terms[1, 2], Weights(*moved))
            assert scores[winner] > scores[best if winner == other else other]
