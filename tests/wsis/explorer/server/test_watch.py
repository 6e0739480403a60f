"""What is counted and logged of a request."""

from __future__ import annotations

import io
import json

from wsis.explorer.server.watch import Watch, sizes


def test_two_processes_give_one_visitor_two_names():
    def line():
        log = io.StringIO()
        with Watch(log).request("ask", "tab"):
            pass
        return json.loads(log.getvalue())["visitor"]

    assert line() != line()


def test_sizes_of_anything():
    assert sizes("text") == sizes(None) == sizes([{}]) == sizes({}) == {}
    assert sizes({"size": [3, 2], "peaks": [{}], "proposals": 9}) == {
        "width": 3, "height": 2, "peaks": 1, "proposals": 9
    }  # fmt: skip
