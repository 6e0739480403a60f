"""Fuzz the proposal readers: `python -m tests.fuzz.proposals -runs=N`. The first byte says which file it is."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

if find_spec("atheris"):
    import atheris

    with atheris.instrument_imports(include=["PIL", "wsis"]):
        from wsis.proposals import readers
else:
    from wsis.proposals import readers

import numpy as np

from tests.fuzz import seeds as files
from tests.fuzz.campaign import main
from tests.fuzz.seeds import SIZE
from wsis.errors import WsisError

SUFFIXES = (".mat", ".json", ".png")


def seeds() -> dict[str, bytes]:
    """A file of each kind that is read, its first byte before it."""
    some = files.masks()
    mats = {
        "mcg": files.mat(files.mcg(some)),
        "packed": files.mat({"candidates": files.mcg(some)}, packed=True),
        "masks": files.mat({"masks": np.moveaxis(some, 0, 2)}),
    }
    pngs = {"palette": files.index_png(files.index_map()), "grey": files.index_png(files.index_map(), palette=False)}
    jsons = {name: files.text(value) for name, value in files.proposal_json().items()}
    return {name: bytes([i]) + data for i, kind in enumerate((mats, jsons, pngs)) for name, data in kind.items()}


@cache
def _place() -> Path:
    return Path(tempfile.mkdtemp())  # inside the campaign's own folder, which goes with it


def check(data: bytes) -> None:
    """Any bytes are proposals for the photo or are refused."""
    path = _place() / f"a{SUFFIXES[data[0] % 3 if data else 0]}"
    path.write_bytes(data[1:])
    with suppress(WsisError):
        found = readers.read(path, SIZE)
        if found.size != SIZE or not found.masks(range(len(found))).any((1, 2)).all():
            raise AssertionError(f"{len(found)} proposals of {found.size}")


if __name__ == "__main__":
    main("tests.fuzz.proposals", seeds, check)
