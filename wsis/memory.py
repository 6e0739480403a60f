"""Where memory runs out: the same work again in smaller chunks, and one sentence where that does not help either.

Importing this sets oneDNN's two cache variables in the environment, unless they are set. Torch reads them at its first
convolution, so a later import has no effect.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from wsis.errors import WsisError

# oneDNN keeps what it compiled for a thousand shapes, and photos and peaks come in any. Those small pieces end up
# between large arrays, whose pages stay with the process when they are freed: a gigabyte after a hundred photos.
# Compiling anew makes PRM and the ICN 1.4 times as slow, a whole photo about 1.1 times; caches of 64 to 400 kernels
# gave back little of that. Whoever sets a variable gets what it says.
for _cache, _capacity in (("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0"), ("LRU_CACHE_CAPACITY", "1")):
    os.environ.setdefault(_cache, _capacity)

Given = ParamSpec("Given")
Made = TypeVar("Made")
REMEMBERED = 600.0
"""Seconds until larger chunks are tried again: what else ran on the device may have ended."""
SIGNS = ("out of memory", "DefaultCPUAllocator", "STATUS_ALLOC_FAILED")
"""In messages of a plain RuntimeError: of devices other than CUDA's, of the processor, of cuBLAS and cuDNN."""
GPU = (
    "The GPU has too little free memory, even for the least work at a time; try again when less else runs on it, or "
    "use --device cpu."
)
PROCESSOR = (
    "There is too little free memory for this photo; end other programs, follow fewer peaks, or make the photo smaller."
)


class Chunks:
    """How much a device holds at once, found out where its memory runs out.

    Shared by all threads that use the device: what one photo found out, the next need not.
    """

    def __init__(self, device: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet of a device (`cpu`, `cuda`, ...); `clock` gives seconds that never go back."""
        self._holder, self._clock = "The machine" if device == "cpu" else "The GPU", clock
        self._known: dict[str, tuple[int, float]] = {}

    def run(self, work: Callable[..., Made], count: int, chunk: int, what: str, note: Callable[[str], object]) -> Made:
        """Do all of the work, so much at once as memory allows.

        Args:
            work: does all of it, at most `chunk` (its keyword) at once; called again from the start where that fails.
            count: how many there are.
            chunk: how many at once where memory allows.
            what: happens to them, for people, such as "maps were grown".
            note: called with a sentence for people where less was done at once.

        Returns:
            What `work` returned.

        Raises:
            RuntimeError: torch's own, where there is too little memory for one at a time; see `explained`.
        """
        wanted = max(1, min(count, chunk))
        known, until = self._known.get(what, (wanted, 0.0))
        size = min(wanted, known) if self._clock() < until else wanted
        while True:
            try:
                made = work(chunk=size)
                break
            except RuntimeError as error:
                if size == 1 or not is_short(error):
                    raise
            # Out here the error is gone, and with it what the failed attempt held.
            size //= 2
            self._known[what] = size, self._clock() + REMEMBERED
            gc.collect()
            torch.cuda.empty_cache()
        if size < wanted:
            note(f"{self._holder} ran out of memory: {what} {size} at a time instead of {wanted}, which is slower.")
        return made


def is_short(error: RuntimeError) -> bool:
    """Whether torch says that memory ran out, on any device."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in SIGNS)


def explained(work: Callable[Given, Made]) -> Callable[Given, Made]:
    """The same work, with a sentence for people where torch's memory runs out."""

    @wraps(work)
    def told(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return work(*args, **kwargs)
        except RuntimeError as error:
            if not is_short(error):
                raise
            raise WsisError(PROCESSOR if "DefaultCPUAllocator" in str(error) else GPU) from error

    return told
