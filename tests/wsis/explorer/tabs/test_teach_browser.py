"""The tab Teach in a real Chromium, with a server that is killed between two answers."""

from __future__ import annotations

import hashlib
import signal
import socket

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright.sync_api")
from typer.testing import CliRunner

from tests.helpers.browser_tools import READY, tab, wait_until
from tests.helpers.explorer_process import started
from wsis import cli

ASKED = "document.querySelector('.teach').dataset.photo"
MAP = "document.querySelector('.teach-frame > .teach-map').getAttribute('src')"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Twenty-two photos, half of them with a red disc."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    made = {}
    for i in range(22):
        photo = rng.integers(90, 160, (96, 128, 3), np.uint8)
        if i % 2:
            cv2.circle(photo, (24 + 2 * i, 40), 22, (20, 20, 230), -1)
        file = folder / f"{'red' if i % 2 else 'grey'}-{i}.png"
        cv2.imwrite(str(file), photo)
        made[hashlib.sha256(file.read_bytes()).hexdigest()] = file
    return made


def opened(page, address):
    page.goto(address)
    wait_until(page, READY)
    tab(page, "Teach")
    wait_until(page, "document.querySelector('.teach-classes header')")


def answered(page, files):
    """Answer the photo on the stage by its key."""
    asked = page.evaluate(ASKED)
    page.keyboard.press("y" if files[asked].name.startswith("red") else "n")
    wait_until(page, f"{ASKED} !== '{asked}' && !document.querySelector('.teach.busy')")


def said(page, text):
    wait_until(page, f"document.querySelector('.teach').innerText.includes({text!r})")


def check_narrow(page):
    """In one column every target is large enough for a finger, and nothing sticks out."""
    for width, height in ((768, 1024), (400, 860)):
        page.set_viewport_size({"width": width, "height": height})
        low = page.evaluate(
            "[...document.querySelectorAll('.teach button, .teach input, .teach select, .teach summary')]"
            ".filter(one => one.offsetParent && one.getBoundingClientRect().height < 44).map(one => one.outerHTML)"
        )
        assert low == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1440, "height": 900})


def check_answers_while_photos_arrive(page, folder):
    """A key that is pressed during an upload counts once the photos are there."""
    more = []
    for i in range(6):
        more.append(folder / f"more-{i}.png")
        cv2.imwrite(str(more[-1]), np.random.default_rng(100 + i).integers(0, 255, (90, 120, 3), np.uint8))
    page.evaluate("""() => {
      const watch = new MutationObserver(() => {
        if (!document.querySelector('[data-teach=said]').textContent.includes('Uploading')) return;
        watch.disconnect();
        dispatchEvent(new Event('arriving'));
      });
      watch.observe(document.querySelector('.teach'), {subtree: true, childList: true, characterData: true});
      globalThis.pressed = new Promise(done => addEventListener('arriving', () => setTimeout(() => {
        document.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}));
        done();
      }, 30)));
    }""")
    page.set_input_files("[data-teach-input=files]", [str(file) for file in more])
    page.evaluate("pressed")
    said(page, "28 photos")
    said(page, "21 answered")
    page.keyboard.press("u")
    said(page, "20 answered")


def begin(page, address, files):
    """Name a class by keyboard, and bring photos."""
    opened(page, address)
    wait_until(page, "document.activeElement.id === 'teach-class'")
    page.keyboard.type("tiny disc")  # no letter acts: T and N and Y are keys elsewhere
    page.keyboard.press("Enter")
    page.wait_for_selector(".teach-class")
    page.set_input_files("[data-teach-input=files]", [str(file) for file in files.values()])
    said(page, "22 photos")
    wait_until(page, "!document.querySelector('.teach-progress')", timeout=240_000)


@pytest.mark.slow
def test_a_class_is_taught_by_keyboard_kept_saved_and_used(browser, tiny_checkpoint, files, tmp_path):
    folders = ("--models", str(tmp_path / "models"), "--teaching", str(tmp_path / "teaching"))
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with socket.socket() as free:  # among those that no server takes by itself, as another test's may meanwhile
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with started(tiny_checkpoint, *folders, "--port", port) as (process, address):
        begin(page, address, files)
        for _ in range(8):
            answered(page, files)
        before, photo = page.evaluate(MAP), page.evaluate(ASKED)
        for _ in range(12):
            answered(page, files)
        said(page, "20 answered")
        said(page, "of 5 right")
        check_answers_while_photos_arrive(page, tmp_path)
        page.evaluate(f"document.querySelector('[data-teach-photo=\"{photo}\"]')?.click()")
        assert page.evaluate(MAP) != before
        page.reload()
        wait_until(page, READY)
        tab(page, "Teach")
        said(page, "20 answered")
        page.close()  # or Gradio's script reloads it when the server is back, at a moment of its own
        process.send(signal.SIGKILL)
        process.ended()
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with started(tiny_checkpoint, *folders, "--port", port) as (_, address):
        opened(page, address)
        said(page, "20 answered")
        wait_until(page, "!document.querySelector('.teach-progress')", timeout=240_000)
        page.keyboard.press("u")
        said(page, "19 answered")
        answered(page, files)
        said(page, "20 answered")
        check_narrow(page)
        page.fill("#teach-name", "my-disc")
        page.keyboard.press("Enter")
        said(page, "Saved: my-disc is in the menu of models.")
        page.click("#model")
        page.locator("#models [role^=menuitem]", has_text="my-disc").first.click()
        wait_until(page, "wsis.data.model === 'my-disc' && !wsis.data.busy")
    context.close()
    assert wrong == []
    photo = next(file for file in files.values() if file.name.startswith("red"))
    words = ["segment", str(photo), "--model", str(tmp_path / "models" / "my-disc"), "--out", str(tmp_path / "results")]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "results").iterdir())
