from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from wsis import provenance


def test_libraries_that_shape_results_are_those_that_are_imported() -> None:
    """What `versions` leaves out may be upgraded and old measurements would still be believed."""
    # They fetch files, check what people send, read numbers as they are, read options.
    beside = {"huggingface_hub", "pydantic", "safetensors", "typer"}
    imported, folder = set(), Path(provenance.__file__).parent
    cluster = {"ray", "pyarrow", "fsspec"}  # carry photos and results
    for file in folder.rglob("*.py"):
        if "explorer" not in file.parts:
            nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
            names = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
            names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
            imported |= {name.partition(".")[0] for name in names}
    foreign = imported - set(sys.stdlib_module_names) - {"wsis"}
    assert set(provenance.LIBRARIES.values()) == foreign - beside - cluster


def test_versions_of_another_build_of_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    own = provenance.versions()
    assert own["scipy"]
    assert own["scikit-image"]
    assert "unknown" not in own.values()
    monkeypatch.setitem(provenance.LIBRARIES, "opencv-of-another-build", "cv2")
    assert provenance.versions()["opencv-of-another-build"] == cv2.__version__
