"""`make audit`: known vulnerabilities of exactly what the requirements install here, by pip-audit.

Exit code 0: none, or each one is accepted in `.ci/audit-accepted.toml`; 1: something is to be done; 2: the audit could
not be made. Silence of a service is never taken for a clean bill: it must first name the faults of a package that is
known to have some.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LISTS = ("requirements.txt", "train/requirements.txt", "requirements-dev.txt", "requirements-cluster.txt")
ACCEPTED = Path(__file__).with_name("audit-accepted.toml")
CANARY = ("jinja2", "2.4.1")
"""A package with advisories from 2014 to 2025, which a service that answers must know."""
SERVICES = ("pypi", "osv")


class AuditError(Exception):
    """The audit could not be made; the message says why."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of an installed package.

    Attributes:
        package: its name.
        version: the installed one.
        names: identifiers of the vulnerability, the first as pip-audit calls it.
        fixed: versions without it.
    """

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]


def requirements(name: str) -> list[Requirement]:
    """The requirements of a file, one a line."""
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def unbounded(wanted: Iterable[Requirement]) -> list[str]:
    """Requirements without both a lower and an upper bound."""
    return [str(one) for one in wanted if {spec.operator for spec in one.specifier} != {">=", "<"}]


def installed(wanted: Iterable[Requirement]) -> dict[str, str]:
    """Versions by name of what some requirements brought along, with all that it needs in turn.

    Raises:
        AuditError: one of them is not installed, or in another version than is asked for.
    """
    found: dict[str, str] = {}
    open_ends = [(one, "") for one in wanted]
    seen: set[tuple[str, str]] = set()
    while open_ends:
        one, needed_by = open_ends.pop()
        name = canonicalize_name(one.name)
        try:
            there = distribution(name)
        except PackageNotFoundError as error:
            needed = f", which {needed_by} needs," if needed_by else ""
            raise AuditError(f"{name}{needed} is not installed: run make setup-dev first.") from error
        if not one.specifier.contains(there.version, prereleases=True):
            raise AuditError(f"{name} {there.version} is installed, but {one} is asked for: run make setup-dev first.")
        found[name] = Version(there.version).public  # a local build of PyTorch is audited as the release it is of
        for extra in ("", *one.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                below = (Requirement(text) for text in there.requires or ())
                open_ends += [
                    (next_one, name)
                    for next_one in below
                    if next_one.marker is None or next_one.marker.evaluate({"extra": extra})
                ]
    return dict(sorted(found.items()))


def pip_audit(packages: Mapping[str, str], service: str) -> list[dict[str, Any]]:
    """What a service says of packages in these versions: pip-audit's own list, one entry a package.

    Raises:
        AuditError: the service did not answer.
    """
    with TemporaryDirectory() as folder:
        listing = Path(folder) / "requirements.txt"
        listing.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
        command = [
            "-r",
            str(listing),
            "--no-deps",
            "--disable-pip",
            "--format",
            "json",
            "--aliases",
            "on",
            "--desc",
            "off",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *command, "--progress-spinner", "off",
             "--vulnerability-service", service, "--timeout", "30"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise AuditError(f"The service {service} did not answer: {said[-1][:300]}") from error


Ask = Callable[[Mapping[str, str], str], list[dict[str, Any]]]


def findings(packages: Mapping[str, str], service: str, ask: Ask = pip_audit) -> list[Finding]:
    """Known vulnerabilities of packages.

    Args:
        packages: version by name.
        service: one of `SERVICES`.
        ask: as `pip_audit`.

    Raises:
        AuditError: the service does not answer, does not know the canary's faults, or left a package out.
    """
    canary = ask(dict([CANARY]), service)
    if not any(one.get("vulns") for one in canary):
        why = next((one["skip_reason"] for one in canary if "skip_reason" in one), "it knows of none")
        raise AuditError(f"The service {service} does not name the known faults of {' '.join(CANARY)}: {why}.")
    answers = ask(packages, service)
    told = {canonicalize_name(one["name"]) for one in answers if "skip_reason" not in one}
    if untold := sorted(set(packages) - told):
        raise AuditError(f"The service {service} says nothing of {len(untold)} packages: {', '.join(untold)}.")
    return [
        Finding(one["name"], one["version"], (bad["id"], *bad.get("aliases", ())), tuple(bad.get("fix_versions", ())))
        for one in answers
        for bad in one["vulns"]
    ]


def accepted(file: Path = ACCEPTED) -> list[dict[str, Any]]:
    """Findings that somebody looked at and left: `[[accepted]]` with package, id, reason and review (a date).

    Raises:
        AuditError: an entry lacks one of them.
    """
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("accepted", [])
    for one in entries:
        whole = all(isinstance(one.get(key), str) and one[key].strip() for key in ("package", "id", "reason"))
        if not whole or not isinstance(one.get("review"), date) or set(one) != {"package", "id", "reason", "review"}:
            raise AuditError(f"{file.name}: an entry needs package, id, reason and review (a date) and has {one}.")
    return entries


def open_findings(
    found: Sequence[Finding], known: Sequence[Mapping[str, Any]], today: date
) -> tuple[list[str], list[str]]:
    """What is to be done, and what was looked at: one line each."""
    to_do, left = [], []
    for one in found:
        own = [
            k
            for k in known
            if canonicalize_name(k["package"]) == canonicalize_name(one.package) and k["id"] in one.names
        ]
        line = f"{one.package} {one.version}: {', '.join(one.names)}; fixed in {', '.join(one.fixed) or 'no version'}"
        due = [k for k in own if k["review"] > today]
        if due:
            left.append(f"{line}. Accepted until {due[0]['review']}: {due[0]['reason']}")
        else:
            to_do.append(f"{line}. {'Its date of review has come.' if own else 'Raise a lower bound, or accept it.'}")
    return to_do, left


def main(ask: Ask = pip_audit) -> int:
    """Check bounds, ask the services, print what they say."""
    wanted = [one for name in LISTS for one in requirements(name)]
    if loose := unbounded(wanted):
        print(f"Without a lower and an upper bound: {', '.join(loose)}")
        return 1
    try:
        known, packages = accepted(), installed(wanted)
    except AuditError as error:
        print(f"The audit could not be made. {error}")
        return 2
    reasons = []
    for service in SERVICES:
        try:
            found = findings(packages, service, ask)
        except AuditError as error:
            reasons.append(str(error))
            continue
        to_do, left = open_findings(found, known, date.today())
        for line in (*left, *to_do):
            print(line)
        print(f"{len(packages)} packages, asked of {service}: {len(left)} findings accepted, {len(to_do)} open.")
        return 1 if to_do else 0
    print("THE AUDIT COULD NOT BE MADE: nothing is known of the faults of the packages installed here.")
    print("\n".join(reasons))
    print(f"All {len(wanted)} requirements have both bounds; {len(packages)} packages are installed within them.")
    return 2


if __name__ == "__main__":
    sys.exit(main())
