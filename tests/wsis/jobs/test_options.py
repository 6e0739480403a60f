from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wsis import checkpoints
from wsis.errors import WsisError
from wsis.jobs.options import chosen
from wsis.pipeline import Pipeline


def test_without_a_wish_the_enhancer_is_one_that_the_model_has(tiny_checkpoint: Path) -> None:
    whole = checkpoints.load(tiny_checkpoint)
    assert chosen(Pipeline(whole)).enhancer == "icn-instances"
    regions = {name: net for name, net in whole.icns.items() if name != "icn-instances"}
    assert chosen(Pipeline(replace(whole, icns=regions))).enhancer == "icn-saliency"
    objects = {"icn-instances": whole.icns["icn-instances"]}  # which needs the network of regions beside it
    assert chosen(Pipeline(replace(whole, icns=objects))).enhancer == "spread"
    bare = checkpoints.Checkpoint("bare", whole.classifier)
    assert chosen(Pipeline(bare)).enhancer == "spread"
    with pytest.raises(WsisError, match="has no enhancer 'icn-proposal'"):
        chosen(Pipeline(bare), "icn-proposal")
