"""The explorer: handlers without a server, the store, and one visit in a real browser where there is one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

import app
from wsis import matching
from wsis.errors import WsisError
from wsis.explorer import firmness, pictures, view
from wsis.explorer.api import Api
from wsis.explorer.files import WRITERS
from wsis.explorer.handlers import AGAIN, SCREEN, Handlers, uploaded
from wsis.explorer.layout import build, launch_options
from wsis.explorer.store import Store
from wsis.explorer.view import Choice, Scene
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline, Settings

CLASSES = ("cat", "dog")


@pytest.fixture(scope="session")
def pipeline(tiny_checkpoint) -> Pipeline:
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="session")
def example(tmp_path_factory, photo) -> Path:
    path = tmp_path_factory.mktemp("examples") / "cat.jpg"
    Image.fromarray(photo[60:260, 60:340]).save(path)
    return path


@pytest.fixture(scope="session")
def analysis(pipeline, photo):
    return pipeline.analyse(photo[60:260, 60:340], Settings(enhancer="spread", classes=CLASSES))


@pytest.fixture
def handlers(pipeline, example, analysis) -> Handlers:
    made = Handlers(pipeline, {"cat": example})
    made._finished["cat"] = made.store.put(analysis, pinned=True)  # an untrained classifier needs classes to be named
    return made


def event(**data):
    return gr.EventData(None, data)


def quiet(*_, **__):
    return None


def controls(handlers, **changes):
    start = replace(handlers.defaults, **changes)
    return (start.enhancer, start.naive, start.mode, start.class_threshold, start.window, start.sigma, start.max_peaks)


def upload_to_gradio(name: str, content: bytes) -> Path:
    folder = Path(get_upload_folder()) / "wsis-tests"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


# --- the store ------------------------------------------------------------------------------------------------------


def test_store_forgets_the_least_recently_used_and_the_stale(analysis):
    now = SimpleNamespace(seconds=0.0)
    store = Store(limit=2, seconds=10, clock=lambda: now.seconds)
    pinned = store.put(analysis, pinned=True)
    first, second = store.put(analysis), store.put(analysis)
    store.get(first)
    third = store.put(analysis)
    assert store.get(first) and store.get(third)
    with pytest.raises(WsisError, match="no longer kept"):
        store.get(second)
    now.seconds = 11
    for token in (first, third, None, "guess"):
        with pytest.raises(WsisError):
            store.get(token)
    assert store.get(pinned).analysis is analysis
    assert len(store) == 1


def test_store_is_bounded_in_bytes(analysis):
    store = Store(megabytes=0)
    first = store.put(analysis)
    second = store.put(analysis)
    assert store.get(second)  # what was just made is kept, however large
    with pytest.raises(WsisError):
        store.get(first)


def test_a_new_photo_replaces_the_old_but_never_an_example(handlers, analysis):
    example = handlers._finished["cat"]
    own = handlers.store.put(analysis, replacing=example)
    assert handlers.store.get(example)
    handlers.store.put(analysis, replacing=own)
    with pytest.raises(WsisError):
        handlers.store.get(own)


# --- handlers -------------------------------------------------------------------------------------------------------


def test_first_paint_is_a_finished_example(handlers):
    answer = handlers.first(Choice())
    assert len(answer) == SCREEN
    choice, stage, photo, chips, *_ = answer
    assert stage["kind"] == "photo" and stage["peaks"] and stage["empty"] is None
    assert len(stage["steps"]) == len(stage["binary"]) == 2
    assert photo["example"] == "cat" and choice.photo == "cat.jpg"
    scene = Scene(handlers.store.get(choice.token), choice)
    assert choice.peak == stage["picked"] == scene.found[0].peak  # the best instance is picked
    assert "cat" in chips and "dog" in chips
    json.dumps([stage, photo])  # what the browser gets must be plain data


def test_without_examples_the_stage_says_what_to_do(pipeline):
    stage = Handlers(pipeline, {}).first(Choice())[1]
    assert stage["kind"] == "idle" and "Drop a photo" in stage["empty"]["title"]


def test_rank_moves_only_the_weights(handlers, analysis):
    choice = handlers.first(Choice())[0]
    answer = handlers.rank(choice, 0.0, 0.0, 1.0, 0)
    assert len(answer) == AGAIN
    fresh = answer[0]
    assert fresh.weights == Weights(0, 0, 1) and fresh.step == 0 and fresh.token == choice.token
    scene = Scene(handlers.store.get(fresh.token), fresh)
    terms = analysis.terms[0, 0]
    assert terms[scene.top[0], 2] == terms[:, 2].max()
    assert "photo" not in answer[1]  # only what changed travels


def test_picking_a_peak_sends_its_maps(handlers, analysis):
    choice = handlers.first(Choice())[0]
    last = len(analysis.peaks) - 1
    assert last >= 1
    fresh, stage, *_ = handlers.pick(choice, event(peak=last))
    assert fresh.peak == stage["picked"] == last
    grey = decode(stage["steps"][0])
    np.testing.assert_allclose(grey / 255, analysis.maps[0, last], atol=1 / 255)
    np.testing.assert_array_equal(decode(stage["binary"][1]) > 0, analysis.binary[1, last])


def test_instances_and_bits_are_the_masks(handlers, analysis):
    choice = handlers.first(Choice())[0]
    scene = Scene(handlers.store.get(choice.token), choice)
    stage = view.ranked(scene)
    labels, bits = decode(stage["instances"]), decode(stage["bits"])
    best = scene.found[0]
    assert (labels[analysis.proposals.mask(best.proposal)] == best.peak + 1).all()
    for i, proposal in enumerate(scene.top):
        np.testing.assert_array_equal((bits >> i & 1).astype(bool), analysis.proposals.mask(proposal))


def decode(url: str) -> np.ndarray:
    import base64

    import cv2

    data = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_classes_are_switched_on_and_off_without_looking_again(handlers, monkeypatch):
    choice = handlers.first(Choice())[0]
    monkeypatch.setattr(Pipeline, "observe", lambda *_, **__: pytest.fail("the photo was looked at again"))
    choice, stage, *_ = handlers.classes(event(name="horse", on=True), choice, quiet)
    assert {peak["name"] for peak in stage["peaks"]} == {"cat", "dog", "horse"}
    assert stage["peaks"][stage["picked"]]["name"] == "horse"
    for name in ("horse", "cat", "dog"):
        choice, stage, *_ = handlers.classes(event(name=name, on=False), choice, quiet)
    assert stage["peaks"] == [] and stage["empty"]["title"] == "No class is switched on"
    assert stage["empty"]["offer"].startswith("Look for ")
    choice, stage, *_ = handlers.classes(event(name=stage["empty"]["name"], on=True), choice, quiet)
    assert stage["peaks"]


def test_nothing_recognised_shows_scores_and_offers_the_best_class(handlers):
    choice = handlers.first(Choice())[0]
    choice, *_ = handlers.adjust(choice, quiet, *controls(handlers, class_threshold=1.0, enhancer="spread"))
    scene = Scene(handlers.store.get(choice.token), choice)
    fresh = replace(handlers.defaults, enhancer="spread", class_threshold=1.0)
    nothing = handlers._keep(handlers.pipeline.analyse(scene.analysis.evidence, fresh), choice)[1]
    best = scene.analysis.classes[int(scene.analysis.evidence.class_maps.scores.argmax())]
    assert nothing["empty"]["name"] == best and "threshold" in nothing["empty"]["text"]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_set_weights_and_reading(handlers, name):
    choice = handlers.first(Choice())[0]
    answer = handlers.preset(choice, event(preset=name))
    choice = answer[0]
    assert choice.weights == PRESETS[name].weights
    scene = Scene(handlers.store.get(choice.token), choice)
    assert scene.analysis.settings.reading == PRESETS[name].reading
    assert [slider.value for slider in answer[-4:-1]] == [
        choice.weights.alpha,
        choice.weights.beta,
        choice.weights.gamma,
    ]
    assert all(slider.value <= slider.maximum for slider in answer[-4:])


def test_a_bad_photo_is_one_sentence_and_the_screen_stays(handlers):
    choice = handlers.first(Choice())[0]
    path = upload_to_gradio("broken.jpg", b"not an image at all")
    with pytest.warns(UserWarning, match="."):
        answer = handlers.upload(event(path=str(path), name="broken.jpg"), choice, quiet, *controls(handlers))
    assert answer[1]["kind"] == "notice" and "\n" not in answer[1]["notice"]
    assert handlers.store.get(choice.token)
    assert len(answer) == SCREEN


def test_proposals_from_a_file_and_back(handlers, tmp_path):
    choice = handlers.first(Choice())[0]
    index = np.ones((200, 280), np.uint8)
    index[:, 140:] = 2
    for name, content in (("fits", index), ("small", index[:50])):
        Image.fromarray(content).save(tmp_path / f"{name}.png")
    choice, stage, *_ = handlers.proposals(choice, str(tmp_path / "fits.png"), quiet)
    assert stage["total"] == 2 and len(stage["top"]) == 2
    with pytest.warns(UserWarning, match="280"):
        answer = handlers.proposals(choice, str(tmp_path / "small.png"), quiet)
    assert answer[1]["kind"] == "notice" and handlers.store.get(choice.token)
    _, stage, *_ = handlers.proposals(choice, None, quiet)
    assert stage["total"] > 100


def test_only_uploads_are_read(handlers, example, tmp_path):
    assert uploaded(upload_to_gradio("fine.jpg", example.read_bytes())).name == "fine.jpg"
    link = Path(get_upload_folder()) / "wsis-tests" / "link.jpg"
    link.unlink(missing_ok=True)
    link.symlink_to(example)
    for path in (
        example,
        Path("/etc/hostname"),
        Path(get_upload_folder()) / ".." / "x",
        Path(get_upload_folder()),
        link,
    ):
        with pytest.raises(WsisError, match="did not arrive"):
            uploaded(path)


def test_an_upload_is_analysed_and_only_its_visitor_has_it(handlers, example):
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    choice = handlers.first(Choice())[0]
    answer = handlers.upload(event(path=str(path), name="mine.jpg"), choice, quiet, *controls(handlers))
    mine = answer[0]
    assert mine.photo == "mine.jpg" and mine.token != choice.token and answer[2]["example"] == ""
    assert handlers.first(Choice())[0].token == choice.token


@pytest.mark.parametrize("title", WRITERS)
def test_downloads(handlers, title):
    choice = handlers.first(Choice())[0]
    path = Path(handlers.download(title, choice))
    assert path.stat().st_size > 100 and path.name.startswith("cat-")
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        assert found and {"category_id", "segmentation", "bbox", "score"} <= set(found[0])
    elif path.suffix == ".zip":
        assert zipfile.ZipFile(path).testzip() is None
    else:
        assert Image.open(path).size == (280, 200)


def test_gone_analyses_say_so(handlers):
    with pytest.warns(UserWarning, match="no longer kept"):
        assert len(handlers.rank(Choice(token="gone"), 1, 1, 1, 0)) == AGAIN
    with pytest.raises(gr.Error, match="no longer kept"):
        handlers.download("Overlay", Choice(token="gone"))


# --- what the screen says -------------------------------------------------------------------------------------------


def test_numbers():
    assert [view.unit(v) for v in (0.871, 1.0, 0.0)] == [".87", "1.00", ".00"]
    assert [view.short(v) for v in (0.871, 1.7667, -0.25, 22415.3, 1e-5, 0.0, 0.0002)] == [
        ".871", "1.767", "-.250", "22,415", "1e-05", ".000", "0",
    ]  # fmt: skip


def test_names_from_files_are_escaped(analysis):
    assert "<script>" not in view.action(name='"><script>alert(1)</script>')
    choice = Choice(photo="<script>alert(1)</script>")
    scene = Scene(SimpleNamespace(analysis=analysis, drawn={}), choice)
    for panel in (view.chips, view.peaks, view.proposals, view.table, view.firm, view.status, view.timings):
        assert "<script>" not in panel(scene)


def test_thumbnail_square_stays_inside():
    mask = np.zeros((40, 100), bool)
    mask[30:40, 90:100] = True
    x, y, side = pictures.square(mask)
    assert min(x, y) >= 0 and x + side <= 100 and y + side <= 40
    assert x <= 90 and y <= 30 <= y + side
    assert pictures.square(np.zeros((40, 100), bool))[2] == 40


def test_firmness_in_closed_form():
    # The first wins where alpha > gamma, half of the plane; the third is on the front, but always behind one of them.
    terms = np.array([[1, 0, 0], [0, 0, 1], [0.2, 0, 0.2]], np.float32)
    found = firmness.measure(terms, Weights(0.9, 0, 0.3), (1.5, 1.5))
    assert found.candidates == 3 and abs(found.share - 0.5) < 0.03
    assert [(s, side, other) for s, side, _, other in found.handovers] == [("α", "below", 1), ("γ", "above", 1)]
    np.testing.assert_allclose([value for _, _, value, _ in found.handovers], [0.3, 0.9], atol=1e-6)


def test_a_handover_really_hands_over(analysis):
    terms, weights = analysis.terms[-1, 0], Weights(0.95, 0.1, 0.8)
    found = firmness.measure(terms, weights, (1.9, 1.6))
    best = matching.rank(terms, weights, 1)[0]
    for symbol, side, value, other in found.handovers:
        name, nudge = ("alpha" if symbol == "α" else "gamma"), (-1e-3 if side == "below" else 1e-3)
        before = matching.total(terms, replace(weights, **{name: max(0, value - nudge)}))
        after = matching.total(terms, replace(weights, **{name: max(0, value + nudge)}))
        assert before[best] > before[other] and after[other] > after[best]


def test_decided_by_names_the_largest_weighted_lead():
    term, lead = firmness.decided_by(np.array([0.9, 0.5, 0.6]), np.array([0.5, 0.9, 0.5]), Weights(1, 0.5, 1))
    assert term == 0 and abs(lead - (0.4 - 0.2 + 0.1)) < 1e-9


# --- the page -------------------------------------------------------------------------------------------------------


def test_only_three_endpoints_are_public(handlers):
    page = build(handlers)
    public = {fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"}
    assert public == {"analyse", "rank", "segment"}


def test_nothing_is_fetched_from_elsewhere():
    folder = Path(view.__file__).parent
    for path in [*folder.glob("*.css"), *folder.glob("*.js"), *folder.glob("*.html")]:
        text = path.read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text and "@import" not in text, path.name
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_api_answers_and_refuses(handlers, example):
    api = Api(handlers)
    photo = {"path": str(upload_to_gradio("api.jpg", example.read_bytes())), "orig_name": "api.jpg"}
    seen = api.analyse(photo, enhancer="spread", classes=["cat"])
    assert seen["size"] == [280, 200] and all(peak["class"] == "cat" for peak in seen["peaks"])
    ranked = api.rank(seen["id"], step=0)
    assert ranked and ranked[0]["segmentation"]["size"] == [200, 280]
    assert api.segment(photo, enhancer="spread", classes=["cat"])[0]["file_name"] == "api.jpg"
    for call in (
        lambda: api.rank("guess"),
        lambda: api.rank(seen["id"], step=9),
        lambda: api.segment(photo, enhancer="magic"),
        lambda: api.segment({"path": str(example)}),
        lambda: api.segment({}),
    ):
        with pytest.raises(gr.Error):
            call()


def test_app_is_importable_and_names_what_it_takes():
    options = app.arguments(["--model", "x", "--port", "7000"])
    assert (options.model, options.port, options.host) == ("x", 7000, "127.0.0.1")
    assert list(app.examples()) == sorted(app.examples())


def test_app_refuses_an_unknown_model(capsys):
    assert app.main(["--model", "no-such-model"]) == 2
    error = capsys.readouterr().err
    assert "no-such-model" in error and "Traceback" not in error


def chromium() -> str | None:
    named = os.environ.get("WSIS_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
def test_a_visit_in_a_browser(handlers):
    """First paint, pick by click and by key, a slider, a download; no request to another host, no script error."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = chromium()
    if program is None:
        pytest.skip("no chromium on PATH or in WSIS_CHROMIUM")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = build(handlers)
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_options())
    address, wrong = f"http://127.0.0.1:{port}/", []
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else wrong.append(r.url))
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.goto(address)
            tab.wait_for_selector(".film button", timeout=30_000)
            assert tab.evaluate("document.documentElement.scrollHeight") <= 900
            marks = tab.locator(".marks button")
            assert marks.count() >= 2
            marks.nth(1).click()
            tab.wait_for_selector(".peak:nth-child(2)[aria-pressed=true]")
            tab.locator(".box").press("ArrowLeft")
            tab.wait_for_selector(".peak:nth-child(1)[aria-pressed=true]")
            score = tab.locator(".proposal b").first
            before = score.inner_text()
            tab.locator("#recall input[type=number]").fill("0.1")
            tab.keyboard.press("Tab")
            playwright.expect(score).not_to_have_text(before)
            with tab.expect_download(timeout=20_000) as download:
                tab.locator(".fetch", has_text="COCO").click()
            assert download.value.suggested_filename == "cat-instances.json"
            tab.set_viewport_size({"width": 400, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= 400
            browser.close()
    finally:
        page.close()
    assert wrong == []
