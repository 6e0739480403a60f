"""The store of analyses: who finds what, for how long, and that memory really comes back."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.small_analysis import small_analysis
from wsis.analysis import Glance
from wsis.errors import WsisError
from wsis.explorer.store import GoneError, Store, held_bytes


@pytest.fixture
def now():
    return SimpleNamespace(seconds=0.0)


@pytest.fixture
def store(now):
    made = Store(limit=3, seconds=1800, grace=120, past=0, every=3600, clock=lambda: now.seconds)
    yield made
    made.close()


def gone(store, token) -> bool:
    try:
        store.get(token)
    except GoneError as error:
        said = error
    else:
        return False
    assert isinstance(said, WsisError)
    assert "no longer kept" in str(said)
    return True


def test_an_entry_says_what_it_is_and_who_looks_at_it(store):
    analysis = small_analysis()
    entry = store.get(store.put(analysis, photo="cat.jpg", owner="a"))
    assert entry.analysis is analysis
    assert entry.photo == "cat.jpg"
    assert entry.owners == {"a"}
    assert not entry.shared


def test_tokens_differ_and_others_are_refused(store):
    tokens = {store.put(small_analysis()) for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 20 for token in tokens)
    assert all(gone(store, token) for token in (None, "", "guess", 7, ["x"]))


def test_the_least_recently_used_goes_first_and_examples_stay(store):
    example = store.put(small_analysis(), pinned=True)
    first, second, third = (store.put(small_analysis()) for _ in range(3))
    store.get(first)
    fourth = store.put(small_analysis())
    assert gone(store, second)
    assert not any(gone(store, token) for token in (example, first, third, fourth))


def test_what_a_tab_shows_outlasts_what_a_program_asked_for(store):
    shown = store.put(small_analysis(), owner="a")
    asked = [store.put(small_analysis()) for _ in range(5)]
    assert not gone(store, shown)
    assert [gone(store, token) for token in asked] == [True] * 3 + [False] * 2


def test_memory_is_bounded_but_the_newest_is_kept():
    store = Store(megabytes=0, every=3600)
    first, second = store.put(small_analysis()), store.put(small_analysis())
    assert gone(store, first)
    store.get(store.put(small_analysis(), pinned=True))
    assert len(store) == 1  # over the limit: only what was just put stays, and that is the example
    assert gone(store, second)
    store.close()


def test_use_prolongs_and_idleness_ends(store, now):
    token = store.put(small_analysis())
    now.seconds = 1700
    store.get(token)
    now.seconds = 3400
    store.get(token)
    now.seconds = 5201
    assert gone(store, token)
    assert len(store) == 0


def test_a_closed_tab_leaves_its_analysis_for_the_grace(store, now):
    mine, yours = store.put(small_analysis(), owner="a"), store.put(small_analysis(), owner="b")
    store.release("a")
    now.seconds = 119
    store.sweep()
    assert len(store) == 2
    now.seconds = 121
    store.sweep()
    assert len(store) == 1
    assert gone(store, mine)
    assert not gone(store, yours)


@pytest.mark.parametrize("unload_first", [True, False])
def test_a_reload_finds_its_analysis(store, now, unload_first):
    """The old page's farewell may arrive before or after the new page has asked."""
    token = store.put(small_analysis(), owner="before")
    if unload_first:
        store.release("before")
    store.get(token, owner="after")
    store.release("before")
    now.seconds = 1000
    assert not gone(store, token)


def test_of_two_tabs_the_last_one_counts(store, now):
    token = store.put(small_analysis(), owner="a")
    store.get(token, owner="b")
    store.release("a")
    now.seconds = 500
    store.sweep()
    assert len(store) == 1
    store.release("b")
    now.seconds = 621
    assert gone(store, token)


def test_a_shared_link_outlives_its_tab(store, now):
    token = store.put(small_analysis(), owner="a")
    store.share(token)
    store.release("a")
    store.put(small_analysis(), owner="a", replacing=token)
    store.drop(token)
    now.seconds = 1799
    store.sweep()
    assert len(store) == 1
    assert not gone(store, token)
    with pytest.raises(WsisError):
        store.share("guess")


