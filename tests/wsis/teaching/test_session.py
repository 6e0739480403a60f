"""A teaching session: what was answered stays, whatever happens to the server, and follows from the log alone."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wsis.errors import WsisError
from wsis.labels.read import read
from wsis.teaching import session
from wsis.teaching.head import Head
from wsis.teaching.session import Session, as_csv


@pytest.fixture
def kept(tmp_path):
    """A session with a class and twelve photos."""
    made = Session(tmp_path / "one")
    made.add_class("spoon")
    made.digests = [made.add_photo(f"photo {i}".encode(), f"{i}.jpg") for i in range(12)]
    yield made
    made.close()


def answered(kept):
    return {photo: one.answer for photo, one in kept.state().given["spoon"].items()}


def test_answers_hold_until_they_are_changed_or_undone(kept):
    one, two, *_ = kept.digests
    kept.answer("spoon", one, "yes")
    kept.answer("spoon", two, "no")
    kept.answer("spoon", one, "no")
    assert answered(kept) == {two: "no", one: "no"}
    assert kept.undo() == ("spoon", one)
    assert answered(kept) == {one: "yes", two: "no"}
    assert kept.undo() == ("spoon", two)
    assert kept.undo() == ("spoon", one)
    assert answered(kept) == {}
    assert kept.undo() is None


def test_an_answer_that_holds_already_is_no_new_entry_but_putting_off_again_is(kept):
    one, two, *_ = kept.digests
    kept.answer("spoon", one, "yes")
    number = kept.state().last
    kept.answer("spoon", one, "yes")
    assert kept.state().last == number
    kept.answer("spoon", one, "later")
    kept.answer("spoon", two, "later")
    kept.answer("spoon", one, "later")
    assert list(answered(kept)) == [two, one]


def test_every_fourth_answer_is_held_out_and_stays_so(kept):
    for photo in kept.digests:
        kept.answer("spoon", photo, "no")
    aside = [photo for photo, one in kept.state().given["spoon"].items() if one.held_out]
    assert aside == kept.digests[3::4]
    kept.answer("spoon", aside[0], "yes")
    kept.answer("spoon", aside[1], "open")
    kept.answer("spoon", aside[1], "yes")
    assert set(kept.state().known("spoon", held_out=True)) == set(aside)
    assert kept.state().known("spoon", held_out=True)[aside[0]]
    assert kept.state().known("spoon").keys() - kept.state().known("spoon", held_out=False).keys() == set(aside)


def test_putting_off_counts_for_no_place_among_the_held_out(kept):
    for photo in kept.digests[:3]:
        kept.answer("spoon", photo, "later")
    for photo in kept.digests[3:7]:
        kept.answer("spoon", photo, "yes")
    assert list(kept.state().known("spoon", held_out=True)) == [kept.digests[6]]


def test_a_session_that_is_opened_again_is_the_same(kept):
    for photo, answer in zip(kept.digests, ["yes", "no", "later", "yes", "no"], strict=False):
        kept.answer("spoon", photo, answer)
    kept.undo()
    kept.note("saved", ["my-parts"])
    before = kept.state()
    kept.close()
    again = Session(kept.folder)
    assert again.state() == before
    assert again.note("saved") == ["my-parts"]
    assert again.note("nothing") is None
    assert [one.file.read_bytes() for one in before.photos.values()] == [f"photo {i}".encode() for i in range(12)]


def test_two_tabs_of_one_visitor_see_each_other(kept):
    other = Session(kept.folder)
    kept.answer("spoon", kept.digests[0], "yes")
    other.answer("spoon", kept.digests[1], "no")
    assert answered(kept) == answered(other) == {kept.digests[0]: "yes", kept.digests[1]: "no"}
    other.undo()
    assert answered(kept) == {kept.digests[0]: "yes"}


WRITER = """
import sys
from pathlib import Path
from wsis.teaching.session import Session
kept = Session(Path(sys.argv[1]))
for photo in list(kept.state().photos):
    kept.answer("spoon", photo, "yes")
    print(photo, flush=True)
