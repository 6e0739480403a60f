"""What a computation must cost on this machine: its operations at the rate of a matrix product, its bytes at a copy's.

A floor counts a network's multiplications and what goes in and out, and nothing else: neither rectifiers nor what
layers hand to each other.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import seconds

SIDE = 1024
"""Rows and columns of the matrices: 4 MB each, of which the blocks at work fit in the cache."""
COPIED = 64 * 2**20
"""Bytes that are copied: more than caches hold."""
REPEATS = 9


def least_seconds(operations: float, moved: float = 0) -> float:
    """The longer of both: `operations` at the matrix rate, `moved` bytes (read and written) at the copy rate."""
    return max(operations / matrix_rate(), moved / copy_rate())


@cache
def matrix_rate() -> float:
    """Operations a second of a float32 matrix product, a multiplication and an addition each counting as one."""
    first, second, result = (torch.rand(SIDE, SIDE) for _ in range(3))
    return 2 * SIDE**3 / _median(lambda: torch.mm(first, second, out=result))


@cache
def copy_rate() -> float:
    """Bytes a second that a copy reads and writes, both counted."""
    source = torch.ones(COPIED // 4)
    target = torch.ones_like(source)
    return 2 * COPIED / _median(lambda: target.copy_(source))


def network_operations(call: Callable[[], object]) -> int:
    """Operations of all convolutions and linear layers that run forward in a call, two per multiplication.

    In all threads: `operations` sees those of its own only.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            per_value = module.weight[0].numel()
            total += 2 * output.numel() * per_value

    hook = register_module_forward_hook(count)
    try:
        call()
    finally:
        hook.remove()
    return total


def operations(call: Callable[[], object]) -> int:
    """Operations of all products and convolutions in a call, backward ones too, two per multiplication."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def _median(call: Callable[[], object]) -> float:
    call()
    return statistics.median(seconds(call) for _ in range(REPEATS))
