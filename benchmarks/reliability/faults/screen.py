"""The explorer's events in this process: what they look at vanishes, or there is no room for what they make."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from benchmarks.reliability.faults import disks, embedded
from benchmarks.reliability.faults.outcome import Fault, Outcome, judged
from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.explorer.files import WRITERS, Folder
from wsis.explorer.handlers import Handlers
from wsis.explorer.scene import Scene
from wsis.explorer.store import Store
from wsis.explorer.tabs.tune.events import Events
from wsis.explorer.tabs.tune.sessions import PREFIX, Sessions, Tune
from wsis.image import read
from wsis.pipeline import Pipeline

TAB = SimpleNamespace(session_hash="visitor")
NOW = {
    "token": None, "other": None, "peak": 0, "step": 3, "preset": "paper", "reading": "cover", "tab": "instances",
    "weights": [0.95, 0.1, 0.8], "enhancer": "none", "compare": "naive", "axes": [0, 2], "dark": False,
}  # fmt: skip
CONTROLS = ("class map", "excitation", 0.1, 3, 1.0, 20, True, None)


@cache
def pipeline() -> Pipeline:
    """The embedded model."""
    return Pipeline.load(str(embedded.folder()), device="cpu")


@cache
def analysis(photos: Path) -> Analysis:
    """Of one photo."""
    return pipeline().analyse(read(embedded.sure(photos)), Settings(enhancer="none"))


def event(**said: Any) -> gr.EventData:
    """What the page sends."""
    return gr.EventData(None, said)


def plain(text: str, *secrets: Path) -> bool:
    """Whether a visitor may read this: a sentence that ends, without paths of the server."""
    return text.strip().endswith(".") and not any(str(secret) in text for secret in (*secrets, tempfile.gettempdir()))


def _refusal(work: Callable[[], Any]) -> str:
    """The sentence that a download is refused with."""
    try:
        work()
    except (WsisError, gr.Error) as error:
        return str(getattr(error, "message", error))
    return ""


def store_emptied(_workdir: Path, photos: Path) -> Outcome:
    """Store of analyses emptied while a visitor looks.

    every event is answered with a sentence, and a new photo works
    """
    handlers = Handlers(pipeline(), {})
    token = handlers.store.put(analysis(photos), photo="cat.jpg", owner="visitor")
    now = {**NOW, "token": token}
    before = handlers.ask(event(act="peak", now=now, peak=0), TAB)
    handlers.store.close()
    said = [
        handlers.ask(event(act="peak", now=now, peak=0), TAB),
        handlers.ask(event(act="share", now=now), TAB),
        handlers.look(event(act="class", now=now, name="cat", on=True), TAB, *CONTROLS),
        handlers.look(event(act="adjust", now=now), TAB, *CONTROLS),
        handlers.settle(event(now=now), TAB)[2],
    ]
    download = _refusal(lambda: handlers.download(event(kind="COCO JSON", now=now)))
    fresh = handlers.store.put(analysis(photos), photo="cat.jpg", owner="visitor")
    after = handlers.ask(event(act="peak", now={**NOW, "token": fresh}, peak=0), TAB)
    return judged(
        said[0]["text"],
        was_there=before["kind"] == "peak",
        all_said=all(one["kind"] == "gone" and plain(one["text"]) for one in said) and plain(download),
        goes_on=after["kind"] == "peak",
    )


def clock_goes_back(_workdir: Path, photos: Path) -> Outcome:
    """The store's clock jumps back a day, then forward two.

    what is looked at stays, old entries go in the end, never more than the limit are kept
    """
    times = [1e6]
    store = Store(limit=3, seconds=60, every=3600, clock=lambda: times[0])
    try:
        first = store.put(analysis(photos), owner="a")
        times[0] -= 86400
        stays = store.get(first, "a").analysis is analysis(photos)
        for _ in range(5):
            store.put(analysis(photos), owner="b")
        store.release("b")
        bounded = len(store) <= 3
        times[0] += 2 * 86400
        store.sweep()
        return judged("1 of 6 looked at again, then 0 kept", stays=stays, bounded=bounded, all_gone=len(store) == 0)
    finally:
        store.close()


def upload_vanishes(workdir: Path, photos: Path) -> Outcome:
    """Uploaded photo deleted before it is read.

    a sentence without a path of the server, and the next upload works
    """
    with _uploads(workdir) as folder:
        handlers = Handlers(pipeline(), {})
        file = Path(shutil.copy(embedded.sure(photos), folder / "cat.jpg"))
        file.unlink()
        gone = handlers.look(event(act="upload", now=NOW, path=str(file), name="cat.jpg"), TAB, *CONTROLS)
        shutil.copy(embedded.sure(photos), file)
        there = handlers.look(event(act="upload", now=NOW, path=str(file), name="cat.jpg"), TAB, *CONTROLS)
        handlers.store.close()
    return judged(gone["text"], said=plain(gone["text"], workdir), goes_on=there["kind"] == "glance")


def upload_damaged(workdir: Path, photos: Path) -> Outcome:
    """Uploaded photo cut short, emptied or made unreadable before it is read.

    a sentence each time, without a path of the server
    """
    said: list[str] = []
    with _uploads(workdir) as folder:
        handlers = Handlers(pipeline(), {})
        for damage in (lambda file: os.truncate(file, 2000), lambda file: os.truncate(file, 0), _folder):
            file = Path(shutil.copy(embedded.sure(photos), folder / f"{len(said)}.jpg"))
            damage(file)
            answer = handlers.look(event(act="upload", now=NOW, path=str(file), name="cat.jpg"), TAB, *CONTROLS)
            said.append(answer.get("text", ""))
        handlers.store.close()
    return judged(said[0], said=all(plain(text, workdir) for text in said))


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@contextmanager
def _uploads(workdir: Path) -> Iterator[Path]:
    """Gradio's folder of uploads, in the working folder."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(workdir / "uploads")
    (workdir / "uploads").mkdir()
    try:
        yield workdir / "uploads"
    finally:
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before


@contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """Another folder for temporary files."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def downloads_removed(workdir: Path, photos: Path) -> Outcome:
    """Folder of downloads deleted under the running server.

    every kind of download is made all the same
    """
    with _temporary(workdir):
        downloads, scene = Folder(), Scene(analysis(photos), "cat.jpg")
        made = []
        for kind in WRITERS:
            for folder in workdir.iterdir():
                shutil.rmtree(folder)
            made.append(downloads.write(kind, scene, embedded.NAME))
            mode = made[-1].parents[1].stat().st_mode & 0o777
        good = made[-1].is_file() and made[-1].stat().st_size > 1000
        del downloads
        left = list(workdir.iterdir())
    return judged(f"{len(made)} of {len(WRITERS)} made", all_made=good, private=mode == 0o700, tidy=not left)


def downloads_full(workdir: Path, photos: Path) -> Outcome:
    """Disk of the downloads full.

    a sentence without a path of the server; with room again, the download is made
    """
    with disks.small(workdir / "disk", 2**20) as place, _temporary(place):
        downloads, scene = Folder(), Scene(analysis(photos), "cat.jpg")
        filler = disks.fill(place)
        said = [_refusal(partial(downloads.write, kind, scene, embedded.NAME)) for kind in WRITERS]
        filler.unlink()
        made = downloads.write("COCO JSON", scene, embedded.NAME).stat().st_size
        left = [path.name for path in place.rglob("*") if path.name.endswith(".part")]
        del downloads
    return judged(
        said[0], all_said=all(plain(text, place, workdir) for text in said), made_later=made > 2, tidy=not left
    )


def clock_of_downloads(workdir: Path, photos: Path) -> Outcome:
    """Clock jumps back an hour while downloads lie there.

    they stay, and go with the folder
    """
    with _temporary(workdir):
        downloads, scene = Folder(), Scene(analysis(photos), "cat.jpg")
        first = downloads.write("COCO JSON", scene, embedded.NAME)
        os.utime(first.parent, (time.time() + 3600,) * 2)  # made in what is now the future
        second = downloads.write("COCO JSON", scene, embedded.NAME)
        there = first.is_file() and second.is_file()
        del downloads
        return judged("both stay", there=there, gone=not list(workdir.iterdir()))


def zip_without_room(workdir: Path, photos: Path) -> Outcome:
    """Disk full when a zip of photos is unpacked, and no temporary folder at all.

    a sentence without a path of the server, nothing left
    """
    archive = shutil.make_archive(str(workdir / "set"), "zip", photos)
    events, said = Events(pipeline(), Sessions()), []
    with disks.small(workdir / "disk", 4 * 4096) as place, _temporary(place):
        disks.fill(place)
        said.append(str(events.zip(Tune(), archive, "none", 20)["head"]))
        left = list(place.glob(f"{PREFIX}*"))
    with _temporary(workdir / "missing"):
        said.append(str(events.zip(Tune(), archive, "none", 20)["head"]))
    told = [text.partition('role="alert">')[2].partition("<")[0] for text in said]
    return judged(told[0], all_said=all(plain(text, place, workdir) for text in told), tidy=not left)


FAULTS: dict[str, Fault] = {
    f"explorer_{one.__name__}": one
    for one in (
        store_emptied, clock_goes_back, upload_vanishes, upload_damaged, downloads_removed, downloads_full,
        clock_of_downloads, zip_without_room,
    )
}  # fmt: skip
SLOW: set[str] = set()
