"""One reader a file format, each yielding ``(id, text)`` pairs; they stream all but TXT, Markdown and JSON."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from domain_adapt.corpus.sources.textfile import TextFile, field_hint, listed, open_bytes, whole_text
from domain_adapt.errors import DomainAdaptError

Rows = Iterator[tuple[str, str]]

_PARQUET_ROWS = 1024
# What a line of YAML can begin with. A Markdown file may also begin with a rule ("---"), and then prose follows.
_YAML_LINE = re.compile(r"\s|$|[#\]}]|- |[\w.\"'-]+[ \t]*:")
_FRONT_MATTER_ID = re.compile(r"^id:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)


def reader_for(path: Path) -> Callable[[TextFile], Rows] | None:
    """Returns the reader for a file's suffix (``.gz`` set aside), or None for a suffix that is not read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return _READERS.get(suffixes[-1]) if suffixes else None


def read(file: TextFile) -> Rows:
    """Yields ``(id, text)`` of each document in a file that has a reader.

    Raises:
        DomainAdaptError: If the file cannot be read; the message names the file and, where there are lines, the line.
    """
    reader = reader_for(file.path)
    assert reader is not None, file.path
    try:
        yield from reader(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DomainAdaptError(f"{file.shown}: corrupt gzip file: {error}") from error
    except OSError as error:
        raise DomainAdaptError(f"{file.shown}: cannot be read: {error.strerror or error}") from error


def _read_txt(file: TextFile) -> Rows:
    yield file.name, whole_text(file)


def _read_md(file: TextFile) -> Rows:
    """The whole file is one document; a front matter block is not text, but its ``id`` counts."""
    text = whole_text(file).replace("\r\n", "\n")
    front_matter, body = _split_front_matter(text)
    found = _FRONT_MATTER_ID.search(front_matter)
    yield (found.group(1) if found else file.name), body


def _split_front_matter(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    if lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], start=1):
            if line.rstrip() in ("---", "..."):
                return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
            if not _YAML_LINE.match(line):
                break
    return "", text


def _read_jsonl(file: TextFile) -> Rows:
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    row = json.loads(text)
                else:
                    continue
            except UnicodeDecodeError as error:
                raise file.error(number, f"not UTF-8: byte {error.start} of the line") from None
            except (json.JSONDecodeError, RecursionError) as error:
                raise file.error(number, f"not valid JSON: {error}") from None
            yield _from_json(file, row, number)


