"""Labels in a table: a row a photo, with the names of its classes in one cell or with a column a class.

Label Studio's CSV is such a table too, with its own columns beside, and with several choices as JSON in a cell.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from wsis import photo_names
from wsis.errors import WsisError
from wsis.image import SUFFIXES
from wsis.labels import label_studio
from wsis.labels.listing import Entry, Listing, listing, short, tidy

PHOTO = ("image", "photo", "file", "filename", "file_name", "image_path", "path", "img", "name", "image_id", "id")
"""What the column of photos is called, the likeliest first; otherwise it is the first that holds names of photos."""
NAMES = ("labels", "label", "classes", "class", "categories", "category", "tags", "tag", "present", "class_name")
YES, NO, UNKNOWN = ("1", "1.0", "true", "yes", "y"), ("0", "0.0", "false", "no", "n"), ("", "?", "nan", "na", "n/a")
SEPARATORS = "|;,"


def read(file: Path, content: bytes) -> Listing:
    """Labels of a CSV or TSV file, with or without a header, with commas, semicolons or tabs.

    Args:
        file: its name, for sentences.
        content: its bytes.

    Raises:
        WsisError: it is no table, or a column cannot be understood.
    """
    header, rows = _rows(file, content)
    photo = _photo_column(file, header, rows)
    others = [i for i in range(len(header)) if i != photo]
    plain = [name.lower() for name in header]
    if set(plain) >= label_studio.META:
        choices = [i for i in others if plain[i] not in label_studio.COLUMNS]
        kind, entries = (
            "Label Studio's CSV",
            [
                Entry(label_studio.spellings(row[photo]), frozenset(_choices(row, choices)))
                for row in rows
                if row[photo]
            ],
        )
        return listing(kind, entries)
    named = next((i for name in NAMES for i in others if plain[i] == name), None)
    if named is None and len(others) == 1 and not all(_answer(row[others[0]]) is not Ellipsis for row in rows):
        named = others[0]
    if named is not None:
        left = [header[i] for i in others if i != named]
        notes = [f"Columns that name no class are left out: {', '.join(map(short, left[:5]))}."] if left else []
        return listing("a table with the names of classes", _named(rows, photo, named, len(header)), notes=notes)
    if not others:
        raise WsisError(f"{file.name} has one column only; expected photos, and the classes that they show.")
    classes = [tidy(header[i]) for i in others]
    if len(set(classes)) < len(classes) or not all(classes):
        raise WsisError(f"{file.name} has a column without a name, or two of one name; each class has one column.")
    return listing("a table with a column a class", _wide(file, header, rows, photo, others), classes)


def write(photos: Sequence[str], target: np.ndarray, weight: np.ndarray, classes: Sequence[str]) -> str:
    """Labels as a table with a column a class, which `read` reads.

    Args:
        photos: N names.
        target: (N, C), at least .5 where the class is shown.
        weight: (N, C), 0 where nobody knows.
        classes: C names.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["image", *classes])
    for name, shown, known in zip(photos, target, weight, strict=True):
        writer.writerow([name, *("" if not k else int(t >= 0.5) for t, k in zip(shown, known, strict=True))])
    return out.getvalue()


def _rows(file: Path, content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows, each row at least as long as the header; without a header, one is made up."""
    text = photo_names.text(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;,", key=lambda sign: (_outside_quotes(first).count(sign), sign == ","))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise WsisError(
            f"{file.name} is no table, about line {reader.line_num}: {error}. Is a quote open there, or before?"
        ) from error
    if not rows or "\0" in text[:1000]:
        raise WsisError(f"{file.name} is empty, or no table of text.")
    header = ["image", "labels"] if _is_photo(rows[0][0]) else rows.pop(0)
    if not rows:
        raise WsisError(f"{file.name} has a header, but no row.")
    return header, [row + [""] * (len(header) - len(row)) for row in rows]


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _photo_column(file: Path, header: list[str], rows: list[list[str]]) -> int:
    sample = rows[:50]
    holding = [i for i in range(len(header)) if sum(_is_photo(row[i]) for row in sample) > len(sample) / 2]
    called = [i for name in PHOTO for i, column in enumerate(header) if column.lower() == name]
    found = next((i for i in called if i in holding), None)
    found = holding[0] if found is None and holding else found
    found = called[0] if found is None and called else found
    if found is None:
        raise WsisError(
            f"{file.name} has no column of photos; its columns are {short(', '.join(header))}. Call one 'image'."
        )
    return found


def _is_photo(text: str) -> bool:
    return any(text.lower().split("?")[0].endswith(suffix) for suffix in SUFFIXES)


def _named(rows: list[list[str]], photo: int, named: int, width: int) -> Iterator[Entry]:
    """A cell of names a photo; cells beyond the header are further names, as of commas that nobody quoted."""
    cells = [[row[named], *row[width:]] for row in rows]
    separator = next((sign for sign in SEPARATORS if any(sign in cell for row in cells for cell in row)), None)
    for row, written in zip(rows, cells, strict=True):
        parts = [part for cell in written for part in (cell.split(separator) if separator else [cell])]
        if row[photo]:
            yield Entry((row[photo],), frozenset(filter(None, map(tidy, parts))))


def _wide(file: Path, header: list[str], rows: list[list[str]], photo: int, columns: list[int]) -> Iterator[Entry]:
    names = {i: tidy(header[i]) for i in columns}
    for number, row in enumerate(rows, 2):
        answers = {i: _answer(row[i]) for i in columns}
        odd = next((i for i, answer in answers.items() if answer is Ellipsis), None)
        if odd is not None:
            raise WsisError(
                f"{file.name}, row {number}: the column '{short(header[odd])}' holds '{short(row[odd])}'. A class's "
                "column holds 1, 0 or nothing; delete the others, or put the names of classes into one called 'labels'."
            )
        if row[photo]:
            yield Entry(
                (row[photo],),
                frozenset(names[i] for i, answer in answers.items() if answer is True),
                frozenset(names[i] for i, answer in answers.items() if answer is False),
            )


def _answer(cell: str) -> object:
    """True, False, None where nobody knows, and Ellipsis where it is none of that."""
    cell = cell.lower()
    return True if cell in YES else False if cell in NO else None if cell in UNKNOWN else ...


def _choices(row: list[str], columns: list[int]) -> Iterator[str]:
    for i in columns:
        try:
            content = json.loads(row[i]) if row[i][:1] in "[{" and row[i] else row[i]
        except ValueError:
            content = row[i]
        yield from label_studio.chosen(content)
