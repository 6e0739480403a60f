"""`alike.js`, `travel.js` and `simplex.js` against Python: the same groups, differences, travel and winners."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.random_analysis import random_analysis
from wsis import matching
from wsis.explorer import alike, payload, travel, words
from wsis.matching import Weights

SCRIPTS = ("dom", "match", "alike", "travel", "simplex", "words", "unpack")
AT = [0.95, 0.1, 0.8]
PACKED = """async ([photo, part, match]) => {
  const bits = await unpack.array(photo.bits);
  globalThis.known = {
    runners: await unpack.runners(part.runners, Uint8Array.from(bits)), match: await unpack.field(match),
    partition: await unpack.partition(photo.labels, photo.areas),
  };
}"""


@pytest.fixture(params=[0, 1, 2])
def made(page, request):
    """An analysis that the page has as well."""
    analysis = random_analysis(request.param, "cover")
    sent = payload.photo(analysis.evidence, "a.jpg"), payload.peak(analysis, 2), payload.field(analysis, [(1, 2)], 1)
    page.evaluate(PACKED, list(sent))
    return analysis


def triples(seed, count=60):
    rng = np.random.default_rng(seed)
    chosen = np.round(rng.random((count, 3)) * 1.5, 2)
    chosen[rng.random((count, 3)) < 0.15] = 0
    return [AT, *chosen.tolist()]


def test_all_proposals_arrive(page, made):
    sent = page.evaluate("[[...known.runners.terms], [...known.runners.tints], [...known.match.tints]]")
    np.testing.assert_array_equal(np.float32(sent[0]).reshape(2, -1, 3), made.terms[:, 2])
    front = matching.pareto(made.terms[1, 2])
    tints = np.reshape(sent[1], (2, -1))[1]
    assert tints[front].tolist() == sent[2]
    assert set(np.delete(tints, front)) == {20}


def test_the_same_groups(page, made):
    asked = """chosen => chosen.map(w => alike.groups(known.runners, 1, w, known.partition.areas, 3)
      .map(({entries, places}) => [entries.map(i => known.runners.slots[i]), places]))"""
    chosen = triples(1)
    for triple, found in zip(chosen, page.evaluate(asked, chosen), strict=True):
        order = matching.rank(made.terms[1, 2], Weights(*triple))
        expected = [[list(one.proposals), list(one.places)] for one in alike.groups(order, made.proposals, 3)]
        assert found == expected, triple


def test_the_same_ranking_and_places(page, made):
    asked = """chosen => chosen.map(w => { const f = known.runners, n = f.offsets[1]; return [
      match.rank(f, 1, w, 15).map(i => f.slots[i]), [...Array(n).keys()].map(i => match.place(f, 1, n + i, w))]; })"""
    chosen = triples(2)
    for triple, (best, places) in zip(chosen, page.evaluate(asked, chosen), strict=True):
        order = matching.rank(made.terms[1, 2], Weights(*triple))
        assert best == order[:15].tolist()
        assert np.argsort(places).tolist() == order.tolist()


def test_the_same_differences(page, made):
    asked = """() => { const f = known.runners, n = f.ids.length, found = [];
      for (let a = 0; a < n; a++) for (const b of [0, 7]) {
        const {gained, lost} = alike.difference(f, a, b, known.partition);
        found.push([a, b, gained.share, gained.side, lost.share, lost.side, words.change('adds ', gained)]);
      }
      return found; }"""
    for a, b, *found in page.evaluate(asked):
        gained, lost = alike.difference(made.proposals, a, b)
        told = words.change("adds ", gained.share, gained.side)
        assert found == [gained.share, gained.side, lost.share, lost.side, told], (a, b)


def test_the_same_stretches_and_travel(page, made):
    asked = """chosen => chosen.map(w => [0, 1, 2].map(axis => {
      const f = known.match, found = travel.stretches(f, 0, w, axis, 1.5);
      const {values, places} = travel.knots(f, found, known.partition.areas);
      return [found.map(({low, high, entry}) => [low, high, f.ids[f.slots[entry]]]), values, places];
    }))"""
    chosen = triples(3)
    for triple, axes in zip(chosen, page.evaluate(asked, chosen), strict=True):
        for axis, (found, *knots) in enumerate(axes):
            expected = travel.stretches(made.terms[1, 2], Weights(*triple), axis, 1.5)
            assert found == [[one.low, one.high, one.proposal] for one in expected], (triple, axis)
            np.testing.assert_allclose(knots, travel.knots(expected, made.proposals), atol=1e-12)


def test_a_thumb_goes_there_and_back(page, made):
    asked = """w => { const f = known.match;
      const knots = travel.knots(f, travel.stretches(f, 0, w, 0, 1.5), known.partition.areas);
      return [...Array(101).keys()].map(i => [i / 100, travel.place(knots, travel.value(knots, i / 100))]); }"""
    for there, back in page.evaluate(asked, AT):
        assert back == pytest.approx(there, abs=1e-9)


def test_the_triangle_has_the_winners_of_its_points(page, made):
    reach = [1.5, 1.5, 0.75]
    asked = """reach => { const f = known.match, {winners, width, height} = simplex.winners(f, 0, reach);
      return [...winners].flatMap((entry, i) => {
        const at = [(i % width + .5) / width, (Math.floor(i / width) + .5) / height];
        return entry < 0 ? [] : [[f.ids[f.slots[entry]], ...simplex.weights(at, 1, reach)]];
      }); }"""
    found = page.evaluate(asked, reach)
    assert len(found) == pytest.approx(78 * 68 / 2, rel=0.03)
    for winner, *at in found[::9]:
        assert winner == matching.rank(made.terms[1, 2], Weights(*at), 1)[0]


def test_a_point_of_the_triangle_is_the_weights_by_their_sum(page):
    asked = """([w, reach]) => { const at = simplex.point(w, reach);
      return [at, simplex.shares(at), simplex.weights(at, w.reduce((a, b, i) => a + b / reach[i], 0), reach)]; }"""
    at, shares, again = page.evaluate(asked, [AT, [1, 1, 1]])
    assert shares == pytest.approx([0.95 / 1.85, 0.1 / 1.85, 0.8 / 1.85])
    assert again == pytest.approx(AT)
    assert at[1] == pytest.approx(1 - 0.95 / 1.85)
    _, _, again = page.evaluate(asked, [[0.8, 1, 1e-5], [2, 2, 4e-5]])
    assert again == pytest.approx([0.8, 1, 1e-5])
    corners = {(0.5, -0.2): (0.5, 0), (-0.4, 1.2): (0, 1), (1.5, 1): (1, 1), (0.5, 0.5): (0.5, 0.5)}
    for outside, inside in corners.items():
        assert page.evaluate("at => simplex.within(at)", list(outside)) == pytest.approx(inside, abs=0.02)
