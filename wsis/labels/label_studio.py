"""Label Studio's exports of image classification: JSON, JSON-MIN, and what a cell of its CSV holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.labels.listing import Entry, Listing, listing, tidy

META = frozenset(("annotation_id", "annotator", "lead_time"))
"""Columns by which a table is known as Label Studio's."""
COLUMNS = frozenset((*META, "id", "created_at", "updated_at", "agreement", "history", "inner_id"))
"""Columns that are no choice."""
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What an uploaded file's name begins with."""


def read(tasks: list[Any]) -> Listing:
    """Labels of an exported list of tasks.

    Several people may have annotated a task: what only some of them saw is contradicting. A task that was skipped, or
    that nobody annotated, says nothing.

    Raises:
        WsisError: it is no such list, or nothing in it was annotated.
    """
    entries: list[Entry] = []
    open_tasks = 0
    for task in tasks:
        if not isinstance(task, dict):
            raise WsisError("The JSON is a list, but not of Label Studio's tasks.")
        names = _photo(task)
        if not names:
            raise WsisError("A task of the Label Studio export names no photo in its data; export an image project.")
        answers = [frozenset(answer) for answer in _answers(task)]
        every = frozenset().union(*answers)
        open_tasks += not answers
        entries += [Entry(names, answer, None if len(answers) == 1 else every - answer) for answer in answers]
        if len(answers) > 1:  # what none of them saw
            entries.append(Entry(names, frozenset.intersection(*answers)))
    if not entries:
        raise WsisError("No task of the Label Studio export is annotated.")
    notes = [f"{open_tasks} task{'s' * (open_tasks > 1)} without an answer left out."] if open_tasks else []
    return listing("Label Studio's JSON", entries, notes=notes)


def chosen(content: Any) -> Iterator[str]:
    """Names of classes in what an annotation's `value`, a JSON-MIN field or a cell of the CSV holds."""
    if isinstance(content, str):
        yield from [tidy(content)] if tidy(content) else []
    elif isinstance(content, list):
        for part in content:
            yield from chosen(part)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key == "choices" or key.endswith("labels"):
                yield from chosen(value)


def spellings(address: str) -> tuple[str, ...]:
    """How the file behind an address in a task may be called.

    An upload is `/data/upload/1/8hexdigits-NAME`, a file of a local storage `/data/local-files/?d=FOLDER/NAME`; others
    are URLs of the web or of a cloud.
    """
    try:
        url = urlsplit(address) if "://" in address or address.startswith("/data/") else None
    except ValueError:  # such as a host in one bracket
        url = None
    path = address if url is None else next(iter(parse_qs(url.query).get("d", [])), None) or unquote(url.path)
    name = re.split(r"[\\/]", path)[-1]
    bare = _UPLOADED.sub("", name, count=1)
    return tuple(dict.fromkeys((path, name, bare)))


def _photo(task: dict[str, Any]) -> tuple[str, ...]:
    """Spellings of a task's photo: the first of its data that ends like one, else `file_upload`."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    texts = [value for value in data.values() if isinstance(value, str)]
    texts += [task["file_upload"]] if isinstance(task.get("file_upload"), str) else []
    for text in texts:
        names = spellings(text)
        if Path(names[0]).suffix.lower() in SUFFIXES:
            return names
    return ()


def _answers(task: dict[str, Any]) -> Iterator[list[str]]:
    if "annotations" not in task and "completions" not in task:  # JSON-MIN: fields beside the photo
        fields = {
            key: value
            for key, value in task.items()
            if key not in COLUMNS and not (isinstance(value, str) and Path(value).suffix.lower() in SUFFIXES)
        }
        yield [name for value in fields.values() for name in chosen(value)]
        return
    for annotation in _list(task.get("annotations", task.get("completions"))):
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            values = [result.get("value") for result in _list(annotation.get("result")) if isinstance(result, dict)]
            yield [name for value in values if isinstance(value, dict) for name in chosen(value)]


def _list(content: Any) -> list[Any]:
    if content is not None and not isinstance(content, list):
        raise WsisError(f"The Label Studio export is damaged: expected a list of answers, got {content!r:.100}.")
    return content or []
