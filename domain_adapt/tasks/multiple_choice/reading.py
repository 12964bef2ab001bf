"""From rows to questions with choices, every complaint with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import MultipleChoiceSettings
from domain_adapt.tasks.json_rows import id_field, kind_of, text_field

SCHEMA = '{"question", "choices", "answer"} and, if you like, "id" and "context"'
LONGEST_CONTEXT = 1_000_000  # characters; a model reads the first 2,000 or so
_HINT = "the table [multiple_choice] of the recipe names the columns that other files have"


@dataclass(frozen=True)
class Record:
    """A question and its choices as the file has them.

    Attributes:
        place: ``file:line``.
        id: The place where the file has none.
        question: Not blank.
        choices: Two or more, all different.
        answer: 0-based index of the right one.
        context: "" where there is none.
        ambiguous: The answer, read as a number or letter, is also the text of another choice.
    """

    place: str
    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    context: str
    ambiguous: bool


def parse_record(row: object, place: str, columns: MultipleChoiceSettings) -> Record:
    """Returns a checked record of ``row``.

    The answer may be, in this order: a whole number (from 0), such a number as text, a letter (``A`` or ``a`` is the
    first choice), the text of a choice. A text that is no number or letter of a choice is looked up among the choices.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {SCHEMA}, found {kind_of(row)}")
    several = [columns.choices] if isinstance(columns.choices, str) else columns.choices
    # A context is optional, but one that the recipe names has to be there: else a slip of the pen loses it.
    named = [columns.context] if columns.context != "context" else []
    for name in (columns.question, *several, columns.answer, *named):
        if name not in row:
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {SCHEMA}", hint=_HINT)
    choices = _choices(row, columns.choices, place)
    answer, ambiguous = _answer(row[columns.answer], choices, columns.answer, place)
    return Record(
        place=place,
        id=id_field(row, place) if "id" in row else place,
        question=question_of(row[columns.question], place, columns.question),
        choices=choices,
        answer=answer,
        context=context_of(row.get(columns.context), place, columns.context),
        ambiguous=ambiguous,
    )


def question_of(value: object, place: str, name: str = "question") -> str:
    """Returns a question; an error names the place if it is no text, or blank."""
    question = text_field({name: value}, name, place)
    if not question.strip():
        raise DomainAdaptError(f"{place}: field {name!r} is blank")
    return question


def context_of(value: object, place: str, name: str = "context") -> str:
    """Returns a context, "" for null; an error names the place if it is no text, or longer than any text is."""
    context = "" if value is None else text_field({name: value}, name, place)
    if len(context) > LONGEST_CONTEXT:
        raise DomainAdaptError(
            f"{place}: field {name!r}: {len(context):,} characters; at most {LONGEST_CONTEXT:,} are read"
        )
    return context


def choices_of(value: object, place: str, name: str = "choices") -> tuple[str, ...]:
    """Returns the choices in a list; an error names the place if they are fewer than two, blank or the same twice."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise DomainAdaptError(f"{place}: field {name!r}: expected a list of texts, found {kind_of(value)}", hint=_HINT)
    return _checked([(f"{name}[{number}]", choice) for number, choice in enumerate(value)], place)


def _choices(row: Mapping[str, object], columns: str | Sequence[str], place: str) -> tuple[str, ...]:
    """Returns the choices: one column with a list, or several columns with a text each."""
    if isinstance(columns, str):
        return choices_of(row[columns], place, columns)
    return _checked([(name, row[name]) for name in columns], place)


def _checked(named: Sequence[tuple[str, object]], place: str) -> tuple[str, ...]:
    if len(named) < 2:
        raise DomainAdaptError(f"{place}: expected two or more choices, found {len(named)}")
    seen: dict[str, str] = {}
    choices = []
    for name, value in named:
        choice = text_field({name: value}, name, place)
        plain = choice.strip()
        if not plain:
            raise DomainAdaptError(f"{place}: choice {name!r} is blank")
        if plain in seen:
            raise DomainAdaptError(f"{place}: the choices {seen[plain]!r} and {name!r} are the same")
        seen[plain] = name
        choices.append(choice)
    return tuple(choices)


def _answer(value: object, choices: tuple[str, ...], name: str, place: str) -> tuple[int, bool]:
    """Returns the index of the right choice, and whether the answer is the text of another one too."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DomainAdaptError(
            f"{place}: field {name!r}: expected the number, letter or text of a choice, found {kind_of(value)}"
        )
    index = value if isinstance(value, int) else _index(value.strip())
    by_text = choices.index(value) if isinstance(value, str) and value in choices else None
    if index is not None and 0 <= index < len(choices):
        return index, by_text not in (None, index)
    if by_text is not None:
        return by_text, False
    raise DomainAdaptError(
        f"{place}: field {name!r}: {kind_of(value)} is none of the {len(choices)} choices: expected a number from 0 to "
        f"{len(choices) - 1}, a letter or the text of a choice"
    )


def _index(text: str) -> int | None:
    """Returns the 0-based index that a number or letter stands for, or None."""
    if not text.isascii():
        return None
    if text.isdigit() and len(text) < 9:
        return int(text)
    return ord(text.upper()) - ord("A") if len(text) == 1 and text.isalpha() else None
