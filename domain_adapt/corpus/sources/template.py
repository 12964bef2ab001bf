r"""Text made of several fields of a row: ``{title}\n\n{abstract}``."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from domain_adapt.errors import DomainAdaptError

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True)
class Template:
    """A template by paragraphs; each is literals and fields in turn: ``((literal, field or None), ...)``."""

    paragraphs: tuple[tuple[tuple[str, str | None], ...], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in braces, each once, in their order."""
        pieces = (field for paragraph in self.paragraphs for _, field in paragraph if field is not None)
        return tuple(dict.fromkeys(pieces))

    def render(self, values: Mapping[str, str]) -> str:
        """Returns the text for one row's values; ``""`` if all of them are empty.

        A paragraph whose fields are all empty (nothing, or whitespace) is left out; one without fields stays.
        """
        if not any(value.strip() for value in values.values()):
            return ""
        texts = []
        for paragraph in self.paragraphs:
            fields = [field for _, field in paragraph if field is not None]
            if not fields or any(values[field].strip() for field in fields):
                texts.append("".join(literal + (values[field] if field else "") for literal, field in paragraph))
        return "\n\n".join(texts)


@lru_cache(maxsize=8)
def parse_template(template: str) -> Template:
    """Returns the parsed template; its syntax is that of ``str.format`` with nothing but names in the braces.

    Raises:
        DomainAdaptError: If it has no field, unbalanced braces, or more than a name in them.
    """
    try:
        parsed = Template(tuple(_paragraph(text) for text in _BLANK_LINES.split(template.strip())))
    except ValueError as error:
        raise _error(template, str(error)) from None
    if not parsed.fields:
        raise _error(template, "expected at least one field in braces")
    return parsed


def _paragraph(text: str) -> tuple[tuple[str, str | None], ...]:
    pieces: list[tuple[str, str | None]] = []
    for literal, field, specification, conversion in string.Formatter().parse(text):
        if field is not None:
            parts = field.split(".")
            plain = not specification and not conversion and "[" not in field
            if not plain or not all(part.strip() for part in parts) or any(part.startswith("__") for part in parts):
                raise ValueError(f"expected the name of a field in braces and nothing else, found {field!r} with more")
        pieces.append((literal, field))
    return tuple(pieces)


def _error(template: str, problem: str) -> DomainAdaptError:
    return DomainAdaptError(
        f"template: {problem} in {template!r}",
        hint="fields stand in braces, as in '{title}\\n\\n{abstract}'; {{ and }} are braces themselves",
    )
