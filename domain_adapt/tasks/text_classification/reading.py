"""From rows to labelled texts, every complaint with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import TextClassificationSettings
from domain_adapt.tasks.columns import renamed
from domain_adapt.tasks.json_rows import id_field, kind_of, text_field

SCHEMA = '{"text", "label"} and, if you like, "id"'
_SEPARATOR = "|"  # between the labels of a text in a file that knows no lists

# One label, several in alphabetical order, or a number.
Label = str | tuple[str, ...] | float


def labels_of(label: Label) -> list[str]:
    """Returns the names in a label: one, several, or none where it is a number."""
    if isinstance(label, tuple):
        return list(label)
    return [label] if isinstance(label, str) else []


@dataclass(frozen=True)
class Record:
    """A text, perhaps a second one, and what they are labelled with, as the file has them."""

    place: str
    id: str
    text: str
    label: Label
    pair: str = ""


def parse_record(row: object, place: str, settings: TextClassificationSettings | None = None) -> Record:
    """Returns a checked record of ``row``; where there is no ``id``, the place stands in for it.

    One label is a text or a whole number; several are a list of these, or a text with ``|`` between them; a number is
    one, or a text that says one.

    Args:
        row: As it stands in the file.
        place: ``file:line``.
        settings: Names of the columns and what the label is; None: the defaults, and any kind of label as it looks.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    columns = settings or TextClassificationSettings()
    names: dict[str, str | None] = {"text": columns.text, "pair": columns.text_pair, "label": columns.label}
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {SCHEMA}, found {kind_of(row)}")
    fields = renamed(row, names)
    assert isinstance(fields, Mapping)
    for name, column in names.items():
        if column is not None and name not in fields:
            raise DomainAdaptError(f"{place}: field {column!r} is missing; expected {_schema(columns)}")
    pair = "" if columns.text_pair is None else _text(fields["pair"], columns.text_pair, place)
    if columns.text_pair is not None and not pair.strip():
        raise DomainAdaptError(f"{place}: field {columns.text_pair!r}: the text is blank")
    return Record(
        place,
        id_field(row, place) if "id" in row else place,
        _text(fields["text"], columns.text, place),
        _label(fields["label"], columns.label, place, settings.problem if settings else None),
        pair,
    )


def _schema(columns: TextClassificationSettings) -> str:
    names = [columns.text, *([columns.text_pair] if columns.text_pair else []), columns.label]
    return "{" + ", ".join(f'"{name}"' for name in names) + '} and, if you like, "id"'


def _text(value: object, column: str, place: str) -> str:
    return text_field({column: value}, column, place)


def _label(value: object, column: str, place: str, problem: str | None) -> Label:
    if problem is None:
        problem = "multi-label" if isinstance(value, list | tuple) else "single-label"
        problem = "regression" if isinstance(value, float) else problem
    if problem == "regression":
        return _number(value, column, place)
    if problem == "single-label":
        return _name(value, column, place, "a text or a whole number")
    values = value.split(_SEPARATOR) if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise DomainAdaptError(f"{place}: field {column!r}: expected a list of labels, found {kind_of(value)}")
    if values == [""]:  # an empty cell
        return ()
    return tuple(sorted({_name(one, column, place, "a list of texts or whole numbers") for one in values}))


def _name(value: object, column: str, place: str, expected: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DomainAdaptError(f"{place}: field {column!r}: expected {expected}, found {kind_of(value)}")
    return str(value)


def _number(value: object, column: str, place: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        expected = f"{place}: field {column!r}: expected a finite number, found {kind_of(value)}"
        raise DomainAdaptError(expected) from None
    return number
