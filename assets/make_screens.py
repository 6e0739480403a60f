"""Every state of the explorer at five widths, light and dark, to be looked at: `python -m assets.make_screens FOLDER`.

One picture a state, and contact sheets of four; nothing of it is kept in the repository. Needs what
`make_screenshots` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import skimage.data
import typer
from PIL import Image, ImageDraw

from assets.make_screenshots import STILL, choose, drop, fill_tune, fill_why, served
from benchmarks.browser import READY, chromium

SIZES = {1920: 1080, 1440: 900, 1280: 720, 768: 1024, 400: 860}
"""Heights by widths."""
TABS = {
    "instances": "Instances", "landscape": "Score landscape", "sensitivity": "Sensitivity", "why": "Why",
    "results": "Results", "method": "Method and model", "tune": "Tune on a data set", "teach": "Teach",
}  # fmt: skip
A_SHEET = 4


def _ready(page: Any) -> None:
    page.wait_for_function(READY)


def _view(name: str) -> Callable[[Any], None]:
    return lambda page: page.locator(f".views [data-view={name}]").first.click()


def _keys(*keys: str) -> Callable[[Any], None]:
    def press(page: Any) -> None:
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(150)

    return press


def _clicks(*selectors: str) -> Callable[[Any], None]:
    def click(page: Any) -> None:
        for selector in selectors:
            page.locator(selector).first.click()
            _ready(page)

    return click


def _tab(name: str, then: Callable[[Any], None] = _ready) -> Callable[[Any], None]:
    def choose(page: Any) -> None:
        button = page.locator(f"#tab-{name}-button")
        if button.count():
            button.first.click()
        else:  # on narrow screens it is in a menu, without its name
            page.get_by_role("button", name="More tabs").click()
            page.locator("#tabs .overflow-dropdown button", has_text=TABS[name]).click()
        then(page)

    return choose


def _present(pages: int) -> Callable[[Any], None]:
    return _keys("f", *(["ArrowRight"] * pages))


def _hands(page: Any) -> None:
    """Two peaks are added, an edge is snapped, and the brush is in hand."""
    _view("instances")(page)
    for doing in ("wsis.touch.place(.3, .7)", "wsis.touch.place(.55, .3)"):
        page.evaluate(doing)
        page.wait_for_timeout(200)
        _ready(page)
    page.keyboard.press("g")
    _ready(page)
    page.keyboard.press("b")


def _shared(page: Any) -> None:
    """The first example where peaks share a mask."""
    for button in page.locator(".examples button").all():
        button.click()
        _ready(page)
        if page.evaluate("wsis.touch.offer()"):
            return _view("instances")(page)
    return None


def _imagenet(page: Any) -> None:
    choose(page, "imagenet-lite")
    drop(page, "coffee.png", skimage.data.coffee())


def _no_photo(page: Any) -> None:
    page.set_input_files("#photo input.file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"text"})
    page.wait_for_function("wsis.data.notice && !wsis.data.busy")


STATES: dict[str, Callable[[Any], Any]] = {
    "first": _ready,
    "photo": lambda page: page.evaluate("wsis.change({view: 'photo'}, 'view')"),
    **{name: _view(name) for name in ("classmap", "response", "enhanced", "match", "instances", "semantic")},
    "compare": lambda page: (_view("instances")(page), page.get_by_role("button", name="Compare").first.click()),
    "published": lambda page: page.get_by_role("switch", name="as published").click(),
    "all-peaks": lambda page: page.get_by_role("button", name="All peaks").first.click(),
    "enhancers": lambda page: page.get_by_role("button", name="Enhancers").first.click(),
    "hands": _hands,
    "shared": _shared,
    "advanced": _clicks("#advanced > button"),
    "best": _clicks("#advanced > button", "[data-whole=best]"),
    "models": _clicks("#model"),
    "help": _keys("?"),
    "code": _clicks("[data-code]"),
    **{f"present-{i + 1}": _present(i) for i in range(5)},
    "white": lambda page: drop(page, "white.png", np.full((480, 640, 3), 255, np.uint8)),
    "imagenet": _imagenet,
    "no-photo": _no_photo,
    **{f"tab-{name}": _tab(name) for name in TABS},
    "why-done": _tab("why", fill_why),
    "tune-done": _tab("tune", fill_tune),
}


def _shot(page: Any, file: Path, whole: bool) -> None:
    page.evaluate(STILL)
    page.screenshot(path=file, full_page=whole)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    print(file, f"WIDER THAN THE SCREEN BY {wide}" if wide > 0 else "", flush=True)


def _sheets(folder: Path, name: str, files: Iterable[Path]) -> None:
    """Pictures beside each other with their names, `A_SHEET` a sheet."""
    files = list(files)
    for first in range(0, len(files), A_SHEET):
        cells = []
        for file in files[first : first + A_SHEET]:
            with Image.open(file) as image:
                image.thumbnail((900, 1100))
                cell = Image.new("RGB", (900, 1130), "#888888")
                cell.paste(image, (0, 26))
            ImageDraw.Draw(cell).text((6, 6), file.stem, fill="white")
            cells.append(np.array(cell))
        cells += [np.full_like(cells[0], 136)] * (-len(cells) % 2)
        rows = [np.concatenate(cells[i : i + 2], 1) for i in range(0, len(cells), 2)]
        Image.fromarray(np.concatenate(rows)).save(folder / f"sheet-{name}-{first // A_SHEET + 1}.png")


def main(
    folder: Annotated[Path, typer.Argument(help="where the pictures go")],
    states: Annotated[str, typer.Option(help="comma-separated; all by default")] = "",
    widths: Annotated[str, typer.Option(help="comma-separated")] = ",".join(map(str, SIZES)),
    themes: Annotated[str, typer.Option(help="light, dark or both")] = "light,dark",
) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = states.split(",") if states else list(STATES)
    with served(local=True) as address, chromium() as browser:
        for width in map(int, widths.split(",")):
            for theme in themes.split(","):
                options = {"color_scheme": theme, "reduced_motion": "reduce"}
                context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, **options)
                context.set_default_timeout(30_000)
                files = []
                for state in chosen:
                    screen = context.new_page()
                    screen.goto(f"{address}?__theme={theme}")
                    _ready(screen)
                    try:
                        STATES[state](screen)
                    except Exception as error:  # the others are still worth looking at
                        print(f"{width} {theme} {state}: {str(error).splitlines()[0]}", flush=True)
                    files.append(folder / f"{width}-{theme}-{state}.png")
                    _shot(screen, files[-1], not state.startswith("present"))
                    screen.close()
                context.close()
                _sheets(folder, f"{width}-{theme}", files)


if __name__ == "__main__":
    typer.run(main)
