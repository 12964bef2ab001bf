"""From files to raw question records: flat JSONL and nested SQuAD JSON, every complaint with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.json_rows import id_field, kind_of, read_rows, text_field

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


@dataclass(frozen=True)
class RawRecord:
    """One question before it is checked: its place, the object that stands there, the fields from higher up."""

    place: str
    row: object
    inherited: Mapping[str, object] | None = None


def read_records(path: Path) -> Iterator[Record]:
    """Yields the questions of one file; ``.gz`` is unpacked, blank lines are skipped.

    Raises:
        DomainAdaptError: Names file and line, or the path inside a nested file, and what was expected.
    """
    for raw in raw_records(path):
        yield parse_record(raw.row, raw.place, inherited=raw.inherited)


def raw_records(path: Path) -> Iterator[RawRecord]:
    """Yields the questions of one file as they stand there, for :func:`parse_record`.

    Raises:
        DomainAdaptError: If the file cannot be read, or is not built as either schema says.
    """
    for place, row in read_rows(path):
        if isinstance(row, dict) and "data" in row and "context" not in row:
            yield from _nested(row["data"], place)
        else:
            yield RawRecord(place, row)


def parse_record(row: object, place: str, *, inherited: Mapping[str, object] | None = None) -> Record:
    """Returns a checked record of ``row``; ``inherited`` adds the fields that stand higher up in a nested file.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    schema = NESTED_SCHEMA if inherited is not None else FLAT_SCHEMA
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {schema}, found {kind_of(row)}")
    fields = {**(inherited or {}), **row}
    for name in ("id", "context", "question", "answers"):
        if name not in fields and not (name == "answers" and fields.get("is_impossible") is True):
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {schema}")
    # SQuAD 2.0 marks unanswerable questions; what stands in their plausible_answers is not an answer.
    impossible = fields.get("is_impossible") is True
    title = fields.get("title")
    return Record(
        place=place,
        id=id_field(fields, place),
        question=text_field(fields, "question", place),
        context=text_field(fields, "context", place),
        title=title if isinstance(title, str) else "",
        answers=() if impossible else _answers(fields["answers"], place),
    )


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
            f'{{"text", "answer_start"}}, found {kind_of(value)}'
        )
    if len(texts) != len(starts):
        raise DomainAdaptError(f"{place}: field 'answers': {len(texts)} texts but {len(starts)} starts")
    for text, start in zip(texts, starts, strict=True):
        if not isinstance(text, str):
            raise DomainAdaptError(f"{place}: field 'answers.text': expected text, found {kind_of(text)}")
        if isinstance(start, bool) or not isinstance(start, int):
            raise DomainAdaptError(f"{place}: field 'answers.answer_start': expected integers, found {kind_of(start)}")
    return tuple(zip(texts, starts, strict=True))


def _nested(data: object, place: str) -> Iterator[RawRecord]:
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
                yield RawRecord(f"{paragraph_place}.qas[{index}]", row, inherited)


def _objects(value: object, name: str, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        found = "nothing" if value is None else kind_of(value)
        raise DomainAdaptError(
            f"{place}: field {name!r}: expected a list of objects as in {NESTED_SCHEMA}, found {found}"
        )
    return value
