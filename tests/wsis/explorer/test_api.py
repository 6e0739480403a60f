"""The three endpoints as programs see them: a launched server, `gradio_client`, MCP, many visitors, bad files."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from pycocotools import mask as coco_mask

from tests.helpers.attentive import AttentivePipeline
from tests.helpers.bad_files import bad, encoded, picture, write_all
from tests.helpers.small_analysis import small_analysis
from wsis import instances
from wsis.errors import WsisError
from wsis.explorer import api
from wsis.explorer.server import uploads
from wsis.explorer.server.desk import Desk
from wsis.explorer.server.turns import Limits, Turns
from wsis.explorer.server.web import stop
from wsis.explorer.store import Store

QUICK = {"enhancer": "none", "steps": 0, "classes": ["cat"]}
"""The least work that still runs every stage."""
IN_ORDER = ("none", 0, 0.1, ["cat"])
"""The same for raw requests."""


def networks(store, analyse, **limits):
    """What stands behind the endpoints."""
    desk = Desk(Turns(Limits(**limits)))
    origin = SimpleNamespace(model="tiny", enhancer="spread", card={})
    model = lambda name: SimpleNamespace(whole=analyse, origin=origin)  # noqa: E731 - there is only one
    return SimpleNamespace(store=store, desk=desk, photo=uploads.photo, analyse=analyse, model=model)


@pytest.fixture(scope="module")
def behind(tiny_checkpoint):
    pipeline = AttentivePipeline.load(str(tiny_checkpoint), device="cpu")
    store = Store(every=3600)
    yield networks(store, pipeline.analyse)
    store.close()


@contextmanager
def served(behind, *, wire=lambda page: None, **options):
    uploads.fetch_nothing()  # as where the page is put together
    with gr.Blocks(title="test", analytics_enabled=False) as page:
        api.register(behind)
        wire(page)
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, share=False, **options)
    try:
        yield page
    finally:
        stop(page)


@pytest.fixture(scope="module")
def server(behind):
    pytest.importorskip("mcp")
    with served(behind, mcp_server=True, max_file_size="1mb") as page:
        yield page


@pytest.fixture(scope="module")
def client(server):
    return Client(server.local_url, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="module")
def png(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("photos") / "small.png"
    path.write_bytes(encoded(picture(), "PNG"))
    return str(path)


def refused(call) -> str:
    """The sentence that a call is refused with."""
    with pytest.raises(AppError) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith(".") or sentence.endswith(").")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert "&#" not in sentence
    return sentence


def pixels(result) -> np.ndarray:
    rle = result["segmentation"]
    return coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode()}).astype(bool)


# --- what they answer -----------------------------------------------------------------------------------------------


def test_analyse_then_rank_then_segment(client, png, behind, monkeypatch):
    seen = client.predict(handle_file(png), **QUICK, api_name="/analyse")
    assert seen["size"] == [64, 48]
    assert set(seen["classes"]) >= {"cat", "dog"}
    assert seen["steps"] == 0
    assert seen["peaks"]
    assert all(peak["class"] == "cat" for peak in seen["peaks"])
    assert all(0 < peak["x"] < 64 and 0 < peak["y"] < 48 for peak in seen["peaks"])
    analysis = behind.store.get(seen["id"]).analysis
    assert seen["proposals"] == len(analysis.proposals)
    assert list(seen["seconds"]) == list(analysis.seconds)

    ranked = client.predict(seen["id"], 0.0, 0.0, 1.0, api_name="/rank")
    assert ranked[0]["category_name"] == "cat"
    assert ranked[0]["file_name"] == "small.png"
    assert ranked[0]["image_id"] == "small"
    mask = pixels(ranked[0])
    assert mask.shape == (48, 64)
    assert mask.sum() == ranked[0]["area"]
    peak = int(np.argmax(analysis.terms[0, :, :, 2].max(1)))
    assert analysis.terms[0, peak, :, 2].max() > 0  # with recall alone the winner has the most of it
    published = client.predict(seen["id"], api_name="/rank")
    assert client.predict(handle_file(png), **QUICK, api_name="/segment") == published
    monkeypatch.setattr(instances, "LEAST_OFFER", 0)  # an untrained network is never sure enough
    assert client.predict(seen["id"], fill=3, api_name="/rank") == published, "offers are unsure"
    several = client.predict(seen["id"], fill=3, unsure=True, api_name="/rank")
    assert len(several) > len(published)


def test_peaks_are_where_the_class_map_has_them():
    found = small_analysis()
    behind = networks(Store(every=3600), lambda image, settings: found)
    folder = Path(gr.utils.get_upload_folder()) / "wsis-tests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.png").write_bytes(encoded(picture(96, 128), "PNG"))
    seen = api.Api(behind).analyse({"path": str(folder / "p.png")})
    assert [(peak["x"], peak["y"]) for peak in seen["peaks"]] == [(40.0, 56.0), (104.0, 56.0)]
    behind.store.close()


def test_the_default_enhancer_is_the_models_own(client, png, behind):
    seen = client.predict(handle_file(png), classes=["cat"], api_name="/analyse")
    assert behind.store.get(seen["id"]).analysis.settings.enhancer == "spread"
    assert seen["steps"] == 1


def test_arguments_are_typed_and_described(client):
    told = client.view_api(return_format="dict")["named_endpoints"]
    assert set(told) == {"/analyse", "/rank", "/segment"}
    kinds = {one["parameter_name"]: one["type"].get("type") for one in told["/rank"]["parameters"]}
    assert kinds == {"id": "string", "alpha": "number", "beta": "number", "gamma": "number", "step": "integer",
                     "fill": "integer", "unsure": "boolean"}  # fmt: skip
    for endpoint in told.values():
        required = [one["parameter_name"] for one in endpoint["parameters"] if not one["parameter_has_default"]]
        assert required in (["photo"], ["id"])
    for method in (api.Api.analyse, api.Api.rank, api.Api.segment):
        description, parameters, returns = gr.utils.get_function_description(method)
        assert description
        assert returns
        assert all(text.endswith(".") for name, text in parameters.items() if name != "self")


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"enhancer": "magic"}, "Unknown enhancer 'magic'"),
        ({"steps": 9}, "steps must be a whole number from 0 to 8"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"steps": "many"}, "steps must be a number, got 'many'"),
        ({"class_threshold": -1}, "class_threshold must be between"),
        ({"classes": ["unicorn"]}, "does not know the class 'unicorn'"),
        ({"classes": "cat"}, "classes must be a list"),
        ({"classes": [1]}, "classes must be a list"),
        ({"fill": -1}, "fill must be a whole number from 0 to 50"),
        ({"unsure": "yes"}, "unsure must be true or false, got 'yes'"),
    ],
)
def test_wrong_arguments_are_one_sentence(client, png, arguments, pattern):
    assert pattern in refused(lambda: client.predict(handle_file(png), **{**QUICK, **arguments}, api_name="/segment"))


def test_rank_takes_only_tokens_that_it_gave(client, png):
    for guess in ("guess", "", "../../etc/passwd", 7, None, ["x"], {"id": "x"}, "x" * 100_000):
        assert "no longer kept" in refused(lambda guess=guess: client.predict(guess, api_name="/rank"))
    seen = client.predict(handle_file(png), **QUICK, api_name="/analyse")
    for arguments, pattern in (
        ({"step": 1}, "step must be a whole number from -1 to 0"),
        ({"alpha": -1}, "alpha must be a finite number"),
        ({"beta": "x"}, "beta must be a number"),
        ({"fill": 1e9}, "fill"),
    ):
        assert pattern in refused(lambda more=arguments: client.predict(seen["id"], **more, api_name="/rank"))


# --- files in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(bad()))
def test_every_bad_file_is_one_sentence(client, tmp_path, name):
    pattern = write_all(tmp_path)[name]
    sentence = refused(lambda: client.predict(handle_file(str(tmp_path / name)), **QUICK, api_name="/segment"))
    assert re.search(pattern, sentence), sentence


def test_too_large_a_file_is_refused_before_it_is_read(client, server, tmp_path):
    large = tmp_path / "large.bmp"
    large.write_bytes(encoded(picture(700, 700), "BMP"))
    with pytest.raises(ValueError, match="exceeds the maximum file size"):
        client.predict(handle_file(str(large)), **QUICK, api_name="/segment")
    past_the_client = httpx.post(f"{server.local_url}gradio_api/upload", files={"files": large.read_bytes()})
    assert past_the_client.status_code == 413
    assert "maximum allowed size" in past_the_client.text


def upload(server, path) -> str:
    """Where the server put a file."""
    files = {"files": (Path(path).name, Path(path).read_bytes())}
    return httpx.post(f"{server.local_url}gradio_api/upload", files=files).json()[0]


def ask(server, endpoint, *data) -> str:
    """The event stream of a raw request, past the client library and its own checks."""
    address = f"{server.local_url}gradio_api/call/{endpoint}"
    event = httpx.post(address, json={"data": data}, timeout=60).json()["event_id"]
    return httpx.get(f"{address}/{event}", timeout=60).text


def answer_of(stream):
    """What a successful event stream ends with."""
    kind, _, data = stream.rpartition("event: ")[2].partition("\ndata: ")
    assert kind == "complete", stream
    return json.loads(data)[0]


def test_only_uploads_are_read(server, tmp_path, monkeypatch):
    """Neither files of the server nor anything in the net, whatever the request says."""
    fetched = []

    async def spy(url, **_):
        fetched.append(url)
        raise OSError("no network here")

    monkeypatch.setattr("safehttpx.get", spy)
    mark = {"meta": {"_type": "gradio.FileData"}}
    link = Path(gr.utils.get_upload_folder()) / "link.png"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/hostname")
    for photo, pattern in (
        ({"path": "https://example.org/cat.png", **mark}, uploads.NO_ADDRESS),
        ({"path": "x.png", "url": "https://example.org/cat.png", **mark}, "error"),
        ({"path": "http://169.254.169.254/latest/meta-data", **mark}, uploads.NO_ADDRESS),
        ({"path": f"{server.local_url}gradio_api/file=/etc/hostname", **mark}, uploads.NO_ADDRESS),
        ({"path": f"{server.local_url}gradio_api/file=../../etc/hostname", **mark}, uploads.NO_ADDRESS),
        ({"path": "https://example.org/cat.png"}, "did not arrive"),
        ({"path": "/etc/hostname", **mark}, "error"),
        ({"path": "/etc/hostname"}, "did not arrive"),
        ({"path": str(link)}, "did not arrive"),
        ({"path": "a\0b"}, "did not arrive"),
        ({"path": "a" * 10_000}, "did not arrive"),
        ({"path": 7}, "photo must be a file"),
        ("data:image/png;base64,AAAA", "photo must be a file"),
        (None, "photo must be a file"),
    ):
        answer = ask(server, "segment", photo, *IN_ORDER, 1, "default", False)
        assert answer.startswith("event: error"), (photo, answer)
        assert pattern in answer, (photo, answer)
        assert "Traceback" not in answer
        assert "hostname is not" not in answer
    assert fetched == []
    link.unlink()


def test_the_address_of_an_upload_is_the_upload(server, png):
    path = upload(server, png)
    mark = {"meta": {"_type": "gradio.FileData"}}
    for address in (path, f"https://public.example/wsis/gradio_api/file={path}"):
        found = answer_of(ask(server, "segment", {"path": address, **mark}, *IN_ORDER, 1, "default", False))
        assert found[0]["image_id"] == "small"
    assert uploads.uploaded(Path(path)).name == "small.png"
    with pytest.raises(WsisError):
        uploads.uploaded(Path(path).parent)


# --- MCP ------------------------------------------------------------------------------------------------------------


def through_mcp(server, work):
    """Run `work(session)` with an MCP client over streamable HTTP."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def go():
        address = f"{server.local_url}gradio_api/mcp/"
        async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await work(session)

    return asyncio.run(go())


