"""From JSON files to rows: one object a line, or one list, ``.gz`` or not; every complaint with its place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError

SUFFIXES = (".json", ".jsonl", ".ndjson")


def is_json_file(path: Path) -> bool:
    """Tells by its name whether :func:`read_rows` reads the file."""
    return path.name.removesuffix(".gz").endswith(SUFFIXES)


def read_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (place, value): of each line of JSONL, of each entry of a ``.json`` list, or of the one value.

    Blank lines are skipped. The place is ``file:line``, ``file: [3]`` or the file.

    Raises:
        DomainAdaptError: If the name ends otherwise, or for the reasons of :func:`read_json_lines`.
    """
    if not is_json_file(path):
        raise DomainAdaptError(f"{path}: expected a .jsonl or .json file (or either with .gz)")
    if path.name.removesuffix(".gz").endswith(".json"):
        whole = _read_whole(path)
        if isinstance(whole, list):
            yield from ((f"{path}: [{index}]", row) for index, row in enumerate(whole))
            return
        if whole is not None:
            yield str(path), whole
            return
    yield from read_json_lines(path)


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (``file:line``, value) of a JSONL file, ``.gz`` or not.

    Raises:
        DomainAdaptError: If the file cannot be read or a line is not JSON in UTF-8.
    """
    # Lines are split on bytes: JSON strings may hold U+2028, which str.splitlines would take for a line end.
    for number, raw in enumerate(read_bytes(path).split(b"\n"), start=1):
        if not raw.strip():
            continue
        place = f"{path}:{number}"
        try:
            yield place, json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise DomainAdaptError(f"{place}: not UTF-8 text (byte {error.start} of the line)") from error
        except json.JSONDecodeError as error:
            raise DomainAdaptError(f"{place}: not valid JSON: {error.msg} (column {error.colno})") from error


def text_field(fields: Mapping[str, object], name: str, place: str) -> str:
    """Returns a field that has to be text.

    Raises:
        DomainAdaptError: If it is something else, or holds half a surrogate pair, which no tokenizer takes.
    """
    value = fields[name]
    if not isinstance(value, str):
        raise DomainAdaptError(f"{place}: field {name!r}: expected text, found {kind_of(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DomainAdaptError(f"{place}: field {name!r}: lone surrogate at character {error.start}") from error
    return value


def id_field(fields: Mapping[str, object], place: str) -> str:
    """Returns the field ``id`` as text.

    Raises:
        DomainAdaptError: If it is neither text nor a whole number, or is empty.
    """
    value = fields["id"]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise DomainAdaptError(f"{place}: field 'id': expected a text or a whole number, found {kind_of(value)}")
    return str(value)


def kind_of(value: object) -> str:
    """Returns a word for the type of a JSON value, and the value where it is short."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    if value is None:
        return "null"
    word = names.get(type(value), type(value).__name__)
    shown = repr(value)
    return f"{word} {shown}" if len(shown) <= 40 else word


def _read_whole(path: Path) -> Any:
    """Returns the JSON value that a file is, or None where it holds one value a line."""
    raw = read_bytes(path)
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DomainAdaptError(f"{path}:{line}: not UTF-8 text") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not raw.strip():
            return None
        raise DomainAdaptError(f"{path}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})") from error


def read_bytes(path: Path) -> bytes:
    """Returns the content of a file, unpacked if it ends in ``.gz``.

    Raises:
        DomainAdaptError: If it does not exist or cannot be read.
    """
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise DomainAdaptError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DomainAdaptError(f"{path}: cannot be read: {error}") from error
