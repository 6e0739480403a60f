"""A pickle that would be noticed if it were opened."""

from __future__ import annotations


class Boom:
    """Unpickling it would be noticed."""

    opened = False

    def __reduce__(self):
        return setattr, (Boom, "opened", True)
