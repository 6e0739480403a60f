"""Ray: a cluster joined and left, or an instance on this machine started and ended."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from urllib.parse import urlsplit

import ray
import ray.data

from wsis.errors import WsisError

STORE = 100 * 2**20
"""Bytes of a local instance's object store: only numbers go through it."""
PATIENCE = 10
"""Seconds in which a cluster must answer."""
PLACE, PREFIX = "/tmp", "wsis-ray-"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray, at an address (`auto`: the cluster that this machine belongs to) or, where it is None, started here.

    Raises:
        WsisError: it does not answer or cannot be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves this host
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of Ray's own statistics; ours arrive as exceptions
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_worker_niceness", "0")  # as the command itself; at 15, what else runs starves actors
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    if address and ":" in address:
        _reach(address)
    with nullcontext() if address else _folder() as folder:
        local = {
            "num_cpus": os.cpu_count(),
            "object_store_memory": STORE,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
        try:
            with _muted():
                ray.init(
                    address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **({} if address else local),
                )
        except (ConnectionError, OSError, ValueError, RuntimeError) as error:
            where = f"at {address}" if address else "here"
            raise WsisError(f"Ray cannot be used {where}: {str(error).strip().splitlines()[0]}") from error
        try:
            yield
        finally:
            with suppress(Exception):
                ray.shutdown()


@contextmanager
def _folder() -> Iterator[str]:
    """Where a local instance keeps its sockets and logs: gone afterwards, or at the next start if this one is killed.

    The path is short, for sockets lie in it. Its owner holds a lock, of which the kernel lets go when it dies.
    """
    for lock in Path(PLACE).glob(f"{PREFIX}*/lock"):
        with suppress(OSError), lock.open() as stream:  # another user's, or one in use
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    temporary = tempfile.TemporaryDirectory(prefix=PREFIX, dir=PLACE, ignore_cleanup_errors=True)
    with temporary as folder, Path(folder, "new").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        Path(folder, "new").rename(Path(folder, "lock"))  # nobody sees it before it is held
        yield folder


def _reach(address: str) -> None:
    """Refuse an address that nobody answers at; Ray would go on trying for ever."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 6379), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        raise WsisError(f"No Ray cluster answers at {address}. Start one with: ray start --head") from error


@contextmanager
def _muted() -> Iterator[None]:
    """Nothing on stderr, for Ray's C++ part says there at which level it logs."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