def test_mcp_shows_exactly_the_three(server):
    async def listed(session):
        return await session.list_tools(), await session.list_resources(), await session.list_prompts()

    tools, resources, prompts = through_mcp(server, listed)
    assert {tool.name for tool in tools.tools} == {"analyse", "rank", "segment"}
    assert not resources.resources
    assert not prompts.prompts
    for tool in tools.tools:
        assert tool.description
        assert tool.inputSchema["required"] in (["photo"], ["id"])
        assert all(value["description"] for value in tool.inputSchema["properties"].values())


def test_mcp_takes_a_photo_as_data_and_nothing_from_the_net(server, png):
    data = "data:image/png;base64," + base64.b64encode(Path(png).read_bytes()).decode()

    async def calls(session):
        good = await session.call_tool("segment", {"photo": data, **QUICK})
        net = await session.call_tool("segment", {"photo": "https://example.org/cat.png", **QUICK})
        token = await session.call_tool("rank", {"id": "guess"})
        return good, net, token

    good, net, token = through_mcp(server, calls)
    assert not good.isError
    assert "'category_name': 'cat'" in good.content[0].text
    assert net.isError
    assert net.content[0].text == uploads.NO_ADDRESS
    assert token.isError
    assert "no longer kept" in token.content[0].text


# --- strain ---------------------------------------------------------------------------------------------------------


