"""From paths to sets: which files belong together, what kind they are, and their records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from domain_adapt.data_check.finding import Finding, error
from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.question_answering import reading as questions
from domain_adapt.tasks.rows import is_readable, read_rows
from domain_adapt.tasks.text_classification import reading as texts
from domain_adapt.tasks.token_classification import reading as tokens

Kind = Literal["question-answering", "text-classification", "token-classification"]
Record = questions.Record | texts.Record | tokens.Record

# How the parts of a set are named on the Hub and in GLUE-like folders: train-00000-of-00004, dev_matched, ...
_SPLIT = re.compile(r"(train|dev|valid|validation|val|eval|test)(?=$|[^a-z])", re.IGNORECASE)
_SAME_SPLIT = {"valid": "dev", "validation": "dev", "val": "dev", "eval": "dev"}
_ORDER = {"train": 0, "dev": 1, "test": 2}


@dataclass
class Part:
    """One part (train, dev, test) of a set."""

    name: str
    records: list[Any] = field(default_factory=list)


@dataclass
class DataSet:
    """Labelled data of one kind whose parts must not overlap."""

    name: str
    kind: Kind
    parts: list[Part] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def find_sets(paths: Sequence[Path]) -> list[DataSet]:
    """Returns the sets in files and folders, read as far as they can be.

    Files of one folder that are named like parts (``train.jsonl``, ``dev.jsonl``, ``test-00001.json.gz``) make one
    set; every other file is a set of its own. A row that cannot be read is a finding of its set.

    Raises:
        DomainAdaptError: If a path does not exist, holds no such file, or if a file cannot be read or is of no kind
            that is known here.
    """
    files: dict[Path, None] = {}
    for path in paths:
        files.update(dict.fromkeys(_files_of(path)))
    sets: dict[tuple[str, Kind], DataSet] = {}
    for path in files:
        split = _SPLIT.match(path.name)
        part = _SAME_SPLIT.get(split[1].lower(), split[1].lower()) if split else path.name
        name = str(path.parent if split else path)
        kind = kind_of_file(path)
        data = sets.setdefault((name, kind), DataSet(name, kind))
        found = next((one for one in data.parts if one.name == part), None)
        if found is None:
            found = Part(part)
            data.parts.append(found)
        _read(path, kind, found, data.findings)
    for data in sets.values():
        data.parts.sort(key=lambda part: _ORDER.get(part.name, 3))
    return list(sets.values())


def kind_of_file(path: Path) -> Kind:
    """Returns what kind of labels a file holds, by the fields of its first object.

    Raises:
        DomainAdaptError: If the file is empty, or its first object has the fields of no kind.
    """
    for place, row in read_rows(path):
        fields = row if isinstance(row, Mapping) else {}
        if "choices" in fields:
            raise DomainAdaptError(
                f"{place}: questions with choices are not checked here",
                hint="finetune names the first bad line of them",
            )
        if "question" in fields or "context" in fields or "data" in fields:
            return "question-answering"
        if {"entities", "tokens", "tags"} & set(fields):
            return "token-classification"
        if "label" in fields:
            return "text-classification"
        raise DomainAdaptError(
            f"{place}: neither questions, labelled texts nor labelled spans",
            hint=f"expected one of {questions.FLAT_SCHEMA}; {texts.SCHEMA}; {tokens.SPAN_SCHEMA}; {tokens.TAG_SCHEMA}",
        )
    raise DomainAdaptError(f"{path}: the file is empty")


def _files_of(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DomainAdaptError(f"{path}: no such file or folder")
    found = sorted(file for file in path.rglob("*") if file.is_file() and is_readable(file))
    if not found:
        raise DomainAdaptError(
            f"{path}: holds no labelled data",
            hint="expected .jsonl, .json, .csv, .tsv, .parquet or .conll files",
        )
    return found


def _read(path: Path, kind: Kind, part: Part, findings: list[Finding]) -> None:
    for parse in _parsers(path, kind):
        try:
            part.records.append(parse())
        except DomainAdaptError as problem:
            place, _, message = problem.message.partition(": ")
            findings.append(error("schema", place, message))


def _parsers(path: Path, kind: Kind) -> Iterator[Any]:
    """Yields one function a row, so that a bad row does not hide the ones below it."""
    if kind == "question-answering":
        for raw in questions.raw_records(path):
            yield lambda raw=raw: questions.parse_record(raw.row, raw.place, inherited=raw.inherited)
        return
    parse_record = texts.parse_record if kind == "text-classification" else tokens.parse_record
    for place, row in read_rows(path):
        yield lambda place=place, row=row: parse_record(row, place)
