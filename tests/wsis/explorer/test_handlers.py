"""The explorer's events without a server: what the page asks, and the messages that it gets."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio import processing_utils
from gradio.utils import get_upload_folder
from PIL import Image

from tests.helpers.attentive import AttentivePipeline
from tests.helpers.browser_tools import serve
from tests.helpers.page_data import decoded, unpacked
from wsis import changes, instances
from wsis.analysis import Settings
from wsis.explorer import alike, travel, words
from wsis.explorer.handlers import Handlers
from wsis.explorer.layout import _advanced, build, config, launch_options
from wsis.explorer.server import uploads
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.store import Store
from wsis.explorer.visit import Controls
from wsis.explorer.words import EnhancerNames
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline

CLASSES = ("cat", "dog")
TAB = SimpleNamespace(session_hash="tab")


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint) -> Pipeline:
    return AttentivePipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def example(tmp_path_factory, photo) -> Path:
    path = tmp_path_factory.mktemp("examples") / "cat.jpg"
    Image.fromarray(photo[60:260, 60:340]).save(path)
    return path


@pytest.fixture(scope="module")
def analysis(pipeline, photo):
    return pipeline.analyse(photo[60:260, 60:340], Settings(enhancer="spread", classes=CLASSES))


@pytest.fixture
def handlers(pipeline, example, analysis) -> Handlers:
    made = Handlers(pipeline, {"cat": example})
    made.examples.finished["cat"] = made.store.put(
        analysis, photo="cat", pinned=True
    )  # an untrained classifier names none
    return made


def controls(handlers, file=None, **changes) -> tuple:
    start = replace(handlers.defaults, **changes)
    return (
        start.naive,
        start.mode,
        start.class_threshold,
        start.window,
        start.sigma,
        start.max_peaks,
        start.spread_strength,
        start.agreement,
        start.objectness,
        start.semantic_threshold,
        file,
    )


def now(**changes) -> dict:
    said = {
        "token": None, "other": None, "peak": 0, "step": 3, "preset": "paper", "reading": "cover", "tab": "instances",
        "weights": [0.95, 0.1, 0.8], "enhancer": "spread", "compare": "naive", "axes": [0, 2], "dark": False,
    }  # fmt: skip
    return said | changes


def look(handlers, act: str, said: dict | None = None, settings: tuple | None = None, **data) -> list[dict]:
    """The answers until there is nothing to finish any more, as the page asks for them."""
    said, settings = said or now(), settings or controls(handlers)
    first = handlers.look(gr.EventData(None, {"act": act, "now": said, **data}), TAB, *settings)
    if first["kind"] != "glance":
        return [first]
    return [first, *look(handlers, "finish", said, settings, **first["finish"])]


def ask(handlers, act: str, said: dict, **data) -> dict:
    return handlers.ask(gr.EventData(None, {"act": act, "now": said, **data}), TAB)


def opened(handlers, **link) -> dict:
    said = now(enhancer=handlers.enhancer)
    return look(handlers, "open", said, id=link.pop("id", None), example=link.pop("example", None), **link)[-1]


def at(message: dict, **changes) -> dict:
    """Where the page stands after a message."""
    return now(token=message["token"], enhancer=message["enhancer"], peak=message["part"]["peak"], **changes)


def upload_to_gradio(name: str, content: bytes) -> str:
    folder = Path(get_upload_folder()) / "wsis-tests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return str(folder / name)


# --- opening --------------------------------------------------------------------------------------------------------


def test_the_page_opens_with_a_finished_example(handlers, analysis):
    message = opened(handlers)
    assert message["kind"] == "analysis"
    assert message["pristine"]
    assert message["photo"]["example"] == "cat"
    assert message["part"]["peak"] == analysis.instances()[0].peak  # the best instance is picked
    assert len(message["part"]["maps"]) == len(message["part"]["binary"]) == 2
    json.dumps(message)  # what the browser gets is plain data


def test_without_examples_the_stage_says_what_to_do(pipeline):
    message = opened(Handlers(pipeline, {}))
    assert message["kind"] == "idle"
    assert "Drop a photo" in message["empty"]["title"]


def test_a_link_to_an_upload_opens_it_with_its_peak(handlers, analysis):
    token = handlers.store.put(analysis, photo="mine.jpg", owner="somebody")
    message = opened(handlers, id=token, peak=1)
    assert message["token"] == token
    assert message["photo"]["name"] == "mine.jpg"
    assert message["part"]["peak"] == 1
    assert message["photo"]["example"] == ""


def test_an_expired_link_says_so_and_shows_an_example(handlers, pipeline):
    message = opened(handlers, id="gone")
    assert message["kind"] == "analysis"
    assert "no longer kept" in message["text"]
    alone = opened(Handlers(pipeline, {}), id="gone")
    assert alone["kind"] == "gone"
    assert alone["empty"]["title"] == "This link has expired"


def test_an_expired_link_with_settings_of_its_own_shows_the_first_map_of_an_example(handlers):
    first, last = look(handlers, "open", now(enhancer="spread"), id="gone", linked={"naive": "response"})
    assert first["kind"] == "glance"
    assert "no longer kept" in first["text"]
    assert first["expired"] == "gone"
    assert last["kind"] == "analysis"
    assert last["settings"]["naive"] == "response"


# --- photos ---------------------------------------------------------------------------------------------------------


def test_an_upload_shows_its_class_map_before_the_rest(handlers, example):
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    settings = controls(handlers, class_threshold=0.0, max_peaks=3)
    first, second = look(handlers, "upload", settings=settings, path=path, name="mine.jpg")
    assert first["kind"] == "glance"
    assert first["classmap"]
    assert first["size"] == [280, 200]
    assert "photo" not in first
    assert second["kind"] == "analysis"
    assert not second["pristine"]
    assert second["photo"]["name"] == "mine.jpg"
    assert first["peaks"] == second["peaks"]
    assert len(first["peaks"]) == 3
    assert handlers.store.get(second["token"]).owners == {"tab"}


@pytest.mark.parametrize("name", ["cat.jpg", "cat"])
def test_an_upload_called_like_an_example_is_no_example(handlers, example, name):
    message = look(handlers, "upload", path=upload_to_gradio("mine.jpg", example.read_bytes()), name=name)[-1]
    assert message["photo"]["example"] == ""
    assert not message["pristine"]


def test_a_new_upload_leaves_the_old_one_for_the_way_back(handlers, example):
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    old = look(handlers, "upload", path=path, name="a.jpg")[-1]
    new = look(handlers, "upload", now(token=old["token"]), path=path, name="b.jpg")[-1]
    assert handlers.store._entries[old["token"]].left
    said = now(token=new["token"], enhancer="spread")
    back = look(handlers, "open", said, id=old["token"], peak=0)[-1]
    assert back["token"] == old["token"]
    assert back["photo"]["name"] == "a.jpg"
    assert handlers.store._entries[new["token"]].left
    assert ask(handlers, "share", now(token=new["token"]))["kind"] == "shared"
    for token in (old["token"], new["token"]):
        handlers.store._entries.pop(token)
    assert ask(handlers, "share", now(token=old["token"]))["kind"] == "gone"


@pytest.mark.parametrize("path", ["/etc/hostname", "", "example"])
def test_only_uploads_are_read(handlers, example, path):
    path = str(example) if path == "example" else path
    (message,) = look(handlers, "upload", path=path, name="x.jpg")
    assert message["kind"] == "notice"
    assert "did not arrive" in message["text"]


def test_a_bad_photo_is_one_sentence(handlers):
    path = upload_to_gradio("broken.jpg", b"not an image at all")
    (message,) = look(handlers, "upload", path=path, name="broken.jpg")
    assert message["kind"] == "notice"
    assert "\n" not in message["text"]
    assert len(message["text"]) < 200


def test_what_the_page_says_is_checked(handlers):
    for wrong in (None, {}, now(weights=[1, 2]), now(weights=[-1, 0, 0]), now(axes=[0, 7]), now(peak="x")):
        event = gr.EventData(None, {"act": "open", "now": wrong})
        message = handlers.look(event, TAB, *controls(handlers))
        assert message["kind"] == "notice", wrong


def test_what_the_networks_noted_is_said(handlers, analysis):
    noted = replace(analysis, notes=("The memory of the GPU was short, so it took longer.",))
    token = handlers.store.put(noted, photo="mine.jpg", owner="somebody")
    assert opened(handlers, id=token)["text"] == noted.notes[0]
    assert opened(handlers)["text"] == ""


def test_a_refusal_names_the_request_that_the_page_may_send_again(handlers):
    event = gr.EventData(None, {"act": "upload", "ticket": "mine"})
    message = handlers.refused(RefusedError("full", "The server is busy.", 11.2), event)
    assert {k: message[k] for k in ("kind", "text", "seconds", "ticket")} == {
        "kind": "busy", "text": "The server is busy.", "seconds": 12, "ticket": "mine"
    }  # fmt: skip


def test_a_store_that_is_given_is_the_one(pipeline):
    store = Store(every=3600)
    assert Handlers(pipeline, {}, store).store is store
    store.close()


def test_a_finished_example_and_a_link_need_no_turn(handlers, analysis):
    def ready(act, said=now(enhancer=handlers.enhancer), settings=None, **data):  # noqa: B008 - never changed
        event = gr.EventData(None, {"act": act, "now": said, **data})
        return handlers.ready(event, TAB, *(settings or controls(handlers)))

    token = handlers.store.put(analysis, photo="mine.jpg")
    assert ready("open")
    assert ready("open", example="cat")
    assert ready("example", name="cat")
    assert ready("open", id=token)
    assert not ready("open", id="gone")
    assert not ready("example", name="dog")
    assert not ready("upload", path="x")
    assert not ready("example", settings=controls(handlers, max_peaks=3), name="cat")
    assert not ready("open", now(enhancer=handlers.enhancer, compare="spread"))
    assert not ready("open", {})
    assert not ready("other")
    alone, event = Handlers(handlers.pipeline, {}), gr.EventData(None, {"act": "open", "now": now()})
    assert alone.ready(event, TAB, *controls(handlers))


# --- the same photo, seen differently -------------------------------------------------------------------------------


def test_classes_are_switched_on_and_off_without_looking_again(handlers, monkeypatch):
    message = opened(handlers)
    monkeypatch.setattr(handlers.networks, "observe", lambda *_, **__: pytest.fail("the photo was looked at again"))
    (message,) = look(handlers, "class", at(message), name="horse", on=True)
    assert {peak["name"] for peak in message["peaks"]} == {"cat", "dog", "horse"}
    assert message["photo"] is None
    assert message["peaks"][message["part"]["peak"]]["name"] == "horse"
    for name in ("horse", "cat", "dog"):
        said = now(token=message["token"])
        (message,) = look(handlers, "class", said, name=name, on=False)
    assert message["peaks"] == []
    assert message["match"] is None
    assert message["part"] is None
    assert message["empty"]["title"] == "No class is switched on"
    (message,) = look(handlers, "class", now(token=message["token"]), name=message["empty"]["name"], on=True)
    assert message["peaks"]


def test_nothing_recognised_offers_the_best_class(handlers):
    path = upload_to_gradio("mine.jpg", handlers.examples.photos["cat"].read_bytes())
    message = look(handlers, "upload", settings=controls(handlers, class_threshold=1.0), path=path, name="m.jpg")[-1]
    assert message["empty"]["offer"] == f"Look for {message['empty']['name']}"
    assert "threshold" in message["empty"]["text"]
    assert len(message["classes"]) == 20


def test_the_enhancer_changes_and_the_peak_stays(handlers):
    message = opened(handlers, peak=1)
    (fresh,) = look(handlers, "enhancer", at(message), name="icn-proposal")
    assert fresh["enhancer"] == "icn-proposal"
    assert fresh["steps"] == 4
    assert fresh["part"]["peak"] == 1
    assert [peak["name"] for peak in fresh["peaks"]] == [peak["name"] for peak in message["peaks"]]


def test_two_enhancers_side_by_side(handlers):
    message = opened(handlers)
    (other,) = look(handlers, "compare", at(message), name="icn-saliency")
    assert other["kind"] == "other"
    assert other["other"]["steps"] == 3
    assert len(other["part"]["maps"]) == 4
    second = handlers.store.get(other["otherToken"]).analysis
    assert second.settings.enhancer == "icn-saliency"
    said = at(message, other=other["otherToken"], compare="icn-saliency")
    picked = ask(handlers, "pick", said, peak=1)
    np.testing.assert_allclose(decoded(picked["other"]["maps"][3]) / 255, second.maps[3, 1], atol=1 / 255)
    (fresh,) = look(handlers, "class", said, name="horse", on=True)
    assert fresh["other"]["enhancer"] == "icn-saliency"
    assert fresh["otherToken"] != other["otherToken"]
    np.testing.assert_array_equal(unpacked(fresh["match"]["offsets"])[0], 0)


def test_the_grid_has_every_peak_of_the_class_and_no_other(handlers, analysis):
    message = opened(handlers)
    for k, category in enumerate(analysis.peaks.classes):
        grid = ask(handlers, "grid", {**at(message), "peak": k})
        of_class = np.flatnonzero(analysis.peaks.classes == category).tolist()
        assert (grid["kind"], grid["what"], grid["peak"]) == ("grid", "peaks", k)
        assert [column["peak"] for column in grid["columns"]] == of_class
        assert all(column["response"] for column in grid["columns"])


def test_every_enhancer_of_a_peak_is_grown_once_and_kept(handlers, monkeypatch):
    message = opened(handlers)
    (grid,) = look(handlers, "enhancers", {**at(message), "peak": 1})
    known = [name for name in handlers.pipeline.enhancers if name != "none"]
    assert [(column["enhancer"], column["peak"]) for column in grid["columns"]] == [(name, 1) for name in known]
    monkeypatch.setattr(handlers.networks, "analyse", lambda *_, **__: pytest.fail("it was grown again"))
    assert look(handlers, "enhancers", {**at(message), "peak": 1})[0]["columns"] == grid["columns"]


def test_as_published_is_compared_like_another_enhancer(handlers):
    message = opened(handlers)
    (other,) = look(handlers, "compare", at(message), name="published")
    assert other["other"]["compare"] == "published"
    second = handlers.store.get(other["otherToken"]).analysis.settings
    assert (second.naive, second.agreement, second.objectness) == ("response", False, False)
    assert second.enhancer == "icn-saliency"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_another_reading_is_measured_anew(handlers, name):
    message = opened(handlers)
    (fresh,) = look(handlers, "reading", at(message, preset=name, reading=PRESETS[name].reading))
    assert fresh["reading"] == PRESETS[name].reading
    assert handlers.store.get(fresh["token"]).analysis.settings.reading == PRESETS[name].reading


def test_advanced_settings_look_again_at_what_was_seen(handlers, monkeypatch):
    message = opened(handlers)
    monkeypatch.setattr(handlers.networks, "observe", lambda *_, **__: pytest.fail("the photo was looked at again"))
    (fresh,) = look(handlers, "adjust", at(message), settings=controls(handlers, max_peaks=1))
    assert len(fresh["peaks"]) == 1


def test_equal_requests_are_answered_once_and_an_old_token_is_no_error(handlers, monkeypatch):
    """The list of naive maps tells of one choice twice; the second still names what the first has replaced."""
    (message,), runs, analyse = look(handlers, "adjust", at(opened(handlers))), [], handlers.networks.analyse
    monkeypatch.setattr(handlers.networks, "analyse", lambda *given: runs.append(given) or analyse(*given))
    chosen = controls(handlers, naive="response")
    said = at(message)
    first, second = (look(handlers, "adjust", said, settings=chosen)[0] for _ in range(2))
    assert first["kind"] == "analysis"
    assert second["token"] == first["token"] != message["token"]
    assert len(runs) == 1
    (same,) = look(handlers, "adjust", at(first) | {"peak": 1}, settings=chosen)
    assert same["token"] == first["token"]
    assert same["part"]["peak"] == 1
    (back,) = look(handlers, "adjust", at(first))
    assert back["token"] == message["token"]
    assert len(runs) == 1
    for act, data in (("class", {"name": "cat", "on": False}), ("enhancer", {"name": "none"}), ("reading", {})):
        said = at(message) | ({"preset": "prm-2018", "reading": "prm-2018"} if act == "reading" else {})
        one, again = (look(handlers, act, said, **data)[0] for _ in range(2))
        assert one["token"] == again["token"] != message["token"], act
    assert len(runs) == 4


def test_the_controls_are_told_with_every_analysis(handlers, example, analysis):
    """What a reload, a link, an example, a change of class or an upload shows is what the controls stand on."""
    message = opened(handlers)
    assert message["settings"]["naive"] == "class map"
    assert message["named"] == list(CLASSES)
    changed = controls(handlers, naive="response", window=5, agreement=False)
    (fresh,) = look(handlers, "adjust", at(message), settings=changed)
    wanted = {"naive": "response", "window": 5, "agreement": False, "limit": 60}
    assert wanted.items() <= fresh["settings"].items()
    reloaded = opened(handlers, id=fresh["token"])  # the controls of a new page stand on the defaults
    assert reloaded["settings"] == fresh["settings"]
    (classes,) = look(handlers, "class", at(reloaded), name="horse", on=True)
    assert classes["settings"] == fresh["settings"]
    assert classes["named"] == [*CLASSES, "horse"]
    (wrong,) = look(handlers, "upload", at(fresh), settings=changed, path="x", name="x.jpg")
    assert wrong["kind"] == "notice"
    assert wrong["settings"] == fresh["settings"]
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    uploaded = look(handlers, "upload", at(fresh), settings=changed, path=path, name="m.jpg")[-1]
    assert uploaded["settings"] == fresh["settings"]


def test_what_no_control_shows_stays(handlers, analysis):
    settings = replace(handlers.defaults, classes=CLASSES)
    token = handlers.store.put(replace(analysis, settings=settings), photo="mine.jpg", owner="tab")
    (fresh,) = look(handlers, "adjust", now(token=token, enhancer=handlers.enhancer), controls(handlers, window=5))
    made = handlers.store.get(fresh["token"]).analysis.settings
    assert made == replace(settings, window=5)


def test_a_link_to_an_example_has_settings_of_its_own(handlers):
    told = {"naive": "response", "limit": 2, "file": "/etc/passwd"}
    message = opened(handlers, example="cat", linked=told, classes=["dog"])
    assert message["settings"]["naive"] == "response"
    assert message["settings"]["limit"] == 2
    assert message["on"] == ["dog"]
    assert message["photo"]["example"] == "cat"
    for wrong in ({"naive": ["x"]}, {"limit": "many"}, {"window": None}):
        (message,) = look(handlers, "open", now(enhancer="spread"), example="cat", linked=wrong)
        assert message["kind"] == "notice", wrong
        assert "\n" not in message["text"], wrong


def test_a_screen_follows_from_the_link_alone(handlers):
    """Whatever was picked before: the answer to a reload is the answer that the page had."""
    message = opened(handlers)
    for peak in (1, 0, 1):
        ask(handlers, "pick", at(message), peak=peak)
    (before,) = look(handlers, "adjust", at(message) | {"peak": 1}, settings=controls(handlers))
    best = before["part"]["peak"]
    after = opened(handlers, id=before["token"], peak=best)
    ignored = ("serial", "photo", "part", "text", "ticket")
    assert {k: v for k, v in before.items() if k not in ignored} == {k: v for k, v in after.items() if k not in ignored}
    picked = ask(handlers, "pick", at(after), peak=best)
    assert before["part"] == after["part"] == {key: picked[key] for key in after["part"]}


def test_proposals_from_a_file_and_back(handlers, tmp_path):
    message = opened(handlers)
    index = np.ones((200, 280), np.uint8)
    index[:, 140:] = 2
    for name, content in (("fits", index), ("small", index[:50])):
        Image.fromarray(content).save(tmp_path / f"{name}.png")
    (fresh,) = look(handlers, "proposals", at(message), controls(handlers, str(tmp_path / "fits.png")))
    assert fresh["photo"]["total"] == 2
    (wrong,) = look(handlers, "proposals", at(fresh), controls(handlers, str(tmp_path / "small.png")))
    assert wrong["kind"] == "notice"
    assert "280" in wrong["text"]
    (back,) = look(handlers, "proposals", at(fresh), controls(handlers))
    assert back["photo"]["total"] > 100


def test_picking_a_peak_sends_its_maps(handlers, analysis):
    message = opened(handlers)
    last = len(analysis.peaks) - 1
    picked = ask(handlers, "pick", at(message), peak=last)
    assert picked["kind"] == "peak"
    assert picked["peak"] == last >= 1
    np.testing.assert_allclose(decoded(picked["maps"][0]) / 255, analysis.maps[0, last], atol=1 / 255)
    np.testing.assert_array_equal(decoded(picked["binary"][1]) > 0, analysis.binary[1, last])


def test_python_ranks_with_the_weights_that_the_page_left(handlers, analysis):
    message = opened(handlers)
    said = at(message, weights=[0.0, 0.0, 1.0], step=0)
    where, scene, answer = handlers.settle(gr.EventData(None, {"now": said}), TAB)
    expected = analysis.instances(Weights(0, 0, 1), 0)
    assert answer["found"] == [[one.peak, one.proposal] for one in expected]
    assert answer["weights"] == [0, 0, 1]
    assert where.axes == ("alpha", "gamma")
    assert scene.step == 0


def test_files_of_an_example_are_named_after_its_file(handlers):
    message = opened(handlers)
    path = handlers.download(gr.EventData(None, {"kind": "Report", "now": at(message)}))
    assert Path(path).name == "cat-report.html"
    assert "segment cat.jpg" in Path(path).read_text(encoding="utf-8")


def test_gone_analyses_say_so(handlers):
    for message in (
        ask(handlers, "pick", now(token="gone"), peak=0),
        *look(handlers, "class", now(token="gone"), name="cat", on=True),
        handlers.settle(gr.EventData(None, {"now": now(token="gone")}), TAB)[2],
    ):
        assert message["kind"] == "gone"
        assert "no longer kept" in message["text"]
    with pytest.raises(gr.Error, match="no longer kept"):
        handlers.download(gr.EventData(None, {"kind": "Overlay", "now": now(token="gone")}))


def test_equal_messages_differ_so_that_the_page_notices(handlers):
    first, second = (ask(handlers, "pick", now(token="gone"), peak=0) for _ in range(2))
    assert first["serial"] != second["serial"]


def test_a_tab_closed_after_the_first_map_keeps_nothing(handlers, example):
    event = gr.EventData(None, {"act": "upload", "now": now(), "name": "a.jpg"})
    event._data["path"] = upload_to_gradio("mine.jpg", example.read_bytes())
    assert handlers.look(event, TAB, *controls(handlers))["kind"] == "glance"
    assert handlers.store._begun
    handlers.closed(TAB)
    assert not handlers.store._begun
    assert look(handlers, "finish", name="a.jpg", peak=0, begun=0)[0]["kind"] == "gone"


def test_a_tab_closed_during_the_first_map_keeps_nothing(handlers, example, monkeypatch):
    glance = handlers.networks.glance
    monkeypatch.setattr(handlers.networks, "glance", lambda image: (handlers.closed(TAB), glance(image))[1])
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    event = gr.EventData(None, {"act": "upload", "now": now(), "name": "a.jpg", "path": path})
    assert handlers.look(event, TAB, *controls(handlers))["kind"] == "glance"
    assert not handlers.store._begun


def test_of_two_photos_in_a_row_the_last_is_finished(handlers, example):
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    first, second = (
        handlers.look(
            gr.EventData(None, {"act": "upload", "now": now(), "name": n, "path": path}), TAB, *controls(handlers)
        )
        for n in ("a.jpg", "b.jpg")
    )
    assert look(handlers, "finish", **first["finish"])[0]["kind"] == "stale"
    assert look(handlers, "finish", **second["finish"])[0]["photo"]["name"] == "b.jpg"


def test_a_closed_tab_keeps_nothing(handlers, example):
    path = upload_to_gradio("mine.jpg", example.read_bytes())
    message = look(handlers, "upload", path=path, name="a.jpg")[-1]
    handlers.closed(TAB)
    assert not handlers.store.get(message["token"]).owners


# --- the page -------------------------------------------------------------------------------------------------------


def test_only_three_endpoints_are_public(handlers):
    page = build(handlers)
    public = {fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"}
    assert public == {"analyse", "rank", "segment"}


def test_a_page_fetches_nothing(handlers, monkeypatch):
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", None)
    build(handlers)
    with pytest.raises(gr.Error, match=uploads.NO_ADDRESS):
        asyncio.run(processing_utils.async_ssrf_protected_download("https://example.org/cat.png"))


def test_the_page_names_no_other_host(handlers):
    folder = Path(build.__code__.co_filename).parent
    for path in (p for p in folder.rglob("*") if p.suffix in (".css", ".js", ".html", ".svg")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        for foreign in ("http://", "https://", "@import"):
            assert foreign not in text, (path.name, foreign)
    assert "://" not in launch_options(handlers)["head"].replace("http://www.w3.org/", "")


def test_names_cannot_break_out_of_the_script(handlers, monkeypatch):
    bad = EnhancerNames("</script><script>alert(1)</script>", "x")
    monkeypatch.setattr("wsis.explorer.words.ENHANCERS", {"spread": bad})
    assert "</script><script>" not in launch_options(handlers)["head"]


def test_a_page_that_is_slow_to_answer_at_first_is_served_all_the_same(pipeline, monkeypatch):
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)
    with serve(pipeline) as site, urllib.request.urlopen(site.address, timeout=60) as answer:
        assert b"wsis" in answer.read()


def test_every_preset_and_enhancer_is_on_the_page(handlers):
    told = config(handlers)
    assert set(told["presets"]) == set(PRESETS)
    assert set(told["enhancers"]) == set(handlers.pipeline.enhancers)
    for name, preset in told["presets"].items():
        assert len(preset["meaning"]) == len(preset["ranges"]) == 3, name
        assert all(weight <= most for weight, (most, _) in zip(preset["weights"], preset["ranges"], strict=True))


def test_the_page_matches_by_the_rules_of_the_core(handlers):
    told = config(handlers)
    assert told["rules"] == {
        "nms": instances.NMS, "object": instances.OBJECT, "leastObject": instances.LEAST_OBJECT,
        "again": instances.AGAIN, "offersApart": instances.OFFERS_APART, "settled": changes.SETTLED,
        "alike": alike.ALIKE, "groups": alike.GROUPS,
        "aside": alike.ASIDE, "flat": travel.FLAT, "most": travel.MOST, "dull": travel.DULL,
    }  # fmt: skip
    assert (told["terms"], told["symbols"], told["unused"]) == (words.TERMS, words.SYMBOLS, words.UNUSED)


def test_controls_become_settings(handlers):
    assert Controls(*controls(handlers)).settings(enhancer=handlers.enhancer) == handlers.defaults


def test_a_click_sets_all_settings_and_the_controls_follow(handlers):
    message = opened(handlers)
    wanted = {"objectness": False, "spread": 0.1, "sigma": 1.5}
    answer = look(handlers, "adjust", at(message), linked=wanted, name="none")[-1]
    assert {name: answer["settings"][name] for name in wanted} == wanted
    assert answer["enhancer"] == "none"
    made = handlers.store.get(answer["token"]).analysis.settings
    assert (made.objectness, made.spread_strength, made.sigma) == (False, 0.1, 1.5)


def test_scores_alone_need_no_networks(handlers, monkeypatch):
    message = look(handlers, "adjust", at(opened(handlers)))[-1]
    monkeypatch.setattr(handlers.networks, "analyse", None)
    before = handlers.store.get(message["token"]).analysis
    answer = look(handlers, "adjust", at(message), linked={"objectness": False, "found": 0.4})[-1]
    made = handlers.store.get(answer["token"]).analysis
    assert made.settings == replace(before.settings, objectness=False, semantic_threshold=0.4)
    assert made.maps is before.maps
    assert (answer["settings"]["objectness"], answer["settings"]["found"]) == (False, 0.4)
    assert (unpacked(answer["match"]["rates"]) == 1).all()
    assert (unpacked(message["match"]["rates"]) < 1).all()


def test_controls_on_the_screen_stand_in_the_order_in_which_they_are_read(handlers):
    with gr.Blocks():
        shown, file = _advanced(handlers.defaults)
    assert [*shown, "file"] == [field.name for field in fields(Controls)]
    values = [None if isinstance(control, gr.File) else control.value for control in (*shown.values(), file)]
    assert Controls(*values) == Controls.of(handlers.defaults)


def test_the_default_enhancer_is_named_once(pipeline, monkeypatch):
    from wsis.explorer.tabs import tune
    from wsis.jobs.options import chosen

    def everywhere():
        with gr.Blocks() as page:
            tune.build(pipeline)
        offered = [one.value for one in page.blocks.values() if getattr(one, "label", "") == "maps grown by"]
        return {Handlers(pipeline, {}).enhancer, chosen(pipeline).enhancer}, offered

    # The weights are tuned on regions alone.
    assert everywhere() == ({"icn-instances"}, ["icn-saliency"])
    assert pipeline.default_enhancer == "icn-instances"
    few = replace(pipeline.checkpoint, icns={"icn-proposal": pipeline.checkpoint.icns["icn-proposal"]})
    monkeypatch.setattr(pipeline, "checkpoint", few)
    assert everywhere() == ({"spread"}, ["spread"])
    assert pipeline.default_enhancer == "spread"
