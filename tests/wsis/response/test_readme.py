from __future__ import annotations

import doctest

from tests.helpers import ROOT


def test_the_drawn_example_is_what_happens():
    results = doctest.testfile(str(ROOT / "wsis" / "response" / "README.md"), module_relative=False)
    assert results.attempted > 10
    assert not results.failed
