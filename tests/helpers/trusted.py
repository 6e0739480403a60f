"""Counts of right masks, and what is rated by them."""

from __future__ import annotations

from dataclasses import replace

from tests.helpers.small_analysis import small_analysis
from wsis import trust
from wsis.analysis import Analysis, Settings
from wsis.instances import Instance
from wsis.matching import PUBLISHED
from wsis.trust import Curve, Trust

REGION = Curve((0.0, 0.2, 0.5), (1, 6, 18), (10, 12, 20))
CARD = {"modules": {"classifier": {"file": "a", "sha256": "aa"}, "contours": {"from": "b", "sha256": "bb"}}}


def analysis(**changes: object) -> Analysis:
    """The small analysis as if the model had made it with its own proposals."""
    made = small_analysis()
    source = replace(made.evidence.source, source=trust.BUILT_IN)
    settings = replace(made.settings, **changes)
    return replace(made, settings=settings, evidence=replace(made.evidence, source=source))


def counted(**changes: object) -> Trust:
    settings = {name: getattr(Settings(enhancer="spread", steps=1), name) for name in Settings.__dataclass_fields__}
    made = Trust(
        {"classifier": "aa", "contours": "bb"}, settings, PUBLISHED, 0.1, "some photos", 8, {"region": REGION}, {}
    )
    return replace(made, **changes)


def instance(**changes: object) -> Instance:
    return replace(Instance(7, "cat", 0.45, 0, 0), **changes)
