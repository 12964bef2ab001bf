"""What of a row becomes the text and the id of a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.compression import shown_size
from domain_adapt.corpus.sources.template import parse_template
from domain_adapt.corpus.sources.textfile import Item, Opened, field_hint, listed
from domain_adapt.errors import DomainAdaptError, did_you_mean

MISSING = object()
# Names kept for the message about a field that no row had; JSON rows may use data as names.
_MAX_COLUMNS = 200
_CHUNK = 1 << 20


class Fields:
    """Makes documents of a file's rows, and knows at the end which fields of the template no row had."""

    def __init__(self, file: Opened) -> None:
        self._opened = file
        self._file = file.file
        self._template = parse_template(self._file.template) if self._file.template is not None else None
        self._unseen = set(self._template.fields) if self._template else set()
        self._columns: dict[str, None] = {}

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the fields that the text is made of."""
        return self._template.fields if self._template else (self._file.text_field,)

    def document(self, row: object, place: int | str, name: str) -> Item:
        """Returns the document of one row: an object with fields, or in JSON a string.

        Args:
            row: The row; values are strings, numbers or None.
            place: Where it is in the file, for messages.
            name: Its id, if the row does not have one.

        Raises:
            DomainAdaptError: If the text is not where it should be.
        """
        if isinstance(row, str) and self._template is None:
            return self._checked(name, row)
        if not isinstance(row, Mapping):
            where = f"fields {listed(self.wanted)}" if self._template else f"the text in {self._file.text_field!r}"
            raise self._opened.error(place, f"expected an object with {where}, found {_kind(row)}")
        identifier = lookup(row, self._file.id_field)
        if not isinstance(identifier, str | int) or identifier == "":
            identifier = name
        return self._checked(str(identifier), self._text(row, place))

    def check_columns(self, columns: Iterable[str], place: int | None, text_columns: Iterable[str]) -> None:
        """Checks that a table has the columns that the text is made of.

        Args:
            columns: Those it has.
            place: The line of the header, None if there is none.
            text_columns: Those that could be meant by a wrong ``text_field``.

        Raises:
            DomainAdaptError: If one is missing.
        """
        columns = list(columns)
        for field in self.wanted:
            if field not in columns:
                if self._template:
                    raise self._no_field(field, columns)
                problem = f"no column {field!r}; found: {listed(columns)}"
                where = self._opened.shown + (f":{place}" if place else "")
                raise DomainAdaptError(f"{where}: {problem}", hint=field_hint(self._file, list(text_columns)))
        self._unseen.clear()

    def check_seen(self) -> None:
        """Checks, behind the last row, that each field of the template was in some row.

        Rows may lack fields, but one that no row has is misspelt. Of a file in parts, the first part looks for the
        name in the rest of the file, and the others do not look.

        Raises:
            DomainAdaptError: If a field was in none.
        """
        if not self._columns or self._opened.start:
            return
        for field in sorted(self._unseen):
            if self._opened.stop is None or not self._occurs(field):
                raise self._no_field(field, list(self._columns))

    def _text(self, row: Mapping[str, Any], place: int | str) -> str:
        if self._template is None:
            value = lookup(row, self._file.text_field)
            if value is MISSING:
                strings = [key for key, value in row.items() if isinstance(value, str)]
                problem = f"no field {self._file.text_field!r}; found: {listed(row)}"
                raise self._opened.error(place, problem, field_hint(self._file, strings))
            return self._string(value, self._file.text_field, place, numbers=False)
        if self._unseen and len(self._columns) < _MAX_COLUMNS:
            self._columns.update(dict.fromkeys(row))
        values = {}
        for field in self._template.fields:
            value = lookup(row, field)
            if value is not MISSING:
                self._unseen.discard(field)
            values[field] = self._string(None if value is MISSING else value, field, place, numbers=True)
        return self._template.render(values)

    def _string(self, value: object, field: str, place: int | str, *, numbers: bool) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""  # an empty document, dropped and counted with the short ones
        if numbers and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        expected = "a string or a number" if numbers else "a string"
        raise self._opened.error(place, f"field {field!r}: expected {expected}, found {_kind(value)}")

    def _checked(self, identifier: str, text: str) -> Item:
        limit = limits.MAX_DOCUMENT_BYTES
        # A character takes one to four bytes, so most texts need not be encoded to know.
        if 4 * len(text) > limit and (len(text) > limit or len(text.encode(errors="replace")) > limit):
            return self._opened.unreadable(identifier, "too large", f"one document of more than {shown_size(limit)}")
        return identifier, text

    def _no_field(self, field: str, columns: list[str]) -> DomainAdaptError:
        problem = f"{self._opened.shown}: template: no field {field!r} in any row; found: {listed(columns)}"
        return DomainAdaptError(problem, hint=did_you_mean(field, columns))

    def _occurs(self, field: str) -> bool:
        """Whether the file has the name of a field as JSON writes it."""
        name = field.rpartition(".")[2]
        keys = {json.dumps(name).encode(), json.dumps(name, ensure_ascii=False).encode()}
        tail = b""
        self._opened.stream.seek(0)
        while piece := self._opened.stream.read(_CHUNK):
            if any(key in tail + piece for key in keys):
                return True
            tail = piece[-max(map(len, keys)) :]
        return False


def lookup(row: Mapping[str, Any], field: str) -> Any:
    """Returns the value of a field, None for null, ``MISSING`` if there is none.

    ``a.b`` is the field of that name, or field b of the object a.
    """
    if field in row:
        return row[field]
    outer, dot, inner = field.partition(".")
    if not dot or outer not in row:
        return MISSING
    value = row[outer]
    if value is None:
        return None
    return lookup(value, inner) if isinstance(value, Mapping) else MISSING


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    names[str] = "a string"
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
