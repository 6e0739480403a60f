"""Every fault is survived; and the checks of survival themselves fail where they should."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")
from benchmarks.reliability import faults
from benchmarks.reliability.faults import disks, results, server
from benchmarks.reliability.faults.outcome import NotHereError, Outcome, first_lines, judged, sentence
from benchmarks.reliability.faults.processes import Surroundings, segmenting
from wsis import files


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    yield faults.prepared(None, tmp_path_factory.mktemp("faults"))
    server.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", faults.FAULTS)
def test_survived(name, photos, tmp_path):
    told = faults.one(faults.FAULTS[name], tmp_path / name, photos)
    if told["survived"] is None:
        pytest.skip(told["said"])
    assert told["survived"], told["said"]


@pytest.mark.parametrize("name", faults.FAULTS)
def test_every_fault_says_what_it_is_and_what_is_expected(name):
    assert all(first_lines(faults.FAULTS[name])), name


# --- the checks themselves ------------------------------------------------------------------------------------------


def test_one_thing_that_does_not_hold_is_no_survival():
    assert judged("said", this=True, that=1) == Outcome(True, "said")
    assert judged("a\nb", exit_code_1=False, whole=True) == Outcome(False, "NOT exit code 1: a b")


def test_a_traceback_or_silence_is_no_sentence():
    assert sentence("Error: the disk is full.")
    assert not sentence(" \n")
    assert not sentence("Traceback (most recent call last):")
    assert not sentence("Exception ignored in: <x>")


@pytest.mark.parametrize("harm", ["cut", "pixel", "missing", "foreign", "list", "half"])
def test_what_is_not_whole_or_not_equal_is_seen(photos, tmp_path, harm):
    import json
    import shutil

    out = shutil.copytree(results.clean(photos)[0], tmp_path / "out")
    assert results.whole(out)
    assert results.equal(out, photos)
    png = next((out / "semantic").iterdir())
    if harm == "cut":
        os.truncate(png, png.stat().st_size - 20)
        assert not results.whole(out)
    elif harm == "pixel":
        from PIL import Image

        image = Image.open(png)
        image.putpixel((0, 0), 7)
        image.save(png)
    elif harm == "missing":
        png.unlink()
    elif harm == "foreign":
        (out / "semantic" / "x.tmp").write_bytes(b"")
        assert not results.whole(out)
    elif harm == "list":
        entries = results.entries(out)
        entries[0]["score"] += 1e-6
        (out / "instances.json").write_text(json.dumps(entries))
    else:
        (out / "semantic" / f".{'0' * 32}.part").write_bytes(b"")
        assert results.leftovers(out)
    assert not results.equal(out, photos)


def test_the_surroundings_are_what_they_say(photos, tmp_path):
    """A process without root's power, on a small disk, cannot write what another can."""
    try:
        with disks.small(tmp_path / "disk", 8192) as place:
            (place / "fits").write_bytes(bytes(4096))
            with pytest.raises(OSError, match="No space"):
                (place / "more").write_bytes(bytes(8192))
            assert not list((tmp_path / "disk").iterdir())  # seen from outside, nothing was written
    except NotHereError as error:
        pytest.skip(str(error))
    (tmp_path / "mine").mkdir(mode=0o500)
    with segmenting(
        tmp_path, photos, "--out", tmp_path / "mine" / "out", surroundings=Surroundings(powerless=True)
    ) as running:
        assert running.ended() == 2
        assert "Permission denied" in running.err


# --- the page -------------------------------------------------------------------------------------------------------


def figures(*survived):
    return {
        "faults": [{"what": "a|b", "expected": "e", "said": f"s{i}", "survived": s} for i, s in enumerate(survived)]
    }


@pytest.mark.parametrize(
    ("survived", "got", "held"),
    [
        ((True, True), "2 injected, 2 survived", True),
        ((True, False), "2 injected, 1 survived", False),
        ((True, None), "1 injected, 1 survived; 1 cannot be injected on this machine", True),
        ((None,), "0 injected, 0 survived; 1 cannot be injected on this machine", False),
    ],
)
def test_the_row_counts(survived, got, held):
    (row,) = faults.rows(figures(*survived))
    assert (row.got, row.held) == (got, held)


def test_the_table_shows_failures():
    text = faults.details(figures(True, False, None))
    assert text.count("\n") == 4
    assert "**failed:** s1" in text
    assert "*not injected:* s2" in text


def test_a_run_injects_cleans_up_and_counts_what_goes_wrong(monkeypatch, tmp_path):
    def survives(workdir: Path, photos: Path) -> Outcome:
        """One.

        survives
        """
        return judged(f"{workdir}/x", photos=len(list(photos.iterdir())) == faults.PHOTOS)

    def breaks(workdir: Path, photos: Path) -> Outcome:
        """Two.

        breaks
        """
        raise KeyError("x")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(faults, "FAULTS", {"survives": survives, "breaks": breaks, "slow": breaks})
    monkeypatch.setattr(faults, "SLOW", {"slow"})
    found = faults.run(None, quick=True)["faults"]
    assert [(one["survived"], one["said"]) for one in found] == [(True, "x"), (False, "unexpected KeyError: 'x'")]
    assert len(faults.run(None, quick=False)["faults"]) == 3
    assert not list(tmp_path.iterdir())


def test_half_files_of_a_killed_process_go_and_those_of_a_living_one_stay(tmp_path):
    old, young = tmp_path / f".{'0' * 32}.part", tmp_path / f".{'1' * 32}.part"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    files.write(tmp_path / "result.json", "{}")
    assert not old.exists()
    assert young.exists()
    assert (tmp_path / "result.json").read_text() == "{}"
