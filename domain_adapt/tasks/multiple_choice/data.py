"""Questions with choices: the examples and their loading."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain_adapt.recipes import HubDataset, MultipleChoiceSettings
from domain_adapt.tasks import labelled_rows
from domain_adapt.tasks.interface import LoadedExamples
from domain_adapt.tasks.multiple_choice.reading import parse_record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A question, its choices and the index of the right one (-1: not known).

    ``place`` says where it stands and is no part of the content.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int = -1
    context: str = ""
    place: str = field(default="", compare=False, repr=False)

    @property
    def text(self) -> str:
        """What is read together with each choice: the context, if there is one, and the question."""
        return f"{self.context} {self.question}" if self.context.strip() else self.question


def load_examples(
    source: Sequence[Path] | HubDataset, columns: MultipleChoiceSettings = MultipleChoiceSettings()
) -> LoadedExamples[Example]:
    """Returns the questions in files or in a Hub data set whose columns are called as ``columns`` says.

    Raises:
        DomainAdaptError: Names file and line of the first row that is wrong.
    """
    ambiguous: list[str] = []

    def parse(row: Any, place: str) -> Example:
        record = parse_record(row, place, columns)
        if record.ambiguous:
            ambiguous.append(place)
        return Example(record.id, record.question, record.choices, record.answer, record.context, place)

    examples = labelled_rows.load(source, parse)
    if ambiguous:
        _log.warning(
            "%d answers are the number or letter of one choice and the text of another, the first at %s: "
            "taken as number or letter",
            len(ambiguous),
            ambiguous[0],
        )
    return LoadedExamples(examples)
