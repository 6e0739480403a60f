"""`make audit`: what it asks about, and that only a service that answers gives a clean bill."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers import ROOT

SCRIPT = ROOT / ".ci" / "audit.py"
spec = importlib.util.spec_from_file_location("audit", SCRIPT)
audit = importlib.util.module_from_spec(spec)
sys.modules["audit"] = audit
spec.loader.exec_module(audit)

FAULTY = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1", "GHSA-x"], "fix_versions": ["9.9"], "description": ""}
ENTRY = {"package": "Pillow", "id": "CVE-2026-1", "reason": "Only for PSD files.", "review": date(2026, 6, 1)}


def service(faults=None, silent=(), canary=True):
    """As `audit.pip_audit`, with these faults by package, saying nothing of some packages."""

    def ask(packages, _):
        known = {**(faults or {}), "jinja2": [FAULTY]} if canary and list(packages) == ["jinja2"] else faults or {}
        return [
            {"name": name, "skip_reason": "not found"}
            if name in silent
            else {"name": name, "version": number, "vulns": known.get(name, [])}
            for name, number in packages.items()
        ]

    return ask


def test_it_asks_about_what_the_requirements_installed_and_nothing_else():
    wanted = [one for name in audit.LISTS for one in audit.requirements(name)]
    found = audit.installed(wanted)
    assert {canonicalize_name(one.name) for one in wanted} < set(found)
    assert {"markupsafe", "starlette", "pyarrow", "mcp"} <= set(found)  # below gradio, ray[data], gradio[mcp]
    assert "pip-audit" in found
    assert "vulture" not in found
    assert all(version(name).partition("+")[0] == number for name, number in found.items())


@pytest.mark.parametrize(
    ("text", "pattern"), [("no-such-package>=1,<2", "not installed"), ("numpy>=99,<100", "asked for")]
)
def test_what_is_not_installed_cannot_be_audited(text, pattern):
    with pytest.raises(audit.AuditError, match=pattern):
        audit.installed([Requirement(text)])


@pytest.mark.parametrize("text", ["a", "a>=1", "a<2", "a==1", "a~=1.0", "a>=1,<2,!=1.5"])
def test_a_loose_requirement_is_named(text):
    assert audit.unbounded([Requirement(text), Requirement("b>=1,<2")]) == [str(Requirement(text))]


def test_no_known_fault_is_clean(capsys):
    assert audit.main(service()) == 0
    assert "asked of pypi: 0 findings accepted, 0 open" in capsys.readouterr().out


@pytest.mark.parametrize("ask", [service(canary=False), service(silent=("pillow",)), service(silent=("jinja2",))])
def test_silence_is_not_clean(ask, capsys):
    assert audit.main(ask) == 2
    assert "THE AUDIT COULD NOT BE MADE" in capsys.readouterr().out


def test_no_network_is_not_clean(monkeypatch, capsys):
    def fails(packages, name):
        raise audit.AuditError(f"The service {name} did not answer: no network")

    assert audit.main(fails) == 2
    printed = capsys.readouterr().out
    assert "COULD NOT BE MADE" in printed
    assert "osv did not answer" in printed
    assert "clean" not in printed.lower()


def test_where_the_first_service_is_silent_the_second_is_asked(capsys):
    def ask(packages, name):
        return service()(packages, name) if name == "osv" else service(canary=False)(packages, name)

    assert audit.main(ask) == 0
    assert "asked of osv" in capsys.readouterr().out


def test_a_fault_is_open_until_it_is_accepted(monkeypatch, capsys):
    assert audit.main(service({"pillow": [FAULTY]})) == 1
    assert "PYSEC-2026-1, CVE-2026-1, GHSA-x; fixed in 9.9" in capsys.readouterr().out
    monkeypatch.setattr(audit, "accepted", lambda: [{**ENTRY, "review": date.max}])
    assert audit.main(service({"pillow": [FAULTY]})) == 0
    assert "Only for PSD files." in capsys.readouterr().out
    assert audit.main(service({"numpy": [FAULTY]})) == 1  # accepted for another package


def test_an_acceptance_ends_on_its_day():
    found = [audit.Finding("pillow", "1.0", ("PYSEC-2026-1", "CVE-2026-1"), ())]
    to_do, left = audit.open_findings(found, [ENTRY], date(2026, 5, 31))
    assert not to_do
    assert "until 2026-06-01" in left[0]
    to_do, left = audit.open_findings(found, [ENTRY], date(2026, 6, 1))
    assert not left
    assert "date of review" in to_do[0]
    assert "no version" in to_do[0]


@pytest.mark.parametrize("line", ['id = "CVE-1"', 'package = "a"\nid = "b"\nreason = " "\nreview = 2027-01-01'])
def test_an_acceptance_says_why_and_until_when(line, tmp_path):
    (tmp_path / "accepted.toml").write_text(f"[[accepted]]\n{line}\n")
    with pytest.raises(audit.AuditError, match="needs package, id, reason and review"):
        audit.accepted(tmp_path / "accepted.toml")


def test_the_list_of_acceptances_can_be_read():
    audit.accepted()


def test_pip_audits_own_words_are_understood(monkeypatch):
    from packaging.version import Version
    from pip_audit._format import JsonFormat
    from pip_audit._service import ResolvedDependency, SkippedDependency, VulnerabilityResult

    ids = ["PYSEC-2014-8", "CVE-2014-1402"]
    fault = VulnerabilityResult.create(ids, "temporary files", [Version("2.7.2")], None)
    result = {ResolvedDependency("jinja2", Version("2.4.1")): [fault]}
    done = type("Done", (), {"stderr": "Found 1 known vulnerability"})
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    done.stdout = JsonFormat(False, True).format(result, [])
    found = audit.findings({"jinja2": "2.4.1"}, "pypi")
    assert found == [audit.Finding("jinja2", "2.4.1", tuple(ids), ("2.7.2",))]
    done.stdout = JsonFormat(False, True).format({SkippedDependency("jinja2", "not found"): []}, [])
    with pytest.raises(audit.AuditError, match=r"does not name the known faults of jinja2 2\.4\.1: not found"):
        audit.findings({"jinja2": "2.4.1"}, "pypi")
    done.stdout, done.stderr = "", "Traceback\nConnectionError: no network"
    with pytest.raises(audit.AuditError, match="did not answer: ConnectionError: no network"):
        audit.pip_audit(dict([audit.CANARY]), "pypi")
