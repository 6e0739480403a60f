"""Commands as processes of their own, each a fork (`benchmarks.reliability.forks`).

A fork is a whole process: it gets real signals, limits and rights, and ends with a real exit code.
"""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from benchmarks.reliability import forks
from benchmarks.reliability.faults import embedded
from benchmarks.reliability.faults.outcome import NotHereError
from wsis import imports

ROOT = embedded.ROOT
M_ARENA_MAX = -8
"""Of glibc's `malloc.h`."""
PATIENCE = 120.0
"""Seconds until something is called hung."""


@dataclass(frozen=True)
class Surroundings:
    """What is different for a process.

    Attributes:
        environment: variables that are added.
        powerless: root's right to read and write everything is given up, so that permissions count.
        file_bytes: largest file that may be written (RLIMIT_FSIZE); a write beyond it fails with EFBIG.
        more_memory: bytes that may be added to the address space of the freshly forked process (RLIMIT_AS);
            `Running.memory` tells how many were.
        broken: if this file exists, the next network that looks at a photo deletes it and raises a RuntimeError with
            its text.
        disk: a place that `disks` gave: the process sees that disk at the folder's own path.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    powerless: bool = False
    file_bytes: int | None = None
    more_memory: int | None = None
    broken: Path | None = None
    disk: Path | None = None


AS_USUAL = Surroundings()


@dataclass(frozen=True, eq=False)
class Running:
    """A process under way.

    Attributes:
        process: itself.
        folder: where what it says is kept.
    """

    process: ForkServerProcess
    folder: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid or 0

    @property
    def out(self) -> str:
        """What it said on standard output so far."""
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def err(self) -> str:
        """What it said on standard error so far."""
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def memory(self) -> int:
        """Of a process that ended, with a limit of memory: bytes that were added to its address space at most."""
        return int((self.folder / "memory").read_text())

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.process.is_alive():
            os.kill(self.pid, sign)

    def until(self, happened: Callable[[], object], pause: float = 0.002) -> bool:
        """Wait until something has happened; False where the process ended before."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if happened():
                return True
            if not self.process.is_alive():
                return bool(happened())
            time.sleep(pause)
        raise TimeoutError(f"nothing happened within {PATIENCE:.0f} s: {self.out}{self.err}")

    def ended(self) -> int:
        """Wait for its end; the exit code, below 0 for a signal, and 999 where it hung and was killed."""
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            return 999
        return -1 if self.process.exitcode is None else self.process.exitcode


def segment_words(*words: object) -> list[str]:
    """Arguments of `segment`: one photo at a time on one core, the quickest enhancer, and `words`."""
    usual = ("--model", embedded.folder(), "--enhancer", "none", "--device", "cpu", "--workers", "1")
    return [str(word) for word in (*usual, *words)]


@contextmanager
def commanded(folder: Path, *words: object, surroundings: Surroundings = AS_USUAL) -> Iterator[Running]:
    """`python -m wsis WORDS`.

    Args:
        folder: for what it says; made where it is missing.
        words: the command and its arguments.
        surroundings: what is different for it.
    """
    with _forked(folder, _command, [*map(str, words)], surroundings) as running:
        yield running


@contextmanager
def segmenting(folder: Path, *words: object, surroundings: Surroundings = AS_USUAL) -> Iterator[Running]:
    """`python -m wsis segment WORDS`, see `segment_words`.

    Args:
        folder: for what it says; made where it is missing.
        words: its arguments.
        surroundings: what is different for it.
    """
    with commanded(folder, "segment", *segment_words(*words), surroundings=surroundings) as running:
        yield running


@contextmanager
def exploring(folder: Path, *words: object, surroundings: Surroundings = AS_USUAL) -> Iterator[Running]:
    """`python app.py WORDS`; WORDS may name another model."""
    model = () if "--model" in words else ("--model", embedded.folder())
    with _forked(folder, _explore, [*map(str, (*model, *words)), "--device", "cpu"], surroundings) as running:
        yield running


@contextmanager
def _forked(
    folder: Path, work: Callable[[], None], words: Sequence[str], surroundings: Surroundings
) -> Iterator[Running]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("stdout", "stderr"):
        (folder / name).write_bytes(b"")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    process = forks.context().Process(target=_child, args=(folder, work, tuple(words), surroundings), daemon=True)
    process.start()
    try:
        yield Running(process, folder)
    finally:
        process.kill()
        process.join()


def _child(folder: Path, work: Callable[[], None], words: tuple[str, ...], surroundings: Surroundings) -> None:
    """What a fork does: take on its surroundings, then be the command."""
    for number, place in ((1, folder / "stdout"), (2, folder / "stderr")):
        os.dup2(os.open(place, os.O_WRONLY), number)
    for number, stream in ((1, "stdout"), (2, "stderr")):  # as at a real start: block-buffered into a file
        setattr(sys, stream, os.fdopen(number, "w", buffering=-1 if number == 1 else 1, closefd=False))
    if surroundings.disk is not None:
        _enter(int(surroundings.disk.parts[2]))
    os.environ.update(surroundings.environment)
    tempfile.tempdir = None  # TMPDIR may be another one now
    sys.argv = ["wsis", *words]
    import torch  # noqa: PLC0415

    imports.leave_alone()  # as the command does once it has imported everything
    torch.set_num_threads(1)
    if surroundings.broken is not None:
        _break(surroundings.broken)
    if surroundings.file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does at its start
        resource.setrlimit(resource.RLIMIT_FSIZE, (surroundings.file_bytes,) * 2)
    before = 0
    if surroundings.more_memory is not None:
        # Each thread that allocates at the same moment as another takes an arena of 64 MiB: chance would set the limit.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
        before = _address_space()
        resource.setrlimit(resource.RLIMIT_AS, (before + surroundings.more_memory,) * 2)
    if surroundings.powerless:
        give_up_power()
    try:
        work()
    finally:
        if before:
            (folder / "memory").write_text(str(_address_space("VmPeak") - before))


def _command() -> None:
    from wsis.__main__ import main  # noqa: PLC0415

    main()


def _explore() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


def _break(flag: Path) -> None:
    """Let networks raise while a file exists, through PyTorch's own hooks."""
    from torch.nn.modules.module import register_module_forward_pre_hook  # noqa: PLC0415

    def raising(_: object, given: tuple) -> None:
        width = getattr(given[0], "shape", [0])[-1] if given else 0
        if width > 64 and flag.exists():  # networks try themselves on 64 pixels when they are built
            text = flag.read_text()
            flag.unlink()
            raise RuntimeError(text)

    register_module_forward_pre_hook(raising)


def _enter(holder: int) -> None:
    """Move into the namespaces of another process, so that its disks are there."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "mnt"):
        number = os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY)
        if libc.setns(number, 0):
            raise NotHereError(f"the namespace cannot be entered: {os.strerror(ctypes.get_errno())}")
        os.close(number)


def _address_space(which: str = "VmSize") -> int:
    """Bytes of this process's address space: now, or `VmPeak`, the most it had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{which}:"))
    return int(line.split()[1]) * 1024


def give_up_power() -> None:
    """Give up root's capabilities but stay the owner of one's files; without root, nothing needs to be given up."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):  # version 3, this thread; none
        raise NotHereError("root's capabilities cannot be given up")
