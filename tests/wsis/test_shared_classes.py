"""Classes of a data set and of a model, matched by their names."""

from __future__ import annotations

import pytest

from wsis.errors import WsisError
from wsis.shared_classes import shared


def test_names_match_whatever_their_order_and_spelling():
    found = shared(("Tea Pot", "bolt", "nut"), ("bolt", "washer", "teapot"), "mine")
    assert found.names == ("Tea Pot", "bolt")
    assert found.of_set.tolist() == [0, 1, -1]
    assert found.of_model.tolist() == [1, -1, 0]
    assert found.left_out() == [
        "Left out, as the model does not know them: nut.",
        "Left out, as the data set has no masks of them: washer.",
    ]


@pytest.mark.parametrize("names", [None, ("cat", "dog")])
def test_the_models_own_classes_are_all_shared(names):
    found = shared(names, ("cat", "dog"))
    assert (found.names, found.of_set.tolist(), found.of_model.tolist()) == (("cat", "dog"), [0, 1], [0, 1])
    assert found.left_out() == []


def test_nothing_in_common_is_said():
    model = tuple(f"class {i}" for i in range(300))
    with pytest.raises(
        WsisError, match=r"model 'mine' have no class in common: there are nut on one side, class 0, .* 290 more"
    ):
        shared(("nut",), model, "mine")
