"""The classes that a data set and a model have in common, whatever they are called in and numbered by each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wsis import class_names
from wsis.errors import WsisError

SHOWN = 10
"""Classes that a sentence lists."""


@dataclass(frozen=True, eq=False)
class SharedClasses:
    """Figures are of these classes alone: of others one side knows nothing.

    Attributes:
        names: S names, as the data set has them and in its order.
        of_set: (N,) int64 the place among `names` of each of the data set's classes, -1 where the model lacks it.
        of_model: (C,) int64 the same of each of the model's classes; several may be one of the data set's.
        set_only, model_only: names of the classes that only one of them has.
    """

    names: tuple[str, ...]
    of_set: np.ndarray
    of_model: np.ndarray
    set_only: tuple[str, ...] = ()
    model_only: tuple[str, ...] = ()

    def left_out(self) -> list[str]:
        """A sentence for each side that has classes of its own."""
        return [
            f"Left out, as {why}: {_listed(names)}."
            for why, names in (
                ("the model does not know them", self.set_only),
                ("the data set has no masks of them", self.model_only),
            )
            if names
        ]


@lru_cache(maxsize=16)
def shared(of_set: tuple[str, ...] | None, of_model: tuple[str, ...], model: str = "") -> SharedClasses:
    """Match the classes of a data set to those of a model by their names, see `wsis.class_names.known`.

    Args:
        of_set: N distinct names; None where the data set numbers the model's own classes.
        of_model: C distinct names.
        model: what it is called in the error.

    Raises:
        WsisError: they have none in common.
    """
    if of_set is None or of_set == of_model:
        every = np.arange(len(of_model))
        return SharedClasses(of_model, every, every)
    known = [_known(name, of_model, model) for name in of_set]
    names = tuple(name for name, own in zip(of_set, known, strict=True) if own)
    if not names:
        raise WsisError(
            f"The data set and the model '{model}' have no class in common: there are {_listed(of_set)} on one side, "
            f"{_listed(of_model)} on the other. Name its classes as the model does."
        )
    place = {name: i for i, name in enumerate(names)}
    numbers = {name: i for i, name in enumerate(of_model)}
    found = np.full(len(of_model), -1)
    # what is asked for by a broad name too, such as "dog" beside "beagle", belongs to the narrow one
    for name, own in sorted(zip(of_set, known, strict=True), key=lambda one: -len(one[1])):
        found[[numbers[one] for one in own]] = place.get(name, -1)
    return SharedClasses(
        names,
        np.array([place.get(name, -1) for name in of_set], np.int64),
        found,
        tuple(name for name in of_set if name not in place),
        tuple(name for name, i in numbers.items() if found[i] < 0),
    )


def _known(name: str, classes: Sequence[str], model: str) -> tuple[str, ...]:
    try:
        return class_names.known([name], classes, model)
    except WsisError:
        return ()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
