"""Checks and figures of labelled texts and labelled spans."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from domain_adapt.corpus.dedup import content_hash
from domain_adapt.data_check.finding import Finding, error, warning
from domain_adapt.data_check.sets import DataSet, Part
from domain_adapt.data_check.wording import cuts_word, words
from domain_adapt.tasks.labelled_rows import LONGEST_TEXT
from domain_adapt.tasks.text_classification import reading as texts
from domain_adapt.tasks.token_classification import reading as tokens

LONG_TEXT = 10_000  # characters; a model reads the first 2,000 or so
RARE, UNEVEN = 5, 20  # labels seen fewer times in train; a label so many times as frequent as another


@dataclass(frozen=True)
class Figures:
    """What one part holds; lengths in words."""

    part: str
    texts: int
    words: float
    longest: int
    labels: dict[str, int]


def labels_of(record: Any) -> list[str]:
    """Returns the labels of a record: of the text, or of each entity; none where a text has a number."""
    if isinstance(record, texts.Record):
        return texts.labels_of(record.label)
    return [entity.label for entity in record.entities]


def figures(part: Part) -> Figures:
    """Returns the figures of one part with at least one text."""
    lengths = [len(words(record.text)) for record in part.records]
    counts = Counter(label for record in part.records for label in labels_of(record))
    return Figures(part.name, len(lengths), fmean(lengths), max(lengths), dict(sorted(counts.items())))


def check_texts(records: Iterable[texts.Record | tokens.Record]) -> list[Finding]:
    """Returns what is wrong with single texts and the spans in them."""
    findings: list[Finding] = []
    for record in records:
        place = f"{record.place}: id {record.id!r}"
        if not record.text.strip():
            findings.append(error("blank", place, "the text is blank"))
        if len(record.text) > LONGEST_TEXT:
            findings.append(error("long text", place, f"{len(record.text):,} characters; at most {LONGEST_TEXT:,}"))
        elif len(record.text) > LONG_TEXT:
            findings.append(warning("long text", place, f"{len(record.text):,} characters"))
        if isinstance(record, tokens.Record):
            findings.extend(_check_entities(record, place))
    return findings


def _check_entities(record: tokens.Record, place: str) -> list[Finding]:
    findings: list[Finding] = []
    last_end = 0
    for entity in sorted(record.entities, key=lambda one: (one.start, one.end)):
        text = record.text[max(entity.start, 0) : max(entity.end, 0)]
        shown = f"{entity.label} {entity.start}:{entity.end}"
        if not 0 <= entity.start < entity.end <= len(record.text):
            length = len(record.text)
            findings.append(error("span", place, f"entity {shown} lies outside the text of {length} characters"))
            continue
        if entity.start < last_end:
            findings.append(error("span", place, f"entity {shown} ({text!r}) overlaps the one before it"))
        last_end = max(last_end, entity.end)
        if text != text.strip():
            findings.append(error("span", place, f"entity {shown} ({text!r}) begins or ends with a space"))
        if cuts_word(record.text, entity.start, entity.end):
            findings.append(warning("span", place, f"entity {shown} ({text!r}) cuts a word"))
    return findings


def check_labels(data: DataSet) -> list[Finding]:
    """Returns what is wrong with the labels as a whole: unknown in train, rare, uneven, contradictory."""
    findings: list[Finding] = []
    counts = {
        part.name: Counter(label for record in part.records for label in labels_of(record)) for part in data.parts
    }
    train = counts.get("train")
    for part in data.parts:
        if train is None or part.name == "train":
            continue
        for label in sorted(set(counts[part.name]) - set(train)):
            place = next(record.place for record in part.records if label in labels_of(record))
            findings.append(error("unknown label", place, f"label {label!r} does not occur in train"))
    if train:
        for label, count in sorted(train.items()):
            if count < RARE:
                findings.append(warning("balance", f"{data.name} train", f"label {label!r} has {count} examples"))
        most, least = max(train.values()), min(train.values())
        if most > UNEVEN * least:
            message = f"the most frequent label has {most / least:.0f} times the examples of the rarest"
            findings.append(warning("balance", f"{data.name} train", message))
    return findings + _check_contradictions(data)


def _check_contradictions(data: DataSet) -> list[Finding]:
    """Returns texts that carry one label here and another there."""
    seen: defaultdict[str, dict[str, str]] = defaultdict(dict)
    findings = []
    for part in data.parts:
        for record in part.records:
            if not isinstance(record, texts.Record):
                return []
            others = seen[content_hash(record.text)]
            own = _shown(record.label)
            for label, place in others.items():
                if label != own:
                    message = f"id {record.id!r}: label {own}, but {label} for the same text at {place}"
                    findings.append(warning("contradiction", record.place, message))
            others.setdefault(own, record.place)
    return findings


def _shown(label: texts.Label) -> str:
    return ", ".join(map(repr, label)) if isinstance(label, tuple) else repr(label)


def label_order(found: Sequence[Figures]) -> list[str]:
    """Returns every label, the most frequent first."""
    total: Counter[str] = Counter()
    for one in found:
        total.update(one.labels)
    return [label for label, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))]