def test_a_new_photo_replaces_the_old_but_no_example_and_no_other_tabs(store):
    example = store.put(small_analysis(), pinned=True)
    own = store.put(small_analysis(), owner="a", replacing=example)
    assert not gone(store, example)
    fresh = store.put(small_analysis(), owner="a", replacing=own)
    assert gone(store, own)
    store.get(fresh, owner="b")
    store.put(small_analysis(), owner="a", replacing=fresh)
    assert not gone(store, fresh)
    store.drop(example)
    assert not gone(store, example)


def test_what_a_session_left_stays_for_its_way_back(now):
    store = Store(past=2, every=3600, clock=lambda: now.seconds)
    token, tokens = None, []
    for _ in range(5):
        token = store.put(small_analysis(), owner="a", replacing=token)
        tokens.append(token)
    other = store.put(small_analysis(), owner="b")
    assert [token in store._entries for token in tokens] == [False, False, True, True, True]
    store.get(tokens[3], "a")  # back
    store.leave(tokens[4], "a")
    assert not any(gone(store, token) for token in tokens[2:])
    store.release("a")
    now.seconds = 121
    store.sweep()
    assert list(store._entries) == [other]
    store.close()


def test_what_is_left_makes_room_first_and_the_shared_stays(now):
    store = Store(limit=2, past=9, every=3600, clock=lambda: now.seconds)
    left = store.put(small_analysis(), owner="a")
    shown = store.put(small_analysis(), owner="a", replacing=left)
    store.put(small_analysis(), owner="b")
    assert gone(store, left)
    assert not gone(store, shown)
    store.share(shown)
    store.leave(shown, "a")
    assert not store.get(shown).left
    store.close()


def test_the_same_look_is_found_again_by_its_visitor_alone():
    store, analysis = Store(every=3600), small_analysis()
    token, other = store.put(analysis, owner="a"), replace(analysis.settings, window=5)
    assert store.same(analysis, analysis.settings, "a") == token
    assert store.same(analysis, other, "a") is store.same(analysis, analysis.settings, "b") is None
    assert store.same(small_analysis(), analysis.settings, "a") is None  # another photo
    fresh = store.put(replace(analysis, settings=other), owner="a", replacing=token)
    assert store.same(analysis, analysis.settings, "a") == token
    assert store.same(analysis, other, "a") == fresh
    example = store.put(replace(analysis, settings=replace(other, sigma=1)), pinned=True)
    assert store.same(analysis, replace(other, sigma=1), "b") == example
    store.close()


def test_closing_the_tab_mid_analysis_frees_its_memory(store, now):
    """The tab goes while the networks run: what comes of it is not kept longer than the grace."""
    running = store.put(small_analysis(), owner="a")
    store.release("a")
    finished = small_analysis()
    gone_for_good = weakref.ref(finished.evidence.image)
    store.put(finished, owner="a", replacing=running)
    del finished
    assert gone_for_good() is not None
    now.seconds = 121
    store.sweep()
    assert len(store) == 0
    assert gone_for_good() is None


def test_a_tab_that_was_only_cut_off_counts_again_when_it_asks(store, now):
    token = store.put(small_analysis(), owner="a")
    store.release("a")
    store.get(token, owner="a")
    fresh = store.put(small_analysis(), owner="a", replacing=token)
    now.seconds = 1000
    assert not gone(store, fresh)


def test_closed_sessions_are_forgotten_themselves(store, now):
    for number in range(5):
        store.release(str(number))
        now.seconds += 1000
    assert len(store._closed) <= 2
    store.release(None)


def test_memory_comes_back_though_nobody_asks():
    now, freed = SimpleNamespace(seconds=0.0), threading.Event()
    store = Store(seconds=10, every=0.01, clock=lambda: now.seconds)
    analysis = small_analysis()
    weakref.finalize(analysis.evidence.image, freed.set)
    store.put(analysis)
    del analysis
    assert not freed.is_set()
    now.seconds = 11
    assert freed.wait(10)
    store.close()


