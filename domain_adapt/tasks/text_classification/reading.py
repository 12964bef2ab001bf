"""From rows to labelled texts, every complaint with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.json_rows import id_field, kind_of, text_field

SCHEMA = '{"text", "label"} and, if you like, "id"'


@dataclass(frozen=True)
class Record:
    """A text and its label as the file has them."""

    place: str
    id: str
    text: str
    label: str


def parse_record(row: object, place: str) -> Record:
    """Returns a checked record of ``row``; a label may be text or a whole number, and the place stands in for an id.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {SCHEMA}, found {kind_of(row)}")
    for name in ("text", "label"):
        if name not in row:
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {SCHEMA}")
    label = row["label"]
    if isinstance(label, bool) or not isinstance(label, str | int) or not str(label).strip():
        raise DomainAdaptError(f"{place}: field 'label': expected a text or a whole number, found {kind_of(label)}")
    return Record(place, id_field(row, place) if "id" in row else place, text_field(row, "text", place), str(label))
