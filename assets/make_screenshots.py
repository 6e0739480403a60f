"""Remake docs/screenshot-*.png, tab-*.png and imagenet-*.png from the explorer: `python -m assets.make_screenshots`.

Needs playwright (`pip install -r requirements-dev.txt`) and a Chromium, found on the PATH or named by WSIS_CHROMIUM.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
from PIL import Image

from app import examples
from benchmarks.browser import READY, chromium
from wsis import devices
from wsis.explorer.handlers import Handlers
from wsis.explorer.layout import build, launch_options
from wsis.explorer.server.web import stop
from wsis.photo_sets import LAYOUTS
from wsis.pipeline import Pipeline
from wsis.voc import CLASSES

DOCS = Path(__file__).parent.parent / "docs"
SCREENS = {
    "light": ("light", 1440, 900),
    "dark": ("dark", 1440, 900),
    "narrow": ("dark", 400, 1500),
    "narrow-light": ("light", 400, 1500),
}
TABS = {
    "why": ".why-score",
    "landscape": "#landscape-plot .js-plotly-plot .point",
    "sensitivity": "#sensitivity-plot .js-plotly-plot .trace",
    "tune": ".tune-plane",
    "results": ".res-bars",
}
"""What each tab shows when it is complete."""
ELLIPSES = {
    "1-spoonbills": [("bird", 0.22, 0.45, 0.1, 0.4), ("bird", 0.72, 0.48, 0.18, 0.3)],
    "2-cat": [("cat", 0.42, 0.5, 0.42, 0.55)],
    "3-motorcycle": [("motorbike", 0.53, 0.52, 0.4, 0.38)],
    "4-sheep-and-dog": [("sheep", 0.25, 0.5, 0.2, 0.4), ("dog", 0.76, 0.5, 0.2, 0.42)],
    "5-horse": [("horse", 0.4, 0.55, 0.2, 0.4)],
    "6-macaw": [("bird", 0.55, 0.5, 0.3, 0.42)],
    "7-meerkats": [("cat", 0.35, 0.55, 0.2, 0.4), ("cat", 0.75, 0.5, 0.1, 0.45)],
}
"""Where the objects are, drawn by eye so that the Tune tab has something to show: class, centre and half axes as shares
of width and height. Its figures say nothing about the model."""
# Pictures are decoded one after the other: until nothing in the page has changed for a while.
STILL = """() => new Promise(done => {
  let timer = setTimeout(done, 800);
  const again = () => { clearTimeout(timer); timer = setTimeout(done, 800); };
  new MutationObserver(again).observe(document.body, {subtree: true, childList: true, attributes: true});
})"""


@contextmanager
def served(*, local: bool = False) -> Iterator[str]:
    """An explorer on the embedded model, its examples looked at: its address. `local`: as `make app` serves it."""
    handlers = Handlers(Pipeline.load(), examples())
    devices.use_cores()
    page = build(handlers, local=local)
    handlers.warm().join()
    page.launch(prevent_thread_lock=True, quiet=True, **launch_options(handlers))
    yield page.local_url
    stop(page)


def main() -> int:
    """Serve the explorer on the embedded model and take its pictures."""
    DOCS.mkdir(exist_ok=True)
    with served() as address, chromium() as browser:
        for name, (theme, width, height) in SCREENS.items():
            _shot(_open(browser, address, theme, width, height), f"screenshot-{name}")
        screen = _open(browser, address, "light", 1440, 900)
        for name, complete in TABS.items():
            screen.locator(f"#tab-{name}-button").click()
            if name == "why":
                fill_why(screen)
            if name == "tune":
                fill_tune(screen)
            screen.locator(complete).first.wait_for()
            _shot(screen, f"tab-{name}")
        screen = _open(browser, address, "light", 1440, 900)
        choose(screen, "imagenet-lite")
        drop(screen, "coffee.png", skimage.data.coffee())
        _shot(screen, "imagenet-coffee")
    return 0


def _open(browser: Any, address: str, theme: str, width: int, height: int) -> Any:
    screen = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )  # fmt: skip
    screen.goto(f"{address}?__theme={theme}")
    screen.wait_for_function(READY)
    return screen


def choose(screen: Any, model: str) -> None:
    """Choose a model from the menu."""
    screen.click("#model")
    screen.locator("#models .row", has_text=model).first.click()
    screen.wait_for_function(f"() => wsis.data.model === '{model}' && ({READY})()", timeout=120_000)


def drop(screen: Any, name: str, photo: np.ndarray) -> None:
    """Bring a photo, (H, W, 3) uint8 RGB."""
    serial = screen.evaluate("wsis.data.photo?.serial ?? -1")
    packed = io.BytesIO()
    Image.fromarray(photo).save(packed, "PNG")
    screen.set_input_files("#photo input.file", {"name": name, "mimeType": "image/png", "buffer": packed.getvalue()})
    screen.wait_for_function(f"() => wsis.data.photo?.serial > {serial} && ({READY})()", timeout=120_000)


def fill_why(screen: Any) -> None:
    """Erase the picked mask, and follow the picked peak."""
    screen.click("[data-why-act=erase]")
    if screen.locator("[data-why=curves] [data-why-act=curves]").count():  # else somebody has followed it before
        screen.click("[data-why=curves] [data-why-act=curves]")
    screen.locator(".faithful .verdict").wait_for(timeout=120_000)
    screen.wait_for_function("() => !document.querySelector('[data-why=curves] [role=status]')", timeout=120_000)


def fill_tune(screen: Any) -> None:
    """Tune on the example photos and the rough masks of `ELLIPSES`."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "examples.zip"
        _masked(packed)
        screen.set_input_files(".tune input[type=file]", packed)
        screen.locator(".tune-big").wait_for(timeout=120_000)
    screen.get_by_role("button", name="Search").click()


def _masked(path: Path) -> None:
    """The example photos with class and instance masks, in the folders of a VOC devkit."""
    photos, classes, instances = LAYOUTS[0]
    with zipfile.ZipFile(path, "w") as packed:
        for name, found in ELLIPSES.items():
            photo = examples()[name]
            packed.write(photo, f"{photos}/{photo.name}")
            width, height = Image.open(photo).size
            semantic, instance = np.zeros((2, height, width), np.uint8)
            for i, (label, *place) in enumerate(found, 1):
                x, y, a, b = (np.array(place) * (width, height, width, height)).astype(int).tolist()
                for index, value in ((semantic, CLASSES.index(label) + 1), (instance, i)):
                    cv2.ellipse(index, (x, y), (a, b), 0, 0, 360, value, -1)
            for kind, index in ((classes, semantic), (instances, instance)):
                with packed.open(f"{kind}/{name}.png", "w") as file:
                    Image.fromarray(index).save(file, "PNG")


def _shot(screen: Any, name: str) -> None:
    screen.evaluate(STILL)
    screen.screenshot(path=DOCS / f"{name}.png")
    print(DOCS / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
