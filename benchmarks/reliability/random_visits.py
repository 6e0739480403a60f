"""Visitors of the explorer who do as chance has it, through the events of its page."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import cv2
import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from wsis import image
from wsis.choices import Naive
from wsis.explorer.files import INSTANCE_WRITERS, WRITERS
from wsis.explorer.handlers import Handlers
from wsis.explorer.scene import Scene
from wsis.explorer.tabs import plots
from wsis.explorer.visit import Controls, Now
from wsis.explorer.words import AXES
from wsis.matching import PRESETS
from wsis.response import MODES

SIDES = 200, 1600
"""Least and largest long side of an uploaded photo, in pixels."""


@dataclass
class Visitor:
    """One tab, from its photo to its end.

    Attributes:
        handlers: the explorer.
        chance: what decides.
        name: of the session.
        analyses: how many were made for it.
        kinds: the kinds of answers, counted.
    """

    handlers: Handlers
    chance: np.random.Generator
    name: str
    analyses: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose settings."""
        self._request: Any = SimpleNamespace(session_hash=self.name)
        self._controls = self._random_controls()
        preset = self._one(list(PRESETS))
        weights = PRESETS[preset].weights
        self._now: dict[str, Any] = {
            "token": None, "other": None, "peak": -1, "step": int(self.chance.integers(5)), "preset": preset,
            "reading": PRESETS[preset].reading, "weights": [weights.alpha, weights.beta, weights.gamma],
            "enhancer": self._one(self.handlers.pipeline.enhancers), "compare": "naive", "tab": "instances",
            "axes": [0, 2], "dark": self._may(0.5),
        }  # fmt: skip

    def visit(self, photo: Path) -> None:
        """Upload a photo, look at what it shows, and go."""
        folder = Path(get_upload_folder()) / self.name
        folder.mkdir(parents=True)
        file = folder / photo.name
        file.write_bytes(self._variant(photo))
        answer = self._look("upload", path=str(file), name=photo.name)
        shutil.rmtree(folder)  # Gradio deletes uploads, after an hour
        peaks = len(answer["peaks"])
        for _ in range(min(3, peaks)):
            self._ask("peak", peak=int(self.chance.integers(peaks)))
        self._settle()
        if self._may(0.3):
            self._controls = self._random_controls()
            self._look("adjust")
        if self._may(0.2):
            self._look("class", name=self._one(self.handlers.pipeline.classes), on=True)
        if self._may(0.2):
            self._now["compare"] = name = self._one(self.handlers.pipeline.enhancers)
            self._look("compare", name=name)
        self._settle()
        if self._may(0.4):
            self._download()
        if self._may(0.1):
            self._ask("share")
        if self._may(0.9):  # else the browser was killed, and did not say so
            self.handlers.closed(self._request)

    def _look(self, act: str, **data: Any) -> dict[str, Any]:
        answer = self.handlers.look(self._event(act, data), self._request, *self._controls)
        self._counted(answer)
        if answer["kind"] == "glance":
            return self._look("finish", **answer["finish"])
        self.analyses += 1
        if answer["kind"] == "analysis":
            self._now |= {"token": answer["token"], "other": answer["otherToken"], "peak": -1}
        elif answer["kind"] == "other":
            self._now["other"] = answer["otherToken"]
        else:
            raise AssertionError(f"{act} was answered with {answer}")
        return answer

    def _ask(self, act: str, **data: Any) -> None:
        answer = self.handlers.ask(self._event(act, data), self._request)
        self._counted(answer)
        assert answer["kind"] in ("peak", "shared"), answer

    def _settle(self) -> None:
        """Let go of a weight, with one of the tabs open that Python draws."""
        self._now["weights"] = [round(float(weight), 3) for weight in self.chance.random(3)]
        _, scene, answer = self.handlers.settle(self._event("settle", {}), self._request)
        self._counted(answer)
        assert scene is not None, answer
        if self._may(0.5):
            self._sent([plots.landscape(scene, self._now["dark"]).to_json(), plots.landscape_table(scene)])
        else:
            first, second = AXES[0], AXES[2]
            drawn = plots.sensitivity_figure(scene, first, second, self._now["dark"])
            self._sent([drawn.to_json(), plots.sensitivity_table(scene, first, second)])

    def _download(self) -> None:
        kind = self._one([*WRITERS, *INSTANCE_WRITERS])
        now, analysis = Now.of(self._now), self.handlers.store.get(self._now["token"]).analysis
        if Scene(analysis, chosen_step=now.step, weights=now.weights).found:
            path = Path(self.handlers.download(self._event("download", {"kind": kind, "index": 0})))
            assert path.stat().st_size
            self.kinds["download"] = self.kinds.get("download", 0) + 1

    def _event(self, act: str, data: dict[str, Any]) -> gr.EventData:
        return gr.EventData(None, {"act": act, "now": dict(self._now), **data})

    def _counted(self, answer: dict[str, Any]) -> None:
        self.kinds[answer["kind"]] = self.kinds.get(answer["kind"], 0) + 1
        self._sent(answer)

    def _sent(self, answer: Any) -> None:
        """What a server does with an answer."""
        json.dumps(answer).encode()

    def _random_controls(self) -> tuple:
        chosen = Controls(
            naive=self._one(get_args(Naive)),
            mode=self._one(MODES),
            threshold=self._one((0.02, 0.1, 0.3)),
            window=self._one((3, 5, 7, 11)),
            sigma=self._one((0.5, 1.0, 2.0, 4.0)),
            limit=self._one((1, 5, 20, 60)),
            spread=self._one((0.005, 0.02, 0.1)),
            agreement=self._may(0.5),
            objectness=self._may(0.5),
            found=self._one((0.05, 0.1, 0.4)),
        )
        return tuple(vars(chosen).values())

    def _variant(self, photo: Path) -> bytes:
        """A crop of the photo at a random size, perhaps mirrored, as JPEG."""
        pixels = image.read(photo)
        height, width = (max(64, int(side * self.chance.uniform(0.4, 1))) for side in pixels.shape[:2])
        top, left = (
            int(self.chance.integers(max(1, full - part + 1)))
            for full, part in zip(pixels.shape[:2], (height, width), strict=True)
        )
        part = pixels[top : top + height, left : left + width]
        scale = self.chance.integers(*SIDES) / max(part.shape)
        target = [max(1, round(side * scale)) for side in part.shape[1::-1]]
        part = cv2.resize(part, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        part = part[:, ::-1] if self._may(0.5) else part
        return cv2.imencode(".jpg", np.ascontiguousarray(part[..., ::-1]))[1].tobytes()

    def _one(self, of: Any) -> Any:
        return of[int(self.chance.integers(len(of)))]

    def _may(self, probability: float) -> bool:
        return bool(self.chance.random() < probability)
