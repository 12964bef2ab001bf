"""The check of labelled data: read, look at each example, at the parts against each other, and count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from domain_adapt.data_check import labels, questions
from domain_adapt.data_check.finding import Finding, error
from domain_adapt.data_check.leakage import check_overlap
from domain_adapt.data_check.sets import DataSet, find_sets


@dataclass(frozen=True)
class Checked:
    """What was found in one set.

    Attributes:
        name: The folder, or the file.
        kind: The task type that the data is for.
        questions: Of question answering: the figures of each part that holds an example.
        texts: The same of labelled texts and spans.
        findings: Errors first.
    """

    name: str
    kind: str
    questions: list[questions.Figures]
    texts: list[labels.Figures]
    findings: list[Finding]

    def count(self, level: str) -> int:
        """Returns how many errors, or warnings, there are."""
        return sum(finding.level == level for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Returns the same as plain values."""
        return asdict(self)


def check(paths: Sequence[str | Path]) -> list[Checked]:
    """Returns what is to be said about the labelled data in files and folders, one entry a set.

    An *error* makes the data unusable or its scores wrong: a field missing, a span that is not where it is said to
    be, an id used twice, a label that train does not have, a context of train in test. A *warning* may be meant so.

    Raises:
        DomainAdaptError: If a path does not exist, or a file cannot be read as labelled data at all.
    """
    return [_check_set(data) for data in find_sets([Path(path) for path in paths])]


def _check_set(data: DataSet) -> Checked:
    parts = [part for part in data.parts if part.records]
    asked: list[questions.Figures] = []
    texts: list[labels.Figures] = []
    found = [*data.findings]
    found += [
        error("schema", f"{data.name} {part.name}", "no usable example") for part in data.parts if not part.records
    ]
    if data.kind == "question-answering":
        asked = [questions.figures(part.name, part.records) for part in parts]
        for part in parts:
            found += questions.check_records(part.records)
        found += questions.check_wording(data, asked)
    else:
        texts = [labels.figures(part) for part in parts]
        for part in parts:
            found += labels.check_texts(part.records)
        found += labels.check_labels(data)
    found += check_overlap(data)
    found.sort(key=lambda finding: finding.level)
    return Checked(data.name, data.kind, asked, texts, found)
