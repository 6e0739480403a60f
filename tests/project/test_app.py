"""Starting the explorer: options, mistakes, who may enter, behind a proxy, and stopping."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError
from PIL import Image

import app
from tests.helpers import ROOT
from tests.helpers.explorer_process import started
from wsis.errors import WsisError

# --- options --------------------------------------------------------------------------------------------------------


def test_importing_app_loads_nothing_heavy():
    code = "import sys, app; sys.exit(len({'torch', 'gradio', 'cv2', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_options_and_their_defaults():
    options = app.arguments([])
    assert (options.model, options.port, options.max_upload, options.queue) == (["voc-lite"], None, 100, 40)
    assert not (options.mcp)
    assert not (options.open)
    assert not (options.auth)
    assert not (options.auth_file)
    assert not (options.root_path)
    app.check(options)
    assert app.host(options, {}) == "127.0.0.1"
    assert list(app.examples()) == sorted(app.examples()) != []


def test_a_space_is_served_to_everybody_and_a_machine_only_to_itself():
    options = app.arguments([])
    assert app.host(options, {"SPACE_ID": "somebody/wsis"}) == "0.0.0.0"
    assert app.host(options, {"GRADIO_SERVER_NAME": "10.0.0.1"}) == "10.0.0.1"
    assert app.host(app.arguments(["--host", "::1"]), {"SPACE_ID": "somebody/wsis"}) == "::1"


def test_only_a_machine_of_ones_own_shows_its_folders():
    assert app.local(app.arguments([]), {})
    assert app.local(app.arguments(["--host", "localhost"]), {})
    for given in (["--host", "0.0.0.0"], ["--root-path", "/"], ["--mcp"], ["--auth", "anna:secret"]):
        assert not app.local(app.arguments(given), {})
    assert not app.local(app.arguments([]), {"SPACE_ID": "somebody/wsis"})
    assert not app.local(app.arguments([]), {"WSIS_AUTH": "anna:secret"})


def test_limits_are_for_those_who_come_from_elsewhere():
    own, served = app.limits(app.arguments([]), {}), app.limits(app.arguments(["--root-path", "/"]), {})
    assert (own.waiting, own.page, own.address, own.minute) == (40, 40, 40, None)
    assert (served.waiting, served.page, served.address, served.minute) == (40, 8, 20, 120)
    named = ["--queue", "1", "--per-page", "3", "--per-address", "5", "--per-minute", "7"]
    limits = app.limits(app.arguments(named), {})
    assert (limits.waiting, limits.page, limits.address, limits.minute) == (1, 3, 5, 7)
    assert app.limits(app.arguments(["--queue", "1", "--root-path", "/"]), {}).address == 1


def test_whose_word_counts_on_who_asks():
    assert app.trusted(app.arguments([]), {}) == ""
    assert app.trusted(app.arguments([]), {"SPACE_ID": "somebody/wsis"}) == "*"
    assert app.trusted(app.arguments([]), {"FORWARDED_ALLOW_IPS": "10.0.0.1", "SPACE_ID": "x"}) == "10.0.0.1"
    assert app.trusted(app.arguments(["--trust-proxy", "::1"]), {"FORWARDED_ALLOW_IPS": "10.0.0.1"}) == "::1"


@pytest.mark.parametrize("option", ["--share", "--no-such-option", "--queue=many", "--sha"])
def test_what_is_no_option_is_refused(option, capsys):
    with pytest.raises(SystemExit) as left:
        app.main([option])
    assert left.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        (["--port", "70000"], "--port must be between 1 and 65535, got 70000"),
        (["--max-upload", "0"], "--max-upload must be at least 1"),
        (["--queue", "-3"], "--queue must be at least 1, got -3"),
        (["--per-minute", "0"], "--per-minute must be at least 1, got 0"),
        (["--max-pixels", "200"], "--max-pixels must be at most 100, got 200"),
        (["--uploads", "300"], "--uploads must be at least four times --max-upload, 400 MB or more"),
        (["--root-path", "wsis"], "--root-path must be a path from the root"),
        (["--auth", "anna"], "USER:PASSWORD"),
        (["--auth", ":secret"], "USER:PASSWORD"),
        (["--auth-file", "no-such-file"], "no-such-file, cannot be read"),
        (["--mcp", "--auth", "anna:secret"], "--mcp cannot ask for passwords"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "voc-lite", "--model", "no-such-model"], "no-such-model"),
        (
            ["--model", "voc-lite", "--model", "voc-lite", "--labels", "x.txt"],
            "belong to a timm: or torchvision: model",
        ),
        (["--models-memory", "0"], "--models-memory must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_2(given, pattern, capsys, monkeypatch, tmp_path):
    for name in ("GRADIO_TEMP_DIR", "FORWARDED_ALLOW_IPS"):  # which it sets
        monkeypatch.setenv(name, str(tmp_path))
    assert app.main(given) == 2
    captured = capsys.readouterr()
    assert re.search(pattern, captured.err)
    assert captured.err.count("\n") == 1
    assert not captured.out
    assert "secret" not in captured.err


def test_several_models_may_be_named(tiny_checkpoint, tmp_path):
    named = ["--model", str(tiny_checkpoint), "--model", "voc-lite", "--device", "cpu"]
    options = app.arguments([*named, "--models", str(tmp_path), "--models-memory", "300"])
    models = app.served(options)
    assert [*models.known()][:2] == ["tiny", "voc-lite"]
    assert (models.first, models.folder, models.loaded) == ("tiny", tmp_path, 1)
    assert models.get("voc-lite").device.startswith("CPU")


def test_mcp_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WsisError, match=r"pip install \"gradio\[mcp\]\""):
        app.check(app.arguments(["--mcp"]))


def test_who_may_enter(tmp_path):
    file = tmp_path / "visitors.txt"
    file.write_text("anna:one:two\n\n  ben:three \n")
    options = app.arguments(["--auth", "cleo:four", "--auth", "dan:five", "--auth-file", str(file)])
    found = app.visitors(options, {"WSIS_AUTH": "eve:six\nfred:seven"})
    assert dict(found) == {
        "anna": "one:two", "ben": "three", "cleo": "four", "dan": "five", "eve": "six", "fred": "seven"
    }  # fmt: skip
    assert app.visitors(app.arguments([]), {}) == []


def test_an_empty_list_of_visitors_lets_nobody_in_and_says_so(tmp_path):
    (tmp_path / "nobody.txt").write_text("\n")
    for given, environment in ((["--auth-file", str(tmp_path / "nobody.txt")], {}), ([], {"WSIS_AUTH": ""})):
        with pytest.raises(WsisError, match="nobody could enter"):
            app.visitors(app.arguments(given), environment)


# --- the README as a Space reads it ---------------------------------------------------------------------------------


def test_readme_starts_with_what_a_space_needs():
    from importlib.metadata import version

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head = re.match(r"---\n(.*?)\n---\n\n# wsis\n", text, re.DOTALL)
    assert head, "front matter, then the title"
    fields = dict(line.split(": ", 1) for line in head[1].splitlines())
    assert fields["sdk"] == "gradio"
    assert (ROOT / fields["app_file"]).is_file()
    assert fields["sdk_version"] == version("gradio")  # the one these tests run with
    assert fields["license"] == "apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    assert re.fullmatch(r'"3\.\d+"', fields["python_version"])
    assert len(fields["short_description"]) <= 60  # what the Hub takes


# --- a served explorer ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_within_five_seconds_though_somebody_watches(tiny_checkpoint, sign):
    with started(tiny_checkpoint) as (process, address):
        with httpx.stream("GET", f"{address}gradio_api/heartbeat/visitor", timeout=60) as heartbeat:
            assert "ALIVE" in next(heartbeat.iter_text())
            pressed = time.monotonic()
            process.send(sign)
            code = process.ended()
        assert time.monotonic() - pressed < 5
        assert code == 0
        assert "Traceback" not in process.out + process.err
        assert "terminate" not in process.out + process.err
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)


@pytest.fixture(scope="module")
def guarded(tiny_checkpoint, tmp_path_factory):
    """An explorer that asks for a password and logs; its uploads lie in a folder of the process, which goes with it."""
    folder = tmp_path_factory.mktemp("temporary")
    options = {"WSIS_AUTH": "anna:secret", "TMPDIR": str(folder), "GRADIO_TEMP_DIR": ""}
    with started(tiny_checkpoint, "--log", "json", **options) as (process, address):
        yield process, address, folder
        process.send(signal.SIGTERM)
        assert process.ended() == 0
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_a_password_is_asked_for_everywhere(guarded):
    _, address, _ = guarded
    assert "Login" in httpx.get(address).text or "auth_required" in httpx.get(address).text
    for path in ("config", "gradio_api/info"):
        assert httpx.get(f"{address}{path}").status_code == 401, path
    call = httpx.post(f"{address}gradio_api/call/rank", json={"data": ["x", 1, 1, 1, -1, 1, False]})
    assert call.status_code == 401
    assert httpx.post(f"{address}gradio_api/upload", files={"files": b"x"}).status_code == 401
    with pytest.raises(AuthenticationError):
        Client(address, verbose=False)
    wrong = httpx.post(f"{address}login", data={"username": "anna", "password": "guess"})
    assert wrong.status_code == 400


@pytest.mark.slow
def test_operators_ask_for_health_and_figures(guarded):
    """Also where visitors need a password."""
    process, address, folder = guarded
    assert httpx.get(f"{address}health").json()["status"] == "ok"
    assert "wsis_analyses_bytes" in httpx.get(f"{address}metrics").text  # from this machine
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    assert httpx.get(f"{address}metrics", headers=forwarded).status_code == 401
    assert httpx.get(f"{address}metrics", headers=forwarded, auth=("anna", "secret")).status_code == 200
    client = Client(address, auth=("anna", "secret"), verbose=False)
    with pytest.raises(Exception, match="no longer kept"):
        client.predict("x", api_name="/rank")
    process.until(lambda: re.search(r"^\{.*\n", process.err, re.MULTILINE))
    line = json.loads(next(line for line in process.err.splitlines() if line.startswith("{")))
    assert (line["act"], line["outcome"]) == ("rank", "mistake")
    assert "secret" not in str(line)
    assert list(folder.glob(f"{app.UPLOADS}*"))


class Proxy(BaseHTTPRequestHandler):
    """Passes /wsis/... on to the explorer as /..., as a web server with several sites does."""

    behind = ""

    def do_GET(self):
        if not self.path.startswith("/wsis/"):
            self.send_error(404)
            return
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        passed = {"method": self.command, "url": self.behind + self.path.removeprefix("/wsis"), "headers": headers}
        with httpx.Client(timeout=60) as client, client.stream(**passed, content=self.rfile.read(length)) as answer:
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with suppress(httpx.HTTPError, OSError):  # one side left
                for part in answer.iter_raw():
                    self.wfile.write(part)
                    self.wfile.flush()

    do_POST = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


@contextmanager
def proxied(address):
    """The address below which a proxy shows the explorer."""
    handler = type("To", (Proxy,), {"behind": address.rstrip("/")})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/wsis/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_behind_a_proxy_that_takes_the_prefix_off(tiny_checkpoint, photo, tmp_path, browser):
    """Every address on the page leads through the proxy, and none past it."""
    Image.fromarray(photo[60:260, 60:340]).save(tmp_path / "cat.jpg")
    with started(tiny_checkpoint, "--root-path", "/wsis/") as (_, address), proxied(address) as public:
        api = Client(public, verbose=False)
        with pytest.raises(Exception, match="no longer kept"):
            api.predict("x", api_name="/rank")
        wrong = []
        with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
            tab = context.new_page()
            tab.on("request", lambda one: one.url.startswith((public, "data:", "blob:")) or wrong.append(one.url))
            tab.on("response", lambda one: one.status < 400 or wrong.append(f"{one.status} {one.url}"))
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.goto(public)
            tab.wait_for_selector("#stage canvas", timeout=60_000)
            with tab.expect_response(lambda one: "/upload" in one.url, timeout=60_000) as answer:
                tab.locator("input[type=file]").first.set_input_files(tmp_path / "cat.jpg")
            assert answer.value.ok
    assert wrong == []
