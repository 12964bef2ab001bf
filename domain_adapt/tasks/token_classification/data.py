"""Texts with labelled spans: the examples and their loading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubDataset, TokenClassificationSettings
from domain_adapt.tasks import labelled_rows
from domain_adapt.tasks.columns import renamed
from domain_adapt.tasks.interface import LoadedExamples
from domain_adapt.tasks.token_classification.reading import Entity, parse_record


@dataclass(frozen=True)
class Example:
    """A text and its entities in the order of their starts; ``place`` says where it stands, no part of the content."""

    id: str
    text: str
    entities: tuple[Entity, ...]
    place: str = field(default="", compare=False, repr=False)


def load_examples(
    source: Sequence[Path] | HubDataset, settings: TokenClassificationSettings = TokenClassificationSettings()
) -> LoadedExamples[Example]:
    """Returns the texts in JSON files or in a Hub data set, with character spans or with a tag a token.

    Args:
        source: Where they are.
        settings: Names of the columns.

    Raises:
        DomainAdaptError: Names file and line of the first row that is wrong: a field missing, tags of another number
            than tokens, a span outside its text or over another one.
    """
    columns = {"tokens": settings.tokens, "tags": settings.tags}
    return LoadedExamples(labelled_rows.load(source, lambda row, place: _parse(renamed(row, columns), place)))


def _parse(row: Any, place: str) -> Example:
    record = parse_record(row, place)
    entities = sorted(record.entities, key=lambda entity: (entity.start, entity.end))
    end = 0
    for entity in entities:
        shown = f"{place}: id {record.id!r}: entity {entity.label} {entity.start}:{entity.end}"
        if not 0 <= entity.start < entity.end <= len(record.text):
            raise DomainAdaptError(f"{shown} lies outside the text of {len(record.text)} characters")
        if entity.start < end:
            raise DomainAdaptError(f"{shown} overlaps the one before it", hint="nested entities cannot be tagged")
        end = entity.end
    return Example(record.id, record.text, tuple(entities), place)
