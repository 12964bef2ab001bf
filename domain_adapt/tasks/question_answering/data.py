"""Labelled questions: the examples, and their loading from files and the Hub."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubDataset
from domain_adapt.tasks.interface import LoadedExamples
from domain_adapt.tasks.labelled_rows import check_length, hub_label, hub_rows
from domain_adapt.tasks.question_answering.reading import Record, parse_record, read_records

_log = logging.getLogger(__name__)

# Offsets counted in bytes, in another Unicode form or around a stripped title are off by a few characters; a text
# found farther away than this is more likely another mention than the one that was meant.
REPAIR_DISTANCE = 10
MAX_DROPPED_SHARE = 0.05
_WARNED_LINES = 10


@dataclass(frozen=True)
class Answer:
    """An accepted answer: ``context[start : start + len(text)] == text``."""

    text: str
    start: int


@dataclass(frozen=True)
class Example:
    """One question about one context; no answers means that the context does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    title: str = ""


def load_examples(paths: Sequence[Path]) -> LoadedExamples[Example]:
    """Returns the questions in flat JSONL or nested SQuAD JSON (1.1 and 2.0) files, ``.gz`` or not.

    An answer whose ``answer_start`` is off is moved to the nearest occurrence of its text within 10 characters, or
    left out; a question whose answers are all left out is dropped. Each such case is in the report and is logged.

    Raises:
        DomainAdaptError: If a file is missing, empty, not JSON or lacks a field, if two questions share an id, or if
            more than 5 % of the answerable questions are dropped.
    """
    if not paths:
        raise DomainAdaptError("no labelled files given", hint="expected at least one .jsonl or .json file")
    records: list[Record] = []
    for path in paths:
        found = list(read_records(path))
        if not found:
            raise DomainAdaptError(f"{path}: holds no questions")
        records.extend(found)
    return _build(records, ", ".join(str(path) for path in paths))


def load_hub_examples(dataset: HubDataset) -> LoadedExamples[Example]:
    """Returns the questions of a Hub data set (or a local folder) with the columns of SQuAD.

    Only data files are read (Parquet, JSON, ...); loading scripts are never run.

    Raises:
        DomainAdaptError: If the data set cannot be had, lacks a column, or for the reasons of :func:`load_examples`.
    """
    label = hub_label(dataset)
    records = [parse_record(row, place) for place, row in hub_rows(dataset)]
    if not records:
        raise DomainAdaptError(f"Hub data set {label} holds no questions")
    return _build(records, label)


def _build(records: Iterable[Record], source: str) -> LoadedExamples[Example]:
    """Checks ids and offsets, and turns records into examples."""
    places: dict[str, str] = {}
    examples: list[Example] = []
    report: list[str] = []
    repaired = dropped = answerable = dropped_answerable = 0
    for record in records:
        if record.id in places:
            raise DomainAdaptError(f"{record.place}: id {record.id!r} was used before, at {places[record.id]}")
        places[record.id] = record.place
        check_length(record.context, "context", f"{record.place}: id {record.id!r}")
        answerable += bool(record.answers)
        blank = next((name for name in ("question", "context") if not getattr(record, name).strip()), None)
        if blank:
            report.append(f"{record.place}: id {record.id!r}: {blank} is blank, question dropped")
            answers: list[Answer] = []
        else:
            answers, moved, lines = _check_answers(record)
            repaired += moved
            report.extend(lines)
        if blank or (record.answers and not answers):
            dropped += 1
            dropped_answerable += bool(record.answers)
            continue
        examples.append(Example(record.id, record.question, record.context, tuple(answers), record.title))
    _warn(report)
    if dropped_answerable > MAX_DROPPED_SHARE * answerable:
        raise DomainAdaptError(
            f"{source}: {dropped_answerable} of {answerable} answerable questions have no usable answer "
            f"(at most {MAX_DROPPED_SHARE:.0%} may be dropped); first problem: {_first_loss(report)}",
            hint="answer_start counts characters (not bytes) from the start of context",
        )
    if not examples:
        raise DomainAdaptError(f"{source}: no usable question is left; first problem: {_first_loss(report)}")
    return LoadedExamples(examples, repaired, dropped, report)


def _check_answers(record: Record) -> tuple[list[Answer], int, list[str]]:
    """Returns the answers that match the context, how many of them were moved, and a line for each problem."""
    answers: list[Answer] = []
    lines: list[str] = []
    moved = 0
    for text, start in record.answers:
        place = f"{record.place}: id {record.id!r}"
        found = locate(record.context, text, start)
        if found is None:
            reason = "is blank" if not text.strip() else f"is not within {REPAIR_DISTANCE} characters of its start"
            lines.append(f"{place}: answer {_short(text)} (answer_start {start}) {reason}, left out")
            continue
        if found != start:
            moved += 1
            lines.append(f"{place}: answer {_short(text)}: answer_start {start} repaired to {found}")
        answers.append(Answer(text, found))
    if record.answers and not answers:
        lines[-1] += "; question dropped"
    return answers, moved, lines


def locate(context: str, text: str, start: int) -> int | None:
    """Returns where ``text`` occurs nearest to ``start``, at most 10 characters away; None if nowhere there."""
    if not text.strip():
        return None
    for distance in range(REPAIR_DISTANCE + 1):
        for candidate in (start - distance, start + distance):
            if candidate >= 0 and context.startswith(text, candidate):
                return candidate
    return None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _first_loss(report: Sequence[str]) -> str:
    """Returns the first line about a question that was dropped; the lines before it may be about mere repairs."""
    return next(line for line in report if line.endswith("question dropped"))


def _warn(report: Sequence[str]) -> None:
    for line in report[:_WARNED_LINES]:
        _log.warning("%s", line)
    if len(report) > _WARNED_LINES:
        _log.warning("... and %d more", len(report) - _WARNED_LINES)