def test_twenty_visitors_at_once_see_their_own_photo(tmp_path):
    """Each has a photo of a size of its own; the networks are left out, for it is the ways that may cross."""
    store, running = Store(every=3600), threading.Semaphore(1)

    def analyse(image, settings):
        assert running.acquire(blocking=False), "two visitors share the accelerator"
        found = small_analysis()
        evidence = found.evidence
        found = replace(found, evidence=replace(evidence, glance=replace(evidence.glance, image=image)))
        running.release()
        return found

    def visit(server, number):
        path = tmp_path / f"photo-{number}.png"
        path.write_bytes(encoded(picture(40 + number, 60), "PNG"))
        photo = {"path": upload(server, path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
        seen = answer_of(ask(server, "analyse", photo, *IN_ORDER, "default"))
        return seen, answer_of(ask(server, "rank", seen["id"], 0.95, 0.1, 0.8, -1, 1, False))

    with (
        served(networks(store, analyse)) as page,
        ThreadPoolExecutor(20) as pool,
    ):
        visits = list(pool.map(lambda number: visit(page, number), range(20)))
    assert len({seen["id"] for seen, _ in visits}) == 20
    for number, (seen, ranked) in enumerate(visits):
        assert seen["size"] == [60, 40 + number]
        assert store.get(seen["id"]).photo == f"photo-{number}.png"
        assert ranked[0]["file_name"] == f"photo-{number}.png"
        assert pixels(ranked[0]).shape == (40 + number, 60)
    store.close()


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"waiting": 2}, r"The server is busy: 2 are waiting, and it takes no more\. Try again in about "),
        ({"address": 2}, r"2 requests from your address are waiting already\. Try again in about "),
        ({"page": 2}, r"This page has 2 requests waiting already\."),
        ({"minute": 3}, r"Your address may ask for 3 analyses a minute\. Try again in (\d+) seconds\."),
    ],
)
def test_who_does_not_fit_is_told_so_in_a_sentence(behind, png, limits, sentence):
    busy, go_on = threading.Event(), threading.Event()

    def slow(image, settings):
        busy.set()
        assert go_on.wait(30)
        return behind.analyse(image, settings)

    crowded = networks(behind.store, slow, **limits)
    with served(crowded) as page:
        start = time.monotonic()
        client = Client(page.local_url, verbose=False, analytics_enabled=False)
        jobs = [client.submit(handle_file(png), **QUICK, api_name="/segment")]
        assert busy.wait(30)  # the first works
        for waiting in (1, 2):
            jobs.append(client.submit(handle_file(png), **QUICK, api_name=("/segment", "/analyse")[waiting - 1]))
            while crowded.desk.turns.waiting < waiting:
                assert not jobs[-1].done()
        for name in ("/segment", "/analyse"):
            told = re.match(
                sentence, refused(lambda name=name: client.predict(handle_file(png), **QUICK, api_name=name))
            )
            assert told
            for seconds in told.groups():  # of the minute that began with the first
                assert 59 - (time.monotonic() - start) <= int(seconds) <= 60
        assert "no longer kept" in refused(lambda: client.predict("x", api_name="/rank"))  # needs no turn
        go_on.set()
        assert all(job.result(timeout=60) for job in jobs)
    told = crowded.desk.watch.text().decode()
    assert f'wsis_refused_total{{reason="{next(iter(limits)).replace("waiting", "full")}"}} 2.0' in told
    assert 'wsis_requests_total{act="segment",outcome="ok"} 2.0' in told


