"""Records on disk, by what they follow from."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from wsis import files, provenance
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.tuning.photo_record import Record, measure, whole

MOST_CACHED = 2**30
FORMAT = 6
"""Of the records on disk; a new number makes old ones be measured again."""


class Cache:
    """Records on disk by what they follow from: model, settings, photo and masks. Holds no photo and no mask."""

    def __init__(self, folder: Path | None = None, most: int = MOST_CACHED) -> None:
        """Use a folder, `$XDG_CACHE_HOME/wsis/tune` if None; at most `most` bytes, the longest unused go first."""
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        self.folder, self.most = folder or root / "wsis" / "tune", most

    def measure(self, pipeline: Pipeline, pair: Pair, settings: Settings | None = None) -> Record:
        """As `measure`, but from the disk where it was measured before."""
        file = self.folder / f"{_key(pipeline, pair, whole(settings))}.npz"
        known = _load(file)
        if known is None:
            known = measure(pipeline, pair, settings)
            with suppress(WsisError):  # a full or read-only disk only means that the next visit takes longer
                _save(file, known)
                self._tidy(keep=file)
        return known

    def _tidy(self, keep: Path) -> None:
        with suppress(OSError):  # another process may tidy at the same time
            oldest_first = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self.folder.iterdir())
            held = sum(size for _, size, _ in oldest_first)
            for _, size, file in oldest_first:
                if held > self.most and file != keep:
                    file.unlink(missing_ok=True)
                    held -= size


def _key(pipeline: Pipeline, pair: Pair, settings: Settings) -> str:
    """What a record follows from, as a file name.

    Raises:
        WsisError: a file cannot be read.
    """
    model = {"networks": provenance.header(pipeline.checkpoint), "classes": pipeline.classes}
    annotated = pair.annotated and [asdict(replace(pair.annotated, name="", photo=Path()))]
    masks = [pair.names, annotated]
    digest = hashlib.sha256(json.dumps([FORMAT, model, asdict(settings), masks], sort_keys=True, default=str).encode())
    for file in (pair.photo, pair.classes, pair.instances):
        try:
            digest.update(hashlib.sha256(file.read_bytes() if file else b"").digest())
        except OSError as error:
            raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _save(file: Path, one: Record) -> None:
    arrays = {field.name: getattr(one, field.name) for field in fields(Record)}
    arrays["members"] = np.packbits(one.members, axis=1)
    arrays["key"] = np.array(file.stem)  # a record that was copied to another's name is not believed
    with files.writing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _load(file: Path) -> Record | None:
    """A record from the disk; None where there is none or it is damaged."""
    if not file.is_file():  # what is no file might never end
        return None
    try:
        with np.load(file, allow_pickle=False) as content:
            if content["key"] != file.stem:
                return None
            arrays = {field.name: content[field.name] for field in fields(Record)}
        arrays["members"] = np.unpackbits(arrays["members"], axis=1, count=len(arrays["areas"])).astype(bool)
        os.utime(file)
        return Record(**arrays)
    except Exception:  # a damaged zip or header raises any of a dozen types; the photo is measured again
        return None
