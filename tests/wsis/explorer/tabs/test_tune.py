"""The tab Tune: sets, measuring step by step, stopping, searching, and that nobody sees another's photos."""

from __future__ import annotations

import os
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from tests.helpers import coco_sets
from tests.helpers.random_analysis import random_analysis, random_truth
from tests.helpers.scenes import write_scenes
from wsis import photo_sets, tuning
from wsis.errors import WsisError
from wsis.explorer.tabs import tune as tab
from wsis.explorer.tabs.tune import events, sessions, view
from wsis.explorer.tabs.tune.events import Events
from wsis.explorer.tabs.tune.sessions import Sessions, Tune
from wsis.matching import PUBLISHED, Weights
from wsis.pipeline import Pipeline


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tuning.Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture
def handlers(pipeline, cache):
    return Events(pipeline, Sessions(), cache)


@pytest.fixture
def kit(tmp_path):
    write_scenes(tmp_path / "kit", *photo_sets.LAYOUTS[0])
    return tmp_path / "kit"


def packed(kit, file):
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(kit.rglob("*.*")):
            archive.write(path, path.relative_to(kit))
    return str(file)


def started(shown):
    """The page's memory once a set was chosen."""
    return shown["state"], shown["tick"]


def measured(handlers, kit, tune=None):
    """A set, measured to its end; the state."""
    tune, tick = started(handlers.folder(tune or Tune(), str(kit), "spread", 20))
    for _ in range(10):
        new = handlers.step(tune, tick)["tick"]
        if new == tick:
            return tune
        tick = new
    raise AssertionError("measuring never ended")


def rich(handlers, kit, **others):
    """A measured set whose records are replaced by some in which weights matter."""
    tune = measured(handlers, kit)
    session = handlers.sessions.get(tune.token)
    for i in range(3):
        session.add(i, tuning.record(random_analysis(i, "cover"), random_truth(i)))
    return replace(tune, **others)


def test_measuring_ends_and_shows_figures(handlers, kit, monkeypatch):
    monkeypatch.setattr(events, "BATCH_SECONDS", 0)
    shown = handlers.folder(Tune(), str(kit), "spread", 20)
    tune, tick = started(shown)
    assert "Measuring photo 1 of 3" in shown["head"]
    ticks, heads = [tick], []
    while True:
        shown = handlers.step(tune, ticks[-1])
        tick = shown["tick"]
        heads.append(shown["head"])
        if tick == ticks[-1]:
            break
        ticks.append(tick)
        assert (shown["stop"], shown["resume"], shown["results"]) == (True, False, False)
    assert len(ticks) == 3
    assert "photo 2 of 3" in heads[0]
    assert "3 photos measured" in heads[-1]
    assert (shown["stop"], shown["resume"], shown["results"]) == (False, False, True)
    session = handlers.sessions.get(tune.token)
    records = session.table
    figures, plane, bars, worst = (shown[name] for name in ("figures", "plane", "bars", "worst"))
    assert "Search" in plane
    for value in tuning.figures(records).values():
        assert view.percent(value) in figures
    assert "as published" in figures
    assert "differences of a few points are chance" in figures
    assert all(name in bars for name in tuning.figures(records).ap50)
    assert worst.count("data-act") == 3


def test_one_event_takes_what_is_measured_already(handlers, kit):
    measured(handlers, kit)
    tune, tick = started(handlers.folder(Tune(), str(kit), "spread", 20))
    assert handlers.step(tune, tick)["tick"] == tick  # all from the disk, in one event


def test_stop_keeps_what_was_measured(handlers, kit, monkeypatch):
    monkeypatch.setattr(events, "BATCH_SECONDS", 0)
    tune, tick = started(handlers.folder(Tune(), str(kit), "spread", 20))
    tick = handlers.step(tune, tick)["tick"]
    shown = handlers.stop(tune)
    assert "Stopped</b> after 1 of 3" in shown["head"]
    assert "1 photo," in shown["figures"]
    assert (shown["stop"], shown["resume"], shown["results"]) == (False, True, True)
    again = handlers.step(tune, tick)["tick"]  # the event that was already on its way
    assert again == tick
    assert handlers.sessions.get(tune.token).done == 1
    tick = handlers.resume(tune, tick)["tick"]
    assert tick != again
    assert handlers.step(tune, tick)["tick"] == tick + 1
    assert handlers.sessions.get(tune.token).done == 2


