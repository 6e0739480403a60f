"""HTML from the files in `templates/`, the only place where tags are written; every value that they show is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from wsis.explorer import words

HERE = Path(__file__).parent / "templates"


class _Folded(jinja2.FileSystemLoader):
    """Templates whose lines may break and be indented where nobody should see it.

    A line break counts for nothing beside a tag or a mark of Jinja's, and as one space between words.
    """

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Any]:
        """The text of a template."""
        text, name, is_current = super().get_source(environment, template)
        folded = re.sub(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])", "", text.strip())
        return re.sub(r"\s*\n\s*", " ", folded), name, is_current


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(loader=_Folded(HERE), autoescape=True, undefined=jinja2.StrictUndefined)
    filters: dict[str, Callable[..., str]] = {
        "json": partial(json.dumps, default=astuple),
        "percent": words.percent,
        "short": words.short,
        "triple": words.triple,
        "unit": words.unit,
    }
    environment.filters |= filters
    environment.globals["count"] = words.count
    return environment


_ENVIRONMENT = _environment()


def render(template: str, **values: Any) -> Markup:
    """A template of `templates/`, filled; it stands as it is where another one shows it.

    Args:
        template: the file's name.
        values: what it shows; a name that it asks for and does not get is an error.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(values))


def part(template: str, name: str, *values: Any, **named: Any) -> Markup:
    """One macro of a template, filled.

    Args:
        template: the file's name.
        name: the macro's.
        values: its arguments.
        named: its arguments by name.
    """
    return getattr(_ENVIRONMENT.get_template(template).module, name)(*values, **named)
