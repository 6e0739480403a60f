"""What happens in the tab *Why*: what is asked of the networks, and the answer for the page.

All that needs the networks waits for its turn (`look`), one map's curves at a time, so that others come in between.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import numpy as np

from wsis import memory
from wsis.analysis import WORK_SIZE
from wsis.choices import Fill
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.explorer import payload, pictures
from wsis.explorer.handlers import Handlers
from wsis.explorer.networks import Networks
from wsis.explorer.origin import Key
from wsis.explorer.payload import Packed
from wsis.explorer.scene import Scene
from wsis.explorer.server import uploads
from wsis.explorer.server.accelerator import lane
from wsis.explorer.server.desk import sent
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.store import Entry
from wsis.explorer.tabs.why import view
from wsis.image import read, resized
from wsis.why import alike, erase, faithfulness
from wsis.why.faithfulness import MAPS, Curves

KEPT = 6
"""Photos whose features are in mind: about 3 MB each."""
FILLS: tuple[str, ...] = get_args(Fill)
Act = Callable[[Packed, Entry, Scene], Packed]


class Events:
    """The tab's behaviour; every method of `by_name` is one thing that is asked for."""

    def __init__(self, handlers: Handlers) -> None:
        """Answer about what these handlers keep."""
        self._handlers = handlers
        self._features: OrderedDict[tuple[Key, bytes], np.ndarray] = OrderedDict()
        self._serial, self._counting = 0, threading.Lock()
        self.by_name: dict[str, Act] = {"erase": self._erase, "curves": self._curves, "alike": self._alike}

    # --- events ------------------------------------------------------------------------------------------------------

    def act(self, event: gr.EventData, *_: Any) -> str:
        """What `look` is asked for, in one of few words."""
        act = str(sent(event).get("act"))
        return f"why-{act}" if act in self.by_name else "why-other"

    def look(self, event: gr.EventData, request: gr.Request) -> Packed:
        """Anything that needs the networks."""
        return self._told(sent(event), request, self.by_name)

    def known(self, event: gr.EventData, request: gr.Request) -> Packed:
        """What was measured of the picked peak before; needs no network."""
        return self._told(sent(event), request, {"known": lambda _, entry, scene: self._shown(entry, scene)})

    def refused(self, error: RefusedError, event: gr.EventData | None = None, *_: Any) -> Packed:
        """The answer to a request that was not taken on."""
        return {**self._head({} if event is None else sent(event)), "fault": str(error)}

    def _told(self, data: Packed, request: gr.Request, acts: dict[str, Act]) -> Packed:
        """Do it; what the visitor can mend is one sentence where it was asked for."""
        try:
            act = acts.get(str(data.get("act")))
            if act is None:
                raise WsisError("The page asked for something that is not there. Reload it.")
            entry, scene = self._handlers.shown(data, request)
            return {**self._head(data), **memory.explained(act)(data, entry, scene)}
        except WsisError as error:
            return {**self._head(data), "fault": str(error)}

    def _head(self, data: Packed) -> Packed:
        """What tells the page which of its requests is answered."""
        with self._counting:
            self._serial += 1
            return {"ticket": data.get("ticket"), "serial": self._serial, "act": data.get("act")}

    # --- what is asked for -------------------------------------------------------------------------------------------

    def _erase(self, data: Packed, entry: Entry, scene: Scene) -> Packed:
        """A region, or the picked instance, is not there: what does the classifier say then?"""
        if scene.empty:
            raise WsisError("Pick a peak first: its class is what is watched.")
        fill: Any = data.get("fill")
        if fill not in FILLS:
            raise WsisError(f"Choose what stands there instead: {', '.join(FILLS)}.")
        glance, seen = self._networks(scene).glance, entry.analysis.evidence.glance
        made = erase.see(glance, seen, mask_of(data, scene), fill)
        return {"html": str(view.erased(made, scene))}

    def _curves(self, _: Packed, entry: Entry, scene: Scene) -> Packed:
        """The curves of the next map of the picked peak."""
        if scene.empty:
            raise WsisError("Pick a peak first: it is its maps that are followed.")
        left = self._left(entry, scene)
        if left:
            follow = lent(self._networks(scene).pipeline.checkpoint.classifier)
            found = follow(left[0], entry.analysis, scene.peak, scene.step)
            entry.followed.setdefault((scene.peak, scene.step), {})[left[0]] = found
        return self._shown(entry, scene)

    def _shown(self, entry: Entry, scene: Scene) -> Packed:
        """The curves of the picked peak so far, and which maps are left."""
        if scene.empty:
            return {"html": str(view.nothing()), "left": []}
        found = entry.followed.get((scene.peak, scene.step), {})
        left = self._left(entry, scene)
        return {"html": str(view.curves(found, scene, left)), "left": left if found else []}

    def _alike(self, data: Packed, _: Entry, scene: Scene) -> Packed:
        """How alike all cells of the photo are, and those of a second one."""
        networks, work = self._networks(scene), scene.analysis.evidence.work
        here = self._seen(networks, work)
        second, there = self._second(data), None
        if second is not None:
            name, photo = second
            found = self._seen(networks, photo)
            there = {
                "name": name, "src": pictures.jpeg(photo, 84), "size": list(photo.shape[1::-1]),
                "grid": list(found.shape[:0:-1]), "cells": _packed(alike.similarity(here, found)),
            }  # fmt: skip
        own = _packed(alike.similarity(here, here))
        return {"alike": {"grid": list(here.shape[:0:-1]), "cells": own, "second": there}}

    def _second(self, data: Packed) -> tuple[str, np.ndarray] | None:
        """Name and (h, w, 3) uint8 RGB of the second photo: an example, or uploaded."""
        examples = self._handlers.examples.photos
        if (name := data.get("example")) is not None:
            if name not in examples:
                raise WsisError("This example is not there. Choose another.")
            return str(name), resized(read(examples[name]), WORK_SIZE)
        if data.get("path") is None:
            return None
        photo = uploads.photo(Path(str(data["path"])), self._handlers.most_pixels)
        return str(data.get("name", "photo"))[:200], resized(photo, WORK_SIZE)

    # --- what they need ----------------------------------------------------------------------------------------------

    def _networks(self, scene: Scene) -> Networks:
        return self._handlers.model(scene.origin.model if scene.origin else None)

    def _left(self, entry: Entry, scene: Scene) -> list[str]:
        """Maps of the picked peak that were not followed yet."""
        found = entry.followed.get((scene.peak, scene.step), {})
        return [name for name in MAPS if name not in found]

    def _seen(self, networks: Networks, photo: np.ndarray) -> np.ndarray:
        """(D, h, w) float32 features of a photo; those of the last few photos are in mind."""
        key = (networks.origin.key, hashlib.sha256(repr(photo.shape).encode() + photo.tobytes()).digest())
        if key not in self._features:
            classifier = networks.pipeline.checkpoint.classifier

            def features(work: np.ndarray) -> np.ndarray:
                return alike.features(classifier, work)

            self._features[key] = lane(features)(photo)
            while len(self._features) > KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(key)
        return self._features[key]


