"""A second model beside the first in one server: memory, and how long a visitor waits when going to and fro."""

from __future__ import annotations

import ctypes
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from app import examples
from benchmarks.reliability import small_model
from benchmarks.timing import Figures
from wsis import checkpoints
from wsis.explorer.handlers import Handlers
from wsis.explorer.models import Models
from wsis.explorer.visit import Controls
from wsis.pipeline import Pipeline

TAB: Any = SimpleNamespace(session_hash="tab")


def models(runs: int) -> Figures:
    """In a process of its own, whose memory is its own; see `measured`."""
    code = f"import json; from benchmarks import models; print(json.dumps(models.measured({runs})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(runs: int) -> Figures:
    """The default model and another embedded one, or a small one where there is none, on the first example.

    `one_mb` and `two_mb`: memory of the process once each has looked at the photo; `load_s`: of the second model;
    `first_s`: its first answer, `back_s` and `forth_s`: medians of the answers on the way back and forth; `other_s`: on
    another photo, which this model has not seen, while it is loaded.
    """
    first, second, *_ = examples()
    with tempfile.TemporaryDirectory() as folder:
        others = [name for name in checkpoints.names() if name != checkpoints.DEFAULT]
        other = others[0] if others else str(small_model.save(Path(folder, "small")))
        served = Models(Pipeline.load(device="cpu"), [other])
        name = [*served.known()][1]
        handlers = Handlers(served, examples())
        visitor = _Visitor(handlers)
        visitor.look("example", name=first)
        one = resident_mb()
        load = _seconds(lambda: served.get(name))
        begin = _seconds(lambda: visitor.look("model", name=name))
        two = resident_mb()
        ways = [(visitor.timed(served.first), visitor.timed(name)) for _ in range(runs)]
        back, forth = zip(*ways, strict=True)
        visitor.now["model"] = None
        visitor.look("example", name=second)
        unseen = visitor.timed(name)
        handlers.store.close()
    return {
        "models": f"{served.first}, {name}", "one_mb": one, "two_mb": two, "more_mb": two - one, "load_s": load,
        "weights_mb": served.held / 2**20, "first_s": begin, "back_s": statistics.median(back),
        "forth_s": statistics.median(forth), "slowest_s": max(back + forth), "other_s": unseen,
    }  # fmt: skip


class _Visitor:
    """A page without a browser: it asks, and stands where the last answer says."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._controls = [getattr(Controls.of(handlers.defaults), name) for name in Controls.__dataclass_fields__]
        self.now: dict[str, Any] = {
            "token": None, "other": None, "peak": -1, "step": 3, "preset": "paper", "reading": "cover", "tab": "tune",
            "weights": [0.95, 0.1, 0.8], "enhancer": handlers.enhancer, "compare": "naive", "model": None,
            "axes": [0, 2], "dark": False,
        }  # fmt: skip

    def look(self, act: str, **data: Any) -> None:
        event = gr.EventData(None, {"act": act, "now": self.now, **data})
        answer = self._handlers.look(event, TAB, *self._controls)
        if answer["kind"] == "glance":
            return self.look("finish", **answer["finish"])
        self.now |= {key: answer[key] for key in ("token", "model", "enhancer")}
        return None

    def timed(self, model: str) -> float:
        return _seconds(lambda: self.look("model", name=model))


def resident_mb() -> float:
    """Memory of this process in MiB, without what is only kept for later."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 2**10


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
