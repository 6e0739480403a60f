"""The served explorer under attack: addresses, names, headers, logins, and what the environment says."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import httpx
import pytest

from tests.helpers import ROOT
from tests.helpers.explorer_process import started
from wsis.explorer.server.guard import CLOSED, HEADERS


@pytest.fixture(scope="module")
def address(tiny_checkpoint):
    with started(tiny_checkpoint, GRADIO_ALLOWED_PATHS="/etc,/proc") as (_, at):
        yield at


def raw(address: str, path: str, method: str = "GET") -> httpx.Response:
    """A request whose path is sent as it stands: httpx would tidy it up."""
    url = httpx.URL(address).copy_with(raw_path=path.encode())
    return httpx.request(method, url, timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2f..%2f..%2fetc/passwd",
        "/tmp/../etc/passwd", "//etc/passwd", "/proc/self/environ", "app.py", "README.md",
        "checkpoints/voc-lite/config.json",
        "/etc/passwd%00.png", "/etc/", "~/.bashrc", "C:/windows/win.ini", "\\\\host\\share", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_no_file_of_the_machine_is_served(address, path):
    for form in ("file=", "file/", "file=%2F"):
        said = raw(address, f"/gradio_api/{form}{path}")
        assert said.status_code in (400, 403, 404, 422), (form, said.status_code)
        assert "root:" not in said.text
        assert "PATH=" not in said.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/static/", "/assets/", "/svelte/", "/gradio_api/custom_component/1/client/component/"]
)
def test_no_folder_of_gradios_leads_out(address, path):
    for name in (
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/etc/passwd",
        "%2fetc/passwd",
    ):
        said = raw(address, path + name)
        assert said.status_code >= 400, (path, name)
        assert "root:" not in said.text, (path, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.org/a.png", "/gradio_api/file=http://127.0.0.1:7860/config",
        "/gradio_api/file/https://example.org/a.png", "/gradio_api/file=HTTPS:/example.org", "/gradio_api/file=%68ttps://x.org",
        "/gradio_api/proxy=https://example.org/", "/gradio_api/run-history/buckets", "/gradio_api/runs", "/monitoring",
        "/monitoring/summary", "/monitoring/x",
    ],
)  # fmt: skip
def test_nothing_is_fetched_from_elsewhere_and_nothing_is_monitored(address, path):
    assert raw(address, path).status_code == 404
    assert raw(address, path, "HEAD").status_code in (404, 405)


@pytest.mark.slow
def test_no_video_is_converted(address):
    assert httpx.post(f"{address}gradio_api/process_recording", files={"video": b"x"}).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/x.png", "..\\x.png", "a\0b.png", "x" * 5000 + ".png", "con.png", ".", "é.png"]
)
def test_an_upload_lies_where_uploads_lie_whatever_it_is_called(address, name):
    said = httpx.post(f"{address}gradio_api/upload", files={"files": (name, b"not a photo")}, timeout=30)
    assert said.status_code in (200, 400, 413, 422), said.text[:200]
    if said.status_code == 200:
        home = Path(os.path.commonpath([said.json()[0], "/tmp"]))
        assert str(home) == "/tmp"
        assert ".." not in Path(said.json()[0]).parts
    assert not Path("/etc/x.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "http://127.0.0.1/", "file:///etc/passwd", "a\0b"])
def test_a_program_cannot_name_a_file_of_the_server(address, path):
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    asked = httpx.post(
        f"{address}gradio_api/call/segment", json={"data": [photo, "none", 0, 0.1, None, 1, "default"]}, timeout=30
    )
    text = asked.text
    if asked.status_code == 200:
        text = httpx.get(f"{address}gradio_api/call/segment/{asked.json()['event_id']}", timeout=60).text
        assert text.startswith("event: error"), text[:200]
    assert "root:" not in text


@pytest.mark.slow
def test_every_answer_says_what_a_browser_may_do_with_it(address):
    for path in ("", "config", "health", "gradio_api/file=/etc/passwd", "no-such-page", "theme.css"):
        headers = httpx.get(address + path, timeout=30).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS, path


@pytest.mark.slow
def test_a_wrong_guess_takes_a_second_and_metrics_are_no_way_around(tiny_checkpoint):
    with started(tiny_checkpoint, WSIS_AUTH="anna:secret\nben:other") as (_, at):
        for request in (
            lambda: httpx.post(f"{at}login", data={"username": "anna", "password": "guess"}, timeout=30),
            lambda: httpx.get(f"{at}metrics", auth=("anna", "guess"), headers={"via": "1.1 proxy"}, timeout=30),
        ):
            start = time.monotonic()
            assert request().status_code in (400, 401)
            assert time.monotonic() - start >= 1.0
        assert httpx.post(f"{at}login", data={"username": "anna", "password": "secret"}, timeout=30).json()["success"]
        assert (
            httpx.get(f"{at}metrics", auth=("ben", "other"), headers={"via": "1.1 proxy"}, timeout=30).status_code
            == 200
        )


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=/tmp/gradio/a/b.png", "/gradio_api/upload", "/health", "/wsis/config", "/"]
)
def test_what_the_page_needs_stays_open(path):
    assert not CLOSED.search(path)


@pytest.mark.slow
def test_the_page_works_under_its_own_policy(address, browser, photo, tmp_path):
    """Chromium says nothing of a broken rule while a photo is uploaded, analysed and downloaded."""
    from PIL import Image

    Image.fromarray(photo[60:260, 60:340]).save(tmp_path / "cat.jpg")
    tab, said = browser.new_page(viewport={"width": 1440, "height": 900}), []
    tab.on("console", lambda one: said.append(one.text))
    tab.on("pageerror", lambda one: said.append(str(one)))
    tab.goto(address)
    tab.wait_for_selector("#stage canvas", timeout=60_000)
    with tab.expect_response(lambda one: "/upload" in one.url, timeout=60_000):
        tab.locator("input[type=file]").first.set_input_files(tmp_path / "cat.jpg")
    for name in ("Score landscape", "Sensitivity", "Tune on a data set", "Results", "Method and model"):
        tab.get_by_role("tab", name=name).click()
        tab.wait_for_timeout(300)
    tab.close()
    assert not [text for text in said if "Content Security Policy" in text or "Content-Security-Policy" in text], said


def test_the_threat_list_names_tests_that_exist():
    root = ROOT
    text = (root / "SECURITY.md").read_text(encoding="utf-8")
    sources = {file.name: file.read_text(encoding="utf-8") for file in (root / "tests").rglob("test_*.py")}
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", text) + [
        ("", n) for n in re.findall(r"`(test_\w+?)(?:_?\.\.\.)?`", text)
    ]
    assert len(named) > 20
    for file, name in named:
        assert not file or file in sources, file
        assert not name or any(f"def {name}" in source for source in sources.values()), name