def lent(classifier: Classifier) -> Callable[..., Curves]:
    """`faithfulness.follow` with the accelerator, where one is lent."""

    def follow(name: str, *of: Any) -> Curves:
        analysis, *rest = of
        return faithfulness.follow(name, analysis, classifier, *rest)

    return lane(follow)


def mask_of(data: Packed, scene: Scene) -> np.ndarray:
    """(h, w) bool at work size: what is to be erased.

    Args:
        data: `runs`, lengths of runs of pixels row by row, the first of them outside; or nothing, for the picked peak's
            mask: of its instance, or its best proposal. Anybody can send anything there.
        scene: what is on the screen.

    Raises:
        WsisError: the runs are not those of this photo.
    """
    analysis, runs = scene.analysis, data.get("runs")
    if runs is None:
        own = next((one for one in scene.found if one.peak == scene.peak), None)
        return analysis.proposals.mask(scene.best[0]) if own is None else analysis.work_mask(own)
    size, wrong = analysis.proposals.size, WsisError("What was brushed is of another photo. Brush it again.")
    total = size[0] * size[1]
    if not isinstance(runs, list) or len(runs) > total or not all(type(run) is int and run >= 0 for run in runs):
        raise wrong
    if sum(runs) != total:
        raise wrong
    mask, ends = np.zeros(total, bool), list(accumulate(runs))
    for begin, end in zip(ends[::2], ends[1::2], strict=False):
        mask[begin:end] = True
    return mask.reshape(size)


def _packed(similar: np.ndarray) -> dict[str, str]:
    """Similarities in [0, 1] in 255 steps; what points away counts as not alike."""
    return payload.pack(np.rint(255 * np.clip(similar, 0, 1)), "u1")
