"""`stage/measure.js` against `wsis.matching.terms`: what a painted mask is worth while it is being painted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small_analysis import small_analysis
from wsis import matching

SCRIPTS = ("measure",)
TERMS = """([binary, band, labels, areas, members, reading]) => {
  const grey = v => ({v: Uint8Array.from(v)});
  const counts = measure.counted(grey(binary), grey(band), {labels, areas});
  return members.map(one => measure.terms(counts, Uint8Array.from(one), Int32Array.from(areas), reading));
}"""


@pytest.mark.parametrize("reading", [name for name in matching.READINGS if name != "prm-2018"])
def test_terms_of_any_set_of_regions(page, reading):
    analysis = small_analysis()
    count = analysis.proposals.membership.shape[1]
    members = np.random.default_rng(0).random((40, count)) < 0.5
    members[0] = False
    proposals = replace(
        analysis.proposals, membership=members, scores=np.linspace(1, 0, len(members), dtype=np.float32)
    )
    binary = analysis.binary[-1][:1]
    expected = matching.terms(analysis.maps[-1][:1], proposals, reading, binary=binary)[0]
    band = matching.contour_bands(binary)
    answer = page.evaluate(
        TERMS,
        [
            binary.ravel().astype(int).tolist(),
            band.ravel().astype(int).tolist(),
            proposals.labels.ravel().tolist(),
            proposals.region_areas.tolist(),
            members.astype(int).tolist(),
            reading,
        ],
    )
    np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1e-7)


def test_no_terms_of_what_needs_the_map_itself(page):
    assert page.evaluate(TERMS, [[1], [0], [0], [1], [[1]], "prm-2018"]) == [None]
