"""Soak: hundreds of analyses in one process.

Visitors with random photos and settings go through the explorer's events, one after the other, as fast as they are
answered. The clock of the store runs ahead by an hour after each, so that everything kept for a visitor is due.
"""

from __future__ import annotations

import ctypes
import gc
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import theilslopes

from app import EXAMPLES
from benchmarks.reliability.row import Row

COUNT, WARM = 500, 50
"""Visitors, and how many of them the process may grow with: caches fill, the largest photo comes by."""
QUICK = 12, 4
LEVEL = 0.95
BLOCK = 10
SHARE = 0.01
"""Growth over `COUNT` visitors that counts as none, as a share of the resident memory."""
FIGURE = Path(__file__).parents[2] / "docs" / "figures" / "soak.png"


@dataclass(frozen=True)
class Sample:
    """The process between two visitors.

    Attributes:
        rss: resident memory, kB.
        pss: the same, with pages shared with other processes counted in part.
        uss: pages of this process alone.
        heap: what malloc has handed out and not got back, kB: the rest of `rss` is what it keeps for later.
        objects: of Python's, that its garbage collector knows.
        files: temporary files.
        fds: open file descriptors.
        threads: of the process.
    """

    rss: int
    pss: int
    uss: int
    heap: int
    objects: int
    files: int
    fds: int
    threads: int


