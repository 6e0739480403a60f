"""The benchmarks. Each takes a number of runs and returns figures: seconds, megabytes, counts.

Those in `MEASURES` run in a process of their own, so that their peak memory is their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage import data

from app import examples
from benchmarks import browser, floor, reference, training
from benchmarks.timing import Call, Figures, compared, peak_mb, seconds, summary, timed
from wsis import devices, icn, matching
from wsis.analysis import Analysis, Settings
from wsis.jobs import local
from wsis.jobs.photo import Job
from wsis.maps import normalised
from wsis.matching import PUBLISHED, Weights
from wsis.pipeline import Pipeline
from wsis.proposals import generate
from wsis.response import respond

PEAKS = 10
PAIRS = 300
"""Pairs of a peak and a proposal that the pair loop is timed on."""
FOLDER = 8
"""Photos in the folder that is segmented."""
MCG_SECONDS = 25
"""What MCG takes for a photo, as published (Pont-Tuset et al., 2017)."""
Growing = tuple[icn.ICN, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]
"""Network, photo, naive maps, class maps, places of the peaks and T, as `icn.enhance` takes them."""


def photo() -> np.ndarray:
    """A real photo of 500x375 pixels, (375, 500, 3) uint8 RGB."""
    return cv2.resize(data.astronaut()[:384], (500, 375), interpolation=cv2.INTER_AREA)


def many_peaks(pipeline: Pipeline, count: int = PEAKS, **changes: Any) -> Settings:
    """Settings under which the benchmark photo has `count` peaks, at most 36: every class, the smallest window."""
    return Settings(classes=pipeline.classes, sigma=1.0, window=3, max_peaks=count, **changes)


def write_photos(folder: Path, count: int) -> Path:
    """A folder of slightly different crops of the benchmark photo."""
    folder.mkdir()
    for i in range(count):
        crop = photo()[i : 375 - count + i, i : 500 - count + i]
        cv2.imwrite(str(folder / f"{i}.jpg"), crop[..., ::-1])
    return folder


def analysed(device: str = "cpu") -> tuple[Pipeline, Analysis]:
    """The embedded model, and the benchmark photo as it sees it."""
    pipeline = Pipeline.load(device=device)
    return pipeline, pipeline.analyse(photo(), many_peaks(pipeline))


def growing(pipeline: Pipeline, analysis: Analysis) -> Growing:
    """The arguments of `icn.enhance`: the saliency ICN, an analysis' naive maps, T = 3."""
    evidence, peaks = analysis.evidence, analysis.peaks
    places, class_maps = peaks.places.astype(np.float32), normalised(evidence.class_maps.maps[peaks.classes])
    return pipeline.checkpoint.icns["icn-saliency"], evidence.work, analysis.maps[0], class_maps, places, 3


def prm(runs: int) -> Figures:
    """Peak response maps of ten peaks; the floor: a forward pass, its normalisers, a backward pass a peak.

    `own_floor_s` counts what is really computed: fewer operations, as windows and dilated layers leave cells out.
    """
    pipeline, analysis = analysed()
    classifier, peaks = pipeline.checkpoint.classifier, analysis.peaks
    image = classifier.prepare(analysis.evidence.work, classifier.sizes[0])
    plain, stop = reference.folded(classifier), 2
    forward = floor.network_operations(lambda: classifier(image))
    above = forward - floor.network_operations(lambda: classifier.backbone(image, stop=stop))
    figures = compared(
        lambda: respond(classifier, image, peaks, stop=stop),
        runs,
        reference=lambda: reference.peak_responses(plain, image, peaks, stop),
        # A backward pass towards the input alone costs what the forward pass does.
        floor=floor.least_seconds(forward + above * (1 + len(peaks))),
    )
    computed = floor.least_seconds(floor.operations(lambda: respond(classifier, image, peaks, stop=stop)))
    return {**figures, "peaks": len(peaks), "own_floor_s": computed}


def icn_steps(runs: int) -> Figures:
    """The ICN on ten maps, T = 3; `settled` is the share of maps that the last step changes by less than .01."""
    pipeline, analysis = analysed()
    arguments = growing(pipeline, analysis)
    call = partial(icn.enhance, *arguments)
    figures = compared(
        call,
        runs,
        reference=partial(reference.enhance, *arguments),
        floor=floor.least_seconds(floor.network_operations(call)),
    )
    before, after = call()[-2:]
    settled = float((np.abs(after - before).max((1, 2)) < 0.01).mean())
    return {**figures, "maps": len(analysis.peaks), "settled": settled}


def proposals(runs: int) -> Figures:
    """The built-in proposals of a photo, contours at hand, beside selective search where `reference` finds it."""
    evidence = Pipeline.load(device="cpu").observe(photo())
    work, contours = evidence.work, evidence.contours
    figures = compared(lambda: generate.generate(work, contours), runs)
    search = reference.selective_search(work)
    if search is not None:
        figures |= {"reference_s": search, "ratio_to_reference": search / figures["median_s"]}
    return {**figures, "proposals": len(evidence.proposals), "published_mcg_s": MCG_SECONDS}


