from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers import ROOT

LISTS = ("requirements.txt", "train/requirements.txt", "requirements-cluster.txt", "requirements-dev.txt")
OPTIONAL = "requirements-heic.txt"
"""What the core uses where it is installed, and tests do not need."""
CLUSTER = ROOT / "wsis" / "jobs" / "cluster"
"""What only `wsis batch` uses, and what needs its list too."""
DISTRIBUTIONS = {  # where the import is named otherwise than the package
    "PIL": "pillow",
    "anyio": "gradio",
    "cv2": "opencv-python-headless",
    "huggingface_hub": "timm",
    "fsspec": "ray",
    "markdown_it": "markdown-it-py",
    "pillow_heif": "pillow-heif",
    "skimage": "scikit-image",
    "mpl_toolkits": "matplotlib",
    "pyarrow": "ray",
    "starlette": "gradio",
}


def _requirements(name: str) -> list[Requirement]:
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def _imported(files: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"app", "benchmarks", "train", "wsis"}


def test_browser_tests_wait_for_what_is_not_there_yet() -> None:
    """Playwright's own wait ends with an error if its predicate reads an element that the page has not drawn yet."""
    waits = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for_function"
    }
    assert waits == {"tests/helpers/browser_tools.py"}


@pytest.mark.parametrize("name", [*LISTS, OPTIONAL])
def test_every_requirement_has_a_lower_and_an_upper_bound(name: str) -> None:
    for requirement in _requirements(name):
        operators = {spec.operator for spec in requirement.specifier}
        assert operators == {">=", "<"}, requirement


@pytest.mark.parametrize("name", LISTS)
def test_what_is_installed_is_within_the_bounds(name: str) -> None:
    from importlib.metadata import version

    for requirement in _requirements(name):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        assert requirement.specifier.contains(version(requirement.name), prereleases=True), requirement


def test_core_imports_only_what_the_app_requires() -> None:
    required = {requirement.name for file in ("requirements.txt", OPTIONAL) for requirement in _requirements(file)}
    needed = {DISTRIBUTIONS.get(name, name) for name in _imported(_core(cluster=False))}
    assert needed <= required
    more = {requirement.name for requirement in _requirements("requirements-cluster.txt")}
    assert {DISTRIBUTIONS.get(name, name) for name in _imported(_core(cluster=True))} <= required | more


def test_app_puts_together_what_the_core_has() -> None:
    """It is no package, so `lint-imports` does not look at it."""
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name.partition(".")[0] for name in modules} & {"assets", "benchmarks", "tests", "train"}


def test_what_is_optional_is_imported_only_where_it_is_used() -> None:
    optional = {requirement.name for requirement in _requirements(OPTIONAL)}
    for file in (ROOT / "wsis").rglob("*.py"):
        at_once = [ast.unparse(node) for node in ast.parse(file.read_text(encoding="utf-8")).body]
        imports = [line for line in at_once if line.startswith(("import ", "from "))]
        assert not any(name.replace("-", "_") in line for name in optional for line in imports), file


def test_no_test_imports_another_test() -> None:
    for file in (ROOT / "tests").rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [name for name in modules if name.rpartition(".")[2].startswith("test_")], file


def _core(cluster: bool) -> list[Path]:
    return [file for file in (ROOT / "wsis").rglob("*.py") if (CLUSTER in file.parents) == cluster]


def test_wheel_lists_every_package_of_the_core() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "wsis").rglob("__init__.py")}
    assert listed == there | {"wsis._checkpoints"}
