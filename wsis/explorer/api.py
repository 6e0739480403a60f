"""The explorer for programs: `analyse`, `rank` and `segment` through `gradio_client`; everything else is private."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from wsis import export
from wsis.errors import WsisError
from wsis.explorer.handlers import Handlers, uploaded
from wsis.explorer.view import places
from wsis.image import read
from wsis.matching import PUBLISHED, Weights
from wsis.pipeline import Analysis, Settings


class Api:
    """The three endpoints over the same pipeline and store as the screen."""

    def __init__(self, handlers: Handlers) -> None:
        """Share the pipeline and the store."""
        self._pipeline, self._store, self._enhancer = handlers.pipeline, handlers.store, handlers.enhancer

    def analyse(
        self,
        photo: dict,
        enhancer: Literal["default", "none", "spread", "icn-proposal", "icn-saliency"] = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
    ) -> dict:
        """Look at a photo once; `rank` then answers for any weights at once.

        Args:
            photo: a file, `gradio_client.handle_file("photo.jpg")`.
            enhancer: what grows the naive maps; `default` is the checkpoint's.
            steps: T, how often an ICN is applied, 0 to 8.
            class_threshold: least probability of a class, 0 to 1.
            classes: names of the classes to look for, whatever their probability; null leaves it to the threshold.

        Returns:
            `id` for `rank` (kept for half an hour), `size` as [width, height], `classes` with their probabilities,
            `peaks` with x and y in pixels of the photo, number of `steps` and `proposals`, `seconds` per stage.
        """
        return _friendly(self._analyse, photo, enhancer, steps, class_threshold, classes)

    def rank(
        self, id: str, alpha: float = 0.95, beta: float = 0.1, gamma: float = 0.8, step: int = -1, per_peak: int = 1
    ) -> list[dict]:
        """Instances of an analysed photo for the given weights of Eq. 5.

        Args:
            id: from `analyse`.
            alpha: weight of precision.
            beta: weight of the contour term.
            gamma: weight of recall.
            step: which map to match, 0 (naive) to T; -1 is the last.
            per_peak: how many distinct proposals a peak may keep.

        Returns:
            COCO results, best first: `category_id`, `category_name`, `segmentation` (compressed RLE at the photo's own
            size), `bbox`, `area`, `score`.
        """
        return _friendly(self._rank, id, Weights(alpha, beta, gamma), step, per_peak)

    def segment(
        self,
        photo: dict,
        enhancer: Literal["default", "none", "spread", "icn-proposal", "icn-saliency"] = "default",
        steps: int = 3,
        class_threshold: float = 0.1,
        classes: list[str] | None = None,
        per_peak: int = 1,
    ) -> list[dict]:
        """A photo to its instances in one call, with the published weights; nothing is kept.

        Args:
            photo: a file, `gradio_client.handle_file("photo.jpg")`.
            enhancer: as for `analyse`.
            steps: as for `analyse`.
            class_threshold: as for `analyse`.
            classes: as for `analyse`.
            per_peak: as for `rank`.

        Returns:
            As `rank`.
        """
        return _friendly(self._segment, photo, enhancer, steps, class_threshold, classes, per_peak)

    def _look(self, photo: dict, enhancer: str, steps: int, threshold: float, classes: list[str] | None) -> Analysis:
        settings = Settings(
            enhancer=self._enhancer if enhancer == "default" else enhancer,  # type: ignore[arg-type]
            steps=int(steps),
            class_threshold=float(threshold),
            classes=None if classes is None else tuple(classes),
        )
        path = photo.get("path") if isinstance(photo, dict) else None
        if not path:
            raise WsisError("photo must be a file; pass gradio_client.handle_file(path).")
        return self._pipeline.analyse(read(uploaded(Path(path))), settings)

    def _analyse(self, *request: Any) -> dict:
        analysis = self._look(*request)
        height, width = analysis.evidence.size
        maps, peaks = analysis.evidence.class_maps, analysis.peaks
        return {
            "id": self._store.put(analysis),
            "size": [width, height],
            "classes": {name: round(float(score), 4) for name, score in zip(maps.classes, maps.scores, strict=True)},
            "peaks": [
                {
                    "class": maps.classes[int(c)],
                    "x": round(x * width, 1),
                    "y": round(y * height, 1),
                    "value": round(float(value), 4),
                }
                for c, (x, y), value in zip(peaks.classes, places(analysis), peaks.values, strict=True)
            ],
            "steps": analysis.steps,
            "proposals": len(analysis.proposals),
            "seconds": {stage: round(seconds, 4) for stage, seconds in analysis.seconds.items()},
        }

    def _rank(self, id: str, weights: Weights, step: int, per_peak: int) -> list[dict]:
        analysis = self._store.get(id).analysis
        if not -1 <= int(step) <= analysis.steps:
            raise WsisError(f"step must be between 0 and {analysis.steps}, or -1 for the last; got {step}.")
        return export.coco_results(analysis, analysis.instances(weights, int(step), int(per_peak)))

    def _segment(self, *request: Any) -> list[dict]:
        *look, per_peak = request
        analysis = self._look(*look)
        name = str(look[0].get("orig_name") or "photo")
        found = analysis.instances(PUBLISHED, -1, int(per_peak))
        return export.coco_results(analysis, found, stem=Path(name).stem, file_name=name)


def register(handlers: Handlers) -> None:
    """Add the endpoints to the page being built."""
    endpoints = Api(handlers)
    lane: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1}
    gr.api(endpoints.analyse, api_name="analyse", **lane)
    gr.api(endpoints.rank, api_name="rank", concurrency_limit=None)
    gr.api(endpoints.segment, api_name="segment", **lane)


def _friendly(work: Any, *request: Any) -> Any:
    """What the user can mend becomes one sentence, never a traceback."""
    try:
        return work(*request)
    except WsisError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error
