"""The explorer for programs: `analyse`, `rank` and `segment` through `gradio_client` and MCP; all else is private."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import gradio as gr
import numpy as np
from gradio import FileData

from wsis import export, trust
from wsis.analysis import Analysis, Settings
from wsis.choices import Enhancer
from wsis.errors import WsisError
from wsis.explorer.networks import Networks
from wsis.explorer.origin import Origin
from wsis.explorer.server.desk import Desk
from wsis.explorer.store import Store
from wsis.explorer.visit import MOST_FILLED
from wsis.instances import listed
from wsis.matching import PUBLISHED, Weights

Wanted = Literal["default", Enhancer]
"""An enhancer, or the model's own."""


class Behind(Protocol):
    """What the endpoints need of the screen's handlers."""

    store: Store
    desk: Desk

    def photo(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB of an uploaded file."""

    def model(self, name: str | None) -> Networks:
        """A model by its name, loaded if it has to be; None asks for the first."""


class Api:
    """The three endpoints over the same models and store as the screen.

    Gradio and MCP clients read the docstrings; of an argument they take one line.
    """

    def __init__(self, behind: Behind) -> None:
        """Share the networks and the store."""
        self._behind = behind

    def analyse(
        self,
        photo: FileData,
        enhancer: Wanted = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
        model: str = "default",
    ) -> dict:
        """Look at a photo once, slowly; `rank` then gives its instances for any weights at once.

        Args:
            photo: `gradio_client.handle_file(path)`; by MCP a data: URL, or this server's address of an upload.
            enhancer: what grows the naive maps over their objects; `default` is the model's own.
            steps: T, how often an ICN is applied to its own output, 0 to 8.
            class_threshold: least probability of a class whose peaks are followed, 0 to 1.
            classes: names of the classes to look for, however unlikely; null: those above the threshold; []: none.
            model: its name, as the page's menu has it; `default` is the one that the page opens with.

        Returns:
            `id` for `rank`, which is kept for half an hour after its last use
            `model`, the name of the one that looked at it
            `size` as [width, height] of the photo
            `classes` with their probabilities
            `peaks` with their `class`, `x` and `y` in pixels of the photo, and `value` of Eq. 1
            `steps`, how many maps a peak has beside the naive one
            `proposals`, how many there are
            `seconds` for each stage
            `notes`, sentences on how it went, mostly none
        """
        return _friendly(lambda: self._analyse(photo, enhancer, steps, class_threshold, classes, model))

    def rank(
        self,
        id: str,
        alpha: float = 0.95,
        beta: float = 0.1,
        gamma: float = 0.8,
        step: int = -1,
        fill: int = 0,
        unsure: bool = False,
    ) -> list[dict]:
        """Instances of an analysed photo for the given weights of Eq. 5, at once.

        Args:
            id: from `analyse`.
            alpha: weight of precision, at least 0.
            beta: weight of the contour term, at least 0.
            gamma: weight of recall, at least 0.
            step: which map to match, 0 (naive) to T; -1 is the last.
            fill: with `unsure`, up to how many masks, 0 to 50, objects of classes that no peak was found on are added.
            unsure: also give masks that score too low to be found; their `instance` is 0.

        Returns:
            COCO results, best first, with `image_id`, `file_name`, `category_id` and `category_name`
            `segmentation`, a compressed RLE at the photo's own size
            `bbox` as [x, y, width, height], `area` in pixels, and `score` in [0, 1]
        """
        return _friendly(lambda: self._rank(id, alpha, beta, gamma, step, fill, unsure))

    def segment(
        self,
        photo: FileData,
        enhancer: Wanted = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
        fill: int = 0,
        model: str = "default",
        unsure: bool = False,
    ) -> list[dict]:
        """A photo to its instances in one call, with the published weights; nothing is kept.

        Args:
            photo: `gradio_client.handle_file(path)`; by MCP a data: URL, or this server's address of an upload.
            enhancer: what grows the naive maps over their objects; `default` is the model's own.
            steps: T, how often an ICN is applied to its own output, 0 to 8.
            class_threshold: least probability of a class whose peaks are followed, 0 to 1.
            classes: names of the classes to look for, however unlikely; null: those above the threshold; []: none.
            fill: with `unsure`, up to how many masks, 0 to 50, objects of classes that no peak was found on are added.
            model: its name, as the page's menu has it; `default` is the one that the page opens with.
            unsure: also give masks that score too low to be found; their `instance` is 0.

        Returns:
            COCO results, best first, with `image_id`, `file_name`, `category_id` and `category_name`
            `segmentation`, a compressed RLE at the photo's own size
            `bbox` as [x, y, width, height], `area` in pixels, and `score` in [0, 1]
        """
        return _friendly(lambda: self._segment(photo, enhancer, steps, class_threshold, classes, model, fill, unsure))

    def _look(
        self, photo: Any, enhancer: Any, steps: Any, threshold: Any, classes: Any, model: Any
    ) -> tuple[Analysis, str, Origin]:
        """The analysis, the name of the photo, and what made it."""
        path = photo.get("path") if isinstance(photo, dict) else None
        if not isinstance(path, str):
            raise WsisError("photo must be a file; pass gradio_client.handle_file(path).")
        if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise WsisError("classes must be a list of class names, or null.")
        if not isinstance(model, str):
            raise WsisError("model must be the name of one.")
        networks = self._behind.model(None if model == "default" else model)
        settings = Settings(
            enhancer=networks.origin.enhancer if enhancer == "default" else enhancer,
            steps=_whole("steps", steps, 0, 8),
            class_threshold=_number("class_threshold", threshold),
            classes=None if classes is None else tuple(dict.fromkeys(classes)),
        )
        image = self._behind.photo(Path(path))
        name = str(photo.get("orig_name") or Path(path).name)[:200]
        return networks.whole(image, settings), name, networks.origin

    def _analyse(self, *request: Any) -> dict:
        analysis, name, origin = self._look(*request)
        maps, peaks = analysis.evidence.class_maps, analysis.peaks
        height, width = analysis.evidence.size
        return {
            "id": self._behind.store.put(analysis, photo=name, origin=origin),
            "model": origin.model,
            "size": [width, height],
            "classes": {name: round(float(score), 4) for name, score in zip(maps.classes, maps.scores, strict=True)},
            "peaks": [
                {
                    "class": maps.classes[int(peaks.classes[k])],
                    "x": round(x * width, 1),
                    "y": round(y * height, 1),
                    "value": round(float(peaks.values[k]), 4),
                }
                for k, (y, x) in enumerate(peaks.places.tolist())
            ],
            "steps": analysis.steps,
            "proposals": len(analysis.proposals),
            "seconds": {stage: round(seconds, 4) for stage, seconds in analysis.seconds.items()},
            "notes": list(analysis.notes),
        }

    def _rank(self, id: Any, alpha: Any, beta: Any, gamma: Any, step: Any, fill: Any, unsure: Any) -> list[dict]:
        entry = self._behind.store.get(id)
        weights = Weights(_number("alpha", alpha), _number("beta", beta), _number("gamma", gamma))
        step, fill = _whole("step", step, -1, entry.analysis.steps), _whole("fill", fill, 0, MOST_FILLED)
        return _results(entry.analysis, entry.photo, weights, step, fill, entry.origin, _flag("unsure", unsure))

    def _segment(self, *request: Any) -> list[dict]:
        *look, fill, unsure = request
        # Said before the networks run, not after.
        fill, unsure = _whole("fill", fill, 0, MOST_FILLED), _flag("unsure", unsure)
        analysis, name, origin = self._look(*look)
        return _results(analysis, name, PUBLISHED, -1, fill, origin, unsure)


def register(behind: Behind) -> None:
    """Add the endpoints to the page being built, under the limits of the desk."""
    endpoints, desk = Api(behind), behind.desk
    gr.api(desk.heavy("analyse", endpoints.analyse), api_name="analyse", concurrency_limit=None)
    gr.api(desk.light("rank", endpoints.rank), api_name="rank", concurrency_limit=None)
    gr.api(desk.heavy("segment", endpoints.segment), api_name="segment", concurrency_limit=None)


def _results(
    analysis: Analysis, photo: str, weights: Weights, step: int, fill: int, origin: Origin | None, unsure: bool
) -> list[dict]:
    chosen = listed(analysis.instances(weights, step, fill if unsure else 0), unsure)  # offers are unsure
    counted = trust.of(origin.card) if origin else None
    rated = trust.shares(counted, analysis, chosen, weights, step)
    return export.coco_results(analysis, chosen, stem=Path(photo).stem, file_name=photo, trust=rated)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)):
        raise WsisError(f"{name} must be a number, got {str(value)[:80]!r}.")
    try:
        return float(value)
    except OverflowError as error:  # JSON has integers of any length
        raise WsisError(f"{name} must be a smaller number.") from error


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WsisError(f"{name} must be true or false, got {str(value)[:80]!r}.")
    return value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if not low <= _number(name, value) <= high or value % 1:
        raise WsisError(f"{name} must be a whole number from {low} to {high}, got {value}.")
    return int(value)


def _friendly(work: Callable[[], Any]) -> Any:
    """What the caller can mend becomes one sentence, never a traceback."""
    try:
        return work()
    except WsisError as error:
        raise gr.Error(str(error), print_exception=False) from error
