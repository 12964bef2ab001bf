"""Readers of JSON Lines, JSON, CSV and TSV: many documents a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import Any, cast

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.compression import read_limited, shown_size
from domain_adapt.corpus.sources.encodings import decode
from domain_adapt.corpus.sources.fields import Fields
from domain_adapt.corpus.sources.lines import numbered_lines
from domain_adapt.corpus.sources.textfile import Item, Opened, Refused, listed


def read_jsonl(file: Opened) -> Iterator[Item]:
    """Yields one document a line that is not empty: an object or a string."""
    fields = Fields(file)
    for number, line in numbered_lines(file):
        name = f"{file.name}:{number}"
        if line is None:
            limit = shown_size(limits.MAX_DOCUMENT_BYTES)
            yield file.unreadable(name, "too large", f"line {number} has more than {limit}")
        elif line.strip():
            yield fields.document(_parsed(file, line, number), number, name)
    fields.check_seen()


def _parsed(file: Opened, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also of a number with thousands of digits
        raise file.error(line, f"not valid JSON: {error}") from None


def read_json(file: Opened) -> Iterator[Item]:
    """Yields the documents of a list of objects or strings, or of an object with such a list under ``data``."""
    text = decode(_json_bytes(file), file.file.encoding)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        several = "Extra data" in str(error)
        hint = "one object a line is JSON Lines: name the file .jsonl" if several else None
        raise file.error(line, f"not valid JSON: {error}", hint) from None
    del text
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise file.error(1, "expected a list of objects or strings, or an object with such a list under 'data'")
    fields = Fields(file)
    for number, row in enumerate(rows, start=1):
        place = f"item {number}"
        yield fields.document(row, place, f"{file.name}:{place}")
    fields.check_seen()


def _json_bytes(file: Opened) -> bytes:
    try:
        return read_limited(file.stream, limits.MAX_JSON_BYTES)
    except Refused as error:
        if error.reason != "too large":
            raise
        limit = shown_size(limits.MAX_JSON_BYTES)
        raise Refused("too large", f"a .json file of more than {limit}; .jsonl has no limit") from None


def read_csv(file: Opened) -> Iterator[Item]:
    """Yields one document a row; columns are separated by commas."""
    return _read_table(file, ",")


def read_tsv(file: Opened) -> Iterator[Item]:
    """Yields one document a row; columns are separated by tabs."""
    return _read_table(file, "\t")


def _read_table(file: Opened, delimiter: str) -> Iterator[Item]:
    """Rows below a header; quotes inside a quoted field are doubled, a quoted field may span lines."""
    # A document is often longer than csv's 128 KiB; the limit is the module's only setting, hence of the process.
    csv.field_size_limit(sys.maxsize)
    lines = _RowLines(file)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _next_row(file, rows, lines)
    if header is None:
        return
    fields = Fields(file)
    _check_header(file, fields, header)
    # Of columns with the same name the first counts.
    columns = {name: index for index, name in reversed(list(enumerate(header)))}
    names = [*fields.wanted, *([file.file.id_field] if file.file.id_field in columns else [])]
    wanted = {name: columns[name] for name in names}
    line = rows.line_num + 1
    while (row := _next_row(file, rows, lines)) is not None:
        if row:  # csv gives an empty list for an empty line
            if len(row) != len(header):
                raise file.error(line, f"expected {len(header)} columns as in the header, found {len(row)}")
            values = {name: row[index] for name, index in wanted.items()}
            yield fields.document(values, line, f"{file.name}:{line}")
        line = rows.line_num + 1


def _check_header(file: Opened, fields: Fields, header: list[str]) -> None:
    alone = len(header) == 1 and header[0] not in fields.wanted
    if alone and any(mark in header[0] for mark in ";\t|,"):
        problem = f"no column {fields.wanted[0]!r}; found: {listed(header)}"
        raise file.error(1, problem, "columns must be separated by commas in .csv and by tabs in .tsv")
    fields.check_columns(header, 1, header)


class _RowLines:
    """The lines of a table; more of them than a document may have are not given to one row.

    A quote that is never closed would otherwise take the rest of the file into memory.
    """

    def __init__(self, file: Opened) -> None:
        self._lines = numbered_lines(file)
        self._first = 1
        self._size = 0

    def begin_row(self) -> None:
        self._size = 0

    def __iter__(self) -> _RowLines:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self._first = number if self._size == 0 else self._first
        self._size += len(line or "")
        if line is None or self._size > limits.MAX_DOCUMENT_BYTES:
            limit = shown_size(limits.MAX_DOCUMENT_BYTES)
            raise Refused(
                "too large", f"the row in line {self._first} has more than {limit}; nothing behind it is read"
            )
        return line


def _next_row(file: Opened, rows: Any, lines: _RowLines) -> list[str] | None:
    lines.begin_row()
    try:
        return cast("list[str] | None", next(rows, None))
    except csv.Error as error:
        hint = "a quote inside a quoted field must be doubled"
        raise file.error(rows.line_num, f"not valid {file.shown.rpartition('/')[2]}: {error}", hint) from None