sys.stdin.read()
"""


def test_a_killed_server_loses_no_confirmed_answer(kept):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(kept.folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    confirmed = [process.stdout.readline().strip() for _ in range(5)]
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    with process:  # not communicate(), which leaves out what the pipe's reader has in hand
        confirmed += process.stdout.read().split()
    assert set(confirmed) <= set(answered(Session(kept.folder)))
    assert len(answered(Session(kept.folder))) <= len(confirmed) + 1


def test_heads_stay_beside_their_answers_and_go_with_an_undone_one(kept):
    head = Head(np.ones((1, 3), np.float32), np.zeros(1, np.float32), ("spoon",))
    for photo in kept.digests[:3]:
        kept.answer("spoon", photo, "yes")
        kept.keep_head(kept.state().last, len(answered(kept)), "base", head)
    assert [one.answers for one in kept.heads("spoon", "base")] == [1, 2, 3]
    assert np.array_equal(kept.heads("spoon", "base")[0].head.weight, head.weight)
    assert kept.heads("spoon", "other base") == []
    kept.undo()
    assert [one.answers for one in kept.heads("spoon", "base")] == [1, 2]


def test_a_thousand_photos_are_read_back_at_once(tmp_path):
    kept = Session(tmp_path)
    kept.add_class("spoon")
    with kept._kept() as log:
        rows = [(hashlib.sha256(str(i).encode()).hexdigest(), f"{i}.jpg", f"{i}.jpg") for i in range(1000)]
        log.executemany("INSERT INTO photo(digest, name, file) VALUES (?, ?, ?)", rows)
        log.executemany(
            "INSERT INTO entry(at, class, photo, answer) VALUES (0, 'spoon', ?, ?)",
            [(row[0], "yes" if i % 2 else "no") for i, row in enumerate(rows)],
        )
    begun = time.perf_counter()
    state = kept.state()
    assert time.perf_counter() - begun < 0.5
    assert len(state.known("spoon", held_out=True)) == 250
    assert state.answers == 1000


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "name first"), (" \t ", "name first"), ("a\x00b", "name first"), ("x" * 61, "at most 60 characters")],
)
def test_a_bad_name_of_a_class_is_told(kept, name, said):
    with pytest.raises(WsisError, match=said):
        kept.add_class(name)


def test_a_class_is_named_once(kept):
    assert kept.add_class("  Spoon ") == "spoon"
    assert kept.add_class("tea   pot") == "tea pot"
    assert kept.state().classes == ("spoon", "tea pot")


def test_the_same_photo_is_kept_once_and_equal_names_are_told_apart(kept):
    assert kept.add_photo(b"photo 0", "again.jpg") is None
    kept.add_photo(b"another", "C:\\photos\\0.jpg")
    kept.add_photo(b"a third", "../0.jpg")
    assert [one.name for one in kept.state().photos.values()][-2:] == ["0-2.jpg", "0-3.jpg"]
    assert {one.file.parent for one in kept.state().photos.values()} == {kept.folder / "photos"}


def test_there_is_a_most_of_everything(kept, monkeypatch):
    monkeypatch.setattr(session, "MOST_PHOTOS", 12)
    monkeypatch.setattr(session, "MOST_CLASSES", 1)
    with pytest.raises(WsisError, match="at most 12 photos"):
        kept.add_photo(b"one more", "more.jpg")
    with pytest.raises(WsisError, match="1 classes already"):
        kept.add_class("fork")


@pytest.mark.parametrize("change", [{"class_": "fork"}, {"photo": "0" * 64}, {"answer": "maybe"}])
def test_what_is_not_in_the_session_is_not_answered(kept, change):
    with pytest.raises(WsisError, match="Reload the page"):
        kept.answer(**{"class_": "spoon", "photo": kept.digests[0], "answer": "yes", **change})


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(WsisError, match="cannot be kept"):
        Session(tmp_path / "locked" / "one")


def test_a_full_disk_takes_no_answer_and_says_so(kept):
    kept.answer("spoon", kept.digests[0], "yes")
    pages = kept._log.execute("PRAGMA page_count").fetchone()[0]
    kept._log.execute(f"PRAGMA max_page_count = {pages}")  # SQLite says that the disk is full
    with pytest.raises(WsisError, match="does not count"):
        for i in range(500):
            kept.note(f"key {i}", "x" * 2000)
    assert answered(kept) == {kept.digests[0]: "yes"}


def test_labels_leave_as_a_table_that_is_read_back(kept, tmp_path):
    kept.add_class('tea "pot", old')
    kept.answer("spoon", kept.digests[0], "yes")
    kept.answer("spoon", kept.digests[1], "no")
    kept.answer('tea "pot", old', kept.digests[1], "yes")
    kept.answer("spoon", kept.digests[2], "later")
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(2):
        (photos / f"{i}.jpg").write_bytes(f"photo {i}".encode())
    (tmp_path / "labels.csv").write_text(as_csv(kept.state()), encoding="utf-8")
    labels = read(photos, tmp_path / "labels.csv")
    assert [path.name for path in labels.paths] == ["0.jpg", "1.jpg"]
    column = [labels.classes.index(name) for name in ("spoon", 'tea "pot", old')]
    assert labels.target[:, column].tolist() == [[1, 0], [0, 1]]
    assert labels.weight[:, column].tolist() == [[1, 0], [1, 1]]
