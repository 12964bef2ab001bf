import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.token_classification.reading import Entity, parse_record, spans_of_tags


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-x I-x O", [(1, 2, "x")]),
        ("B-x B-x", [(0, 0, "x"), (1, 1, "x")]),
        ("I-x I-x I-y", [(0, 1, "x"), (2, 2, "y")]),  # IOB1, as the CoNLL scorer reads it
        ("B-x I-y", [(0, 0, "x"), (1, 1, "y")]),
        ("B-x O I-x", [(0, 0, "x"), (2, 2, "x")]),
        ("B-x L-x U-y", [(0, 1, "x"), (2, 2, "y")]),  # BILOU
        ("B-x E-x I-x S-y", [(0, 1, "x"), (2, 2, "x"), (3, 3, "y")]),  # BIOES
        ("B-x-1 I-x-1", [(0, 1, "x-1")]),
        ("", []),
    ],
)
def test_spans_of_tags(tags, expected):
    assert spans_of_tags(tags.split(), "f:1") == expected


@given(st.lists(st.tuples(st.sampled_from(["O", "a", "b"]), st.integers(1, 4)), max_size=8))
def test_spans_come_back_from_their_bio_tags(pieces):
    tags, expected = [], []
    for label, length in pieces:
        if label == "O":
            tags += ["O"] * length
        else:
            expected.append((len(tags), len(tags) + length - 1, label))
            tags += [f"B-{label}"] + [f"I-{label}"] * (length - 1)
    assert spans_of_tags(tags, "f:1") == expected


def test_tokens_become_a_text_with_character_spans():
    row = {"id": 7, "tokens": ["Acute", "heart", "attack", "."], "tags": ["O", "B-disease", "I-disease", "O"]}
    record = parse_record(row, "f:1")
    assert (record.id, record.text, record.entities) == ("7", "Acute heart attack .", (Entity(6, 18, "disease"),))
    assert record.text[6:18] == "heart attack"


def test_a_tag_that_is_none_is_named():
    with pytest.raises(DomainAdaptError, match="f:3: tag 'disease' of token 1"):
        spans_of_tags(["O", "disease"], "f:3")