def run(photos: Path | None, quick: bool) -> dict[str, Any]:
    """Let visitors come in a process of their own, with an own folder of temporary files.

    Args:
        photos: folder of JPEGs; None for the examples.
        quick: few visitors, and no figure in docs/.
    """
    count, warm = QUICK if quick else (COUNT, WARM)
    files = sorted((photos or EXAMPLES).glob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            made = process.submit(visits, files, count, folder, "voc-lite").result()
        left = [str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()]
    figures = {**made, **verdict([Sample(*one) for one in made["samples"]], warm), "warm": warm, "left": left[:20]}
    figures["files_left"] = len(left)
    if not quick:
        draw(figures, FIGURE)
    return figures


def visits(photos: list[Path], count: int, temporary: str, model: str) -> dict[str, Any]:
    """Visitors one after the other; runs in a process of its own.

    Args:
        photos: JPEGs to take parts of.
        count: how many visitors.
        temporary: folder for all temporary files.
        model: name or folder of the checkpoint.

    Returns:
        `samples`, one after each visitor; how many `analyses` and answers of each kind there were; seconds.
    """
    tempfile.tempdir = os.environ["GRADIO_TEMP_DIR"] = temporary
    # These make temporary files when they are imported.
    from benchmarks.reliability.random_visits import Visitor  # noqa: PLC0415
    from wsis.explorer.handlers import Handlers  # noqa: PLC0415
    from wsis.explorer.store import Store  # noqa: PLC0415
    from wsis.pipeline import Pipeline  # noqa: PLC0415

    chance, hours = np.random.default_rng(0), [0]
    store = Store(clock=lambda: 3600.0 * hours[0])
    handlers = Handlers(Pipeline.load(model, device="cpu"), {}, store)
    assert handlers.store is store
    samples, kinds, analyses, start = list[Sample](), dict[str, int](), 0, time.monotonic()
    for number in range(count):
        visitor = Visitor(handlers, chance, f"visitor-{number}")
        visitor.visit(photos[int(chance.integers(len(photos)))])
        hours[0] += 1
        store.sweep()
        assert not len(store)
        assert not store.held
        analyses += visitor.analyses
        kinds = {kind: kinds.get(kind, 0) + visitor.kinds.get(kind, 0) for kind in {**kinds, **visitor.kinds}}
        del visitor
        samples.append(sample(Path(temporary)))
    store.close()
    return {
        "samples": [astuple(one) for one in samples], "analyses": analyses, "answers": kinds,
        "seconds": time.monotonic() - start,
    }  # fmt: skip


def sample(temporary: Path) -> Sample:
    """The process as it is now (Linux only)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Sample(
        rss=kilobytes["Rss"],
        pss=kilobytes["Pss"],
        uss=kilobytes["Private_Clean"] + kilobytes["Private_Dirty"],
        heap=heap(),
        objects=len(gc.get_objects()),
        files=sum(path.is_file() for path in temporary.rglob("*")),
        fds=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threads=sum(1 for _ in Path("/proc/self/task").iterdir()),
    )


MALL_INFO = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
)  # fmt: skip


class _MallInfo(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALL_INFO]


def heap() -> int:
    """What glibc's malloc has handed out, in all its arenas and as mappings of their own, in kB."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _MallInfo
    found = libc.mallinfo2()
    return (found.uordblks + found.hblkhd) // 1024


def verdict(samples: list[Sample], warm: int) -> dict[str, Any]:
    """What the samples after the first `warm` say.

    The slope is Theil and Sen's, the median slope of all pairs, through the medians of `BLOCK` visitors each: one
    visitor's memory is much like the last one's, and an interval of the single samples would be too narrow.

    Returns:
        `slope`, `low` and `high`, the ends of its 95% interval, in kB a visitor; `resident`, the median; `growth`, the
        slope over `COUNT` visitors as a share of it; what malloc holds, file descriptors and threads at the beginning
        and at the end.
    """
    counted = samples[warm:]
    blocks = np.array_split(np.arange(len(counted)), max(4, len(counted) // BLOCK))
    rss = np.array([one.rss for one in counted])
    medians, places = [np.median(rss[block]) for block in blocks], [block.mean() for block in blocks]
    slope, _, low, high = theilslopes(medians, places, LEVEL)
    resident = float(np.median(rss))
    return {
        "slope": float(slope),
        "low": float(low),
        "high": float(high),
        "resident": resident,
        "growth": float(slope * COUNT / resident),
        "heap": [counted[0].heap, counted[-1].heap],
        "fds": [counted[0].fds, counted[-1].fds],
        "threads": [counted[0].threads, counted[-1].threads],
    }


def rows(figures: dict[str, Any]) -> list[Row]:
    """Memory, and what is left behind."""
    slope, low, high, growth = (figures[key] for key in ("slope", "low", "high", "growth"))
    count, left = len(figures["samples"]), figures["files_left"]
    flat = low <= 0 <= high or growth < SHARE
    grown = {key: figures[key][1] - figures[key][0] for key in ("fds", "threads")}
    return [
        Row(
            f"soak: {count} visitors, {figures['analyses']} analyses in one process",
            f"slope of memory within noise, or below {SHARE:.0%} in {COUNT}",
            f"{slope:+.1f} kB each ({LEVEL:.0%}: {low:+.1f} to {high:+.1f}), {growth:+.2%} of "
            f"{figures['resident'] / 1024:.0f} MB in {COUNT}",
            flat,
        ),
        Row("soak: temporary files left", "0", str(left), not left),
        Row(
            "soak: file descriptors and threads left",
            "no more at the end than after the warm-up",
            f"{grown['fds']:+d} and {grown['threads']:+d}",
            max(grown.values()) <= 0,
        ),
    ]


def details(figures: dict[str, Any]) -> str:
    """How it was done, and the figure."""
    before, after = (kilobytes / 1024 for kilobytes in figures["heap"])
    answers = ", ".join(f"{number} `{kind}`" for kind, number in sorted(figures["answers"].items()))
    return f"""
Each visitor uploads a random part of a random photo at 200 to 1,600 pixels, perhaps mirrored, with random settings
(enhancer, naive map, mode of the responses, peaks, reading and weights), looks at peaks, moves weights with a plot
open, and now and then changes settings, switches a class, compares enhancers, shares, or downloads a file; one in ten
goes without a word. Answers: {answers}; {figures["seconds"] / 60:.0f} minutes.

Resident memory is read from `/proc/self/smaps_rollup` after each visitor, without collecting garbage or trimming the
heap first. After a warm-up of {figures["warm"]} a line is fitted through the medians of {BLOCK} visitors each
(Theil-Sen). Flat means: its 95% interval contains 0, or it grows by less than {SHARE:.0%} in {COUNT} visitors. What
malloc has handed out went from {before:.0f} MB to {after:.0f} MB; the rest is code, and pages that it keeps for later.

A soak found what is mended now: oneDNN kept compiled kernels for every new shape between the large arrays, whose pages
then stayed with the process, up to 2.4 GB after 120 visitors. Its caches are off (`wsis/memory.py`).

![Resident memory against visitors](figures/{FIGURE.name})
"""


def draw(figures: dict[str, Any], path: Path) -> None:
    """Resident memory against visitors, with the fitted line."""
    samples, warm = [Sample(*one) for one in figures["samples"]], figures["warm"]
    rss = np.array([one.rss for one in samples]) / 1024
    x = np.arange(1, len(rss) + 1)
    middle = (x[warm] + x[-1]) / 2
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    ax = figure.subplots()
    ax.plot(x, rss, ".", markersize=3, color="0.4", label="after each visitor")
    line = figures["resident"] / 1024 + figures["slope"] / 1024 * (x[warm:] - middle)
    ax.plot(x[warm:], line, color="tab:red", label=f"{figures['slope']:+.1f} kB a visitor")
    ax.axvspan(0, warm, color="0.93", label="warm-up")
    ax.set(xlabel="visitors", ylabel="resident memory, MB", ylim=(0, None), xlim=(0, len(rss)))
    ax.legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
