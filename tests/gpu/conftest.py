"""Where the tests marked `gpu` run: on the CUDA card, or, with WSIS_GPU=rehearsal, on the processor in its place."""

from __future__ import annotations

import os

import pytest
import torch

from tests.helpers.trainers import write_data
from wsis.analysis import Evidence, Settings
from wsis.pipeline import Pipeline


@pytest.fixture(scope="session")
def device() -> str:
    """`cuda`, or `cpu` in a rehearsal; without either the test is skipped."""
    if os.environ.get("WSIS_GPU") == "rehearsal":
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA card; WSIS_GPU=rehearsal runs this on the processor")
    return "cuda"


@pytest.fixture(scope="session")
def here() -> Pipeline:
    """The embedded model on the processor: what the card is compared with."""
    return Pipeline.load(device="cpu")


@pytest.fixture(scope="session")
def there(device: str) -> Pipeline:
    """The embedded model on the device that is checked."""
    return Pipeline.load(device=device)


@pytest.fixture(scope="session")
def evidence(here: Pipeline, photo) -> Evidence:
    """What the processor sees in the photo; both sides go on from it, so that each step is compared by itself."""
    return here.observe(photo)


@pytest.fixture(scope="session")
def busy() -> Settings:
    """Several peaks of two classes."""
    return Settings(classes=("cat", "dog"), window=3, sigma=1.0, max_peaks=8)


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory):
    """Generated photos, labels and masks for every one of the trainers."""
    root = tmp_path_factory.mktemp("training")
    write_data(root)
    return root
