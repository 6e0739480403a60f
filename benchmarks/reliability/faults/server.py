"""A real explorer, served over HTTP: visitors who leave or send rubbish, full disks, broken networks, being stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file

from benchmarks.reliability.faults import disks, embedded
from benchmarks.reliability.faults.outcome import Fault, NotHereError, Outcome, judged
from benchmarks.reliability.faults.processes import Running, Surroundings, exploring
from wsis.explorer.server.uploads import FREE

QUICK = {
    "enhancer": "none", "steps": 0, "class_threshold": 0.1, "classes": None, "fill": 0, "model": "default",
    "unsure": False,
}  # fmt: skip
"""The least work that still runs every stage."""
ROOM = FREE + 64 * 2**20
"""Bytes of the disk for temporary files: what uploads leave to others, and some for them."""


@dataclass(eq=False)
class Served:
    """An explorer under way, and its visitors.

    Attributes:
        running: its process.
        address: where it is served, with a slash at the end.
        photo: what visitors bring.
        temporary: its folder for temporary files.
        broken: where `Surroundings.broken` looks.
    """

    running: Running
    address: str
    photo: Path
    temporary: Path
    broken: Path

    @cached_property
    def client(self) -> Client:
        """A visitor's program."""
        return Client(self.address, verbose=False, analytics_enabled=False)

    @cached_property
    def right(self) -> list[dict[str, Any]]:
        """What a visitor gets for the photo."""
        return self.visit()

    def visit(self) -> list[dict[str, Any]]:
        """Upload the photo and ask for its instances."""
        return self.client.predict(photo=handle_file(str(self.photo)), **QUICK, api_name="/segment")

    def refusal(self) -> str:
        """What a visitor is told whose photo fails; empty where it does not."""
        try:
            self.visit()
        except Exception as error:  # what the client makes of any failure
            return str(error)
        return ""

    def goes_on(self) -> bool:
        """Whether it runs, and the next visitor gets the right answer."""
        return self.running.process.is_alive() and bool(self.right) and self.visit() == self.right

    def ask(self, **others: Any) -> str:
        """Upload the photo and begin an analysis; the address of its answer."""
        with self.photo.open("rb") as stream:
            (path,) = httpx.post(f"{self.address}gradio_api/upload", files={"files": stream}, timeout=60).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        data = [file, *{**QUICK, **others}.values()]
        event = httpx.post(f"{self.address}gradio_api/call/segment", json={"data": data}, timeout=60).json()
        return f"{self.address}gradio_api/call/segment/{event['event_id']}"

    def send(self, content: bytes, leave: bool = False) -> bytes:
        """Raw bytes to the server, then leave, or hear what comes back until two seconds of silence."""
        host, port = re.findall(r"//(.+):(\d+)/", self.address)[0]
        answer = b""
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=2) as wire:
            wire.sendall(content)
            while not leave and (part := wire.recv(65536)):
                answer += part
        return answer


@contextmanager
def served(workdir: Path, photos: Path, temporary: Path, disk: Path | None = None) -> Iterator[Served]:
    """Start an explorer whose temporary files go to a folder of its own, or to a disk that `disks` gave."""
    place = str(temporary if disk is None else disks.inside(disk))
    around = {"TMPDIR": place, "GRADIO_TEMP_DIR": f"{place}/gradio", "XDG_CACHE_HOME": str(workdir)}
    surroundings = Surroundings(environment=around, broken=workdir / "broken", disk=disk)
    with exploring(workdir / "server", "--port", _free_port(), surroundings=surroundings) as running:
        if not running.until(lambda: "wsis explorer: " in running.out, pause=0.05):
            raise RuntimeError(f"the explorer did not start: {running.err}")
        address = re.findall(r"wsis explorer: (\S+)", running.out)[0]
        yield Served(running, address, embedded.sure(photos), disk or temporary, workdir / "broken")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_open = ExitStack()
"""Holds what is shared until this process ends."""