def test_a_bad_photo_is_named_and_the_rest_goes_on(handlers, kit):
    (kit / "JPEGImages" / "s1.jpg").write_bytes(b"nothing")
    tune = measured(handlers, kit)
    session = handlers.sessions.get(tune.token)
    head = view.progress(session.progress())
    assert "2 photos measured" in head
    assert "1 photo could not be measured" in head
    assert "s1.jpg" in head
    assert session.names == ["s0", "s2"]


def test_a_set_measured_again_is_another_table(handlers, kit):
    session = handlers.sessions.get(measured(handlers, kit).token)
    before, again = session.table, tuning.record(random_analysis(0, "cover"), random_truth(0))
    assert session.table is before  # what it worked out is kept
    session.add(0, again)
    assert session.table.records == (again, *before.records[1:])  # as many as before, and not the same


def test_sliders_move_the_figures(handlers, kit):
    tune = rich(handlers, kit)
    records = handlers.sessions.get(tune.token).table
    weights = Weights(0, 0, 1)
    shown = handlers.moved(tune, weights, 0, "no-rebalance")
    state, figures = shown["state"], shown["figures"]
    assert (state.weights, state.step, state.reading) == (weights, 0, "no-rebalance")
    now, then = tuning.figures(records, weights, 0, "no-rebalance"), tuning.figures(records, PUBLISHED, 0)
    assert [view.percent(value) in figures for value in now.values()] == [True] * 5
    gains = [round(100 * a, 1) - round(100 * b, 1) for a, b in zip(now.values(), then.values(), strict=True)]
    assert max(map(abs, gains)) > 0.05
    for gain in gains:
        assert "as published" in figures if abs(gain) < 0.05 else f"{abs(gain):.1f} to published" in figures


def test_sliders_before_a_set_are_remembered(handlers, kit):
    shown = handlers.moved(Tune(), Weights(1, 1, 1), 2, "iou")
    state = shown.pop("state")
    assert shown == {}  # nothing to draw
    tune = measured(handlers, kit, state)
    assert (tune.weights, tune.step, tune.reading) == (Weights(1, 1, 1), 2, "iou")
    assert tune.token


def test_search_draws_the_best(handlers, kit):
    tune = rich(handlers, kit)
    html = handlers.search(tune, "α and β", False)["plane"]
    grid, split = handlers.sessions.get(tune.token).searched
    weights, value = tuning.best(grid, "map50")
    assert not split
    assert grid.axes == ("alpha", "beta")
    assert grid.base == PUBLISHED
    assert len(re.findall("<i[^>]*data-weights", html)) == 256
    assert html.count('class="best"') == 1
    assert f"[{weights.alpha}, {weights.beta}, {weights.gamma}]" in html
    assert view.percent(value) in html
    assert "all 3 photos" in html
    assert "same photos" in html
    assert "left this plane" not in html
    moved = handlers.moved(tune, Weights(0.95, 0.1, 0.3), 3, "cover")["plane"]
    assert "left this plane" in moved


def test_search_on_one_half_reports_the_other(handlers, kit):
    tune = rich(handlers, kit, figure="abo")
    html = handlers.search(tune, "α and γ", True)["plane"]
    grid, split = handlers.sessions.get(tune.token).searched
    first, second = handlers.sessions.get(tune.token).table.halves
    weights, value = tuning.best(grid, "abo")
    assert split
    assert value == tuning.figures(first, weights).abo
    row = re.search(r"best</th><td>[^<]*</td><td>([^<]*)</td><td>([^<]*)</td>", html)
    assert row.groups() == (view.percent(value), view.percent(tuning.figures(second, weights).abo))
    assert "tuned on 2" in html
    assert "the other 1" in html


