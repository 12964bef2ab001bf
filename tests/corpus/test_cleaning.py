from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.corpus.cleaning import normalise

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
