"""A stand-in for a device with little memory: torch's own operations, with a bound on what they hold."""

from __future__ import annotations

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Device(TorchDispatchMode):
    """Counts the bytes of the tensors made inside it that are still there; more than `limit` is out of memory."""

    def __init__(self, limit: float = float("inf")) -> None:
        super().__init__()
        self.limit, self.peak, self.failures = limit, 0, 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor.untyped_storage())
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._held:
            self._held[key] = storage.nbytes()
            weakref.finalize(storage, self._held.pop, key, None)
        now = sum(self._held.values())
        if now > self.limit:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.peak = max(self.peak, now)
