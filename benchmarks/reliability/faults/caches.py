"""What the tuning tab keeps on disk: cut short, flipped, swapped, or no place to keep it."""

from __future__ import annotations

import os
import random
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.faults import disks, embedded, results
from benchmarks.reliability.faults.outcome import Fault, Outcome, judged
from wsis import photo_sets, tuning
from wsis.analysis import Analysis, Settings
from wsis.checkpoints import Checkpoint
from wsis.photo_sets import Pair
from wsis.pipeline import Pipeline
from wsis.tuning import Cache, Record

SETTINGS = Settings(enhancer="none", max_peaks=2)
"""Few peaks make quick records."""


class Remembering(Pipeline):
    """Analyses each photo once, with nothing but its class maps to grow."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        """Remember nothing yet."""
        super().__init__(checkpoint, device)
        self._known: dict[tuple[bytes, Settings], Analysis] = {}

    @property
    def enhancers(self) -> tuple[str, ...]:
        """None at all."""
        return ("none",)

    def analyse(self, photo: Any, settings: Settings | None = None, **more: Any) -> Analysis:
        """As `Pipeline.analyse`, or what it made of the same before."""
        key = photo.tobytes(), settings or SETTINGS
        if key not in self._known:
            self._known[key] = super().analyse(photo, settings, **more)
        return self._known[key]


class Blind(Pipeline):
    """Cannot analyse anything."""

    def analyse(self, *_: Any, **__: Any) -> Analysis:
        """Raise."""
        raise AssertionError("a record was measured again")


@cache
def pipeline() -> Pipeline:
    """The embedded model."""
    return Remembering.load(str(embedded.folder()), device="cpu")


@cache
def pairs(photos: Path) -> tuple[Pair, ...]:
    """The photos with masks: those that a run without faults gives."""
    clean, kit = results.clean(photos)[0], photos.with_name("kit")
    for source, name in ((photos, "images"), (clean / "semantic", "classes"), (clean / "instance", "masks")):
        shutil.copytree(source, kit / name)
    return photo_sets.collect(kit)


@cache
def measured(photos: Path, settings: Settings = SETTINGS) -> tuple[Record, ...]:
    """Their records without any fault."""
    return tuple(tuning.measure(pipeline(), pair, settings) for pair in pairs(photos))


def same(found: list[Record], photos: Path) -> bool:
    """Whether records equal those without any fault, number by number."""
    wanted = measured(photos)
    return len(found) == len(wanted) and all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for one, other in zip(found, wanted, strict=True)
        for field in fields(Record)
    )


def _all(kept: Cache, photos: Path) -> list[Record]:
    return [kept.measure(pipeline(), pair, SETTINGS) for pair in pairs(photos)]


def _filled(workdir: Path, photos: Path) -> tuple[Cache, list[Path]]:
    """A cache that holds every record, and its files."""
    kept = Cache(workdir / "cache")
    _all(kept, photos)
    return kept, sorted(kept.folder.iterdir())


def _healed(kept: Cache, photos: Path, said: str) -> Outcome:
    """The damaged cache gives the right numbers, and is whole again afterwards."""
    right = same(_all(kept, photos), photos)
    blind = Blind(pipeline().checkpoint)
    again = [kept.measure(blind, pair, SETTINGS) for pair in pairs(photos)]
    return judged(said, right_numbers=right, whole_again=same(again, photos))


def _damaged(workdir: Path, photos: Path, damages: list[Callable[[bytes], bytes]]) -> Outcome:
    """One record, damaged again and again: it is measured again, and kept whole."""
    kept, pair = Cache(workdir / "cache"), pairs(photos)[0]
    kept.measure(pipeline(), pair, SETTINGS)
    (file,) = kept.folder.iterdir()
    content, right = file.read_bytes(), 0
    for damage in damages:
        file.write_bytes(damage(content))
        found = kept.measure(pipeline(), pair, SETTINGS)
        right += same([found, *measured(photos)[1:]], photos)
    return judged(f"{right} of {len(damages)} times the same numbers", right_numbers=right == len(damages))


def _first_twelfths(count: int, content: bytes) -> bytes:
    return content[: len(content) * count // 12]


def cut_short(workdir: Path, photos: Path) -> Outcome:
    """A record on disk cut at 12 places.

    measured again, the same numbers each time
    """
    return _damaged(workdir, photos, [partial(_first_twelfths, n) for n in range(12)])


def flipped(workdir: Path, photos: Path) -> Outcome:
    """One bit of a record on disk flipped, 40 times.

    the same numbers each time
    """
    chance = random.Random(0)

    def flip(content: bytes) -> bytes:
        damaged, bit = bytearray(content), chance.randrange(len(content) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    return _damaged(workdir, photos, [flip] * 40)


def swapped(workdir: Path, photos: Path) -> Outcome:
    """Records of two photos swapped on disk.

    measured again: the same numbers, and the records are where they belong
    """
    kept, (first, second, *_) = _filled(workdir, photos)
    between = first.with_name("between")
    first.rename(between)
    second.rename(first)
    between.rename(second)
    return _healed(kept, photos, "the same numbers")


def becomes_a_pipe(workdir: Path, photos: Path) -> Outcome:
    """A record on disk replaced by a pipe (FIFO).

    does not hang: measured again, the same numbers
    """
    kept, (first, *_) = _filled(workdir, photos)
    first.unlink()
    os.mkfifo(first)
    found: list[Outcome] = []
    worker = threading.Thread(target=lambda: found.append(_healed(kept, photos, "the same numbers")), daemon=True)
    worker.start()
    worker.join(60)
    return found[0] if found else judged("", ends=False)


def _nowhere(kept: Cache, photos: Path) -> Outcome:
    """There is no place to keep records: the numbers are right, and nothing is said or left."""
    complaints: list[str] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda event: complaints.append(str(event.exc_value))
    try:
        right = same(_all(kept, photos), photos) and same(_all(kept, photos), photos)
    finally:
        sys.unraisablehook = before
    left = results.leftovers(kept.folder) if kept.folder.is_dir() else []
    return judged(
        complaints[0] if complaints else "the same numbers", right_numbers=right, quiet=not complaints, tidy=not left
    )


def disk_full(workdir: Path, photos: Path) -> Outcome:
    """Disk of the records full, with 0 to 5 pages of 4096 bytes left.

    the same numbers each time; nothing half written is left
    """
    measured(photos)
    for pages in range(6):
        with disks.small(workdir / f"disk{pages}", (pages + 1) * 4096) as place:
            (place / "full").write_bytes(bytes(4096))
            outcome = _nowhere(Cache(place / "cache"), photos)
            if not outcome.survived:
                return outcome
    return outcome


def disk_read_only(workdir: Path, photos: Path) -> Outcome:
    """Disk of the records mounted for reading.

    the same numbers
    """
    with disks.read_only(workdir / "disk") as place:
        return _nowhere(Cache(place / "cache"), photos)


def folder_is_a_file(workdir: Path, photos: Path) -> Outcome:
    """A file where the folder of the records should be.

    the same numbers
    """
    (workdir / "cache").write_text("mine")
    outcome = _nowhere(Cache(workdir / "cache"), photos)
    return outcome if (workdir / "cache").read_text() == "mine" else judged(outcome.said, file_untouched=False)


def folder_vanishes(workdir: Path, photos: Path) -> Outcome:
    """Folder of the records deleted between two photos.

    the same numbers, and kept again
    """
    kept, files = _filled(workdir, photos)
    first = kept.measure(pipeline(), pairs(photos)[0], SETTINGS)
    shutil.rmtree(kept.folder)
    rest = [kept.measure(pipeline(), pair, SETTINGS) for pair in pairs(photos)[1:]]
    return judged(
        "the same numbers",
        right_numbers=same([first, *rest], photos),
        kept_again=len(list(kept.folder.iterdir())) == len(files) - 1,
    )


def _change(workdir: Path, photos: Path, change: Callable[[Pair], object], said: str) -> Outcome:
    """A photo of the set is changed before it is measured: the tab names it and goes on with the others."""
    from wsis.explorer.tabs.tune.events import Events  # noqa: PLC0415
    from wsis.explorer.tabs.tune.sessions import Sessions, Tune  # noqa: PLC0415

    kit = workdir / "kit"
    shutil.copytree(pairs(photos)[0].photo.parents[1], kit)
    events = Events(pipeline(), Sessions(), Cache(workdir / "cache"))
    shown = events.folder(Tune(), str(kit), "none", 20)
    tune = shown["state"]
    session = events.sessions.get(tune.token)
    change(session.pairs[1])
    while session.running:
        shown = events.step(tune, shown["tick"])
    kept = [record for number, record in sorted(session.records.items())]
    wanted = [record for number, record in enumerate(measured(photos, session.settings)) if number != 1]
    right = len(kept) == len(wanted) and all(
        np.array_equal(a.overlaps, b.overlaps) and np.array_equal(a.terms, b.terms)
        for a, b in zip(kept, wanted, strict=True)
    )
    reason = session.failed[0][1] if session.failed else ""
    return judged(
        reason,
        named=[name for name, _ in session.failed] == [session.pairs[1].photo.name],
        why=said in reason,
        others_right=right,
        figures_shown="mAP" in str(events.moved(tune)["figures"]),
    )


def photo_vanishes(workdir: Path, photos: Path) -> Outcome:
    """A photo of the set deleted before it is measured.

    that photo named, the others measured
    """
    return _change(workdir, photos, lambda pair: pair.photo.unlink(), "cannot be read")


def mask_cut_short(workdir: Path, photos: Path) -> Outcome:
    """A mask of the set cut short before it is measured.

    that photo named, the others measured
    """
    return _change(workdir, photos, lambda pair: os.truncate(str(pair.classes), 100), "")


FAULTS: dict[str, Fault] = {
    f"cache_{one.__name__}": one
    for one in (
        cut_short, flipped, swapped, becomes_a_pipe, disk_full, disk_read_only, folder_is_a_file, folder_vanishes,
        photo_vanishes, mask_cut_short,
    )
}  # fmt: skip
SLOW = {"cache_cut_short", "cache_flipped"}
