"""How cost grows with peaks, photos and pixels, and the most memory that an analysis takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks import suite
from benchmarks.timing import Call, peak_mb, seconds, summary
from wsis import icn, matching
from wsis.analysis import Analysis, Evidence, Settings
from wsis.jobs import local
from wsis.jobs.photo import Job
from wsis.maps import normalised
from wsis.matching import PUBLISHED
from wsis.pipeline import Pipeline
from wsis.response import respond

PEAKS = (1, 2, 5, 10, 20, 40, 60)
PHOTOS = (1, 2, 4, 8)
MEGAPIXELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
Points = dict[str, list[float]]


def peaks(runs: int) -> Points:
    """Seconds of each stage that works on peaks, by their number, on the benchmark photo."""
    pipeline = Pipeline.load(device="cpu")
    classifier, net = pipeline.checkpoint.classifier, pipeline.checkpoint.icns["icn-saliency"]
    evidence = busy(pipeline.observe(suite.photo()))
    image = classifier.prepare(evidence.work, classifier.sizes[0])
    points: Points = {"peaks": [], "prm": [], "icn": [], "matching": [], "analyse after observe": []}
    for count in PEAKS:
        settings = suite.many_peaks(pipeline, count)
        analysis = pipeline.analyse(evidence, settings)
        own = normalised(evidence.class_maps.maps[analysis.peaks.classes])
        place = np.zeros((count, 2), np.float32)
        points["peaks"].append(len(analysis.peaks))
        calls = {
            "prm": lambda: respond(classifier, image, analysis.peaks),  # noqa: B023
            "icn": lambda: icn.enhance(net, evidence.work, analysis.maps[0], own, place, 3),  # noqa: B023
            "matching": lambda: matching.terms(analysis.maps[-1], evidence.proposals),  # noqa: B023
            "analyse after observe": lambda: pipeline.analyse(evidence, settings),  # noqa: B023
        }
        for name, call in calls.items():
            points[name].append(_median(call, runs))
    return points


def photos(runs: int) -> Points:
    """Seconds of `wsis segment` with the model loaded, by the number of photos."""
    pipeline, points = Pipeline.load(device="cpu"), Points(photos=[], segment=[])
    with tempfile.TemporaryDirectory() as folder:
        for count in PHOTOS:
            job = Job(
                pipeline=pipeline,
                settings=Settings(),
                weights=PUBLISHED,
                fill=1,
                out=Path(folder, f"out{count}"),
                proposals=None,
                overlays=False,
            )
            files = suite.write_photos(Path(folder, str(count)), count)
            points["photos"].append(count)
            points["segment"].append(_median(lambda: local.run(job, local.collect([files]), quiet=True), runs))  # noqa: B023
    return points


def pixels(runs: int) -> Points:
    """Seconds of an analysis, and of its masks at the photo's own size, by millions of pixels."""
    pipeline, points = Pipeline.load(device="cpu"), Points(megapixels=[], analyse=[], masks=[])
    for size in MEGAPIXELS:
        image = sized(size)
        settings = suite.many_peaks(pipeline, suite.PEAKS)
        analysis = pipeline.analyse(image, settings)
        points["megapixels"].append(image.shape[0] * image.shape[1] / 1e6)
        points["analyse"].append(_median(lambda: pipeline.analyse(image, settings), runs))  # noqa: B023
        points["masks"].append(_median(lambda: results(analysis), runs))  # noqa: B023
    return points


def memory(count: int, megapixels: float) -> dict[str, float]:
    """Most megabytes of a process of its own that analyses one photo, with peak responses, and makes all its masks."""
    code = f"import json; from benchmarks import curves; print(json.dumps(curves.peak_memory({count}, {megapixels})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory(count: int, megapixels: float) -> dict[str, float]:
    """What `memory` runs."""
    pipeline = Pipeline.load(device="cpu")
    loaded = peak_mb()
    evidence = busy(pipeline.observe(sized(megapixels)))
    analysis = pipeline.analyse(evidence, suite.many_peaks(pipeline, count, naive="mixed"))
    results(analysis)
    return {"peaks": len(analysis.peaks), "megapixels": megapixels, "loaded_mb": loaded, "peak_mb": peak_mb()}


def busy(evidence: Evidence) -> Evidence:
    """The same with noise on the class maps, so that there are more than sixty peaks."""
    glance, maps = evidence.glance, evidence.class_maps.maps
    noise = np.random.default_rng(0).normal(0, maps.std(), maps.shape).astype(np.float32)
    return replace(evidence, glance=replace(glance, class_maps=replace(glance.class_maps, maps=maps + noise)))


def sized(megapixels: float) -> np.ndarray:
    """The benchmark photo with so many millions of pixels, (H, W, 3) uint8."""
    image = suite.photo()
    scale = (megapixels * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def results(analysis: Analysis) -> None:
    """The semantic map and every instance's mask."""
    found = analysis.instances()
    analysis.semantic(found)
    for instance in found:
        analysis.mask(instance)


def _median(call: Call, runs: int) -> float:
    call()
    return summary([seconds(call) for _ in range(runs)])["median_s"]