def test_another_figure_is_drawn_from_the_same_search(handlers, kit):
    tune = measured(handlers, kit)
    handlers.search(tune, "α and γ", False)
    searched = handlers.sessions.get(tune.token).searched
    shown = handlers.figure(tune, "miou")
    assert shown["state"].figure == "miou"
    assert "mIoU over α and γ" in shown["plane"]
    assert handlers.sessions.get(tune.token).searched is searched


def test_a_zip_is_unpacked_and_deleted_with_the_session(handlers, kit, tmp_path):
    tune = handlers.zip(Tune(), packed(kit, tmp_path / "kit.zip"), "spread", 20)["state"]
    path, _ = handlers.photo(tune, "s1")
    assert path.is_file()
    assert kit not in path.parents
    other = handlers.zip(tune, packed(kit, tmp_path / "kit.zip"), "spread", 20)[
        "state"
    ]  # a new set replaces the old one
    assert not path.exists()
    path, _ = handlers.photo(other, "s1")
    handlers.sessions.drop(other.token)
    assert not path.exists()


def test_a_photo_comes_with_its_masks_in_the_classes_that_count(handlers, kit):
    tune = measured(handlers, kit)
    path, masks = handlers.photo(tune, "s0")
    classes, instances = (
        np.asarray(Image.open(kit / folder / "s0.png")) for folder in ("SegmentationClass", "SegmentationObject")
    )
    wanted = [instances == i for i in np.unique(instances[(classes > 0) & (classes < 255)])]
    assert path == kit / "JPEGImages" / "s0.jpg"
    assert sorted(mask.tobytes() for mask in masks) == sorted(mask.tobytes() for mask in wanted)


def test_a_photo_whose_masks_are_gone_is_opened_without(handlers, kit):
    tune = measured(handlers, kit)
    (kit / "SegmentationClass" / "s0.png").unlink()
    assert handlers.photo(tune, "s0") == (kit / "JPEGImages" / "s0.jpg", None)


def test_bad_sets_leave_the_old_one(handlers, kit, tmp_path):
    tune = measured(handlers, kit)
    (tmp_path / "bad.zip").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    for answer, words in (
        (handlers.zip(tune, str(tmp_path / "bad.zip"), "spread", 20), "no zip"),
        (handlers.zip(tune, None, "spread", 20), "did not arrive"),
        (handlers.folder(tune, str(tmp_path / "empty"), "spread", 20), "no photo with masks"),
        (handlers.folder(tune, " ", "spread", 20), "path of a folder"),
    ):
        assert words in answer["head"]
        assert 'role="alert"' in answer["head"]
        assert answer.keys() == {"head"}
    assert handlers.sessions.get(tune.token).done == 3


def test_nobody_opens_what_is_not_in_his_set(handlers, kit, tmp_path):
    mine, other = measured(handlers, kit), measured(handlers, kit)
    assert mine.token != other.token
    for stem in ("../JPEGImages/s0", "s9", "", str(kit / "JPEGImages" / "s0")):
        with pytest.raises(WsisError, match="no longer there"):
            handlers.photo(mine, stem)
    with pytest.raises(WsisError, match="no longer kept"):
        handlers.photo(Tune(), "s0")


def test_old_and_many_sets_go(handlers, kit, tmp_path):
    now = [0.0]
    handlers.sessions = Sessions(limit=2, seconds=100, clock=lambda: now[0])
    tunes = []
    for _ in range(3):
        now[0] += 1
        tunes.append(handlers.zip(Tune(), packed(kit, tmp_path / "kit.zip"), "spread", 20)["state"])
    with pytest.raises(WsisError, match="no longer kept"):
        handlers.sessions.get(tunes[0].token)
    path, _ = handlers.photo(tunes[1], "s0")
    now[0] += 101
    for answer in (
        handlers.moved(tunes[1], PUBLISHED, 3, "cover")["figures"],
        handlers.search(tunes[1], "α and γ", False)["plane"],
    ):
        assert "no longer kept here" in answer
    assert not path.exists()


