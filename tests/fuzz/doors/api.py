"""The explorer's endpoints for programs: `wsis.explorer.api.Api`, with a finished analysis instead of networks."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
from pycocotools import mask as coco_mask

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from tests.fuzz.doors.page import sums
from tests.helpers.small_analysis import SIZE, small_analysis
from wsis.analysis import Analysis
from wsis.explorer.api import Api
from wsis.explorer.server import uploads
from wsis.explorer.store import Store
from wsis.matching import Weights

TOKEN = "TOKEN"
"""Stands in a case for the token of an analysis that is kept."""


class Endpoints(Door):
    """Arguments to COCO results, or a sentence."""

    name = "API arguments"
    checked = (
        "masks, decoded by pycocotools, must be those of the proposals with the greatest sum of terms, added up one by "
        "one; classes, sizes and scores within their ranges; calls with right arguments must be answered"
    )
    count = 2500
    refusals = (gr.Error,)

    def __init__(self, home: Path) -> None:
        """Stand behind the endpoints with one analysis."""
        super().__init__(home)
        os.environ["GRADIO_TEMP_DIR"] = str(home)
        self._made, self._store = small_analysis(), Store(every=3600)
        (home / "photo.png").write_bytes(seeds.encoded(seeds.scene(), "PNG"))
        (home / "bad.png").write_bytes(b"no photo")
        networks = SimpleNamespace(
            whole=lambda image, settings: replace(self._made, settings=settings),
            origin=SimpleNamespace(model="tiny", enhancer="spread", card={}),
        )
        behind = SimpleNamespace(store=self._store, photo=uploads.photo, model=lambda name: networks)
        self._api: Any = Api(behind)
        self._token = self._store.put(self._made, pinned=True)

    def case(self, rng: random.Random) -> Case:
        """An endpoint and its arguments, some of them odd."""
        path = rng.choice(
            ("photo.png", "photo.png", "photo.png", "bad.png", "no.png", "../conftest.py", "\0", "a" * 5000)
        )
        photo: Any = {
            "path": str(self.home / path),
            "orig_name": rng.choice(("a.jpg", None, 5, "../../b.png", "\ud800")),
        }
        look: list[Any] = [photo, "none", rng.randrange(9), rng.random(), None]
        calls: dict[str, list[Any]] = {
            "analyse": look,
            "rank": [TOKEN, rng.random(), rng.random(), rng.random(), -1, rng.choice((0, 0, 1, 3))],
            "segment": [*look, 0],
        }
        name = rng.choice(list(calls))
        arguments = calls[name]
        if rng.random() < 0.15:
            return Case(("rank", calls["rank"]), "right arguments", True)
        for _ in range(rng.choice((1, 1, 2))):
            arguments = mutate.twisted(arguments, rng)
        whole = isinstance(arguments, list) and len(arguments) == len(calls[name])
        return Case((name, arguments if whole else calls[name]), f"{name} with other values")

    def enter(self, content: Any) -> Any:
        """Call the endpoint."""
        name, arguments = content
        found = getattr(self._api, name)(*[self._token if one is TOKEN or one == TOKEN else one for one in arguments])
        if name == "analyse":
            self._store.drop(found["id"])
        return found

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Analysis or results."""
        name, arguments = case.content
        if name == "analyse":
            peaks = [peak["class"] for peak in answer["peaks"]]
            same = answer["size"] == list(SIZE[::-1]) and peaks == ["cat", "dog"] and answer["proposals"] == 3
            return ("" if same else f"got {answer}"), True
        rank = name == "rank"
        weights = Weights(*map(float, arguments[1:4])) if rank else Weights(0.95, 0.1, 0.8)
        step, fill = (int(arguments[4]), int(arguments[5])) if rank else (-1, int(arguments[5]))
        fault = _not_results(self._made, answer, weights, step, fill)
        return fault or ("" if answer or case.expected is UNKNOWN else "no instance"), True


def _not_results(made: Analysis, answer: list[dict], weights: Weights, step: int, fill: int) -> str:
    """What is wrong with COCO results, empty if nothing."""
    best = {}
    for peak, category in enumerate(made.peaks.classes):
        scores = sums(made.ranked_terms[step, peak], weights)
        winners = [made.proposals.mask(i, SIZE) for i, score in enumerate(scores) if score == max(scores)]
        best[made.classes[category]] = winners
    for entry in answer:
        mask = coco_mask.decode(entry["segmentation"]).astype(bool)
        if mask.shape != SIZE or not 0 <= entry["score"] <= 1 or entry["area"] != mask.sum():
            return f"an entry of {mask.shape} with {entry['score']} and {entry['area']}"
        if not fill and not any(np.array_equal(mask, one) for one in best[entry["category_name"]]):
            return "the mask of a proposal that does not win"
    return (
        "" if [one["score"] for one in answer] == sorted((one["score"] for one in answer), reverse=True) else "no order"
    )
