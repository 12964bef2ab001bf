from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.corpus.cleaning import join_lines, mend, normalise, normalise_lines

# Characters on which the rules meet: joiners beside combining marks, all kinds of line ends, surrogates.
AWKWARD = st.text(
    st.sampled_from(
        "a e\u0301\u0591\u0628\u200c\u200d\u00ad\u2028\u2029\r\n\t\v\f\x85\x00\x1c\ud800\u00a0\u2000\u212b\U0001f525"
    )
)


@settings(deadline=None, max_examples=300)
@given(AWKWARD | st.text())
def test_normalise_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@settings(deadline=None)
@given(AWKWARD | st.text())
def test_normalised_text_can_be_encoded_and_is_composed(text: str) -> None:
    result = normalise(text)
    result.encode("utf-8")
    assert unicodedata.is_normalized("NFC", result)
    assert "  " not in result and "\n\n\n" not in result and result == result.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cafe\u0301", "café"),
        ("a \t b\u00a0c", "a b c"),
        ("hard\nwrapped\r\nlines", "hard wrapped lines"),
        ("one\n\ntwo \r\n \r\n\n three", "one\n\ntwo\n\nthree"),
        ("one\u2029two\u2028three", "one\n\ntwo three"),
        ("myo\u00adcar\u200bdium\ufeff", "myocardium"),
        ("f\u200coo", "foo"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("a\x00b\x07c\ud83d", "abc"),
        ("page\fbreak", "page break"),
        (" \n\n ", ""),
    ],
)
def test_normalise_by_hand(text: str, expected: str) -> None:
    assert normalise(text) == expected


@settings(deadline=None)
@given(AWKWARD | st.text())
def test_joined_lines_are_the_normalised_text(text: str) -> None:
    lines = normalise_lines(text)
    assert normalise_lines(lines) == lines
    assert join_lines(lines) == normalise(text)
    assert "\n\n\n" not in lines and " \n" not in lines and "\n " not in lines


def test_lines_stay_apart_and_paragraphs_too() -> None:
    assert normalise_lines(" a \r\n b\n\n \n c ") == "a\nb\n\nc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The na\u00c3\u00afve patient\u00e2\u20ac\u2122s fever", "The na\u00efve patient\u2019s fever"),
        ("fine: na\u00efve\nna\u00c3\u00afve", "fine: na\u00efve\nna\u00efve"),
        ("Sj\u00f6gren\u2019s", "Sj\u00f6gren\u2019s"),
        ("plain", "plain"),
    ],
)
def test_text_that_was_decoded_wrongly_is_mended_line_by_line(text: str, expected: str) -> None:
    assert mend(text) == expected