def matching_terms(runs: int) -> Figures:
    """The terms of ten maps and all proposals in the reading of the pair loop, prm-2018; `cover_s` in the default one.

    The pair loop resizes masks from the photo's own size, where proposals of others come in.
    """
    _, analysis = analysed()
    maps, proposals = analysis.maps[-1], analysis.proposals
    class_maps = analysis.peak_class_maps
    rng, (count, total) = np.random.default_rng(0), (len(maps), len(proposals))
    sample = rng.permutation(count * total)[:PAIRS]
    masks = {n: analysis.evidence.source.mask(n, photo().shape[:2]).astype(np.uint8) for n in set(sample % total)}
    regions, borders = proposals.membership.shape[1], proposals.crossing.shape[1]
    figures = compared(
        lambda: matching.terms(maps, proposals, "prm-2018", class_maps=class_maps),
        runs,
        reference=lambda: reference.pair_terms(maps, class_maps, masks, list(zip(*divmod(sample, total), strict=True))),
        scale=count * total / len(sample),
        floor=floor.least_seconds(
            2 * count * total * (2 * regions + borders),
            maps.nbytes + class_maps.nbytes + proposals.labels.nbytes + proposals.membership.nbytes
            + 3 * 4 * count * total,
        ),
    )  # fmt: skip
    return {
        **figures,
        "proposals": total,
        "reference_pairs": len(sample),
        "cover_s": timed(lambda: matching.terms(maps, proposals), runs)["median_s"],
    }


def rerank(runs: int) -> Figures:
    """Instances for new weights, never the same twice; the floor reads the terms once."""
    _, analysis = analysed()
    terms, drawn = analysis.ranked_terms[-1], iter(np.random.default_rng(0).uniform(0, 1, (10_000, 3)))
    figures = compared(
        lambda: analysis.instances(Weights(*next(drawn))),
        max(runs, 50),
        floor=floor.least_seconds(5 * terms.size / 3, terms.nbytes),
    )
    return {**figures, "proposals": len(analysis.proposals)}


def analyse(runs: int) -> Figures:
    """The whole way from a photo to terms; the floor is that of its networks."""
    pipeline, image = Pipeline.load(device="cpu"), photo()
    settings, last = many_peaks(pipeline), list[Analysis]()
    threads = torch.get_num_threads()
    devices.use_cores(threads)  # as the explorer and the command line do

    def call() -> None:
        last[:] = [pipeline.analyse(image, settings)]

    figures = compared(call, runs, floor=floor.least_seconds(floor.network_operations(call)))
    torch.set_num_threads(threads)
    stages = {stage: round(took, 4) for stage, took in last[0].seconds.items()}
    return {**figures, "peaks": len(last[0].peaks), "stages_s": stages}


def batch(runs: int) -> Figures:
    """`wsis segment` on a folder of photos with the model loaded; `command_s` is the whole command with its start."""
    pipeline = Pipeline.load(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        photos, out = write_photos(Path(folder, "photos"), FOLDER), Path(folder, "out")
        job = Job(
            pipeline=pipeline, settings=Settings(), weights=PUBLISHED, fill=1, out=out, proposals=None, overlays=False
        )

        def call() -> None:
            if local.run(job, local.collect([photos]), quiet=True):
                raise RuntimeError("a photo of the benchmark failed")

        figures = compared(call, runs, floor=floor.least_seconds(floor.network_operations(call)))
        command = [sys.executable, "-m", "wsis", "segment", str(photos), "--out", str(out), "--device", "cpu"]
        whole = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    return {**figures, "photos": FOLDER, "photos_per_s": FOLDER / figures["median_s"], "command_s": whole}


def train(runs: int) -> Figures:
    """A training step of the ICN and one of the classifier, as the lite configurations train, on random photos."""
    steps = {name: training.step_seconds(name, runs) for name in training.STEPS}
    both = [sum(pair) for pair in zip(*steps.values(), strict=True)]
    figures = {**summary(both), "ratio_to_reference": None, "ratio_to_floor": None, "peak_mb": peak_mb()}
    return figures | {f"{name}_steps_per_s": 1 / summary(took)["median_s"] for name, took in steps.items()}


def start_up(runs: int) -> Figures:
    """`import wsis` in a new interpreter, and `import wsis.pipeline`, which brings torch and timm."""

    def run(module: str) -> Call:
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    figures = compared(run("wsis"), runs)
    pipeline = timed(run("wsis.pipeline"), runs)["median_s"]
    code = "import wsis; from benchmarks.timing import peak_mb; print(peak_mb())"
    said = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {**figures, "peak_mb": float(said), "pipeline_median_s": pipeline}


def explorer(runs: int) -> Figures:
    """From starting `app.py` to the first complete answer of its page, and what `browser.visit` measures."""

    def start() -> None:
        with browser.served():
            pass

    return {**browser.visit(runs, photo(), len(examples())), "first_page_s": timed(start, min(runs, 3))["median_s"]}


def apart(name: str, runs: int) -> Figures:
    """One of `MEASURES` in a process of its own."""
    code = f"import json; from benchmarks import suite; print(json.dumps(suite.MEASURES[{name!r}]({runs})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


MEASURES: dict[str, Callable[[int], Figures]] = {
    "prm": prm,
    "icn": icn_steps,
    "proposals": proposals,
    "matching": matching_terms,
    "rerank": rerank,
    "analyse": analyse,
    "batch": batch,
    "train": train,
    "import": start_up,
}
SUITE: dict[str, Callable[[int], Figures]] = {
    **{name: partial(apart, name) for name in MEASURES},
    "explorer": explorer,
}
