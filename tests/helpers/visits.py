"""Visitors of an explorer that is not served, and what it counted of them."""

from __future__ import annotations

from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from wsis.explorer.server.turns import Visitor
from wsis.explorer.server.watch import Watch


def who(name: str, page: str = "") -> Visitor:
    """A visitor from the address `name`, on a page of that name or another."""
    return Visitor(page or name, name)


def request(page: str = "tab", host: str = "10.0.0.1") -> SimpleNamespace:
    """What the desk looks at of a request."""
    return SimpleNamespace(session_hash=page, client=SimpleNamespace(host=host))


def figures(watch: Watch) -> dict[str, float]:
    """What /metrics would say: `name/label` to value."""
    families = text_string_to_metric_families(watch.text().decode())
    return {
        one.name + "".join(f"/{value}" for value in one.labels.values()): one.value
        for family in families
        for one in family.samples
    }
