"""From files to raw question records: flat JSONL and nested SQuAD JSON, every complaint with its place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError

FLAT_SCHEMA = '{"id", "context", "question", "answers": {"text": [...], "answer_start": [...]}}'
NESTED_SCHEMA = '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'


@dataclass(frozen=True)
class Record:
    """A question as the file has it: offsets not checked yet.

    Attributes:
        place: ``file:line`` or ``file: data[0].paragraphs[2].qas[1]``.
        answers: (text, answer_start) of every accepted answer.
    """

    place: str
    id: str
    question: str
    context: str
    title: str
    answers: tuple[tuple[str, int], ...]


def read_records(path: Path) -> Iterator[Record]:
    """Yields the questions of one file; ``.gz`` is unpacked, blank lines are skipped.

    Raises:
        DomainAdaptError: Names file and line, or the path inside a nested file, and what was expected.
    """
    name = path.name.removesuffix(".gz")
    if not name.endswith((".json", ".jsonl", ".ndjson")):
        raise DomainAdaptError(f"{path}: expected a .jsonl or .json file (or either with .gz)")
    if name.endswith(".json"):
        whole = _read_whole(path)
        if isinstance(whole, dict) and "data" in whole:
            yield from _nested(whole["data"], str(path))
            return
        if isinstance(whole, list):
            for index, row in enumerate(whole):
                yield parse_record(row, f"{path}: [{index}]")
            return
        if whole is not None:
            yield parse_record(whole, str(path))
            return
    for place, row in read_json_lines(path):
        if isinstance(row, dict) and "data" in row and "context" not in row:  # nested SQuAD under the wrong name
            yield from _nested(row["data"], place)
        else:
            yield parse_record(row, place)


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (``file:line``, value) of a JSONL file, ``.gz`` or not.

    Raises:
        DomainAdaptError: If the file cannot be read or a line is not JSON in UTF-8.
    """
    # Lines are split on bytes: JSON strings may hold U+2028, which str.splitlines would take for a line end.
    for number, raw in enumerate(_read_bytes(path).split(b"\n"), start=1):
        if not raw.strip():
            continue
        place = f"{path}:{number}"
        try:
            yield place, json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise DomainAdaptError(f"{place}: not UTF-8 text (byte {error.start} of the line)") from error
        except json.JSONDecodeError as error:
            raise DomainAdaptError(f"{place}: not valid JSON: {error.msg} (column {error.colno})") from error


def parse_record(row: object, place: str, *, inherited: Mapping[str, object] | None = None) -> Record:
    """Returns a checked record of ``row``; ``inherited`` adds the fields that stand higher up in a nested file.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    schema = NESTED_SCHEMA if inherited is not None else FLAT_SCHEMA
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {schema}, found {_kind(row)}")
    fields = {**(inherited or {}), **row}
    for name in ("id", "context", "question", "answers"):
        if name not in fields and not (name == "answers" and fields.get("is_impossible") is True):
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {schema}")
    identifier = fields["id"]
    if isinstance(identifier, bool) or not isinstance(identifier, str | int) or identifier == "":
        raise DomainAdaptError(f"{place}: field 'id': expected a text or a whole number, found {_kind(identifier)}")
    # SQuAD 2.0 marks unanswerable questions; what stands in their plausible_answers is not an answer.
    impossible = fields.get("is_impossible") is True
    title = fields.get("title")
    return Record(
        place=place,
        id=str(identifier),
        question=text_field(fields, "question", place),
        context=text_field(fields, "context", place),
        title=title if isinstance(title, str) else "",
        answers=() if impossible else _answers(fields["answers"], place),
    )


def text_field(fields: Mapping[str, object], name: str, place: str) -> str:
    """Returns a field that has to be text.

    Raises:
        DomainAdaptError: If it is something else, or holds half a surrogate pair, which no tokenizer takes.
    """
    value = fields[name]
    if not isinstance(value, str):
        raise DomainAdaptError(f"{place}: field {name!r}: expected text, found {_kind(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DomainAdaptError(f"{place}: field {name!r}: lone surrogate at character {error.start}") from error
    return value


def _answers(value: object, place: str) -> tuple[tuple[str, int], ...]:
    """Reads ``{"text": [...], "answer_start": [...]}`` or ``[{"text": ..., "answer_start": ...}, ...]``."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list | tuple):
        texts, starts = value["text"], value.get("answer_start")
    elif isinstance(value, list | tuple) and all(isinstance(entry, Mapping) for entry in value):
        texts = [entry.get("text") for entry in value]
        starts = [entry.get("answer_start") for entry in value]
    else:
        texts = starts = None
    if not isinstance(starts, list | tuple) or texts is None:
        raise DomainAdaptError(
            f'{place}: field \'answers\': expected {{"text": [...], "answer_start": [...]}} or a list of '
            f'{{"text", "answer_start"}}, found {_kind(value)}'
        )
    if len(texts) != len(starts):
        raise DomainAdaptError(f"{place}: field 'answers': {len(texts)} texts but {len(starts)} starts")
    for text, start in zip(texts, starts, strict=True):
        if not isinstance(text, str):
            raise DomainAdaptError(f"{place}: field 'answers.text': expected text, found {_kind(text)}")
        if isinstance(start, bool) or not isinstance(start, int):
            raise DomainAdaptError(f"{place}: field 'answers.answer_start': expected integers, found {_kind(start)}")
    return tuple(zip(texts, starts, strict=True))


def _nested(data: object, place: str) -> Iterator[Record]:
    """Yields the questions of the ``data`` list of a SQuAD file."""
    for article_index, article in enumerate(_objects(data, "data", place)):
        article_place = f"{place}: data[{article_index}]"
        paragraphs = _objects(article.get("paragraphs"), "paragraphs", article_place)
        for paragraph_index, paragraph in enumerate(paragraphs):
            paragraph_place = f"{article_place}.paragraphs[{paragraph_index}]"
            inherited = {"title": article.get("title", "")}
            if "context" in paragraph:
                inherited["context"] = paragraph["context"]
            for index, row in enumerate(_objects(paragraph.get("qas"), "qas", paragraph_place)):
                yield parse_record(row, f"{paragraph_place}.qas[{index}]", inherited=inherited)


def _objects(value: object, name: str, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        found = "nothing" if value is None else _kind(value)
        raise DomainAdaptError(
            f"{place}: field {name!r}: expected a list of objects as in {NESTED_SCHEMA}, found {found}"
        )
    return value


def _read_whole(path: Path) -> Any:
    """Returns the JSON value that a file is, or None where it holds one value a line."""
    raw = _read_bytes(path)
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DomainAdaptError(f"{path}:{line}: not UTF-8 text") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not raw.strip():
            return None
        raise DomainAdaptError(f"{path}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})") from error


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise DomainAdaptError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DomainAdaptError(f"{path}: cannot be read: {error}") from error


def _kind(value: object) -> str:
    """Returns a word for the type of a JSON value, and the value where it is short."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    if value is None:
        return "null"
    word = names.get(type(value), type(value).__name__)
    shown = repr(value)
    return f"{word} {shown}" if len(shown) <= 40 else word