@lru_cache(maxsize=1)
def shared(photos: Path) -> Served:
    """One explorer for all faults that it must survive; its temporary files are on a disk of a few megabytes."""
    home = photos.with_name("served")
    home.mkdir()
    disk = None
    with suppress(NotHereError):
        disk = _open.enter_context(disks.small(home / "disk", ROOM))
    return _open.enter_context(served(home, photos, home / "disk", disk))


def close() -> None:
    """End the shared explorer."""
    _open.close()
    shared.cache_clear()


def _withstood(explorer: Served, before: int, said: str, **held: object) -> Outcome:
    """The server goes on, the next visitor is served right, and no traceback was added to its log."""
    log = explorer.running.err[before:]
    return judged(said, **held, next_visitor_served=explorer.goes_on(), log_without_traceback="Traceback" not in log)


def visitor_leaves(_workdir: Path, photos: Path) -> Outcome:
    """Five visitors leave while their photos are analysed.

    the server goes on, the next visitor gets the right answer
    """
    explorer = shared(photos)
    before = len(explorer.running.err)
    right = bool(explorer.right)
    for _ in range(5):
        with httpx.stream("GET", explorer.ask(), timeout=60) as answer:
            code = answer.status_code
    return _withstood(explorer, before, f"HTTP {code}, then served", begun=code == 200 and right)


def upload_cut(_workdir: Path, photos: Path) -> Outcome:
    """Five uploads break off in the middle.

    no half file is kept, the next visitor gets the right answer
    """
    explorer = shared(photos)
    right, before = bool(explorer.right), len(explorer.running.err)
    old = set(explorer.temporary.rglob("*"))
    head = (
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 3000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=files; filename=a.jpg\r\n\r\n"
    )
    for _ in range(5):
        explorer.send(head + bytes(1_500_000), leave=True)
    time.sleep(0.5)
    left = [path for path in set(explorer.temporary.rglob("*")) - old if path.is_file()]
    return _withstood(explorer, before, "nothing kept, then served", right=right, nothing_kept=not left)


RUBBISH = (
    b"\x00\x01\x02\x03\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),  # TLS to a plain port
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 200_000 + b"\r\n\r\n",
    b"GET /%00%ff%fe../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /gradio_api/file=/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nabcde",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nabc\r\n0\r\n\r\n",
)
"""What no browser sends: no HTTP at all, headers without end, lengths that lie."""
BODIES = (
    b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"data": ' + b"[" * 5000, b'{"data": {"a": 1}}',
    b'{"data": [], "fn_index": -1}', b'{"data": [1e999], "fn_index": 1e30}', b'{"fn_index": "x", "session_hash": {}}',
)  # fmt: skip


def rubbish(_workdir: Path, photos: Path) -> Outcome:
    """Requests that are none: other protocols, headers without end, lengths that lie, paths that climb.

    refused or cut off, never answered with a page or a file; the next visitor gets the right answer
    """
    explorer = shared(photos)
    right, before = bool(explorer.right), len(explorer.running.err)
    answers = [explorer.send(content) for content in RUBBISH]
    codes = [answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "cut off" for answer in answers]
    return _withstood(
        explorer,
        before,
        ", ".join(codes),
        right=right,
        refused=all(code == "cut off" or code.startswith(("4", "5")) for code in codes),
        no_server_error=not any(code.startswith("5") for code in codes),
        no_file=not any(b"root:" in answer for answer in answers),
    )


def bodies(_workdir: Path, photos: Path) -> Outcome:
    """Calls whose JSON is cut, nested 5,000 deep, of other types, or no text.

    answered without the server's innards; the next visitor gets the right answer
    """
    explorer, kind = shared(photos), {"Content-Type": "application/json"}
    right = bool(explorer.right)
    answers = [
        httpx.post(f"{explorer.address}gradio_api/{path}", content=body, headers=kind, timeout=60)
        for path in ("queue/join", "call/segment", "run/segment")
        for body in BODIES
    ]
    refused = sum(answer.status_code >= 400 for answer in answers)
    return judged(
        f"{refused} of {len(answers)} refused",
        right=right,
        most_refused=refused > len(answers) / 2,
        no_innards=not any("Traceback" in answer.text or "site-packages" in answer.text for answer in answers),
        next_visitor_served=explorer.goes_on(),
    )


