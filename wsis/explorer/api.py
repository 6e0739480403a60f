"""The explorer for programs: `analyse`, `rank` and `segment` through `gradio_client` and MCP; all else is private."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import gradio as gr
import numpy as np
from gradio import FileData

from wsis import export
from wsis.errors import WsisError
from wsis.explorer.desk import Desk
from wsis.explorer.store import Store
from wsis.explorer.uploads import fetch_nothing
from wsis.matching import PUBLISHED, Weights
from wsis.pipeline import Analysis, Enhancer, Settings

MOST_PER_PEAK = 50


class Behind(Protocol):
    """What the endpoints need of the screen's handlers."""

    store: Store
    desk: Desk

    @property
    def enhancer(self) -> Enhancer:
        """The enhancer that `default` stands for."""

    def photo(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB of an uploaded file."""

    def analyse(self, image: np.ndarray, settings: Settings) -> Analysis:
        """Run the networks."""


class Api:
    """The three endpoints over the same networks and store as the screen.

    Gradio and MCP clients read the docstrings; of an argument they take one line.
    """

    def __init__(self, behind: Behind) -> None:
        """Share the networks and the store."""
        self._behind = behind

    def analyse(
        self,
        photo: FileData,
        enhancer: Literal["default", "none", "spread", "icn-proposal", "icn-saliency"] = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
    ) -> dict:
        """Look at a photo once, slowly; `rank` then gives its instances for any weights at once.

        Args:
            photo: `gradio_client.handle_file(path)`; by MCP a data: URL, or this server's address of an upload.
            enhancer: what grows the naive maps over their objects; `default` is the model's own.
            steps: T, how often an ICN is applied to its own output, 0 to 8.
            class_threshold: least probability of a class whose peaks are followed, 0 to 1.
            classes: names of the classes to look for, however unlikely; null: those above the threshold; []: none.

        Returns:
            `id` for `rank`, which is kept for half an hour after its last use
            `size` as [width, height] of the photo
            `classes` with their probabilities
            `peaks` with their `class`, `x` and `y` in pixels of the photo, and `value` of Eq. 1
            `steps`, how many maps a peak has beside the naive one
            `proposals`, how many there are
            `seconds` for each stage
            `notes`, sentences on how it went, mostly none
        """
        return _friendly(lambda: self._analyse(photo, enhancer, steps, class_threshold, classes))

    def rank(
        self, id: str, alpha: float = 0.95, beta: float = 0.1, gamma: float = 0.8, step: int = -1, per_peak: int = 1
    ) -> list[dict]:
        """Instances of an analysed photo for the given weights of Eq. 5, at once.

        Args:
            id: from `analyse`.
            alpha: weight of precision, at least 0.
            beta: weight of the contour term, at least 0.
            gamma: weight of recall, at least 0.
            step: which map to match, 0 (naive) to T; -1 is the last.
            per_peak: how many proposals a peak may offer, 1 to 50: its best, then objects that no instance covers.

        Returns:
            COCO results, best first, with `image_id`, `file_name`, `category_id` and `category_name`
            `segmentation`, a compressed RLE at the photo's own size
            `bbox` as [x, y, width, height], `area` in pixels, and `score` in [0, 1]
        """
        return _friendly(lambda: self._rank(id, alpha, beta, gamma, step, per_peak))

    def segment(
        self,
        photo: FileData,
        enhancer: Literal["default", "none", "spread", "icn-proposal", "icn-saliency"] = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
        per_peak: int = 1,
    ) -> list[dict]:
        """A photo to its instances in one call, with the published weights; nothing is kept.

        Args:
            photo: `gradio_client.handle_file(path)`; by MCP a data: URL, or this server's address of an upload.
            enhancer: what grows the naive maps over their objects; `default` is the model's own.
            steps: T, how often an ICN is applied to its own output, 0 to 8.
            class_threshold: least probability of a class whose peaks are followed, 0 to 1.
            classes: names of the classes to look for, however unlikely; null: those above the threshold; []: none.
            per_peak: how many proposals a peak may offer, 1 to 50: its best, then objects that no instance covers.

        Returns:
            COCO results, best first, with `image_id`, `file_name`, `category_id` and `category_name`
            `segmentation`, a compressed RLE at the photo's own size
            `bbox` as [x, y, width, height], `area` in pixels, and `score` in [0, 1]
        """
        return _friendly(lambda: self._segment(photo, enhancer, steps, class_threshold, classes, per_peak))

    def _look(self, photo: Any, enhancer: Any, steps: Any, threshold: Any, classes: Any) -> tuple[Analysis, str]:
        """The analysis and the name of the photo."""
        path = photo.get("path") if isinstance(photo, dict) else None
        if not isinstance(path, str):
            raise WsisError("photo must be a file; pass gradio_client.handle_file(path).")
        if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise WsisError("classes must be a list of class names, or null.")
        settings = Settings(
            enhancer=self._behind.enhancer if enhancer == "default" else enhancer,
            steps=_whole("steps", steps, 0, 8),
            class_threshold=_number("class_threshold", threshold),
            classes=None if classes is None else tuple(dict.fromkeys(classes)),
        )
        image = self._behind.photo(Path(path))
        return self._behind.analyse(image, settings), str(photo.get("orig_name") or Path(path).name)[:200]

    def _analyse(self, *request: Any) -> dict:
        analysis, name = self._look(*request)
        maps, peaks = analysis.evidence.class_maps, analysis.peaks
        (height, width), (rows, columns) = analysis.evidence.size, maps.maps.shape[1:]
        return {
            "id": self._behind.store.put(analysis, photo=name),
            "size": [width, height],
            "classes": {name: round(float(score), 4) for name, score in zip(maps.classes, maps.scores, strict=True)},
            "peaks": [
                {
                    "class": maps.classes[int(peaks.classes[k])],
                    "x": round((int(peaks.columns[k]) + 0.5) / columns * width, 1),
                    "y": round((int(peaks.rows[k]) + 0.5) / rows * height, 1),
                    "value": round(float(peaks.values[k]), 4),
                }
                for k in range(len(peaks))
            ],
            "steps": analysis.steps,
            "proposals": len(analysis.proposals),
            "seconds": {stage: round(seconds, 4) for stage, seconds in analysis.seconds.items()},
            "notes": list(getattr(analysis, "notes", ())),
        }

    def _rank(self, id: Any, alpha: Any, beta: Any, gamma: Any, step: Any, per_peak: Any) -> list[dict]:
        entry = self._behind.store.get(id)
        weights = Weights(_number("alpha", alpha), _number("beta", beta), _number("gamma", gamma))
        step, per_peak = _whole("step", step, -1, entry.analysis.steps), _whole("per_peak", per_peak, 1, MOST_PER_PEAK)
        return _results(entry.analysis, entry.photo, weights, step, per_peak)

    def _segment(self, *request: Any) -> list[dict]:
        *look, per_peak = request
        per_peak = _whole("per_peak", per_peak, 1, MOST_PER_PEAK)  # said before the networks run, not after
        return _results(*self._look(*look), PUBLISHED, -1, per_peak)


def register(behind: Behind) -> None:
    """Add the endpoints to the page being built, under the limits of the desk, and let the server fetch nothing."""
    fetch_nothing()
    endpoints, desk = Api(behind), behind.desk
    gr.api(desk.heavy("analyse", endpoints.analyse), api_name="analyse", concurrency_limit=None)
    gr.api(desk.light("rank", endpoints.rank), api_name="rank", concurrency_limit=None)
    gr.api(desk.heavy("segment", endpoints.segment), api_name="segment", concurrency_limit=None)


def _results(analysis: Analysis, photo: str, weights: Weights, step: int, per_peak: int) -> list[dict]:
    found = analysis.instances(weights, step, per_peak)
    return export.coco_results(analysis, found, stem=Path(photo).stem, file_name=photo)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)):
        raise WsisError(f"{name} must be a number, got {str(value)[:80]!r}.")
    try:
        return float(value)
    except OverflowError as error:  # JSON has integers of any length
        raise WsisError(f"{name} must be a smaller number.") from error


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
