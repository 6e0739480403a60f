"""Work on many photos in several processes: their order, and their end when whoever started them is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks.reliability import forks
from train import workers


def loaded():
    return 10


def work(ten, item):
    return ten * item


def written(folder, _item):
    (folder / str(os.getpid())).touch()
    time.sleep(0.2)


class _Folder:
    """Loads a folder as the networks."""

    def __init__(self, place):
        self.place = place

    def __call__(self):
        return self.place


def start(place):
    list(workers.over(range(1000), written, _Folder(place), 2))


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_come_in_order_and_stderr_says_how_far_it_is(processes, capfd):
    assert list(workers.over(range(50), work, loaded, processes)) == list(range(0, 500, 10))
    assert capfd.readouterr().err.count(" of 50 photos") == 2


def there(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked for in Linux's /proc")
def test_they_end_with_who_started_them(tmp_path):
    process = forks.context().Process(target=start, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 120
    while len(numbers := [int(file.name) for file in tmp_path.iterdir()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(map(there, numbers))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while any(map(there, numbers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
