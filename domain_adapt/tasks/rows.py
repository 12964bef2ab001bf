"""From files that labels come in to rows: JSON, CSV, TSV, Parquet, CoNLL, brat; every complaint with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError, first_line
from domain_adapt.tasks import json_rows
from domain_adapt.tasks.brat import read_brat

Rows = Iterator[tuple[str, Any]]
_LONGEST_FIELD = 10_000_000  # characters; csv's own limit of 131,072 is less than a long article


def is_readable(path: Path) -> bool:
    """Tells by its name whether :func:`read_rows` reads the file."""
    return json_rows.is_json_file(path) or _suffix(path) in _READERS


def read_rows(path: Path) -> Rows:
    """Yields (place, row) of a file; what it is follows from its name.

    ``.json``, ``.jsonl`` and ``.ndjson`` are read as :func:`domain_adapt.tasks.json_rows.read_rows` does. ``.csv`` and
    ``.tsv`` need a header; a row is a dict of texts, its place ``file:line``. A row of ``.parquet`` is a dict, its
    place ``file: row 3``. ``.conll``, ``.iob``, ``.iob2`` and ``.bio`` hold a token a line, its tag last, and a blank
    line behind each text; a row is ``{"tokens", "tags"}``. ``.ann`` is brat's and is one row, as
    :func:`domain_adapt.tasks.brat.read_brat` says. All but Parquet may be packed (``.gz``).

    Raises:
        DomainAdaptError: If the name ends otherwise, or the file cannot be read; names file and line.
    """
    reader = _READERS.get(_suffix(path))
    if reader is None:
        if not json_rows.is_json_file(path):
            known = ", ".join([*json_rows.SUFFIXES, *_READERS])
            raise DomainAdaptError(f"{path}: expected a file ending in {known}")
        return json_rows.read_rows(path)
    return reader(path)


def _delimited(path: Path) -> Rows:
    csv.field_size_limit(_LONGEST_FIELD)
    delimiter = "\t" if _suffix(path) == ".tsv" else ","
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for values in lines:
            place = f"{path}:{lines.line_num}"
            if not values:
                continue
            if header is None:
                header = values
                if len(set(header)) < len(header):
                    raise DomainAdaptError(f"{place}: the header names a column twice: {', '.join(header)}")
                continue
            if len(values) != len(header):
                raise DomainAdaptError(f"{place}: {len(values)} values, but the header has {len(header)} columns")
            yield place, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise DomainAdaptError(f"{path}:{lines.line_num}: not valid: {error}") from error


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", row
    except FileNotFoundError:
        raise DomainAdaptError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise DomainAdaptError(f"{path}: not a Parquet file: {first_line(error)}") from error


def _conll(path: Path) -> Rows:
    tokens: list[str] = []
    tags: list[str] = []
    begin = 0
    for number, line in enumerate(_text(path).split("\n"), start=1):
        columns = line.split()
        if columns and columns[0] != "-DOCSTART-":
            if len(columns) < 2:
                raise DomainAdaptError(f"{path}:{number}: expected a token and its tag, found {line.strip()!r}")
            begin = begin if tokens else number
            tokens.append(columns[0])
            tags.append(columns[-1])
        elif tokens:
            yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}
            tokens, tags = [], []
    if tokens:
        yield f"{path}:{begin}", {"tokens": tokens, "tags": tags}


def _text(path: Path) -> str:
    raw = json_rows.read_bytes(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DomainAdaptError(f"{path}:{line}: not UTF-8 text") from error


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".parquet": _parquet,
    ".conll": _conll,
    ".iob": _conll,
    ".iob2": _conll,
    ".bio": _conll,
    ".ann": read_brat,
}
