"""The benchmarks. Each takes a number of runs and returns figures: seconds, megabytes, counts."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from skimage import data

from app import examples
from benchmarks import browser
from wsis import matching
from wsis.pipeline import Analysis, Pipeline, Settings

PEAKS = 10
Figures = dict[str, object]


def photo() -> np.ndarray:
    """A real photo of 500x375 pixels, (375, 500, 3) uint8 RGB."""
    return cv2.resize(data.astronaut()[:384], (500, 375), interpolation=cv2.INTER_AREA)


def ten_peaks(pipeline: Pipeline, **changes: object) -> Settings:
    """Settings under which the benchmark photo has exactly ten peaks: every class, the smallest window."""
    return Settings(classes=pipeline.classes, sigma=1.0, window=3, max_peaks=PEAKS, **changes)


def timed(call: Callable[[], object], runs: int) -> Figures:
    """Median and spread (largest minus smallest) of a call's wall time, after one warm-up."""
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"median_s": statistics.median(seconds), "spread_s": max(seconds) - min(seconds)}


def analyse(runs: int) -> Figures:
    """The whole way from a photo to terms, in a process of its own so that its peak memory is its own."""
    code = f"import json; from benchmarks import suite; print(json.dumps(suite.analyse_here({runs})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def analyse_here(runs: int) -> Figures:
    """As `analyse`, in this process."""
    pipeline, image = Pipeline.load(), photo()
    settings, last = ten_peaks(pipeline), []

    def call() -> Analysis:
        last[:] = [pipeline.analyse(image, settings)]
        return last[0]

    figures = timed(call, runs)
    stages = {stage: round(seconds, 4) for stage, seconds in last[0].seconds.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**figures, "peaks": len(last[0].peaks), "stages_s": stages, "peak_mb": memory}


def matching_terms(runs: int) -> Figures:
    """The terms of Eq. 5 for ten maps and all proposals, and the pick for new weights."""
    pipeline = Pipeline.load()
    analysis = pipeline.analyse(photo(), ten_peaks(pipeline))
    maps, proposals = analysis.maps[-1], analysis.proposals
    figures = timed(lambda: matching.terms(maps, proposals), runs)
    again = timed(analysis.instances, max(runs, 50))
    return {**figures, "proposals": len(proposals), "rerank_median_s": again["median_s"]}


def start_up(runs: int) -> Figures:
    """`import wsis` in a new interpreter, and `import wsis.pipeline`, which brings torch and timm."""

    def run(module: str) -> Figures:
        return timed(lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True), runs)

    return {**run("wsis"), "pipeline_median_s": run("wsis.pipeline")["median_s"]}


def explorer(runs: int) -> Figures:
    """From starting `app.py` to the first complete answer of its page, and what `browser.visit` measures."""

    def start() -> None:
        with browser.served():
            pass

    return {**browser.visit(runs, photo(), len(examples())), "first_page_s": timed(start, min(runs, 3))["median_s"]}


SUITE: dict[str, Callable[[int], Figures]] = {
    "analyse": analyse,
    "matching": matching_terms,
    "import": start_up,
    "explorer": explorer,
}
