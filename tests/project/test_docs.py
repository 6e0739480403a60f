"""The pages for people: short where they should be, and what they point at is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.helpers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text)
    here = [(page.parent / place if place else page, anchor) for place, anchor in links if "://" not in place]
    assert not [str(place) for place, _ in here if not place.exists()]
    assert not [f"{place}{anchor}" for place, anchor in here if anchor and anchor[1:] not in _headings(place)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_shown_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {first or second for first, second in shown} <= targets


NAMED = re.findall(
    r"`([\w./-]+/[\w./-]*|[\w-]+\.\w+)(?:::([\w.]+))?`", (ROOT / "docs/house.md").read_text(encoding="utf-8")
)
"""Files and folders that the map of the house names, each with what is looked for in it."""


def test_the_map_names_what_it_should() -> None:
    assert len(NAMED) > 100
    assert {name for name, _ in NAMED} >= {
        "wsis/peaks.py",
        "train/icn.py",
        "wsis/explorer/stage/",
        "tests/project/test_docs.py",
    }


def test_the_rooms_are_the_layers_that_imports_are_held_to() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "The floors of the core")
    lines = re.findall(
        r"^\| (`wsis/[^|]*) \| [^|]* \|$", (ROOT / "docs/house.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    rooms = [{re.sub(r"^wsis/|/$|\.py$", "", name) for name in re.findall(r"`([^`]+)`", line)} for line in lines]
    assert rooms == [set(layer.split(" | ")) for layer in layers[:0:-1]]  # but for `__main__`


@pytest.mark.parametrize(("place", "name"), sorted(set(NAMED)), ids=lambda part: part)
def test_what_the_map_of_the_house_names_is_there(place: str, name: str) -> None:
    path = ROOT / place
    assert path.is_dir() if place.endswith("/") else path.is_file(), (
        f"docs/house.md names {place}, which is not there: say where it went, or take it out."
    )
    if name:
        there = _defined(ast.parse(path.read_text(encoding="utf-8")))
        assert name in there, f"docs/house.md names {name} in {place}, which has: {', '.join(sorted(there))}."


def _defined(module: ast.AST, before: str = "") -> set[str]:
    """Functions, classes, their methods as `Class.method`, and names that are assigned at the top of a file."""
    found = set()
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(before + node.name)
        if isinstance(node, ast.ClassDef):
            found |= _defined(node, f"{before}{node.name}.")
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {before + target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
