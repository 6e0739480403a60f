"""What goes on, for operators: figures in Prometheus' text format and, on request, a line of JSON for each request.

Neither holds a photo, its name, a token or an address.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_stages: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@dataclass
class Noted:
    """What is known of a request once it is over.

    Attributes:
        act: what was asked for.
        outcome: `ok`, `mistake` (the visitor was told what to mend), `failed`, or `refused`.
        reason: which limit refused it.
        seconds: by stage; `waited` is the time in the queue, `worked` the time of its turn.
        sizes: `width` and `height` of the photo, `peaks`, `proposals`.
    """

    act: str
    outcome: str = "ok"
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


class Watch:
    """Counts requests, and writes each down where a log is wanted."""

    def __init__(self, log: TextIO | None = None) -> None:
        """Start at zero; `log` gets the lines of JSON."""
        self._log, self._salt = log, secrets.token_bytes(16)
        self._seen: dict[str, float] = {}
        self.registry = CollectorRegistry()
        self._requests = Counter("wsis_requests", "Requests", ["act", "outcome"], registry=self.registry)
        self._refused = Counter("wsis_refused", "Requests and uploads refused", ["reason"], registry=self.registry)
        self._seconds = Histogram("wsis_seconds", "By stage", ["stage"], buckets=BUCKETS, registry=self.registry)
        ProcessCollector(registry=self.registry)
        self.gauge("wsis_visitors", "Pages and programs that asked for something in the last five minutes", self._now)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show a number that is looked up when somebody asks."""
        Gauge(name, text, registry=self.registry).set_function(value)

    @contextmanager
    def request(self, act: str, page: str) -> Iterator[Noted]:
        """Follow a request; what is raised counts as failed, unless the caller notes another outcome.

        Args:
            act: one of few words, never what a visitor typed.
            page: the visitor's session; only a salted hash of it is written down.
        """
        noted, start = Noted(act), time.monotonic()
        token = _stages.set(noted.seconds)
        self._seen.pop(page, None)
        self._seen[page] = start
        try:
            yield noted
        except BaseException:
            noted.outcome = noted.outcome if noted.outcome != "ok" else "failed"
            raise
        finally:
            _stages.reset(token)
            self._count(noted)
            self._write(noted, page)

    def refused(self, reason: str) -> None:
        """Count a refusal that is no request to the networks: an upload."""
        self._refused.labels(reason).inc()

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self.registry)

    def _count(self, noted: Noted) -> None:
        self._requests.labels(noted.act, noted.outcome).inc()
        if noted.reason:
            self._refused.labels(noted.reason).inc()
        for stage, seconds in noted.seconds.items():
            self._seconds.labels(stage).observe(seconds)

    def _write(self, noted: Noted, page: str) -> None:
        if self._log is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "act": noted.act,
            "outcome": noted.outcome,
            **({"reason": noted.reason} if noted.reason else {}),
            "seconds": {stage: round(seconds, 4) for stage, seconds in noted.seconds.items()},
            "sizes": noted.sizes,
            "visitor": hashlib.blake2b(page.encode(), key=self._salt, digest_size=6).hexdigest(),
        }
        print(json.dumps(line), file=self._log, flush=True)

    def _now(self) -> int:
        """Visitors of the last five minutes; older ones are forgotten."""
        least = time.monotonic() - 300
        for page in list(self._seen):  # in the order of their last request
            if self._seen[page] >= least:
                break
            del self._seen[page]
        return len(self._seen)


def watched(work: Callable[..., Any]) -> Callable[..., Any]:
    """A stage of the pipeline whose seconds, without those of what it was given, count for the request under way."""

    @wraps(getattr(work, "func", work))
    def timed(given: Any, *more: Any, **named: Any) -> Any:
        made, stages = work(given, *more, **named), _stages.get()
        if stages is not None:
            before = getattr(given, "seconds", {})
            stages.update({stage: spent for stage, spent in made.seconds.items() if stage not in before})
        return made

    return timed


def sizes(answer: Any) -> dict[str, int]:
    """What an answer tells of sizes, none of content."""
    if not isinstance(answer, dict):
        return {}
    photo = answer.get("photo") or {}
    size, found = answer.get("size") or photo.get("size"), answer.get("peaks")
    proposals = photo.get("total", answer.get("proposals"))
    told = dict(zip(("width", "height"), size or (), strict=False))
    if isinstance(found, list):
        told["peaks"] = len(found)
    if isinstance(proposals, int):
        told["proposals"] = proposals
    return told
