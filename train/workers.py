"""Work on many photos in processes that each load the networks once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, TypeVar

import torch

Networks = TypeVar("Networks")
Item = TypeVar("Item")
Result = TypeVar("Result")

_loaded: list[Any] = []
"""What this worker process has loaded: `ProcessPoolExecutor` has no other place for it."""


def over(
    items: Sequence[Item],
    work: Callable[[Networks, Item], Result],
    load: Callable[[], Networks],
    processes: int,
) -> Iterator[Result]:
    """Results in the order of the items; stderr says how far it is.

    Args:
        items: what is worked on, one photo each.
        work: what is done with each; it is sent to the processes, so it must be picklable, as what it returns.
        load: called once in each process.
        processes: how many, with one thread each; 1 is this process.
    """
    if processes == 1:
        _start(load)
        yield from _counted(map(partial(work, _loaded.pop()), items), len(items))
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (load,)) as pool:
        yield from _counted(pool.map(partial(_work, work), items), len(items))


def _start(load: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    if parent := parent_process():
        # Who is killed cannot tell its workers to stop: these would wait for more photos, with all their memory.
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    _loaded[:] = [load()]


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _work(work: Callable[[Any, Item], Result], item: Item) -> Result:
    return work(_loaded[0], item)


def _counted(results: Iterator[Result], total: int) -> Iterator[Result]:
    for number, result in enumerate(results, 1):
        yield result
        if number % 25 == 0:
            print(f"{number} of {total} photos", file=sys.stderr, flush=True)
