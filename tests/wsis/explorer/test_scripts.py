"""The page's scripts and styles as files: all of them on the page, short, and checked by `make lint`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT
from wsis.explorer import layout

EXPLORER = Path(layout.__file__).parent
TOOLS = ROOT / "tools"
MOST_LINES, MOST_COLUMNS = 300, 120


def files(kind: str) -> list[Path]:
    """Those of the page; what lies with the templates belongs to pages of its own."""
    return sorted(path for path in EXPLORER.rglob(f"*.{kind}") if path.parent.name != "templates")


SCRIPTS = files("js")


def names(path: Path) -> list[str]:
    """What a script gives to those after it."""
    return re.findall(r"^(?:const|let|var|class|function|async function) (\w+)", path.read_text(encoding="utf-8"), re.M)


def test_every_script_and_stylesheet_is_on_the_page_once():
    for kind, listed in (("js", layout.SCRIPTS), ("css", layout.STYLES)):
        assert sorted(listed) == sorted(str(path.relative_to(EXPLORER).with_suffix("")) for path in files(kind))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_asks_for_its_types_to_be_checked(path):
    assert path.read_text(encoding="utf-8").startswith("// @ts-check\n// ")


def test_every_name_is_given_by_the_script_called_so():
    given = {name: path.stem for path in SCRIPTS for name in names(path)}
    assert len(given) == sum(len(names(path)) for path in SCRIPTS)
    assert {name.lower(): file for name, file in given.items()} == {
        path.stem: path.stem for path in SCRIPTS if path.stem != "api"
    }


@pytest.mark.parametrize("kind", ["js", "ts", "css", "html", "svg"])
def test_files_and_lines_are_short(kind):
    for path in EXPLORER.rglob(f"*.{kind}"):  # those of the reports too
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= MOST_LINES, path.name
        for number, line in enumerate(lines, 1):
            assert len(line) <= MOST_COLUMNS, f"{path.name}:{number}"


def test_what_checks_them_is_pinned():
    wanted = json.loads((TOOLS / "package.json").read_text())["devDependencies"]
    locked = json.loads((TOOLS / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert locked[f"node_modules/{name}"]["version"] == version
    assert not any(
        "resolved" in package and "registry.npmjs.org" not in package["resolved"] for package in locked.values()
    )


def test_types_stay_out_of_the_page_and_the_package():
    types = sorted(path.name for path in EXPLORER.rglob("*.d.ts"))
    assert types == [
        f"{name}.d.ts" for name in ("config", "hands", "messages", "packed", "proposals", "rated", "tabs", "types")
    ]
    assert (
        ".ts"
        not in (ROOT / "pyproject.toml").read_text().partition("[tool.setuptools.package-data]")[2].partition("[")[0]
    )
