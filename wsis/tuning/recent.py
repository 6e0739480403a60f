"""What was worked out lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The values that were worked out last, by key; of more than `most`, the oldest go.

    Threads may share it: at worst two of them work out the same.
    """

    def __init__(self, most: int) -> None:
        """Keep at most so many values."""
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def __len__(self) -> int:
        """Number of values kept."""
        return len(self._values)

    def get(self, key: Hashable, work: Callable[[], Value]) -> Value:
        """The value of a key, worked out unless it is kept."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = work()
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
