"""Checks and figures of question answering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from domain_adapt.data_check.finding import Finding, error, warning
from domain_adapt.data_check.sets import DataSet
from domain_adapt.data_check.wording import cuts_word, overlap, question_type, runs, words
from domain_adapt.tasks.labelled_rows import LONGEST_TEXT
from domain_adapt.tasks.question_answering.data import locate
from domain_adapt.tasks.question_answering.reading import Record

LONG_CONTEXT = 50_000  # characters; some 80 windows of a question
LONG_ANSWER = 30  # words; `question_answering.max_answer_length` is 30 tokens
COPIED_RUN = 8  # words in a row that question and context share
COPIED_SHARE = 0.03
HIGH_OVERLAP = 0.5


@dataclass(frozen=True)
class Figures:
    """What one part holds; shares from 0 to 1, lengths in words."""

    part: str
    questions: int
    contexts: int
    context_words: float
    longest_context: int
    question_words: float
    answer_words: float
    unanswerable: float
    several_answers: float
    overlap: float
    copied: float
    types: dict[str, int]


def check_records(records: Sequence[Record]) -> list[Finding]:
    """Returns what is wrong with single questions: blank fields, spans, answers that give themselves away."""
    findings: list[Finding] = []
    for record in records:
        place = f"{record.place}: id {record.id!r}"
        if not record.question.strip():
            findings.append(error("blank", place, "the question is blank"))
        if not record.context.strip():
            findings.append(error("blank", place, "the context is blank"))
        length = len(record.context)
        if length > LONGEST_TEXT:
            findings.append(error("long context", place, f"{length:,} characters; at most {LONGEST_TEXT:,}"))
        elif length > LONG_CONTEXT:
            findings.append(warning("long context", place, f"{length:,} characters"))
        for text, start in dict.fromkeys(record.answers):
            findings.extend(_check_answer(record, text, start, place))
    return findings


def _check_answer(record: Record, text: str, start: int, place: str) -> list[Finding]:
    if not text.strip():
        return [error("span", place, "an answer is blank; an unanswerable question has an empty list of answers")]
    end = start + len(text)
    if start < 0 or record.context[start:end] != text:
        nearest = locate(record.context, text, start)
        where = "does not stand in the context" if text not in record.context else "stands elsewhere"
        if nearest is not None:
            where = f"stands at {nearest}"
        return [error("span", place, f"answer {text!r} with answer_start {start} {where}")]
    findings = []
    if text != text.strip(" \t\r\n,;:"):
        findings.append(warning("span", place, f"answer {text!r} begins or ends with a space or punctuation"))
    if cuts_word(record.context, start, end):
        findings.append(warning("span", place, f"answer {text!r} cuts a word"))
    if len(text.split()) > LONG_ANSWER:
        findings.append(warning("long answer", place, f"an answer of {len(text.split())} words"))
    if f" {' '.join(words(text))} " in f" {' '.join(words(record.question))} ":
        findings.append(warning("given away", place, f"the question holds its answer {text!r}"))
    return findings


def figures(part: str, records: Sequence[Record]) -> Figures:
    """Returns the figures of one part with at least one question."""
    contexts = {context: words(context) for context in {record.context for record in records}}
    vocabularies = {context: frozenset(found) for context, found in contexts.items()}
    copied_runs = {context: runs(found, COPIED_RUN) for context, found in contexts.items()}
    asked = [words(record.question) for record in records]
    first_answers = [record.answers[0][0] for record in records if record.answers]
    copied = sum(
        not copied_runs[record.context].isdisjoint(runs(found, COPIED_RUN))
        for record, found in zip(records, asked, strict=True)
    )
    return Figures(
        part=part,
        questions=len(records),
        contexts=len(contexts),
        context_words=fmean(map(len, contexts.values())),
        longest_context=max(map(len, contexts.values())),
        question_words=fmean(map(len, asked)),
        answer_words=fmean(len(text.split()) for text in first_answers) if first_answers else 0.0,
        unanswerable=sum(not record.answers for record in records) / len(records),
        several_answers=sum(len(set(record.answers)) > 1 for record in records) / len(records),
        overlap=fmean(overlap(record.question, vocabularies[record.context]) for record in records),
        copied=copied / len(records),
        types=dict(Counter(question_type(record.question) for record in records)),
    )


def check_wording(data: DataSet, found: Sequence[Figures]) -> list[Finding]:
    """Returns warnings about parts whose questions repeat their contexts."""
    findings = []
    for one in found:
        place = f"{data.name} {one.part}"
        if one.overlap > HIGH_OVERLAP:
            message = f"{one.overlap:.0%} of the questions' content words stand in their contexts: easy by matching"
            findings.append(warning("overlap", place, message))
        if one.copied > COPIED_SHARE:
            message = f"{one.copied:.1%} of the questions share {COPIED_RUN} words in a row with their context"
            findings.append(warning("copied", place, message))
    return findings