def test_an_event_that_began_before_a_set_was_chosen_does_not_put_the_choice_back(handlers, kit):
    """A slider's event reads the page's state, the set is chosen, the event ends: both write what they read."""
    tune = Tune()
    chosen, tick = started(handlers.folder(tune, str(kit), "spread", 20))
    moved = handlers.moved(tune, Weights(1, 1, 1), 2, "iou")["state"]
    shown = handlers.figure(tune, "abo")["state"]
    assert chosen is moved is shown
    assert (tune.step, tune.figure) == (2, "abo")
    assert handlers.step(moved, tick)["head"]
    assert handlers.sessions.get(moved.token).done == 3


def test_an_event_of_a_replaced_set_changes_nothing(handlers, kit):
    old, tick = started(handlers.folder(Tune(), str(kit), "spread", 20))
    new, other = started(handlers.folder(old, str(kit), "spread", 20))
    assert handlers.step(old, tick) == {}
    assert handlers.sessions.get(new.token).done == 0
    assert handlers.step(new, other)["tick"] == other
    assert handlers.sessions.get(new.token).done == 3


def test_folders_left_behind_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "gettempdir", lambda: str(tmp_path))
    for name, age in (("wsis-tune-old", 90_000), ("wsis-tune-new", 10), ("other", 90_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "s0.jpg").write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    sessions.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "wsis-tune-new"]


def test_names_from_files_are_escaped(handlers, kit):
    for folder in photo_sets.LAYOUTS[0]:
        for file in list((kit / folder).iterdir()):
            file.rename(file.with_stem(f"<b>'{file.stem}"))
    (kit / "JPEGImages" / "<b>'s1.jpg").write_bytes(b"nothing")
    tune = measured(handlers, kit)
    worst = handlers.moved(tune)["worst"]
    head = view.progress(handlers.sessions.get(tune.token).progress())
    assert "&lt;b&gt;&#39;s0" in worst
    assert "<b>'" not in worst + head
    assert "&lt;b&gt;" in head


def test_the_tab_is_private_and_takes_folders_only_where_allowed(pipeline, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for allow in (False, True):
        with gr.Blocks() as page, gr.Tab("Tune"):
            made = tab.build(pipeline, allow_folder=allow)
        dependencies = page.config["dependencies"]
        assert dependencies
        assert all(one["api_visibility"] == "private" for one in dependencies)
        assert any(fn.fn and fn.fn.__name__ == "folder" for fn in page.fns.values()) == allow
        assert [*made.moved(Tune(), PUBLISHED, 3, "cover")] == [made.state]
        assert made.outputs[0] is made.state
        assert made.opener in made.outputs
        assert len(made.outputs) == 7  # two of them follow the model


def test_files_speak_of_the_same_things():
    folder = Path(tab.__file__).parents[1]
    css, script = (folder / "tune.css").read_text(), (folder / "tune.js").read_text()
    html = (folder.parent / "templates" / "tune.html").read_text()
    for name in set(re.findall(r'class="(tune-[a-z]+)', html)) - {"tune-use"}:
        assert f".{name}" in css, name
    assert "data-weights" in script
    assert "data-weights" in html
    assert "http" not in css + script


def test_a_coco_data_set_is_tuned_on_in_the_classes_that_it_shares_with_the_model(handlers, tmp_path):
    coco_sets.write(tmp_path, range(3), ("Bottle", "car", "<kettle>"), crowd=True)
    tune = measured(handlers, tmp_path)
    session = handlers.sessions.get(tune.token)
    assert session.table.classes == ("Bottle", "car")
    assert not session.failed
    head = handlers.stop(tune)["head"]
    assert "Left out, as the model does not know them: &lt;kettle&gt;." in head
    assert "Left out, as the data set has no masks of them: aeroplane" in head
    coco_sets.write(tmp_path, range(1), ("teapot", "bolt", "cup"))
    assert "have no class in common" in handlers.folder(Tune(), str(tmp_path), "spread", 20)["head"]
