"""From rows to texts with labelled spans, every complaint with its place.

Two schemas are read: character spans in a text, and one tag a token (BIO, BILOU or BIOES).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.json_rows import id_field, kind_of, text_field

SPAN_SCHEMA = '{"text", "entities": [{"start", "end", "label"}]}'
TAG_SCHEMA = '{"tokens": [...], "tags": ["O", "B-...", ...]}'

# What a tag's first letter says: does it begin an entity, does it end one? L and U are BILOU's, E and S BIOES's.
_BEGINS = {"B": True, "U": True, "S": True, "I": False, "L": False, "E": False}
_ENDS = {"L": True, "E": True, "U": True, "S": True, "B": False, "I": False}


@dataclass(frozen=True)
class Entity:
    """``text[start:end]`` has this label; characters, ``end`` not included."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Record:
    """A text and its entities as the file has them; of tokens, the text is the tokens with a space between."""

    place: str
    id: str
    text: str
    entities: tuple[Entity, ...]


def parse_record(row: object, place: str) -> Record:
    """Returns a record of ``row``. Spans are whole numbers and tags are well formed; nothing else is checked of them.

    Where there is no ``id``, the place stands in for it.

    Raises:
        DomainAdaptError: If a field is missing or is not what it should be.
    """
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {SPAN_SCHEMA} or {TAG_SCHEMA}, found {kind_of(row)}")
    tagged = "tokens" in row or "tags" in row
    needed, schema = (("tokens", "tags"), TAG_SCHEMA) if tagged else (("text", "entities"), SPAN_SCHEMA)
    for name in needed:
        if name not in row:
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {schema}")
    identifier = id_field(row, place) if "id" in row else place
    if not tagged:
        return Record(place, identifier, text_field(row, "text", place), _entities(row["entities"], place))
    tokens, tags = (_texts(row[name], name, place) for name in ("tokens", "tags"))
    if len(tokens) != len(tags):
        raise DomainAdaptError(f"{place}: {len(tokens)} tokens but {len(tags)} tags")
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    spans = spans_of_tags(tags, place)
    return Record(
        place,
        identifier,
        " ".join(tokens),
        tuple(Entity(starts[first], starts[last] + len(tokens[last]), label) for first, last, label in spans),
    )


def spans_of_tags(tags: Sequence[str], place: str) -> list[tuple[int, int, str]]:
    """Returns (first token, last token, label) of every entity in BIO, BILOU or BIOES tags.

    An ``I-`` that follows no entity of its label begins one, as in the IOB1 scheme and in the CoNLL scorer.

    Raises:
        DomainAdaptError: If a tag is neither ``O`` nor a known letter, a hyphen and a label.
    """
    found: list[tuple[int, int, str]] = []
    is_open = False
    for number, tag in enumerate(tags):
        letter, hyphen, label = tag.partition("-")
        if tag == "O":
            is_open = False
            continue
        if letter not in _BEGINS or not hyphen or not label:
            raise DomainAdaptError(f"{place}: tag {tag!r} of token {number}: expected O, B-LABEL or I-LABEL")
        if is_open and not _BEGINS[letter] and found[-1][2] == label:
            found[-1] = (found[-1][0], number, label)
        else:
            found.append((number, number, label))
        is_open = not _ENDS[letter]
    return found


def _entities(value: object, place: str) -> tuple[Entity, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, Mapping) for entry in value):
        raise DomainAdaptError(
            f'{place}: field \'entities\': expected a list of {{"start", "end", "label"}}, found {kind_of(value)}'
        )
    entities = []
    for number, entry in enumerate(value):
        start, end, label = (entry.get(name) for name in ("start", "end", "label"))
        for name, position in (("start", start), ("end", end)):
            if isinstance(position, bool) or not isinstance(position, int):
                raise DomainAdaptError(
                    f"{place}: field 'entities[{number}].{name}': expected a whole number, found {kind_of(position)}"
                )
        if not isinstance(label, str) or not label.strip():
            raise DomainAdaptError(
                f"{place}: field 'entities[{number}].label': expected a text, found {kind_of(label)}"
            )
        entities.append(Entity(start, end, label))
    return tuple(entities)


def _texts(value: object, name: str, place: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise DomainAdaptError(f"{place}: field {name!r}: expected a list of texts, found {kind_of(value)}")
    return list(value)