def _read_json(file: TextFile) -> Rows:
    """A list of objects or strings, or an object with such a list under ``data``."""
    try:
        value = json.loads(whole_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        several = "Extra data" in str(error)
        hint = "one object a line is JSON Lines: name the file .jsonl" if several else None
        raise file.error(line, f"not valid JSON: {error}", hint) from None
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise file.error(1, "expected a list of objects or strings, or an object with such a list under 'data'")
    for number, row in enumerate(rows, start=1):
        yield _from_json(file, row, f"item {number}")


def _from_json(file: TextFile, row: Any, place: int | str) -> tuple[str, str]:
    name = f"{file.name}:{place}"
    if isinstance(row, str):
        return name, row
    if not isinstance(row, dict):
        raise file.error(place, f"expected an object with the text in {file.text_field!r}, found {_kind(row)}")
    if file.text_field not in row:
        strings = [key for key, value in row.items() if isinstance(value, str)]
        raise file.error(place, f"no field {file.text_field!r}; found: {listed(row)}", field_hint(file, strings))
    text = row[file.text_field]
    if text is None:
        text = ""  # an empty document, dropped and counted with the short ones
    if not isinstance(text, str):
        raise file.error(place, f"field {file.text_field!r}: expected a string, found {_kind(text)}")
    identifier = row.get(file.id_field)
    return (str(identifier) if isinstance(identifier, str | int) else name), text


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _read_csv(file: TextFile) -> Rows:
    return _read_table(file, ",")


def _read_tsv(file: TextFile) -> Rows:
    return _read_table(file, "\t")


def _read_table(file: TextFile, delimiter: str) -> Rows:
    """Rows below a header; quotes inside a quoted field are doubled, a quoted field may span lines."""
    # A document is often longer than csv's 128 KiB; the limit is the module's only setting, hence of the process.
    csv.field_size_limit(sys.maxsize)
    with open_bytes(file) as stream:
        rows = csv.reader(_decoded_lines(file, stream), delimiter=delimiter, strict=True)
        header = _next_row(file, rows)
        if header is None:
            return
        if file.text_field not in header:
            problem = f"no column {file.text_field!r}; found: {listed(header)}"
            hint = field_hint(file, header)
            if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
                hint = "columns must be separated by commas in .csv and by tabs in .tsv"
            raise file.error(1, problem, hint)
        text_column = header.index(file.text_field)
        id_column = header.index(file.id_field) if file.id_field in header else None
        line = rows.line_num + 1
        while (row := _next_row(file, rows)) is not None:
            if row:  # csv gives an empty list for an empty line
                if len(row) != len(header):
                    raise file.error(line, f"expected {len(header)} columns as in the header, found {len(row)}")
                identifier = row[id_column] if id_column is not None else ""
                yield identifier or f"{file.name}:{line}", row[text_column]
            line = rows.line_num + 1


def _next_row(file: TextFile, rows: Any) -> list[str] | None:
    try:
        return cast("list[str] | None", next(rows, None))
    except csv.Error as error:
        hint = "a quote inside a quoted field must be doubled"
        raise file.error(rows.line_num, f"not valid {file.path.name}: {error}", hint) from None


def _decoded_lines(file: TextFile, stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise file.error(number, f"not UTF-8: byte {error.start} of the line") from None


def _read_parquet(file: TextFile) -> Rows:
    import pyarrow as pa  # some 0.2 s that other formats need not pay
    import pyarrow.parquet as pq

    with _seekable(file) as stream:
        try:
            parquet = pq.ParquetFile(stream)
            schema = parquet.schema_arrow
            _check_parquet_columns(file, schema)
            columns = [name for name in (file.text_field, file.id_field) if name in schema.names]
            number = 0
            for batch in parquet.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
                texts = batch.column(file.text_field).to_pylist()
                has_ids = file.id_field in columns
                identifiers = batch.column(file.id_field).to_pylist() if has_ids else [None] * len(texts)
                for identifier, text in zip(identifiers, texts, strict=True):
                    number += 1
                    yield (f"{file.name}:{number}" if identifier is None else str(identifier)), text or ""
        except pa.ArrowException as error:
            problem = str(error).splitlines()[0]
            raise DomainAdaptError(f"{file.shown}: not a readable Parquet file: {problem}") from None


def _check_parquet_columns(file: TextFile, schema: Any) -> None:
    import pyarrow.types as types

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))

    if file.text_field not in schema.names:
        texts = [field.name for field in schema if is_text(field.type)]
        problem = f"{file.shown}: no column {file.text_field!r}; found: {listed(schema.names)}"
        raise DomainAdaptError(problem, hint=field_hint(file, texts))
    kind = schema.field(file.text_field).type
    if not is_text(kind):
        raise DomainAdaptError(f"{file.shown}: column {file.text_field!r}: expected strings, found {kind}")


@contextmanager
def _seekable(file: TextFile) -> Iterator[IO[bytes]]:
    """Opens a file for random access; what is compressed goes through a temporary file on the disk first."""
    with open_bytes(file) as stream:
        if file.path.suffix.lower() != ".gz":
            yield stream
            return
        with tempfile.TemporaryFile() as plain:
            shutil.copyfileobj(stream, plain, 1 << 20)
            plain.seek(0)
            yield plain


_READERS: dict[str, Callable[[TextFile], Rows]] = {
    ".txt": _read_txt,
    ".md": _read_md,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
}
SUFFIXES = tuple(_READERS)
