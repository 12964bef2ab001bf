"""Labelled texts: the examples and their loading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain_adapt.recipes import HubDataset, TextClassificationSettings
from domain_adapt.tasks import labelled_rows
from domain_adapt.tasks.interface import LoadedExamples
from domain_adapt.tasks.text_classification.reading import Label, parse_record


@dataclass(frozen=True)
class Example:
    """A text, perhaps a second one, and what they are labelled with.

    ``place`` says where it stands and is no part of the content.
    """

    id: str
    text: str
    label: Label
    place: str = field(default="", compare=False, repr=False)
    pair: str = ""


def load_examples(source: Sequence[Path] | HubDataset, settings: TextClassificationSettings) -> LoadedExamples[Example]:
    """Returns the labelled texts in files or in a Hub data set.

    Args:
        source: Where they are.
        settings: Names of the columns and what the label is.

    Raises:
        DomainAdaptError: Names file and line of the first row that is wrong.
    """

    def parse(row: Any, place: str) -> Example:
        record = parse_record(row, place, settings)
        return Example(record.id, record.text, record.label, place, record.pair)

    return LoadedExamples(labelled_rows.load(source, parse))
