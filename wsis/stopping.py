"""Being told to end: Ctrl-C, and SIGTERM as containers and schedulers send it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heard() -> Iterator[None]:
    """Whoever tells the program to end in here stops it like Ctrl-C, so that temporary files vanish.

    It stays a stop where a library makes another error of it, as safetensors does while it opens a file. Outside the
    main thread, where Python hears no signals, nothing is changed.

    Raises:
        KeyboardInterrupt: the program was told to end.
    """
    told: list[int] = []

    def stop(sign: int, _: object) -> None:
        told.append(sign)
        raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()
    before = {sign: signal.getsignal(sign) for sign in SIGNALS if here}
    # A shell's background jobs ignore Ctrl-C, and go on doing so; None was set by something else than Python.
    before = {sign: usual for sign, usual in before.items() if usual not in (signal.SIG_IGN, None)}
    for sign in before:
        signal.signal(sign, stop)
    try:
        yield
    except Exception as error:
        if told:
            raise KeyboardInterrupt from error
        raise
    finally:
        for sign, usual in before.items():
            signal.signal(sign, usual)
