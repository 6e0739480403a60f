"""Nothing that is read may run, and packages are pinned. What each stands against is in SECURITY.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers import ROOT

REQUIREMENTS = ("requirements.txt", "train/requirements.txt", "requirements-dev.txt", "requirements-cluster.txt")
SOURCES = sorted([*(ROOT / "wsis").rglob("*.py"), ROOT / "app.py"])

# --- nothing that is read may run ------------------------------------------------------------------------------------

RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "breakpoint", "torch.load", "torch.hub.load", "torch.jit.load",
    "os.system", "os.popen", "numpy.fromregex", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
}  # fmt: skip
RUNS_CODE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "subprocess",
    "yaml",
}
ASKS_FIRST = {"numpy.load": "allow_pickle", "numpy.save": "allow_pickle"}
"""Calls that must say no by name: what a default says may change."""
STARTS = {"wsis/teaching/deep.py": ["deep.py: imports subprocess"]}
"""What starts a program: Python itself with the project's trainer, without a shell."""


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the full name of what is called, whatever it was imported as."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                one.asname or one.name.partition(".")[0]: one.name if one.asname else one.name.partition(".")[0]
                for one in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield f"{names.get(first, first)}.{rest}".rstrip("."), node


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def runs_code(file: Path) -> list[str]:
    """What in a source file could run what it reads."""
    found = [f"{file.name}: imports {name}" for name in sorted(imports(file) & RUNS_CODE_MODULES)]
    for name, call in calls(file):
        flag = next((one.value for one in call.keywords if one.arg == ASKS_FIRST.get(name)), None)
        refused = isinstance(flag, ast.Constant) and flag.value is False
        if name in RUNS_CODE or (name in ASKS_FIRST and not refused):
            found.append(f"{file.name}:{call.lineno}: {name}")
        if any(one.arg == "shell" and ast.unparse(one.value) != "False" for one in call.keywords):
            found.append(f"{file.name}:{call.lineno}: shell")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_that_is_read_may_run(file):
    assert runs_code(file) == STARTS.get(file.relative_to(ROOT).as_posix(), [])


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from joblib import load", "import torch as t; t.load(f)", "from torch import load as l; l(f)",
        "import numpy as np; np.load(f)", "import numpy as np; np.load(f, allow_pickle=True)", "eval(x)",
        "from numpy import load; load(f, allow_pickle=flag)", "import yaml", "run(x, shell=True)",
    ],
)  # fmt: skip
def test_the_check_of_sources_sees_what_it_looks_for(line, tmp_path):
    (tmp_path / "a.py").write_text(line)
    assert runs_code(tmp_path / "a.py")


def test_what_a_visitor_says_names_no_model_and_no_folder():
    """The page and the API know analyses and sets by tokens, photos by uploads, and models by names of the menu."""
    for name in ("handlers", "acts", "api", "files", "store", "visit"):
        source = (ROOT / "wsis" / "explorer" / f"{name}.py").read_text()
        assert not re.search(r"Pipeline\.load|checkpoints\.(load|find)|read_safetensors", source), name


# --- packages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_is_a_pinned_range(name):
    lines = [line.strip() for line in (ROOT / name).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    assert lines
    for line in lines:
        requirement = Requirement(line)  # no option, no other index, no file
        assert requirement.url is None, line
        assert sorted(one.operator for one in requirement.specifier) == ["<", ">="], line
