"""A folder of generated scenes with their masks, as a VOC devkit."""

from __future__ import annotations

import pytest

from tests.helpers.scenes import write_scenes
from wsis import photo_sets


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    root = tmp_path_factory.mktemp("kit")
    write_scenes(root, *photo_sets.LAYOUTS[0])
    return root
