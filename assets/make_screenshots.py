"""Remake docs/screenshot-{light,dark,narrow}.png from the running explorer: `python -m assets.make_screenshots`.

Needs playwright (`pip install playwright`) and a Chromium, found on the PATH or named by WSIS_CHROMIUM.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from app import examples
from wsis.explorer.handlers import Handlers
from wsis.explorer.layout import build, launch_options
from wsis.pipeline import Pipeline

ROOT = Path(__file__).parent.parent
SHOTS = (("light", 1440, 900), ("dark", 1440, 900), ("narrow", 400, 1500))
OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def main() -> int:
    """Serve the explorer on the embedded model and take its picture three times."""
    program = os.environ.get("WSIS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("No Chromium was found. Install one, or name it in WSIS_CHROMIUM.", file=sys.stderr)
        return 2
    handlers = Handlers(Pipeline.load(), examples())
    page = build(handlers)
    handlers.warm().join()
    page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    folder = ROOT / "docs"
    folder.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(OPTIONS))
        for name, width, height in SHOTS:
            theme = "light" if name == "light" else "dark"
            tab = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
            )
            tab.goto(f"{page.local_url}?__theme={theme}")
            tab.wait_for_selector(".film button")
            tab.wait_for_timeout(1500)  # thumbnails are decoded one after the other
            tab.screenshot(path=folder / f"screenshot-{name}.png")
            print(folder / f"screenshot-{name}.png")
        browser.close()
    page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
