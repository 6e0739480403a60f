"""Where networks run, as people name it: `gpu`, `0`, `CPU`, `auto`; what is not there is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from wsis.errors import WsisError

AUTO = "auto"
MOST_WORKERS = 8
"""Photos at a time where nobody says how many: each takes a few hundred megabytes."""
AT_ONCE = 2
"""Things that an analysis does at a time, each in a thread: class maps beside proposals, regions beside responses."""
BESIDE = ("mps", "xpu")
"""Accelerators of Apple and Intel: taken where they are named or where nothing but them can be meant by `gpu`."""


def named(name: object = None) -> str | None:
    """A device's usual name: `GPU` is `cuda`, `0` is `cuda:0`; None where the choice is left to this machine."""
    text = str(name or AUTO).strip().lower() or AUTO
    kind, colon, number = (f"cuda:{text}" if text.isdecimal() else text).partition(":")
    if kind == "gpu":
        kind = next((beside for beside in BESIDE if not torch.cuda.is_available() and _count(beside)), "cuda")
    return None if kind == AUTO else f"{kind}{colon}{number}"


def find(name: object = None) -> str:
    """The device that a name stands for.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`, in any case, or a `torch.device`; `gpu`, and the bare number of a
            GPU; `auto`, empty or None takes the GPU (CUDA) where there is one, else the processor.

    Returns:
        A name that torch understands, of a device that is there.

    Raises:
        WsisError: this machine has no such device.
    """
    wanted = named(name)
    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = wanted.partition(":")
    count = _count(kind)
    if not count or (colon and not (number.isdecimal() and len(number) < 5 and int(number) < count)):
        said = " ".join(str(name).split())[:80]
        raise WsisError(f"The device '{said}' is not there: this machine has {', '.join(present())}. Use one of these.")
    return f"{kind}:{int(number)}" if colon and kind != "cpu" else kind


def present() -> tuple[str, ...]:
    """Names of the devices of this machine: `cpu`, and every accelerator."""
    counts = {kind: _count(kind) for kind in ("cuda", *BESIDE)}
    return ("cpu", *(f"{kind}:{i}" if kind != "mps" else kind for kind, count in counts.items() for i in range(count)))


def _count(kind: str) -> int:
    """How many devices of a kind there are."""
    if kind in ("cuda", "xpu"):
        module = getattr(torch, kind)
        return int(module.device_count()) if module.is_available() else 0
    return int(kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()))


def use_cores(cores: int | None = None) -> None:
    """Let each operation of torch take so many cores that an analysis, which does `AT_ONCE` of them, takes these.

    More would wait for one another: on two cores an analysis takes half as long again with two threads an operation.
    It holds for the whole process, so programs call it, and `Pipeline` does not.

    Args:
        cores: how many; None takes those that torch has now.
    """
    torch.set_num_threads(max(1, (cores or torch.get_num_threads()) // AT_ONCE))


@contextmanager
def several(workers: int | None, tasks: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores, at most one a task; those waiting are called off where one stops.

    Args:
        workers: how many; None takes as many as there are cores, at most `MOST_WORKERS`.
        tasks: what there is to do.
    """
    workers = max(1, min(workers or min(os.cpu_count() or 1, MOST_WORKERS), tasks))
    threads = torch.get_num_threads()
    use_cores(threads // workers)
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
