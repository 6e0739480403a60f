"""Memory that runs out, on a stand-in for a small device: torch's own operations, with a bound on what they hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from tests.helpers import ROOT
from tests.helpers.small_device import Device
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.icn import ICN
from wsis.memory import REMEMBERED, Chunks, explained
from wsis.pipeline import Pipeline
from wsis.proposals import objectness

CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dog", "horse")


@pytest.fixture
def pipeline(tiny_checkpoint):
    torch.manual_seed(0)
    made = Pipeline.load(str(tiny_checkpoint), device="cpu")
    # So wide that its maps outweigh what is there once a photo.
    icn = ICN("tf_efficientnet_lite0", width=96, size=160).eval()
    small = Pipeline(replace(made.checkpoint, icns={"icn-saliency": icn}))
    assert small.checkpoint.folded  # which takes memory once, not at every photo
    return small


@pytest.fixture(scope="module")
def evidence(tiny_checkpoint, photo):
    return Pipeline.load(str(tiny_checkpoint), device="cpu").observe(photo)


def settings(**changes) -> Settings:
    """The photo has a peak of each class."""
    return Settings(classes=CLASSES, max_peaks=len(CLASSES), steps=1, **changes)


def views(pipeline, evidence):
    seen = pipeline.glance(evidence.image)
    return np.append(seen.class_maps.maps, seen.class_maps.scores), seen.notes


def maps(chosen: Settings):
    def analysed(pipeline, evidence):
        made = pipeline.analyse(evidence, chosen)
        assert len(made.peaks) == len(CLASSES)
        return made.maps, made.notes

    return analysed


def maps_alone(chosen: Settings):
    """The same without responses, which need more memory than growing."""

    def analysed(pipeline, evidence):
        with mock.patch.object(Pipeline, "_responses", return_value=None):
            return maps(chosen)(pipeline, evidence)

    return analysed


@pytest.mark.parametrize(
    ("work", "chunk", "said"),
    [
        (views, "wsis.pipeline.VIEWS", r"views of the photo were classified 1 at a time instead of 2"),
        (
            maps(settings(naive="response", enhancer="none")),
            "wsis.response.CHUNK",
            r"responses of peaks were computed [12] at a time instead of 5",
        ),
        (
            maps_alone(settings(enhancer="icn-saliency")),
            "wsis.icn.CHUNK",
            r"maps were grown [1-6] at a time instead of 12",
        ),
    ],
)
def test_a_device_too_small_gives_the_same_result_and_says_so(pipeline, evidence, work, chunk, said, monkeypatch):
    monkeypatch.setattr(pipeline, "device", "cuda")  # where one thing comes after the other
    with Device() as large:
        expected, notes = work(pipeline, evidence)
    assert notes == ()
    with monkeypatch.context() as patch, Device() as least:
        patch.setattr(chunk, 1)
        work(pipeline, evidence)
    assert least.peak < large.peak
    # What a failed attempt holds must be free for the next.
    with Device((least.peak + large.peak) / 2) as small:
        found, notes = work(pipeline, evidence)
        assert small.failures
        assert len(notes) == 1
        assert re.fullmatch(rf"The machine ran out of memory: {said}, which is slower\.", notes[0])
        np.testing.assert_allclose(found, expected, atol=1e-4)

        failures = small.failures
        assert work(pipeline, evidence)[1] == notes
        assert small.failures == failures
    with (
        Device(least.peak / 2),
        pytest.raises(WsisError, match=r"^The GPU has too little free memory.*--device cpu\.$"),
    ):
        work(pipeline, evidence)


def test_notes_of_the_first_look_reach_the_analysis(pipeline, photo):
    with Device() as large:
        pipeline.glance(photo)
    with Device(0.9 * large.peak):
        seen = pipeline.glance(photo)
    assert len(seen.notes) == 1
    evidence = pipeline.observe(seen)
    assert evidence.notes == seen.notes == pipeline.analyse(evidence, settings(enhancer="none")).notes


def test_proposals_are_scored_in_chunks_alike(pipeline, evidence):
    net, rng = pipeline.checkpoint.objectness, np.random.default_rng(0)
    features = [rng.random((layer.in_features, 12, 18), np.float32) for layer in net.project]
    given = net, features, evidence.proposals, evidence.contours
    whole = objectness.predict(*given)
    np.testing.assert_allclose(objectness.predict(*given, chunk=7), whole, atol=1e-6)
    assert len(whole) % 7
    assert np.ptp(whole) > 0


def limited(most: int, tried: list[int]):
    """Work that fits where at most so many are done at once."""

    def work(chunk: int) -> int:
        tried.append(chunk)
        if chunk > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return chunk

    return work


def test_chunks_are_halved_and_tried_again_at_full_size_after_a_while():
    now = [0.0]
    chunks, tried, notes = Chunks("cuda", lambda: now[0]), list[int](), list[str]()
    assert chunks.run(limited(3, tried), 10, 16, "maps were grown", notes.append) == 2
    assert tried == [10, 5, 2]  # no more than there are
    assert notes == ["The GPU ran out of memory: maps were grown 2 at a time instead of 10, which is slower."]
    del tried[:], notes[:]
    assert chunks.run(limited(3, tried), 2, 16, "maps were grown", notes.append) == 2
    assert not notes
    assert chunks.run(limited(3, tried), 10, 16, "something else happened", notes.append) == 2
    assert tried == [2, 10, 5, 2]
    del tried[:], notes[:]
    now[0] = REMEMBERED - 1
    chunks.run(limited(99, tried), 10, 16, "maps were grown", notes.append)
    now[0] = REMEMBERED + 1
    chunks.run(limited(99, tried), 10, 16, "maps were grown", notes.append)
    assert tried == [2, 10]
    assert len(notes) == 1


def test_where_one_is_too_much_it_is_not_tried_for_ever():
    tried: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        Chunks("cuda").run(limited(0, tried), 4, 5, "maps were grown", [].append)
    assert tried == [4, 2, 1]


def test_a_processor_without_memory_is_one_sentence():
    with pytest.raises(WsisError, match=r"^There is too little free memory for this photo.*smaller\.$"):
        explained(torch.empty)(1 << 50)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), MemoryError()])
def test_other_errors_are_left_as_they_are(error):
    def work(chunk: int = 1) -> None:
        tried.append(chunk)
        raise error

    tried: list[int] = []
    with pytest.raises(type(error)) as caught:
        explained(Chunks("cuda").run)(work, 8, 8, "maps were grown", [].append)
    assert caught.value is error
    assert tried == [8]


SHAPES = """
import wsis.pipeline, torch
from benchmarks.reliability.soak import heap
from wsis.backbone import Backbone

torch.set_num_threads(1)
net = Backbone("tf_efficientnet_lite0").eval()
with torch.inference_mode():
    for size in range(64, 1152, 32):
        net(torch.zeros(1, 3, 64, size))
        if size == 832:  # by then other caches, which stay small, are full on every processor
            before = heap()
print(heap() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="what malloc holds is read from Linux's libc")
def test_new_shapes_leave_nothing_behind():
    def grown(**variables: str) -> int:
        """KB that a process holds more after nine more shapes."""
        names = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
        clean = {name: value for name, value in os.environ.items() if name not in names}
        command = [sys.executable, "-c", SHAPES]
        return int(subprocess.check_output(command, env={**clean, **variables}, cwd=ROOT, text=True))

    kept = grown(ONEDNN_PRIMITIVE_CACHE_CAPACITY="9999", LRU_CACHE_CAPACITY="9999")
    assert grown() < 200 < kept / 4
