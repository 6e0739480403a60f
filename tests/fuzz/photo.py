"""Fuzz the photo reader: `python -m tests.fuzz.photo -runs=N`."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec

if find_spec("atheris"):
    import atheris

    with atheris.instrument_imports(include=["PIL", "wsis"]):
        from wsis import image
else:
    from wsis import image

import numpy as np

from tests.fuzz.campaign import main
from tests.fuzz.seeds import photos as seeds
from wsis.errors import WsisError


def check(data: bytes) -> None:
    """Any bytes are a photo or are refused."""
    with suppress(WsisError):
        seen = image.read(data)
        if seen.ndim != 3 or seen.shape[2] != 3 or seen.dtype != np.uint8:
            raise AssertionError(f"{seen.shape} {seen.dtype}")


if __name__ == "__main__":
    main("tests.fuzz.photo", seeds, check)
