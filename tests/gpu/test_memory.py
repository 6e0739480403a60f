"""A card that is too small: work in parts with the same result, and where that is too much, one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from tests.helpers.small_device import Device
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.icn import ICN
from wsis.pipeline import Pipeline

pytestmark = pytest.mark.gpu

CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dog", "horse")


@contextmanager
def at_most(device: str, limit: float) -> Iterator[None]:
    """Allow this process so many bytes of the device, in a rehearsal of what torch's operations make."""
    if device == "cpu":
        with Device(limit):
            yield
        return
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def most_held(device: str, work) -> float:
    """Bytes of the device that the work takes at its fullest."""
    if device == "cpu":
        with Device() as counted:
            work()
        return counted.peak
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_reserved()


def test_what_does_not_fit_is_done_in_parts_and_what_never_fits_is_one_sentence(device, here, tiny_checkpoint, photo):
    loaded = Pipeline.load(str(tiny_checkpoint), device=device)
    evidence = loaded.observe(photo)
    wide = ICN("tf_efficientnet_lite0", width=96, size=160).eval().to(device)  # its maps outweigh what is there once
    checkpoint = replace(loaded.checkpoint, icns={"icn-saliency": wide})
    settings = Settings("icn-saliency", classes=CLASSES, max_peaks=len(CLASSES), steps=1)

    def analysed():
        with mock.patch.object(Pipeline, "_responses", return_value=None):  # they need more than growing
            return Pipeline(checkpoint, device).analyse(evidence, settings)  # a new one has not learned what fits

    whole = analysed()
    assert len(whole.peaks) == len(CLASSES)
    assert not whole.notes
    full, in_parts, sentence = most_held(device, analysed), 0, ""
    for step in range(1, 30):
        with at_most(device, full * 0.7**step):
            try:
                found = analysed()
            except WsisError as error:
                sentence = str(error)
                break
        if found.notes:
            assert "ran out of memory: maps were grown" in found.notes[0]
            np.testing.assert_allclose(found.maps, whole.maps, atol=0.05)
            in_parts += 1
    assert in_parts, "it always fitted or never did"
    assert sentence.startswith("The GPU has too little free memory")
    assert sentence.endswith("use --device cpu.")
    assert not analysed().notes  # and once there is room again, nothing is left of it
