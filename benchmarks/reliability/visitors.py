"""Many visitors at once.

Each opens the page of a real server, uploads a photo of its own, looks at it, picks a peak, lets go of a slider and
downloads; afterwards each must hold exactly what the same photo gave to somebody who was alone.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.reliability.row import Row
from wsis.image import read, resized

ROOT = Path(__file__).parents[2]
VISITORS, QUICK = 50, 5
GUESSES = 300
SIDE = 500
PATIENCE = 900.0
"""Seconds after which an answer counts as never given."""
ACTS = ("open", "upload", "first map", "instances", "from photo to instances", "peak", "settle", "download")


@dataclass
class Tally:
    """What was counted while visitors were there."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Held:
    """What a visitor holds in the end, for comparison, and the secrets that led there."""

    answer: dict[str, Any]
    token: str
    file: str


def run(photos: Path | None, quick: bool) -> dict[str, Any]:
    """Serve, let everybody in alone, then all at once, then guess.

    Args:
        photos: a folder of JPEGs; None takes the examples.
        quick: five visitors.
    """
    count = QUICK if quick else VISITORS
    own = list(itertools.islice(_photos(photos), count))
    with served() as address:
        return asyncio.run(_all(address, own, guesses=GUESSES // 10 if quick else GUESSES))


def rows(figures: dict[str, Any]) -> list[Row]:
    """The line of the table."""
    got = (
        f"{figures['visitors']} at once: {len(figures['errors'])} errors, {figures['mixed_up']} mixed up, "
        f"{figures['served']} served, {figures['refused']} times told to come again; from photo to instances within "
        f"{figures['seconds']['from photo to instances']['p95']:.0f} s (p95), every later act within "
        f"{max(figures['seconds'][act]['p95'] for act in ('peak', 'settle', 'download')):.2f} s"
    )
    all_served = figures["served"] == figures["distinct"] == figures["visitors"]
    held = not figures["errors"] and not figures["mixed_up"] and all_served
    guessed = f"{figures['guessed']} of {figures['guesses']} guesses of a token or a download's address gave anything"
    return [
        Row("visitors of the explorer", f"{VISITORS} at once, no error, no cross-talk", got, held),
        Row("another visitor's analysis or file", "not to be guessed", guessed, figures["guessed"] == 0),
    ]


def details(figures: dict[str, Any]) -> str:
    """Seconds by act, and what the server said of itself."""
    lines = "\n".join(
        f"| {act} | {one['alone']:.2f} | {one['median']:.2f} | {one['p95']:.2f} |"
        for act, one in figures["seconds"].items()
    )
    return f"""\
A real `app.py` with its default queue, each visitor with an address and a photo of its own. One after the other first;
then all {figures["visitors"]} at the same moment, so that the networks have as many photos to look at. Who is refused
waits as long as the sentence says and asks again.
Peaks, instances, what Python ranked and the downloaded COCO file must be equal to the byte.

| seconds | alone, median | at once, median | at once, p95 |
|---|---|---|---|
{lines}

Most that waited: {figures["most_waiting"]}. Refusals by act: {figures["refusals"] or "none"}. The server's memory
(RSS): {figures["rss_mb"]:.0f} MB afterwards; {figures["analyses"]:.0f} analyses kept, {figures["analyses_mb"]:.0f} MB.
"""


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The explorer in a process of its own, behind what it takes for a proxy; its address."""
    command = [sys.executable, "app.py", "--root-path", "/", "--trust-proxy", "127.0.0.1", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        told = next((found for line in process.stdout if (found := re.match(r"wsis explorer: (\S+)/", line))), None)
        if told is None:
            raise RuntimeError("app.py did not start; its last lines are above.")
        yield told[1]
    finally:
        process.terminate()
        process.wait(30)


async def _all(address: str, photos: list[bytes], guesses: int) -> dict[str, Any]:
    alone, crowd = Tally(), Tally()
    asked = [await _visit(address, number, photo, alone) for number, photo in enumerate(photos)]
    stop = asyncio.Event()
    most = asyncio.create_task(_watch(address, stop))
    visits = (_visit(address, number, photo, crowd) for number, photo in enumerate(photos))
    found = await asyncio.gather(*visits)
    stop.set()
    pairs = [(one, two) for one, two in zip(asked, found, strict=True) if one and two]
    guessed = await _guess(address, [two for _, two in pairs], guesses)
    told = await _figures(address)
    return {
        "visitors": len(photos),
        "served": len(pairs),
        "distinct": len({json.dumps(one.answer) for one in asked if one}),
        "errors": [*alone.errors, *crowd.errors][:20],
        "mixed_up": sum(one.answer != two.answer for one, two in pairs),
        "refused": sum(crowd.refusals.values()),
        "refusals": dict(crowd.refusals),
        "most_waiting": await most,
        "guesses": guesses,
        "guessed": guessed,
        "seconds": {
            act: {
                "alone": float(np.median(alone.seconds[act])),
                "median": float(np.median(crowd.seconds[act])),
                "p95": float(np.percentile(crowd.seconds[act], 95)),
            }
            for act in ACTS
        },
        "rss_mb": told["process_resident_memory_bytes"] / 2**20,
        "analyses": told["wsis_analyses"],
        "analyses_mb": told["wsis_analyses_bytes"] / 2**20,
    }


async def _visit(address: str, number: int, photo: bytes, tally: Tally) -> Held | None:
    """One visitor from opening the page to the download; None where something went wrong, which is tallied."""
    try:
        async with _visitor(address, number) as visitor:
            return await _steps(visitor, photo, tally)
    except (httpx.HTTPError, RuntimeError, KeyError, TimeoutError, OSError) as error:
        tally.errors.append(f"visitor {number}: {type(error).__name__}: {str(error)[:200]}")
        return None


async def _steps(visitor: Visitor, photo: bytes, tally: Tally) -> Held:
    @asynccontextmanager
    async def timed(act: str) -> AsyncIterator[None]:
        start = time.monotonic()
        yield
        tally.seconds[act].append(time.monotonic() - start)

    async with timed("open"):
        await visitor.open()
        first = await visitor.look("open", tally)
        if "finish" in first:  # the example is not analysed yet; the page asks for the rest too
            first = await visitor.look("finish", tally, NOW, **first["finish"])
    now = {**NOW, "token": first["token"], "enhancer": first["enhancer"]}
    async with timed("from photo to instances"):
        async with timed("upload"):
            path = await visitor.upload(photo)
        async with timed("first map"):
            glance = await visitor.look("upload", tally, now, path=path, name="photo.png")
        async with timed("instances"):
            made = await visitor.look("finish", tally, now, **glance["finish"])
    now = {**now, "token": made["token"], "peak": made["part"]["peak"] if made["part"] else 0}
    last = max(len(made["peaks"]) - 1, 0)
    async with timed("peak"):
        picked = (await visitor.ask("select", {"act": "pick", "peak": last, "now": now}))[0] if made["peaks"] else {}
    async with timed("settle"):
        settled = (await visitor.ask("release", {"now": {**now, "weights": [0.5, 0.3, 0.9]}}))[0]
    file, content = "", b""
    async with timed("download"):
        if settled["found"]:
            (given,) = await visitor.ask("download", {"kind": "COCO JSON", "now": now})
            file = given["path"]
            content = (await visitor.get(f"/gradio_api/file={file}")).content
            json.loads(content)
    answer = {
        "size": made["photo"]["size"], "peaks": made["peaks"], "classes": made["classes"], "match": made["match"],
        "part": made["part"], "picked": _without(picked), "found": settled["found"], "file": content.decode(),
    }  # fmt: skip
    return Held(answer, made["token"], file)


NOW = {
    "token": None, "other": None, "peak": 0, "step": 3, "preset": "paper", "reading": "cover", "tab": "instances",
    "weights": [0.95, 0.1, 0.8], "enhancer": "icn-saliency", "compare": "naive", "axes": [0, 2], "dark": False,
}  # fmt: skip
"""Where a page stands at first, as it tells the server with every event."""


class Visitor:
    """What a page does over HTTP, by Gradio's protocol."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """A page that is not open yet."""
        self._client, self._session = client, secrets.token_hex(8)
        self._events: dict[str, dict[str, Any]] = {}
        self._values: dict[int, Any] = {}

    async def open(self) -> None:
        """Fetch the page and what it consists of."""
        await self.get("/")
        config = (await self.get("/config")).json()
        stage = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "stage")
        self._values = {one["id"]: one["props"].get("value") for one in config["components"]}
        for event in config["dependencies"]:
            for component, name in event["targets"]:
                if component == stage and event["backend_fn"]:
                    self._events[name] = event

    async def get(self, path: str) -> httpx.Response:
        """A GET that must succeed."""
        return (await self._client.get(path)).raise_for_status()

    async def upload(self, photo: bytes) -> str:
        """The path by which the server knows a photo."""
        answer = await self._client.post("/gradio_api/upload", files={"files": ("photo.png", photo)})
        return answer.raise_for_status().json()[0]

    async def look(self, act: str, tally: Tally, now: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
        """Ask the networks; where they are busy, again when the sentence says so."""
        while True:
            message, *_ = await self.ask(
                "edit", {"act": act, "ticket": secrets.token_hex(8), "now": now or NOW, **data}
            )
            if message["kind"] in ("glance", "analysis"):
                return message
            if message["kind"] != "busy" or not message["text"].startswith("The server is busy: "):
                raise RuntimeError(f"{act}: {message['kind']}: {message.get('text')}")
            tally.refusals[act] += 1
            await asyncio.sleep(message["seconds"])

    async def ask(self, name: str, data: dict[str, Any]) -> list[Any]:
        """One event of the stage, from joining the queue to its answer."""
        event = self._events[name]
        body = {
            "data": [self._values.get(one) for one in event["inputs"]], "event_data": data, "fn_index": event["id"],
            "session_hash": self._session, "trigger_id": event["targets"][0][0],
        }  # fmt: skip
        joined = (await self._client.post("/gradio_api/queue/join", json=body)).raise_for_status().json()["event_id"]
        async with self._client.stream("GET", f"/gradio_api/queue/data?session_hash={self._session}") as lines:
            async for line in lines.aiter_lines():
                told = json.loads(line[6:]) if line.startswith("data: ") else {}
                if told.get("msg") == "process_completed" and told["event_id"] == joined:
                    if not told["success"]:
                        raise RuntimeError(f"{name}: {told['output'].get('error')}")
                    return told["output"]["data"]
        raise RuntimeError(f"{name}: the connection ended without an answer")


@asynccontextmanager
async def _visitor(address: str, number: int) -> AsyncIterator[Visitor]:
    headers = {"X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}"}
    limits = httpx.Limits(max_connections=4)
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE, limits=limits) as client:
        yield Visitor(client)


async def _watch(address: str, stop: asyncio.Event) -> int:
    """The most that waited at a time."""
    most = 0
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client:
        while not stop.is_set():
            most = max(most, (await client.get("/place")).json()["waiting"])
            await asyncio.sleep(0.1)
    return most


async def _guess(address: str, held: list[Held], guesses: int) -> int:
    """How many analyses and files a stranger gets who is right but for one character, or asks for the server's own."""
    given = 0
    async with httpx.AsyncClient(base_url=address, headers={"X-Forwarded-For": "10.9.9.9"}, timeout=PATIENCE) as client:
        for _ in range(guesses):
            one = held[secrets.randbelow(len(held))] if held else Held({}, "x" * 22, "")
            call = await client.post("/gradio_api/call/rank", json={"data": [_near(one.token), 1, 1, 1, -1, 1, False]})
            answer = await client.get(f"/gradio_api/call/rank/{call.json()['event_id']}")
            given += "event: complete" in answer.text
            folder, _, name = one.file.rpartition("/")
            paths = [f"{folder[:-1]}{'0' if folder[-1:] != '0' else '1'}/{name}"] if folder else []
            for path in (*paths, str(ROOT / "README.md")):
                given += (await client.get(f"/gradio_api/file={path}")).is_success
    return given


async def _figures(address: str) -> dict[str, float]:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client:
        text = (await client.get("/metrics")).raise_for_status().text
    return {one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples}


def _photos(folder: Path | None) -> Iterator[bytes]:
    """Photos that all differ: of several places, cut at places of their own; as PNG, so that nothing is lost."""
    files = sorted((folder or ROOT / "assets" / "examples").glob("*.jpg"))
    rng = np.random.default_rng(0)
    for path in itertools.cycle(files):
        image = resized(read(path), SIDE)
        top, left = (int(rng.integers(0, side // 4)) for side in image.shape[:2])
        file = io.BytesIO()
        Image.fromarray(image[top:, left:]).save(file, "PNG")
        yield file.getvalue()


def _near(token: str) -> str:
    """A token that differs in one character."""
    at = secrets.randbelow(len(token))
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def _without(message: dict[str, Any]) -> dict[str, Any]:
    """A message but for the number and the token that make each differ."""
    return {key: value for key, value in message.items() if key not in ("serial", "token")}
