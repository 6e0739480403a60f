"""The explorer as a visitor feels it, in a headless Chromium that this machine runs beside the server.

A map counts as shown after the style, layout and paint of its animation frame; a move of a slider when all that follows
from it is drawn, laid out and its canvas filled. What the compositor, the GPU and a monitor add is not in it, nor is a
network; for the slider, neither is the wait for the next frame nor the painting of text.
"""

from __future__ import annotations

import base64
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from benchmarks import hands

MOVES = 200
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Browsers that will do, the one without a window, which works least for a page, first."""
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
READY = "() => globalThis.wsis?.data.match && !wsis.data.busy && document.querySelector('.film button')"
# A message posted in an animation frame arrives after that frame's style, layout and paint.
WATCH = """() => {
  const painted = done => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  });
  const seen = globalThis.seen = {painted, slider: [], map: null, instances: null, last: ''};
  const receive = wsis.receive;
  wsis.receive = message => { seen.last = message?.kind; receive(message); };
  const canvas = document.querySelector('canvas.main');
  addEventListener('input', event => {  // the last to hear of it; asking for a box and a pixel makes both ready
    document.body.getBoundingClientRect();
    canvas.getContext('2d').getImageData(0, 0, 1, 1);
    seen.slider.push(performance.now() - event.timeStamp);
  });
  const grey = wsis.unpack.grey;
  wsis.unpack.grey = async url => {
    const done = await grey(url);
    if (!wsis.data.match) setTimeout(() => painted(now => { seen.map ??= now; }));
    return done;
  };
  wsis.listen(why => { if (why === 'photo' && wsis.data.match) painted(now => { seen.instances ??= now; }); });
}"""
DROP = """text => {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], 'photo.jpg', {type: 'image/jpeg'}));
  Object.assign(seen, {map: null, instances: null, last: '', start: performance.now()});
  const drop = new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
  document.querySelector('.box').dispatchEvent(drop);
}"""


@contextmanager
def served() -> Iterator[str]:
    """`app.py` in a process of its own; gives its address as soon as the first page is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=5) as page:
                    page.read()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError("the explorer does not start: run `python app.py` to see why")
        yield address
    finally:
        process.terminate()
        process.wait()


def program() -> str | None:
    """The browser that WSIS_CHROMIUM names, or the first of `PROGRAMS` on the PATH."""
    return os.environ.get("WSIS_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, see `program`; without one this program ends with a sentence."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError:
        sys.exit("The explorer benchmark drives a browser: pip install -r requirements-dev.txt")
    path = program()
    if path is None:
        sys.exit("The explorer benchmark needs Chromium: install it, or name it in WSIS_CHROMIUM.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield browser
        browser.close()


def visit(runs: int, photo: np.ndarray, examples: int) -> dict[str, object]:
    """A visitor's figures.

    Args:
        runs: how often a photo is dropped and a slider dragged, each after one that does not count.
        photo: (H, W, 3) uint8 RGB, dropped as JPEG.
        examples: how many of the example photos are opened to weigh their answers.

    Returns:
        `slider_median_ms` and `slider_p95_ms`: from the `timeStamp` of a slider's `input` event, fired by a real mouse
        in the Instances view, until canvas and panels are painted, over all runs of 200 moves each;
        `server_calls_during_drag`: requests and web sockets between pressing and letting go, of all runs together;
        `first_map_s`, `instances_s`: from the drop of a photo until its first class map, and its instances, are
        painted, medians; `payload_bytes`: everything that the server sends for one analysis, as transferred, at most;
        and what `hands.figures` says.
    """
    jpegs = [_jpeg(photo), _jpeg(photo[:, ::-1])]  # in turn: the page would recognise pictures that it has decoded
    with served() as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_function(READY, timeout=60_000)
        page.evaluate(WATCH)
        payload = max(_received(page, i) for i in range(examples))
        page.locator("[data-view=instances]").first.click()
        drops = [_drop(page, jpegs[i % 2]) for i in range(runs + 1)][1:]
        _drag(page, 0)
        page.evaluate("() => { seen.slider.length = 0; }")
        calls = sum(_drag(page, run) for run in range(1, runs + 1))
        slider = sorted(page.evaluate("seen.slider"))
        by_hand = hands.figures(page, max(runs, 2), lambda: _drag(page, runs + 1))
    return {
        "slider_p95_ms": slider[math.ceil(0.95 * len(slider)) - 1],
        "slider_median_ms": statistics.median(slider),
        "server_calls_during_drag": calls,
        "first_map_s": statistics.median(first for first, _ in drops),
        "instances_s": statistics.median(last for _, last in drops),
        "payload_bytes": payload,
        **by_hand,
    }


def _jpeg(photo: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".jpg", photo[..., ::-1])[1].tobytes()).decode()


def _received(page: Any, example: int) -> int:
    """Bytes of all answers while one example is opened; the second, warm, time counts."""
    wire, size = page.context.new_cdp_session(page), 0

    def count(event: dict) -> None:
        nonlocal size
        size += event["encodedDataLength"] or event["dataLength"]

    wire.send("Network.enable")
    wire.on("Network.dataReceived", count)
    for _ in range(2):
        size = 0
        page.evaluate("seen.last = ''")
        page.locator("[data-example]").nth(example).click()
        page.wait_for_function("() => seen.last === 'settled'", timeout=60_000)
    wire.detach()
    return size


def _drop(page: Any, jpeg: str) -> tuple[float, float]:
    """Seconds from the drop until the first map, and until the instances are painted."""
    page.evaluate(DROP, jpeg)
    page.wait_for_function("() => seen.map && seen.instances && seen.last === 'settled'", timeout=60_000)
    return tuple(page.evaluate("[(seen.map - seen.start) / 1000, (seen.instances - seen.start) / 1000]"))


def _drag(page: Any, run: int) -> int:
    """Drag the first weight to and fro with the mouse, not to where it was; returns how often the server was asked."""
    calls: list[object] = []
    track = page.locator(".weight input[type=range]").first.bounding_box()
    middle = track["y"] + track["height"] / 2

    def add(call: object) -> None:
        calls.append(call)

    page.mouse.move(track["x"] + track["width"] / 2, middle)
    page.mouse.down()
    page.on("request", add)
    page.on("websocket", add)
    for i in range(MOVES):
        away = abs((0.023 * i + 0.1 * run) % 1.8 - 0.9)  # each move is larger than a step of the slider
        page.mouse.move(track["x"] + track["width"] * (0.05 + away), middle)
    page.remove_listener("request", add)
    page.remove_listener("websocket", add)
    page.evaluate("seen.last = ''")
    page.mouse.up()
    page.wait_for_function("() => seen.last === 'settled'", timeout=60_000)
    return len(calls)
