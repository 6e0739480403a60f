"""The embedded model with photos looked at smaller: the same networks and kinds of results, for a third less work."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.reliability import small_model

ROOT = Path(__file__).parents[3]
NAME = "voc-lite"


def sure(photos: Path) -> Path:
    """The photo, of a cat, in which it finds something at that size that it does not call unsure."""
    return sorted(photos.iterdir())[1]


@cache
def folder() -> Path:
    """Its checkpoint, a copy that this process keeps until its end."""
    home = Path(tempfile.mkdtemp(prefix="wsis-faults-model-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    made = Path(shutil.copytree(ROOT / "checkpoints" / NAME, home / NAME))
    config = json.loads((made / "config.json").read_text())
    modules = config["modules"]
    modules["classifier"]["options"]["sizes"] = small_model.SIZES
    modules["contours"]["options"]["size"] = small_model.CONTOUR_SIZE
    (made / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return made