def test_closing_the_tab_mid_analysis_frees_its_memory():
    """A visitor leaves while the networks run: what comes of it goes after the grace, without another request."""
    now = SimpleNamespace(seconds=0.0)
    store = Store(seconds=1800, grace=120, every=0.01, clock=lambda: now.seconds)
    busy, closed, go_on, kept, freed = (threading.Event() for _ in range(5))

    def look(request: gr.Request) -> str:
        busy.set()
        assert go_on.wait(30)
        analysis = small_analysis()
        weakref.finalize(analysis.evidence.image, freed.set)
        store.put(replace(analysis), owner=request.session_hash)
        kept.set()
        return "done"

    def leave(request: gr.Request) -> None:
        store.release(request.session_hash)
        closed.set()

    def wire(page):
        out = gr.Textbox()
        gr.Button().click(look, None, out, api_name="look")
        page.unload(leave)

    nobody = networks(store, None)
    with served(nobody, wire=wire) as page:
        root = f"{page.local_url}gradio_api"
        with httpx.stream("GET", f"{root}/heartbeat/visitor", timeout=30) as heartbeat:
            assert next(heartbeat.iter_text())
            number = next(i for i, fn in page.fns.items() if fn.api_name == "look")
            joined = httpx.post(f"{root}/queue/join", json={"data": [], "fn_index": number, "session_hash": "visitor"})
            assert joined.status_code == 200
            assert busy.wait(30)
        assert closed.wait(30)
        go_on.set()
        assert kept.wait(30)
        assert len(store) == 1
        assert not freed.is_set()
        now.seconds = 121
        assert freed.wait(30)
        assert len(store) == 0
    store.close()
