"""What every test shares: one thread, fixed seeds, small random checkpoints, and where the real data lies."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import ssl
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Many small operations gain nothing from more threads, and each core has a worker of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pickle

import numpy as np
import pytest
import torch
from xdist.scheduler import LoadFileScheduling

from benchmarks.browser import program
from benchmarks.reliability import forks, small_model
from wsis import imports

forks.IMPORTED += ["tests.helpers.trainers", "tests.fuzz.doors"]
forks.IMPORTED += ["train.classifier", "train.contours", "train.objectness", "train.icn"]
gc.disable()  # until everything is imported, see `pytest_collection_finish`
# Every client reads the certificates that this machine trusts, a third of a second, and none of them needs one.
ssl.create_default_context = cache(ssl.create_default_context)

CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """A worker more than there are cores, for they often wait for a browser; each takes one to three gigabytes."""
    return min((os.cpu_count() or 1) + 1, 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What belongs together and has most slow tests first, so that no worker has much left when the others are done."""
    slow = Counter(_together(item.nodeid) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[_together(item.nodeid)])


def pytest_collection_finish() -> None:
    """What was imported is left out of collections from here on: each would walk through all of it."""
    imports.leave_alone()


def starts_ray(nodeid: str) -> bool:
    """Whether a test starts instances of Ray, which starve one another and whatever else runs."""
    return re.search(r"cluster/test_batch|test_survived\[batch_", nodeid) is not None


def _together(nodeid: str) -> str:
    """What a test shares a worker with: its file, or all that starts Ray."""
    return "Ray" if starts_ray(nodeid) else nodeid.partition("::")[0]


class OneFileOneWorker(LoadFileScheduling):
    """A file's tests stay on one worker, and so do all that start Ray."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneFileOneWorker:
    """For `--dist loadfile`, the only way in which these tests are spread."""
    return OneFileOneWorker(config, log)


@pytest.fixture(autouse=True)
def _no_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Playwright's loop runs in this thread from the first test in a browser on; to other tests it must not seem so."""
    if "browser" in request.fixturenames:
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with all six networks, untrained, on the smallest tested backbone."""
    return small_model.save(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """(300, 451, 3) uint8 RGB: scikit-image's cat."""
    import skimage.data

    return skimage.data.chelsea()


@pytest.fixture(scope="session")
def voc() -> Path:
    """The VOC2012 folder that WSIS_VOC names; without it the test is skipped."""
    folder = os.environ.get("WSIS_VOC")
    if not folder:
        pytest.skip("WSIS_VOC does not name a VOCdevkit/VOC2012 folder")
    return Path(folder)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with `prm_samples` and other sets that WSIS_DATA names; without it the test is skipped."""
    folder = os.environ.get("WSIS_DATA")
    if not folder:
        pytest.skip("WSIS_DATA does not name a data folder")
    return Path(folder)


@pytest.fixture
def quiet_lightning() -> Iterator[None]:
    """Lightning's advice on workers and devices is kept out of a training test."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def _object_store() -> Iterator[str]:
    from tests.helpers import s3

    with s3.server() as address:
        yield address


@pytest.fixture
def bucket(_object_store: str) -> str:
    """URI of an empty bucket of an S3 store on this machine."""
    from tests.helpers import s3

    return s3.new_bucket(_object_store)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium, see `benchmarks.browser.program`; without it, or without Playwright, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = program()
    if path is None:
        pytest.skip("no chromium on PATH or in WSIS_CHROMIUM")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield running
        running.close()


@pytest.fixture
def boom() -> Iterator[bytes]:
    """A pickle that must stay unopened."""
    from tests.helpers.pickled import Boom

    Boom.opened = False
    yield pickle.dumps(Boom())
    assert not Boom.opened