def network_raises(_workdir: Path, photos: Path) -> Outcome:
    """A network raises an unexpected error while a visitor's photo is analysed.

    the visitor gets a sentence without the server's innards, the next one the right answer
    """
    explorer = shared(photos)
    right = bool(explorer.right)
    explorer.broken.write_text("secret of /the/server")
    said = explorer.refusal()
    taken = not explorer.broken.exists()
    return judged(
        said,
        right=right,
        injected=taken,
        told=bool(said) and not any(word in said for word in ("secret", "Traceback", "show_error")),
        next_visitor_served=explorer.goes_on(),
    )


def temporary_full(_workdir: Path, photos: Path) -> Outcome:
    """Disk for uploads full.

    the visitor is told; with room again, the next one gets the right answer
    """
    explorer = shared(photos)
    if not str(explorer.temporary).startswith("/proc/"):
        raise NotHereError("no disk of a few megabytes can be mounted")
    right = bool(explorer.right)
    filler = disks.fill(explorer.temporary)
    try:
        with explorer.photo.open("rb") as stream:
            fresh = stream.read() + os.urandom(9)  # Gradio would find a photo that it has
        answer = httpx.post(f"{explorer.address}gradio_api/upload", files={"files": ("a.jpg", fresh)}, timeout=60)
        page = httpx.get(explorer.address, timeout=60).status_code
    finally:
        filler.unlink()
    said = f"HTTP {answer.status_code}: {answer.text[:200]}"
    return judged(
        said, right=right, told=answer.status_code == 503 and "no room" in answer.text, page_served=page == 200,
        next_visitor_served=explorer.goes_on(),
    )  # fmt: skip


def temporary_removed(_workdir: Path, photos: Path) -> Outcome:
    """Everything in the server's temporary folder deleted while it runs.

    the next visitor gets the right answer
    """
    explorer = shared(photos)
    right, before = bool(explorer.right), len(explorer.running.err)
    for path in explorer.temporary.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return _withstood(explorer, before, "served", right=right)


def stopped(workdir: Path, photos: Path) -> Outcome:
    """Told to end (SIGTERM) while a photo is analysed.

    exit code 0 in a few seconds, no traceback, no photo and no temporary folder left
    """
    temporary = workdir / "tmp"
    temporary.mkdir()
    with served(workdir, photos, temporary) as explorer:
        with httpx.stream("GET", explorer.ask(enhancer="icn-saliency", steps=8, class_threshold=0.0), timeout=60):
            held = [path for path in temporary.rglob("*") if path.is_file()]
            start = time.monotonic()
            explorer.running.send(signal.SIGTERM)
            code = explorer.running.ended()
        seconds = time.monotonic() - start
        said, log = explorer.running.out, explorer.running.err
    left = [path for path in temporary.rglob("*") if path.is_file() or path.name.startswith("wsis")]
    names = ", ".join(str(path.relative_to(temporary)) for path in left)
    return judged(
        f"ended after {seconds:.0f} s {names}",
        upload_was_there=bool(held), exit_code_0=code == 0, in_time=seconds < 20,
        sentence="Traceback" not in said + log, nothing_left=not left,
    )  # fmt: skip


def port_taken(workdir: Path, _photos: Path) -> Outcome:
    """Port taken by another program.

    exit code 2 and a sentence that names the port
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with exploring(workdir, "--port", port) as running:
            code = running.ended()
    return judged(
        running.err, exit_code_2=code == 2, sentence="Traceback" not in running.err, named=str(port) in running.err
    )


FAULTS: dict[str, Fault] = {
    f"server_{one.__name__}": one
    for one in (
        visitor_leaves, upload_cut, rubbish, bodies, network_raises, temporary_full, temporary_removed, stopped,
        port_taken,
    )
}  # fmt: skip
SLOW = set(FAULTS)
