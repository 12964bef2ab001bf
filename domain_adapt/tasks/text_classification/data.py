"""Labelled texts: the examples and their loading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain_adapt.recipes import HubDataset
from domain_adapt.tasks import labelled_rows
from domain_adapt.tasks.interface import LoadedExamples
from domain_adapt.tasks.text_classification.reading import parse_record


@dataclass(frozen=True)
class Example:
    """A text and its label; ``place`` says where it stands and is no part of the content."""

    id: str
    text: str
    label: str
    place: str = field(default="", compare=False, repr=False)


def load_examples(source: Sequence[Path] | HubDataset) -> LoadedExamples[Example]:
    """Returns the labelled texts in JSON files or in a Hub data set with the columns ``text`` and ``label``.

    Raises:
        DomainAdaptError: Names file and line of the first row that is wrong.
    """
    return LoadedExamples(labelled_rows.load(source, _parse))


def _parse(row: Any, place: str) -> Example:
    record = parse_record(row, place)
    return Example(record.id, record.text, record.label, place)