def test_the_thread_ends_with_the_store():
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "store"]

    before = threads()
    stores = [Store(every=0.01), Store(every=0.01)]
    stores[0].put(small_analysis())
    started = [thread for thread in threads() if thread not in before]
    assert len(started) == 2
    assert all(thread.daemon for thread in started)
    stores[0].close()
    assert len(stores[0]) == 0
    stores.clear()  # the second is only forgotten, not closed
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def test_many_threads_at_once(store):
    store._limit = 10

    def visit(number):
        token = None
        for _ in range(20):
            token = store.put(small, photo=str(number), owner=str(number), replacing=token)
            try:
                assert store.get(token, owner=str(number)).photo == str(number)
            except WsisError:
                token = None  # others needed the room
        store.release(str(number))

    small = small_analysis()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(visit, range(16)))
    assert len(store) <= 10


def test_bytes_are_those_of_all_arrays_and_each_counts_once():
    analysis = small_analysis()
    arrays = (analysis.maps, analysis.binary, analysis.terms, analysis.overlaps, analysis.thresholds)
    evidence, proposals = analysis.evidence, analysis.proposals
    arrays += (evidence.image, evidence.work, evidence.contours, evidence.class_maps.maps, evidence.class_maps.scores)
    least = sum(array.nbytes for array in arrays) + proposals.labels.nbytes + proposals.membership.nbytes
    vars(proposals).pop("membership_f32", None)  # measuring the terms has filled it
    before = held_bytes(analysis)
    assert least <= before <= least + 4096  # the peaks and ranks beside them are small
    cache = proposals.membership_f32
    assert held_bytes(analysis) == before + cache.nbytes
    assert held_bytes(replace(analysis)) == held_bytes([analysis, {"again": analysis}]) == before + cache.nbytes


def test_a_view_counts_as_all_that_it_holds():
    whole = np.zeros((100, 100))
    assert held_bytes((whole[:1], whole[5:], np.asarray(whole)[2])) == whole.nbytes
    assert held_bytes(("text", 3, None)) == 0


# --- glances --------------------------------------------------------------------------------------------------------


def small_glance(side: int = 100) -> Glance:
    analysis = small_analysis()
    return Glance(np.zeros((side, side, 3), np.uint8), analysis.evidence.work, analysis.evidence.class_maps, {})


def begun(store, owner, ticket=0) -> bool:
    try:
        return store.begun(owner, ticket) is not None
    except WsisError:
        return False


def test_a_session_has_one_glance_the_last(store):
    store.begin("a", 1, small_glance())
    store.begin("a", 2, small_glance())
    assert store.begun("a", 1) is None
    assert begun(store, "a", 2)
    store.finished("a", 1)
    assert begun(store, "a", 2)
    store.finished("a", 2)
    assert not begun(store, "a", 2)
    assert store.held == 0


def test_glances_count_among_the_bytes_and_the_oldest_go_first():
    store = Store(megabytes=1, every=3600)
    for number in range(5):
        store.begin(str(number), 0, small_glance(350))
    assert [begun(store, str(number)) for number in range(5)] == [False, False, False, True, True]
    token = store.put(small_analysis())
    assert not gone(store, token)
    assert store.held <= 2**20
    store.close()
    assert store.held == 0


def test_glances_are_bounded_in_number_and_time(store, now):
    for number in range(10):
        store.begin(str(number), 0, small_glance(16))
    assert sum(begun(store, str(number)) for number in range(10)) == store._limit
    now.seconds = 1801
    store.sweep()
    assert store.held == 0


def test_what_grew_by_its_caches_is_measured_anew(store):
    analysis = small_analysis()
    vars(analysis.proposals).pop("membership_f32", None)
    store.put(analysis)
    before = store.held
    cache = analysis.proposals.membership_f32
    store.sweep()
    assert store.held == before + cache.nbytes
